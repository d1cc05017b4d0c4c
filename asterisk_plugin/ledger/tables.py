"""The tables, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 1
"""Raised with every change that an older program could not read."""

metadata = sa.MetaData()

schema_version = sa.Table(
    "ledger_schema",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)

events = sa.Table(
    "events",
    metadata,
    # SQLite makes only an INTEGER PRIMARY KEY the row's own address.
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("hash", sa.Text, nullable=False),
)

sa.Index(
    "events_person",
    events.c.person,
    events.c.seq,
    sqlite_where=events.c.person != "",
    postgresql_where=events.c.person != "",
)


def _index_of(name: str, which: sa.TextClause, *columns: sa.Column[Any]) -> sa.Index:
    """An index of few rows among millions of attempts: whoever lists them must not read the whole table.

    Args:
        name: Its name.
        which: The rows. Ask in exactly these words, so that SQLite knows that the index has the answer.
        columns: By what they are found.
    """
    where = sa.text(which.text.removeprefix("events."))
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


IS_ABOUT_OBJECTIONS = sa.text("events.kind IN ('objection', 'objection-confirmed', 'objection-withdrawn')")
objections_index = _index_of("events_objections", IS_ABOUT_OBJECTIONS, events.c.seq)

# A report is about a period; moments are texts of one length in one zone, so they sort.
IS_ABOUT_QUEUES = sa.text("events.kind IN ('queue-called-back', 'queue-joined', 'queue-left', 'queue-told')")
queues_index = _index_of("events_queues", IS_ABOUT_QUEUES, events.c.at, events.c.seq)

IS_ATTEMPT_END = sa.text("events.kind IN ('attempt-ended')")
attempt_ends_index = _index_of("events_attempt_ends", IS_ATTEMPT_END, events.c.at, events.c.seq)

head = sa.Table(
    "head",
    metadata,
    # One row for ever: whoever appends locks it.
    sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("mac", sa.Text, nullable=False),
)

person_keys = sa.Table(
    "person_keys",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)
