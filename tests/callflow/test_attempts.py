"""Attempts from dialling to end, on fakes: what AMI told (as a live 22.10 sent it), and what came of it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

import pytest
from attempt_parts import (
    AGENT,
    ASKS,
    BEEP,
    BEGIN,
    BY_HAND,
    LEG,
    MACHINE,
    PERSON,
    RINGS,
    TOKEN,
    UNIQUE_ID,
    UP,
    Scene,
    ends,
    enters,
)

from asterisk_plugin.callflow import attempts as module
from asterisk_plugin.callflow.call_track import CallTrack, text_of, track_of
from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.attempt_end import Heard, Outcome
from asterisk_plugin.core.site import DialMode, OnMachine
from asterisk_plugin.detection.findings import Finding, Kind, Why
from asterisk_plugin.errors import LedgerUnavailableError, ManagerLostError, StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, CallTerms, DueEnd, PassedLeg
from tests.fakes import TUESDAY_11, ScriptedChannel


@pytest.fixture(autouse=True)
def _nobody_else_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody is waited for."""
    monkeypatch.setattr("asterisk_plugin.callflow.end_writer.OTHERS_S", 0.0)


@pytest.mark.parametrize(
    ("status", "cause", "ring_s", "outcome"),
    [
        ("BUSY", "17", None, Outcome.BUSY),
        ("NOANSWER", "16", 40.0, Outcome.NO_ANSWER),
        ("CANCEL", "16", 20.0, Outcome.NO_ANSWER),
        ("CANCEL", "16", 5.0, Outcome.DROPPED),
        ("NOANSWER", "19", 5.0, Outcome.NO_ANSWER),  # the network gave up
        ("CONGESTION", "21", 5.0, Outcome.REFUSED),
        ("CHANUNAVAIL", "1", None, Outcome.FAILED),
        ("CONGESTION", "38", None, Outcome.FAILED),
    ],
)
async def test_what_nobody_answers(status: str, cause: str, ring_s: float | None, outcome: Outcome) -> None:
    scene = Scene()
    await scene.play(BEGIN)
    if ring_s is not None:
        await scene.play(RINGS, after_s=0.3)
    await scene.play(*ends(status, cause), after_s=ring_s or 0.1)
    end = await scene.outcome()
    assert (end.outcome, end.ring_s, end.answer_s, end.cause, end.is_sure) == (outcome, ring_s, None, int(cause), True)
    assert scene.store.kept == {}


async def test_a_person_who_gets_an_agent_in_time() -> None:
    """Ring, answer, greeting, agent: each moment is written down."""
    scene = Scene()
    await scene.play(BEGIN)
    await scene.play(RINGS, after_s=0.3)
    await scene.play(UP, ASKS, after_s=4.0)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    await scene.play(enters(AGENT), after_s=0.5)
    await scene.play(*ends("ANSWER"), after_s=60.0)
    end = await scene.outcome()
    assert end.outcome is Outcome.PERSON
    assert (end.ring_s, end.answer_s, end.greeting_s, end.agent_s, end.talk_s) == (4.0, 4.3, 0.9, 1.9, 61.9)
    assert (end.heard, end.heard_why, end.heard_s) == (Heard.PERSON, "short-greeting", 1.4)
    assert scene.asterisk.actions == []


async def test_no_agent_in_time_is_an_abandoned_call_with_its_message() -> None:
    """Two seconds after the greeting, neither sooner nor to anybody who has an agent."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=2.0)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    await scene.passes(1.0)
    assert scene.asterisk.actions == [], "half a second is left"
    await scene.passes(1.0)
    ((name, fields),) = scene.asterisk.actions
    assert (name, fields["Channel"]) == ("Redirect", LEG)
    assert (fields["Context"], fields["Exten"]) == ("ringfence-objection", "abandoned")
    await scene.play(enters(AGENT), *ends("ANSWER"), after_s=20.0)
    end = await scene.outcome()
    assert (end.outcome, end.message_s) == (Outcome.ABANDONED, 1.4)
    assert scene.events == ["abandoned-message"]


async def test_where_the_law_wants_the_end_it_is_ended() -> None:
    """Italy: three seconds, and no message."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0, message=False)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    await asyncio.sleep(0.02)
    await scene.settle()
    assert scene.asterisk.actions == [("Hangup", {"Channel": LEG, "Cause": "16"})]
    await scene.play(*ends("ANSWER"), after_s=0.1)
    assert (await scene.outcome()).outcome is Outcome.SILENT


