"""The one place that decides which rows somebody gets to see (C9).

Whatever has an `account` column is read through `View.select`: what the actor may not see is not there, in
rows and in counts alike, so that nothing tells it from what never was.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, false, or_, select, true

from postroom.access import Actor, Deed, accounts_of, may
from postroom.errors import Misconfigured
from postroom.store.accounts import Configuration
from postroom.user import called


class NotAllowed(Misconfigured):
    """The actor's role does not have this deed."""

    def __init__(self, actor: Actor, deed: Deed) -> None:
        super().__init__("access", f"{actor.name} may not do that: {_NEEDS[deed]}")


_NEEDS: dict[Deed, str] = {
    "mail": "only users may",
    "tokens": "API tokens of others are for users with the role admin",
    "deny": "the deny list for all accounts is for users with the role admin",
    "webhooks": "webhooks are for users with the role admin",
    "dead": "dead letters are for users with the role admin",
    "accounts": "accounts are for users with the role admin",
    "templates": "changing templates is for users with the role admin",
    "suppressions": "addresses suppressed for all accounts are for users with the role admin",
    "audit": "what concerns no account is for users with the role admin",
}


class View:
    """What the actor sees and may do, in this transaction.

    Args:
        connection: The transaction; the actor was found in the same one.
        actor: Who looks.
        configuration: Accounts and users as they are in this transaction.
    """

    def __init__(self, connection: Connection, actor: Actor, configuration: Configuration) -> None:
        self.connection = connection
        self.actor = actor
        self.configuration = configuration
        user = None if actor.sees_all else called(configuration.users, actor.name)
        self.accounts = accounts_of(actor, user, configuration.accounts.values())

    def sees(self, account: str | None) -> bool:
        """Whether the actor sees the mail of the account; of None (no account's) nobody but the operator."""
        return self.actor.sees_all or account in self.accounts

    def may(self, deed: Deed) -> bool:
        """Whether the actor's role has the deed."""
        return may(self.actor, deed)

    def require(self, deed: Deed) -> None:
        """Raises NotAllowed if the actor's role does not have the deed."""
        if not self.may(deed):
            raise NotAllowed(self.actor, deed)

    def select(self, *columns: Any, also_system: Deed | None = None) -> Select[Any]:
        """A query of the columns, of the rows that the actor sees.

        Args:
            columns: Of tables with a column `account`; count a column (`func.count(table.c.id)`).
            also_system: With it, rows of no account (NULL, or empty) too, if the actor has the deed.

        Raises:
            ValueError: a table without that column, or no table at all: a mistake in the program.
        """
        query = select(*columns)
        sources = query.get_final_froms()
        if not sources:
            raise ValueError("a query through a view needs a table's column")
        return query.where(*(self.visible(source, also_system=also_system) for source in sources))

    def visible(self, source: FromClause, *, also_system: Deed | None = None) -> ColumnElement[bool]:
        """The condition of `select` alone, for updates and deletes."""
        if "account" not in source.c:
            raise ValueError(f"{source!r} has no column account: it cannot be read through a view")
        if self.actor.sees_all:
            return true()
        account = source.c.account
        own = account.in_(sorted(self.accounts)) if self.accounts else false()
        if also_system is not None and self.may(also_system):
            return or_(own, account.is_(None), account == "")
        return own
