"""Counts how a campaign's attempts ended. One after the other, in any order; only numbers and ids are kept.

Shares of countries are made of `by_day`: how many attempts of a day ended in which way.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from asterisk_plugin.core.attempt_end import LIVE, AttemptEnd, Outcome
from asterisk_plugin.core.campaign_law import CampaignLimits
from asterisk_plugin.core.campaign_report import DAILY_SHARES, NAMED, CampaignReport, Hour, TimeBin, WorstDay
from asterisk_plugin.core.campaign_windows import RateWindow, windows_of
from asterisk_plugin.core.figures import Share, between, lengths_of, share_of

LOST = frozenset({Outcome.SILENT, Outcome.ABANDONED})
"""Outcomes of calls that a person answered and no agent took in time."""

GIVEN_UP = frozenset({Outcome.NO_ANSWER, Outcome.DROPPED})
"""Outcomes of calls that we ended while it rang. Who is busy or declines has ended it."""

_RING_EDGES_S = (0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, math.inf)
_DELAY_EDGES_S = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 5, 10, math.inf)

# Of what, and of which: the parts of the shares that are taken day by day.
_PARTS: Mapping[str, tuple[frozenset[Outcome], frozenset[Outcome]]] = {
    "abandoned": (frozenset({Outcome.ABANDONED}), LIVE),
    "silent": (frozenset({Outcome.SILENT}), LIVE),
    "lost": (LOST, LIVE),
    "abandoned_of_attempts": (frozenset({Outcome.ABANDONED}), frozenset(Outcome)),
    "lost_of_attempts": (LOST, frozenset(Outcome)),
}


class Tally:
    """Counts ends of attempts.

    Args:
        zone: By whose days and hours.
        limits_on: What the attempts of a day are measured by; asked once for each day.
        first: First day that is counted; None: all before are. As `last`, it tells which windows are whole.
        last: Last day that is counted; None: all after are.
    """

    def __init__(
        self,
        zone: dt.tzinfo,
        limits_on: Callable[[dt.date], CampaignLimits],
        *,
        first: dt.date | None = None,
        last: dt.date | None = None,
    ) -> None:
        self.by_day: dict[dt.date, Counter[Outcome]] = defaultdict(Counter)
        """How attempts ended, by the local day on which they began to dial."""
        self.rings_s: dict[str, list[float]] = {"answered": [], "not answered": []}
        self.delays_s: dict[str, list[float]] = {"from the greeting": [], "from the answer": []}
        """To the agent, from the end of the greeting; from the answer where none was heard or the law counts so."""
        self._zone, self._first, self._last = zone, first, last
        self._limits_on = limits_on
        self._limits: dict[dt.date, CampaignLimits] = {}
        self._by_hour: Counter[tuple[int, Outcome]] = Counter()
        self._unsure: Counter[Outcome] = Counter()
        self._machines: Counter[str] = Counter()
        self._in_time: Counter[bool | None] = Counter()
        self._messages_s: list[float] = []
        self._talks_s: list[float] = []
        self._ids: dict[str, list[str]] = {name: [] for name in NAMED}

    @property
    def attempts(self) -> int:
        """How many were counted."""
        return sum(ended.total() for ended in self.by_day.values())

    @property
    def limits(self) -> CampaignLimits:
        """What the attempts of the last day are measured by."""
        return self._limits[max(self._limits)] if self._limits else CampaignLimits()

    @property
    def windows(self) -> tuple[RateWindow, ...]:
        """Every window of every limit, by limit and day."""
        limits = ((day, limits.rates) for day, limits in self._limits.items())
        return windows_of(self.by_day, limits, zone=self._zone, first=self._first, last=self._last)

    def add(self, end: AttemptEnd) -> None:
        """Count one end."""
        began_at = end.began_at.astimezone(self._zone)
        day = began_at.date()
        if day not in self._limits:
            self._limits[day] = self._limits_on(day)
        self.by_day[day][end.outcome] += 1
        self._by_hour[began_at.hour, end.outcome] += 1
        self._unsure[end.outcome] += not end.is_sure
        if end.outcome is Outcome.MACHINE:
            self._machines[end.heard_why or "not told"] += 1
        self._measure(end, self._limits[day])
        self._judge(end, self._limits[day])

    def _measure(self, end: AttemptEnd, limits: CampaignLimits) -> None:
        if end.ring_s is not None:
            self.rings_s["not answered" if end.answer_s is None else "answered"].append(end.ring_s)
        delay_s = delay_of(end, limits)
        if end.is_live and delay_s is not None:
            from_answer = end.greeting_s is None or limits.agent_from_answer
            self.delays_s["from the answer" if from_answer else "from the greeting"].append(delay_s)
        if end.message_s is not None:
            self._messages_s.append(end.message_s)
        if end.outcome is Outcome.PERSON and end.talk_s is not None:
            self._talks_s.append(end.talk_s)

    def _judge(self, end: AttemptEnd, limits: CampaignLimits) -> None:
        # Asterisk tells of ringing and of its end one after the other: a tenth of a second is what is known.
        ring_s = None if end.ring_s is None else round(end.ring_s, 1)
        in_time = is_in_time(end, limits)
        is_one = {
            "abandoned": end.outcome is Outcome.ABANDONED,
            "silent": end.outcome is Outcome.SILENT,
            "late_agent": in_time is False and end.agent_s is not None,
            "rung_short": ring_s is not None and end.outcome in GIVEN_UP and ring_s < limits.ring_min_s,
            "rung_long": ring_s is not None and ring_s > limits.ring_max_s,
            "unsure": not end.is_sure,
        }
        for name, is_so in is_one.items():
            if is_so:
                self._ids[name].append(end.attempt_id)
        if end.is_live:
            self._in_time[in_time] += 1

    def report(self) -> CampaignReport:
        """What came of all of them."""
        ended = sum(self.by_day.values(), Counter[Outcome]())
        worst = {name: _worst(name, self.by_day) for name in DAILY_SHARES}
        rings, delays = self.rings_s, self.delays_s
        lengths_s = {
            "ringing until the answer": rings["answered"],
            "ringing, not answered": rings["not answered"],
            "greeting to agent": delays["from the greeting"],
            "answer to agent": delays["from the answer"],
            "answer to message": self._messages_s,
            "answer to end, persons": self._talks_s,
        }
        return CampaignReport(
            limits=self.limits,
            attempts=ended.total(),
            answered=_count(ended, LIVE | {Outcome.MACHINE}),
            live=_count(ended, LIVE),
            outcomes={outcome.value: ended[outcome] for outcome in Outcome},
            unsure={outcome.value: count for outcome in Outcome if (count := self._unsure[outcome])},
            shares={name: daily_share(name, ended) for name in DAILY_SHARES}
            | {"agent_in_time": share_of(self._in_time)},
            windows=self.windows,
            worst={name: found for name, found in worst.items() if found is not None},
            days={day: _by_value(self.by_day[day]) for day in sorted(self.by_day)},
            hours=tuple(self._hour(hour) for hour in range(24)),
            lengths={name: lengths_of(seconds) for name, seconds in lengths_s.items()},
            rings=_histogram(rings, _RING_EDGES_S),
            delays=_histogram(delays, _DELAY_EDGES_S),
            messages=len(self._messages_s),
            machines=dict(sorted(self._machines.items())),
            named={name: tuple(sorted(ids)) for name, ids in self._ids.items()},
        )

    def _hour(self, hour: int) -> Hour:
        ended = Counter({outcome: self._by_hour[hour, outcome] for outcome in Outcome})
        return Hour(ended.total(), _count(ended, LIVE), _count(ended, LOST))


def delay_of(end: AttemptEnd, limits: CampaignLimits) -> float | None:
    """Seconds until an agent was there, counted as the law counts them; None: no agent was."""
    return end.agent_s if limits.agent_from_answer else end.delay_s


def is_in_time(end: AttemptEnd, limits: CampaignLimits) -> bool | None:
    """Whether an agent was there soon enough. None: no person answered, or it is not known."""
    if not end.is_live:
        return None
    delay_s = delay_of(end, limits)
    if delay_s is None:
        # Whose agent nobody saw come may have had one in time all the same.
        return None if end.outcome is Outcome.PERSON else False
    return delay_s <= limits.agent_within_s


def daily_share(name: str, ended: Mapping[Outcome, int]) -> Share:
    """One of `DAILY_SHARES`, of attempts that ended so."""
    some, whole = _PARTS[name]
    yes = _count(ended, some)
    return Share(yes, _count(ended, whole) - yes)


def _count(ended: Mapping[Outcome, int], outcomes: frozenset[Outcome]) -> int:
    return sum(count for outcome, count in ended.items() if outcome in outcomes)


def _by_value(ended: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.value: ended[outcome] for outcome in Outcome if ended.get(outcome)}


def _worst(name: str, by_day: Mapping[dt.date, Mapping[Outcome, int]]) -> WorstDay | None:
    days = [WorstDay(day, daily_share(name, by_day[day])) for day in sorted(by_day)]
    return max((one for one in days if one.share.of_known), key=lambda one: one.share.of_known or 0, default=None)


def _histogram(some_s: Mapping[str, Sequence[float]], edges_s: Sequence[float]) -> tuple[TimeBin, ...]:
    return tuple(
        TimeBin(low, high, {name: between(seconds, low, high) for name, seconds in some_s.items()})
        for low, high in pairwise(edges_s)
    )
