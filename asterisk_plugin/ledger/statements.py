"""The statements that every append and every look for news runs, handed to the driver as they stand.

SQLAlchemy makes each statement anew for each run, which costs more than SQLite needs to carry it out; where one
commit holds a handful of verdicts, that was most of what they cost. Everything else is asked through SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement in the words of each database.

    Args:
        sqlite: With `?` for each value.
        postgresql: With `%s`.
    """

    sqlite: str
    postgresql: str


_AT_ONCE = (64, 16, 4, 1)
"""Rows that one statement adds: few sizes, so that SQLite need not read a new text each time."""


def _same(text: str) -> Statement:
    return Statement(text, text.replace("?", "%s"))


def _of_list(text: str) -> Statement:
    """With `LIST` for a list of texts that is one value (`as_list`)."""
    return Statement(
        text.replace("LIST", "(SELECT value FROM json_each(?))"), text.replace("LIST", "(SELECT unnest(%s::text[]))")
    )


_HEAD_TEXT = "SELECT seq, hash, mac FROM head"
HEAD = Statement(_HEAD_TEXT, f"{_HEAD_TEXT} FOR UPDATE")
SET_HEAD = _same("UPDATE head SET seq = ?, hash = ?, mac = ? WHERE one = 1")
ADD_ROWS = _same("INSERT INTO events (seq, id, kind, at, person, body, sealed, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
ADD_KEYS = _same("INSERT INTO person_keys (person, key) VALUES (?, ?)")
DROP_NOBODYS_KEY = _same("DELETE FROM person_keys WHERE person = ''")
SEQS = _of_list("SELECT id, seq FROM events WHERE id IN LIST")
SINCE = _same("SELECT id FROM events WHERE seq > ?")
CLEAR_AFTER = _same("SELECT seq, id, kind, at, person, body, NULL, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?")
KEYS = _of_list("SELECT person, key FROM person_keys WHERE person IN LIST")


def as_list(connection: sa.Connection, texts: Sequence[str]) -> Any:
    """A list of texts as one value of a statement."""
    return json.dumps(texts) if _is_sqlite(connection) else list(texts)


def run(connection: sa.Connection, statement: Statement, *values: Any) -> list[tuple[Any, ...]]:
    """Have a statement carried out.

    Returns:
        The rows that answer it, none when it asks nothing.

    Raises:
        sa.exc.DBAPIError: The database refused.
    """
    with _cursor(connection) as cursor:
        cursor.execute(statement.sqlite if _is_sqlite(connection) else statement.postgresql, values)
        return [] if cursor.description is None else list(cursor.fetchall())


def add(connection: sa.Connection, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add rows, with a statement for one that ends in its `VALUES`; raises as `run`.

    SQLite gets many in one statement: the writer's thread lets the others run once for each statement, and then has
    to wait for its turn again.
    """
    with _cursor(connection) as cursor:
        if not _is_sqlite(connection):
            cursor.executemany(statement.postgresql, rows)
            return
        _, _, one = statement.sqlite.partition("VALUES ")
        done = 0
        for size in _AT_ONCE:
            text = statement.sqlite + f", {one}" * (size - 1)
            while len(rows) - done >= size:
                cursor.execute(text, tuple(itertools.chain.from_iterable(rows[done : done + size])))
                done += size


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


@contextlib.contextmanager
def _cursor(connection: sa.Connection) -> Iterator[Any]:
    """The driver's cursor; its errors in SQLAlchemy's words."""
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except connection.dialect.loaded_dbapi.Error as exc:
        raise sa.exc.DBAPIError(None, None, exc) from exc
    finally:
        cursor.close()
