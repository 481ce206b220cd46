"""The values that an accounts file is made of: durations, hosts, address patterns, dates (pure)."""

import datetime
import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from postroom.addresses import normal_address, normal_domain
from postroom.deny import canonical_pattern, written_pattern

_DURATION = re.compile(r"([0-9]{1,9})\s*(s|m|h|d)")
_DURATION_FORM = "must be a duration such as 30s, 5m, 1h or 2d"
_URL_FORM = "must be a URL that begins with https:// (http:// on this machine only), without a user"
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError(_DURATION_FORM)
        return int(match.group(1)) * _UNIT_S[match.group(2)]
    if isinstance(value, bool | float):
        raise ValueError(_DURATION_FORM)
    return value


def duration(seconds: int) -> str:
    """A duration as files have it, in the largest unit that tells it whole: `90d`, `5m`, `90s`."""
    unit = next(
        (name for name, unit_s in reversed(_UNIT_S.items()) if seconds and seconds % unit_s == 0), "s"
    )
    return f"{seconds // _UNIT_S[unit]}{unit}"


def lines(value: object) -> object:
    """A list, or a text with one entry per line; lines that begin with # are comments."""
    if isinstance(value, str):
        stripped = (line.strip() for line in value.splitlines())
        return [line for line in stripped if line and not line.startswith("#")]
    return value


def _pattern(value: object) -> object:
    """An address, or a domain (with or without @ before it): the domain in A-labels, all in lower case."""
    if not isinstance(value, str):
        return value
    local, _, domain = value.strip().rpartition("@")
    try:
        return (normal_address(value) if local else normal_domain(domain)).lower()
    except ValueError:
        raise ValueError("must be an address (name@domain) or a domain") from None


def _denied(value: object) -> object:
    """An address or a domain that can be denied, in the form in which it is compared."""
    if not isinstance(value, str):
        return value
    try:
        return written_pattern(canonical_pattern(value))
    except ValueError:
        raise ValueError("must be an address (name@domain) or a domain (shop.example)") from None


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    try:
        return normal_domain(text)
    except ValueError:
        raise ValueError("must be a host name or an IP address, without a port") from None


def _since(value: object) -> object:
    """`now`, `beginning` or a day; YAML has made a date of a day already."""
    is_day = isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    if is_day or value in ("now", "beginning"):
        return value
    try:
        return datetime.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be now, beginning or a date such as 2026-01-31") from None


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = _host(parts.hostname or "")
        _ = parts.port
    except ValueError:
        raise ValueError(_URL_FORM) from None
    if parts.username or not text.isprintable() or " " in text:
        raise ValueError(_URL_FORM)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return text
    raise ValueError(_URL_FORM)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


DurationS = Annotated[
    int, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "duration"})
]
AddressPattern = Annotated[str, BeforeValidator(_pattern)]
AddressPatterns = Annotated[tuple[AddressPattern, ...], BeforeValidator(lines)]
DenyPattern = Annotated[str, BeforeValidator(_denied)]
DenyPatterns = Annotated[tuple[DenyPattern, ...], BeforeValidator(lines)]
Host = Annotated[str, AfterValidator(_host)]
Since = Annotated[Literal["now", "beginning"] | datetime.date, BeforeValidator(_since)]
Url = Annotated[str, AfterValidator(_url)]
Port = Annotated[int, Field(ge=1, le=65535)]
User = Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Section(BaseModel):
    """A part of the accounts file: what is not a setting is refused, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
