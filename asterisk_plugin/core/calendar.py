"""Local days, public holidays and calling windows, correct across daylight-saving changes."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import holidays

from asterisk_plugin.core.parameters import Schedule, Window

ANYWHERE = ("Etc/GMT+12", "Etc/GMT-14")
"""Stand in for zones that are not known: the two ends of the world, so that all others lie between."""

HORIZON_DAYS = 60
"""No calling window within so many days: when the next one comes is not known."""

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SATURDAY, SUNDAY = 5, 6

_ONE_DAY = dt.timedelta(days=1)
_MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class DayPlan:
    """When calls may ring on one local day.

    Args:
        windows: The same windows in UTC and in local time, earliest first.
        name: What the day is called in a sentence: `Monday`, `King's Day`.
    """

    windows: tuple[tuple[dt.datetime, dt.datetime, Window], ...]
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """One schedule in one zone.

    Args:
        schedule: The windows.
        country: ISO 3166-1 alpha-2 of the called number, for its holidays.
        zone: IANA zone.
        closed: Days that the admin closed, with the reason.
        last_dial_s: Seconds before the end of a window at which the last dial may start.
    """

    schedule: Schedule
    country: str
    zone: str
    closed: Mapping[dt.date, str]
    last_dial_s: int

    def plan(self, day: dt.date) -> DayPlan:
        """The plan of one local day."""
        if day in self.closed:
            return DayPlan((), self.closed[day])
        return plan_of_day(self.schedule, self.country, self.zone, day)

    def opens(self, at: dt.datetime) -> dt.datetime | None:
        """The first moment, `at` or later, at which a dial may start; None when none is in sight."""
        day = at.astimezone(zoneinfo.ZoneInfo(self.zone)).date()
        for ahead in range(HORIZON_DAYS):
            for start, end, _ in self.plan(day + ahead * _ONE_DAY).windows:
                first = max(start, at)
                if first < end - dt.timedelta(seconds=self.last_dial_s):
                    return first
        return None

    def is_open(self, at: dt.datetime) -> bool:
        """Whether a dial may start at a moment."""
        return self.window(at) is not None

    def window(self, at: dt.datetime) -> Window | None:
        """The window in which a dial may start at a moment, in local time; None when it may not."""
        day = at.astimezone(zoneinfo.ZoneInfo(self.zone)).date()
        last_dial = dt.timedelta(seconds=self.last_dial_s)
        for start, end, window in self.plan(day).windows:
            if start <= at < end - last_dial:
                return window
        return None


def next_opening(places: tuple[Place, ...], at: dt.datetime) -> dt.datetime | None:
    """The first moment, `at` or later, at which every place is open; None when none is in sight."""
    moment = at
    for _ in range(_MOST_STEPS):
        later = moment
        for place in places:
            opens = place.opens(later)
            if opens is None:
                return None
            later = opens
        if later == moment:
            return moment.astimezone(dt.UTC)
        moment = later
    return None


@functools.lru_cache(maxsize=4096)
def usable_zones(names: tuple[str, ...]) -> tuple[str, ...]:
    """The zones that this machine knows, or the two ends of the world when one is not known.

    Args:
        names: IANA names as the numbering data gives them; `Etc/Unknown` and none are possible.
    """
    for name in names:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return ANYWHERE
    return names or ANYWHERE


def local_days(zones: tuple[str, ...], at: dt.datetime) -> tuple[dt.date, ...]:
    """Today in every zone, each date once, earliest first."""
    return tuple(sorted({at.astimezone(zoneinfo.ZoneInfo(zone)).date() for zone in zones}))


@functools.lru_cache(maxsize=4096)
def day_span(zone: str, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Start of a local day and of the next one: 23 to 25 hours when the clocks change."""
    return _earlier(zone, day, dt.time.min), _earlier(zone, day + _ONE_DAY, dt.time.min)


@functools.lru_cache(maxsize=256)
def public_holidays(country: str, region: str, year: int) -> Mapping[dt.date, str]:
    """Public holidays of a year with their names.

    Args:
        country: ISO 3166-1 alpha-2.
        region: ISO 3166-2 without country; empty for those that hold in the whole country.
        year: Of the Gregorian calendar.
    """
    calendar = holidays.country_holidays(country, subdiv=region or None, years=year, language="en_US")
    return MappingProxyType(dict(calendar))


@functools.lru_cache(maxsize=1024)
def has_holidays(country: str, region: str) -> bool:
    """Whether a holiday calendar is known for a country and region."""
    known = holidays.list_supported_countries()
    return country in known and (not region or region in known[country])


@functools.lru_cache(maxsize=16384)
def plan_of_day(schedule: Schedule, country: str, zone: str, day: dt.date) -> DayPlan:
    """When calls may ring on one local day, the admin's own closed days left aside."""
    windows, name = _ordinary_windows(schedule, country, day)
    for special in schedule.special:
        if (special.month, special.day) == (day.month, day.day):
            name = special.why
            windows = tuple(_cut(windows, special.until)) if special.until else ()
    placed = ((_later(zone, day, start), _end(zone, day, end), (start, end)) for start, end in windows)
    return DayPlan(tuple(window for window in placed if window[0] < window[1]), name)


def _ordinary_windows(schedule: Schedule, country: str, day: dt.date) -> tuple[tuple[Window, ...], str]:
    """Windows of a day by its weekday, holiday or eve; a Sunday before a holiday stays a Sunday."""
    if schedule.holiday is not None and (name := _holiday(schedule, country, day)):
        return schedule.holiday, name
    if day.weekday() == SUNDAY:
        return schedule.sun, DAY_NAMES[SUNDAY]
    if schedule.eve is not None and (name := _holiday(schedule, country, day + _ONE_DAY)):
        return schedule.eve, f"the eve of {name}"
    windows = schedule.sat if day.weekday() == SATURDAY else schedule.mon_fri
    return windows, DAY_NAMES[day.weekday()]


def _holiday(schedule: Schedule, country: str, day: dt.date) -> str:
    for region in schedule.holiday_regions or ("",):
        if name := public_holidays(country, region, day.year).get(day):
            return name
    return ""


def _cut(windows: tuple[Window, ...], until: dt.time) -> Iterator[Window]:
    for start, end in windows:
        if start < until:
            yield start, until if end == dt.time.min else min(end, until)


def _end(zone: str, day: dt.date, end: dt.time) -> dt.datetime:
    return _earlier(zone, day + _ONE_DAY if end == dt.time.min else day, end)


def _earlier(zone: str, day: dt.date, time: dt.time) -> dt.datetime:
    """A local time in UTC; the earlier moment when the clocks show it twice or skip it."""
    return min(_both(zone, day, time))


def _later(zone: str, day: dt.date, time: dt.time) -> dt.datetime:
    return max(_both(zone, day, time))


def _both(zone: str, day: dt.date, time: dt.time) -> tuple[dt.datetime, dt.datetime]:
    local = dt.datetime.combine(day, time, zoneinfo.ZoneInfo(zone))
    return local.astimezone(dt.UTC), local.replace(fold=1).astimezone(dt.UTC)
