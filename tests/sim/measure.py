"""What each way of estimating said, against what came.

- ours sees only what AMI tells.
- Asterisk's is `holdtime`, its moving average of past holds (three quarters old, one quarter new, whole seconds),
  less what was waited, without its sign: app_queue speaks `abs(holdtime + 30 - waited) / 60` whole minutes, the same
  for every place, but not to whoever is next, and nothing when that is 0. Here it gets its seconds before that
  rounding, for everybody; "spoken" is with it. Ours has to beat the better of both.
- last five: the mean of the last five holds, less what was waited, not below 0.
- floor: ours with the true distributions instead of what it learnt. For M/M/c, bursts, batches, lognormal and
  abandonment nobody who knows all but the future can do better; where members come and go or do not answer, the
  truth it is given is a little too simple.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from asterisk_plugin.core.queue_events import QueueEvent
from asterisk_plugin.core.queue_state import Absence, Held, QueueHistory, QueueState, step
from asterisk_plugin.core.wait_estimate import WaitEstimate, estimate_wait
from asterisk_plugin.core.wait_told import WAIT_PHRASES, Told, tell
from tests.sim.families import Family, lognormal
from tests.sim.simulator import DAY, Person, Simulation

WAYS = ("ours", "ours told", "asterisk", "asterisk spoken", "last five", "floor")
PEOPLE = {1: 240, 3: 360, 10: 800, 30: 1800}
"""Who calls in one trace, by members."""

WARM_UP = 0.15
"""This share of them is not measured: none of the ways should be judged by its first words."""


@dataclass(frozen=True, slots=True)
class Said:
    """One announcement.

    Args:
        person: To whom.
        at_s: When, from the begin of the trace.
        first: When they joined.
        rung: A member was free for them then: hardly a wait. Shown apart.
        estimates: What each way says is still to be waited, seconds.
        estimate: Ours, with its low and high end.
        phrase: Place of what ours told in `WAIT_PHRASES`.
    """

    person: Person
    at_s: float
    first: bool
    rung: bool
    estimates: dict[str, float]
    estimate: WaitEstimate
    phrase: int

    @property
    def truth_s(self) -> float:
        assert self.person.served_at is not None
        return self.person.served_at - self.at_s


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, measured: announcements after the warm-up.

    Args:
        said: What was said to whoever had to wait for a member, in order.
        rung: What was said to the others.
        silent: How often ours could not say.
    """

    said: list[Said]
    rung: list[Said]
    silent: int


