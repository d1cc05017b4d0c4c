"""The tables, for SQLite and PostgreSQL alike."""

from __future__ import annotations

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

IS_ABOUT_OBJECTIONS = sa.text("events.kind IN ('objection', 'objection-confirmed', 'objection-withdrawn')")
"""Asked with in exactly these words, so that SQLite knows that the index below has the answer."""

objections_index = sa.Index(
    "events_objections",
    events.c.seq,
    sqlite_where=sa.text(IS_ABOUT_OBJECTIONS.text.removeprefix("events.")),
    postgresql_where=sa.text(IS_ABOUT_OBJECTIONS.text.removeprefix("events.")),
)
"""Few rows among millions of attempts: whoever lists them must not read the whole table."""

IS_ABOUT_QUEUES = sa.text("events.kind IN ('queue-called-back', 'queue-joined', 'queue-left', 'queue-told')")
"""In exactly these words, as above."""

queues_index = sa.Index(
    "events_queues",
    events.c.at,
    events.c.seq,
    sqlite_where=sa.text(IS_ABOUT_QUEUES.text.removeprefix("events.")),
    postgresql_where=sa.text(IS_ABOUT_QUEUES.text.removeprefix("events.")),
)
"""By moment: a report is about a period, and moments are texts of one length in one zone, so they sort."""

IS_ATTEMPT_END = sa.text("events.kind IN ('attempt-ended')")
"""In exactly these words, as above."""

attempt_ends_index = sa.Index(
    "events_attempt_ends",
    events.c.at,
    events.c.seq,
    sqlite_where=sa.text(IS_ATTEMPT_END.text.removeprefix("events.")),
    postgresql_where=sa.text(IS_ATTEMPT_END.text.removeprefix("events.")),
)
"""By moment, as above."""

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
