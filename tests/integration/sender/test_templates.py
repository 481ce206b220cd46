"""Mails from templates and with files, from the order to the mail server."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.attachment import attach
from postroom.clock import utc_now
from postroom.messages import MailFailed, MailSend, MailSent, TemplateMail
from postroom.spool import Spool
from postroom.store import templates
from postroom.store.schema import templates as templates_table
from postroom.templates.template import Template
from tests.integration.sender.sendroom import Sendroom, entry, open_sendroom
from tests.servers.aiosmtpd import SmtpServer

TEMPLATES = (
    Template(
        name="greeting", subject="Hello {{ name }}", text="Hi {{ name }}\n{{ signature }}", account="shop"
    ),
    Template(name="all", subject="For {{ name }}", html="<p>{{ name }}</p>", is_default=True),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sendroom, SmtpServer]]:
    """A sender with a shop, and two templates."""
    with open_sendroom(tmp_path_factory.mktemp("shop")) as room, SmtpServer() as server:
        room.write_accounts(entry("shop", server.port, signature="The shop"))
        with room.store.write() as connection:
            templates.put(connection, TEMPLATES, utc_now())
        with room.sender():
            yield room, server


def order(number: int, template: str | None = "greeting", **changes: Any) -> MailSend:
    settings: dict[str, Any] = {
        "id": f"order-{number}",
        "recipient": f"anna-{number}@example.net",
        "content": TemplateMail(template=template, values={"name": "Anna"}),
        "written_at": utc_now().replace(microsecond=0),
    }
    return MailSend.model_validate({**settings, **changes})


def failed(room: Sendroom, number: int) -> MailFailed:
    """What is told about the mail, once it is told."""
    told: list[MailFailed] = []

    def found() -> bool:
        told[:] = [each for each in room.events(MailFailed) if each.send_id == f"order-{number}"]
        return bool(told)

    room.wait_until(found, f"order-{number} to fail")
    return told[0]


def arrived(server: SmtpServer, number: int) -> Any:
    (mail,) = (each for each in server.mails() if each.recipients == (f"anna-{number}@example.net",))
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def test_a_template_says_from_which_account_its_mail_goes(shop: tuple[Sendroom, SmtpServer]) -> None:
    room, server = shop
    room.order(order(1))
    room.wait_for(MailSent)
    mail = arrived(server, 1)
    assert (mail["From"], mail["Subject"]) == ("shop@example.com", "Hello Anna")
    assert mail.get_content() == "Hi Anna\r\nThe shop\r\n"
    assert room.row("order-1").account == "shop"


def test_a_mail_that_names_no_template_is_made_from_the_default_one(
    shop: tuple[Sendroom, SmtpServer],
) -> None:
    room, server = shop
    room.order(order(2, None, account="shop"))
    room.wait_for_state("order-2", "sent")
    assert arrived(server, 2)["Subject"] == "For Anna"


@pytest.mark.parametrize(
    ("number", "changes", "said"),
    [
        (3, {"template": "nobody", "account": "shop"}, "there is no template 'nobody'"),
        (4, {"template": None}, "the order names no account, and neither does its template"),
        (
            5,
            {"content": TemplateMail(template="greeting")},
            "template greeting, subject: line 1: the variable name has no value",
        ),
        (6, {"signed_by": "eve"}, "no user has the name or address 'eve'"),
    ],
)
def test_what_cannot_be_written_fails_for_good_with_a_sentence(
    shop: tuple[Sendroom, SmtpServer], number: int, changes: dict[str, Any], said: str
) -> None:
    room, _ = shop
    room.order(order(number, **changes))
    assert said in failed(room, number).reason
    assert room.row(f"order-{number}").state == "failed"


def test_a_template_of_another_version_is_named_as_such(shop: tuple[Sendroom, SmtpServer]) -> None:
    room, _ = shop
    row = {"name": "newer", "document": {"subject": "s", "text": "t", "amp": "x"}, "updated_at": utc_now()}
    with room.store.write() as connection:
        connection.execute(templates_table.insert().values(**row))
    room.order(order(31, "newer", account="shop"))
    assert "the template newer is not one that this version can read (amp: " in failed(room, 31).reason


def test_a_file_that_stays_unreadable_lets_its_mail_wait_until_its_time_is_over(
    shop: tuple[Sendroom, SmtpServer],
) -> None:
    room, _ = shop
    spool = Spool(room.settings.spool)
    (room.folder / "log.txt").write_text("a log")
    attachment = attach(spool, room.folder / "log.txt")
    (path,) = (
        each
        for each in room.settings.spool.rglob("*")
        if attachment.dataref.endswith(each.name) and each.is_file()
    )
    path.unlink()
    path.mkdir()  # reading it fails, for root as well
    room.order(order(32, attachments=(attachment,), written_at=utc_now() - timedelta(hours=49)))
    told = failed(room, 32)
    assert (told.reason_code, told.reason.split(":")[0]) == (
        "expired",
        "given up, since it could not be written",
    )


def test_a_file_in_the_spool_arrives_with_the_mail(shop: tuple[Sendroom, SmtpServer], tmp_path: Path) -> None:
    room, server = shop
    path = tmp_path / "Rechnung für Änne.pdf"
    path.write_bytes(bytes(range(256)) * 40)
    file = attach(Spool(room.settings.spool), path)
    gone = file.model_copy(update={"dataref": f"spool:sha256:{'0' * 64}"})
    room.order(order(7, attachments=[file]), order(8, attachments=[gone]))
    room.wait_for_state("order-7", "sent")
    (part,) = arrived(server, 7).iter_attachments()
    assert (part.get_filename(), part.get_content_type()) == (path.name, "application/pdf")
    assert part.get_content() == path.read_bytes()
    assert failed(room, 8).reason_code == "attachment"


def test_files_that_are_too_large_together_fail_their_mail_and_no_other(tmp_path: Path) -> None:
    with open_sendroom(tmp_path, attachments_limit_bytes=10) as room, SmtpServer() as server:
        room.write_accounts(entry("shop", server.port))
        with room.store.write() as connection:
            templates.put(connection, TEMPLATES, utc_now())
        files = {}
        for name, size_bytes in (("six", 6), ("four", 4), ("five", 5)):
            (tmp_path / name).write_bytes(name[:1].encode() * size_bytes)
            files[name] = attach(Spool(room.settings.spool), tmp_path / name)
        room.order(
            order(1, attachments=[files["six"], files["five"]]),
            order(2, attachments=[files["six"], files["four"]]),
            order(3, attachments=[files["six"], files["six"]]),  # known by then, and counted all the same
        )
        with room.sender():
            room.wait_for_state("order-2", "sent")
            for number in (1, 3):
                told = failed(room, number)
                assert told.reason_code == "attachment"
                assert "larger than" in told.reason
                assert "POSTROOM_ATTACHMENTS_LIMIT_BYTES" in told.reason
        assert [mail.recipients for mail in server.mails()] == [("anna-2@example.net",)]
