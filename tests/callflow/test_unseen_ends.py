"""Ends that nobody saw, on fakes: who passed is written down once, by what is known, and never while it runs."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping

import pytest

from asterisk_plugin.callflow.end_writer import EndWriter
from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.callflow.unseen_ends import UnseenEnds
from asterisk_plugin.core.attempt_end import AttemptEnd, Outcome, end_of
from asterisk_plugin.errors import LedgerUnavailableError, ManagerLostError
from asterisk_plugin.ports import AgiRequest, CallTerms, DueEnd, EventKind, PassedLeg
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, ScriptedChannel, make_gate

TOKEN = "0123456789abcdef0123456789abcdef"
UNIQUE_ID, LEG = "1796000000.7", "PJSIP/carrier-00000001"
SECOND = dt.timedelta(seconds=1)


class Watched:
    """One Asterisk as a test says."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.name, self.is_up = "pbx", is_up
        self.channels: dict[str, Mapping[str, str]] = {}
        self.followed: set[str] = set()
        self.adopted: list[str] = []
        self.missed_nothing = False
        self.lost = False

    def follows(self, due: DueEnd) -> bool:
        return due.unique_id in self.followed

    def missed_nothing_of(self, due: DueEnd, *, slack: dt.timedelta) -> bool:
        return self.missed_nothing

    async def running(self) -> Mapping[str, Mapping[str, str]]:
        if self.lost:
            raise ManagerLostError("gone")
        return self.channels

    async def adopt(self, unique_id: str, fields: Mapping[str, str]) -> None:
        self.adopted.append(unique_id)


class Scene:
    """A leg of a dialer's campaign that has passed, and a clock that is moved by hand."""

    def __init__(self, *watches: Watched, campaign: str = "linde-dialer", asterisk: str = "pbx") -> None:
        self.store, self.ledger = FakeStore(), FakeLedger()
        self.gate = make_gate(self.store, self.ledger)
        self.now = TUESDAY_11
        self.gate.clock = lambda: self.now
        self.events: list[str] = []
        self.ends: list[AttemptEnd] = []
        leg = PassedLeg(TOKEN, "ab" * 16, campaign, "linde", CallTerms(country="DE", ring_min_s=15))
        self.store.due[TOKEN] = DueEnd(UNIQUE_ID, LEG, asterisk, TUESDAY_11, leg)
        writer = EndWriter(self.gate, on_event=self.events.append, on_end=self.ends.append)
        self.unseen = UnseenEnds(self.gate, writer, watches)

    def reserve_an_agent(self) -> None:
        due = self.store.due[TOKEN]
        leg = dataclasses.replace(due.leg, terms=CallTerms(agent=True, country="DE"))
        self.store.due[TOKEN] = dataclasses.replace(due, leg=leg)

    async def tells(self, *arguments: str) -> None:
        await outcome(self.gate, ScriptedChannel(AgiRequest("outcome", (TOKEN, *arguments))))

    async def look(self, *, after_s: float) -> None:
        self.now += after_s * SECOND
        await self.unseen.look()

    def end(self) -> AttemptEnd | None:
        found = [event for event in self.ledger.events if event.kind is EventKind.ATTEMPT_ENDED]
        assert len(found) <= 1
        assert [end_of(event.body) for event in found] == self.ends
        return self.ends[0] if found else None


async def test_who_passed_and_does_not_run_any_more_is_written_down_as_the_worst() -> None:
    """Not sure, silent; its place is landed, and it is due no longer."""
    scene = Scene(Watched())
    await scene.look(after_s=6)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure, end.asterisk, end.campaign) == (Outcome.SILENT, False, "pbx", "linde-dialer")
    assert end.began_at == TUESDAY_11
    assert scene.events == ["attempt-unsure"]
    assert scene.store.landed == [(TOKEN, False)]
    assert scene.store.due == {}
    await scene.look(after_s=6)
    assert scene.end() is end


async def test_who_has_just_passed_has_time_to_dial() -> None:
    scene = Scene(Watched())
    await scene.look(after_s=4.9)
    assert scene.end() is None


async def test_who_runs_is_followed_from_then_on() -> None:
    watch = Watched()
    watch.channels = {UNIQUE_ID: {"Uniqueid": UNIQUE_ID, "Channel": LEG}}
    scene = Scene(watch)
    await scene.look(after_s=400)
    assert (scene.end(), watch.adopted) == (None, [UNIQUE_ID])


async def test_who_is_followed_is_left_to_who_follows() -> None:
    watch = Watched()
    watch.followed = {UNIQUE_ID}
    scene = Scene(watch)
    await scene.look(after_s=4000)
    assert scene.end() is None


async def test_a_caller_who_left_before_the_leg_dialled_has_called_nobody() -> None:
    """Every event was seen, and no DialBegin among them: that is sure."""
    watch = Watched()
    watch.missed_nothing = True
    scene = Scene(watch)
    await scene.look(after_s=6)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure) == (Outcome.FAILED, True)