async def test_a_message_that_cannot_be_played_makes_a_silent_call() -> None:
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    scene.asterisk.error = ManagerLostError("gone")
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    await asyncio.sleep(0.02)
    await scene.play(*ends("ANSWER"), after_s=9.0)
    end = await scene.outcome()
    assert (end.outcome, end.message_s) == (Outcome.SILENT, None)


async def test_an_agent_who_comes_too_late_makes_no_good_call() -> None:
    """The message could not be played, and the agent came three seconds after the greeting."""
    scene = Scene()
    scene.asterisk.error = ManagerLostError("gone")
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    await scene.play(enters(AGENT), after_s=2.5)
    await scene.play(*ends("ANSWER"), after_s=9.0)
    end = await scene.outcome()
    assert (end.outcome, end.agent_s) == (Outcome.SILENT, 3.9)


async def test_a_person_who_hangs_up_before_an_agent_was_due_is_not_abandoned() -> None:
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    await scene.play(*ends("ANSWER"), after_s=0.3)
    assert (await scene.outcome()).outcome is Outcome.PERSON


async def test_a_machine_that_the_dialplan_heard() -> None:
    """Nobody listens to it again."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(MACHINE, *ends("ANSWER"), after_s=1.4)
    end = await scene.outcome()
    assert (end.outcome, end.heard_why) == (Outcome.MACHINE, "beep")
    assert scene.listener.begun == []


async def test_a_beep_during_the_talk_cuts_it() -> None:
    """It passed for a person; the leg is hung up before a word is left."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), enters(AGENT), after_s=1.4)
    assert (scene.listener.expected, scene.listener.begun) == ([TOKEN], [])
    scene.listener.on_finding(BEEP)
    await scene.settle()
    assert scene.asterisk.actions == [("Hangup", {"Channel": LEG, "Cause": "16"})]
    assert scene.asterisk.order == ["UserEvent", "Hangup"], "or another service would see the end first"
    await scene.play(*ends("ANSWER"), after_s=2.1)
    end = await scene.outcome()
    assert (end.outcome, end.heard_why, end.heard_s) == (Outcome.MACHINE, "beep", 3.4)
    assert scene.events == ["machine-cut"]


async def test_an_agent_who_dials_by_hand_is_listened_with_from_the_answer_on() -> None:
    scene = Scene("linde-de")
    await scene.play(BEGIN)
    await scene.play(UP, BY_HAND)
    assert scene.listener.expected == [TOKEN]
    scene.listener.on_finding(Finding(Kind.PERSON, 1.4, Why.SHORT_GREETING))
    await scene.play(*ends("ANSWER"), after_s=30.0)
    end = await scene.outcome()
    assert (end.outcome, end.heard) == (Outcome.PERSON, Heard.PERSON)
    assert scene.asterisk.actions == [], "nobody waits for an agent"


async def test_or_the_agent_is_warned() -> None:
    """Where the campaign says so; the call goes on."""
    scene = Scene("linde-de", on_machine=OnMachine.WARN)
    await scene.play(BEGIN)
    await scene.play(UP, BY_HAND, enters(LEG), enters(AGENT))
    scene.listener.on_finding(BEEP)
    await scene.settle()
    assert {name for name, _ in scene.asterisk.actions} == {"Setvar", "SendText"}
    assert all(fields["Channel"] == AGENT for _, fields in scene.asterisk.actions)
    assert "RingfenceMachine" in [fields["UserEvent"] for _, fields in scene.asterisk.told]
    assert scene.events == ["machine-warned"]


async def test_a_campaign_may_want_nobody_to_listen() -> None:
    scene = Scene("linde-de", on_machine=OnMachine.OFF)
    await scene.play(BEGIN)
    await scene.play(UP, BY_HAND)
    assert scene.listener.begun == scene.listener.expected == []


async def test_a_campaign_in_which_nobody_listens_owes_an_agent_all_the_same() -> None:
    """From when the call may be connected."""
    scene = Scene(on_machine=OnMachine.OFF)
    scene.limit = AnswerLimit(within_s=0.0)
    await scene.play(BEGIN, UP)
    await scene.play({**BY_HAND, "Spied": ""}, after_s=0.1)
    await asyncio.sleep(0.02)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Redirect"]


