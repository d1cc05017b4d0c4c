"""Objections out of a ledger that is mostly attempts."""

from __future__ import annotations

import datetime as dt
import sqlite3

import pytest
import sqlalchemy as sa
from ledger_lab import SECRET
from sqlalchemy.dialects import sqlite

from asterisk_plugin.core.person import person_tag
from asterisk_plugin.ledger import reading
from asterisk_plugin.ports import Event, EventKind

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


def about(kind: EventKind, number: int, **body) -> Event:
    person = person_tag(SECRET, f"+3161234500{number % 10}")
    return Event(f"{number:032x}", kind, AT, person, body, {"number": str(number)})


@pytest.fixture
async def ledger(url: str, running):
    async with running(url) as made:
        yield made


async def test_objections_come_newest_first_in_pages(ledger):
    """Nothing else comes between, and the personal data is opened."""
    events = [
        about(EventKind.OBJECTION if number % 3 else EventKind.ATTEMPT, number, reference=f"{number:07}")
        for number in range(1, 20)
    ]
    await ledger.append(events)
    first = await ledger.objections(before=0, most=4)
    assert [int(stored.event.id, 16) for stored in first] == [19, 17, 16, 14]
    assert first[0].event.sealed == {"number": "19"}
    then = await ledger.objections(before=first[-1].seq, most=100)
    assert [int(stored.event.id, 16) for stored in then] == [13, 11, 10, 8, 7, 5, 4, 2, 1]


async def test_an_objection_is_found_by_its_reference(ledger):
    """Exactly, and only an objection: consents have references too."""
    await ledger.append(
        [
            about(EventKind.OBJECTION, 1, reference="1234567"),
            about(EventKind.OBJECTION, 2, reference="12345678"),
            about(EventKind.CONSENT, 3, reference="1234567"),
            about(EventKind.OBJECTION, 4, reference="1234567"),
        ]
    )
    found = await ledger.objections(before=0, most=9, reference="1234567")
    assert [int(stored.event.id, 16) for stored in found] == [4, 1]
    for name in ("%", "_______", '"', "12345"):
        assert await ledger.objections(before=0, most=9, reference=name) == ()


async def test_what_became_of_objections_is_read_in_order(ledger):
    """Withdrawals and confirmations, oldest first."""
    await ledger.append(
        [
            about(EventKind.OBJECTION, 1),
            about(EventKind.OBJECTION_CONFIRMED, 2, objection="1"),
            about(EventKind.ATTEMPT, 3),
            about(EventKind.OBJECTION_WITHDRAWN, 4, objection="1"),
            about(EventKind.CONSENT_WITHDRAWN, 5),
        ]
    )
    assert [stored.seq for stored in await ledger.objection_changes()] == [2, 4]


@pytest.mark.parametrize("asked", [reading._OBJECTIONS, reading._OBJECTION_CHANGES])
async def test_the_list_does_not_read_the_attempts(running, sqlite_url, tmp_path, asked):
    """Decisions share the readers: a list of ten million rows would hold them up."""
    async with running(sqlite_url) as ledger:
        await ledger.append([about(EventKind.OBJECTION, 1)])
    values = {"before": 9, "part": "", "most": 9}
    compiled = asked.compile(dialect=sqlite.dialect())
    bound = [values.get(name, compiled.params[name]) for name in compiled.positiontup or ()]
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {compiled}", bound).fetchall()
    database.close()
    (way,) = [step[-1] for step in plan if "events" in step[-1]]
    assert "USING INDEX events_objections" in way


async def test_a_ledger_of_an_earlier_version_gets_the_index(url, running):
    """When it is opened next, without a new schema version."""
    for _ in range(2):
        async with running(url) as made:
            await made.append([about(EventKind.OBJECTION, 1)])
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("DROP INDEX events_objections"))  # fails when it is not there
        engine.dispose()
