"""The chain's pure part."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asterisk_plugin.ledger.chain import (
    EMPTY_HASH,
    Row,
    canonical_row,
    head_key,
    head_mac,
    is_genuine_head,
    row_hash,
)

ROW = Row(7, "ab" * 16, "attempt", "2026-01-15T10:00:00.000000+00:00", "cd" * 16, '{"a":1}', b"\x00\xff")

text = st.text(max_size=8)
rows = st.builds(
    Row,
    seq=st.integers(1, 2**40),
    id=text,
    kind=text,
    at=text,
    person=text,
    body=text,
    sealed=st.none() | st.binary(max_size=8),
)


def read_back(raw: bytes) -> Row:
    """Read the canonical form by its description alone."""
    label = b"ringfence ledger row 1"
    assert raw.startswith(label)
    place = len(label)

    def take(length: int) -> bytes:
        nonlocal place
        place += length
        assert place <= len(raw)
        return raw[place - length : place]

    seq = int.from_bytes(take(8), "big")
    texts = [take(int.from_bytes(take(8), "big")).decode() for _ in range(5)]
    sealed = take(int.from_bytes(take(8), "big")) if take(1) == b"\x01" else None
    assert place == len(raw)
    return Row(seq, *texts, sealed)


@given(rows)
def test_canonical_form_can_be_read_back_so_no_two_rows_share_it(row: Row) -> None:
    """The form is unambiguous: it gives back exactly the row it was made of."""
    assert read_back(canonical_row(row)) == row


@pytest.mark.parametrize("column", [field.name for field in dataclasses.fields(Row) if field.name != "hash"])
def test_every_column_changes_the_hash(column: str) -> None:
    """No column can be edited without the hash showing it."""
    changed = {int: 8, str: "x", bytes: b"x"}[type(getattr(ROW, column))]
    other = dataclasses.replace(ROW, **{column: changed})
    assert row_hash(EMPTY_HASH, other) != row_hash(EMPTY_HASH, ROW)


def test_a_missing_sealed_part_differs_from_an_empty_one() -> None:
    """None and b"" are two things."""
    assert canonical_row(dataclasses.replace(ROW, sealed=None)) != canonical_row(dataclasses.replace(ROW, sealed=b""))


def test_the_previous_hash_changes_the_hash() -> None:
    """A row fits behind one predecessor only."""
    assert row_hash(EMPTY_HASH, ROW) != row_hash("1" * 64, ROW)


def test_hash_and_mac_are_those_that_were_written_before() -> None:
    """Ledgers of older releases must go on verifying: computed here from the description, and pinned."""
    raw = b"ringfence ledger row 1" + (7).to_bytes(8, "big")
    for column in (ROW.id, ROW.kind, ROW.at, ROW.person, ROW.body):
        raw += len(column).to_bytes(8, "big") + column.encode()
    raw += b"\x01" + (2).to_bytes(8, "big") + b"\x00\xff"
    expected = hashlib.sha256(EMPTY_HASH.encode() + raw).hexdigest()
    assert row_hash(EMPTY_HASH, ROW) == expected
    assert expected == "5cbd95697b0fd26a1ad07abb72d7ecf5de8c55ed16dfa4f3be039cfa3cabd1f2"
    key = hmac.digest(b"k" * 32, b"ringfence ledger head 1", "sha256")
    assert head_key(b"k" * 32) == key
    assert head_mac(key, seq=7, row_hash=expected) == "f9183019c5eca3be1a886c62eddd0a1e80bb228cc5293062519f14847dcb3924"


@pytest.mark.parametrize(
    ("secret", "seq", "newest"),
    [(b"x" * 32, 7, "a" * 64), (b"k" * 32, 6, "a" * 64), (b"k" * 32, 7, "b" * 64)],
)
def test_a_head_with_another_secret_seq_or_hash_is_not_genuine(secret: bytes, seq: int, newest: str) -> None:
    """The MAC binds all three."""
    mac = head_mac(head_key(b"k" * 32), seq=7, row_hash="a" * 64)
    assert is_genuine_head(head_key(b"k" * 32), seq=7, row_hash="a" * 64, mac=mac)
    assert not is_genuine_head(head_key(secret), seq=seq, row_hash=newest, mac=mac)
