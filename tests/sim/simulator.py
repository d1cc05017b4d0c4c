"""A queue of Asterisk in discrete events: it tells what AMI would tell, and knows what only the future knows.

What is like app_queue: whoever waits longest is rung for first, at the member free longest; an unanswered ring
ends after a time-out and is tried again after `retry`; several are rung for at once (`autofill`). `HoldTime`,
`TalkTime` and the moving average are whole seconds.

Truth for somebody who gives up is the wait they would have had: until the first answer that a later one got, or
the first member with nobody to answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

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
)
from tests.sim.families import Family, arrivals, lognormal

DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EVERY_S = 60.0
"""Whoever waits is told again after so long."""


@dataclass(eq=False)
class Person:
    """One who calls; `served_at` is the truth, also for those who gave up."""

    number: int
    joined_at: float
    rung: bool = False
    retry_at: float = 0.0
    served_at: float | None = None

    @property
    def caller(self) -> str:
        return str(self.number)


@dataclass(eq=False)
class Agent:
    """One member."""

    name: str
    here: bool = True
    leaving: bool = False
    paused: bool = False
    ringing: bool = False
    talking: bool = False
    ready_at: float = 0.0
    ring: int = 0

    def is_free(self, now_s: float) -> bool:
        return self.here and not (self.paused or self.ringing or self.talking) and self.ready_at <= now_s


@dataclass
class Simulation:
    """One trace.

    Args:
        tell: Gets every event of AMI and its moment.
        announce: Called when somebody is to be told; answers whether to tell them again.
    """

    family: Family
    size: int
    load: str
    people: int
    rng: Random
    tell: Callable[[QueueEvent, dt.datetime], None]
    announce: Callable[[Simulation, Person], bool]
    now_s: float = 0.0
    holdtime: int = 0
    holds: list[float] = field(default_factory=list)
    waiting: list[Person] = field(default_factory=list)
    gone: list[Person] = field(default_factory=list)
    arrived: int = 0

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._numbers = count()
        self.agents = [Agent(f"PJSIP/agent-{number}") for number in range(self.size)]

    def run(self) -> None:
        """Until everybody who came was served or gave up."""
        for agent in self.agents:
            self._seen(agent)
            if self.family.shift_s:
                self._at(self.rng.uniform(0.2, 1.5) * self.family.shift_s, lambda agent=agent: self._shift_ends(agent))
        coming = arrivals(self.family, self.size, self.load, self.rng)
        self._next_arrival(coming)
        while self._events:
            self.now_s, _, act = heappop(self._events)
            act()
            if self.arrived >= self.people and not self.waiting and not self.gone:
                break

    def free_agents(self) -> int:
        return sum(agent.is_free(self.now_s) for agent in self.agents)

    def _at(self, moment_s: float, act: Callable[[], None]) -> None:
        heappush(self._events, (moment_s, next(self._order), act))

    def _tell(self, event: QueueEvent) -> None:
        self.tell(event, DAY + dt.timedelta(seconds=self.now_s))

    def _seen(self, agent: Agent) -> None:
        state = (
            DeviceState.IN_USE if agent.talking else DeviceState.RINGING if agent.ringing else DeviceState.NOT_IN_USE
        )
        self._tell(MemberSeen(agent.name, state, paused=agent.paused, in_call=agent.talking))

    def _next_arrival(self, coming: Iterator[float]) -> None:
        if self.arrived < self.people:
            self._at(next(coming), lambda: self._arrive(coming))

    def _arrive(self, coming: Iterator[float]) -> None:
        self.arrived += 1
        self._next_arrival(coming)
        person = Person(next(self._numbers), self.now_s)
        self.waiting.append(person)
        self._tell(Joined(person.caller, len(self.waiting), len(self.waiting)))
        self._announce(person)
        if self.family.patience_s:
            patience_s = self.rng.expovariate(1 / self.family.patience_s)
            self._at(self.now_s + patience_s, lambda: self._give_up(person))
        self._dispatch()

    def _announce(self, person: Person) -> None:
        if person in self.waiting and self.announce(self, person):
            self._at(self.now_s + EVERY_S, lambda: self._announce(person))

    def _give_up(self, person: Person) -> None:
        if person not in self.waiting:
            return
        self.waiting.remove(person)
        self.gone.append(person)
        self._tell(Abandoned(person.caller, int(self.now_s - person.joined_at)))
        self._tell(Left(person.caller))
        self._dispatch()

    def _dispatch(self) -> None:
        free = sorted((one for one in self.agents if one.is_free(self.now_s)), key=lambda one: one.ready_at)
        for person in self.waiting:
            if not free:
                return
            if not person.rung and person.retry_at <= self.now_s:
                self._ring(person, free.pop(0))
        if free and all(one.rung for one in self.waiting):
            for person in self.gone:
                person.served_at = self.now_s + self.family.ring_s
            self.gone.clear()

    def _ring(self, person: Person, agent: Agent) -> None:
        person.rung = agent.ringing = True
        agent.ring += 1
        family, ring = self.family, agent.ring
        if family.unanswered and self.rng.random() < family.unanswered:
            self._seen(agent)
            self._at(self.now_s + family.ring_timeout_s, lambda: self._unanswered(person, agent, ring))
        elif family.ring_s:
            self._seen(agent)
            self._at(self.now_s + lognormal(self.rng, family.ring_s, 0.5), lambda: self._answer(person, agent, ring))
        else:
            self._answer(person, agent, ring)

    def _stop_ringing(self, person: Person, agent: Agent) -> None:
        agent.ringing = person.rung = False
        self._seen(agent)

    def _unanswered(self, person: Person, agent: Agent, ring: int) -> None:
        if agent.ring != ring:
            return
        self._stop_ringing(person, agent)
        person.retry_at = self.now_s + self.family.retry_s
        self._at(person.retry_at, self._dispatch)
        self._dispatch()

    def _answer(self, person: Person, agent: Agent, ring: int) -> None:
        if agent.ring != ring:
            return
        if person not in self.waiting:  # gave up while it rang
            self._stop_ringing(person, agent)
            self._dispatch()
            return
        self.waiting.remove(person)
        person.served_at = self.now_s
        for earlier in [one for one in self.gone if one.number < person.number]:
            earlier.served_at = self.now_s
            self.gone.remove(earlier)
        agent.ringing, agent.talking = False, True
        held_s = int(self.now_s - person.joined_at)
        self.holdtime = (self.holdtime * 3 + held_s) >> 2
        self.holds.append(self.now_s - person.joined_at)
        self._tell(Left(person.caller))
        self._tell(Connected(person.caller, agent.name, held_s))
        self._seen(agent)
        talk_s = self.family.talk(self.rng)
        self._at(self.now_s + talk_s, lambda: self._complete(agent, talk_s))

    def _complete(self, agent: Agent, talk_s: float) -> None:
        family = self.family
        agent.talking = False
        agent.ready_at = self.now_s + family.wrap_up_s
        self._tell(Completed(agent.name, int(talk_s)))
        self._seen(agent)
        if agent.leaving:
            self._log_off(agent)
        elif family.pause_share and self.rng.random() < family.pause_share:
            agent.paused = True
            self._seen(agent)
            self._at(self.now_s + lognormal(self.rng, family.pause_s, 0.7), lambda: self._resume(agent))
        self._at(agent.ready_at, self._dispatch)

    def _resume(self, agent: Agent) -> None:
        agent.paused = False
        if not agent.here:
            return
        agent.ready_at = self.now_s
        self._seen(agent)
        self._dispatch()

    def _shift_ends(self, agent: Agent) -> None:
        if agent.talking or agent.ringing:
            agent.leaving = True
        else:
            self._log_off(agent)

    def _log_off(self, agent: Agent) -> None:
        agent.here = agent.leaving = False
        self._tell(MemberGone(agent.name))
        self._at(self.now_s + self.rng.uniform(0.5, 1.5) * self.family.away_s, lambda: self._log_on(agent))

    def _log_on(self, agent: Agent) -> None:
        agent.here, agent.ready_at = True, self.now_s
        self._seen(agent)
        shift_s = self.rng.uniform(0.5, 1.5) * self.family.shift_s
        self._at(self.now_s + shift_s, lambda: self._shift_ends(agent))
        self._dispatch()
