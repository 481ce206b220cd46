"""Installing the servers' Debian packages, once per run, where that is possible."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.servers.missing import Missing

PACKAGES = (
    "rabbitmq-server",
    "dovecot-imapd",
    "dovecot-lmtpd",
    "postfix",
    "postgresql",
    "cyrus-common",
)
# Installed, these would take the place of another package in the list: Cyrus that of Dovecot.
ONLY_UNPACKED = ("cyrus-imapd",)
LOCK = Path(tempfile.gettempdir()) / "postroom-tests-packages.lock"
UNPACKED = Path("/var/cache/postroom-tests")
INSTALL_TIMEOUT_S = 280
# A run level of 1 keeps the packages from starting servers of the system.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


class Debian:
    """The package manager; `say` is told what is being installed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._failure: str | None = None
        self._tried = False

    def install(self) -> None:
        """Install all packages, the first time; the outcome is kept for the rest of the run.

        Raises:
            Missing: This is not Debian, not root, or the installation failed.
        """
        if not self._tried:
            self._tried = True
            self._failure = _obstacle() or self._alone(self._install)
        if self._failure is not None:
            raise Missing(self._failure)

    def _alone(self, install: Callable[[], str | None]) -> str | None:
        """Install while no other process of the tests does: the package manager takes one at a time."""
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return install()

    def _install(self) -> str | None:
        self._say(f"installing {', '.join((*PACKAGES, *ONLY_UNPACKED))} with apt-get (once)")
        environment = {**os.environ, **ENVIRONMENT}
        for arguments in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-upgrade", "--no-install-recommends", *PACKAGES],
        ):
            failure = _run(arguments, environment)
            if failure is not None:
                return failure
        failures = (_unpack(package, environment) for package in ONLY_UNPACKED)
        return next((failure for failure in failures if failure is not None), None)


def _obstacle() -> str | None:
    if not Path("/etc/debian_version").exists():
        return "this is not Debian"
    if os.geteuid() != 0:
        return "packages are installed by root only"
    return None


def _unpack(package: str, environment: dict[str, str]) -> str | None:
    """Unpack a package into a folder of its name below `UNPACKED`; why it failed, if it did."""
    folder = UNPACKED / package
    if folder.exists():
        return None
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED) as temporary:
        new = Path(temporary)
        # apt-get downloads as a user of its own; server programs are started by others too.
        new.chmod(0o777)
        failure = _run(["apt-get", "-qq", "download", package], environment, new)
        if failure is not None:
            return failure
        archive = next(new.glob("*.deb"))
        failure = _run(["dpkg-deb", "-x", str(archive), str(new / package)], environment)
        if failure is None:
            (new / package).rename(folder)
        return failure


def _run(arguments: list[str], environment: dict[str, str], folder: Path | None = None) -> str | None:
    """Run a command; the last line of what it printed if it failed."""
    try:
        done = subprocess.run(
            arguments,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(arguments[:2])}: {error}"
    if done.returncode == 0:
        return None
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return f"{' '.join(arguments[:3])} failed: {lines[-1] if lines else done.returncode}"
