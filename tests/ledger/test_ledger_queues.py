"""What happened in queues, out of a ledger that is mostly attempts."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3

import pytest
import sqlalchemy as sa
from ledger_lab import make_event
from sqlalchemy.dialects import sqlite

from asterisk_plugin.ledger import reading, sql
from asterisk_plugin.ports import Event, EventKind

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
KINDS = (EventKind.QUEUE_JOINED, EventKind.QUEUE_TOLD, EventKind.QUEUE_LEFT)


def happened(number: int, *, after_s: float | None = None) -> Event:
    at = AT + dt.timedelta(seconds=number if after_s is None else after_s)
    return Event(f"{number:032x}", KINDS[number % 3], at, body={"wait": "w", "queue": "q"})


@pytest.fixture
async def ledger(url: str, running):
    async with running(url) as made:
        yield made


async def numbers(ledger, **asked) -> list[int]:
    return [int(stored.event.id, 16) async for stored in ledger.queue_events(**asked)]


async def test_they_come_newest_first_by_their_moment(ledger, monkeypatch):
    """However they were written, in portions that join, and nothing else between."""
    monkeypatch.setattr(sql, "_READ_ROWS", 3)
    events = [happened(number) for number in range(1, 21)] + [make_event() for _ in range(5)]
    random.Random(4).shuffle(events)
    await ledger.append(events)
    assert await numbers(ledger) == list(range(20, 0, -1))
    assert await numbers(ledger, before=AT + dt.timedelta(seconds=8)) == [7, 6, 5, 4, 3, 2, 1]
    elsewhere = dt.timezone(dt.timedelta(hours=2))
    assert await numbers(ledger, before=(AT + dt.timedelta(seconds=3)).astimezone(elsewhere)) == [2, 1]


async def test_those_of_one_moment_come_in_their_order(ledger, monkeypatch):
    """Also where a portion ends between them."""
    monkeypatch.setattr(sql, "_READ_ROWS", 2)
    await ledger.append([happened(number, after_s=0) for number in range(1, 8)])
    assert await numbers(ledger) == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("which", "index"),
    [(reading.QUEUE_EVENTS, "events_queues"), (reading.ATTEMPT_ENDS, "events_attempt_ends")],
)
async def test_the_attempts_are_not_read(running, sqlite_url, tmp_path, which, index):
    """Nor is anything sorted: a report of a month of a ledger of years."""
    async with running(sqlite_url) as ledger:
        await ledger.append([happened(1)])
    compiled = which.compile(dialect=sqlite.dialect())
    values = {"at": "9999", "seq": 0, "most": 9}
    bound = [values.get(name, compiled.params[name]) for name in compiled.positiontup or ()]
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        plan = [step[-1] for step in database.execute(f"EXPLAIN QUERY PLAN {compiled}", bound)]
    database.close()
    (way,) = plan  # a second step would be the sorting
    assert way.startswith(f"SEARCH events USING INDEX {index} ")


async def test_ends_of_attempts_are_their_own(ledger, monkeypatch):
    """Newest first too, and what happened in queues is none of them."""
    monkeypatch.setattr(sql, "_READ_ROWS", 3)
    ends = [Event(f"{n:032x}", EventKind.ATTEMPT_ENDED, AT + dt.timedelta(seconds=n), body={}) for n in range(50, 58)]
    await ledger.append([*ends[::-1], *(happened(number) for number in range(1, 6)), make_event()])
    before = AT + dt.timedelta(seconds=56)
    assert [int(stored.event.id, 16) async for stored in ledger.attempt_ends()] == list(range(57, 49, -1))
    assert [int(stored.event.id, 16) async for stored in ledger.attempt_ends(before=before)] == list(range(55, 49, -1))


async def test_a_ledger_of_an_earlier_version_gets_the_indexes(url, running):
    """When it is opened next, without a new schema version."""
    for _ in range(2):
        async with running(url) as made:
            await made.append([happened(1)])
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            for index in ("events_queues", "events_attempt_ends"):
                connection.execute(sa.text(f"DROP INDEX {index}"))  # fails when it is not there
        engine.dispose()
