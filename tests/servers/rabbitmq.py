"""RabbitMQ for the tests: one shared node per run, and private nodes for fault tests.

The shared node is `RabbitMq`; each test takes a virtual host of its own from it. A test that kills
or restarts a broker takes a `RabbitNode`.

| variable | what it holds |
|---|---|
| `POSTROOM_TEST_RABBITMQ_URL` | `amqp://user:password@host:port/vhost`, an administrator |
| `POSTROOM_TEST_RABBITMQ_MANAGEMENT_URL` | `http://user:password@host:port`, the same user |
"""

from __future__ import annotations

import base64
import json
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

from tests.servers import containers
from tests.servers.certificates import Certificate
from tests.servers.node import Node
from tests.servers.process import Command, Process, accepts, free_port
from tests.servers.search import Recipe, Server, from_environment, program
from tests.waiting import wait_until

URL_VARIABLE = "POSTROOM_TEST_RABBITMQ_URL"
MANAGEMENT_URL_VARIABLE = "POSTROOM_TEST_RABBITMQ_MANAGEMENT_URL"
IMAGE = "rabbitmq:4-management"
START_TIMEOUT_S = 90.0
SERVER_PROGRAMS = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
CONFIGURATION = """\
loopback_users = none
disk_free_limit.absolute = 500MB
vm_memory_high_watermark.absolute = 2GB
"""


@dataclass(frozen=True)
class Vhost:
    """A virtual host of one test. `url` is the AMQP URL that selects it."""

    name: str
    url: str
    management_url: str


