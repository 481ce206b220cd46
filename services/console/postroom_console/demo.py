"""`postroom demo`: one round trip on this machine, with an end."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from postroom.errors import PostroomError
from postroom.settings import PREFIX, read_settings
from postroom_console.ending import Ending
from postroom_console.extra import check_extra
from postroom_console.faults import FAILED, OK
from postroom_console.page import Page
from postroom_console.terminal import make_console

INTERRUPTED = 130
_VERDICTS = {
    OK: ("done", "decided as Anna wrote; everything is stopped and removed"),
    FAILED: ("failed", "not decided as Anna wrote; everything is stopped and removed"),
    INTERRUPTED: ("interrupted", "everything is stopped and removed"),
}
_KEPT = f"{PREFIX}LOG_LEVEL"


@click.command("demo")
def demo() -> None:
    """Play one approval's round trip with a mail server of its own, in a temporary folder.

    Exit code 0 only if the right decision came within 60 seconds.
    """
    check_extra()
    # The demo is the same everywhere: settings for the real pipeline are not for it.
    for name in [name for name in os.environ if name.startswith(PREFIX) and name != _KEPT]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="postroom-demo-"))
    try:
        code = _run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def _run(folder: Path) -> int:
    # aiosmtpd and pymap are an extra: who has no need of the demo may not have them.
    from postroom_console.rehearsal import Rehearsal

    page = Page(make_console())
    rehearsal = Rehearsal(read_settings(data_dir=folder), page)

    def kill() -> None:
        rehearsal.kill()
        shutil.rmtree(folder, ignore_errors=True)

    ending = Ending(kill)
    page.line("Postroom: one approval by mail. Everything runs on this machine, nothing leaves it.\n")
    try:
        rehearsal.start()
        told = rehearsal.play()
        code = OK if told.right else FAILED
    except (PostroomError, TimeoutError) as error:
        code = FAILED
        rehearsal.explain(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        ending.begin()
        rehearsal.stop()
    page.step(*_VERDICTS[code])
    return code
