"""Counts waits into a report. One after the other, in any order; only numbers are kept.

How abandoned calls count: an answer in time is asked of every call (`in_time`), so whoever hung up, asked to be
called back or left by a key was not answered in time, however soon. `in_time_of_patient` leaves out those who
left before an answer would have been late.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.figures import between, lengths_of, share_of
from asterisk_plugin.core.queue_report import GOOD_ESTIMATE, NAMED, SHARES, Bin, Estimates, Report
from asterisk_plugin.core.queue_wait import Judged, Limits, Wait, has_ended, judge, length_s, waited_at_s
from asterisk_plugin.core.waiting import Left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asterisk_plugin.core.figures import Share

_EDGES_S = (0, 15, 30, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800, math.inf)


class Tally:
    """Counts waits; `limits` is what they are measured by."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.lengths_s: dict[Left, list[float]] = defaultdict(list)
        """Seconds, by how the wait ended."""
        self.by_hour: dict[dt.datetime, Counter[bool | None]] = defaultdict(Counter)
        """Answered in time, by the hour (UTC) in which the wait began."""
        self.estimates_s: list[tuple[float, float]] = []
        """(told, then waited) pairs of answered calls."""
        self._first_estimates_s: list[tuple[float, float]] = []
        self._ways: Counter[str] = Counter()
        self._shares: dict[str, Counter[bool | None]] = {name: Counter() for name in SHARES}
        self._announcements = Counter({"all": 0, "known": 0, "cut": 0})
        self._ids: dict[str, list[str]] = {name: [] for name in NAMED}
        self._call_backs: Counter[bool | None] = Counter()
        self._charged_s: list[float] = []
        self._short = 0

    def add(self, wait: Wait, judged: Judged | None = None) -> Judged:
        """Count one wait; returns what is to be said of it alone.

        Args:
            wait: The wait.
            judged: What another tally with the same limits said of it; None to judge it.
        """
        judged = judged or judge(wait, self.limits)
        self._count(wait, judged)
        self._name(wait, judged)
        self._count_announcements(wait)
        if wait.how is Left.ANSWERED:
            self._compare(wait)
        return judged

    def report(self) -> Report:
        """What came of all of them."""
        lengths = {
            "all": [seconds for some in self.lengths_s.values() for seconds in some],
            "answered": self.lengths_s.get(Left.ANSWERED, []),
            "abandoned": self.lengths_s.get(Left.ABANDONED, []),
        }
        by_name: dict[str, Any] = {name: share_of(counted) for name, counted in self._shares.items()}
        by_name |= {name: tuple(sorted(ids)) for name, ids in self._ids.items()}
        return Report(
            limits=self.limits,
            waits=self._ways.total(),
            ways=dict(sorted(self._ways.items())),
            charged_s=math.fsum(self._charged_s),
            short=self._short,
            lengths={name: lengths_of(seconds) for name, seconds in lengths.items()},
            histogram=_histogram(self.lengths_s),
            announcements=dict(self._announcements),
            estimates=_estimates(self.estimates_s),
            first_estimates=_estimates(self._first_estimates_s),
            call_backs=self._call_backs.total(),
            called_back=self._call_backs[True],
            days=_days(self.by_hour),
            **by_name,
        )

    def _count(self, wait: Wait, judged: Judged) -> None:
        way = "not-begun" if wait.joined_at is None else "open" if wait.how is None else wait.how.value
        self._ways[way] += 1
        self._short += judged.is_short
        shares = self._shares
        shares["in_time"][judged.in_time] += 1
        if not judged.left_before_limit:
            shares["in_time_of_patient"][judged.in_time] += 1
        if not judged.is_short:
            shares["told_at_start"][judged.told_at_start] += 1
            shares["told_throughout"][judged.told_throughout] += 1
        shares["abandoned"][wait.how is Left.ABANDONED if has_ended(wait) else None] += 1
        shares["free"][judged.free] += 1
        if judged.charged_s:
            self._charged_s.append(judged.charged_s)
        seconds = length_s(wait)
        if seconds is not None and wait.how is not None:
            self.lengths_s[wait.how].append(seconds)
        if wait.joined_at is not None:
            hour = wait.joined_at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
            self.by_hour[hour][judged.in_time] += 1

    def _name(self, wait: Wait, judged: Judged) -> None:
        is_one = {
            "late_told": judged.told_at_start is False,
            "not_told": judged.told_throughout is False,
            "charged": judged.free is False,
            "unknown": wait.how is Left.UNKNOWN,
            "open": wait.how is None and wait.joined_at is not None,
            "not_begun": wait.joined_at is None,
        }
        for name, is_so in is_one.items():
            if is_so:
                self._ids[name].append(wait.id)
        if wait.how is Left.CALL_BACK:
            self._call_backs[wait.called_back] += 1

    def _count_announcements(self, wait: Wait) -> None:
        for told in wait.told:
            if told.said:
                self._announcements["all"] += 1
                self._announcements["known"] += told.estimate_s is not None
                self._announcements["cut"] += not told.is_whole

    def _compare(self, wait: Wait) -> None:
        """Note what was told of an answered call, and how long it took from then on."""
        end_s = length_s(wait)
        if end_s is None:
            return
        pairs = [
            (at_s, told.estimate_s, end_s - at_s)
            for told in wait.told
            if told.said and told.estimate_s is not None and (at_s := waited_at_s(wait, told)) is not None
            if at_s <= end_s
        ]
        for place, (_, estimate_s, real_s) in enumerate(sorted(pairs)):
            self.estimates_s.append((estimate_s, real_s))
            if place == 0:
                self._first_estimates_s.append((estimate_s, real_s))


def report_of(waits: Iterable[Wait], limits: Limits | None = None) -> Report:
    """A report of waits that are at hand."""
    tally = Tally(limits)
    for wait in waits:
        tally.add(wait)
    return tally.report()


def _histogram(lengths_s: Mapping[Left, Sequence[float]]) -> tuple[Bin, ...]:
    answered = sorted(lengths_s.get(Left.ANSWERED, ()))
    other = sorted(seconds for how, some in lengths_s.items() if how is not Left.ANSWERED for seconds in some)
    return tuple(
        Bin(low, high, between(answered, low, high), between(other, low, high)) for low, high in pairwise(_EDGES_S)
    )


def _estimates(pairs: Sequence[tuple[float, float]]) -> Estimates:
    if not pairs:
        return Estimates(0, None, None, None)
    errors = [(told_s - real_s, real_s) for told_s, real_s in pairs]
    good = sum(abs(error_s) <= GOOD_ESTIMATE * real_s for error_s, real_s in errors)
    mean_error_s = math.fsum(abs(error_s) for error_s, _ in errors) / len(errors)
    bias_s = math.fsum(error_s for error_s, _ in errors) / len(errors)
    return Estimates(len(errors), mean_error_s, bias_s, good / len(errors))


def _days(by_hour: Mapping[dt.datetime, Counter[bool | None]]) -> dict[dt.date, Share]:
    days: dict[dt.date, Counter[bool | None]] = defaultdict(Counter)
    for hour, counted in by_hour.items():
        days[hour.date()] += counted
    return {day: share_of(days[day]) for day in sorted(days)}
