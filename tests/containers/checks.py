"""What must be true of the running deployment besides that mail comes through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pika
from pika.exceptions import ChannelClosedByBroker

from postroom.topology import PROCESSOR_COMMANDS, SENDER_TRANSACTIONAL
from tests.containers.command import Failed, run
from tests.containers.deployment import ACCOUNT, WORKERS, Deployment
from tests.waiting import wait_until

SCRAPE_TIMEOUT_S = 60.0
GREEN_TIMEOUT_S = 30.0
AGES = "sum(postroom_mail_age_seconds_count)"
# A worker's queue, and a user of the broker who has no business with it.
FOREIGN_QUEUES = (
    ("fetcher", SENDER_TRANSACTIONAL),
    ("sender", PROCESSOR_COMMANDS),
    ("client", PROCESSOR_COMMANDS),
)


def scraped(deployment: Deployment) -> str:
    """Prometheus reaches the three workers, and has the age of the mail that came through."""
    wait_until(lambda: _up(deployment), SCRAPE_TIMEOUT_S, "Prometheus to have its targets up", interval_s=1)
    count = wait_until(
        lambda: _value(deployment, AGES), SCRAPE_TIMEOUT_S, "a mail's age in Prometheus", interval_s=1
    )
    return f"{len(WORKERS)} workers up, postroom_mail_age_seconds_count {count:g}"


def accounts_changed(deployment: Deployment) -> str:
    """A changed accounts file and a stored password take effect without a restart of the workers."""
    deployment.write_accounts(password="stored")
    applied = deployment.job("accounts")
    if "→ stored:approvals/smtp.password" not in applied:
        raise Failed(f"apply does not show the change:\n{applied}")
    deployment.job("postroom", "accounts", "set-secret", ACCOUNT, typed=f"{deployment.mail_password}\n")
    tested = deployment.job("postroom", "accounts", "test", ACCOUNT)
    wait_until(lambda: _all_green(deployment), GREEN_TIMEOUT_S, "the account to be green", interval_s=1)
    return f"applied, stored, tested ({tested.count(' ok ')} stages), green"


def unprivileged(deployment: Deployment) -> str:
    """The workers run as an ordinary user, without capabilities, on a root they cannot write to."""
    for service in WORKERS:
        container = deployment.container(service).id
        status = run(["docker", "exec", container, "python", "-c", "print(open('/proc/1/status').read())"])
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        _expect(service, "Uid", fields["Uid"].split(), ["10001"] * 4)
        _expect(service, "CapEff", int(fields["CapEff"], 16), 0)
        _expect(service, "NoNewPrivs", fields["NoNewPrivs"].strip(), "1")
        read_only = run(["docker", "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", container])
        _expect(service, "ReadonlyRootfs", read_only.strip(), "true")
    return "uid 10001, no capabilities, read-only root"


def healthy(deployment: Deployment) -> str:
    """The engine's own health checks agree."""
    for service in WORKERS:
        wait_until(
            lambda service=service: deployment.container(service).health == "healthy",  # type: ignore[misc]
            60,
            f"{service} to be healthy",
            interval_s=0.5,
        )
    return "all healthy"


def least_privilege(deployment: Deployment) -> str:
    """No user of the broker reads another's queue."""
    for user, queue in FOREIGN_QUEUES:
        connection = pika.BlockingConnection(pika.URLParameters(deployment.broker_url(user)))
        try:
            connection.channel().basic_get(queue)
        except ChannelClosedByBroker as error:
            _expect(user, f"the answer for {queue}", error.reply_code, 403)
        else:
            raise Failed(f"{user} may read {queue}")
        finally:
            connection.close()
    return f"{len(FOREIGN_QUEUES)} attempts refused"


def secrets_kept(deployment: Deployment) -> str:
    """No secret is in a log, nor in what the engine tells of a container."""
    values = _secrets(deployment)
    told = {"logs": deployment.logs(), **_told_by_engine(deployment)}
    for where, text in told.items():
        for name, value in values.items():
            if value in text:
                raise Failed(f"the secret {name} is in the {where}")
    return f"{len(values)} secrets looked for, none found"


def drained(deployment: Deployment) -> str:
    """The workers end by themselves when they are told to."""
    deployment.stop_workers()
    for service in WORKERS:
        _expect(service, "the exit code", deployment.container(service).exit_code, 0)
    return "exit code 0 each"


def _all_green(deployment: Deployment) -> bool:
    rows = json.loads(deployment.job("postroom", "accounts", "list", "--json"))
    return [row["colour"] for row in rows] == ["green", "green"]


def _expect(whose: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Failed(f"{whose}: {what} is {found!r}, expected {expected!r}")


def _up(deployment: Deployment) -> bool:
    data = _ask(deployment, "/api/v1/targets?state=active")
    up = {each["labels"]["job"] for each in data["activeTargets"] if each["health"] == "up"}
    return up >= {*WORKERS, "rabbitmq"}


def _value(deployment: Deployment, query: str) -> float:
    result = _ask(deployment, f"/api/v1/query?query={quote(query)}")["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _ask(deployment: Deployment, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(deployment.page("prometheus", 9090, path))["data"]
    return answer


def _secrets(deployment: Deployment) -> Mapping[str, str]:
    folder = deployment.folder / "secrets"
    passwords = {path.name: path.read_text().strip() for path in folder.glob("*-password")}
    keys = {
        "token-keys": deployment.secret("token-keys").partition(":")[2],
        "evidence-keys": deployment.secret("evidence-keys"),
        "secret-keys": deployment.secret("secret-keys"),
    }
    return {**passwords, **keys, "mailbox": deployment.mail_password}


def _told_by_engine(deployment: Deployment) -> dict[str, str]:
    # The mail server of the test has its password in its environment.
    ours = [each for each in deployment.containers() if each.service != "mail"]
    return {f"description of {each.service}": run(["docker", "inspect", each.id]) for each in ours}
