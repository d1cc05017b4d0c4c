"""How a campaign's attempts ended, as values: outcomes, shares by day, ring times, delays to the agent."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.campaign_windows import window_values
from asterisk_plugin.core.figures import length_values, share_values

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from asterisk_plugin.core.campaign_law import CampaignLimits
    from asterisk_plugin.core.campaign_windows import RateWindow
    from asterisk_plugin.core.figures import Lengths, Share

DAILY_SHARES = ("abandoned", "silent", "lost", "abandoned_of_attempts", "lost_of_attempts")
"""Shares that are taken day by day. Lost is abandoned or silent; of live calls where nothing else is said."""

SHARES = (*DAILY_SHARES, "agent_in_time")
NAMED = ("abandoned", "silent", "late_agent", "rung_short", "rung_long", "unsure")
"""Names of shares, and of lists of attempt ids."""


@dataclass(frozen=True, slots=True)
class TimeBin:
    """Times of about one length.

    Args:
        from_s: At least so many seconds.
        to_s: Less than so many; infinite for the last one.
        counts: How many, by what they belong to.
    """

    from_s: float
    to_s: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WorstDay:
    """The day with the largest share of something; of several the first.

    Args:
        day: Which.
        share: How large.
    """

    day: dt.date
    share: Share


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the day, of all days together.

    Args:
        attempts: Begun in it.
        live: Answered by a person.
        lost: Of these silent or abandoned.
    """

    attempts: int = 0
    live: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """What came of a campaign's attempts.

    Args:
        limits: What the last day's were measured by; each day's were by those in force on it.
        attempts: How many ended.
        answered: By a person or a machine.
        live: By a person.
        outcomes: By value of `Outcome`, all of them.
        unsure: Those of which a part was not seen, by outcome; they are counted as what is worst, in all figures.
        shares: By name of `SHARES`.
        windows: Calls without an agent by the formulas of the law, by limit and window.
        worst: The worst day of each of `DAILY_SHARES`; shares without any day are left out.
        days: Outcomes by local day on which the attempts began, earliest first.
        hours: 24 hours of the local day.
        lengths: By what was measured, in seconds.
        rings: Histogram: `answered`, and `not answered`.
        delays: Histogram of the time to the agent: `from the greeting`, or `from the answer` where none was
            heard or the law counts so.
        messages: Calls in which the message was played.
        machines: What showed the machines, by cause.
        named: Ids of attempts, by name of `NAMED`, in order.
    """

    limits: CampaignLimits
    attempts: int
    answered: int
    live: int
    outcomes: Mapping[str, int]
    unsure: Mapping[str, int]
    shares: Mapping[str, Share]
    windows: tuple[RateWindow, ...]
    worst: Mapping[str, WorstDay]
    days: Mapping[dt.date, Mapping[str, int]]
    hours: tuple[Hour, ...]
    lengths: Mapping[str, Lengths]
    rings: tuple[TimeBin, ...]
    delays: tuple[TimeBin, ...]
    messages: int
    machines: Mapping[str, int]
    named: Mapping[str, tuple[str, ...]]


def as_values(report: CampaignReport) -> dict[str, Any]:
    """A report as JSON-able values; shares are 0 to 1, and null when there is nothing to share."""
    return {
        "limits": _limit_values(report.limits),
        "attempts": report.attempts,
        "answered": report.answered,
        "live": report.live,
        "outcomes": dict(report.outcomes),
        "unsure": dict(report.unsure),
        "shares": {name: share_values(share) for name, share in report.shares.items()},
        "windows": [window_values(window) for window in report.windows],
        "worst_days": {
            name: {"day": worst.day.isoformat(), **share_values(worst.share)} for name, worst in report.worst.items()
        },
        "days": {day.isoformat(): dict(outcomes) for day, outcomes in report.days.items()},
        "hours": [dataclasses.asdict(hour) for hour in report.hours],
        "lengths": {name: length_values(lengths) for name, lengths in report.lengths.items()},
        "ring_histogram": [_bin_values(one) for one in report.rings],
        "delay_histogram": [_bin_values(one) for one in report.delays],
        "messages": report.messages,
        "machines": dict(report.machines),
        "named": {name: list(ids) for name, ids in report.named.items()},
    }


def _limit_values(limits: CampaignLimits) -> dict[str, Any]:
    """Without the rates, which stand with their windows."""
    plain = (field.name for field in dataclasses.fields(limits) if field.name != "rates")
    return {name: getattr(limits, name) for name in plain}


def _bin_values(one: TimeBin) -> dict[str, Any]:
    return {"from_s": one.from_s, "to_s": None if math.isinf(one.to_s) else one.to_s, **one.counts}
