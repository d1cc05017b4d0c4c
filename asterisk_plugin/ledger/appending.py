"""Appending rows inside a transaction."""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger import statements
from asterisk_plugin.ledger.chain import Row, head_mac, is_genuine_head, row_hash
from asterisk_plugin.ledger.seal import NONCE_BYTES, new_person_key, seal
from asterisk_plugin.ledger.statements import add, as_list, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from asterisk_plugin.ledger.rows import Draft
    from asterisk_plugin.ledger.spool import Prepared

Values = tuple[object, ...]
"""One row as `statements.ADD_ROWS` wants it."""


def append_drafts(connection: sa.Connection, drafts: Iterable[Draft], *, mac_key: bytes) -> dict[str, int]:
    """Write drafts behind the newest row; the caller has begun the transaction and commits it.

    An id that is in the ledger already is not written again. Something is written even when there is
    nothing to append, so that an empty call shows whether the disk takes a write.

    Args:
        connection: Inside a transaction from `database.begin_write`.
        drafts: What to write, in order; of several with one id the first counts.
        mac_key: From `chain.head_key`.

    Returns:
        The seq of every draft's id.

    Raises:
        LedgerBrokenError: The head is missing or was written with another secret; nothing may be built on it.
        sa.exc.SQLAlchemyError: The database refused.
    """
    head_seq, head_hash = _lock_head(connection, mac_key)
    unique: dict[str, Draft] = {}
    for draft in drafts:
        unique.setdefault(draft.id, draft)
    seqs = look_up_seqs(connection, tuple(unique))
    fresh = [draft for draft in unique.values() if draft.id not in seqs]
    seq, newest, rows = _chain(fresh, _person_keys(connection, fresh), seq=head_seq, previous=head_hash)
    if rows:
        add(connection, statements.ADD_ROWS, rows)
        seqs.update((draft.id, head_seq + place) for place, draft in enumerate(fresh, start=1))
    else:
        # An update that changes nothing would not do: SQLite notices, and writes nothing.
        run(connection, statements.ADD_KEYS, "", b"")
        run(connection, statements.DROP_NOBODYS_KEY)
    run(connection, statements.SET_HEAD, seq, newest, head_mac(mac_key, seq=seq, row_hash=newest))
    return seqs


def append_prepared(
    connection: sa.Connection,
    portions: Iterable[Sequence[Prepared]],
    *,
    seen: int,
    mac_key: bytes,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Like `append_drafts`, for any number of drafts that were sealed before the transaction began.

    Args:
        connection: Inside a transaction from `database.begin_write`.
        portions: What to write, in order, each id once.
        seen: None of these ids is in a row up to this seq.
        mac_key: From `chain.head_key`.
        progress: Called with the number of drafts written so far.

    Returns:
        How many were written: all but those that somebody else wrote meanwhile.

    Raises:
        LedgerBrokenError: As for `append_drafts`.
        sa.exc.SQLAlchemyError: The database refused.
    """
    first, newest = _lock_head(connection, mac_key)
    seq = first
    meanwhile = {event_id for (event_id,) in run(connection, statements.SINCE, seen)}
    for portion in portions:
        fresh = [prepared for prepared in portion if prepared.draft.id not in meanwhile]
        keys = _keys_in_force(connection, fresh)
        rows: list[Values] = []
        for prepared in fresh:
            seq += 1
            sealed, draft = prepared.sealed, prepared.draft
            if draft.sealed is not None and keys[draft.person] != prepared.key:
                sealed = seal(keys[draft.person], draft.sealed, event_id=draft.id)
            values, newest = _row(draft, sealed, seq=seq, previous=newest)
            rows.append(values)
        if rows:
            add(connection, statements.ADD_ROWS, rows)
        if progress is not None:
            progress(seq - first)
    run(connection, statements.SET_HEAD, seq, newest, head_mac(mac_key, seq=seq, row_hash=newest))
    return seq - first


def look_up_seqs(connection: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Which of these event ids are in the ledger, and where."""
    return dict(run(connection, statements.SEQS, as_list(connection, ids))) if ids else {}


def look_up_keys(connection: sa.Connection, persons: Sequence[str]) -> dict[str, bytes]:
    """The keys of those of these persons who have one."""
    return dict(run(connection, statements.KEYS, as_list(connection, persons))) if persons else {}


def _chain(
    drafts: Sequence[Draft], keys: Mapping[str, bytes], *, seq: int, previous: str
) -> tuple[int, str, list[Values]]:
    """Seal and chain drafts; returns the new head's seq and hash, and the rows as the table wants them."""
    rows: list[Values] = []
    nonces = io.BytesIO(secrets.token_bytes(NONCE_BYTES * len(drafts)))  # one question to the kernel
    for draft in drafts:
        seq += 1
        sealed = None
        if draft.sealed is not None:
            nonce = nonces.read(NONCE_BYTES)
            sealed = seal(keys[draft.person], draft.sealed, event_id=draft.id, nonce=nonce)
        values, previous = _row(draft, sealed, seq=seq, previous=previous)
        rows.append(values)
    return seq, previous, rows


def _row(draft: Draft, sealed: bytes | None, *, seq: int, previous: str) -> tuple[Values, str]:
    """A chained row as the table wants it, and its hash."""
    row = Row(seq, draft.id, draft.kind, draft.at, draft.person, draft.body, sealed)
    newest = row_hash(previous, row)
    return (seq, row.id, row.kind, row.at, row.person, row.body, sealed, newest), newest


def _lock_head(connection: sa.Connection, mac_key: bytes) -> tuple[int, str]:
    """Seq and hash of the newest row. INVARIANT: the head row is locked before anything else is read."""
    found = run(connection, statements.HEAD)
    if not found:
        raise LedgerBrokenError(0, "head removed")
    seq, newest, mac = found[0]
    if not is_genuine_head(mac_key, seq=seq, row_hash=newest, mac=mac):
        raise LedgerBrokenError(seq, "head forged, or another secret")
    return seq, newest


def _person_keys(connection: sa.Connection, drafts: Iterable[Draft]) -> dict[str, bytes]:
    """Keys of everyone whose data is to be sealed, made for those who have none.

    Read anew in every transaction: a key that another process destroyed must never seal again.
    """
    persons = tuple(dict.fromkeys(draft.person for draft in drafts if draft.sealed is not None))
    keys = look_up_keys(connection, persons)
    made = {person: new_person_key() for person in persons if person not in keys}
    if made:
        add(connection, statements.ADD_KEYS, tuple(made.items()))
    return keys | made


def _keys_in_force(connection: sa.Connection, fresh: Sequence[Prepared]) -> dict[str, bytes]:
    """The keys of these drafts' persons as they are now: one may have been made, or destroyed, meanwhile."""
    offered = {one.draft.person: one for one in fresh if one.draft.sealed is not None}
    keys = look_up_keys(connection, tuple(offered))
    made = {}
    for person, prepared in offered.items():
        if person not in keys:
            # A key that was read and is gone was destroyed; it must never seal again.
            ours = prepared.key if prepared.key_is_new else None
            made[person] = ours or new_person_key()
    if made:
        add(connection, statements.ADD_KEYS, tuple(made.items()))
    return keys | made