class Listener:
    """Sees one trace and notes what each way says to every so-manieth person."""

    def __init__(self, every: int, warm_up: int, truth: QueueHistory | None) -> None:
        self.queue = QueueState()
        self.said: list[Said] = []
        self.silent = 0
        self._every, self._warm_up, self._truth = every, warm_up, truth
        self._told: dict[Person, Told] = {}

    def hear(self, event: QueueEvent, at: dt.datetime) -> None:
        self.queue = step(self.queue, event, at)

    def announce(self, simulation: Simulation, person: Person) -> bool:
        if person.number < self._warm_up or person.number % self._every:
            return False
        place = simulation.waiting.index(person)
        first = simulation.now_s == person.joined_at
        now = DAY + dt.timedelta(seconds=simulation.now_s)
        estimate = estimate_wait(self.queue, place + 1, now)
        told = self._told[person] = tell(estimate, self._told.get(person), now)
        if estimate is None or told.due_at is None:
            self.silent += 1
            return True
        waited_s = simulation.now_s - person.joined_at
        last = simulation.holds[-5:]
        estimates = {
            "ours": estimate.wait_s,
            "ours told": (told.due_at - now).total_seconds(),
            "asterisk": float(abs(simulation.holdtime - int(waited_s))),
            "asterisk spoken": float(abs(simulation.holdtime + 30 - int(waited_s)) // 60 * 60),
            "last five": max(0.0, sum(last) / max(1, len(last)) - waited_s),
        }
        if self._truth is not None:
            best = estimate_wait(replace(self.queue, history=self._truth), place + 1, now)
            estimates["floor"] = best.wait_s if best else estimate.wait_s
        rung = first and place < simulation.free_agents()
        self.said.append(
            Said(person, simulation.now_s, first, rung, estimates, estimate, WAIT_PHRASES.index(told.phrase))
        )
        return not rung


def measure(family: Family, size: int, load: str, seed: int, *, every: int, floor: bool = False) -> Trace:
    """Run one trace.

    Args:
        family: Which family.
        size: How many members.
        load: One of its loads.
        seed: Which trace of it.
        every: Each so-manieth person is measured, for speed; the same ones for every way.
        floor: Reckon the floor too.
    """
    people = PEOPLE[size]
    listener = Listener(every, int(people * WARM_UP), true_history(family, size) if floor else None)
    rng = Random(f"{family.name}/{size}/{load}/{seed}")
    Simulation(family, size, load, people, rng, listener.hear, listener.announce).run()
    said = [one for one in listener.said if one.person.served_at is not None]
    return Trace([one for one in said if not one.rung], [one for one in said if one.rung], listener.silent)


def true_history(family: Family, size: int) -> QueueHistory:
    """What a history of any length would show: the quantiles of conversations, many draws of the rest."""
    rng, kept = Random("true"), 400

    def turnaround() -> float:
        lost_s = 0.0
        while rng.random() < family.unanswered:
            lost_s += family.ring_timeout_s + (family.retry_s if size == 1 else 0.0)
        return family.wrap_up_s + lost_s + (lognormal(rng, family.ring_s, 0.5) if family.ring_s else 0.0)

    turnarounds = tuple(turnaround() for _ in range(kept))
    breaks = round(family.pause_share * 200)
    offs = round(200 * family.cycle_s * family.present / family.shift_s) if family.shift_s else 0
    pauses = [Absence(lognormal(rng, family.pause_s, 0.7), 200) for _ in range(breaks)]
    log_offs = [Absence(rng.uniform(0.5, 1.5) * family.away_s, 200, logged_off=True) for _ in range(offs)]
    return QueueHistory(
        talks_s=tuple(family.talk_quantile((part + 0.5) / kept) for part in range(kept)),
        turnarounds_s=turnarounds,
        pickups_s=tuple(one - family.wrap_up_s for one in turnarounds),
        absences=(*pauses, *log_offs),
        held=(Held(family.patience_s, abandoned=True),) if family.patience_s else (),
        served=200,
    )


def error_s(said: Iterable[Said], way: str) -> float:
    """Mean absolute error."""
    errors = [abs(one.estimates[way] - one.truth_s) for one in said]
    return sum(errors) / max(1, len(errors))


def close(said: Iterable[Said], way: str) -> float:
    """Share told within 30 % of what came."""
    hits = [abs(one.estimates[way] - one.truth_s) <= 0.3 * one.truth_s for one in said]
    return sum(hits) / max(1, len(hits))


def ratio(said: list[Said], way: str = "ours") -> float:
    """Error of a way as a share of Asterisk's, the better of its two."""
    theirs = min(error_s(said, "asterisk"), error_s(said, "asterisk spoken"))
    return error_s(said, way) / theirs if theirs else float("nan")


def raised(said: list[Said]) -> tuple[float, float]:
    """Share of repeated announcements that told a longer wait than the time before: ours, Asterisk's."""
    ours = theirs = repeats = 0
    before: dict[Person, Said] = {}
    for one in said:
        last = before.get(one.person)
        if last is not None:
            repeats += 1
            ours += one.phrase > last.phrase
            theirs += one.estimates["asterisk spoken"] > last.estimates["asterisk spoken"]
        before[one.person] = one
    return ours / max(1, repeats), theirs / max(1, repeats)
