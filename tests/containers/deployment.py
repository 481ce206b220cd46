"""The compose project of the test: the deployment's own file, free ports, secrets made for this run."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.containers import images
from tests.containers.command import Failed, run, tail
from tests.containers.engine import ROOT
from tests.waiting import wait_until

WORKERS = ("fetcher", "processor", "sender", "notifier")
ACCOUNT = "approvals"
UP_TIMEOUT_S = 240.0
READY_TIMEOUT_S = 90.0
DOWN_TIMEOUT_S = 180.0
JOB_TIMEOUT_S = 90.0
SCRAPE_INTERVAL = "scrape_interval: 2s"


@dataclass(frozen=True)
class Container:
    """A container of the project, also one that has ended."""

    id: str
    service: str
    state: str
    exit_code: int
    health: str

    @property
    def failed(self) -> bool:
        """Whether it ended badly, starts again and again, or is not healthy."""
        return self.exit_code != 0 or self.state in ("restarting", "dead") or self.health == "unhealthy"


@dataclass(frozen=True)
class Deployment:
    """The project. `folder` is temporary and holds secrets, settings and accounts."""

    compose: tuple[str, ...]
    folder: Path
    name: str = field(default_factory=lambda: f"postroom-test-{os.getpid()}")
    mail_password: str = field(default_factory=lambda: secrets.token_hex(16))

    def prepare(self) -> None:
        """Make secrets with the deployment's own script, and write the files that an operator writes."""
        run([str(ROOT / "deploy" / "make-secrets"), str(self.folder)])
        (self.folder / "secrets" / "mailboxes" / ACCOUNT).write_text(f"{self.mail_password}\n")
        self.write_accounts(password=f"file:/run/mailboxes/{ACCOUNT}")
        prometheus = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
        often = prometheus.replace("scrape_interval: 15s", SCRAPE_INTERVAL).replace(
            "scrape_timeout: 10s", "scrape_timeout: 2s"
        )
        if SCRAPE_INTERVAL not in often:
            raise Failed("deploy/prometheus/prometheus.yml has no longer the interval that is changed here")
        (self.folder / "prometheus").mkdir()
        (self.folder / "prometheus" / "prometheus.yml").write_text(often)

    def write_accounts(self, *, password: str) -> None:
        """Write the accounts file, with this reference to the account's password."""
        accounts = yaml.safe_dump({"accounts": [_account(password)]})
        (self.folder / "config" / "accounts.yaml").write_text(accounts)

    def job(self, service: str, *arguments: str, typed: str = "") -> str:
        """Run a one-shot job with this standard input, or the command line; what it printed."""
        command = self._command("run", "--rm", "-T", service, *arguments)
        return run(command, timeout_s=JOB_TIMEOUT_S, environment=self._environment(), typed=typed)

    def up(self) -> None:
        """Start everything; returns when the jobs have ended well and the workers are started."""
        self._compose("up", "--detach", "--no-build", timeout_s=UP_TIMEOUT_S)

    def wait_ready(self) -> None:
        """Wait until the three workers say that they can work."""
        for service in WORKERS:
            wait_until(
                lambda service=service: self._ready(service),  # type: ignore[misc]
                READY_TIMEOUT_S,
                f"{service} to be ready",
                interval_s=0.3,
            )

    def stop_workers(self) -> None:
        """Stop the workers as a rollout does; one that does not end by itself in time has exit code 137."""
        self._compose("stop", *WORKERS, timeout_s=90)

    def down(self) -> None:
        """Remove containers, networks and volumes. Not to be interrupted."""
        subprocess.run(
            self._command("down", "--volumes", "--remove-orphans", "--timeout", "5"),
            env=self._environment(),
            capture_output=True,
            timeout=DOWN_TIMEOUT_S,
            check=False,
            start_new_session=True,
        )

    def address(self, service: str, port: int) -> tuple[str, int]:
        """Where a container's port is to be reached from outside."""
        host, _, found = self._compose("port", service, str(port)).strip().rpartition(":")
        if not found.isdigit():
            raise Failed(f"{service}: port {port} is not published (docker compose port said {found!r})")
        return host, int(found)

    def page(self, service: str, port: int, path: str) -> bytes:
        """A page of a container."""
        host, found = self.address(service, port)
        with urllib.request.urlopen(f"http://{host}:{found}{path}", timeout=5) as answer:
            return bytes(answer.read())

    def secret(self, name: str) -> str:
        """A secret of this run."""
        return (self.folder / "secrets" / name).read_text().strip()

    def broker_url(self, user: str) -> str:
        """The broker's URL from outside, for the user of a service."""
        host, port = self.address("rabbitmq", 5672)
        return f"amqp://postroom-{user}:{self.secret(f'{user}-password')}@{host}:{port}/postroom"

    def containers(self) -> list[Container]:
        """All containers of the project."""
        label = f"label=com.docker.compose.project={self.name}"
        ids = run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label]).split()
        return [_container(each) for each in json.loads(run(["docker", "inspect", *ids]))] if ids else []

    def container(self, service: str) -> Container:
        """The container of a service."""
        return next(each for each in self.containers() if each.service == service)

    def logs(self) -> str:
        """What all containers have said."""
        return self._compose("logs", "--no-color")

    def failing_logs(self) -> str:
        """The end of the log of each container that failed; of the workers if none did."""
        found = self.containers()
        failed = [each for each in found if each.failed] or [
            each for each in found if each.service in WORKERS
        ]
        return "\n".join(f"--- {each.service} ({each.state}) ---\n{_log_tail(each)}" for each in failed)

    def _ready(self, service: str) -> bool:
        container = self.container(service)
        if container.failed:
            raise Failed(f"{service} is {container.state} with exit code {container.exit_code}")
        with suppress(urllib.error.URLError, OSError, Failed):
            return bool(json.loads(self.page(service, 9100, "/readyz"))["ok"])
        return False

    def _compose(self, *arguments: str, timeout_s: float = 60.0) -> str:
        return run(self._command(*arguments), timeout_s=timeout_s, environment=self._environment())

    def _command(self, *arguments: str) -> Sequence[str]:
        files = (ROOT / "deploy" / "compose.yaml", ROOT / "tests" / "containers" / "compose.mail.yaml")
        chosen = [part for file in files for part in ("--file", str(file))]
        settings = ["--project-name", self.name, "--env-file", str(self.folder / ".env")]
        return [*self.compose, *settings, *chosen, *arguments]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "POSTROOM_IMAGE": images.POSTROOM,
            "MAIL_IMAGE": images.MAIL,
            "MAIL_PASSWORD": self.mail_password,
            "POSTROOM_SECRETS_DIR": str(self.folder / "secrets"),
            "POSTROOM_MAILBOX_SECRETS_DIR": str(self.folder / "secrets" / "mailboxes"),
            "POSTROOM_CONFIG_DIR": str(self.folder / "config"),
            "PROMETHEUS_CONFIG": str(self.folder / "prometheus"),
            # Free ones, chosen by the engine.
            "POSTROOM_AMQP_PORT": "0",
            "POSTROOM_MANAGEMENT_PORT": "0",
            "POSTROOM_PROMETHEUS_PORT": "0",
        }


def _account(password: str) -> dict[str, Any]:
    return {
        "name": ACCOUNT,
        "address": f"{ACCOUNT}@example.org",
        "dedicated": True,
        "after_processing": "delete",
        "smtp": {"host": "mail", "port": 1025, "security": "none", "user": ACCOUNT, "password": password},
        "imap": {"host": "mail", "port": 1143, "security": "none", "since": "beginning", "interval": "5s"},
    }


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        id=found["Id"],
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        state=state["Status"],
        exit_code=state["ExitCode"],
        health=state.get("Health", {}).get("Status", ""),
    )


def _log_tail(container: Container) -> str:
    done = subprocess.run(
        ["docker", "logs", "--tail", "30", container.id],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=30,
        check=False,
    )
    return tail(done.stdout)
