"""A long import: any number of events in one transaction, a portion at a time in memory.

For a process of its own (a command), which may block. Other writers wait until it is done.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import sqlalchemy as sa

from asterisk_plugin.ledger import tables
from asterisk_plugin.ledger.appending import append_drafts
from asterisk_plugin.ledger.chain import head_key
from asterisk_plugin.ledger.database import begin_write, connect_database, translated
from asterisk_plugin.ledger.opening import prepare
from asterisk_plugin.ledger.rows import draft_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        events: What to write; read once, never held in memory as a whole.
        secret: The site's secret.
        progress: Called with the number of events handed over so far.

    Returns:
        How many of them were new.

    Raises:
        StartupError: As for `open_ledger`.
        LedgerUnavailableError: Nothing was written.
        LedgerBrokenError: The head does not verify; nothing was written.
        ValueError: An event that no ledger can hold; nothing was written.
    """
    database = connect_database(url, create=True, lock_wait_s=_LOCK_WAIT_S)
    key = head_key(secret)
    rest = iter(events)
    done = 0
    try:
        prepare(database, mac_key=key, create=True)
        with translated(database), database.engine.connect() as connection:
            begin_write(database, connection)
            append_drafts(connection, (), mac_key=key)  # locks the head, so that the count below is ours alone
            before = connection.execute(_SEQ).scalar_one()
            while portion := list(itertools.islice(rest, _PORTION)):
                append_drafts(connection, (draft_of(event) for event in portion), mac_key=key)
                done += len(portion)
                if progress is not None:
                    progress(done)
            after = connection.execute(_SEQ).scalar_one()
            connection.commit()
    finally:
        database.engine.dispose()
    return int(after - before)