async def test_so_does_one_that_never_asked_and_of_which_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script crashed, or another dialplan dialled."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.LISTEN_S", -0.98)
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 9.0)
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    await scene.play(BEGIN)
    await scene.play(UP)
    await asyncio.sleep(0.05)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Redirect"]


async def test_what_app_amd_found_counts_from_when_it_was_told() -> None:
    """It says no moments, and took seconds itself: the agent has two seconds from then on."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play({**PERSON, "Why": "amd-HUMAN", "At": "0.000", "Greeting": "", "Spied": ""}, after_s=3.0)
    await asyncio.sleep(0.02)
    await scene.settle()
    assert scene.asterisk.actions == []
    await scene.play(enters(LEG), enters(AGENT), after_s=1.9)
    await scene.play(*ends("ANSWER"), after_s=9.0)
    assert (await scene.outcome()).outcome is Outcome.PERSON


async def test_a_slow_way_to_the_service_does_not_make_an_agent_late() -> None:
    """The detector counts from the first sound that it got."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=2.4)  # a second later than the detector said
    await scene.play(enters(LEG), enters(AGENT), after_s=1.4)
    await scene.play(*ends("ANSWER"), after_s=9.0)
    end = await scene.outcome()
    assert (end.outcome, end.greeting_s) == (Outcome.PERSON, 1.9)


async def test_who_still_speaks_has_no_right_to_an_agent_yet_unless_the_law_counts_from_the_answer() -> None:
    for from_answer, actions in ((False, []), (True, ["Hangup"])):
        scene = Scene()
        scene.limit = AnswerLimit(within_s=0.0, from_answer=from_answer, message=False)
        await scene.play(BEGIN, UP, ASKS)
        await scene.play({**PERSON, "Heard": "not-sure", "Why": "still-speaking", "Greeting": ""}, after_s=1.9)
        await asyncio.sleep(0.02)
        await scene.settle()
        assert [name for name, _ in scene.asterisk.actions] == actions


async def test_who_says_nothing_more_after_the_first_listening_has_greeted_by_then() -> None:
    """An agent is due two seconds after that, not after a second silence."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play({**PERSON, "Heard": "not-sure", "Why": "still-speaking", "Greeting": ""}, after_s=1.9)
    scene.now += dt.timedelta(seconds=2.5)
    scene.listener.on_finding(Finding(Kind.PERSON, 1.9, Why.SILENCE))
    await asyncio.sleep(0.02)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Redirect"]


async def test_an_agent_who_comes_while_the_message_is_decided_keeps_the_person() -> None:
    """Between the end of the time and the Redirect lies a question to the store."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    real = scene.store.claim

    async def slowly(what: str) -> bool:
        if what.startswith("pbx/abandoned"):
            scene.attempts.take(enters(AGENT))
        return await real(what)

    scene.store.claim = slowly
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    await asyncio.sleep(0.02)
    await scene.settle()
    assert scene.asterisk.actions == []


async def test_an_agent_who_comes_while_our_side_is_unmuted_keeps_the_person() -> None:
    """The message is to be heard; that takes a moment too."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    real = scene.asterisk.send_action

    async def slowly(name: str, fields: Mapping[str, str], timeout_s: float) -> Sequence[Mapping[str, str]]:
        if name == "Setvar" and fields.get("Value") == "off":
            scene.attempts.take(enters(AGENT))
        return await real(name, fields, timeout_s)

    scene.asterisk.send_action = slowly
    await scene.play(BEGIN, UP, ASKS)
    await scene.play({**PERSON, "Doubt": "2.0"}, enters(LEG), after_s=1.4)
    await asyncio.sleep(0.02)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Setvar", "Setvar"]
    await scene.play(*ends("ANSWER"), after_s=9.0)
    assert (await scene.outcome()).message_s is None


async def test_after_a_lost_connection_an_agent_who_came_meanwhile_is_seen_first() -> None:
    """Although other trunk channels are looked up before, and the person's time is long over."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=2.0)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    scene.attempts.down()
    scene.now += dt.timedelta(seconds=8)
    talks = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6", "BridgeId": "b1"}]
    agents = [{"Uniqueid": "1.1", "Channel": AGENT, "ChannelState": "6", "BridgeId": "b1"}]
    others = [{"Uniqueid": f"9.{n}", "Channel": f"PJSIP/carrier-0000010{n}", "ChannelState": "6"} for n in range(6)]
    scene.asterisk.running = [*others, *talks, *agents]
    scene.attempts.up()
    await asyncio.sleep(0.02)
    await scene.settle()
    assert scene.asterisk.actions == []


