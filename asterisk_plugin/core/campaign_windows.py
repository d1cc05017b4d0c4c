"""How many of a campaign's calls were without an agent in each window of each limit: the formulas of the countries."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.campaign_rates import RateLimit, balance, rate_state
from asterisk_plugin.core.rate_parameters import RateOf, RatePer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asterisk_plugin.core.attempt_end import Outcome
    from asterisk_plugin.core.rate_parameters import AbandonedRate

_OF = {RateOf.LIVE: "live calls", RateOf.ATTEMPTS: "all attempts", RateOf.COMPLETED: "calls with an agent"}
_HALF_A_DAY = dt.timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class RateWindow:
    """One window of one limit.

    Args:
        limit: The limit, as in force on the last day of the window that has attempts.
        last_day: Last day of the window.
        abandoned: Calls that count as abandoned; estimated ones make it a fraction.
        of: Calls of which the share is taken.
        is_kept: The share is not larger than allowed.
        is_whole: Every attempt of the window is counted; not so when it reaches beyond the days asked for.
    """

    limit: RateLimit
    last_day: dt.date
    abandoned: float
    of: int
    is_kept: bool
    is_whole: bool

    @property
    def share(self) -> float | None:
        """Part of the calls, 0 or more; None when there are none."""
        return self.abandoned / self.of if self.of else None


def windows_of(
    by_day: Mapping[dt.date, Mapping[Outcome, int]],
    limits: Iterable[tuple[dt.date, tuple[RateLimit, ...]]],
    *,
    zone: dt.tzinfo,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> tuple[RateWindow, ...]:
    """Every window with an attempt, by limit and day.

    Args:
        by_day: How the attempts of each day ended.
        limits: What binds on each of these days.
        zone: By whose days.
        first: First day that was counted; None: all before were.
        last: Last day that was counted; None: all after were.
    """
    ended: dict[tuple[str, dt.date], Counter[str]] = {}
    newest: dict[tuple[str, dt.date], RateLimit] = {}
    for day, binding in sorted(limits, key=lambda one: one[0]):
        for limit in binding:
            window = (limit.id, limit.first_day)
            newest[window] = limit
            ended.setdefault(window, Counter()).update({one.value: count for one, count in by_day[day].items()})
    found = []
    for window in sorted(newest):
        limit = newest[window]
        last_day = (limit.ends_at - _HALF_A_DAY).astimezone(zone).date()
        is_whole = (first is None or first <= limit.first_day) and (last is None or last_day <= last)
        state, is_kept = rate_state(limit, ended[window], 0), balance(limit.value, ended[window]) >= 0
        found.append(RateWindow(limit, last_day, state.abandoned, state.of, is_kept, is_whole))
    return tuple(found)


def formula(value: AbandonedRate) -> str:
    """A limit in words: `abandoned or silent, of all attempts, each day`."""
    counted = " or ".join(sorted(outcome.value for outcome in value.counts))
    errors = f" or {value.machine_error_percent} % of the machines" if value.machine_error_percent else ""
    each = {RatePer.DAY: "each day", RatePer.MONTH: "each month", RatePer.DAYS: f"each {value.length} days"}[value.per]
    return f"{counted}{errors}, of {_OF[value.of]}, {each}"


def window_values(window: RateWindow) -> dict[str, Any]:
    """A window as JSON-able values; the share is 0 or more, null when there is nothing to share."""
    limit = window.limit
    return {
        "limit": limit.id,
        "formula": formula(limit.value),
        "source": limit.source.text,
        "confidence": limit.source.confidence.value,
        "first_day": limit.first_day.isoformat(),
        "last_day": window.last_day.isoformat(),
        "abandoned": window.abandoned,
        "of": window.of,
        "share": window.share,
        "max_share": limit.value.max_share_percent / 100,
        "is_kept": window.is_kept,
        "is_whole": window.is_whole,
    }
