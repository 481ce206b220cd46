"""What sockets, TLS and IMAP servers raise, as errors that say who acts.

| what happened | error | reason code |
|---|---|---|
| there is no such name | `Misconfigured` | `unknown_host` |
| names are not resolved at the moment, nobody answers | `Unavailable` | `unreachable` |
| the certificate is not trusted, or is for another name | `Misconfigured` | `certificate` |
| no TLS is spoken there | `Misconfigured` | `tls_failed` |
| the sign-in is refused | `Misconfigured` | see `postroom_fetcher.refusal` |
| the server is busy, over quota, in maintenance (RFC 5530) | `Unavailable` | `throttled` |
| the folder cannot be opened | `Misconfigured` | `folder_missing` |
| the connection ended or stays silent | `Unavailable` | `disconnected` |
| an answer is not complete in time | `Unavailable` | `too_slow` |
| no further connection is allowed | `Unavailable` | `connection_limit` |
| the answer is against the protocol | `Unavailable` | `protocol_error` |
| the server refused a command | `Refused` | `refused` |
"""

import imaplib
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from imapclient.exceptions import LoginError, ProtocolError

from postroom.errors import Misconfigured, PostroomError, Transient
from postroom_fetcher.refusal import is_busy, response_code, sign_in_reason, suggested_wait_s

MAX_QUOTED_CHARS = 200


class Unavailable(Transient):
    """The mailbox cannot be used at the moment; `reason_code` as in the table above.

    `uids`: the mails that were asked for, where one of them may be what the server stumbles over.
    """

    def __init__(
        self,
        reason_code: str,
        sentence: str,
        *,
        retry_after_s: float | None = None,
        uids: Iterable[int] = (),
    ) -> None:
        super().__init__(sentence, retry_after_s=retry_after_s)
        self.reason_code = reason_code
        self.uids = frozenset(uids)


class Refused(Unavailable):
    """The server said NO or BAD to a command; `code` is its response code (RFC 5530), empty if none."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__("refused", sentence)
        self.code = code


@dataclass(frozen=True)
class Place:
    """Where something went wrong, for the sentence: the server as it is written in the accounts file."""

    host: str
    port: int
    folder: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@contextmanager
def translated(place: Place, doing: str) -> Iterator[None]:
    """Turn what imapclient, imaplib, ssl and sockets raise into the errors above."""
    try:
        yield
    except PostroomError:
        raise
    except LoginError as error:
        raise login_error(place, error) from error
    except (OSError, EOFError) as error:
        raise network_error(place, doing, error) from error
    except (imaplib.IMAP4.error, ValueError, LookupError, TypeError, AssertionError) as error:
        raise imap_error(place, doing, error) from error


def login_error(place: Place, error: Exception) -> PostroomError:
    """Why a sign-in failed: a server that is busy is no wrong password."""
    said = quoted(error)
    # imapclient calls a connection that ended during the sign-in a log-in error as well.
    if isinstance(error.__context__, imaplib.IMAP4.abort) and not response_code(said):
        return imap_error(place, "the sign-in", error.__context__)
    return sign_in_error(place, said)


_SIGN_IN: Mapping[str, str] = {
    "auth_failed": "refused user or password: {said}. Check imap.user and the secret behind imap.password; "
    "some providers want an app password",
    "password_change": "wants the password to be changed: {said}",
    "basic_auth_disabled": "takes no passwords any more: {said}. Sign in with OAuth 2: type: outlook, gmail "
    "or oauth2",
    "app_password": "wants an app password for programs: {said}",
    "browser_sign_in": "wants a sign-in with a browser first: {said}",
    "login_disabled": "takes no password on this connection: {said}. Use imap.security: tls or starttls",
    "auth_refused": "refused the sign-in: {said}",
}


def sign_in_error(place: Place, said: str) -> PostroomError:
    """What the words mean with which a sign-in was refused."""
    reason_code = sign_in_reason(said)
    if reason_code == "throttled":
        return throttled(f"{place} does not take log-ins at the moment: {said}", said)
    return Misconfigured(reason_code, f"{place} {_SIGN_IN[reason_code].format(said=said.rstrip('.'))}")


def throttled(sentence: str, said: str) -> Unavailable:
    """The error where a server has no time for us; a wait that it asks for is kept."""
    return Unavailable("throttled", sentence, retry_after_s=suggested_wait_s(said))


def network_error(place: Place, doing: str, error: Exception) -> PostroomError:
    """Why a connection could not be made or was lost."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or quoted(error)
        return Misconfigured(
            "certificate",
            f"the certificate of {place} is not trusted: {why}. "
            "Give its authority as ca_file, or use the name it was issued for as imap.host",
        )
    if isinstance(error, socket.gaierror):
        return _name_error(place, error)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _tls_error(place, doing, error)
    if doing in (CONNECT, TLS):
        why = "nobody answers" if isinstance(error, TimeoutError) else quoted(error)
        return Unavailable(
            "unreachable", f"{place} cannot be reached: {why}. Check imap.host, imap.port and the network"
        )
    why = "it does not answer any more" if isinstance(error, TimeoutError) else quoted(error)
    return Unavailable("disconnected", f"the connection to {place} was lost during {doing}: {why}")


