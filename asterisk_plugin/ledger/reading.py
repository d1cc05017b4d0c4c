"""Questions to the ledger. Each is one statement, so each sees one moment; all block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger import statements, tables
from asterisk_plugin.ledger.appending import look_up_seqs
from asterisk_plugin.ledger.chain import Row
from asterisk_plugin.ledger.database import Database, translated
from asterisk_plugin.ledger.rows import moment_text, stored_event

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from asterisk_plugin.ports import StoredEvent

_AFTER_ALL = 2**62
_END_OF_TIME = "9999"
_IDS_AT_ONCE = 500  # SQLite takes 999 values in one statement

_EVENTS_AND_KEYS = sa.select(tables.events, tables.person_keys.c.key).select_from(
    tables.events.outerjoin(tables.person_keys, tables.person_keys.c.person == tables.events.c.person)
)
_AFTER = (
    _EVENTS_AND_KEYS.where(tables.events.c.seq > sa.bindparam("after"))
    .order_by(tables.events.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
# Without the sealed parts, which are most of a row, and without the keys that open them.
_CLEAR_EVENTS = sa.select(*(sa.null().label(c.name) if c.name == "sealed" else c for c in tables.events.c))
_OF_PERSON = _EVENTS_AND_KEYS.where(
    tables.events.c.person == sa.bindparam("person"), tables.events.c.person != ""
).order_by(tables.events.c.seq)
_OF_ID = _EVENTS_AND_KEYS.where(tables.events.c.id == sa.bindparam("id"))
_OF_IDS = _CLEAR_EVENTS.where(tables.events.c.id.in_(sa.bindparam("ids", expanding=True)))
_OF_REFERENCE = _EVENTS_AND_KEYS.where(tables.events.c.body.contains(sa.bindparam("part"), autoescape=False)).order_by(
    tables.events.c.seq
)
_OBJECTIONS = (
    _EVENTS_AND_KEYS.where(
        tables.IS_ABOUT_OBJECTIONS,
        tables.events.c.kind == "objection",
        tables.events.c.seq < sa.bindparam("before"),
        tables.events.c.body.contains(sa.bindparam("part"), autoescape=False),
    )
    .order_by(tables.events.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_OBJECTION_CHANGES = _EVENTS_AND_KEYS.where(tables.IS_ABOUT_OBJECTIONS, tables.events.c.kind != "objection").order_by(
    tables.events.c.seq
)


def _newest_first(which: sa.TextClause) -> sa.Select[Any]:
    return (
        _CLEAR_EVENTS.where(
            which,
            sa.tuple_(tables.events.c.at, tables.events.c.seq)
            < sa.tuple_(sa.bindparam("at", type_=sa.Text), sa.bindparam("seq", type_=sa.BigInteger)),
        )
        .order_by(tables.events.c.at.desc(), tables.events.c.seq.desc())
        .limit(sa.bindparam("most", type_=sa.Integer))
    )


QUEUE_EVENTS = _newest_first(tables.IS_ABOUT_QUEUES)
ATTEMPT_ENDS = _newest_first(tables.IS_ATTEMPT_END)
"""What `events_before` reads: what happened in queues; how attempts ended."""

_HEAD = sa.select(tables.head.c.seq, tables.head.c.hash)
_COUNTS = sa.select(tables.events.c.kind, sa.func.count()).group_by(tables.events.c.kind)


def rows_after(connection: sa.Connection, after: int, *, most: int) -> list[tuple[Row, bytes | None]]:
    """Rows behind seq `after` in order, with their person's key or None."""
    found = connection.execute(_AFTER, {"after": after, "most": most})
    return [_row_and_key(row) for row in found]


def events_after(database: Database, after: int, *, most: int, unseal: bool) -> list[StoredEvent]:
    """Events behind seq `after` in order, with their sealed parts if `unseal`.

    Raises:
        LedgerUnavailableError: The database does not answer.
        LedgerBrokenError: A row holds what no version of this program wrote.
    """
    with translated(database), database.engine.connect() as connection:
        if unseal:
            return [stored_event(row, key) for row, key in rows_after(connection, after, most=most)]
        # Without the sealed parts, which are most of a row, and without the keys that open them.
        found = statements.run(connection, statements.CLEAR_AFTER, after, most)
    return [stored_event(Row(*row), None) for row in found]


def events_of(database: Database, person: str) -> tuple[StoredEvent, ...]:
    """Every event about a person, oldest first; raises like `events_after`."""
    with translated(database), database.engine.connect() as connection:
        found = [_row_and_key(row) for row in connection.execute(_OF_PERSON, {"person": person})]
    return tuple(stored_event(row, key) for row, key in found)


