"""Who may do what, and whose mail they see (pure).

Two questions, always both: may somebody of this role do such a deed at all (`may`), and of which accounts
(`accounts_of`). The role gives no access to mail: that is what `owner` and `readers` of an account say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from postroom.account import Account
from postroom.user import OPERATOR, User, called

Deed = Literal["mail", "tokens", "deny", "webhooks", "dead", "accounts", "audit", "templates", "suppressions"]
"""What is done. `deny`, `dead` and `audit`: of the whole system; of an account they are `mail`."""

_MOST_NAMED = 20
MAX_NAME_CHARS = 63


@dataclass(frozen=True)
class Actor:
    """Who acts. `role` operator: whoever is at the shell where there are no users; sees everything.

    `via`: `shell`, `as` (a user by name, at a trusted shell), `amqp` (a program) or the id of an API token.
    """

    name: str
    role: Literal["operator", "admin", "agent"]
    via: str
    address: str = ""

    @property
    def sees_all(self) -> bool:
        """Whether they see the mail of every account, those that are no more included."""
        return self.role == "operator"


_WHO: Mapping[Deed, tuple[str, ...]] = {
    "mail": ("operator", "admin", "agent"),
    "tokens": ("operator", "admin"),
    "deny": ("operator", "admin"),
    "webhooks": ("operator", "admin"),
    "dead": ("operator", "admin"),
    "accounts": ("operator", "admin"),
    "audit": ("operator", "admin"),
    "suppressions": ("operator", "admin"),
    "templates": ("operator", "admin"),
}


def the_operator() -> Actor:
    """Whoever is at the shell where there are no users."""
    return Actor(OPERATOR, "operator", "shell")


def program_as_actor(source: str) -> Actor:
    """A program that the broker lets send commands, by what it calls itself; no user's name is like that."""
    return Actor(f"program {source}"[:MAX_NAME_CHARS], "operator", "amqp")


def user_as_actor(user: User, via: str) -> Actor:
    """The user as somebody who acts."""
    return Actor(user.name, user.role, via, user.address)


def may(actor: Actor, deed: Deed) -> bool:
    """Whether somebody of this role may do that at all."""
    return actor.role in _WHO[deed]


def accounts_of(actor: Actor, user: User | None, accounts: Iterable[Account]) -> frozenset[str]:
    """The names of the accounts whose mail the actor sees: those that they own or read.

    Args:
        actor: Who.
        user: The same as a user; None for the operator.
        accounts: All there are. One whose record is not understood is nobody's but the operator's.
    """
    if actor.sees_all:
        return frozenset(account.name for account in accounts)
    if user is None:
        return frozenset()
    return frozenset(
        account.name for account in accounts if any(map(user.is_called, (account.owner, *account.readers)))
    )


def strangers(account: Account, users: Sequence[User]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Owner and readers of the account whom no user is called: the field, and what is allowed there.

    Without users they are names and no more.
    """
    if not users:
        return
    more = f" and {len(users) - _MOST_NAMED} more" if len(users) > _MOST_NAMED else ""
    known = ", ".join(user.name for user in users[:_MOST_NAMED]) + more
    named: list[tuple[tuple[str | int, ...], str]] = [(("owner",), account.owner)] if account.owner else []
    named += [(("readers", place), reader) for place, reader in enumerate(account.readers)]
    for field, name in named:
        if called(users, name) is None:
            yield field, f"must be the name or address of a user; users are {known}"
