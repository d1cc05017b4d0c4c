"""The shapes that a rulebook's values can have, one for each parameter name.

Rule 1: a shape holds what any of the ten countries needs and no country's numbers.
Rule 2: a value is a list of entries, and every entry says to which kind of call it applies.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass, field

from asterisk_plugin.core.facts import LimitScope
from asterisk_plugin.core.site import Audience, DialMode, PrincipalKind, Purpose

MONTHS_A_YEAR = 12

Window = tuple[dt.time, dt.time]
"""Local start and end; the start belongs to it and the end does not; an end of 00:00 is midnight."""


@dataclass(frozen=True, slots=True)
class CallKind:
    """What kind of call an attempt is, as far as laws tell kinds apart."""

    purpose: Purpose
    audience: Audience
    dial_mode: DialMode
    sector: str = ""


@dataclass(frozen=True, slots=True)
class Applies:
    """To which kinds of call an entry applies; an empty set means every one.

    Args:
        purposes: What the call is for.
        audiences: Who is called.
        dial_modes: Who or what dials.
        sectors: The principal's sector, as configured.
    """

    purposes: frozenset[Purpose] = frozenset()
    audiences: frozenset[Audience] = frozenset()
    dial_modes: frozenset[DialMode] = frozenset()
    sectors: frozenset[str] = frozenset()

    def covers(self, kind: CallKind) -> bool:
        """Whether an entry with this selection applies to a call of that kind."""
        return (
            (not self.purposes or kind.purpose in self.purposes)
            and (not self.audiences or kind.audience in self.audiences)
            and (not self.dial_modes or kind.dial_mode in self.dial_modes)
            and (not self.sectors or kind.sector in self.sectors)
        )


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time by the calendar, as laws state it."""

    months: int = 0
    days: int = 0

    def after(self, day: dt.date) -> dt.date:
        """The last day of a term that begins with `day`: 3 years after 2023-06-15 is 2026-06-15."""
        return self.shift(day, 1)

    def shift(self, day: dt.date, sign: int) -> dt.date:
        """`day` moved by this span, forwards for 1 and backwards for -1; short months end earlier."""
        months = day.year * MONTHS_A_YEAR + day.month - 1 + sign * self.months
        year, month = divmod(months, MONTHS_A_YEAR)
        last_of_month = _DAYS[month] + (month == 1 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
        shifted = dt.date(year, month + 1, min(day.day, last_of_month))
        return shifted + sign * dt.timedelta(days=self.days) if self.days else shifted

    def __str__(self) -> str:
        if self.months:
            years, rest = divmod(self.months, MONTHS_A_YEAR)
            return f"{years} years" if years and not rest else f"{self.months} months"
        return f"{self.days} days"


class Need(enum.IntEnum):
    """What consent a call needs; the larger value is the stricter one."""

    NONE = 0
    PRESUMED = 1
    EXPRESS = 2


@dataclass(frozen=True, slots=True)
class ConsentNeed:
    """`consent`: what consent calls of some kind need.

    Args:
        applies: To which calls.
        needs: What consent.
        lifetime: A consent is good for so long, whatever it says; None for ever.
        lifetime_when_unstated: The same for a consent that states no term.
    """

    applies: Applies
    needs: Need
    lifetime: Span | None = None
    lifetime_when_unstated: Span | None = None


@dataclass(frozen=True, slots=True)
class CustomerExemption:
    """`relationship`: whose customers may be called without consent.

    Args:
        applies: To which calls.
        principal_kinds: Principals that may rely on it.
        same_product: The relationship must cover the campaign's product group.
        running_only: Only while the contract runs.
    """

    applies: Applies
    principal_kinds: frozenset[PrincipalKind]
    same_product: bool = True
    running_only: bool = False


@dataclass(frozen=True, slots=True)
class CustomerTerm:
    """`relationship_term`: how long a relationship that has ended still counts; None not at all.

    Args:
        applies: To which calls.
        after_contract_end: Counted from the last day of the contract.
        after_last_purchase: Counted from the day of the last purchase.
    """

    applies: Applies
    after_contract_end: Span | None = None
    after_last_purchase: Span | None = None


class Requested(enum.StrEnum):
    """Which wish of the person opens closed hours."""

    NEVER = "never"
    SLOT = "slot"  # a requested call with an exact slot that holds now
    REQUESTED = "requested"  # a requested call; its slot, if it states one, holds now
    CLOSED_DAYS = "closed-days"  # like SLOT, and only on days without any calling window
    EXPRESS = "express"  # any consent that covers the call


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day of every year with hours of its own.

    Args:
        month: 1-12.
        day: 1-31.
        until: The windows of that day end here; None closes it.
        why: Its name, shown in the verdict.
    """

    month: int
    day: int
    until: dt.time | None
    why: str


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of the calendar's caches
class Schedule:
    """`calling_hours`: when calls of some kind may ring, in the called person's local time.

    Args:
        applies: To which calls.
        mon_fri: Windows of ordinary weekdays.
        sat: Windows of ordinary Saturdays.
        sun: Windows of ordinary Sundays.
        holiday: Windows of public holidays; None when a holiday is a day like any other.
        eve: Windows of the day before a public holiday; None when it is a day like any other.
        special: Days with hours of their own.
        holiday_regions: Regions (ISO 3166-2 without country) whose holidays count too.
        requested: Which wish of the person opens closed hours.
    """

    applies: Applies
    mon_fri: tuple[Window, ...] = ()
    sat: tuple[Window, ...] = ()
    sun: tuple[Window, ...] = ()
    holiday: tuple[Window, ...] | None = None
    eve: tuple[Window, ...] | None = None
    special: tuple[SpecialDay, ...] = ()
    holiday_regions: tuple[str, ...] = ()
    requested: Requested = Requested.NEVER


class Per(enum.StrEnum):
    """The window in which a limit counts, in the called person's local time."""

    DAY = "local-day"
    WEEK = "local-week"  # Monday to Sunday
    ROLLING_HOURS = "rolling-hours"
    ROLLING_DAYS = "rolling-days"  # calendar days, today being the last of them
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True)
class LimitValue:
    """`attempt_limit`: so many attempts in a window.

    Args:
        applies: To which calls.
        name: Unique in its parameter; the last part of the limit's id.
        per: The window.
        max_attempts: So many may be made in it.
        scope: Whose attempts count.
        length: Hours or days of a rolling window, 0 otherwise.
    """

    applies: Applies
    name: str
    per: Per
    max_attempts: int
    scope: LimitScope
    length: int = 0


@dataclass(frozen=True, slots=True)
class ObjectionRight:
    """`objection`: a known objection stops calls of some kind; holds the source to show."""

    applies: Applies


@dataclass(frozen=True, slots=True)
class ObjectionOffer:
    """`objection_offer`: calls of some kind must offer the right to object; holds the source to show."""

    applies: Applies


@dataclass(frozen=True, slots=True)
class RingTime:
    """`ring_time`: how long it may ring, in seconds.

    Args:
        applies: To which calls.
        min_s: Never hang up earlier; None when not stated.
        max_s: Never ring longer; None when not stated.
    """

    applies: Applies = field(default_factory=Applies)
    min_s: int | None = None
    max_s: int | None = None
