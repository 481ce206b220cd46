"""MIME parts and their encodings (pure; RFC 2045, RFC 2046)."""

import base64
import binascii

from postroom.errors import Permanent
from postroom_sender.header import Field, Verbatim, WithParameter, header_block
from postroom_sender.material import File

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


def multipart(subtype: str, boundary: str, parts: tuple[bytes, ...]) -> bytes:
    """Parts in one with its header; of `alternative` the best comes last (RFC 2046, section 5.1.4)."""
    assert boundary.startswith(BOUNDARY_MARK)
    line = b"--" + boundary.encode()
    kind = '; type="text/html"' if subtype == "related" else ""  # RFC 2387, section 3.1
    return b"".join(
        (
            f'Content-Type: multipart/{subtype}{kind}; boundary="{boundary}"\r\n\r\n'.encode(),
            *(line + b"\r\n" + part + b"\r\n" * (not part.endswith(b"\r\n")) for part in parts),
            line + b"--\r\n",
        )
    )


def attached_part(file: File) -> bytes:
    """A file that is attached."""
    return _file(file, "attachment")


def shown_part(file: File, content_id: str) -> bytes:
    """An image that the HTML part shows (RFC 2392)."""
    return _file(file, "inline", Verbatim("Content-ID", f"<{content_id}>"))


def _file(file: File, disposition: str, *more: Field) -> bytes:
    """A file as it is, in base64; what it is called goes through the gate of headers (RFC 2183, RFC 2231)."""
    about = file.about
    head = header_block(
        [
            WithParameter("Content-Type", about.media_type, "name", about.filename),
            WithParameter("Content-Disposition", disposition, "filename", about.filename),
            Verbatim("Content-Transfer-Encoding", "base64"),
            *more,
        ]
    )
    return head + b"\r\n" + base64.encodebytes(file.content).replace(b"\n", b"\r\n")


def _is_plain(lines: str) -> bool:
    return (
        lines.isascii() and BOUNDARY_MARK not in lines and max(map(len, lines.split("\n"))) <= _MAX_LINE_CHARS
    )


def _quoted_printable(lines: str) -> bytes:
    try:
        return binascii.b2a_qp(lines.encode(), istext=True)
    except UnicodeEncodeError as error:
        raise Permanent("the text holds half a character") from error
