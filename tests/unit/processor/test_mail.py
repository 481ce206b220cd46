import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.charsets import codec_name, decode
from postroom_processor.mail import read_mail
from postroom_processor.read_limits import DEFAULT_LIMITS, REASONS, Limits
from postroom_processor.reply_text import own_text
from postroom_processor.sender_address import only_sender
from postroom_processor.verdict import Unclear, read_verdict
from tests.reading import read_all_of

HEAD = b"From: a@x.org\r\nMIME-Version: 1.0\r\n"


def multipart(subtype: str, *parts: bytes) -> bytes:
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts)
    return HEAD + f'Content-Type: multipart/{subtype}; boundary="B"\r\n\r\n'.encode() + body + b"--B--\r\n"


MAIL_PIECES = st.sampled_from(
    [
        b"From: a@b.c\r\n",
        b"From ",
        b"Subject: =?utf-8?q?hi?=\r\n",
        b"Subject: =?x-nonsense?b?////?=\r\n",
        b"Content-Type: multipart/mixed; boundary=B\r\n",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Type: text/plain; charset=punycode\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: x-uuencode\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"--B\r\n",
        b"--B--\r\n",
        b"<a href='",
        b"<!--",
        b"<blockquote>approve</div>",
        b"approve\r\n",
        b"On Mon, 1 Jan 2024 Bob <b@x> wrote:\r\n",
        b"> ",
        b"\x00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ]
)


@given(st.lists(MAIL_PIECES | st.binary(max_size=30), max_size=40).map(b"".join))
def test_no_bytes_make_reading_raise(raw: bytes) -> None:
    mail = read_mail(raw)
    read_all_of(mail)
    read_verdict(own_text(mail))


@given(st.binary(max_size=300))
def test_no_noise_makes_reading_raise(raw: bytes) -> None:
    mail = read_mail(raw)
    read_all_of(mail)
    read_verdict(own_text(mail))


def test_headers_keep_order_duplicates_and_case() -> None:
    mail = read_mail(b"To: x@y.z\r\nRECEIVED: one\r\nReceived: two\r\n three\r\nX-Empty:\r\n\r\nhi")
    assert mail.headers == (
        ("To", b"x@y.z"),
        ("RECEIVED", b"one"),
        ("Received", b"two three"),
        ("X-Empty", b""),
    )
    assert mail.header_values("received") == ("one", "two three")
    assert mail.header_values("absent") == ()


def test_the_header_section_ends_at_the_first_empty_line() -> None:
    assert read_mail(b"To: a@b.c\n\nFrom: x@y.z\n").header_values("from") == ()
    assert read_mail(b"\r\nFrom: x@y.z\r\n\r\n").headers == ()


def test_a_line_that_is_no_field_is_a_problem_and_hides_no_field_below_it() -> None:
    mail = read_mail(b"From: a@b.c\r\nthis is no field\r\nFrom: x@y.z\r\n\r\n")
    assert mail.header_problems == ("header-line-without-name",)
    assert mail.header_values("from") == ("a@b.c", "x@y.z")


def test_an_mbox_line_on_top_is_no_problem() -> None:
    assert read_mail(b"From a@b.c Mon Jan  1 10:00:00 2024\nTo: x@y.z\n\nhi").header_problems == ()


@pytest.mark.parametrize(
    ("limits", "problem"),
    [(Limits(header_bytes=1000), "header-bytes"), (Limits(header_count=10), "header-count")],
)
def test_a_header_section_over_a_limit_has_no_sender(limits: Limits, problem: str) -> None:
    mail = read_mail(b"From: a@b.c\r\n" + b"X-Pad: x\r\n" * 1000 + b"\r\nhi", limits)
    assert problem in mail.problems
    assert not mail.headers_complete
    assert only_sender(mail) is None


def test_the_subject_is_decoded_and_stays_on_one_line() -> None:
    mail = read_mail(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IQ0KQmNjOiB4?=\r\n\r\n")
    assert mail.subject == "Grüße! Bcc: x"


def test_an_encoded_word_in_an_unknown_charset_is_read_all_the_same() -> None:
    assert read_mail(b"Subject: =?x-none?q?caf=E9?=\r\n\r\n").subject == "café"


def test_references_are_in_reply_to_first_then_references_each_once() -> None:
    mail = read_mail(b"References: <1@a> <2@a>\r\n <3@a>\r\nIn-Reply-To: <2@a>\r\nMessage-ID: <9@b>\r\n\r\n")
    assert mail.references == ("2@a", "1@a", "3@a")
    assert mail.message_id == "9@b"
    assert read_mail(b"Message-ID: none\r\n\r\n").message_id is None


def test_recipients_come_from_every_field_a_server_may_leave() -> None:
    mail = read_mail(
        b'To: "P" <Reply+ABC@X.org>, other@x.org\r\nDelivered-To: box@x.org\r\nX-Original-To: orig@x.org\r\n'
        b"Envelope-To: env@x.org\r\nX-Forwarded-To: fwd@x.org\r\nCc: c@x.org\r\nFrom: nobody@x.org\r\n\r\n"
    )
    assert mail.recipients == (
        *("box@x.org", "c@x.org", "env@x.org", "fwd@x.org", "orig@x.org", "other@x.org"),
        "reply+abc@x.org",
    )


def test_a_plain_mail_has_text_and_no_html() -> None:
    mail = read_mail(HEAD + b"\r\nhello\r\n")
    assert (mail.text, mail.html, mail.content_types) == ("hello\r\n", None, ("text/plain",))


def test_alternatives_give_text_and_html() -> None:
    mail = read_mail(
        multipart(
            "alternative",
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nhallo",
            b"Content-Type: text/html\r\n\r\n<p>hallo</p>",
        )
    )
    assert mail.text is not None
    assert mail.text.strip() == "hallo"
    assert mail.html is not None
    assert mail.html.strip() == "<p>hallo</p>"
    assert mail.content_types == ("multipart/alternative", "text/plain", "text/html")


def test_text_parts_are_joined_and_attachments_are_not_text() -> None:
    mail = read_mail(
        multipart(
            "mixed",
            b"Content-Type: text/plain\r\n\r\none",
            b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nno",
            b"Content-Type: text/plain; name=b.txt\r\nContent-Disposition: inline; filename=b.txt\r\n\r\nno",
            b"Content-Type: text/plain\r\n\r\ntwo",
        )
    )
    assert mail.text is not None
    assert mail.text.split() == ["one", "two"]


def test_what_an_attached_mail_says_is_not_the_senders_text() -> None:
    mail = read_mail(
        multipart(
            "mixed",
            b"Content-Type: text/plain\r\n\r\nsee below",
            b"Content-Type: message/rfc822\r\n\r\nFrom: boss@x.org\r\n\r\napprove",
        )
    )
    assert mail.text is not None
    assert "approve" not in mail.text


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("iso-8859-1", b"caf\xe9", "café"),
        ("windows-1252", b"\x93x\x94", "“x”"),
        ("iso-2022-jp", b"\x1b$B>5G'\x1b(B", "承認"),
        ("koi8-r", b"\xe4\xc1", "Да"),
        ("gb2312", b"\xcd\xac\xd2\xe2", "同意"),
        ("euc-kr", b"\xbd\xc2\xc0\xce", "승인"),
        ("ks_c_5601-1987", b"\xbd\xc2\xc0\xce", "승인"),
        ("us-ascii", "ü".encode(), "ü"),
    ],
)
def test_charsets_of_real_mail_are_decoded(charset: str, data: bytes, text: str) -> None:
    mail = read_mail(HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + data)
    assert mail.text == text
    assert mail.problems == ()


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "rot13", "zlib", "idna", "punycode", "none"])
def test_codecs_that_are_no_charset_of_mail_are_refused(charset: str) -> None:
    assert codec_name(charset) is None
    mail = read_mail(HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n+AGE-".encode())
    assert mail.text == "+AGE-"
    assert mail.problems == ("unknown-charset",)


def test_what_does_not_fit_its_charset_is_replaced() -> None:
    assert decode(b"a\xffb", "utf-8") == ("a\ufffdb", True)


@pytest.mark.parametrize(
    ("raw", "limits", "problem"),
    [
        (HEAD + b"\r\n" + b"x" * 200, Limits(line_bytes=100), "line-bytes"),
        (multipart("mixed", *[b"\r\nx"] * 50), Limits(parts=20), "parts"),
        (multipart("mixed", *[b"\r\nx"] * 50), Limits(parts=2), "parts"),
        (HEAD + b"\r\n" + b"x\r\n" * 200, Limits(text_chars=100), "text-chars"),
        (multipart("mixed", b"\r\nx"), Limits(depth=0), "depth"),
    ],
)
def test_a_limit_that_strikes_is_named_and_nothing_is_decided(
    raw: bytes, limits: Limits, problem: str
) -> None:
    mail = read_mail(raw, limits)
    assert problem in mail.problems
    assert own_text(mail).doubts != ()


def nested(count: int) -> bytes:
    return HEAD + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (each, each)
        for each in range(count)
    )


