"""What our own mail server found out about a mail: `Authentication-Results` (RFC 8601, pure).

Anybody can write such a field into a mail. Believed are those that bear the configured authserv-id and stand
where only our own server can have put them (`trusted_fields`); of these the DMARC result, if they all say the
same of the domain in From. Fields are read whole or not at all: a comment or a string that does not end, or
anything else that is not of the grammar, is no result. Nothing but `pass` is ever a pass.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from postroom_processor.mail import Mail

REFUSALS = frozenset({"fail", "reject", "quarantine"})
"""Results of DMARC that are final: the server saw more than we can, and said no."""
_FIELD = "authentication-results"
_MAX_FIELD_BYTES = 10_000
_MAX_FIELDS = 20
_MAX_COMMENT_DEPTH = 10
_PIECE = re.compile(
    r"""(?P<blank>[ \t]+|\()
      | (?P<mark>[;=])
      | (?P<text>"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e])*"|[^\s;="()\\\x00-\x1f\x7f]+)
    """,
    re.VERBOSE,
)
_COMMENT_PIECE = re.compile(r"[^()\\\x00-\x08\x0a-\x1f\x7f]+|\\[\x20-\x7e]|(?P<open>\()|(?P<close>\))")
_METHOD = re.compile(r"([a-z0-9-]+)(?:/[0-9]+)?", re.IGNORECASE)
_BY = re.compile(r"(?:^|\s)by\s+([^\s;()]+)", re.IGNORECASE)
_LITERAL = re.compile(r"[0-9a-fA-F:.]{2,45}")
_MIN_LABELS = 3


@dataclass(frozen=True)
class Result:
    """One result: `dmarc=pass header.from=example.com` has the method, its result and the properties."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...]

    def only(self, name: str) -> str | None:
        """The value of a property that is given exactly once, lower-cased."""
        values = [value for key, value in self.properties if key == name]
        return values[0].lower() if len(values) == 1 else None


@dataclass(frozen=True)
class Results:
    """The results of one field and who says so, lower-cased."""

    authserv_id: str
    results: tuple[Result, ...]


def server_dmarc(mail: Mail, authserv_id: str | None, domain: str) -> str | None:
    """What our mail server says of DMARC for this From domain, such as `pass`; None for nothing usable."""
    read = _read_trusted(mail, authserv_id)
    found = _found_dmarc(read)
    if None in read or len(found) != 1:
        return None
    result, header_from = found.pop()
    return result if header_from == domain.lower() else None


def server_refusal(mail: Mail, authserv_id: str | None) -> str | None:
    """The refusal that any field of our mail server has, whatever stands beside it; None for none."""
    found = _found_dmarc(_read_trusted(mail, authserv_id))
    return next((result for result, _ in sorted(found, key=str) if result in REFUSALS), None)


def _read_trusted(mail: Mail, authserv_id: str | None) -> list[Results | None]:
    """The fields of our mail server as they were read, None for one that cannot be."""
    if authserv_id is None or not mail.headers_complete:
        return []
    fields = trusted_fields(mail, authserv_id)
    return [read_results(field) for field in fields] if len(fields) <= _MAX_FIELDS else []


def _found_dmarc(read: list[Results | None]) -> set[tuple[str, str | None]]:
    return {
        (result.result, result.only("header.from"))
        for each in read
        if each is not None
        for result in each.results
        if result.method == "dmarc"
    }


def trusted_fields(mail: Mail, authserv_id: str) -> tuple[bytes, ...]:
    """The values of the fields with this id that our own server put there (RFC 8601, section 5).

    A server writes on top of what is there. So the topmost group with our id counts, up to the next
    `Received`; above it may stand `Received` fields of our own hops and the one by which our server took the
    mail from outside. Below the next one a stranger may have written anything.
    """
    found: list[bytes] = []
    outside = False
    for name, value in mail.headers:
        key = name.lower()
        if key == "received":
            if found or outside:
                break
            outside = _from_outside(value)
            if outside and not _is_ours(value, authserv_id):
                break
        elif key == _FIELD and _bears(value, authserv_id):
            found.append(value)
    return tuple(found)


def read_results(value: bytes) -> Results | None:
    """Read one field's value by the grammar of RFC 8601, section 2.2; None if it is not of it."""
    if len(value) > _MAX_FIELD_BYTES:
        return None
    clauses = _clauses(value.decode("latin-1"))
    if clauses is None or not _is_id(clauses[0]):
        return None
    results = []
    for clause in clauses[1:]:
        if not clause or clause == ["none"]:
            continue
        result = _result(clause)
        if result is None:
            return None
        results.append(result)
    return Results(clauses[0][0].lower(), tuple(results))


def _is_id(clause: list[str]) -> bool:
    """An id that is no quoted string, and perhaps the version, which is 1."""
    return bool(clause) and not clause[0].startswith(('"', "=")) and clause[1:] in ([], ["1"])


def _result(words: list[str]) -> Result | None:
    """Read `method = result *(name = value)`."""
    pairs = _pairs(words)
    if not pairs or not _METHOD.fullmatch(pairs[0][0]):
        return None
    (method, result), *properties = pairs
    plain_method = method.partition("/")[0].lower()
    return Result(plain_method, result.lower(), tuple((name.lower(), value) for name, value in properties))


def _pairs(words: list[str]) -> list[tuple[str, str]] | None:
    pairs = []
    position = 0
    while position < len(words):
        name, *rest = words[position : position + 3]
        if name == "=" or rest[:1] != ["="] or rest[1:] == ["="]:
            return None
        # A server may leave a value out, `smtp.mailfrom=` of a bounce, at the end of a result.
        pairs.append((name, rest[1] if rest[1:] else ""))
        position += 3
    return pairs


def _clauses(text: str) -> list[list[str]] | None:
    """The words between semicolons, without comments; what stands together without a blank is one word."""
    clauses: list[list[str]] = [[]]
    glued = False
    for kind, piece in _pieces(text):
        if kind == "fault":
            return None
        if piece == ";":
            clauses.append([])
        elif kind == "text" and glued:
            clauses[-1][-1] += piece
        elif kind != "blank":
            clauses[-1].append(piece)
        glued = kind == "text"
    return clauses


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What the text is made of: `text` (a word or string), `mark`, `blank` (or a comment), or a `fault`."""
    position: int | None = 0
    while position is not None and position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            break
        position = _after_comment(text, match.end()) if match["blank"] == "(" else match.end()
        if position is not None:
            yield match.lastgroup or "", match.group()
    if position != len(text):
        yield "fault", ""


def _after_comment(text: str, position: int) -> int | None:
    """Where the comment ends whose bracket was opened just before; None if it does not end."""
    depth = 1
    while depth:
        match = _COMMENT_PIECE.match(text, position)
        if match is None or depth > _MAX_COMMENT_DEPTH:
            return None
        depth += bool(match["open"]) - bool(match["close"])
        position = match.end()
    return position


def _bears(value: bytes, authserv_id: str) -> bool:
    """Whether the field names our id first, whatever follows: an unreadable field of ours is one of ours."""
    clauses = _clauses(value[:_MAX_FIELD_BYTES].decode("latin-1"))
    if clauses is not None:
        return bool(clauses[0]) and clauses[0][0].lower() == authserv_id
    return value.strip().lower().startswith(authserv_id.encode())


def _from_outside(received: bytes) -> bool:
    """Whether the hop took the mail from another network: of all it says of the peer, any address is public.

    The peer chooses the name it greets with, and may greet with an address of ours; the server adds the real
    one, so a single public address is enough.
    """
    text = received[:_MAX_FIELD_BYTES].decode("latin-1")
    by = _BY.search(text)
    clause = text[: by.start()] if by else text
    if not clause.lower().lstrip().startswith("from"):
        return False
    addresses = [address for each in _LITERAL.findall(clause) if (address := _address(each)) is not None]
    return not addresses or any(address.is_global for address in addresses)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_ours(received: bytes, authserv_id: str) -> bool:
    """Whether the hop is our server's, or a host's beside it (`mx2.example.com` for `mx.example.com`)."""
    by = _BY.search(received[:_MAX_FIELD_BYTES].decode("latin-1"))
    if by is None:
        return False
    host = by.group(1).lower().rstrip(".")
    labels = authserv_id.split(".")
    parent = ".".join(labels[1:]) if len(labels) >= _MIN_LABELS else authserv_id
    return host == authserv_id or host.endswith(f".{parent}")
