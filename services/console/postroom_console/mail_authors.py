"""Which addresses a mail is judged by, said by the processor's code in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from postroom.errors import Misconfigured, Transient

MODULE = "postroom_processor.authors"
HEAD_BYTES = 300_000
TIMEOUT_S = 30.0


def judged_by(file: str) -> list[str]:
    """The mail's strictly read author or, without one, every address it may be from; - is standard input.

    Raises:
        Misconfigured: there is no such mail.
        Transient: it was not read in time.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            input=_head(file),
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise Transient(f"the mail was not read: {error}") from error
    return list(json.loads(done.stdout)["addresses"])


def _head(file: str) -> bytes:
    if file == "-":
        head = sys.stdin.buffer.read(HEAD_BYTES)
    else:
        try:
            with Path(file).open("rb") as opened:
                head = opened.read(HEAD_BYTES)
        except OSError as error:
            raise Misconfigured("--mail", f"{file} cannot be read: {error.strerror or error}") from error
    if not head.strip():
        raise Misconfigured("--mail", f"{file} is empty: give a mail as it was received, headers and all")
    return head