def events_named(database: Database, name: str) -> tuple[StoredEvent, ...]:
    """Events with this id or reference, oldest first; raises like `events_after`.

    A reference is looked for in the whole table.
    """
    with translated(database), database.engine.connect() as connection:
        rows = connection.execute(_OF_ID, {"id": name}).all()
        if not rows and name.isalnum():
            # Bodies are canonical JSON: there is one way to write it.
            rows = connection.execute(_OF_REFERENCE, {"part": f'"reference":"{name}"'}).all()
    return tuple(stored_event(row, key) for row, key in map(_row_and_key, rows))


def events_with(database: Database, ids: Collection[str]) -> tuple[StoredEvent, ...]:
    """Those of these ids that are on disk, in any order, without personal data; raises like `events_after`."""
    wanted = tuple(ids)
    found: list[Row] = []
    with translated(database), database.engine.connect() as connection:
        for first in range(0, len(wanted), _IDS_AT_ONCE):
            rows = connection.execute(_OF_IDS, {"ids": wanted[first : first + _IDS_AT_ONCE]})
            found += [Row(*row) for row in rows]
    return tuple(stored_event(row, None) for row in found)


def objections(database: Database, *, before: int, most: int, reference: str = "") -> tuple[StoredEvent, ...]:
    """Objections, newest first, with their personal data; raises like `events_after`.

    Args:
        database: Where.
        before: Seq of the last row that is not wanted; 0 to begin with the newest.
        most: So many at most.
        reference: Only those with this reference; empty for all.
    """
    if reference and not reference.isalnum():
        return ()
    part = f'"reference":"{reference}"' if reference else ""
    asked = {"before": before or _AFTER_ALL, "most": most, "part": part}
    with translated(database), database.engine.connect() as connection:
        found = [_row_and_key(row) for row in connection.execute(_OBJECTIONS, asked)]
    return tuple(stored_event(row, key) for row, key in found)


def objection_changes(database: Database) -> tuple[StoredEvent, ...]:
    """Every withdrawal and confirmation of an objection, oldest first; raises like `events_after`."""
    with translated(database), database.engine.connect() as connection:
        found = [_row_and_key(row) for row in connection.execute(_OBJECTION_CHANGES)]
    return tuple(stored_event(row, key) for row, key in found)


def events_before(
    database: Database, which: sa.Select[Any], before: tuple[dt.datetime, int] | None, *, most: int
) -> list[StoredEvent]:
    """Events of some kinds, newest first by their moment, without personal data; raises like `events_after`.

    Args:
        database: Where.
        which: `QUEUE_EVENTS` or `ATTEMPT_ENDS`.
        before: Moment (aware) and seq of the last row that is not wanted; None to begin with the newest.
        most: So many at most.
    """
    at, seq = (_END_OF_TIME, 0) if before is None else (moment_text(before[0]), before[1])
    with translated(database), database.engine.connect() as connection:
        found = connection.execute(which, {"at": at, "seq": seq, "most": most}).all()
    return [stored_event(Row(*row), None) for row in found]


def first_hash(database: Database) -> str:
    """Hash of the first row, empty when there is none.

    Raises:
        LedgerUnavailableError: The database does not answer.
    """
    with translated(database), database.engine.connect() as connection:
        found = rows_after(connection, 0, most=1)
    return found[0][0].hash if found else ""


def newest(database: Database) -> tuple[int, str]:
    """Seq and hash of the newest row; raises like `events_after`."""
    with translated(database), database.engine.connect() as connection:
        row = connection.execute(_HEAD).one_or_none()
    if row is None:
        raise LedgerBrokenError(0, "head removed")
    return row.seq, row.hash


def counts(database: Database) -> dict[str, int]:
    """How many events there are of each kind; kinds without any are left out. Reads the whole table."""
    with translated(database), database.engine.connect() as connection:
        return {kind: number for kind, number in connection.execute(_COUNTS)}


def present(database: Database, ids: Collection[str]) -> Collection[str]:
    """Which of these event ids are on disk."""
    with translated(database), database.engine.connect() as connection:
        return look_up_seqs(connection, tuple(ids)).keys()


def _row_and_key(found: sa.Row[Any]) -> tuple[Row, bytes | None]:
    columns: tuple[Any, ...] = tuple(found)
    return Row(*columns[:-1]), columns[-1]
