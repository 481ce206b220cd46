"""A certificate authority of the tests' own, made with the `openssl` program."""

from __future__ import annotations

import secrets
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.search import program

DAYS = "7"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and its private key, as PEM files."""

    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """A context for a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


@dataclass(frozen=True)
class Authority:
    """A certificate authority; `certificate` is the PEM file that clients trust."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The authority's own certificate."""
        return self.folder / "ca.pem"

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make a new authority in this folder.

        Raises:
            Missing: There is no `openssl` program.
        """
        folder.mkdir(parents=True, exist_ok=True)
        authority = cls(folder)
        _openssl(
            ["req", "-x509", *KEY, "-days", DAYS, "-subj", "/CN=Postroom test CA"],
            ["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
            ["-keyout", str(folder / "ca.key"), "-out", str(authority.certificate)],
        )
        return authority

    def issue(self, name: str, hosts: Sequence[str] = ("localhost", "127.0.0.1")) -> Certificate:
        """A certificate for these host names and IPv4 addresses; `name` is that of its files."""
        issued = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=" + ",".join(map(_alternative_name, hosts)) + "\n")
        _openssl(
            ["req", "-new", *KEY, "-subj", f"/CN={hosts[0]}"],
            ["-keyout", str(issued.key), "-out", str(request)],
        )
        _openssl(
            ["x509", "-req", "-in", str(request), "-days", DAYS, "-extfile", str(extensions)],
            ["-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")],
            ["-set_serial", str(secrets.randbelow(2**63) + 1), "-out", str(issued.chain)],
        )
        return issued

    def client_context(self) -> ssl.SSLContext:
        """A context for a client that trusts this authority alone, and checks host names."""
        return ssl.create_default_context(cafile=str(self.certificate))


def _alternative_name(host: str) -> str:
    kind = "IP" if host.replace(".", "").isdigit() else "DNS"
    return f"{kind}:{host}"


def _openssl(*arguments: list[str]) -> None:
    command = [str(program("openssl")), *(word for part in arguments for word in part)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
