# ruff: noqa: RUF001
# Alphabets of many languages.

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor import automatic
from postroom_processor.automatic import automatic_kind, explained, seems_away
from postroom_processor.bounce import read_bounce
from postroom_processor.mail import read_mail
from postroom_processor.reply_text import cut_plain_text
from postroom_processor.verdict import Unclear, read_verdict
from tests.unit.processor.bounces import BOUNCES


def kind_of(*fields: str, body: str = "hi") -> str | None:
    head = "".join(f"{field}\r\n" for field in ("From: Bob <b@x.org>", *fields))
    return automatic_kind(read_mail(f"{head}\r\n{body}".encode()))


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Subject: Re: Release 4.2",),
        ("Auto-Submitted: no",),
        ("Auto-Submitted: No; owner-email=x@y.z",),
        ("Precedence: first-class",),
        ("X-Auto-Response-Suppress: DR, RN, NRN",),
        ("Return-Path: <b@x.org>",),
        ("Subject: Automatic backups are broken",),
        ("Subject: Re: the office is out of paper",),
        ("Content-Type: text/plain; method=reply",),
    ],
)
def test_a_persons_mail_is_not_automatic(fields: tuple[str, ...]) -> None:
    assert kind_of(*fields) is None


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: Auto-Notified; owner-email=x@y.z",
        "X-Autoreply: yes",
        "X-Autorespond: x",
        "X-Auto-Response-Suppress: All",
        "Precedence: auto_reply",
        "Precedence: auto-reply",
        "Subject: Out of office: Re: Release",
        "Subject: Out of the office",
        "Subject: Automatic reply: Release",
        "Subject: Auto: Release",
        "Subject: Automatische Antwort: Release",
        "Subject: Abwesenheitsnotiz",
        "Subject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_x?=",
        "Subject: Respuesta automática: x",
        "Subject: Risposta automatica: x",
        "Subject: Resposta automática: x",
        "Subject: Automatisch antwoord: x",
        "Subject: Odpowiedź automatyczna: x",
        "Subject: Automatisk svar: x",
        "Subject: Autosvar: x",
        "Subject: Automaattinen vastaus: x",
        "Subject: Automatická odpověď: x",
        "Subject: Автоматический ответ: x",
        "Subject: Автоматична відповідь: x",
        "Subject: 自动回复: x",
        "Subject: 自動返信: x",
        "Subject: 자동 회신: x",
        "Subject: Otomatik yanıt: x",
    ],
)
def test_auto_replies_are_known_by_header_or_subject(field: str) -> None:
    assert kind_of(field) == "auto-reply"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (("X-Postroom-Id: 1",), "own"),
        (("Return-Path: <>",), "bounce"),
        (("X-Failed-Recipients: a@b.c",), "bounce"),
        (('Content-Type: multipart/report; report-type="delivery-status"; boundary=B',), "bounce"),
        (("Content-Type: multipart/report; report-type=disposition-notification; boundary=B",), "receipt"),
        (("Content-Type: multipart/report; report-type=feedback-report; boundary=B",), "report"),
        (("Content-Type: text/calendar; method=REPLY",), "calendar"),
        (("List-Id: <l.x.org>",), "list"),
        (("Precedence: bulk",), "list"),
        (("Precedence: list",), "list"),
        (("List-Unsubscribe: <mailto:u@x.org>",), "list"),
    ],
)
def test_other_kinds_are_told_apart(fields: tuple[str, ...], kind: str) -> None:
    assert kind_of(*fields) == kind


@pytest.mark.parametrize(
    "sender", ["MAILER-DAEMON@x.org", "Mail Delivery System <md@x.org>", "Mail Delivery Subsystem <x@y.z>"]
)
def test_a_mailer_daemon_bounces(sender: str) -> None:
    assert automatic_kind(read_mail(f"From: {sender}\r\n\r\nhi".encode())) == "bounce"


def test_a_calendar_answer_inside_a_mail_is_found() -> None:
    body = "--B\r\nContent-Type: text/plain\r\n\r\nyes\r\n--B\r\n{}\r\n\r\nBEGIN:VCALENDAR\r\n--B--\r\n"
    head = ["MIME-Version: 1.0", "Content-Type: multipart/alternative; boundary=B"]
    answer = body.format("Content-Type: text/calendar; charset=utf-8; method=REPLY")
    request = body.format("Content-Type: text/calendar; method=PUBLISH")
    assert kind_of(*head, body=answer) == "calendar"
    assert kind_of(*head, body=request) is None


