import pytest

from postroom_processor.automatic import automatic_kind
from postroom_processor.mail import read_mail


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
        "Subject: Otomatik yanıt: x",  # noqa: RUF001 - Turkish
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