async def test_who_is_found_talking_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a talk people say what no greeting would be; a recording is listened to all the same."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 0.0)
    for mode, begun in ((DialMode.PREDICTIVE, []), (DialMode.RECORDED, [LEG])):
        scene = Scene(dial_mode=mode)
        scene.asterisk.running = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6", "BridgeId": "b1"}]
        scene.attempts.up()
        await asyncio.sleep(0.02)
        await scene.settle()
        assert scene.listener.begun == begun


def ends_while_looked_up(scene: Scene) -> None:
    """Whichever leg the store is asked about: the scene's hangs up meanwhile."""
    real = scene.store.passed_leg

    async def slowly(key: str) -> PassedLeg | None:
        scene.attempts.take(ends()[0])
        return await real(key)

    scene.store.passed_leg = slowly


async def test_a_leg_that_ends_before_it_is_looked_up_is_left_to_who_looks_for_ends() -> None:
    """Its mark may still be there."""
    scene = Scene()
    others = [{"Uniqueid": f"9.{n}", "Channel": f"PJSIP/carrier-0000010{n}", "ChannelState": "6"} for n in range(3)]
    scene.asterisk.running = [*others, {"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6"}]
    ends_while_looked_up(scene)
    scene.attempts.up()
    await scene.settle()
    assert not scene.attempts.follows(due())
    assert scene.ends == []


async def test_a_recording_whose_sound_the_dialplan_could_not_send_is_ended() -> None:
    """It has asked, so nobody tries it another way."""
    scene = Scene(dial_mode=DialMode.RECORDED)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play({**PERSON, "Spied": ""}, after_s=1.4)
    assert [name for name, _ in scene.asterisk.actions] == ["Hangup"]
    assert scene.events == ["not-listened", "not-listened-cut"]


@pytest.mark.parametrize("odd", ["inf", "-inf", "nan", "1e999"])
async def test_a_time_that_is_none_does_not_lose_the_end(odd: str) -> None:
    """JSON has no form for it."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play({**PERSON, "At": odd, "Greeting": odd}, after_s=1.4)
    await scene.play(*ends("ANSWER"), after_s=3.0)
    assert (await scene.outcome()).greeting_s is None


async def test_a_message_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.AGAIN_S", 0.02)
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    scene.asterisk.error = ManagerLostError("gone")
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    await asyncio.sleep(0.01)
    scene.asterisk.error = None
    await asyncio.sleep(0.05)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Redirect"]


async def test_another_service_that_watches_the_same_asterisk_learns_what_was_found() -> None:
    """Both write the same end."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    other = Scene()
    for each in (scene, other):
        await each.play(BEGIN, UP, ASKS)
    other.limit = AnswerLimit(within_s=99.0)
    for each in (scene, other):
        await each.play(PERSON, after_s=1.4)
    await asyncio.sleep(0.02)
    await scene.settle()
    ((_, told),) = scene.asterisk.told
    await other.play({"Event": "UserEvent", **told})
    await other.play(*ends("ANSWER"), after_s=9.0)
    assert (await other.outcome()).outcome is Outcome.ABANDONED


async def test_two_people_who_wait_together_are_nobodys_agents() -> None:
    scene = Scene()
    other = {**BEGIN, "DestChannel": "PJSIP/carrier-00000009", "DestUniqueid": "1796000000.9"}
    await scene.play(BEGIN, other, UP, ASKS)
    await scene.play(enters(LEG), enters("PJSIP/carrier-00000009"))
    await scene.play(*ends("ANSWER"), after_s=9.0)
    end = await scene.outcome()
    assert (end.outcome, end.agent_s) == (Outcome.SILENT, None)


async def test_a_recording_that_nobody_can_listen_to_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another dialplan plays it: it would be left on machines."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 0.01)
    scene = Scene(dial_mode=DialMode.RECORDED)
    scene.listener.works = False
    await scene.play(BEGIN)
    await scene.play(UP)
    await asyncio.sleep(0.03)
    await scene.settle()
    assert scene.asterisk.actions == [("Hangup", {"Channel": LEG, "Cause": "16"})]
    assert scene.events == ["not-listened", "not-listened-cut"]