def test_a_report_without_its_report_type_is_known_by_its_parts() -> None:
    body = (
        "--B\r\n\r\nfailed\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--B--\r\n"
    )
    assert kind_of("Content-Type: multipart/mixed; boundary=B", body=body) == "bounce"


def test_our_own_mail_is_ours_whatever_else_it_is() -> None:
    assert kind_of("Auto-Submitted: auto-generated", "X-Postroom-Id: 1", "List-Id: <x>") == "own"


# Every row of the tables has its case, and every kind is needed.

FIELDS = {
    "x-autoreply",
    "x-autorespond",
    "x-autoreply-from",
    "x-autoresponse",
    "x-auto-reply-from",
    "x-mail-autoreply",
    "x-vacation",
    "x-autogenerated",
    "x-auto-reply",
    "x-autoresponder",
    "x-out-of-office",
    "x-ebay-mailtracker-autoreply",
    "x-ms-exchange-generated-message-source",
    "x-ms-exchange-inbox-rules-loop",
}
VALUES = (
    "Auto-Submitted: auto-replied",
    "Precedence: auto_reply",
    "X-Precedence: auto-reply",
    "X-Auto-Response-Suppress: DR, All",
    "X-POST-MessageClass: 9; Autoresponder",
    "Delivered-To: Autoresponder",
    "X-Delivered-To: autoresponder",
    "X-FC-MachineGenerated: true",
)
LISTS = (
    "List-Id: <l.x.org>",
    "List-Post: <mailto:l@x.org>",
    "List-Unsubscribe: <mailto:u@x.org>",
    "X-Mailman-Version: 2",
    "Mailing-List: x",
    "Precedence: list",
    "X-Precedence: bulk",
)
OF_EACH_KIND = {
    "own": "X-Postroom-Id: 1",
    "report": "Content-Type: message/feedback-report",
    "receipt": "Content-Type: multipart/report; report-type=disposition-notification; boundary=B",
    "bounce": "Return-Path: <>",
    "calendar": "Content-Type: text/calendar; method=REPLY",
    "auto-reply": "Auto-Submitted: auto-replied",
    "list": "List-Id: <l.x.org>",
    "report of no known type": "Content-Type: multipart/report; report-type=x; boundary=B",
}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_vendors_field_makes_an_auto_reply(field: str) -> None:
    assert kind_of(f"{field}: x") == "auto-reply"


@pytest.mark.parametrize("field", VALUES)
def test_a_fields_value_makes_an_auto_reply(field: str) -> None:
    assert kind_of(field) == "auto-reply"


@pytest.mark.parametrize("field", LISTS)
def test_a_lists_field_makes_it_a_lists_mail(field: str) -> None:
    assert kind_of(field) == "list"


def test_every_row_of_the_tables_has_its_case() -> None:
    assert automatic.AUTO_REPLY_FIELDS == FIELDS
    assert {name for name, _ in automatic.AUTO_REPLY_VALUES} == {row.split(":")[0].lower() for row in VALUES}
    names = {name for name, _ in automatic.LIST_VALUES} | automatic.LIST_FIELDS
    assert names == {row.split(":")[0].lower() for row in LISTS}


@pytest.mark.parametrize("left_out", range(len(automatic.KINDS)))
def test_without_any_one_kind_a_program_would_pass_for_a_person(left_out: int) -> None:
    kinds = tuple(row for index, row in enumerate(automatic.KINDS) if index != left_out)
    mails = [read_mail(f"From: Bob <b@x.org>\r\n{row}\r\n\r\nyes".encode()) for row in OF_EACH_KIND.values()]
    assert all(automatic_kind(mail) is not None for mail in mails)
    assert any(automatic_kind(mail, kinds) != automatic_kind(mail) for mail in mails)


@pytest.mark.parametrize("server", BOUNCES)
def test_bounces_of_several_servers_are_known(server: str) -> None:
    mail = read_mail(BOUNCES[server].encode())
    bounce = read_bounce(mail)
    assert automatic_kind(mail) == "bounce"
    assert bounce.failed or bounce.delayed
    assert "bounce of" in explained(mail, "bounce")