ATTACHED_MAIL = b"Content-Type: message/rfc822\r\n\r\n"
OVER_A_LIMIT = {
    "header-bytes": b"X: " + b"x y " * 100_000 + b"\r\n\r\nApprove\r\n",
    "header-count": b"X: y\r\n" * 2_000 + b"\r\nApprove\r\n",
    "part-header-bytes": multipart("mixed", b"a: b\r\n" * 30_000),
    "parts": multipart("mixed", *[b"\r\nx"] * 3_000),
    "depth": nested(400),
    "attached-mails": HEAD + ATTACHED_MAIL * 500 + b"\r\nApprove\r\n",
    "copied-bytes": HEAD + ATTACHED_MAIL * 90 + b"\r\n" + (b"x" * 76 + b"\r\n") * 20_000,
    "line-bytes": HEAD + b"\r\n" + b"x" * 1_000_001,
    "encoded-words": b"Subject: " + b"=?utf-8?q?" * 10_000 + b"\r\n\r\nApprove\r\n",
    "text-chars": HEAD + b"\r\n" + b"Approve\r\n" * 100_000,
}


@pytest.mark.parametrize("code", REASONS)
def test_each_limit_is_reached_by_a_mail_over_it_and_nobody_decides_with_that(code: str) -> None:
    mail = read_mail(OVER_A_LIMIT[code])
    assert code in mail.problems
    assert mail.limited == (None if code == "text-chars" else code)
    assert isinstance(read_verdict(own_text(mail)), Unclear)