async def test_a_service_that_says_late_that_it_listens_is_listened_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """The try without it has failed by then."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 0.01)
    scene = Scene("linde-de")
    scene.listener.works = False
    await scene.play(BEGIN)
    await scene.play(UP)
    await asyncio.sleep(0.03)
    scene.listener.works = True
    await scene.play(BY_HAND)
    assert scene.listener.expected == [TOKEN]


async def test_a_call_that_began_while_nobody_looked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is written down, as not sure."""
    scene = Scene()
    scene.asterisk.running = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "5"}]
    scene.attempts.up()
    await scene.settle()
    await scene.play(UP, ASKS, after_s=2.0)
    await scene.play(PERSON, enters(LEG), enters(AGENT), after_s=1.4)
    await scene.play(*ends("ANSWER"), after_s=9.0)
    end = await scene.outcome()
    assert (end.outcome, end.is_sure) == (Outcome.PERSON, False)


async def test_the_calls_of_a_service_that_is_gone_are_ended_though_asterisk_never_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait is bounded from the start."""
    monkeypatch.setattr(module, "UNSEEN_S", 0.02)
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    scene.attempts = scene.watch()
    scene.attempts.down()
    await asyncio.sleep(0.05)
    assert (await scene.outcome()).is_sure is False


async def test_another_dialplans_call_is_listened_to_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never asks who answered, and plays a recording: cut off at the beep all the same."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 0.02)
    scene = Scene()
    await scene.play(BEGIN, UP)
    await asyncio.sleep(0.05)
    await scene.settle()
    assert scene.listener.begun == [LEG]
    scene.listener.on_finding(BEEP)
    await scene.settle()
    assert scene.asterisk.actions == [("Hangup", {"Channel": LEG, "Cause": "16"})]


async def test_what_cannot_be_listened_to_is_counted() -> None:
    scene = Scene("linde-de")
    scene.listener.works = False
    await scene.play(BEGIN)
    await scene.play(UP, BY_HAND)
    assert scene.events == ["not-listened"]


async def test_an_emergency_call_and_one_without_a_token_are_no_attempts() -> None:
    for passed in (PassedLeg(), None):
        scene = Scene()
        scene.store.passed.clear()
        if passed is not None:
            scene.store.passed[f"{UNIQUE_ID}/{LEG}"] = passed
        await scene.play(BEGIN, UP, *ends("ANSWER"))
        assert scene.ledger.events == []
        assert scene.events == ([] if passed else ["attempt-unknown"])


async def test_a_store_that_is_away_at_first_is_asked_again_at_the_end() -> None:
    scene = Scene()
    scene.store.error = StoreUnreachableError("gone")
    await scene.play(BEGIN)
    scene.store.error = None
    await scene.play(*ends("BUSY", "17"))
    assert (await scene.outcome()).outcome is Outcome.BUSY


async def test_what_cannot_be_recorded_is_said() -> None:
    scene = Scene()
    scene.ledger.error = LedgerUnavailableError("full")
    await scene.play(BEGIN)
    await scene.play(*ends("BUSY", "17"))
    assert scene.events == ["attempt-unrecorded"]
    assert len(scene.ends) == 1
    assert list(scene.store.kept) == [("pbx", UNIQUE_ID)], "a service that comes later finds it"


async def test_a_restarted_service_finds_the_calls_that_run_and_those_that_have_ended() -> None:
    """What ended unseen is the worst that it can have been, and not sure."""
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    assert list(scene.store.kept) == [("pbx", UNIQUE_ID)]
    scene.attempts = scene.watch()
    scene.now += dt.timedelta(seconds=10)
    scene.attempts.up()
    await scene.outcome()
    (end,) = scene.ends
    assert (end.outcome, end.is_sure, end.greeting_s) == (Outcome.SILENT, False, 0.9)
    assert scene.events == ["attempt-unsure"]
    assert scene.store.kept == {}


async def test_a_restarted_service_goes_on_with_a_call_that_runs() -> None:
    scene = Scene()
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), enters(AGENT), after_s=1.4)
    scene.attempts = scene.watch()
    scene.asterisk.running = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6", "BridgeId": "b1"}]
    scene.attempts.up()
    await scene.settle()
    await scene.play(*ends("ANSWER"), after_s=30.0)
    end = await scene.outcome()
    assert (end.outcome, end.is_sure, end.agent_s) == (Outcome.PERSON, True, 1.4)


async def test_an_end_while_ami_was_away_is_not_sure() -> None:
    """Also of a call by hand, where the agent was on the line."""
    scene = Scene("linde-de")
    await scene.play(BEGIN)
    scene.attempts.down()
    scene.now += dt.timedelta(seconds=5)
    scene.attempts.up()
    end = await scene.outcome()
    assert (end.outcome, end.is_sure) == (Outcome.FAILED, False)


async def test_the_wait_for_a_lost_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """After it the call counts as silent, and as not sure."""
    monkeypatch.setattr(module, "UNSEEN_S", 0.02)
    scene = Scene()
    await scene.play(BEGIN)
    scene.attempts.down()
    await asyncio.sleep(0.05)
    end = await scene.outcome()
    assert (end.outcome, end.is_sure) == (Outcome.SILENT, False)


def test_a_running_call_survives_as_text() -> None:
    leg = PassedLeg(TOKEN, "ab", "a", "b", CallTerms(agent=True, country="NL", ring_min_s=15))
    track = CallTrack(UNIQUE_ID, LEG, TUESDAY_11, leg, rang_s=0.4, answered_s=3.0, heard=Heard.NOT_SURE, is_sure=False)
    assert track_of(text_of(track)) == track
    with pytest.raises((KeyError, TypeError, ValueError)):
        track_of("{}")


def due(**changes: object) -> DueEnd:
    """The leg of a scene, as the trunk script noted it."""
    leg = PassedLeg(TOKEN, "ab" * 16, "linde-dialer", "linde", CallTerms(country="DE", ring_min_s=15))
    return dataclasses.replace(DueEnd(UNIQUE_ID, LEG, "pbx", TUESDAY_11, leg), **changes)


async def test_a_leg_that_is_followed_is_due_no_longer() -> None:
    """Whoever keeps it writes its end down, after a restart too; and that is not lost in between."""
    scene = Scene()
    scene.store.due[TOKEN] = due()
    assert not scene.attempts.follows(due())
    await scene.play(BEGIN)
    assert (list(scene.store.kept), scene.store.due) == ([("pbx", UNIQUE_ID)], {})
    assert scene.attempts.follows(due())
    await scene.play(*ends("BUSY", "17"))
    await scene.outcome()
    assert not scene.attempts.follows(due())


async def test_a_leg_whose_mark_is_forgotten_is_found_among_those_that_are_due() -> None:
    """The watchdog forgets the mark at the end of a leg; the store was away until then."""
    scene = Scene()
    scene.store.passed.clear()
    scene.store.due[TOKEN] = due()
    await scene.play(BEGIN)
    await scene.play(*ends("BUSY", "17"))
    assert (await scene.outcome()).outcome is Outcome.BUSY
    assert scene.store.due == {}


async def test_for_whom_a_call_was_is_asked_until_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was away from the dialling to after the end."""
    monkeypatch.setattr("asterisk_plugin.callflow.kept_calls.REPEAT_S", 0.01)
    scene = Scene()
    scene.store.error = StoreUnreachableError("gone")
    await scene.play(BEGIN)
    await scene.play(*ends("BUSY", "17"))
    assert scene.ledger.events == []
    scene.store.error = None
    await asyncio.sleep(0.03)
    assert (await scene.outcome()).outcome is Outcome.BUSY


