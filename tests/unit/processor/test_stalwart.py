"""Text and structure of Stalwart's messages, beside what Stalwart's own parser reads from them."""

import json
from typing import Any

import pytest

from postroom_processor.mail import Mail, read_mail
from postroom_processor.sender_address import only_sender
from tests.corpus import SHARED

FOLDER = SHARED / "mime/stalwart/resources/eml"
MESSAGES = {
    path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in sorted(FOLDER.rglob("*.eml"))
}

pytestmark = pytest.mark.skipif(not MESSAGES, reason=f"{FOLDER} is not here")

_UTF_7 = "it says UTF-7, which hides from filters what it says: that codec is not allowed"
_EIGHT_BIT = "undeclared eight-bit text: read as Latin-1, where Stalwart has a replacement character"
_EMPTY_PART = "two delimiters in a row hold an empty text part between them; Stalwart leaves it out"
_INNER_STAYS_OPEN = (
    "the outer delimiter comes before the inner multipart is closed; the part after it is read"
)
_NEVER_CLOSED = "no delimiter closes the text; Stalwart calls such a part an attachment, here it is text"
_TWO_TYPES = "a part with two Content-Type fields; it is marked, and nothing is decided with it"

EXCEPTIONS: dict[str, tuple[frozenset[str], str]] = {
    name: (frozenset(keys.split(", ")), reason)
    for name, keys, reason in (
        ("legacy/001", "subject, text", _UTF_7),
        ("legacy/005", "subject, text", _UTF_7),
        ("legacy/034", "text", _UTF_7),
        ("legacy/010", "subject", _EIGHT_BIT),
        ("legacy/020", "subject", _EIGHT_BIT),
        ("legacy/022", "subject", _EIGHT_BIT),
        ("legacy/027", "subject", _EIGHT_BIT),
        ("legacy/052", "subject, text", _EIGHT_BIT),
        ("legacy/015", "types, roles", _EMPTY_PART),
        ("legacy/025", "types, roles, text", _EMPTY_PART),
        ("legacy/051", "types, roles", _EMPTY_PART),
        ("malformed/000", "types, roles, text, html", "parts of headers only; Stalwart reads none of them"),
        ("malformed/001", "types, roles, text", "boundary a within boundary ab: readers end them elsewhere"),
        ("malformed/002", "roles", "a multipart without a delimiter has no parts; Stalwart: an attachment"),
        ("malformed/003", "roles, text", _NEVER_CLOSED),
        ("malformed/004", "roles, text", _NEVER_CLOSED),
        ("malformed/006", "roles, text", _NEVER_CLOSED),
        ("malformed/008", "roles, html", _NEVER_CLOSED),
        ("malformed/005", "types, roles, text", "boundary a-- is taken for the closing delimiter of a"),
        (
            "malformed/007",
            "types, roles",
            "no empty line ends a part's header; readers differ in what it has",
        ),
        ("malformed/009", "types, roles, text", _INNER_STAYS_OPEN),
        ("malformed/011", "types, roles, text", _INNER_STAYS_OPEN),
        ("malformed/012", "types, roles", _INNER_STAYS_OPEN),
        ("malformed/016", "types, roles, text", "three boundaries of 80 letters that begin alike"),
        ("malformed/017", "types, roles", "its Content-Type lacks a semicolon, so no boundary is declared"),
        ("malformed/019", "types, roles, text, html", "shredded headers: none of the types can be believed"),
        ("malformed/020", "types, roles, text, html", _TWO_TYPES),
        ("malformed/021", "types, roles, text, html", _TWO_TYPES),
        ("thirdparty/002", "roles, text", "base64 with letters that belong to none: read as far as it goes"),
        ("thirdparty/005", "text", "the closing delimiter stands in the middle of a line: it is text"),
        ("thirdparty/007", "sender", "an address without a domain is nobody who may decide"),
        (
            "thirdparty/015",
            "types, roles",
            "the attached mails are cut short within their headers; Stalwart goes on with the first",
        ),
    )
}
"""What may differ in which message, and why."""


def ours(mail: Mail) -> dict[str, Any]:
    return {
        "types": list(mail.content_types),
        "roles": [part.role for part in mail.parts],
        "text": squeezed(mail.text),
        "html": squeezed(mail.html),
        "subject": mail.subject,
        "message id": mail.message_id,
        "references": sorted(mail.references),
        "sender": only_sender(mail),
    }


def theirs(parsed: dict[str, Any]) -> dict[str, Any]:
    parts = parsed["parts"]
    fields: dict[str, list[Any]] = {}
    for field in parts[0]["headers"]:
        if isinstance(field["name"], str):
            fields.setdefault(field["name"], []).append(field["value"])
    addresses = [address for value in fields.get("from", []) for address in addresses_of(value)]
    return {
        "types": [type_of(part) for part in parts],
        "roles": [role_of(number, parsed) for number in range(len(parts))],
        "text": joined(parsed, "text_body", "Text"),
        "html": joined(parsed, "html_body", "Html"),
        "subject": next(iter(texts_of(fields.get("subject", []))), ""),
        "message id": next(iter(texts_of(fields.get("message_id", []))), None),
        "references": sorted(set(texts_of([*fields.get("references", []), *fields.get("in_reply_to", [])]))),
        "sender": addresses[0].lower() if len(addresses) == 1 else None,
    }


def body_of(part: dict[str, Any]) -> tuple[str, Any]:
    """The kind of a part's body and its content."""
    body = part["body"]
    return next(iter(body.items())) if isinstance(body, dict) else (body, None)


def type_of(part: dict[str, Any]) -> str:
    for field in part["headers"]:
        if field["name"] == "content_type" and isinstance(field["value"], dict):
            declared = field["value"]["ContentType"]
            return f"{declared['c_type']}/{declared['c_subtype'] or ''}".lower()
    return "message/rfc822" if body_of(part)[0] == "Message" else "text/plain"


def role_of(number: int, parsed: dict[str, Any]) -> str:
    kind, _ = body_of(parsed["parts"][number])
    if kind == "Multipart":
        return "container"
    for body, shown, role in (("text_body", "Text", "text"), ("html_body", "Html", "html")):
        if number in parsed[body] and kind == shown:
            return role
    return "attachment"


def joined(parsed: dict[str, Any], body: str, kind: str) -> str | None:
    bodies = [body_of(parsed["parts"][number]) for number in parsed[body]]
    found = [content for each, content in bodies if each == kind]
    return squeezed("\n".join(found)) if found else None


def squeezed(text: str | None) -> str | None:
    """Line ends and blanks at both ends of parts are counted differently; words are not."""
    return None if text is None else " ".join(text.split())


def texts_of(values: list[Any]) -> list[str]:
    found: list[str] = []
    for value in values:
        if isinstance(value, dict):
            found += [value["Text"]] if "Text" in value else value.get("TextList", [])
    return found


def addresses_of(value: Any) -> list[str]:
    listed = value.get("Address", {}).get("List", []) if isinstance(value, dict) else []
    return [each["address"] for each in listed if each["address"]]


@pytest.mark.parametrize("name", MESSAGES)
def test_text_and_structure_are_those_beside_the_message(name: str) -> None:
    mail = read_mail(MESSAGES[name].read_bytes())
    expected = theirs(json.loads(MESSAGES[name].with_suffix(".json").read_bytes()))
    found = ours(mail)
    different = {key for key in expected if expected[key] != found[key]}
    allowed, reason = EXCEPTIONS.get(name, (frozenset(), ""))
    assert different == allowed, (reason, {key: (expected[key], found[key]) for key in different ^ allowed})
