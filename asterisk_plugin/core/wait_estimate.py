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
from itertools import chain, cycle

from asterisk_plugin.core.queue_state import Member, QueueState

PATHS = 64
"""Futures that are played, an even number: the median of so few is within a quarter of the spread of the true one."""

_STEPS = 256
"""Draws of a path before they repeat."""

_SUPPOSED = (0.10, 0.36, 0.70, 1.22, 2.62)
"""Five quantiles of the exponential distribution with mean 1: added to the conversations seen, so that a history
of one is not taken for a law."""

_PAUSE_CALLS = 200
"""Pauses are counted over so many conversations."""


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
    """What is drawn from, each ascending and not empty, but for `pauses`."""

    talks: tuple[float, ...]
    cycles: tuple[float, ...]
    turnarounds: tuple[float, ...]
    pickups: tuple[float, ...]
    pauses: tuple[float, ...]
    pause_share: float
    abandon_per_s: float


@dataclass(frozen=True, slots=True)
class _First:
    """When a member takes the next call: a draw from `samples` less `elapsed_s`, and what follows it."""

    samples: tuple[float, ...]
    elapsed_s: float
    then_turnaround: bool
    pause_share: float


def estimate_wait(queue: QueueState, position: int, now: dt.datetime) -> WaitEstimate | None:
    """How long somebody at a position will still wait, if they do not give up.

    Args:
        queue: The queue as it is now.
        position: 1 is next; one more than wait is somebody who is about to join.
        now: The moment (aware).

    Returns:
        The estimate, or None when it cannot be said yet: no conversation has ended so far, or nobody is there to
        answer. A member who is paused for longer than any pause seen so far does not count as there.
    """
    durations = _durations(queue, now)
    if durations is None:
        return None
    firsts = _firsts(queue, durations, now)
    if not firsts:
        return None
    waits = sorted(_play(firsts, durations, position, uniform) for uniform in _uniforms())
    return WaitEstimate(
        wait_s=(waits[PATHS // 2 - 1] + waits[PATHS // 2]) / 2,
        low_s=waits[PATHS // 10],
        high_s=waits[-1 - PATHS // 10],
    )


def _play(firsts: list[_First], durations: _Durations, position: int, uniform: tuple[float, ...]) -> float:
    """One future: seconds until a member takes whoever stands at `position`."""
    draw = cycle(uniform).__next__
    cycles, turnarounds, pauses, rate = (
        durations.cycles,
        durations.turnarounds,
        durations.pauses,
        durations.abandon_per_s,
    )
    count, turns = len(cycles), len(turnarounds)
    free_at = []
    for first in firsts:
        at = first.samples[int(draw() * len(first.samples))] - first.elapsed_s
        if first.then_turnaround:
            at += turnarounds[int(draw() * turns)]
        if first.pause_share and draw() < first.pause_share:
            at += pauses[int(draw() * len(pauses))]
        free_at.append(at)
    heapify(free_at)
    for _ in range(position - 1):
        at = free_at[0]
        if rate and -math.log(draw()) < at * rate:
            continue  # gave up before
        heapreplace(free_at, at + cycles[int(draw() * count)])
    return free_at[0]


def _cycles(
    talks: tuple[float, ...], turnarounds: tuple[float, ...], pauses: tuple[float, ...], share: float
) -> tuple[float, ...]:
    """From one answer of a member to the next, while somebody waits: one for every conversation seen."""
    draw = cycle(chain.from_iterable(_uniforms())).__next__
    return tuple(
        talk
        + turnarounds[int(draw() * len(turnarounds))]
        + (pauses[int(draw() * len(pauses))] if pauses and draw() < share else 0.0)
        for talk in talks
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
    turnarounds = tuple(sorted(history.turnarounds_s or history.pickups_s)) or (0.0,)
    talks = tuple(sorted((*history.talks_s, *(mean_s * part for part in _SUPPOSED))))
    pauses = tuple(sorted(one.off_s for one in history.pauses))
    recent = sum(one.served > history.served - _PAUSE_CALLS for one in history.pauses)
    pause_share = min(1.0, recent / max(1, min(history.served, _PAUSE_CALLS)))
    held_s = math.fsum(one.held_s for one in history.held)
    return _Durations(
        talks=talks,
        cycles=_cycles(talks, turnarounds, pauses, pause_share),
        turnarounds=turnarounds,
        pickups=tuple(sorted(history.pickups_s)) or turnarounds,
        pauses=pauses,
        pause_share=pause_share,
        abandon_per_s=sum(one.abandoned for one in history.held) / held_s if held_s else 0.0,
    )


def _firsts(queue: QueueState, durations: _Durations, now: dt.datetime) -> list[_First]:
    """When each member takes the next call, in an order that does not hang on the order of events."""
    firsts = []
    reachable = sorted((one for one in queue.members.values() if one.reachable), key=_order)
    free = 0
    for member in reachable:
        if member.busy_since is not None:
            share = durations.pause_share if member.paused_since is None else float(bool(durations.pauses))
            samples, elapsed_s = _longer(durations.talks, _elapsed_s(member.busy_since, now)) or (durations.talks, 0.0)
            firsts.append(_First(samples, elapsed_s, then_turnaround=True, pause_share=share))
        elif member.off_since is not None:
            still = _longer(durations.pauses, _elapsed_s(member.off_since, now))
            if still:
                firsts.append(_First(*still, then_turnaround=True, pause_share=0.0))
        else:
            # The members free longest ring for those who wait longest; the others have nobody to ring for.
            joined_at = queue.waiting[free].joined_at if free < len(queue.waiting) else now
            free += 1
            samples = durations.turnarounds if joined_at <= member.ready_since else durations.pickups
            elapsed_s = _elapsed_s(max(joined_at, member.ready_since), now)
            firsts.append(
                _First(*(_longer(samples, elapsed_s) or (samples, 0.0)), then_turnaround=False, pause_share=0.0)
            )
    return firsts


def _longer(samples: tuple[float, ...], elapsed_s: float) -> tuple[tuple[float, ...], float] | None:
    """The samples that are longer than what has passed, and what has passed; None when there is none."""
    longer = samples[bisect_right(samples, elapsed_s) :]
    return (longer, elapsed_s) if longer else None


def _order(member: Member) -> tuple[dt.datetime, ...]:
    return (member.ready_since, member.busy_since or member.ready_since, member.paused_since or member.ready_since)


def _elapsed_s(since: dt.datetime | None, now: dt.datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


@functools.cache
def _uniforms() -> tuple[tuple[float, ...], ...]:
    """Fixed draws between 0 and 1 for every path: each step takes every 64th part once, in shuffled order."""
    state = 20261121
    columns = []
    for _ in range(_STEPS):
        column = [(path + 0.5) / PATHS for path in range(PATHS)]
        for last in range(PATHS - 1, 0, -1):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64  # Knuth's MMIX generator
            other = (state >> 33) % (last + 1)
            column[last], column[other] = column[other], column[last]
        columns.append(column)
    return tuple(zip(*columns, strict=True))
