"""The sections of the accounts file that are for all accounts, by name (pure)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter

from postroom.account_servers import SystemSmtp
from postroom.account_values import DenyPatterns
from postroom.user import User
from postroom.webhook import Webhook

SectionName = Literal["system_smtp", "users", "deny", "webhooks"]

SECTIONS: Mapping[SectionName, TypeAdapter[Any]] = {
    "system_smtp": TypeAdapter(SystemSmtp),
    "users": TypeAdapter(tuple[User, ...]),
    "deny": TypeAdapter(DenyPatterns),
    "webhooks": TypeAdapter(tuple[Webhook, ...]),
}
"""What each section is made of."""

DENY_MEANING = (
    "Addresses and domains (with all below them) whose mail is denied for every account, one per line; an "
    "account's own `deny` goes beside it."
)


def written(name: SectionName, value: Any) -> Any:
    """What is kept of a section, as JSON has it, without what has its default."""
    return SECTIONS[name].dump_python(value, mode="json", by_alias=True, exclude_defaults=True)


def settings(name: SectionName, value: Any) -> dict[str, Any]:
    """A section's settings with a name for each, so that two of them can be compared; empty without one."""
    if not value:
        return {}
    kept = written(name, value)
    if name == "deny":
        return dict.fromkeys(kept, "denied")
    if isinstance(kept, list):
        return {each["name"]: {field: each[field] for field in each if field != "name"} for each in kept}
    return dict(kept)