@pytest.mark.parametrize(
    ("told", "outcome_", "answer_s", "talk_s"),
    [
        (("ANSWER", "16", "42"), Outcome.SILENT, 8.0, 42.0),  # nobody saw an agent
        (("BUSY", "17", ""), Outcome.BUSY, None, None),
        (("NOANSWER", "19", ""), Outcome.NO_ANSWER, None, None),
        (("CHANUNAVAIL", "1", ""), Outcome.FAILED, None, None),
        (("CANCEL", "", ""), Outcome.SILENT, None, None),  # it may have been answered
    ],
)
async def test_what_the_dialplan_told_of_the_end_stands_in_it(
    told: tuple[str, ...], outcome_: Outcome, answer_s: float | None, talk_s: float | None
) -> None:
    scene = Scene(Watched())
    scene.now += 50 * SECOND
    await scene.tells(*told)
    await scene.look(after_s=100)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure) == (outcome_, False)
    assert (end.answer_s, end.talk_s, end.dial_status, end.cause) == (answer_s, talk_s, told[0], int(told[1] or 0))


async def test_an_agents_call_that_was_answered_is_no_silent_one() -> None:
    scene = Scene(Watched(), campaign="linde-de")
    await scene.tells("ANSWER", "16", "5")
    await scene.look(after_s=6)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure) == (Outcome.PERSON, False)


async def test_a_lost_connection_is_waited_for_but_not_for_ever() -> None:
    """And whoever else watches that Asterisk is left to it."""
    scene = Scene(Watched(is_up=False))
    scene.store.watched = {"pbx"}
    await scene.look(after_s=400)
    assert scene.end() is None
    scene.store.watched.clear()
    scene = Scene(Watched(is_up=False))
    await scene.look(after_s=299)
    assert scene.end() is None
    await scene.look(after_s=2)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure) == (Outcome.SILENT, False)


async def test_an_asterisk_that_does_not_answer_is_asked_again() -> None:
    watch = Watched()
    watch.lost = True
    scene = Scene(watch)
    await scene.look(after_s=6)
    assert scene.end() is None
    watch.lost = False
    await scene.look(after_s=6)
    assert scene.end() is not None


async def test_an_asterisk_that_never_says_what_runs_is_not_asked_for_ever() -> None:
    """Its AMI user may not list channels, say; that this service shows it as watched keeps nobody."""
    watch = Watched()
    watch.lost = True
    scene = Scene(watch)
    scene.store.watched = {"pbx"}
    await scene.look(after_s=299)
    assert scene.end() is None
    await scene.look(after_s=2)
    assert scene.end() is not None


async def test_an_odd_entry_does_not_end_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and the next look is made."""
    monkeypatch.setattr("asterisk_plugin.callflow.unseen_ends.LOOK_S", 0.0)
    scene, looks = Scene(), []

    async def odd() -> tuple[DueEnd, ...]:
        looks.append(1)
        raise TypeError("an odd entry")

    scene.store.due_ends = odd
    running = asyncio.create_task(scene.unseen.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    assert len(looks) > 1


async def test_where_nobody_watches_the_dialplan_says_when_it_is_over() -> None:
    """A service without AMI; its word is waited for."""
    scene = Scene(asterisk="", campaign="linde-de")
    scene.reserve_an_agent()
    await scene.look(after_s=1800)
    assert scene.end() is None
    await scene.tells("ANSWER", "16", "1795")
    await scene.look(after_s=6)
    end = scene.end()
    assert end is not None
    assert (end.outcome, end.is_sure, end.talk_s) == (Outcome.PERSON, False, 1795.0)


async def test_where_nobody_watches_and_nobody_tells_the_wait_is_bounded() -> None:
    """An hour for an agent's call; a call that holds a place without an agent ends before the place does."""
    for has_agent, bound_s in ((True, 3600), (False, 300)):
        scene = Scene(asterisk="", campaign="linde-de")
        if has_agent:
            scene.reserve_an_agent()
        await scene.look(after_s=bound_s - 1)
        assert scene.end() is None
        await scene.look(after_s=2)
        assert scene.end() is not None


async def test_what_another_service_has_written_is_not_written_again() -> None:
    scene, other = Scene(Watched()), Scene(Watched())
    await other.look(after_s=6)
    scene.ledger.events += other.ledger.events
    await scene.look(after_s=7)
    assert len(scene.ledger.events) == 1
    assert (scene.ends, scene.store.due) == ([], {})


async def test_with_the_ledger_away_an_end_is_tried_again_and_counted_once() -> None:
    """It stays due until it is on disk; metrics have it once."""
    scene = Scene(Watched(), campaign="linde-de")
    scene.ledger.error = LedgerUnavailableError("away")
    for _ in range(3):
        await scene.look(after_s=6)
    assert TOKEN in scene.store.due
    scene.ledger.error = None
    await scene.look(after_s=6)
    assert scene.end() is not None
    assert (len(scene.ends), scene.store.due) == (1, {})
    assert scene.events == ["attempt-unrecorded", "attempt-unsure"]


async def test_an_end_that_is_found_days_later_is_one_of_its_day() -> None:
    """Who reads a period reads a day beyond it, no more."""
    scene = Scene(Watched())
    await scene.look(after_s=3 * 86400)
    (event,) = scene.ledger.events
    assert event.at == TUESDAY_11 + dt.timedelta(days=1)
