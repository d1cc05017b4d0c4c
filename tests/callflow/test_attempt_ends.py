"""Which ends of attempts are read back."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from asterisk_plugin.callflow.attempt_ends import read_attempt_ends
from asterisk_plugin.core.attempt_end import AttemptEnd, Outcome, body_of
from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ports import Event, EventKind, StoredEvent

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Ledger:
    """Rows by the hour at which they began; each ended 50 minutes later."""

    def __init__(self, *hours: int, campaign: str = "a") -> None:
        self.rows = [self._row(place, hour, campaign) for place, hour in enumerate(hours, 1)]
        self.read = 0

    @staticmethod
    def _row(seq: int, hour: int, campaign: str) -> StoredEvent:
        began = AT + hour * HOUR
        end = AttemptEnd(
            attempt_id=f"{hour:032x}", campaign=campaign, principal="p", outcome=Outcome.PERSON, began_at=began
        )
        event = Event(f"{seq:032x}", EventKind.ATTEMPT_ENDED, began + dt.timedelta(minutes=50), body=body_of(end))
        return StoredEvent(seq, event, "0" * 64)

    async def attempt_ends(self, *, before: dt.datetime | None = None) -> AsyncIterator[StoredEvent]:
        for row in sorted(self.rows, key=lambda row: row.event.at, reverse=True):
            if before is None or row.event.at < before:
                self.read += 1
                yield row


async def hours(ledger: Ledger, **asked: object) -> list[int]:
    return [int(end.attempt_id, 16) async for _, end in read_attempt_ends(ledger, campaign="a", **asked)]


async def test_the_period_is_that_of_the_beginning():
    """What began before it and ended in it is not of it; what began in it and ended after it is."""
    ledger = Ledger(*range(8))
    inside = AT + dt.timedelta(minutes=150)
    assert await hours(ledger) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert await hours(ledger, since=inside, until=inside + 3 * HOUR) == [5, 4, 3]
    assert await hours(ledger, since=AT + 2 * HOUR, until=AT + 3 * HOUR) == [2]


async def test_what_ended_before_the_period_is_not_read():
    """A ledger of years."""
    ledger = Ledger(*range(100))
    assert await hours(ledger, since=AT + 97 * HOUR) == [99, 98, 97]
    assert ledger.read == 4


async def test_rows_behind_the_head_and_of_other_campaigns_are_left_out():
    """What came while it was read is not part of what is proved."""
    assert await hours(Ledger(0, 1, 2), last_seq=2) == [1, 0]
    assert await hours(Ledger(0, campaign="b")) == []


async def test_a_row_that_cannot_be_read_is_named():
    ledger = Ledger(0)
    ledger.rows[0].event.body["outcome"] = "happy"
    with pytest.raises(LedgerBrokenError, match="row 1"):
        await hours(ledger)
