"""The chain: canonical form of a row, its hash, and the seal on the newest one.

Rule 1: pure. Whoever checks the evidence by other means needs this page and nothing else.

A row's hash covers the previous row's hash and every column, so no row can be edited, removed or
moved without breaking all that follow. Anyone could compute a whole new chain, though; therefore the newest
row's seq and hash stand beside it under a MAC that needs the site's secret.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

EMPTY_HASH = "0" * 64
"""Stands where the previous hash would, before the first row."""

# Changing the canonical form changes every hash: a new form needs a new label, chosen by seq.
_ROW_LABEL = b"ringfence ledger row 1"
_HEAD_LABEL = b"ringfence ledger head 1"

# For a longer piece Python lets other threads run, and the writer's would have to wait for its turn after each row.
_PIECE_BYTES = 2047


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table `events`, as stored.

    Args:
        seq: 1, 2, 3, ... without gaps.
        id: 32 hex characters.
        kind: `ports.EventKind` as text.
        at: ISO 8601 in UTC with microseconds, `2026-01-15T10:00:00.000000+00:00`.
        person: Tag of the number, or empty.
        body: Canonical JSON.
        sealed: Encrypted personal data, or None.
        hash: Hex SHA-256; empty while it is not yet computed.
    """

    seq: int
    id: str
    kind: str
    at: str
    person: str
    body: str
    sealed: bytes | None
    hash: str = ""


def canonical_row(row: Row, *, seq: int | None = None) -> bytes:
    """The bytes of a row that its hash covers, in a form that no other row can have.

    Every value is preceded by its length in 8 bytes, big endian; seq is 8 bytes; a sealed part is preceded by
    the byte 1, its absence is the byte 0.

    Args:
        row: The row; its own `hash` is not part of it.
        seq: Take this seq instead of the row's own (to ask where a row once stood).
    """
    parts = [_ROW_LABEL, (row.seq if seq is None else seq).to_bytes(8, "big", signed=True)]
    for text in (row.id, row.kind, row.at, row.person, row.body):
        # A tampered SQLite file may hold bytes that are no UTF-8; they must still be hashed, not crash.
        value = text.encode("utf-8", "surrogateescape")
        parts.append(len(value).to_bytes(8, "big"))
        parts.append(value)
    if row.sealed is None:
        parts.append(b"\x00")
    else:
        parts.append(b"\x01" + len(row.sealed).to_bytes(8, "big"))
        parts.append(row.sealed)
    return b"".join(parts)


def row_hash(previous: str, row: Row, *, seq: int | None = None) -> str:
    """Hash that chains a row to the one before it.

    Args:
        previous: Hex hash of the previous row, `EMPTY_HASH` for the first.
        row: The row.
        seq: As in `canonical_row`.

    Returns:
        64 lower-case hex characters.
    """
    digest = hashlib.sha256(previous.encode("utf-8", "surrogateescape"))
    canonical = memoryview(canonical_row(row, seq=seq))
    for start in range(0, len(canonical), _PIECE_BYTES):
        digest.update(canonical[start : start + _PIECE_BYTES])
    return digest.hexdigest()


def head_key(secret: bytes) -> bytes:
    """Key of the head's MAC, derived so that a person tag can never pass for one."""
    return hmac.digest(secret, _HEAD_LABEL, "sha256")


def head_mac(key: bytes, *, seq: int, row_hash: str) -> str:
    """MAC over the newest row's seq and hash.

    Args:
        key: From `head_key`.
        seq: 0 for an empty ledger.
        row_hash: `EMPTY_HASH` for an empty ledger.

    Returns:
        64 lower-case hex characters.
    """
    return hmac.digest(key, seq.to_bytes(8, "big", signed=True) + row_hash.encode(), "sha256").hex()


def is_genuine_head(key: bytes, *, seq: int, row_hash: str, mac: str) -> bool:
    """Tell whether a head was written with this key."""
    return hmac.compare_digest(head_mac(key, seq=seq, row_hash=row_hash).encode(), mac.encode())
