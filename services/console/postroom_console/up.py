"""`postroom up`: the whole pipeline on this machine under one supervisor."""

import shutil
import sys
import threading
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from postroom.accounts_file import AccountsFile
from postroom.amount import amount
from postroom.errors import Misconfigured, PostroomError
from postroom.settings import Settings, read_settings
from postroom_console import changes
from postroom_console.accounts_follower import AccountsFollower
from postroom_console.apply import tell
from postroom_console.applying import read_file
from postroom_console.demo_account import has_others, remove_demo
from postroom_console.ending import Ending
from postroom_console.extra import check_extra
from postroom_console.faults import FAILED, OK
from postroom_console.page import Page
from postroom_console.service_log import to_terminal
from postroom_console.stack import Stack
from postroom_console.store import migrate_settings
from postroom_console.terminal import make_console


@click.command("up")
def up() -> None:
    """Run fetcher, processor, sender and notifier as separate processes; Ctrl-C ends them.

    With an accounts file (POSTROOM_ACCOUNTS, or accounts.yaml in this folder), or accounts applied or
    added before, on real mailboxes. The file is applied now and whenever it changes; accounts that it
    does not have stay. Without any accounts, with a mail server of its own on this machine, after showing one
    round trip.
    """
    settings = read_settings()
    if "accounts" in settings.model_fields_set or settings.accounts.exists():
        sys.exit(_run_real(settings, read_file(settings.accounts)))
    if _knows_accounts(settings):
        sys.exit(_run_real(settings, None))
    check_extra()
    sys.exit(_run_rehearsal(settings))


def _knows_accounts(settings: Settings) -> bool:
    """Whether there are accounts from before, other than the demo's."""
    if settings.store_url is None and not settings.store_file.exists():
        return False
    migrate_settings(settings)
    return has_others(settings)


def _run_real(settings: Settings, file: AccountsFile | None) -> int:
    """Run until interrupted, on the accounts of the store; those of the file, if any, come into it."""
    console = make_console()
    _greet(console, settings, file)

    def note(name: str, sentence: str) -> None:
        console.print(Text(f"{name} {sentence}", style="yellow"))

    stack = Stack(settings, {}, partial(to_terminal, console), note)
    follower = AccountsFollower(settings, partial(tell, console), partial(_fault, console))
    ending = Ending(stack.kill)
    try:
        stack.claim()
        stack.prepare()
        remove_demo(settings)
        if file is not None:
            tell(console, follower.apply())
            follower.start()
        stack.start()
        for name, url in stack.urls.items():
            console.print(f"{name}: {url}/metrics")
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("ending; again to end at once")
    finally:
        ending.begin()
        follower.stop()
        late = stack.stop()
    return _exit_code(console, late)


def _greet(console: Console, settings: Settings, file: AccountsFile | None) -> None:
    if file is None:
        console.print(f"the accounts are those of before, see `accounts list`; state in {_folder(settings)}")
        return
    console.print(
        f"{amount(len(file.accounts), 'account')} from {settings.accounts}, state in {_folder(settings)}"
    )
    for warning in changes.warnings(file.accounts):
        console.print(Text(f"warning: {warning}", style="yellow"))


def _fault(console: Console, sentence: str) -> None:
    console.print(Text(f"{sentence}\nthe accounts stay as they are", style="yellow"), soft_wrap=True)


def _run_rehearsal(settings: Settings) -> int:
    # aiosmtpd and pymap are an extra: who runs on real mailboxes may not have them.
    from postroom_console.onlooker import Onlooker
    from postroom_console.rehearsal import Rehearsal

    console = make_console()
    page = Page(console)
    rehearsal = Rehearsal(settings, page)
    ending = Ending(rehearsal.kill)
    page.line(
        f"There is no {settings.accounts}: Postroom brings its own mail server and shows one round trip.\n"
    )
    code = FAILED
    try:
        rehearsal.start()
        rehearsal.play()
        code = OK
        _look_further(page, settings, rehearsal.stack, rehearsal.log.path)
        Onlooker(rehearsal).watch()
    except Misconfigured:
        raise
    except (PostroomError, TimeoutError) as error:
        rehearsal.explain(error)
    except KeyboardInterrupt:
        code = OK
        page.line("\nending; again to end at once")
    finally:
        ending.begin()
        rehearsal.stop()
    return code


def _look_further(page: Page, settings: Settings, stack: Stack, log: Path) -> None:
    page.line(
        Text("\nIt keeps running; Ctrl-C ends it. From another terminal in this folder:\n", style="bold")
    )
    program = _program()
    request = f"{program} approvals request --account demo --to you@example.com --subject 'Lunch?' --wait"
    for told, command in (
        ("what was asked", f"{program} approvals list"),
        ("ask yourself", request),
        ("metrics", f"curl -s {stack.urls['processor']}/metrics | grep ^postroom_"),
        ("health", f"curl -s {stack.urls['fetcher']}/readyz"),
        ("broker", f"{program} topology check"),
        ("log", f"tail -f {log}"),
    ):
        page.line(Text.assemble((f"  {told:<15}", "dim"), command))
    page.line(
        Text.assemble(
            f"\nState is in {_folder(settings)}. For your own mailbox write an accounts.yaml ",
            "(docs/getting-started.md), then:\n  ",
            ("POSTROOM_ACCOUNTS=accounts.yaml make run\n", "bold"),
        )
    )


def _folder(settings: Settings) -> Path:
    return _from_here(settings.data_dir.absolute())


def _program() -> str:
    """How this program was called, so that the commands shown work when they are copied."""
    called = Path(sys.argv[0])
    return called.name if shutil.which(called.name) else str(_from_here(called.absolute()))


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _exit_code(console: Console, late: tuple[str, ...]) -> int:
    if late:
        console.print(Text(f"killed, since it did not end in time: {', '.join(late)}", style="red"))
        return FAILED
    return OK
