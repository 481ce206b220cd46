"""Where events go to over HTTP: the section `webhooks` of the accounts file (pure)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from postroom.account_values import Section, Url, lines
from postroom.messages import MESSAGES, AccountName, Event
from postroom.secret_reference import STORED, SecretReference, stored


def family(event_type: str) -> str:
    """The pattern for all events of its family, such as `approval.*`."""
    return f"{event_type.partition('.')[0]}.*"


# Not posted: a mail that is on its way to the processor, answers, and word between services.
_INTERNAL = ("mail.received", "approval.states", "accounts.changed", "webhook.tested")
EVENT_TYPES = tuple(
    sorted(name for name, model in MESSAGES.items() if issubclass(model, Event) and name not in _INTERNAL)
)
_FAMILIES = tuple(sorted({family(name) for name in EVENT_TYPES}))


def _event(pattern: str) -> str:
    if pattern in ("*", *EVENT_TYPES, *_FAMILIES):
        return pattern
    own = family(pattern)
    if own in _FAMILIES:
        known = [name for name in EVENT_TYPES if family(name) == own]
        raise ValueError(f"must be one of {', '.join(known)}, or {own}")
    raise ValueError(
        f"must be an event's type such as approval.decided, a family of them ({', '.join(_FAMILIES)}), or *"
    )


EventPattern = Annotated[str, AfterValidator(_event)]


class Webhook(Section):
    """A subscription: events are posted to the URL as CloudEvents, signed."""

    name: AccountName = Field(description="What it is called: a-z, 0-9 and -, 63 characters at most.")
    url: Url = Field(description="Where events are posted to: https, or http on this machine only.")
    events: Annotated[tuple[EventPattern, ...], BeforeValidator(lines), Field(min_length=1)] = Field(
        description="Types of events, such as `approval.decided`, `approval.*` or `*`, one per line."
    )
    accounts: Literal["all"] | Annotated[tuple[AccountName, ...], BeforeValidator(lines)] = Field(
        "all", description="`all`, or the names of the accounts whose events are posted."
    )
    secret: SecretReference = Field(
        description="What signs each request, a reference: `env:NAME`, `file:/path`, or `stored`."
    )
    previous_secret: SecretReference | None = Field(
        None,
        description="The secret before, while secrets are changed: requests are signed with both.",
    )
    allow_private: bool = Field(
        False,
        description="Whether its address may be a private, link-local or loopback one, of your own network.",
    )
    concurrency: Annotated[int, Field(ge=1, le=32)] = Field(
        4, description="How many requests are under way at a time, for each notifier."
    )
    enabled: bool = Field(True, description="Off: nothing is posted.")

    @model_validator(mode="before")
    @classmethod
    def _name_stored_secret(cls, data: Any) -> Any:
        """`stored` alone means this webhook's own secret."""
        if not isinstance(data, dict):
            return data
        # With a full stop, which no account's name has: never the secret of an account.
        own = f"webhook.{data.get('name')}"
        fields = [field for field in ("secret", "previous_secret") if data.get(field) == STORED]
        return {**data, **{field: stored(own, field) for field in fields}}

    def secret_references(self) -> dict[str, str]:
        """The references to its secrets by field, the one in force first."""
        found = {"secret": self.secret, "previous_secret": self.previous_secret}
        return {field: reference for field, reference in found.items() if reference is not None}

    def wants(self, event_type: str, account: str | None) -> bool:
        """Whether events of this type, of this account (None: of none), are posted."""
        if not self.enabled or (self.accounts != "all" and account not in self.accounts):
            return False
        patterns = {"*", event_type, family(event_type)}
        return event_type in EVENT_TYPES and not patterns.isdisjoint(self.events)
