"""Templates in the store: what `postroom templates apply` writes and the sender reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, delete, select

from postroom.envelope import explain
from postroom.store.engine import upsert
from postroom.store.schema import templates
from postroom.templates.template import Template


@dataclass(frozen=True)
class Stored:
    """What is there, by name. `unreadable`: why this version cannot read the template."""

    templates: Mapping[str, Template]
    unreadable: Mapping[str, str]


def read(connection: Connection) -> dict[str, Template]:
    """The templates that this version can read, by name."""
    return dict(read_all(connection).templates)


def read_all(connection: Connection) -> Stored:
    """The templates, and why some cannot be read: another version wrote them."""
    found: dict[str, Template] = {}
    unreadable: dict[str, str] = {}
    for row in connection.execute(select(templates).order_by(templates.c.name)):
        try:
            found[row.name] = Template(name=row.name, **row.document)
        except ValidationError as error:
            unreadable[row.name] = _told(row.name, explain(error))
        except TypeError as error:
            unreadable[row.name] = _told(row.name, str(error))
    return Stored(found, unreadable)


def _told(name: str, why: str) -> str:
    return f"the template {name} is not one that this version can read ({why}): apply it again"


def put(connection: Connection, wanted: Iterable[Template], now: datetime) -> None:
    """Write templates; those of the same names are replaced."""
    rows = [{"name": each.name, "document": each.document, "updated_at": now} for each in wanted]
    if rows:
        upsert(connection, templates, rows, update=("document", "updated_at"))


def remove(connection: Connection, names: Iterable[str]) -> None:
    """Remove templates; those that are not there are gone already."""
    connection.execute(delete(templates).where(templates.c.name.in_(list(names))))
