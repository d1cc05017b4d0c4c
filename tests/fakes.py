"""Small stand-ins that keep the promises of `ports.py`, for speed in unit tests only.

What they promise is shown against the real parts in tests/store, tests/ledger and tests/live.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asterisk_plugin.callflow.gate import Gate
from asterisk_plugin.core.attempt_end import AttemptEnd
from asterisk_plugin.core.campaign_rates import left
from asterisk_plugin.core.facts import AttemptCount, PaceFacts, PersonRecords, RateCount
from asterisk_plugin.core.verdict import Verdict
from asterisk_plugin.errors import LedgerUnavailableError, StoreError
from asterisk_plugin.ports import (
    AgiRequest,
    DueEnd,
    Event,
    LookUp,
    PaceQuery,
    PassedLeg,
    Redeemed,
    Redemption,
    StoredEvent,
)
from asterisk_plugin.settings.load import load

SITE_FOLDER = Path(__file__).with_name("site")
TUESDAY_11 = dt.datetime(2026, 11, 24, 10, 0, tzinfo=dt.UTC)  # 11:00 in Berlin and Amsterdam


class FakeStore:
    """A store that answers what the test gave it, or fails as the test says."""

    def __init__(self, records: PersonRecords | None = None) -> None:
        self.records = records or PersonRecords()
        self.error: StoreError | None = None
        self.hangs = False
        self.asked: list[LookUp] = []
        self.released: list[str] = []
        self.passed: dict[str, PassedLeg] = {}
        self.kept: dict[tuple[str, str], str] = {}
        self.redemption = Redeemed(Redemption.PASS)
        self.redeemed_with: list[str] = []
        self.ended: dict[str, int] = {}
        self.in_flight = 0
        self.pace_error: StoreError | None = None
        self.paced: list[PaceQuery] = []
        self.landed: list[tuple[str, bool]] = []
        self.due: dict[str, DueEnd] = {}
        self.watched: set[str] = set()

    async def _fail(self) -> None:
        if self.hangs:
            import asyncio

            await asyncio.Event().wait()
        if self.error:
            raise self.error

    async def look_up(self, query: LookUp) -> PersonRecords:
        self.asked.append(query)
        await self._fail()
        counts = tuple(AttemptCount(limit, 0) for limit in query.limits)
        attempts = self.records.attempts or counts
        reached = any(count.used >= count.limit.max_attempts for count in attempts)
        reserved = query.reserve and not reached and not self.records.objections
        return replace(self.records, attempts=attempts, reserved=reserved)

    async def release(self, *, person: str, principal: str, campaign: str, attempt_id: str, token: str) -> None:
        await self._fail()
        self.released.append(attempt_id)

    async def pace(self, query: PaceQuery) -> PaceFacts:
        self.paced.append(query)
        await self._fail()
        if self.pace_error:
            raise self.pace_error
        counts = tuple(RateCount(limit.id, limit.first_day, self.ended) for limit in query.limits)
        room = all(left(limit.value, self.ended, self.in_flight) > 0 for limit in query.limits)
        return PaceFacts(self.in_flight, counts, room, reserved=room and bool(query.attempt_id))

    async def end_flight(self, campaign: str, attempt_id: str, *, harmless: bool = False) -> None:
        await self._fail()
        self.landed.append((attempt_id, harmless))

    async def redeem(self, *, person: str, token: str, shown: str, now: dt.datetime) -> Redeemed:
        await self._fail()
        self.redeemed_with.append(shown)
        return self.redemption

    async def mark_passed(self, unique_id: str, leg: PassedLeg) -> None:
        await self._fail()
        self.passed[unique_id] = leg

    async def passed_leg(self, unique_id: str) -> PassedLeg | None:
        await self._fail()
        return self.passed.get(unique_id)

    async def keep_call(self, asterisk: str, unique_id: str, call: str) -> None:
        await self._fail()
        self.kept[asterisk, unique_id] = call

    async def drop_call(self, asterisk: str, unique_id: str) -> None:
        await self._fail()
        self.kept.pop((asterisk, unique_id), None)

    async def kept_calls(self, asterisk: str) -> dict[str, str]:
        await self._fail()
        return {unique_id: call for (name, unique_id), call in self.kept.items() if name == asterisk}

    async def has_passed(self, unique_id: str) -> bool:
        await self._fail()
        return unique_id in self.passed

    async def forget_passed(self, unique_id: str) -> None:
        self.passed.pop(unique_id, None)

    async def note_due(self, due: DueEnd) -> None:
        await self._fail()
        self.due[due.leg.attempt_id] = due

    async def due_ends(self) -> tuple[DueEnd, ...]:
        await self._fail()
        return tuple(self.due.values())

    async def drop_due(self, attempt_id: str) -> None:
        await self._fail()
        self.due.pop(attempt_id, None)

    async def show_watch(self, asterisk: str) -> None:
        await self._fail()
        self.watched.add(asterisk)

    async def is_watched(self, asterisk: str) -> bool:
        await self._fail()
        return asterisk in self.watched

    async def claim(self, what: str) -> bool:
        await self._fail()
        return True

    async def ping(self) -> None:
        await self._fail()


class FakeLedger:
    """A ledger that keeps events in a list, or refuses them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.error: LedgerUnavailableError | None = None

    def check(self) -> None:
        if self.error:
            raise self.error

    def submit(self, event: Event, *, patient: bool = False) -> None:
        if self.error:
            raise self.error
        if event.sealed_json is not None:
            event = replace(event, sealed=json.loads(event.sealed_json), sealed_json=None)
        self.events.append(event)

    async def append(self, events: Sequence[Event]) -> int:
        for event in events:
            self.submit(event)
        return len(self.events)

    async def wait_durable(self, event_id: str, timeout_s: float) -> None:
        if self.error or event_id not in {event.id for event in self.events}:
            raise LedgerUnavailableError(f"`{event_id}` is not on disk")

    async def find_events(self, ids: Collection[str]) -> tuple[StoredEvent, ...]:
        if self.error:
            raise self.error
        found = [event for event in self.events if event.id in ids]
        return tuple(StoredEvent(seq, event, "0" * 64) for seq, event in enumerate(found, 1))


