"""Verifying a ledger: the whole chain, row by row, while others may go on writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sa

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger import tables
from asterisk_plugin.ledger.chain import EMPTY_HASH, Row, head_key, is_genuine_head, row_hash
from asterisk_plugin.ledger.database import Database, connect_database, translated, translated_at_start
from asterisk_plugin.ledger.opening import check_version
from asterisk_plugin.ledger.reading import rows_after
from asterisk_plugin.ledger.seal import unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READ_ROWS = 2000
_LOCK_WAIT_S = 5.0

# One statement, so that head and rows are of one moment although a service is writing.
_SNAPSHOT = sa.select(
    *(
        sa.select(column).where(tables.head.c.one == 1).scalar_subquery().label(column.name)
        for column in (tables.head.c.seq, tables.head.c.hash, tables.head.c.mac)
    ),
    sa.select(sa.func.min(tables.events.c.seq)).scalar_subquery().label("first"),
    sa.select(sa.func.max(tables.events.c.seq)).scalar_subquery().label("last"),
)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """A ledger that verifies.

    Args:
        rows: How many rows were checked: all that were there when it began.
        head_hash: Hash of the newest of them; whoever notes it down can later tell that nothing
            before it was changed, even by somebody who knows the secret.
        sealed: Rows with personal data.
        erased: Those of them whose key is gone.
    """

    rows: int
    head_hash: str
    sealed: int
    erased: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    head_seq: int
    head_hash: str
    head_mac: str
    first: int
    last: int


def verify(
    url: str,
    secret: bytes,
    *,
    progress: Callable[[int, int], None] | None = None,
    noted: tuple[int, str] | None = None,
) -> ChainReport:
    """Check every row of a ledger; blocks, works while a service writes to it.

    Args:
        url: As for `open_ledger`.
        secret: The site's secret.
        progress: Called with (rows checked, rows in all) every few thousand rows and at the end.
        noted: Seq and hash from an earlier report. The one thing the ledger cannot show by itself is that
            the whole database was put back to an older copy of itself; this does.

    Raises:
        LedgerBrokenError: The first row that does not verify, and whether it was edited, removed,
            re-ordered, cut off, or the head forged.
        StartupError: There is no such ledger, or it is newer than this program.
        LedgerUnavailableError: The database does not answer.
    """
    database = connect_database(url, create=False, lock_wait_s=_LOCK_WAIT_S, any_bytes=True)
    try:
        with translated_at_start(database), database.engine.connect() as connection:
            check_version(database, connection)
        with translated(database):
            return _verify(database, head_key(secret), progress=progress, noted=noted)
    finally:
        database.engine.dispose()


def _verify(
    database: Database,
    mac_key: bytes,
    *,
    progress: Callable[[int, int], None] | None,
    noted: tuple[int, str] | None,
) -> ChainReport:
    snapshot = _take_snapshot(database)
    if snapshot.first < 1 and snapshot.last:
        raise LedgerBrokenError(snapshot.first, "inserted: rows begin at 1")
    seq, previous, sealed, erased = 0, EMPTY_HASH, 0, 0
    for row, key in _walk(database, after=0, last=snapshot.last):
        if row.seq != seq + 1:
            raise LedgerBrokenError(seq + 1, f"removed: the next row is {row.seq}")
        if not _is_well_formed(row):
            raise LedgerBrokenError(row.seq, "edited: a column is of another type")
        if row_hash(previous, row) != row.hash:
            _explain(database, row, previous=previous, snapshot=snapshot)
        seq, previous = row.seq, row.hash
        if row.sealed is not None:
            sealed += 1
            erased += unseal(key, row.sealed, event_id=row.id) is None
        if noted is not None and seq == noted[0] and previous != noted[1]:
            raise LedgerBrokenError(seq, "forged: its hash is not the one noted earlier")
        if progress is not None and (seq % _READ_ROWS == 0 or seq == snapshot.last):
            progress(seq, snapshot.last)
    _check_head(snapshot, mac_key, seq=seq, newest=previous)
    if noted is not None and noted[0] > seq:
        raise LedgerBrokenError(seq + 1, f"tail cut: row {noted[0]} was noted earlier and is gone")
    return ChainReport(rows=seq, head_hash=previous, sealed=sealed, erased=erased)


def _take_snapshot(database: Database) -> _Snapshot:
    with database.engine.connect() as connection:
        found = connection.execute(_SNAPSHOT).one()
    if found.seq is None:
        raise LedgerBrokenError(0, "head removed")
    return _Snapshot(found.seq, found.hash, found.mac, found.first or 0, found.last or 0)


def _walk(database: Database, *, after: int, last: int) -> Iterator[tuple[Row, bytes | None]]:
    """Rows behind `after` up to `last`. Each portion is its own transaction: a long one would keep the
    write-ahead log of a busy service from being emptied.
    """
    while after < last:
        with database.engine.connect() as connection:
            found = rows_after(connection, after, most=_READ_ROWS)
        for row, key in found:
            if row.seq > last:
                return
            yield row, key
        if not found:
            return
        after = found[-1][0].seq


def _check_head(snapshot: _Snapshot, mac_key: bytes, *, seq: int, newest: str) -> None:
    """Compare what was walked with the head."""
    if not is_genuine_head(mac_key, seq=snapshot.head_seq, row_hash=snapshot.head_hash, mac=snapshot.head_mac):
        raise LedgerBrokenError(snapshot.head_seq, "head forged, or the secret is not the one it was sealed with")
    if seq < snapshot.head_seq:
        raise LedgerBrokenError(seq + 1, f"tail cut: rows {seq + 1} to {snapshot.head_seq} are gone")
    if seq > snapshot.head_seq:
        raise LedgerBrokenError(snapshot.head_seq + 1, "inserted behind the head")
    if newest != snapshot.head_hash:
        raise LedgerBrokenError(seq, "rebuilt: the rows fit each other but not the head")


def _explain(database: Database, row: Row, *, previous: str, snapshot: _Snapshot) -> NoReturn:
    """Say what happened to the first row whose hash does not fit."""
    shift = snapshot.head_seq - snapshot.last
    for place, (other, _) in enumerate(_walk(database, after=row.seq, last=snapshot.last)):
        if not _is_well_formed(other):
            continue
        if not place and shift > 0 and row_hash(row.hash, other, seq=other.seq + shift) == other.hash:
            raise LedgerBrokenError(row.seq, f"removed: {shift} row(s), and those behind were renumbered")
        # The rightful owner's content, with or without its hash, now stands further back.
        if row_hash(previous, other, seq=row.seq) in (other.hash, row.hash):
            raise LedgerBrokenError(row.seq, f"re-ordered: what was row {row.seq} is now row {other.seq}")
    raise LedgerBrokenError(row.seq, "edited")


def _is_well_formed(row: Row) -> bool:
    """SQLite lets any column hold any type; we only ever wrote these."""
    texts = (row.id, row.kind, row.at, row.person, row.body, row.hash)
    return all(isinstance(text, str) for text in texts) and isinstance(row.sealed, bytes | None)
