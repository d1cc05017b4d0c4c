"""The days that a report is about."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from asterisk_plugin.cli.moments import parse_day
from asterisk_plugin.errors import InputError

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days.

    Args:
        first: First day, None for all before.
        last: Last day, the whole of it; None for all after.
        zone: Where they are days.
    """

    first: dt.date | None
    last: dt.date | None
    zone: dt.tzinfo = dt.UTC

    @property
    def start(self) -> dt.datetime | None:
        """When it begins; None: with the first record."""
        return _start(self.first, self.zone)

    @property
    def end(self) -> dt.datetime | None:
        """When it is over; None: not yet."""
        return None if self.last is None else _start(self.last + _DAY, self.zone)

    @property
    def words(self) -> str:
        """`since recording began`, `2026-11-01 to 2026-11-30, whole days (UTC)`."""
        match self.first, self.last:
            case None, None:
                return "since recording began"
            case first, None:
                return f"from {first} on ({self.zone})"
            case None, last:
                return f"up to and with {last} ({self.zone})"
            case first, last:
                return f"{first} to {last}, whole days ({self.zone})"

    def as_values(self) -> dict[str, str | None]:
        """JSON-able: `since` and `until`, null where it is open."""
        return {
            "since": None if self.first is None else self.first.isoformat(),
            "until": None if self.last is None else self.last.isoformat(),
        }


def parse_period(since: str, until: str, zone: dt.tzinfo = dt.UTC) -> Period:
    """Read what somebody typed; empty is open.

    Raises:
        InputError: A day is none, or they are the wrong way round.
    """
    first, last = (parse_day(text) if text else None for text in (since, until))
    if first and last and last < first:
        raise InputError("--until must not lie before --since")
    if last is not None and last >= dt.date.max - _DAY:
        raise InputError(f"`{until}` is out of range")
    return Period(first, last, zone)


def _start(day: dt.date | None, zone: dt.tzinfo) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(), zone)
