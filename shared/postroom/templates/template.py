"""A template as it is kept (pure)."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from postroom.messages import RESERVED_VALUES, AccountName, TemplateName, ValueName

Part = Literal["subject", "text", "html"]
MAX_SOURCE_CHARS = 200_000
Source = Annotated[str, StringConstraints(max_length=MAX_SOURCE_CHARS)]


class Template(BaseModel):
    """A template: sources of a subject, a text and an HTML part (one of the two may be empty).

    `account`: from which account it is sent where the message names none. `is_default`: it is taken where the
    message names no template; of its account, or without one of all. `sample`: values to lint and preview it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: TemplateName
    subject: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    text: Source = ""
    html: Source = ""
    account: AccountName | None = None
    is_default: bool = False
    sample: dict[ValueName, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Template":
        if not self.text.strip() and not self.html.strip():
            raise ValueError("text or html must be given, or both")
        taken = sorted(RESERVED_VALUES.intersection(self.sample))
        if taken:
            raise ValueError(f"sample: {taken[0]} is what Postroom gives every template; use another name")
        return self

    @property
    def document(self) -> dict[str, Any]:
        """All of it but the name, as JSON has it."""
        return self.model_dump(mode="json", exclude={"name"})


def default_of(templates: Iterable[Template], account: str | None) -> Template | None:
    """The template for mails that name none: the account's own default, else the one for all accounts."""
    defaults = {each.account: each for each in templates if each.is_default}
    return defaults.get(account) or defaults.get(None)