async def test_a_leg_that_ends_while_it_is_looked_up_is_not_followed_for_ever() -> None:
    """Found running, and gone before the store said for whom."""
    scene = Scene()
    scene.asterisk.running = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6"}]
    ends_while_looked_up(scene)
    scene.attempts.up()
    end = await scene.outcome()
    assert (end.outcome, end.is_sure) == (Outcome.SILENT, False)
    assert not scene.attempts.follows(due())


async def test_it_says_which_asterisk_this_is_and_whether_it_hears_everything() -> None:
    """A leg that passed since then, and was not heard to dial, has not dialled."""
    scene, slack = Scene(), dt.timedelta(seconds=5)
    late = due(passed_at=TUESDAY_11 + dt.timedelta(seconds=6))
    assert not scene.attempts.is_up
    scene.attempts.up()
    await scene.settle()
    assert (scene.asterisk.named, scene.attempts.is_up) == ("pbx", True)
    assert scene.attempts.missed_nothing_of(late, slack=slack)
    assert not scene.attempts.missed_nothing_of(due(), slack=slack), "it may have been dialled before"
    other = dataclasses.replace(late, channel="PJSIP/elsewhere-00000001")
    assert not scene.attempts.missed_nothing_of(other, slack=slack), "nobody listens to that trunk"
    scene.attempts.down()
    assert not scene.attempts.is_up
    assert not scene.attempts.missed_nothing_of(late, slack=slack)


