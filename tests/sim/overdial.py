"""A predictive dialer that always tries to over-dial ten-fold, against gates on a real store; time is simulated.

Rule 1: what is judged is the truth: every call's end the moment it happens, not what the store has heard of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import heapq
import itertools
import random
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.gate import Gate
from asterisk_plugin.callflow.outbound import decide_attempt
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.core.attempt_end import LIVE, AttemptEnd, Outcome, body_of
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.rulebook import parse_rulebook
from asterisk_plugin.core.site import DialMode
from asterisk_plugin.core.verdict import Decision
from asterisk_plugin.ports import AgiRequest, Event, EventKind
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load
from asterisk_plugin.store.redis_store import RedisStore
from tests.fakes import SITE_FOLDER, TUESDAY_11, RecordingObserver
from tests.store.store_lab import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asterisk_plugin.core.site import Site

CAMPAIGN = "linde-b2b"
LIVE_RULE = """
[all.abandoned_rate]
description = "made up: as in the United States, a day at a time"
unit = "percent"
checked_on = 2026-11-30
[[all.abandoned_rate.values]]
since = 2000-01-01
source = "Made up"
href = ""
confidence = "seen"
value = { name = "live", counts = ["abandoned", "silent"], of = "live", per = "local-day", max_share_percent = 3 }
"""
TICK_S = 2.0
OVER = 10


class Ledger(MemoryLedger):
    """One that can always be written."""

    def check(self) -> None:
        return


@dataclass
class Dialer:
    """The world: agents, persons, calls.

    Args:
        url: The store.
        seed: Of everything that is left to chance.
        agents: How many.
        answers: Share of calls that a person answers.
        live_rule: The German rulebook says 3 % of live calls as well, besides the Kodex' 3 % of attempts.
        nobody_helps: No agent takes a call that was started without one: each is abandoned.
    """

    url: str
    seed: int
    agents: int = 40
    answers: float = 0.35
    live_rule: bool = True
    nobody_helps: bool = False
    now: dt.datetime = TUESDAY_11
    ends: Counter[Outcome] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0
    worst_percent: float = 0.0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._numbers = map("+4930{:08d}".format, itertools.count(23000000))
        self._due: list[tuple[dt.datetime, int, str, str, bool]] = []
        self._order = itertools.count()
        self._free = self.agents
        self._in_flight: set[str] = set()
        self.ledger = Ledger()

    async def run(self, ticks: int, *, days: int = 1) -> None:
        """Dial for so many ticks on each day, and let every call end; the gates are two nodes."""
        site = site_of(live_rule=self.live_rule)
        zone = home_zone(site.home_country)
        stores = [RedisStore(self.url, timeout_s=30, keep_attempts_s=86400 * 30, zone=zone) for _ in range(2)]
        gates = [self._gate(site, store) for store in stores]
        projector = Projector(self.ledger, stores[0].projection)
        await projector.catch_up()
        for day in range(days):
            self.now = TUESDAY_11 + dt.timedelta(days=day)
            self.ends.clear()
            for tick in range(ticks):
                await self._tick(gates)
                if tick % 3 == 0:  # the projector is always somewhat late
                    await projector.catch_up()
            while self._due:
                await self._tick(gates, dials=False)
            await projector.catch_up()
        for store in stores:
            await store.close()

    def _gate(self, site: Site, store: RedisStore) -> Gate:
        return Gate(
            site=site,
            store=store,
            ledger=self.ledger,
            secret=b"s" * 32,
            observer=RecordingObserver(),
            clock=lambda: self.now,
            deadline_s=30,
        )

    async def _tick(self, gates: list[Gate], *, dials: bool = True) -> None:
        self.now += dt.timedelta(seconds=TICK_S)
        while self._due and self._due[0][0] <= self.now:
            _, _, attempt_id, what, reserved = heapq.heappop(self._due)
            await self._happens(gates, attempt_id, what, reserved=reserved)
        if not dials:
            return
        with_agent, self._free = (self._free + 1) // 2, self._free // 2
        tries = [f"agent{n}" for n in range(with_agent)] + [""] * (OVER * max(1, self._free))
        asked = (self._dial(gates[n % 2], agent) for n, agent in enumerate(tries))
        await asyncio.gather(*asked)
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))

    async def _dial(self, gate: Gate, agent: str) -> None:
        request = AgiRequest("attempt", (next(self._numbers), CAMPAIGN, agent), caller_number="1001")
        made = await decide_attempt(gate, request)
        self.decided[f"{made.verdict.decision.name} {made.verdict.reason or ('agent' if agent else 'alone')}"] += 1
        if made.verdict.decision is not Decision.ALLOW:
            self._free += bool(agent)
            return
        if not agent:
            self._in_flight.add(made.id)
        roll, ring_s = self._rng.random(), self._rng.uniform(5, 20)
        machine = self.answers + 0.1
        what = "answered" if roll < self.answers else "machine" if roll < machine else "no-answer"
        self._plan(ring_s, made.id, what, reserved=bool(agent))

    def _plan(self, after_s: float, attempt_id: str, what: str, *, reserved: bool) -> None:
        at = self.now + dt.timedelta(seconds=after_s)
        heapq.heappush(self._due, (at, next(self._order), attempt_id, what, reserved))

    async def _happens(self, gates: list[Gate], attempt_id: str, what: str, *, reserved: bool) -> None:
        """One step of a call: answered, talked out, or ended."""
        if what == "answered":
            if not reserved and (self._free == 0 or self.nobody_helps):
                outcome = Outcome.SILENT if self._rng.random() < 0.2 else Outcome.ABANDONED
                await self._end(gates, attempt_id, outcome)
                return
            self._free -= not reserved
            self._in_flight.discard(attempt_id)
            # An agent is there: the call's place is free for another one, while its end is minutes away.
            await gates[0].store.end_flight(CAMPAIGN, attempt_id, harmless=True)
            self._plan(self._rng.uniform(10, 40), attempt_id, "talked", reserved=True)
            return
        self._free += reserved
        outcomes = {"talked": Outcome.PERSON, "machine": Outcome.MACHINE, "no-answer": Outcome.NO_ANSWER}
        await self._end(gates, attempt_id, outcomes[what])

    async def _end(self, gates: list[Gate], attempt_id: str, outcome: Outcome) -> None:
        end = AttemptEnd(
            attempt_id=attempt_id, campaign=CAMPAIGN, principal="linde", outcome=outcome, began_at=self.now
        )
        event = Event(attempt_id[::-1], EventKind.ATTEMPT_ENDED, self.now, person="", body=body_of(end))
        await self.ledger.append([event])
        await gates[1].store.end_flight(CAMPAIGN, attempt_id)
        self._in_flight.discard(attempt_id)
        self.ends[outcome] += 1
        for percent in self.shares():
            self.worst_percent = max(self.worst_percent, percent)

    def shares(self) -> Iterator[float]:
        """The true shares of this day so far, in percent."""
        lost = self.ends[Outcome.ABANDONED] + self.ends[Outcome.SILENT]
        bases = [self.ends.total()]
        if self.live_rule:
            bases.append(sum(count for outcome, count in self.ends.items() if outcome in LIVE))
        for base in bases:
            yield 100 * lost / base if base else 0.0


def site_of(*, live_rule: bool) -> Site:
    """The test site, its campaign for companies dialled by a machine."""
    site = load(SITE_FOLDER).site
    text = shipped("config", "rulebook", "de.toml").read_text() + (LIVE_RULE if live_rule else "")
    book = parse_rulebook(tomllib.loads(text), file="de.toml", text=text)
    campaign = dataclasses.replace(site.campaigns[CAMPAIGN], dial_mode=DialMode.PREDICTIVE)
    return dataclasses.replace(
        site, campaigns={**site.campaigns, CAMPAIGN: campaign}, rulebooks={**site.rulebooks, "DE": book}
    )
