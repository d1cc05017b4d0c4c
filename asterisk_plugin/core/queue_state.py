"""One queue at a moment, and what it did lately: a value that `step` carries from event to event.

Rule 1: no clock. Every moment is handed in; events of one moment may come in any order.
Rule 2: nothing is guessed here. What an event does not tell stays as it was; `Snapshot` sets right what was missed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from asterisk_plugin.core.queue_events import (
    Abandoned,
    Completed,
    Connected,
    DeviceState,
    Joined,
    Left,
    MemberGone,
    MemberSeen,
    QueueEvent,
    Snapshot,
)

KEPT = 500
"""So many last samples of each kind are kept: a mean of them is within some 5 % (service times that vary like
exponential ones); with ten agents they are the last three hours."""

LONGEST_ABSENCE_S = 7200.0
"""Whoever is away for longer has gone home: no sample of how long a break takes."""

_BUSY = frozenset({DeviceState.IN_USE, DeviceState.BUSY, DeviceState.RING_IN_USE, DeviceState.ON_HOLD})
_OUT = frozenset({DeviceState.INVALID, DeviceState.UNAVAILABLE})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One who waits.

    Args:
        caller: Unique id of the channel.
        joined_at: Since when.
        position: Position when first seen; only decides between two of the same moment.
    """

    caller: str
    joined_at: dt.datetime
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    """One who answers.

    Args:
        ready_since: End of the last conversation or absence, or the log-in: whichever was last.
        busy_since: Begin of the conversation; None while there is none.
        paused_since: Begin of the pause; None while there is none. A member may be paused and still talk.
        away_since: Logged off, or the telephone not registered, since then; None while logged in. Who logged off is
            remembered, because most come back.
    """

    ready_since: dt.datetime
    busy_since: dt.datetime | None = None
    paused_since: dt.datetime | None = None
    away_since: dt.datetime | None = None

    @property
    def off_since(self) -> dt.datetime | None:
        """Begin of the absence: pause or log-off, after the conversation; None while there or still talking."""
        begins = [moment for moment in (self.paused_since, self.away_since) if moment is not None]
        if not begins or self.busy_since is not None:
            return None
        return max(min(begins), self.ready_since)


@dataclass(frozen=True, slots=True)
class Absence:
    """A pause, or time logged off, that ended.

    Args:
        off_s: How long it kept the member from answering, `LONGEST_ABSENCE_S` at most.
        served: How many conversations the queue had ended by then.
        logged_off: It ended with a log-in; otherwise it was a mere pause.
    """

    off_s: float
    served: int
    logged_off: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """How one wait ended.

    Args:
        held_s: How long it was.
        abandoned: It ended without a member.
    """

    held_s: float
    abandoned: bool


