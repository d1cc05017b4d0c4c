"""Waits out of rows: whole ones, those on the edge of a period, those without a beginning."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

import pytest

from asterisk_plugin.callflow.queue_evidence import joined_event, left_event, told_event, wait_id
from asterisk_plugin.callflow.queue_waits import read_waits
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ports import Event, StoredEvent

SECRET = b"s" * 32
DAY = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
NEXT = DAY + dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


@dataclass
class MemoryLedger:
    """Rows in the order in which they were written."""

    events: list[Event] = field(default_factory=list)
    read: int = 0

    async def queue_events(self, *, before=None):
        rows = [StoredEvent(place, event, "") for place, event in enumerate(self.events, 1)]
        for row in sorted(rows, key=lambda row: (row.event.at, row.seq), reverse=True):
            if before is None or row.event.at < before:
                self.read += 1
                yield row


@pytest.fixture
def ledger():
    return MemoryLedger()


def name_of(number: int) -> str:
    return wait_id(SECRET, f"pbx-1.{number}", f"PJSIP/x-{number}", f"{number}.5")


def joined(number: int, at: dt.datetime, queue: str = "support") -> Event:
    return joined_event(name_of(number), queue=queue, principal="tulip", at=at, unanswered=True)


def told(number: int, at: dt.datetime, queue: str = "support", waited_s: float = 2) -> Event:
    said = ("wait-about", "minutes-2")
    return told_event(
        name_of(number), queue=queue, at=at, waited_s=waited_s, said=said, estimate_s=90, position=1, is_whole=True
    )


def left(number: int, at: dt.datetime, queue: str = "support", how: Left = Left.ANSWERED) -> Event:
    return left_event(
        name_of(number), secret=SECRET, queue=queue, at=at, how=how, waited_s=60, charged_from=at, agent="PJSIP/a"
    )


async def read(ledger, **asked):
    return [wait async for wait in read_waits(ledger, **asked)]


async def test_a_wait_is_what_its_rows_say(ledger):
    """Whatever the order in which they were written."""
    rows = [joined(1, DAY), told(1, DAY + MINUTE / 30), told(1, DAY + MINUTE, waited_s=60), left(1, DAY + 2 * MINUTE)]
    ledger.events += [rows[3], rows[1], rows[0], rows[2]]
    (wait,) = await read(ledger)
    assert (wait.id, wait.queue, wait.principal, wait.unanswered) == (name_of(1), "support", "tulip", True)
    assert (wait.joined_at, wait.left_at, wait.charged_from) == (DAY, DAY + 2 * MINUTE, DAY + 2 * MINUTE)
    assert (wait.how, wait.waited_s, wait.agent) == (Left.ANSWERED, 60, "PJSIP/a")
    assert [one.waited_s for one in wait.told] == [2, 60]
    assert (wait.told[0].said, wait.told[0].estimate_s) == (("wait-about", "minutes-2"), 90)


async def test_the_newest_come_first_and_only_of_the_queue(ledger):
    """One after the other, whoever left first."""
    ledger.events += [joined(1, DAY), joined(2, DAY + MINUTE), joined(3, DAY + 2 * MINUTE, "sales")]
    ledger.events += [left(2, DAY + 3 * MINUTE), left(1, DAY + 9 * MINUTE), left(3, DAY + HOUR, "sales")]
    assert [wait.id for wait in await read(ledger)] == [name_of(3), name_of(2), name_of(1)]
    assert [wait.id for wait in await read(ledger, queue="support")] == [name_of(2), name_of(1)]


async def test_a_wait_belongs_to_the_period_in_which_it_began(ledger):
    """With all of its rows; the next period's report does not count it again."""
    ledger.events += [joined(1, NEXT - MINUTE), told(1, NEXT - MINUTE), told(1, NEXT), left(1, NEXT + MINUTE)]
    ledger.events += [joined(2, NEXT), left(2, NEXT + HOUR)]
    (first,) = await read(ledger, since=DAY, until=NEXT)
    assert (first.id, len(first.told), first.how) == (name_of(1), 2, Left.ANSWERED)
    assert [wait.id for wait in await read(ledger, since=NEXT)] == [name_of(2)]
    assert await read(ledger, since=DAY - HOUR, until=DAY) == []


async def test_what_has_no_beginning_is_shown_as_such(ledger):
    """In the period of its first row, and nowhere else."""
    ledger.events += [told(1, DAY + HOUR), left(1, NEXT + HOUR)]
    (wait,) = await read(ledger, since=DAY, until=NEXT)
    assert (wait.joined_at, wait.how, len(wait.told)) == (None, Left.ANSWERED, 1)
    assert await read(ledger, since=DAY - HOUR, until=DAY) == []


async def test_rows_before_the_period_are_only_looked_at_for_a_beginning(ledger):
    """Those of others are not this report's, begun or not."""
    ledger.events += [told(2, DAY - 2 * MINUTE), joined(1, DAY - 5 * MINUTE), told(1, DAY + MINUTE)]
    assert await read(ledger, since=DAY) == []


async def test_what_goes_on_has_no_end(ledger):
    """Nor has what ended more than a day after the period."""
    ledger.events += [joined(1, DAY), joined(2, DAY), left(2, NEXT + 25 * HOUR)]
    assert [wait.how for wait in await read(ledger, since=DAY, until=NEXT)] == [None, None]


async def test_only_the_period_is_read(ledger):
    """And a day before it when something there has no beginning."""
    ledger.events += [joined(number, DAY - 50 * HOUR + number * MINUTE) for number in range(100)]
    ledger.events += [joined(200, DAY), left(200, DAY + MINUTE)]
    assert len(await read(ledger, since=DAY)) == 1
    assert ledger.read == 3


@pytest.mark.parametrize("change", [{"how": "teleported"}, {"waited_s": "long"}, {"wait": None}])
async def test_a_row_that_cannot_be_read_is_named(ledger, change):
    """Never skipped."""
    event = left(1, DAY)
    body = {name: value for name, value in {**event.body, **change}.items() if value is not None}
    ledger.events += [joined(1, DAY), replace(event, body=body)]
    with pytest.raises(LedgerBrokenError, match="ledger row 2"):
        await read(ledger)