async def test_who_lost_the_connection_ends_nothing_that_another_service_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own link is cut, not the call."""
    monkeypatch.setattr(module, "UNSEEN_S", 0.02)
    scene = Scene()
    await scene.play(BEGIN)
    scene.store.watched = {"pbx"}
    scene.attempts.down()
    await asyncio.sleep(0.05)
    await scene.settle()
    assert scene.ledger.events == []
    scene.store.watched.clear()
    await asyncio.sleep(0.03)
    assert (await scene.outcome()).is_sure is False


async def test_who_has_not_seen_everything_does_not_write_what_another_has_written() -> None:
    scene, other = Scene("linde-de"), Scene("linde-de")
    for each in (scene, other):
        await each.play(BEGIN)
    await other.play(UP, *ends("ANSWER"), after_s=3.0)
    scene.ledger.events += other.ledger.events
    scene.attempts.down()
    scene.attempts.up()
    scene.now += dt.timedelta(seconds=5)
    await scene.settle()
    scene.attempts.down()
    scene.attempts.up()
    await scene.settle()
    assert (len(scene.ledger.events), scene.ends, scene.store.kept) == (1, [], {})


async def test_what_the_dialplan_told_stands_in_an_end_that_nobody_saw() -> None:
    """An agent's call that rang when the connection was lost, and was answered meanwhile."""
    scene = Scene("linde-de")
    await scene.play(BEGIN)
    scene.attempts.down()
    scene.now += dt.timedelta(seconds=40)
    told = ScriptedChannel(AgiRequest("outcome", (TOKEN, "ANSWER", "16", "30")))
    await outcome(scene.gate, told)
    scene.now += dt.timedelta(seconds=5)
    scene.attempts.up()
    await scene.settle()
    (end,) = scene.ends
    assert (end.outcome, end.is_sure, end.answer_s, end.talk_s) == (Outcome.PERSON, False, 10.0, 30.0)


async def test_of_two_services_the_one_that_gets_the_sound_listens() -> None:
    """The other neither counts it as not heard, nor cuts a recording for that."""
    scene = Scene(dial_mode=DialMode.RECORDED)
    scene.listener.works = False
    scene.listener.address = "192.0.2.7:4575"
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, after_s=1.4)
    assert (scene.listener.expected, scene.events, scene.asterisk.actions) == ([], [], [])


async def test_of_two_services_the_first_listens_to_a_leg_that_asked_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ASKED_FIRST_S", 0.01)
    scene = Scene(dial_mode=DialMode.RECORDED)

    async def others(what: str) -> bool:
        return False

    scene.store.claim = others
    await scene.play(BEGIN, UP)
    await asyncio.sleep(0.03)
    await scene.settle()
    assert (scene.listener.begun, scene.events, scene.asterisk.actions) == ([], [], [])


async def test_another_service_learns_that_a_person_was_heard() -> None:
    """Who hears it may be gone before the end. A machine that was heard before stays one."""
    scene, other = Scene("linde-de"), Scene("linde-de")
    for each in (scene, other):
        await each.play(BEGIN)
        await each.play(UP, BY_HAND)
    scene.listener.on_finding(Finding(Kind.PERSON, 1.4, Why.SHORT_GREETING))
    await scene.settle()
    ((_, told),) = scene.asterisk.told
    await other.play({"Event": "UserEvent", **told})
    await other.play(*ends("ANSWER"), after_s=9.0)
    end = await other.outcome()
    assert (end.heard, end.heard_why, end.heard_s) == (Heard.PERSON, "short-greeting", 1.4)
    scene.listener.on_finding(BEEP)
    await scene.play({"Event": "UserEvent", **told})
    await scene.play(*ends("ANSWER"), after_s=9.0)
    assert (await scene.outcome()).heard is Heard.MACHINE


async def test_a_machine_that_its_dialplan_does_not_hang_up_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Option F of another Dial() leads it on. And it never gets the message of an abandoned call."""
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.ENDED_S", 0.01)
    monkeypatch.setattr("asterisk_plugin.callflow.answered_calls.LISTEN_S", -0.98)
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.0)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(MACHINE, after_s=1.4)
    await asyncio.sleep(0.05)
    await scene.settle()
    assert scene.asterisk.actions == [("Hangup", {"Channel": LEG, "Cause": "16"})]
