"""By what a mail that we sent is known again in the folder for sent mail (pure).

Providers file a copy of what they sent, with header fields of their own; its Message-ID and its body stay.
"""

import hashlib
import re

_HEADER_END = re.compile(rb"(?:\A|\n)\r?\n")


def content_sha256(content: bytes) -> str:
    """The hash of a mail's body, whatever its line ends are and however many empty lines end it."""
    end = _HEADER_END.search(content)
    body = content[end.end() :] if end else b""
    return hashlib.sha256(body.replace(b"\r\n", b"\n").rstrip(b"\n")).hexdigest()
