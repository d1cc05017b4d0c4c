"""A long import beside others that write: what they do between its preparation and its lock counts."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator

import pytest

from asterisk_plugin.ledger import open_ledger, verify
from asterisk_plugin.ledger.bulk import append_all
from asterisk_plugin.ports import Event, EventKind

SECRET = b"0123456789abcdef0123456789abcdef"
PERSON = "ab" * 16
AT = dt.datetime(2026, 1, 15, 10, tzinfo=dt.UTC)


def record(number: int, *, person: str = PERSON) -> Event:
    return Event(f"{number:032x}", EventKind.OBJECTION, AT, person, {"scope": "*"}, {"wording": f"no {number}"})


async def wordings(url: str) -> list[str | None]:
    ledger = open_ledger(url, secret=SECRET, create=False)
    await ledger.start()
    found = [stored.event.sealed async for stored in ledger.read()]
    await ledger.close()
    assert verify(url, SECRET).rows == len(found)
    return [None if sealed is None else sealed["wording"] for sealed in found]


def portion() -> Iterator[Event]:
    """So many others that what came before them is prepared for good."""
    yield from (record(number, person="cd" * 16) for number in range(100_000, 104_000))


@pytest.mark.parametrize("rows", [1, 9001])
async def test_all_events_are_written_in_order_and_once(sqlite_url: str, rows: int):
    """Across portions, and of two with one id the first."""
    told: list[int] = []
    events = [*map(record, range(rows)), record(0)]
    assert append_all(sqlite_url, events, secret=SECRET, progress=told.append) == rows
    assert await wordings(sqlite_url) == [f"no {number}" for number in range(rows)]
    assert told[-1] == rows
    assert append_all(sqlite_url, events, secret=SECRET) == 0


async def test_an_event_that_another_process_wrote_meanwhile_is_not_written_again(sqlite_url: str):
    """Two imports of one file at the same time."""

    def events() -> Iterator[Event]:
        yield record(1)
        yield record(2)
        yield from portion()
        append_all(sqlite_url, [record(1)], secret=SECRET)

    assert append_all(sqlite_url, events(), secret=SECRET) == 4001
    # Both can be read: with the key that the other one made.
    assert (await wordings(sqlite_url))[:2] == ["no 1", "no 2"]


async def test_a_key_that_was_destroyed_meanwhile_does_not_come_back(sqlite_url: str):
    """A person who was erased stays erased; what is recorded afterwards has a new key."""

    def events() -> Iterator[Event]:
        yield record(2)
        yield from portion()
        connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
        with connection:
            connection.execute("DELETE FROM person_keys")
        connection.close()

    append_all(sqlite_url, [record(1)], secret=SECRET)
    append_all(sqlite_url, events(), secret=SECRET)
    assert (await wordings(sqlite_url))[:2] == [None, "no 2"]


async def test_a_source_that_fails_leaves_the_ledger_as_it_was(sqlite_url: str):
    """Bad lines are known only at the end of a file."""

    def events() -> Iterator[Event]:
        yield from map(record, range(5000))
        raise RuntimeError("line 5001")

    append_all(sqlite_url, [record(9999)], secret=SECRET)
    with pytest.raises(RuntimeError, match="line 5001"):
        append_all(sqlite_url, events(), secret=SECRET)
    assert await wordings(sqlite_url) == ["no 9999"]
