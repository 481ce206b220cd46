"""What a provider gave: an access token, and usually a refresh token (pure; RFC 6749 section 5.1)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.errors import Transient

DEFAULT_LIFETIME_S = 3600
"""For providers that do not say: what nearly all of them give."""
MAX_LIFETIME_S = 10 * 365 * 24 * 3600
MAX_MARGIN_S = 300
_MARGIN = 0.1
# RFC 6750 section 2.1 (b64token), more widely: what may travel in a SASL response, without its separators.
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_REFRESH_LIFETIMES = ("refresh_token_expires_in", "refresh_expires_in")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Grant:
    """Tokens of one sign-in; `source` names the registration that they belong to.

    Without an `access_token` there is none at the moment.
    """

    source: str
    access_token: str = field(default="", repr=False)
    obtained_at: datetime = _NEVER
    expires_at: datetime = _NEVER
    refresh_token: str = field(default="", repr=False)
    refresh_expires_at: datetime | None = None
    scope: str = ""

    def is_valid(self, now: datetime) -> bool:
        """Whether the access token has not expired."""
        return bool(self.access_token) and now < self.expires_at

    def is_fresh(self, now: datetime) -> bool:
        """Whether there is no reason to get another access token yet.

        There is one when less than a tenth of its lifetime, or less than `MAX_MARGIN_S`, is left.
        """
        lifetime = self.expires_at - self.obtained_at
        return self.is_valid(now) and now < self.expires_at - min(
            lifetime * _MARGIN, timedelta(seconds=MAX_MARGIN_S)
        )

    def without_access(self) -> "Grant":
        """The same, with an access token that is of no use."""
        return replace(self, access_token="", expires_at=_NEVER)

    def to_json(self) -> str:
        """For the store, where it is encrypted."""
        content = {
            "source": self.source,
            "access_token": self.access_token,
            "obtained_at": self.obtained_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "refresh_token": self.refresh_token,
            "refresh_expires_at": self.refresh_expires_at and self.refresh_expires_at.isoformat(),
            "scope": self.scope,
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> "Grant":
        """What `to_json` made."""
        content = json.loads(text)
        for name in ("obtained_at", "expires_at", "refresh_expires_at"):
            content[name] = content[name] and datetime.fromisoformat(content[name])
        return cls(**content)


def received(answer: Mapping[str, Any], source: str, now: datetime, former: Grant | None = None) -> Grant:
    """The grant in a token endpoint's answer; what it does not repeat stays as in the former one.

    Raises:
        Transient: it is no answer of a token endpoint.
    """
    refresh_token = answer.get("refresh_token") or (former.refresh_token if former else "")
    refresh_s = next((_seconds(answer[name]) for name in _REFRESH_LIFETIMES if answer.get(name)), None)
    kept = former.refresh_expires_at if former and "refresh_token" not in answer else None
    scope = answer.get("scope")
    return Grant(
        source,
        _token(answer.get("access_token")),
        now,
        now + timedelta(seconds=_seconds(answer.get("expires_in")) or DEFAULT_LIFETIME_S),
        _token(refresh_token) if refresh_token else "",
        now + timedelta(seconds=refresh_s) if refresh_s else kept,
        scope if isinstance(scope, str) else (former.scope if former else ""),
    )


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise Transient("the provider's answer has no usable token in it")
    return value


def _seconds(value: object) -> int | None:
    """A lifetime; some providers write it as text."""
    try:
        seconds = int(str(value)[:20])
    except ValueError:
        return None
    return min(seconds, MAX_LIFETIME_S) if seconds > 0 else None
