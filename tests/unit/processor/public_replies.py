# ruff: noqa: RUF001
# Names and dates as programs write them.
"""What was written in the reply bodies of three public projects: the numbers of the author's own lines.

Read by hand. A name under a text counts as written; a closing formula, a signature, a program's banner
and a mailing list's footer do not.
"""

OWN_LINES = """
alfonsrv/begins_with_signature: 1-4
alfonsrv/caution: 5-26
alfonsrv/caution2: 1-5
alfonsrv/correct_sig: 1
alfonsrv/email_1_1: 1-7
alfonsrv/email_1_3: 1-5
alfonsrv/email_1_4: 1
alfonsrv/email_1_5: 1-15
alfonsrv/email_1_6: 1
alfonsrv/email_1_7: 1
alfonsrv/email_1_8: 13 19
alfonsrv/email_2_1: 1
alfonsrv/email_2_2: 1
alfonsrv/email_2_3: 1
alfonsrv/email_3_1: 1-3
alfonsrv/email_bullets: 1-9
alfonsrv/email_danish_1: 1-3
alfonsrv/email_danish_2: 1-3
alfonsrv/email_danish_3: 1-3
alfonsrv/email_danish_4: 1-3
alfonsrv/email_danish_5: 1-3
alfonsrv/email_gmail: 1
alfonsrv/email_headers_no_delimiter: 1
alfonsrv/email_ja_1_1: 1
alfonsrv/email_ja_1_2: 1-5
alfonsrv/email_nl_1_1: 1-6
alfonsrv/email_nl_1_2: 1
alfonsrv/email_one_is_not_on: 1-5
alfonsrv/email_partial_quote_header: 1-6
alfonsrv/email_pl_1_1:
alfonsrv/email_pl_1_2:
alfonsrv/email_pl_1_3:
alfonsrv/email_sent_from_BlackBerry: 1
alfonsrv/email_sent_from_iPhone: 1
alfonsrv/email_sent_from_multi_word_mobile_device: 1
alfonsrv/email_sent_from_not_signature: 1-3
alfonsrv/email_sig_delimiter_in_middle_of_line: 1-7
alfonsrv/email_sv_anon_1: 1-4
alfonsrv/email_swedish_1: 1-5
alfonsrv/email_swedish_2: 1-7
alfonsrv/forward: 1-5
alfonsrv/greedy_on: 1-6
alfonsrv/multi_header: 1
alfonsrv/multiline_on:
alfonsrv/multiline_on_de: 1
alfonsrv/outlook: 1-8
alfonsrv/pathological: 1-2
willdurand/correct_sig: 1
willdurand/email_1: 1-7
willdurand/email_10: 1-5
willdurand/email_11: 1-5
willdurand/email_12: 1-5
willdurand/email_13: 1-5
willdurand/email_14: 1-5
willdurand/email_15: 1-5 9-11
willdurand/email_16: 1-5
willdurand/email_17: 1-5
willdurand/email_18: 1-5
willdurand/email_19: 1
willdurand/email_2: 1 9-34
willdurand/email_20: 1
willdurand/email_21: 1-638
willdurand/email_22: 1-5
willdurand/email_23: 1-5
willdurand/email_23_1: 1-7
willdurand/email_2_1: 1
willdurand/email_3: 1-5
willdurand/email_4: 1
willdurand/email_5: 1-15
willdurand/email_6: 1
willdurand/email_7: 1-5
willdurand/email_8: 1-5
willdurand/email_9: 1-5
willdurand/email_blackberry: 1
willdurand/email_bullets: 1-9
willdurand/email_custom_quote_header: 1
willdurand/email_customer_quote_header_2: 1
willdurand/email_customer_quote_header_3: 1-3
willdurand/email_iphone: 1
willdurand/email_issue_77: 1-8
willdurand/email_ls-l: 1-28
willdurand/email_multi_word_sent_from_my_mobile_device: 1
willdurand/email_norwegian_gmail: 1-5
willdurand/email_one_is_not_on: 1-5
willdurand/email_sent_from_my_not_signature: 1-3
willdurand/email_thread: 1
willdurand/email_unquoted_reply: 1
willdurand/email_w10_mail: 1-2
willdurand/email_zimbra_free_en: 1-9
willdurand/email_zimbra_free_fr: 1-10
willdurand/sig_no_empty_line: 1
zapier/correct_sig: 1
zapier/email_1_1: 1-7
zapier/email_1_2: 1 9-34
zapier/email_1_3: 1-5
zapier/email_1_4: 1
zapier/email_1_5: 1-15
zapier/email_1_6: 1
zapier/email_1_7: 1
zapier/email_1_8: 13 19
zapier/email_2_1: 1
zapier/email_2_2: 1
zapier/email_2_3: 1
zapier/email_BlackBerry: 1
zapier/email_bullets: 1-9
zapier/email_gmail: 1
zapier/email_headers_no_delimiter: 1
zapier/email_iPhone: 1
zapier/email_multi_word_sent_from_my_mobile_device: 1
zapier/email_one_is_not_on: 1-5
zapier/email_partial_quote_header: 1-6
zapier/email_sent_from_my_not_signature: 1-3
zapier/email_sig_delimiter_in_middle_of_line: 1-7
zapier/greedy_on: 1-6
zapier/pathological: 1-2
"""
# Bodies with a gap, and what the project's own test puts there; the lines above the gap were written.
TEMPLATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "willdurand/email_with_date_headers": (
        "[DATE]",
        (
            "On Tue, 2011-03-01 at 18:02 +0530, Abhishek Kona wrote:",
            "2014-03-20 8:48 GMT+01:00 Rémi Dolan <do_not_reply@dolan.com>:",
            "2014-03-09 20:48 GMT+01:00 Rémi Dolan <do_not_reply@dolan.com>:",
            "Le 19 mars 2014 10:37, Cédric Lombardot <cedric.lombardot@gmail.com> a écrit :",
            "El 19/03/2014 11:34, Juan Pérez <juan.perez@mailcatch.com> escribió:",
            "El 19/03/2014 11:34, Juan Pérez <juan.perez@mailcatch.com> ha escrit:",
            "W dniu 7 stycznia 2015 15:24 użytkownik Paweł Brzoski <pbrzoski91@gmail.com> napisał:",
            "Le 19/03/2014 11:34, Georges du chemin a écrit :",
            "W dniu 2015-01-07 14:23, pbrzoski91@gmail.com pisze: ",
            "Den 08/06/2015 kl. 21.21 skrev Test user <test@example.com>:",
            "Am 25.06.2015 um 10:55 schrieb Test user:",
            "Test user <test@example.com> schrieb:",
            "在 2016年11月8日，下午2:23，Test user <test@example.com> 写道：",
            "2016. 11. 8. 오후 12:39 Test user <test@example.com> 작성:",
            "2016/11/08 14:26、Test user <test@example.com> のメッセージ:",
            "tir. 18. apr. 2017 kl. 13:09 skrev Test user <test@example.com>:",
        ),
    ),
    "willdurand/email_with_from_headers": (
        "[FROM]",
        (
            "From: foo@example.com <foo@example.com>",
            "De: foo@example.com <foo@example.com>",
            "Van: foo@example.com <foo@example.com>",
            "Da: foo@example.com <foo@example.com>",
        ),
    ),
}