class RecordingObserver:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.trunks: list[str] = []
        self.outcomes: list[str] = []
        self.ends: list[AttemptEnd] = []
        self.faults: list[tuple[str, Exception]] = []

    def attempt(self, verdict: Verdict, *, number: str, campaign: str, attempt_id: str, duration_s: float) -> None:
        self.verdicts.append(verdict)

    def trunk(self, result: str, *, number: str, channel: str, duration_s: float) -> None:
        self.trunks.append(result)

    def outcome(self, *, attempt_id: str, dial_status: str, hangup_cause: int, answered_s: int) -> None:
        self.outcomes.append(dial_status)

    def attempt_ended(self, end: AttemptEnd) -> None:
        self.ends.append(end)

    def fault(self, where: str, error: Exception) -> None:
        self.faults.append((where, error))


@dataclass
class ScriptedChannel:
    """A call: what it asks, what was set on it, what its expressions are worth."""

    request: AgiRequest
    leg: str = ""
    set: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    told: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    spied: list[tuple[str, str]] = field(default_factory=list)
    amd: tuple[str, str] = ("", "")
    sound: Callable[[str], None] | None = None

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:
        self.set |= values
        self.order += values

    async def evaluate(self, expression: str) -> str:
        return self.leg

    async def send_sound(self, call: str, address: str, *, most_s: float) -> bool:
        if self.sound is None:
            return False
        self.sound(call)
        return True

    async def spy(self, call: str, address: str) -> bool:
        self.spied.append((call, address))
        return True

    async def detect_machine(self, *, most_s: float) -> tuple[str, str]:
        return self.amd

    async def tell(self, event: str, fields: Mapping[str, str]) -> None:
        self.told.append((event, fields))


def attempt_channel(number: str, campaign: str, *, caller: str = "1001", pres: int = 0) -> ScriptedChannel:
    """A channel that asks for one attempt."""
    return ScriptedChannel(AgiRequest("attempt", (number, campaign, "agent1"), caller_number=caller, calling_pres=pres))


def make_gate(store: FakeStore | None = None, ledger: FakeLedger | None = None) -> Gate:
    """A gate on fakes, with the test site and a clock that stands still on a Tuesday at 11:00."""
    return Gate(
        site=load(SITE_FOLDER).site,
        store=store or FakeStore(),
        ledger=ledger or FakeLedger(),
        secret=b"s" * 32,
        observer=RecordingObserver(),
        clock=lambda: TUESDAY_11,
        deadline_s=0.05,
    )