@pytest.mark.parametrize("code", [code for code in REASONS if code != "text-chars"])
def test_no_parser_sees_a_mail_over_a_limit(code: str) -> None:
    assert read_mail(OVER_A_LIMIT[code]).parts == ()


@pytest.mark.parametrize("depth", [1, 5, 25])
def test_ordinary_nesting_is_within_the_limits(depth: int) -> None:
    mail = read_mail(nested(depth) + b"\r\nApprove\r\n")
    assert mail.limited is None
    assert len(mail.parts) == depth + 1


def test_a_boundary_that_is_opened_again_and_again_nests_nothing() -> None:
    mail = read_mail(multipart("mixed", *[b"Content-Type: text/plain\r\n\r\nboundary=B"] * 100))
    assert mail.limited is None


@pytest.mark.parametrize("attached", [1, 90])
def test_small_attached_mails_are_within_the_limits(attached: int) -> None:
    assert (
        read_mail(multipart("digest", *[ATTACHED_MAIL + b"From: x@y.z\r\n\r\nhi"] * attached)).limited is None
    )


@pytest.mark.parametrize(
    "encoding",
    ["base64", "base64 ", "BASE64\t", "base64 (as ever)", " quoted-printable  ", "Quoted-Printable"],
)
def test_an_encoding_with_blanks_or_comment_is_decoded(encoding: str) -> None:
    content = b"5Zac" if "64" in encoding else b"=E5=96=9C"
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding:{encoding}\r\n\r\n"
    assert read_mail(multipart("mixed", head.encode() + content)).text == "喜"


@pytest.mark.parametrize(
    "again",
    ["Content-Type: text/html", "Content-Transfer-Encoding: 7bit", "Content-Disposition: attachment"],
)
def test_a_part_that_says_twice_what_it_is_decides_nothing(again: str) -> None:
    head = (
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: inline\r\n"
        f"{again}\r\n\r\nApprove"
    )
    mail = read_mail(multipart("mixed", head.encode()))
    assert "repeated-field" in mail.problems
    assert isinstance(read_verdict(own_text(mail)), Unclear)


def test_the_raw_bytes_are_kept() -> None:
    raw = b"Subject:x\nX-Odd :\xff\r\n\r\r\n\x00 body without end"
    assert read_mail(raw).raw is raw


def test_a_mail_that_the_fast_parser_refuses_is_read_by_the_second_one() -> None:
    raw = HEAD + b"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\nYXBwcm92ZQ=\r\n"
    mail = read_mail(raw)
    assert mail.text is not None
    assert mail.content_types == ("text/plain",)


def test_default_limits_let_ordinary_mail_through() -> None:
    raw = multipart("mixed", *[b"Content-Type: text/plain\r\n\r\n" + b"line\r\n" * 1000] * 5)
    assert read_mail(raw, DEFAULT_LIMITS).problems == ()
