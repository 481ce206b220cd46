"""Tries a mailbox stage by stage, and says of each what was found or what to do about it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from postroom.account import Account
from postroom.account_reason import advice
from postroom.amount import amount
from postroom.errors import Misconfigured, PostroomError
from postroom.messages import TestStage
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.opening import Opening, Tools
from postroom_fetcher.session import Session

SETTINGS = "settings"
SIGN_IN = "authenticate"
STAGES = ("resolve", "connect", "tls", SIGN_IN, "folder", "read", "capabilities")
HEADER_BYTES = 64 * 1024
_USED_CAPABILITIES = {"IDLE": "push", "UIDPLUS": "exact deletion", "MOVE": "moving"}

Open = Callable[[Account], Opening]
Stages = tuple[TestStage, ...]


def opener(tools: Tools) -> Open:
    """Makes the ways of an examination."""
    return lambda account: Opening(account, tools)


def examine(account: Account, open_way: Open) -> Stages:
    """Try the mailbox of an account (as it is in effect); never raises for what is wrong with it."""
    if account.imap is None:
        return refused(account.name, "receiving_disabled", f"{account.name} does not receive")
    way = open_way(account)
    try:
        return _Examination(account, way).run()
    finally:
        way.close()


def refused(name: str, reason_code: str, sentence: str) -> Stages:
    """The stages where there is nothing to try: `settings` failed, and the rest is skipped."""
    failed = TestStage(
        name=SETTINGS,
        result="failed",
        reason_code=reason_code,
        detail=sentence,
        advice=advice(reason_code, name),
    )
    return (failed, *(TestStage(name=each, result="skipped") for each in STAGES))


def passed(stages: Stages, name: str | None = None) -> bool:
    """Whether no stage failed, or the one of that name is ok."""
    if name is None:
        return all(stage.result != "failed" for stage in stages)
    return any(stage.name == name and stage.result == "ok" for stage in stages)


@dataclass(frozen=True)
class _Skipped:
    """There was nothing to do."""

    why: str


class _Examination:
    """One examination; the stages are taken in their order until one fails."""

    def __init__(self, account: Account, way: Opening) -> None:
        assert account.imap is not None
        self._account = account
        self._imap = account.imap
        self._way = way
        self._made: Session | None = None

    def run(self) -> Stages:
        tasks: dict[str, Callable[[], str | _Skipped]] = {
            "resolve": self._way.resolve,
            "connect": self._way.connect,
            "tls": self._tls,
            SIGN_IN: self._way.authenticate,
            "folder": self._folder,
            "read": self._read,
            "capabilities": self._capabilities,
        }
        found: list[TestStage] = []
        try:
            for name in STAGES:
                go_on = passed(tuple(found))
                found.append(self._stage(name, tasks[name]) if go_on else _skipped(name))
        finally:
            if self._made is not None:
                self._made.close()
        return tuple(found)

    def _stage(self, name: str, task: Callable[[], str | _Skipped]) -> TestStage:
        began = time.monotonic()
        try:
            found = task()
        except PostroomError as error:
            return self._failed(name, error, _since(began))
        if isinstance(found, _Skipped):
            return TestStage(name=name, result="skipped", detail=found.why)
        return TestStage(name=name, result="ok", duration_ms=_since(began), detail=found)

    def _failed(self, name: str, error: PostroomError, duration_ms: float) -> TestStage:
        known = isinstance(error, Misconfigured | Unavailable)
        reason_code = error.reason_code if known else "internal_error"  # type: ignore[attr-defined]
        return TestStage(
            name=name,
            result="failed",
            duration_ms=duration_ms,
            reason_code=reason_code,
            detail=str(error),
            advice=advice(reason_code, self._account.name),
        )

    def _tls(self) -> str | _Skipped:
        found = self._way.secure()
        return _Skipped(found) if self._imap.security == "none" else found

    def _folder(self) -> str:
        self._made = self._way.session()
        selected = self._made.examine(self._imap.folder)
        return f"{self._imap.folder} has {amount(selected.exists, 'mail')}"

    def _read(self) -> str:
        session = self._session
        if not (session.selected and session.selected.exists):
            return "the folder is empty, so there is nothing to read"
        newest = max(session.search("UID *"), default=0)
        if not newest:
            return "the folder is empty by now"
        answer = session.fetch([newest], ("UID", f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"))
        header = answer.get(newest, {}).get(b"BODY[HEADER]<0>")
        if header is None:
            raise Unavailable("incomplete_answer", f"the server did not give the headers of UID {newest}")
        return f"the headers of the newest mail (UID {newest}, {len(header)} bytes)"

    def _capabilities(self) -> str | _Skipped:
        try:
            has = {name: self._session.has(name) for name in _USED_CAPABILITIES}
        except PostroomError as error:
            # What the server can do is for information only.
            return _Skipped(str(error))
        there = [f"{name} ({use})" for name, use in _USED_CAPABILITIES.items() if has[name]]
        missing = [f"{name} ({use})" for name, use in _USED_CAPABILITIES.items() if not has[name]]
        return "; ".join(
            f"{word}: {', '.join(names)}" for word, names in (("has", there), ("lacks", missing)) if names
        )

    @property
    def _session(self) -> Session:
        assert self._made is not None
        return self._made


def _skipped(name: str) -> TestStage:
    return TestStage(name=name, result="skipped")


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
