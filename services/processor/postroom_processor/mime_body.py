"""The body of a mail: its MIME parts, and the text a person would see."""

from __future__ import annotations

import binascii
import email
import email.message
import email.policy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import fast_mail_parser

from postroom_processor import charsets
from postroom_processor.read_limits import Limits

Role = Literal["text", "html", "container", "attachment"]


@dataclass(frozen=True)
class Part:
    """One MIME part as declared.

    Attributes:
        content_type: Media type, lower-case.
        parameters: The whole Content-Type value as written.
        disposition: ``inline``, ``attachment`` …, lower-case; empty if not declared.
        depth: 0 for the whole mail.
        named: Whether it has a file name.
    """

    content_type: str
    parameters: str
    disposition: str
    depth: int
    named: bool

    @property
    def role(self) -> Role:
        """What the part is for the reader: its text, its HTML, a container or an attachment."""
        if self.content_type.startswith("multipart/"):
            return "container"
        if self.disposition == "attachment" or self.named:
            return "attachment"
        return _SHOWN_TYPES.get(self.content_type, "attachment")


@dataclass(frozen=True)
class Body:
    """What was read of a body.

    Attributes:
        text: Inline text/plain parts joined by a line end; None without any.
        html: Inline text/html parts, likewise.
        parts: Every part, depth first.
        problems: Codes of limits that struck and of guesses.
    """

    text: str | None
    html: str | None
    parts: tuple[Part, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Node:
    part: Part
    content: Callable[[], bytes]
    contradicts_itself: bool


EMPTY_BODY = Body(None, None, (), ())


def unread_body(problem: str) -> Body:
    """Return the body of a mail that is not parsed for the problem it has."""
    return Body(None, None, (), (problem,))


_TOKEN = re.compile(r"\s*([a-z0-9-]+)")
_CHARSET = re.compile(r"charset\*?\s*=\s*\"?'?([^\s\"';]{1,60})", re.I)
_SHOWN_TYPES: dict[str, Role] = {"text/plain": "text", "text/html": "html"}
# Of which a part may have one; readers differ in which of two they believe (RFC 2045 section 3).
_ONCE = ("content-type", "content-transfer-encoding", "content-disposition")
# The standard library is the second reader. It takes a second for a thousand nested parts, so it
# gets no mail that names many boundaries.
_FALLBACK_BOUNDARIES = 100


def read_body(raw: bytes, limits: Limits) -> Body:
    """Parse the body of a mail that `read_limits.reached` let through; never raises."""
    try:
        return _assemble(list(_fast_nodes(raw, limits)), limits, [])
    except _LimitReached as reached:
        return unread_body(reached.problem)
    except Exception:  # whatever a stranger's mail does to a parser is an outcome, not an error
        return _read_slowly(raw, limits)


def _read_slowly(raw: bytes, limits: Limits) -> Body:
    if raw.lower().count(b"boundary") > _FALLBACK_BOUNDARIES:
        return unread_body("unreadable-structure")
    try:
        return _assemble(list(_slow_nodes(raw, limits)), limits, ["second-parser"])
    except _LimitReached as reached:
        return unread_body(reached.problem)
    except Exception:  # as above
        return unread_body("unreadable-structure")


class _LimitReached(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def _fast_nodes(raw: bytes, limits: Limits) -> Iterator[_Node]:
    stack = [(fast_mail_parser.parse_email_tree(raw, mode="lazy"), 0)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        _check_bounds(count, depth, limits)
        values = {name.lower(): value for name, value in node.headers.items()}
        part = Part(
            node.content_type.lower(),
            values.get("content-type", [""])[0],
            (node.disposition or "").lower(),
            depth,
            bool(node.filename),
        )
        encoding = values.get("content-transfer-encoding", [""])[0].lower()
        yield _Node(
            part, partial(_content, node, encoding), any(len(values.get(key, ())) > 1 for key in _ONCE)
        )
        # What an attached mail says, its author said; the sender only passes it on.
        if not node.is_message:
            stack.extend((child, depth + 1) for child in reversed(node.children))


def _slow_nodes(raw: bytes, limits: Limits) -> Iterator[_Node]:
    stack = [(email.message_from_bytes(raw, policy=email.policy.compat32), 0)]
    count = 0
    while stack:
        message, depth = stack.pop()
        count += 1
        _check_bounds(count, depth, limits)
        part = Part(
            message.get_content_type(),
            str(message.get("content-type", "")),
            (message.get_content_disposition() or "").lower(),
            depth,
            message.get_filename() is not None,
        )
        yield _Node(part, partial(_payload, message), any(len(message.get_all(key, ())) > 1 for key in _ONCE))
        if message.get_content_maintype() == "multipart" and message.is_multipart():
            children = cast("list[email.message.Message]", message.get_payload())
            stack.extend((child, depth + 1) for child in reversed(children))


def _content(node: fast_mail_parser.PyLazyMimePart, encoding: str) -> bytes:
    """Decode what the fast parser leaves as it is: it knows an encoding only without blanks or comment."""
    content = node.content or b""
    token = _TOKEN.match(encoding)
    if token is None or token.group(1) == encoding:
        return content
    if token.group(1) == "quoted-printable":
        return binascii.a2b_qp(content)
    return binascii.a2b_base64(content) if token.group(1) == "base64" else content


def _payload(message: email.message.Message) -> bytes:
    payload = message.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _check_bounds(count: int, depth: int, limits: Limits) -> None:
    if count > limits.parts:
        raise _LimitReached("parts")
    if depth > limits.depth:
        raise _LimitReached("depth")


def _assemble(nodes: list[_Node], limits: Limits, problems: list[str]) -> Body:
    shown: dict[str, list[str]] = {"text": [], "html": []}
    for node in nodes:
        if node.contradicts_itself:
            problems.append("repeated-field")
        kind = node.part.role
        if kind not in shown:
            continue
        declared = _CHARSET.search(node.part.parameters)
        text, known = charsets.decode(node.content(), declared.group(1) if declared else None)
        if not known:
            problems.append("unknown-charset")
        shown[kind].append(text)
    return Body(
        _joined(shown["text"], limits, problems),
        _joined(shown["html"], limits, problems),
        tuple(node.part for node in nodes),
        tuple(dict.fromkeys(problems)),
    )


def _joined(texts: list[str], limits: Limits, problems: list[str]) -> str | None:
    if not texts:
        return None
    text = "\n".join(texts)
    if len(text) > limits.text_chars:
        problems.append("text-chars")
    return text[: limits.text_chars]
