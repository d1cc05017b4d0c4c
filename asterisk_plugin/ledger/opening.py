"""Opening a ledger: making its tables once, and refusing what is not ours."""

from __future__ import annotations

import sqlite3
import time

import sqlalchemy as sa

from asterisk_plugin.errors import StartupError
from asterisk_plugin.ledger import tables
from asterisk_plugin.ledger.chain import EMPTY_HASH, head_mac, is_genuine_head
from asterisk_plugin.ledger.database import Database, begin_write, translated_at_start

# Two processes that create the tables at once: PostgreSQL has no lock for what is not there yet.
_CREATE_LOCK = 0x52696E67  # "Ring"


def prepare(database: Database, *, mac_key: bytes, create: bool) -> None:
    """Make the tables when they are missing and asked for, and check that this ledger is ours.

    Args:
        database: Where.
        mac_key: From `chain.head_key`.
        create: Make the tables in an empty database.

    Raises:
        StartupError: Not a database, somebody else's, newer than this program, not writable, or written
            with another secret.
        LedgerUnavailableError: Locked, disk full, or server away.
    """
    with translated_at_start(database):
        if database.path is not None:
            _write_ahead(database)
        with database.engine.connect() as connection:
            begin_write(database, connection)
            if database.path is None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATE_LOCK)))
            present = set(sa.inspect(connection).get_table_names())
            if tables.schema_version.name not in present:
                _create(database, connection, present=present, create=create, mac_key=mac_key)
            check_version(database, connection)
            # Added after the first version: an index changes nothing that an older program reads.
            for index in (tables.objections_index, tables.queues_index, tables.attempt_ends_index):
                index.create(connection, checkfirst=True)
            _check_secret(database, connection, mac_key)
            connection.commit()


def _write_ahead(database: Database) -> None:
    """Switch the file to a write-ahead log: readers do not hold up the writer. It stays so."""
    deadline = time.monotonic() + database.lock_wait_s
    while True:
        try:
            with database.engine.connect() as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
        except sa.exc.OperationalError as exc:
            # SQLite does not wait by itself while another process makes the same switch.
            busy = isinstance(exc.orig, sqlite3.OperationalError) and exc.orig.sqlite_errorname == "SQLITE_BUSY"
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise StartupError(f"ledger `{database.name}` cannot have a write-ahead log there, use a local disk")


def _create(database: Database, connection: sa.Connection, *, present: set[str], create: bool, mac_key: bytes) -> None:
    strangers = present if database.path is not None else present & set(tables.metadata.tables)
    if strangers:
        raise StartupError(f"`{database.name}` is a database but not a ledger: it has a table `{min(strangers)}`")
    if not create:
        raise StartupError(f"`{database.name}` is an empty database, not a ledger")
    tables.metadata.create_all(connection)
    connection.execute(sa.insert(tables.schema_version).values(version=tables.SCHEMA_VERSION))
    mac = head_mac(mac_key, seq=0, row_hash=EMPTY_HASH)
    connection.execute(sa.insert(tables.head).values(one=1, seq=0, hash=EMPTY_HASH, mac=mac))


def check_version(database: Database, connection: sa.Connection) -> None:
    """Refuse tables that a newer program made.

    Raises:
        StartupError: They are newer, or there is no version.
    """
    version = connection.execute(sa.select(sa.func.max(tables.schema_version.c.version))).scalar()
    if version != tables.SCHEMA_VERSION:
        ours = tables.SCHEMA_VERSION
        raise StartupError(f"ledger `{database.name}` has schema {version}, this ringfence knows {ours}: update it")


def _check_secret(database: Database, connection: sa.Connection, mac_key: bytes) -> None:
    row = connection.execute(sa.select(tables.head.c.seq, tables.head.c.hash, tables.head.c.mac)).one_or_none()
    if row is None or not is_genuine_head(mac_key, seq=row.seq, row_hash=row.hash, mac=row.mac):
        raise StartupError(
            f"ledger `{database.name}` was not sealed with this secret: either it was written with another"
            " one, or it was altered (`ringfence evidence verify` with the right secret tells)"
        )
