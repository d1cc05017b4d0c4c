"""Appending rows inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger import tables
from asterisk_plugin.ledger.chain import Row, head_mac, is_genuine_head, row_hash
from asterisk_plugin.ledger.seal import new_person_key, seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from asterisk_plugin.ledger.rows import Draft

# Below SQLite's 32,766 and PostgreSQL's 65,535 bound values of one statement.
_IN_ONE_QUESTION = 1000

_HEAD = sa.select(tables.head.c.seq, tables.head.c.hash, tables.head.c.mac).with_for_update()
_SET_HEAD = sa.update(tables.head).where(tables.head.c.one == 1)
_ADD_ROWS = sa.insert(tables.events)
_ADD_KEYS = sa.insert(tables.person_keys)
_SEQS = sa.select(tables.events.c.id, tables.events.c.seq).where(
    tables.events.c.id.in_(sa.bindparam("ids", expanding=True))
)
_KEYS = sa.select(tables.person_keys.c.person, tables.person_keys.c.key).where(
    tables.person_keys.c.person.in_(sa.bindparam("persons", expanding=True))
)


def append_drafts(connection: sa.Connection, drafts: Iterable[Draft], *, mac_key: bytes) -> dict[str, int]:
    """Write drafts behind the newest row; the caller has begun the transaction and commits it.

    An id that is in the ledger already is not written again. The head is written even when there is
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
    # INVARIANT: the head row is locked before anything else is read.
    head = connection.execute(_HEAD).one_or_none()
    if head is None:
        raise LedgerBrokenError(0, "head removed")
    if not is_genuine_head(mac_key, seq=head.seq, row_hash=head.hash, mac=head.mac):
        raise LedgerBrokenError(head.seq, "head forged, or another secret")
    unique: dict[str, Draft] = {}
    for draft in drafts:
        unique.setdefault(draft.id, draft)
    seqs = look_up_seqs(connection, tuple(unique))
    fresh = [draft for draft in unique.values() if draft.id not in seqs]
    seq, newest, rows = _chain(fresh, _person_keys(connection, fresh), seq=head.seq, previous=head.hash)
    if rows:
        connection.execute(_ADD_ROWS, rows)
        seqs.update((draft.id, head.seq + place) for place, draft in enumerate(fresh, start=1))
    mac = head_mac(mac_key, seq=seq, row_hash=newest)
    connection.execute(_SET_HEAD, {"seq": seq, "hash": newest, "mac": mac})
    return seqs


def look_up_seqs(connection: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Which of these event ids are in the ledger, and where."""
    found: dict[str, int] = {}
    for some in _portions(ids):
        found.update((row.id, row.seq) for row in connection.execute(_SEQS, {"ids": some}))
    return found


def _chain(
    drafts: Sequence[Draft], keys: Mapping[str, bytes], *, seq: int, previous: str
) -> tuple[int, str, list[dict[str, object]]]:
    """Seal and chain drafts; returns the new head's seq and hash, and the rows as the table wants them."""
    rows: list[dict[str, object]] = []
    for draft in drafts:
        seq += 1
        sealed = None if draft.sealed is None else seal(keys[draft.person], draft.sealed, event_id=draft.id)
        row = Row(seq, draft.id, draft.kind, draft.at, draft.person, draft.body, sealed)
        previous = row_hash(previous, row)
        rows.append(
            {
                "seq": seq,
                "id": row.id,
                "kind": row.kind,
                "at": row.at,
                "person": row.person,
                "body": row.body,
                "sealed": sealed,
                "hash": previous,
            }
        )
    return seq, previous, rows


def _person_keys(connection: sa.Connection, drafts: Iterable[Draft]) -> dict[str, bytes]:
    """Keys of everyone whose data is to be sealed, made for those who have none.

    Read anew in every transaction: a key that another process destroyed must never seal again.
    """
    persons = tuple(dict.fromkeys(draft.person for draft in drafts if draft.sealed is not None))
    keys: dict[str, bytes] = {}
    for some in _portions(persons):
        keys.update((row.person, row.key) for row in connection.execute(_KEYS, {"persons": some}))
    made = {person: new_person_key() for person in persons if person not in keys}
    if made:
        connection.execute(_ADD_KEYS, [{"person": person, "key": key} for person, key in made.items()])
    return keys | made


def _portions(values: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), _IN_ONE_QUESTION):
        yield list(values[start : start + _IN_ONE_QUESTION])