@dataclass(frozen=True, slots=True)
class QueueHistory:
    """What happened lately, the last `KEPT` of each kind, oldest first.

    Args:
        talks_s: Durations of conversations.
        turnarounds_s: From the end of a conversation (or absence, or from the log-in) to the next answer, while
            somebody waited all the time: wrap-up, ringing, unanswered ringing.
        pickups_s: From joining to the answer, where the member had been free before: ringing alone.
        absences: Pauses and times logged off that ended.
        held: Waits that ended.
        served: Conversations that ended since the history began.
        prior_talk_s: Asterisk's own mean, from `Snapshot`: used while `talks_s` is empty; 0 when it has none.
    """

    talks_s: tuple[float, ...] = ()
    turnarounds_s: tuple[float, ...] = ()
    pickups_s: tuple[float, ...] = ()
    absences: tuple[Absence, ...] = ()
    held: tuple[Held, ...] = ()
    served: int = 0
    prior_talk_s: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue: who waits, in the order of the queue; who answers; what happened lately."""

    waiting: tuple[Waiting, ...] = ()
    members: Mapping[str, Member] = field(default_factory=dict)
    history: QueueHistory = QueueHistory()

    def position_of(self, caller: str) -> int | None:
        """Position of one who waits, 1 is next; None for somebody who does not."""
        return next((at for at, one in enumerate(self.waiting, 1) if one.caller == caller), None)


def step(queue: QueueState, event: QueueEvent, at: dt.datetime) -> QueueState:
    """The queue after an event.

    Args:
        queue: The queue before it.
        event: What AMI told about this queue.
        at: When it arrived (aware), not before the event given last.
    """
    match event:
        case Joined():
            return replace(queue, waiting=_joined(queue.waiting, event, at))
        case Left(caller):
            return replace(queue, waiting=tuple(one for one in queue.waiting if one.caller != caller))
        case Abandoned(_, held_s):
            history = queue.history
            return replace(queue, history=replace(history, held=_kept(history.held, Held(held_s, abandoned=True))))
        case MemberSeen():
            return _seen(queue, event, at)
        case MemberGone(name):
            return _gone(queue, name, at)
        case Connected():
            return _connected(queue, event, at)
        case Completed():
            return _completed(queue, event, at)
        case Snapshot():
            return _synchronised(queue, event, at)


def _joined(waiting: tuple[Waiting, ...], event: Joined, at: dt.datetime) -> tuple[Waiting, ...]:
    """The queue with one more, in place.

    The place is counted from the end: how many stand behind (nobody, but for a priority) does not change when
    somebody ahead leaves at the same moment.
    """
    others = [one for one in waiting if one.caller != event.caller]
    place = max(0, len(others) - max(0, event.count - event.position))
    while place and others[place - 1].joined_at == at and others[place - 1].position > event.position:
        place -= 1
    others.insert(place, Waiting(event.caller, at, event.position))
    return tuple(others)


def _seen(queue: QueueState, event: MemberSeen, at: dt.datetime) -> QueueState:
    """A member's state as told; what began earlier keeps its beginning."""
    old = queue.members.get(event.member)
    busy, away = event.in_call or event.state in _BUSY, event.state in _OUT
    if old is None:
        known = [moment for moment in (event.last_call_at, event.logged_in_at) if moment is not None]
        new = Member(
            ready_since=min(at, max(known)) if known else at,
            busy_since=at if busy else None,
            paused_since=min(at, event.last_pause_at or at) if event.paused else None,
            away_since=at if away else None,
        )
        return replace(queue, members={**queue.members, event.member: new})
    ended = (
        (old.busy_since is not None and not busy)
        or (old.paused_since is not None and not event.paused)
        or (old.away_since is not None and not away)
    )
    new = Member(
        ready_since=at if ended else old.ready_since,
        busy_since=(old.busy_since or at) if busy else None,
        paused_since=(old.paused_since or at) if event.paused else None,
        away_since=(old.away_since or at) if away else None,
    )
    history = queue.history
    if old.off_since is not None and not (event.paused or away):
        absence = Absence((at - old.off_since).total_seconds(), history.served, old.away_since is not None)
        if absence.off_s <= LONGEST_ABSENCE_S:
            history = replace(history, absences=_kept(history.absences, absence))
    return replace(queue, members={**queue.members, event.member: new}, history=history)


def _gone(queue: QueueState, name: str, at: dt.datetime) -> QueueState:
    """Who logged off is away; who has been for longer than any break is forgotten."""
    members = {
        key: one
        for key, one in queue.members.items()
        if one.away_since is None or (at - one.away_since).total_seconds() <= LONGEST_ABSENCE_S
    }
    if name in members:
        old = members[name]
        members[name] = replace(old, busy_since=None, away_since=old.away_since or at)
    return replace(queue, members=members)


def _connected(queue: QueueState, event: Connected, at: dt.datetime) -> QueueState:
    """A conversation began: how long the member took to it is a sample."""
    history = queue.history
    history = replace(history, held=_kept(history.held, Held(event.held_s, abandoned=False)))
    old = queue.members.get(event.member)
    if old is not None:
        joined_at = at - dt.timedelta(seconds=event.held_s)
        if joined_at <= old.ready_since:
            taken_s = (at - old.ready_since).total_seconds()
            history = replace(history, turnarounds_s=_kept(history.turnarounds_s, taken_s))
        else:
            history = replace(history, pickups_s=_kept(history.pickups_s, event.held_s))
    new = replace(old or Member(at), busy_since=at)
    return replace(queue, members={**queue.members, event.member: new}, history=history)


def _completed(queue: QueueState, event: Completed, at: dt.datetime) -> QueueState:
    """A conversation ended."""
    history = queue.history
    history = replace(history, talks_s=_kept(history.talks_s, event.talked_s), served=history.served + 1)
    old = queue.members.get(event.member)
    if old is None:
        return replace(queue, history=history)
    new = replace(old, busy_since=None, ready_since=at)
    return replace(queue, members={**queue.members, event.member: new}, history=history)


def _synchronised(queue: QueueState, event: Snapshot, at: dt.datetime) -> QueueState:
    """What Asterisk says stands now; whoever was known keeps what is known about them."""
    known = {one.caller: one for one in queue.waiting}
    waiting = tuple(
        known.get(one.caller) or Waiting(one.caller, at - dt.timedelta(seconds=one.waited_s), one.position)
        for one in sorted(event.waiting, key=lambda one: one.position)
    )
    prior_talk_s = event.mean_talk_s if event.completed else 0.0
    queue = replace(queue, waiting=waiting, history=replace(queue.history, prior_talk_s=prior_talk_s))
    for name in queue.members.keys() - {one.member for one in event.members}:
        queue = _gone(queue, name, at)
    for member in event.members:
        queue = _seen(queue, member, at)
    return queue


def _kept(samples: tuple[_T, ...], sample: _T) -> tuple[_T, ...]:
    return (*samples, sample)[-KEPT:]
