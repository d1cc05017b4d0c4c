"""How long somebody who waits in a queue will still wait: the queue is played forward, and the middle outcome counts.

Each of `PATHS` times the members become free, take who stands ahead, talk, wrap up and take the next, with
durations drawn from what this queue did lately. A conversation that has been running is drawn from those that
lasted at least as long; whoever stands ahead may give up. The median of these waits is told: half wait less, half
more, and no other number has a smaller mean absolute error.

Sources: the number waiting and the rate of service predict better than any average of past waits (queue-length
predictor QL, with abandonment QL_m): Whitt, "Predicting queueing delays", Management Science 45(6), 1999;
Ibrahim and Whitt, "Real-time delay estimation in overloaded multiserver queues with abandonments", Management
Science 55(10), 2009, and "Wait-time predictors for customer service systems with time-varying demand and
capacity", Operations Research 59(5), 2011. Durations are drawn from the sample itself (bootstrap: Efron, "Bootstrap
methods", Annals of Statistics 7(1), 1979), because real ones are close to lognormal, not exponential: Brown et al.,
"Statistical analysis of a telephone call center", JASA 100(469), 2005. Patience has a constant rate,
abandonments by time waited, the maximum-likelihood estimate under censoring (same place). The draws of one step
are spread evenly over the paths (Latin hypercube: McKay, Beckman, Conover, Technometrics 21(2), 1979).
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from bisect import bisect_right
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import chain, cycle, islice

from asterisk_plugin.core.queue_state import Member, QueueState

PATHS = 100
"""Futures that are played, an even number: the median of so few is within a quarter of the spread of the true one."""

_COLUMNS = 256
"""Steps before their draws repeat."""

_SUPPOSED = (0.10, 0.36, 0.70, 1.22, 2.62)
"""Five quantiles of the exponential distribution with mean 1: added to the conversations seen, so that a history
of one is not taken for a law."""

_ABSENCE_CALLS = 200
"""Absences are counted over so many conversations."""


@dataclass(frozen=True, slots=True)
class WaitEstimate:
    """How long the wait still is.

    Args:
        wait_s: Median: as likely more as less.
        low_s: One of ten waits less.
        high_s: One of ten waits more.
    """

    wait_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class _Durations:
    """What is drawn from, ascending (but for `cycles`); only `pauses` and `log_offs` may be empty.

    Args:
        talks: Conversations.
        turnarounds: From the end of one to the next answer.
        pickups: Ringing alone.
        pauses: Pauses.
        log_offs: Times logged off.
        absence_share: Share of conversations after which one follows.
        cycles: From answer to answer: talk, maybe an absence, turnaround.
        abandon_per_s: Rate at which one who waits gives up.
    """

    talks: tuple[float, ...]
    turnarounds: tuple[float, ...]
    pickups: tuple[float, ...]
    pauses: tuple[float, ...]
    log_offs: tuple[float, ...]
    absence_share: float
    cycles: tuple[float, ...]
    abandon_per_s: float


def estimate_wait(queue: QueueState, position: int, now: dt.datetime) -> WaitEstimate | None:
    """How long somebody at a position will still wait, if they do not give up.

    Args:
        queue: The queue as it is now.
        position: 1 is next; one more than wait is somebody who is about to join.
        now: The moment (aware).

    Returns:
        The estimate, or None when it cannot be said yet: no conversation has ended so far, or nobody is there to
        answer. A member who has been paused or logged off for longer than anybody was so far does not count.
    """
    durations = _durations(queue, now)
    if durations is None or all(one.away_since is not None for one in queue.members.values()):
        return None
    firsts = _first_answers(queue, durations, now)
    if not firsts:
        return None
    futures = [list(moments) for moments in zip(*firsts, strict=True)]
    for moments in futures:
        heapify(moments)
    ahead = islice(zip(cycle(_columns(2)), cycle(_patience()), strict=False), position - 1)
    for column, patience in ahead:
        for moments, taken_s, patience_ in zip(futures, _drawn(durations.cycles, column), patience, strict=True):
            if patience_ > moments[0] * durations.abandon_per_s:  # has not given up before
                heapreplace(moments, moments[0] + taken_s)
    waits = sorted(moments[0] for moments in futures)
    return WaitEstimate(
        wait_s=(waits[PATHS // 2 - 1] + waits[PATHS // 2]) / 2,
        low_s=waits[PATHS // 10],
        high_s=waits[-1 - PATHS // 10],
    )


def _durations(queue: QueueState, now: dt.datetime) -> _Durations | None:
    """What this queue did lately; None when no conversation has ended."""
    history = queue.history
    if history.talks_s:
        running_s = math.fsum(_elapsed_s(one.busy_since, now) for one in queue.members.values() if one.busy_since)
        # Conversations still running count with what they lasted so far (censoring), or the first ones of the
        # day, which are the short ones, would be taken for all.
        mean_s = (math.fsum(history.talks_s) + running_s) / len(history.talks_s)
    elif history.prior_talk_s > 0:
        mean_s = history.prior_talk_s
    else:
        return None
    talks = tuple(sorted((*history.talks_s, *(mean_s * part for part in _SUPPOSED))))
    turnarounds = tuple(sorted(history.turnarounds_s or history.pickups_s)) or (0.0,)
    pauses = tuple(sorted(one.off_s for one in history.absences if not one.logged_off))
    log_offs = tuple(sorted(one.off_s for one in history.absences if one.logged_off))
    recent = sum(one.served > history.served - _ABSENCE_CALLS for one in history.absences)
    absence_share = min(1.0, recent / max(1, min(history.served, _ABSENCE_CALLS)))
    held_s = math.fsum(one.held_s for one in history.held)
    return _Durations(
        talks=talks,
        turnarounds=turnarounds,
        pickups=tuple(sorted(history.pickups_s)) or turnarounds,
        pauses=pauses,
        log_offs=log_offs,
        absence_share=absence_share,
        cycles=_cycles(talks, turnarounds, pauses + log_offs, absence_share),
        abandon_per_s=sum(one.abandoned for one in history.held) / held_s if held_s else 0.0,
    )


def _cycles(
    talks: tuple[float, ...], turnarounds: tuple[float, ...], absences: tuple[float, ...], share: float
) -> tuple[float, ...]:
    """From one answer of a member to the next, while somebody waits: one for every conversation seen."""
    draw = cycle(chain.from_iterable(_columns(3))).__next__
    return tuple(
        talk
        + turnarounds[int(draw() * len(turnarounds))]
        + (absences[int(draw() * len(absences))] if absences and draw() < share else 0.0)
        for talk in talks
    )


def _first_answers(queue: QueueState, durations: _Durations, now: dt.datetime) -> list[list[float]]:
    """For each member who is there or will be back: seconds until they take a call, in every future.

    The order of members does not hang on the order of events, so neither does the estimate.
    """
    columns = cycle(_columns(1))
    firsts, ringing = [], 0
    for member in sorted(queue.members.values(), key=_order):
        if member.busy_since is not None:
            share, absences = durations.absence_share, durations.pauses + durations.log_offs
            if member.paused_since is not None:  # set in the conversation, for after it
                share, absences = 1.0, durations.pauses
                if not absences:
                    continue
            first = _rest(durations.talks, _elapsed_s(member.busy_since, now), next(columns))
            first = _added(first, _drawn(durations.turnarounds, next(columns)))
            if share and absences:
                off = _drawn(absences, next(columns))
                first = [a + (b if u < share else 0.0) for a, b, u in zip(first, off, next(columns), strict=True)]
        elif member.off_since is not None:
            off_s = _elapsed_s(member.off_since, now)
            absences = durations.pauses if member.away_since is None else durations.log_offs
            if not absences or absences[-1] <= off_s:
                continue
            first = _rest(absences, off_s, next(columns))
            first = _added(first, _drawn(durations.pickups, next(columns)))
        else:
            # The members free longest ring for those who wait longest; the others have nobody to ring for.
            joined_at = queue.waiting[ringing].joined_at if ringing < len(queue.waiting) else now
            ringing += 1
            samples = durations.turnarounds if joined_at <= member.ready_since else durations.pickups
            first = _rest(samples, _elapsed_s(max(joined_at, member.ready_since), now), next(columns))
        firsts.append(first)
    return firsts


def _rest(samples: tuple[float, ...], elapsed_s: float, column: tuple[float, ...]) -> list[float]:
    """What is left, in every future, of something that has lasted so long: drawn from the samples that lasted longer.

    Something that has outlasted every sample begins anew.
    """
    longer = samples[bisect_right(samples, elapsed_s) :]
    return [one - elapsed_s for one in _drawn(longer, column)] if longer else _drawn(samples, column)


def _drawn(samples: tuple[float, ...], column: tuple[float, ...]) -> list[float]:
    """One sample for every future."""
    count = len(samples)
    return [samples[int(part * count)] for part in column]


def _added(first: list[float], second: list[float]) -> list[float]:
    return [a + b for a, b in zip(first, second, strict=True)]


def _order(member: Member) -> tuple[dt.datetime, ...]:
    since = member.ready_since
    return (since, member.busy_since or since, member.paused_since or since, member.away_since or since)


def _elapsed_s(since: dt.datetime | None, now: dt.datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


@functools.cache
def _columns(seed: int) -> tuple[tuple[float, ...], ...]:
    """Fixed draws between 0 and 1, one for every future in each column: every hundredth once, in shuffled order."""
    state, columns = seed * 0x9E3779B97F4A7C15, []
    for _ in range(_COLUMNS):
        column = [(path + 0.5) / PATHS for path in range(PATHS)]
        for last in range(PATHS - 1, 0, -1):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64  # Knuth's MMIX generator
            other = (state >> 33) % (last + 1)
            column[last], column[other] = column[other], column[last]
        columns.append(tuple(column))
    return tuple(columns)


@functools.cache
def _patience() -> tuple[tuple[float, ...], ...]:
    """How long one who waits stays, in units of the mean, in every future."""
    return tuple(tuple(-math.log(part) for part in column) for column in _columns(4))