CONNECT = "connecting"
TLS = "the TLS handshake"
# Not every system knows the second.
_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def _name_error(place: Place, error: socket.gaierror) -> PostroomError:
    if error.errno in _NO_SUCH_NAME:
        return Misconfigured("unknown_host", f"there is no host {place.host}: check imap.host")
    return Unavailable(
        "unreachable", f"the name {place.host} cannot be resolved at the moment: {quoted(error)}"
    )


def _tls_error(place: Place, doing: str, error: ssl.SSLError) -> PostroomError:
    if doing not in (CONNECT, TLS, "STARTTLS"):
        return Unavailable(
            "disconnected", f"the connection to {place} was lost during {doing}: {quoted(error)}"
        )
    why = getattr(error, "reason", "") or quoted(error)
    return Misconfigured(
        "tls_failed",
        f"no TLS connection to {place}: {why}. Check that imap.security and imap.port "
        "go together: tls with 993, starttls with 143",
    )


_NO_IMAP = re.compile("unexpected (tagged )?response: ")
"""What imaplib says when it ends a connection on which no IMAP is spoken."""


def imap_error(place: Place, doing: str, error: Exception) -> PostroomError:
    """What an answer means that imapclient did not accept."""
    said = quoted(error)
    if isinstance(error, imaplib.IMAP4.readonly):
        return Refused(f"{place} allows only reading {place.folder!r}", "READ-ONLY")
    if _is_end(doing, error, said):
        sentence = f"{place} ended the connection during {doing}: {said}"
        return throttled(sentence, said) if is_busy(said) else Unavailable("disconnected", sentence)
    # The greeting is no answer to a command that could be refused.
    no_imap = isinstance(error, ProtocolError | imaplib.IMAP4.abort) or doing == CONNECT
    if no_imap or not isinstance(error, imaplib.IMAP4.error):
        return Unavailable("protocol_error", f"{place} answered {doing} with what is no IMAP: {said}")
    if is_busy(said):
        return throttled(f"{place} cannot do {doing} at the moment: {said}", said)
    return Refused(f"{place} refused {doing}: {said}", response_code(said))


def _is_end(doing: str, error: Exception, said: str) -> bool:
    """Whether the server ended the connection, with or without a farewell."""
    if doing == CONNECT and said.startswith("* BYE"):
        return True
    return isinstance(error, imaplib.IMAP4.abort) and _NO_IMAP.search(said) is None


def folder_missing(place: Place, error: Refused) -> Misconfigured:
    """The error for a folder that cannot be opened."""
    return Misconfigured(
        "folder_missing",
        f"the folder {place.folder!r} cannot be opened: {str(error).rstrip('.')}. "
        "Check imap.folder: its name must be spelled as the server spells it",
    )


def quoted(error: Exception) -> str:
    """What a server or the system said, as one short printable line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = text.removeprefix("b'").removesuffix("'") if text.startswith("b'") else text
    return (
        "".join(char if char.isprintable() else " " for char in text)[:MAX_QUOTED_CHARS]
        or type(error).__name__
    )
