"""How well a queue served those who waited, as values: shares, lengths, estimates, and who was not served so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.figures import length_values, share_values

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from asterisk_plugin.core.figures import Lengths, Share
    from asterisk_plugin.core.queue_wait import Limits

GOOD_ESTIMATE = 0.3
"""An estimate is good when it is off by at most this part of the time that was then waited."""

SHARES = ("in_time", "in_time_of_patient", "told_at_start", "told_throughout", "abandoned", "free")
NAMED = ("late_told", "not_told", "charged", "unknown", "open", "not_begun")
"""Fields of `Report` that are shares, and those that are ids of waits."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Waits of about one length.

    Args:
        from_s: At least so many seconds.
        to_s: Less than so many; infinite for the last one.
        answered: Ended by an agent's answer.
        other: Ended in another way.
    """

    from_s: float
    to_s: float
    answered: int
    other: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """How good the times were that callers were told. Only of calls that were answered: nobody knows the others'.

    Args:
        count: Estimates that could be compared.
        mean_error_s: Mean absolute error in seconds; None when there are none, as for the others.
        bias_s: Mean error: above 0 when callers were told more than it took.
        good: Part that is off by at most `GOOD_ESTIMATE` of the real time, 0 to 1.
    """

    count: int
    mean_error_s: float | None
    bias_s: float | None
    good: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of some waits.

    Args:
        limits: What they were measured by.
        waits: How many there were, those included of which no row says that they began.
        ways: How many ended how, by `Left`'s value; `open` when no row says that they did, `not-begun` when none says
            that they began.
        in_time: Answered in time, of all.
        in_time_of_patient: The same without those who left in another way before the limit.
        told_at_start: Told when the wait began, without the short ones.
        told_throughout: Told at least every so often until the end, without the short ones.
        abandoned: The caller hung up.
        free: Not charged while waiting.
        charged_s: Seconds of waiting that callers were charged for, all together.
        short: Waits that ended before the first word was due.
        late_told: Ids of those not told at the start, in order; as in the others.
        not_told: Ids of those that were once left longer without an announcement.
        charged: Ids of those that were charged while waiting.
        unknown: Ids of those of which nobody knows how they ended.
        open: Ids of those that go on, or whose end was lost.
        not_begun: Ids of those that no row begins.
        lengths: By `all`, `answered`, `abandoned`.
        histogram: Without gaps.
        announcements: How many there were; `known`: a time could be said; `cut`: not played to the end.
        estimates: Of every announcement.
        first_estimates: Of the first time that each caller was told.
        call_backs: Callers who asked to be called back.
        called_back: So many of them the gate let be called.
        days: By date (UTC): answered in time, of all that began on it.
    """

    limits: Limits
    waits: int
    ways: Mapping[str, int]
    in_time: Share
    in_time_of_patient: Share
    told_at_start: Share
    told_throughout: Share
    abandoned: Share
    free: Share
    charged_s: float
    short: int
    late_told: tuple[str, ...]
    not_told: tuple[str, ...]
    charged: tuple[str, ...]
    unknown: tuple[str, ...]
    open: tuple[str, ...]
    not_begun: tuple[str, ...]
    lengths: Mapping[str, Lengths]
    histogram: tuple[Bin, ...]
    announcements: Mapping[str, int]
    estimates: Estimates
    first_estimates: Estimates
    call_backs: int
    called_back: int
    days: Mapping[dt.date, Share]


def as_values(report: Report) -> dict[str, Any]:
    """A report as JSON-able values; shares are 0 to 1, and null when there is nothing to share."""
    shares = {name: share_values(getattr(report, name)) for name in SHARES}
    return {
        "waits": report.waits,
        "ways": dict(report.ways),
        "short": report.short,
        "shares": shares,
        "charged_s": round(report.charged_s, 2),
        "lengths": {name: length_values(lengths) for name, lengths in report.lengths.items()},
        "histogram": [
            {"from_s": one.from_s, "to_s": None if math.isinf(one.to_s) else one.to_s}
            | {"answered": one.answered, "other": one.other}
            for one in report.histogram
        ],
        "announcements": dict(report.announcements),
        "estimates": _estimate_values(report.estimates),
        "first_estimates": _estimate_values(report.first_estimates),
        "call_backs": {"asked": report.call_backs, "called_back": report.called_back},
        "days": {day.isoformat(): share_values(share) for day, share in report.days.items()},
        "named": {name: list(getattr(report, name)) for name in NAMED},
    }


def _estimate_values(estimates: Estimates) -> dict[str, Any]:
    return {
        "count": estimates.count,
        "mean_error_s": estimates.mean_error_s,
        "bias_s": estimates.bias_s,
        "within_30_percent": estimates.good,
    }