DELIVERY_STATUS = """\
From: Mail System <postmaster@mx.example>
Subject: Undeliverable: Decision needed
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B

Sorry.
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; anna@corp.example
Action: failed
Status: 5.1.1

--B
Content-Type: message/rfc822

From: release@corp.example
Message-ID: <prabc.1@corp.example>
X-Postroom-Id: r-1:ask:0

Please decide.
--B--
"""


def test_a_bounce_says_which_of_our_mails_came_back() -> None:
    mail = read_mail(DELIVERY_STATUS.encode())
    bounce = read_bounce(mail)
    assert (bounce.send_id, bounce.message_id) == ("r-1:ask:0", "prabc.1@corp.example")
    assert (bounce.failed, bounce.status) == (("anna@corp.example",), "5.1.1")
    assert explained(mail, "bounce") == "bounce of r-1:ask:0, to anna@corp.example, 5.1.1"


def test_a_person_who_writes_about_a_bounce_is_a_person() -> None:
    quoted = "".join(f"> {line}\n" for line in DELIVERY_STATUS.splitlines())
    assert kind_of("Subject: Re: Undeliverable: Decision needed", body=f"Approve\n\n{quoted}") is None


@given(st.binary(max_size=400))
def test_any_bytes_are_sorted_without_an_error(content: bytes) -> None:
    mail = read_mail(b"From: postmaster@x.org\nSubject: Undeliverable\n" + content)
    automatic_kind(mail)
    str(read_bounce(mail))


@pytest.mark.parametrize(
    "text",
    [
        "I am currently out of the office until Monday.",
        "Ich bin bis Montag nicht im Büro.",
        "Je suis en congés jusqu'au 3 mars.",
        "Estoy de vacaciones hasta el lunes.",
        "Sono in ferie fino a lunedì.",
        "Estou de férias até segunda.",
        "Ik ben met vakantie tot maandag.",
        "Jestem na urlopie do poniedziałku.",
        "Jeg er på ferie til mandag.",
        "Jag är på semester till måndag.",
        "Olen lomalla maanantaihin asti.",
        "Jsem na dovolené do pondělí.",
        "Я в отпуске до понедельника.",
        "Я у відпустці до понеділка.",
        "我正在休假。",
        "ただいま休暇をいただいております。",
        "휴가 중입니다.",
        "Pazartesiye kadar izindeyim.",
    ],
)
def test_an_absence_is_heard_without_a_word_in_the_header(text: str) -> None:
    assert seems_away(text)
    assert isinstance(read_verdict(cut_plain_text(text)), Unclear)


def test_a_question_is_no_absence() -> None:
    assert not seems_away("What does the office say about it? I have no idea.")


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("Content-Class: urn:content-classes:calendarmessage", "calendar"),
        ("Content-Class: urn:content-classes:mdn", "receipt"),
        ("Content-Class: urn:content-classes:dsn", "bounce"),
    ],
)
def test_exchange_says_what_it_sends(field: str, kind: str) -> None:
    assert kind_of(field) == kind


def test_a_calendar_answer_that_names_its_method_only_inside_is_found() -> None:
    body = (
        "--B\r\nContent-Type: text/plain\r\n\r\nyes\r\n--B\r\nContent-Type: text/calendar\r\n\r\n"
        "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\n--B--\r\n"
    )
    assert (
        kind_of("MIME-Version: 1.0", "Content-Type: multipart/alternative; boundary=B", body=body)
        == "calendar"
    )


def test_a_sender_of_nested_comments_writes_nothing_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    raw = b"From: postmaster" + b"(" * 3_000 + b"\r\nSubject: Delivery failure\r\n\r\nhi\r\n"
    assert automatic_kind(read_mail(raw)) is None
    assert caplog.records == []


@pytest.mark.parametrize(("lines", "failed"), [(100, ("anna@corp.example",)), (5_000, ())])
def test_a_bounce_is_read_for_so_many_lines_and_no_further(lines: int, failed: tuple[str, ...]) -> None:
    """Each line is tried against hundreds of patterns: 64 KiB of tiny ones took a second."""
    head = "From: postmaster@mx.example\r\nSubject: Undeliverable: x\r\n\r\n"
    end = "The following addresses had permanent fatal errors:\r\n\r\n<anna@corp.example>\r\n"
    mail = read_mail(f"{head}{('a' + chr(10)) * lines}{end}".encode())
    assert read_bounce(mail).failed == failed