@dataclass(frozen=True)
class RabbitMq:
    """A reachable broker: the AMQP URL of its default virtual host, its management API if any."""

    url: str
    management_url: str | None = None

    @contextmanager
    def vhost(self) -> Iterator[Vhost]:
        """A fresh virtual host, deleted with all that is in it at the end."""
        assert self.management_url is not None, "a virtual host is made by the management API"
        name = f"test-{uuid4().hex[:12]}"
        self.api("PUT", f"vhosts/{name}", {})
        try:
            self.api("PUT", f"permissions/{name}/{self._user}", ALL_PERMISSIONS)
            yield Vhost(name, self.url_of(name), self.management_url)
        finally:
            self.api("DELETE", f"vhosts/{name}")

    def url_of(self, vhost: str, user: str | None = None, password: str = "") -> str:
        """The AMQP URL of a virtual host, for another user if one is given."""
        parts = urlsplit(self.url)
        place = parts.netloc
        if user is not None:
            place = f"{quote(user, safe='')}:{quote(password, safe='')}@{place.rpartition('@')[2]}"
        return urlunsplit((parts.scheme, place, f"/{quote(vhost, safe='')}", parts.query, ""))

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management API: `path` is what follows `/api/`; the answer's JSON, or None.

        Raises:
            urllib.error.HTTPError: The broker refused.
        """
        assert self.management_url is not None, "this broker has no management API"
        parts = urlsplit(self.management_url)
        credentials = f"{parts.username}:{parts.password}".encode()
        request = urllib.request.Request(
            f"{parts.scheme}://{parts.hostname}:{parts.port}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(credentials).decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def answers(self) -> bool:
        """Whether the management API answers."""
        try:
            self.api("GET", "whoami")
        except OSError:
            return False
        return True

    @property
    def _user(self) -> str:
        return urlsplit(self.url).username or "guest"


ALL_PERMISSIONS = {"configure": ".*", "write": ".*", "read": ".*"}


class RabbitNode(Node):
    """A RabbitMQ node of its own, for tests that stop, kill and restart it."""

    def __init__(
        self, folder: Path, *, management: bool = False, certificate: Certificate | None = None
    ) -> None:
        super().__init__(folder)
        self._certificate = certificate
        self._tls_port = free_port()
        self._port, self._epmd_port, self._distribution_port = (free_port() for _ in range(3))
        self._management_port = free_port() if management else None
        self._name = f"postroom-test-{uuid4().hex[:8]}@localhost"
        self._epmd: Process | None = None
        self._write_configuration()

    @property
    def broker(self) -> RabbitMq:
        """The handle with the node's URLs."""
        return RabbitMq(self.url, self.management_url)

    @property
    def url(self) -> str:
        """The AMQP URL of the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"

    @property
    def tls_url(self) -> str:
        """The same over TLS, for a node with a certificate; without a `cafile`."""
        return f"amqps://guest:guest@localhost:{self._tls_port}/%2F"

    @property
    def management_url(self) -> str | None:
        """The URL of the management API with its credentials, if the plugin is on."""
        if self._management_port is None:
            return None
        return f"http://guest:guest@127.0.0.1:{self._management_port}"

    @property
    def pid(self) -> int:
        """The process id of the Erlang machine, for signals."""
        return int((self.folder / "node.pid").read_text())

    def close(self) -> None:
        """End the node at once and remove its folder."""
        self.kill9()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd = None
        super().close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the node, which `rabbitmqctl` needs as well."""
        folder = self.folder
        return {
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _write_configuration(self) -> None:
        (self.folder / "home").mkdir(parents=True)
        configuration, plugins = CONFIGURATION, "[]."
        if self._management_port is not None:
            configuration += "management.tcp.ip = 127.0.0.1\n"
            configuration += f"management.tcp.port = {self._management_port}\n"
            plugins = "[rabbitmq_management]."
        if self._certificate is not None:
            configuration += f"listeners.ssl.default = 127.0.0.1:{self._tls_port}\n"
            configuration += f"ssl_options.certfile = {self._certificate.chain}\n"
            configuration += f"ssl_options.keyfile = {self._certificate.key}\n"
        (self.folder / "rabbitmq.conf").write_text(configuration)
        (self.folder / "enabled_plugins").write_text(plugins)

    def _launch(self) -> Process:
        if self._epmd is None:
            self._epmd = self._start_epmd()
        arguments = [str(program(SERVER_PROGRAMS))]
        node = Process(Command(arguments, self.folder, self.environment, grace_s=30))
        node.wait_ready(self._ready, START_TIMEOUT_S, "RabbitMQ to take connections")
        return node

    def _start_epmd(self) -> Process:
        arguments = [str(program("epmd")), "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        epmd = Process(Command(arguments, self.folder, stop_signal=signal.SIGKILL, log_name="epmd.log"))
        epmd.wait_ready(lambda: accepts(self._epmd_port), 10, "epmd to take connections")
        return epmd

    def _ready(self) -> bool:
        return accepts(self._port) and (self.management_url is None or self.broker.answers())


def present() -> None:
    """Say nothing if the programs of a node are on this machine.

    Raises:
        Missing: Which one is not.
    """
    program(SERVER_PROGRAMS)
    program("epmd")


def _start(folder: Path) -> Server:
    node = RabbitNode(folder, management=True)
    node.start()
    return Server(node.broker, node.close)


def _borrow() -> RabbitMq:
    return RabbitMq(from_environment(URL_VARIABLE), from_environment(MANAGEMENT_URL_VARIABLE))


def _contain(folder: Path) -> Server:
    containers.engine()
    image = containers.container_class("testcontainers.community.rabbitmq", "RabbitMqContainer")
    container = image(IMAGE).with_exposed_ports(5672, 15672)
    end = containers.start(container, folder)
    host = container.get_container_host_ip()
    credentials = f"{container.username}:{container.password}"
    broker = RabbitMq(
        f"amqp://{credentials}@{host}:{container.get_exposed_port(5672)}/%2F",
        f"http://{credentials}@{host}:{container.get_exposed_port(15672)}",
    )
    wait_until(broker.answers, 30, "the management API of the container")
    return Server(broker, end)


RECIPE = Recipe(present, _start, borrow=_borrow, container=_contain)
