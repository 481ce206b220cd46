"""TLS to a broker: the certificate and its name are verified, always."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from postroom.broker.connection import connect
from postroom.broker.probe import probe
from postroom.errors import Misconfigured, Transient
from tests.contract.broker.scene import one_family
from tests.servers.certificates import Authority, Certificate


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca"))


@contextmanager
def tls_server(certificate: Certificate) -> Iterator[int]:
    """A server that shakes hands and then hangs up: enough to see whom a client trusts."""
    context = certificate.server_context()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with (
                        connection,
                        suppress(OSError),
                        context.wrap_socket(connection, server_side=True) as tls,
                    ):
                        tls.recv(8)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        # Closing a socket does not wake who waits in accept().
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    with tls_server(authority.issue("server")) as port:
        with pytest.raises(Misconfigured, match="not trusted") as refusal:
            connect(f"amqps://127.0.0.1:{port}/", name="test")
        checks = {check.name: check for check in probe(f"amqps://127.0.0.1:{port}/", one_family())}
    assert refusal.value.reason_code == "broker-tls"
    assert checks["tls"].ok is False
    assert "cafile" in checks["tls"].advice
    assert checks["log-in"].ok is None


def test_a_trusted_certificate_for_another_host_is_refused(authority: Authority) -> None:
    with (
        tls_server(authority.issue("other", ["mail.example"])) as port,
        pytest.raises(Misconfigured, match="not trusted"),
    ):
        connect(f"amqps://localhost:{port}/?cafile={authority.certificate}", name="test")


def test_a_trusted_certificate_is_taken(authority: Authority) -> None:
    with tls_server(authority.issue("server")) as port:
        url = f"amqps://localhost:{port}/?cafile={authority.certificate}"
        # The handshake is done; what is missing is only a broker behind it.
        with pytest.raises(Transient):
            connect(url, name="test")
        checks = {check.name: check for check in probe(url, one_family())}
    assert checks["tls"].ok, checks["tls"].detail


def test_a_missing_authority_file_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Misconfigured, match="No such file"):
            connect(f"amqps://127.0.0.1:{port}/?cafile={tmp_path}/none.pem", name="test")
