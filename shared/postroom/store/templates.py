"""Templates in the store: what `postroom templates apply` writes and the sender reads."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, delete, select

from postroom.store.engine import upsert
from postroom.store.schema import templates
from postroom.templates.template import Template


def read(connection: Connection) -> dict[str, Template]:
    """The templates by name. One that this version does not understand is not there."""
    found: dict[str, Template] = {}
    for row in connection.execute(select(templates).order_by(templates.c.name)):
        try:
            found[row.name] = Template(name=row.name, **row.document)
        except (ValidationError, TypeError):
            continue
    return found


def put(connection: Connection, wanted: Iterable[Template], now: datetime) -> None:
    """Write templates; those of the same names are replaced."""
    rows = [{"name": each.name, "document": each.document, "updated_at": now} for each in wanted]
    if rows:
        upsert(connection, templates, rows, update=("document", "updated_at"))


def remove(connection: Connection, names: Iterable[str]) -> None:
    """Remove templates; those that are not there are gone already."""
    connection.execute(delete(templates).where(templates.c.name.in_(list(names))))
