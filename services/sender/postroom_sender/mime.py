"""MIME parts and their encodings (pure; RFC 2045, RFC 2046)."""

import binascii

from postroom.errors import Permanent

_MAX_LINE_CHARS = 990
BOUNDARY_MARK = "=_"
"""Begins every boundary; no part holds it: in quoted-printable it cannot occur (RFC 2045, section 6.7)."""


def text_part(subtype: str, text: str) -> bytes:
    """A text part with its headers: as it is where that is safe, else quoted-printable; lines end in CRLF.

    Raises:
        Permanent: the text holds a bare CR, a NUL or half a character.
    """
    lines = text.replace("\r\n", "\n")
    if "\r" in lines or "\0" in lines:
        raise Permanent("the text holds a bare CR or a NUL")
    lines = lines.removesuffix("\n") + "\n"
    if _is_plain(lines):
        encoding, body = b"7bit", lines.encode()
    else:
        encoding, body = b"quoted-printable", _quoted_printable(lines)
    return b"".join(
        (
            b"Content-Type: text/%s; charset=utf-8\r\n" % subtype.encode(),
            b"Content-Transfer-Encoding: %s\r\n\r\n" % encoding,
            body.replace(b"\n", b"\r\n"),
        )
    )


def alternative(boundary: str, parts: tuple[bytes, ...]) -> bytes:
    """A multipart/alternative with its header; the best part comes last (RFC 2046, section 5.1.4)."""
    assert boundary.startswith(BOUNDARY_MARK)
    line = b"--" + boundary.encode()
    return b"".join(
        (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode(),
            *(line + b"\r\n" + part for part in parts),
            line + b"--\r\n",
        )
    )


def _is_plain(lines: str) -> bool:
    return (
        lines.isascii() and BOUNDARY_MARK not in lines and max(map(len, lines.split("\n"))) <= _MAX_LINE_CHARS
    )


def _quoted_printable(lines: str) -> bytes:
    try:
        return binascii.b2a_qp(lines.encode(), istext=True)
    except UnicodeEncodeError as error:
        raise Permanent("the text holds half a character") from error
