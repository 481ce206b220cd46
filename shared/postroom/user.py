"""The people who may see mail and act on it: the section `users` of the accounts file (pure)."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from postroom.account_values import Section
from postroom.addresses import Address, fold_case, normal_address
from postroom.messages import Text

Role = Literal["admin", "agent"]
OPERATOR = "operator"
"""Who is at the shell where there are no users; no user is called so."""


def _not_operator(name: str) -> str:
    if name == OPERATOR:
        raise ValueError("is what the person at the shell is called in the audit: choose another name")
    return name


UserName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"), AfterValidator(_not_operator)
]


class User(Section):
    """One person. What they see is what the accounts say that name them as `owner` or in `readers`."""

    name: UserName = Field(description="What they are called: a-z, 0-9, ., _ and -, 63 characters at most.")
    address: Address = Field(description="Their mail address.")
    role: Role = Field(
        "agent",
        description="`agent`: reads and acts on the mail of accounts that they own or read; `admin`: manages "
        "tokens, deny list, webhooks and dead letters besides, and sees no more mail than an agent.",
    )
    signature: Text = Field(
        "",
        description="Text under mails that they sign, instead of the account's; in templates it is "
        "`{{ signature }}`.",
    )
    enabled: bool = Field(True, description="Off: none of their tokens is of use.")

    def is_called(self, text: str) -> bool:
        """Whether the text is their name or address; letters A to Z in either case."""
        wanted = fold_case(text.strip())
        if "@" in wanted:
            try:
                wanted = fold_case(normal_address(wanted))
            except ValueError:
                return False
        return wanted in (self.name, fold_case(self.address))


def called(users: Iterable[User], text: str) -> User | None:
    """The user of that name or address, or None."""
    return next((user for user in users if user.is_called(text)), None)
