"""A long import: any number of events in one transaction, a portion at a time in memory.

For a process of its own (a command), which may block.

Strategy: everything that takes time is done before the ledger is locked: reading and checking the
events, leaving out what is there already, sealing. Under the lock only the chain is computed and the rows are
written. Other writers wait meanwhile, 20 to 40 µs for each event: a service that runs answers DEFER when it
has to wait too long, so a file of millions is best imported while nobody dials.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import sqlalchemy as sa

from asterisk_plugin.ledger import tables
from asterisk_plugin.ledger.appending import append_prepared, look_up_keys, look_up_seqs
from asterisk_plugin.ledger.chain import head_key
from asterisk_plugin.ledger.database import begin_write, connect_database, translated
from asterisk_plugin.ledger.opening import prepare
from asterisk_plugin.ledger.rows import draft_of
from asterisk_plugin.ledger.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asterisk_plugin.ledger.database import Database
    from asterisk_plugin.ports import Event

_PORTION = 4000
_LOCK_WAIT_S = 30.0

_SEQ = sa.select(tables.head.c.seq)


def append_all(
    url: str, events: Iterable[Event], *, secret: bytes, progress: Callable[[int], None] | None = None
) -> int:
    """Write all of these events or none, and return when they are durable; blocks.

    An event whose id is in the ledger already is not written again. Whatever goes wrong on the way,
    in `events` too, leaves the ledger as it was.

    Args:
        url: As for `open_ledger`; file and tables are made when they are missing.
        events: What to write; read once, never held in memory as a whole, and before anything is locked.
        secret: The site's secret.
        progress: Called with the number of events written so far.

    Returns:
        How many of them were new.

    Raises:
        StartupError: As for `open_ledger`.
        LedgerUnavailableError: Nothing was written.
        LedgerBrokenError: The head does not verify; nothing was written.
        ValueError: An event that no ledger can hold; nothing was written.
    """
    database = connect_database(url, create=True, lock_wait_s=_LOCK_WAIT_S)
    mac_key = head_key(secret)
    spool = Spool()
    try:
        prepare(database, mac_key=mac_key, create=True)
        seen = _fill(spool, database, events)
        with translated(database), database.engine.connect() as connection:
            begin_write(database, connection)
            written = append_prepared(
                connection, spool.portions(_PORTION), seen=seen, mac_key=mac_key, progress=progress
            )
            connection.commit()
    finally:
        spool.close()
        database.engine.dispose()
    return written


def _fill(spool: Spool, database: Database, events: Iterable[Event]) -> int:
    """Prepare what is not in the ledger yet; returns the seq up to which that was looked at."""
    with translated(database), database.engine.connect() as connection:
        seen = int(connection.execute(_SEQ).scalar_one())
    rest = iter(events)
    while drafts := [draft_of(event) for event in itertools.islice(rest, _PORTION)]:
        persons = tuple({draft.person for draft in drafts if draft.sealed is not None})
        with translated(database), database.engine.connect() as connection:
            known = look_up_seqs(connection, tuple(draft.id for draft in drafts))
            keys = look_up_keys(connection, persons)
        spool.add(drafts, known=known, keys=keys)
    return seen
