"""One statement for many rows on SQLite, without what SQLAlchemy does anew for each row.

Each statement is compiled once; a row costs the conversion of its values and no more. PostgreSQL goes the
ordinary way, since its driver sends many rows at once by itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.dml import Insert, ReturningInsert, Update

MAX_PARAMETERS = 30_000
"""Of one statement; SQLite since 3.32 allows 32,766."""
_DIALECT = SQLiteDialect_pysqlite()
_VALUES = re.compile(r"VALUES (\([?, ]+\))")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Compiled:
    """A statement as text, and for each of its marks where its value comes from."""

    sql: str
    marks: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    fixed: Row

    def values(self, row: Row) -> list[Any]:
        row = {**self.fixed, **row} if self.fixed else row
        return [row[name] if convert is None else convert(row[name]) for name, convert in self.marks]


def execute_many(connection: Connection, statement: Insert | Update, rows: Sequence[Row]) -> None:
    """Carry out a statement for each row.

    Args:
        connection: A transaction.
        statement: One that stays: it is compiled once. Without lists (`in_`), and nothing comes back.
        rows: For all its parameters, with the same names in each.
    """
    if not rows:
        return
    if connection.dialect.name != _DIALECT.name:
        connection.execute(statement, list(rows))
        return
    compiled = _compiled(statement, tuple(rows[0]))
    connection.exec_driver_sql(compiled.sql, [tuple(compiled.values(row)) for row in rows])


def insert_returning(
    connection: Connection, statement: ReturningInsert[Any], rows: Sequence[Row]
) -> set[Any]:
    """Insert the rows; the first column that comes back, of those that were inserted. Args as above."""
    if connection.dialect.name != _DIALECT.name:
        return set(connection.execute(statement, list(rows)).scalars())
    compiled = _compiled(statement, tuple(rows[0]))
    found: set[Any] = set()
    for part in _parts(rows, max(1, MAX_PARAMETERS // len(compiled.marks))):
        values = [value for row in part for value in compiled.values(row)]
        found.update(connection.exec_driver_sql(_repeated(compiled.sql, len(part)), tuple(values)).scalars())
    return found


def _parts(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _repeated(sql: str, count: int) -> str:
    """The insertion of one row as one of several."""
    return _VALUES.sub(lambda found: "VALUES " + ", ".join([found[1]] * count), sql, count=1)


@lru_cache(maxsize=256)
def _compiled(statement: Insert | Update | ReturningInsert[Any], names: tuple[str, ...]) -> _Compiled:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(names))
    marks = tuple((name, _conversion(compiled.binds[name].type)) for name in compiled.positiontup or ())
    given = set(names)
    return _Compiled(
        str(compiled),
        marks,
        {name: compiled.params[name] for name, _ in marks if name not in given},
    )


def _conversion(kind: Any) -> Callable[[Any], Any] | None:
    found: Callable[[Any], Any] | None = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return found
