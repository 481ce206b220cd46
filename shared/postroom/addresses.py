"""Mail addresses as Postroom accepts them from programs and settings (pure).

Strict on purpose: RFC 5322 section 3.4.1 `dot-atom "@" dot-atom` with RFC 6531's letters, no quoted local
parts, no comments, no literals. Whatever else a stranger's mail may carry is the processor's to read.
"""

import re
import string
from functools import lru_cache
from typing import Annotated

import idna
from pydantic import AfterValidator, WithJsonSchema

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
MAX_LOCAL_BYTES = 64  # RFC 5321 section 4.5.3.1.1
MAX_ADDRESS_BYTES = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
MAX_DOMAIN_CHARS = 253
_SHOWN_CHARS = 100
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@lru_cache(maxsize=10_000)
def normal_domain(domain: str) -> str:
    """The domain in lower-case A-labels (RFC 5890), without a trailing dot.

    Raises:
        ValueError: it is no domain name.
    """
    if len(domain) > MAX_DOMAIN_CHARS + 1:
        raise ValueError(f"a domain name has at most {MAX_DOMAIN_CHARS} characters")
    try:
        ascii_form = idna.encode(domain.rstrip("."), uts46=True).decode().lower()
    except UnicodeError:  # idna's own errors are of this kind too
        # Names with an underscore or two hyphens exist in practice though IDNA 2008 refuses them.
        ascii_form = domain.rstrip(".").lower()
    labels = ascii_form.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(ascii_form) > MAX_DOMAIN_CHARS:
        raise ValueError(f"{domain!r} is not a domain name")
    return ascii_form


def normal_address(text: str) -> str:
    """The address with its domain in lower-case A-labels; the local part is left as it is.

    Raises:
        ValueError: the text is not exactly one address; the sentence says why.
    """
    if len(text) > 2 * MAX_ADDRESS_BYTES:
        raise ValueError(f"{text[:_SHOWN_CHARS]!r}… is longer than {MAX_ADDRESS_BYTES} bytes")
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{text!r} is not a mail address: expected name@domain")
    # An encoded word (RFC 2047): readers that decode before they split find another address in it.
    if not _LOCAL.fullmatch(local) or "=?" in local:
        raise ValueError(f"{text!r} is not a mail address: {local!r} is not allowed before the @")
    if len(local.encode()) > MAX_LOCAL_BYTES:
        raise ValueError(f"{text!r}: the part before the @ is longer than {MAX_LOCAL_BYTES} bytes")
    address = f"{local}@{normal_domain(domain)}"
    if len(address.encode()) > MAX_ADDRESS_BYTES:
        raise ValueError(f"{text!r} is longer than {MAX_ADDRESS_BYTES} bytes")
    return address


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same mailbox: compared without the case of ASCII letters.

    Only of ASCII letters: full case folding makes `straße` and `strasse`, or a Kelvin sign and a k, the same,
    and they may be two people's mailboxes.
    """
    return fold_case(one) == fold_case(other)


def same_person(one: str, other: str) -> bool:
    """Whether two addresses reach one mailbox where the server knows sub-addresses (RFC 5233): `anna+x@`."""
    return same_address(_without_tag(one), _without_tag(other))


def _without_tag(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def fold_case(text: str) -> str:
    """The text with the letters A to Z in lower case and everything else as it is."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def with_tag(address: str, tag: str) -> str:
    """The address with `+tag` before the @ (sub-addressing, RFC 5233)."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{tag}@{domain}"


Address = Annotated[
    str,
    AfterValidator(normal_address),
    WithJsonSchema({"type": "string", "format": "idn-email", "maxLength": MAX_ADDRESS_BYTES}),
]
