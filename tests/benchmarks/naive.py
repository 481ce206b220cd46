"""The straightforward pipeline that the benchmark compares with.

The same parts (kombu, imapclient, smtplib, SQLAlchemy) put together in the usual way: one mail at a time,
synchronous confirms, one transaction and one connection per mail, `email.policy.default`. It loses nothing
either; it is only not fast.

    python -m tests.benchmarks.naive ROLE CONFIGURATION
"""

from __future__ import annotations

import json
import smtplib
import sys
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import imapclient
import kombu
import sqlalchemy as sa

from postroom.broker import connection as broker_connection
from postroom.reply_token import find_tokens

metadata = sa.MetaData()
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.String(100), primary_key=True),
    sa.Column("token", sa.String(50), unique=True),
    sa.Column("approver", sa.String(320)),
    sa.Column("decision", sa.String(20)),
)
mails = sa.Table(
    "mails",
    metadata,
    sa.Column("uid", sa.Integer, primary_key=True),
    sa.Column("outcome", sa.String(20)),
)
sends = sa.Table("sends", metadata, sa.Column("id", sa.String(100), primary_key=True))
cursors = sa.Table(
    "cursors", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("uid", sa.Integer)
)

QUEUES = ("requests", "sends", "mails", "tidy", "events")


class Broker:
    """One connection with a channel that confirms each publish before the next."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        url = configuration["broker_url"]
        self._embedded = url.startswith("embedded:")
        if self._embedded:
            self._connection = broker_connection.connect(url, name="naive")
        else:
            self._connection = kombu.Connection(url, transport_options={"confirm_publish": True})
        self.channel = self._connection.channel()
        self._producer = kombu.Producer(self.channel)

    def declare(self) -> None:
        arguments = {} if self._embedded else {"x-queue-type": "quorum"}
        for name in QUEUES:
            kombu.Queue(name, durable=True, queue_arguments=arguments, channel=self.channel).declare()

    def publish(self, queue: str, body: bytes, **headers: Any) -> None:
        self._producer.publish(
            body,
            routing_key=queue,
            exchange="",
            content_type="application/octet-stream",
            content_encoding="binary",
            delivery_mode=2,
            headers=headers,
        )

    def consume(self, handlers: dict[str, Callable[[kombu.Message], None]]) -> None:
        self.channel.basic_qos(0, 1, False)
        for queue, handler in handlers.items():
            kombu.Consumer(
                self.channel,
                [kombu.Queue(queue, no_declare=True)],
                on_message=handler,
                accept=["application/octet-stream"],
            ).consume()
        while True:
            try:
                self._connection.drain_events(timeout=1)
            except TimeoutError:
                continue


def engine(configuration: dict[str, Any]) -> sa.Engine:
    made = sa.create_engine(configuration["store_url"])
    if made.dialect.name == "sqlite":

        @sa.event.listens_for(made, "connect")
        def _prepare(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA busy_timeout=30000")

    return made


def processor(configuration: dict[str, Any]) -> None:
    broker, store = Broker(configuration), engine(configuration)

    def on_request(message: kombu.Message) -> None:
        request = json.loads(message.body)
        with store.begin() as connection:
            connection.execute(
                approvals.insert(),
                {"id": request["id"], "token": request["token"], "approver": request["approver"]},
            )
        broker.publish("sends", message.body)
        message.ack()

    def on_mail(message: kombu.Message) -> None:
        mail = message_from_bytes(message.body, policy=policy.default)
        uid, outcome = message.headers["uid"], "accepted"
        tokens = find_tokens([str(mail["To"])])
        with store.begin() as connection:
            if tokens:
                row = connection.execute(
                    sa.select(approvals).where(approvals.c.token == tokens[0].text)
                ).one_or_none()
                if row is not None and row.approver in str(mail["From"]):
                    outcome = _first_line(mail)
                    connection.execute(
                        approvals.update().where(approvals.c.id == row.id).values(decision=outcome)
                    )
            connection.execute(mails.insert(), {"uid": uid, "outcome": outcome})
        broker.publish("events", json.dumps({"uid": uid, "outcome": outcome}).encode())
        broker.publish("tidy", b"", uid=uid)
        message.ack()

    broker.consume({"requests": on_request, "mails": on_mail})


def _first_line(mail: Any) -> str:
    body = mail.get_body(("plain",))
    return str(body.get_content()).splitlines()[0].strip().lower()


def sender(configuration: dict[str, Any]) -> None:
    broker, store = Broker(configuration), engine(configuration)

    def on_send(message: kombu.Message) -> None:
        request = json.loads(message.body)
        local, _, domain = configuration["user"].rpartition("@")
        mail = EmailMessage()
        mail["From"] = configuration["user"]
        mail["To"] = request["approver"]
        mail["Reply-To"] = f"{local}+{request['token']}@{domain}"
        mail["Subject"] = request["subject"]
        mail.set_content(request["body"])
        mail.add_alternative(f"<p>{request['body']}</p>", subtype="html")
        with smtplib.SMTP(configuration["smtp_host"], configuration["smtp_port"]) as smtp:
            smtp.send_message(mail)
        with store.begin() as connection:
            connection.execute(sends.insert(), {"id": request["id"]})
        broker.publish("events", json.dumps({"sent": request["id"]}).encode())
        message.ack()

    broker.consume({"sends": on_send})


def _imap(configuration: dict[str, Any]) -> imapclient.IMAPClient:
    client = imapclient.IMAPClient(configuration["imap_host"], configuration["imap_port"], ssl=False)
    client.login(configuration["user"], configuration["password"])
    client.select_folder("INBOX")
    return client


def fetcher(configuration: dict[str, Any]) -> None:
    threading.Thread(target=_tidy, args=(configuration,), daemon=True).start()
    broker, store, client = Broker(configuration), engine(configuration), _imap(configuration)
    with store.begin() as connection:
        connection.execute(cursors.insert(), {"id": 1, "uid": 0})
    last = 0
    while True:
        uids = [uid for uid in client.search(["UID", f"{last + 1}:*"]) if uid > last]
        for uid in uids:
            content = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
            broker.publish("mails", content, uid=uid)
            with store.begin() as connection:
                connection.execute(cursors.update().values(uid=uid))
            last = uid
        if not uids:
            time.sleep(0.05)
            client.noop()


def _tidy(configuration: dict[str, Any]) -> None:
    broker, client = Broker(configuration), _imap(configuration)

    def on_tidy(message: kombu.Message) -> None:
        uid = message.headers["uid"]
        client.delete_messages([uid])
        client.uid_expunge([uid])
        message.ack()

    broker.consume({"tidy": on_tidy})


ROLES: dict[str, Callable[[dict[str, Any]], None]] = {
    "processor": processor,
    "sender": sender,
    "fetcher": fetcher,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](json.loads(sys.argv[2]))
