"""While it is not clear whether a beep was heard, nothing of ours reaches the line; and always again after that."""

from __future__ import annotations

import dataclasses

import pytest
from attempt_parts import AGENT, ASKS, BEEP, BEGIN, BY_HAND, LEG, PERSON, UNIQUE_ID, UP, Scene, ends, enters

from asterisk_plugin.callflow import muting
from asterisk_plugin.callflow.hearing import BYTES_A_SECOND, GreetingHearing, TalkHearing
from asterisk_plugin.callflow.muting import AGAIN_S, MUTED_S
from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.site import OnMachine
from asterisk_plugin.detection.findings import Before, Finding, Kind, Why
from asterisk_plugin.errors import ActionRefusedError, ManagerLostError

MAY_BE = Finding(Kind.MAY_BE_BEEP, 1.0, Why.MAY_BE_RING)
NO_BEEP = Finding(Kind.NO_BEEP, 1.0, Why.MAY_BE_RING)
MAY_RECORD, NO_MORE = Finding(Kind.MAY_BE_BEEP, 8.0, Why.MAY_RECORD), Finding(Kind.MACHINE, 13.0, Why.SAYS_NO_MORE)
BEEP_BY_QUIET = Finding(Kind.BEEP, 13.0, Why.BEEP_BY_QUIET)
SHORT = Finding(Kind.PERSON, 1.4, Why.SHORT_GREETING)


def set_to(scene: Scene) -> list[str]:
    """What `MUTEAUDIO(out)` of the leg was set to, in order."""
    wanted = {"Channel": LEG, "Variable": "MUTEAUDIO(out)"}
    return [
        fields["Value"]
        for name, fields in scene.asterisk.actions
        if name == "Setvar" and wanted.items() <= fields.items()
    ]


async def talks(campaign: str = "linde-dialer", **changes: object) -> Scene:
    """A call in which a person seems to talk to an agent."""
    scene = Scene(campaign, **changes)
    await scene.play(BEGIN)
    if campaign == "linde-de":
        await scene.play(UP, BY_HAND, enters(LEG), enters(AGENT))
    else:
        await scene.play(UP, ASKS)
        await scene.play(PERSON, enters(LEG), enters(AGENT), after_s=1.4)
    return scene


@pytest.mark.parametrize("campaign", ["linde-dialer", "linde-de"])
async def test_muted_at_once_and_heard_again_when_it_was_nothing(campaign: str) -> None:
    """A dialer's call and an agent's; the call lives on."""
    scene = await talks(campaign)
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    assert set_to(scene) == ["on"]
    scene.listener.on_finding(NO_BEEP)
    await scene.settle()
    assert scene.asterisk.actions == [
        ("Setvar", {"Channel": LEG, "Variable": "MUTEAUDIO(out)", "Value": value}) for value in ("on", "off")
    ]
    await scene.play(*ends("ANSWER"), after_s=30.0)
    assert (await scene.outcome()).outcome is Outcome.PERSON
    assert scene.events == ["line-muted"]


async def test_what_was_in_doubt_before_the_connection_stays_in_doubt() -> None:
    """Mute at once, not when the sound of the talk comes; and who hears that knows how much quiet is missing."""
    scene = Scene("linde-dialer")
    await scene.play(BEGIN)
    await scene.play(UP, ASKS)
    handed_on = {"Doubt": "1.250", "Spoken": "1.800", "Quiet": "0.300"}
    unsure = {**PERSON, "Heard": "not-sure", "Why": "may-be-note", "At": "2.7", "Greeting": "", **handed_on}
    await scene.play(unsure, enters(LEG), enters(AGENT), after_s=2.7)
    assert set_to(scene) == ["on"]
    assert scene.listener.before == Before(1.25, 1.8, 0.3)
    scene.listener.on_finding(NO_BEEP)
    await scene.settle()
    assert set_to(scene) == ["on", "off"]


@pytest.mark.parametrize(
    ("doubt", "spoken", "quiet", "known"),
    [
        ("", "", "", Before()),
        ("nan", "-3", "x", Before()),
        ("1e308", "1e308", "1e308", Before(6.5, 8.0, 8.0)),
        ("0.001", "0", "0", Before(0.2)),
    ],
)
async def test_what_the_dialplan_hands_on_is_kept_within_bounds(
    doubt: str, spoken: str, quiet: str, known: Before
) -> None:
    """Anybody who may send user events can write them."""
    scene = Scene("linde-dialer")
    await scene.play(BEGIN)
    await scene.play(UP, ASKS)
    told = {**PERSON, "Doubt": doubt, "Spoken": spoken, "Quiet": quiet}
    await scene.play(told, enters(LEG), enters(AGENT), after_s=2.7)
    assert scene.listener.before == known


async def test_another_doubt_begins_the_bounded_time_anew() -> None:
    """A beep after a long greeting: mute for as long as that is in doubt."""
    scene = await talks()
    scene.listener.on_finding(MAY_RECORD)
    await scene.passes(MUTED_S - 1)
    scene.listener.on_finding(MAY_BE)
    await scene.passes(MUTED_S - 1)
    assert set_to(scene) == ["on"]
    await scene.passes(2)
    assert set_to(scene) == ["on", "off"]


async def test_a_chain_of_doubts_is_bounded_too() -> None:
    """However often something new is in doubt: twice the time of one."""
    scene = await talks()
    for _ in range(4):
        scene.listener.on_finding(MAY_RECORD)
        await scene.passes(0.4 * MUTED_S)
    assert set_to(scene) == ["on"]
    await scene.passes(0.3 * MUTED_S)
    assert set_to(scene) == ["on", "off"]


async def test_who_is_let_go_before_the_mute_has_begun_is_not_muted() -> None:
    """A message begins in the very moment of the doubt."""
    scene = await talks()
    (track,) = scene.attempts._calls
    scene.listener.on_finding(MAY_BE)
    await scene.attempts._answered_calls._muting.release(track)
    await scene.settle()
    assert set_to(scene) == []


async def test_nothing_is_in_doubt_where_nothing_was() -> None:
    scene = await talks()
    assert set_to(scene) == []
    assert scene.listener.before == Before()


async def test_a_beep_after_all_takes_the_call_away_and_is_not_unmuted_before() -> None:
    scene = await talks()
    scene.listener.on_finding(MAY_BE)
    scene.listener.on_finding(BEEP)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Setvar", "Hangup"]
    assert set_to(scene) == ["on"]
    assert scene.events == ["line-muted", "machine-cut"]
    await scene.play(*ends("ANSWER"), after_s=1.0)
    assert (await scene.outcome()).outcome is Outcome.MACHINE


async def test_never_mute_for_long() -> None:
    """Also when nobody tells how the doubt ended; a later doubt has its own time."""
    scene = await talks()
    scene.listener.on_finding(MAY_BE)
    await scene.passes(MUTED_S + 1)
    assert set_to(scene) == ["on", "off"]
    scene.listener.on_finding(MAY_BE)
    await scene.passes(MUTED_S / 2)
    scene.listener.on_finding(NO_BEEP)
    scene.listener.on_finding(MAY_BE)
    await scene.passes(MUTED_S - 1)
    assert scene_is_mute(scene), "the time of the doubt before has passed, not of this one"
    await scene.passes(2)
    assert not scene_is_mute(scene)


def scene_is_mute(scene: Scene) -> bool:
    return set_to(scene)[-1] == "on"


async def test_a_fault_of_asterisk_loses_no_call_and_ends_unmuted() -> None:
    """No answer may mean that it was done: `off` is sent until it is answered."""
    scene = await talks()
    scene.asterisk.error = ManagerLostError("gone")
    scene.listener.on_finding(MAY_BE)
    await scene.passes(AGAIN_S)
    scene.asterisk.error = None
    await scene.passes(AGAIN_S)
    assert set_to(scene) == ["off"]
    assert scene.events == ["not-muted"]
    scene.listener.on_finding(BEEP)
    await scene.settle()
    assert scene.asterisk.actions[-1] == ("Hangup", {"Channel": LEG, "Cause": "16"}), "what came after it still works"


async def test_a_leg_that_cannot_be_unmuted_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a bounded number of tries, once."""
    monkeypatch.setattr(muting, "AGAIN_S", 0)
    monkeypatch.setattr(muting, "TRIES", 3)
    scene = await talks()
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    scene.asterisk.error = ManagerLostError("gone")
    scene.listener.on_finding(NO_BEEP)
    await scene.settle()
    assert scene.events == ["line-muted", "stays-mute"]
    assert "stays mute" in caplog.text


async def test_without_the_module_it_is_asked_once_a_doubt() -> None:
    """Asterisk refuses: nothing is mute, nothing is to be undone."""
    scene = await talks()
    scene.asterisk.error = ActionRefusedError("Set failed")
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    scene.asterisk.error = None
    scene.listener.on_finding(NO_BEEP)
    await scene.settle()
    assert set_to(scene) == []
    assert scene.events == ["not-muted"]


async def test_where_the_agent_is_only_warned_nothing_is_muted() -> None:
    scene = await talks("linde-de", on_machine=OnMachine.WARN)
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    assert set_to(scene) == []


@pytest.mark.parametrize("finding", [NO_MORE, BEEP_BY_QUIET])
async def test_who_says_no_more_while_our_side_is_silent_is_a_machine(finding: Finding) -> None:
    """It has greeted for long: a person would have said "hello?"."""
    scene = await talks()
    scene.listener.on_finding(MAY_RECORD)
    await scene.settle()
    assert scene.listener.on_finding(finding)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions] == ["Setvar", "Hangup"]
    await scene.play(*ends("ANSWER"), after_s=1.0)
    assert (await scene.outcome()).outcome is Outcome.MACHINE


@pytest.mark.parametrize("finding", [NO_MORE, BEEP_BY_QUIET])
@pytest.mark.parametrize("why", ["warned", "refused", "lost", "message"])
async def test_who_is_spoken_to_and_says_no_more_is_a_person(why: str, finding: Finding) -> None:
    """Where our side could not be silenced, or should not be, a person listens."""
    faults = {"refused": ActionRefusedError("Set failed"), "lost": ManagerLostError("no answer")}
    scene = await talks(on_machine=OnMachine.WARN) if why == "warned" else await talks()
    scene.asterisk.error = faults.get(why)
    if why == "message":
        (track,) = scene.attempts._calls
        track.message_s = 3.0
    scene.listener.on_finding(MAY_RECORD)
    await scene.settle()
    scene.asterisk.error = None
    assert not scene.listener.on_finding(finding)
    await scene.settle()
    assert [name for name, _ in scene.asterisk.actions if name != "Setvar"] == []
    await scene.play(*ends("ANSWER"), after_s=30.0)
    assert (await scene.outcome()).outcome is not Outcome.MACHINE


async def test_the_message_of_an_abandoned_call_is_heard() -> None:
    """Neither muted when it begins nor while it plays."""
    scene = Scene()
    scene.limit = AnswerLimit(within_s=0.55)
    await scene.play(BEGIN, UP, ASKS)
    await scene.play(PERSON, enters(LEG), after_s=1.4)
    scene.listener.on_finding(MAY_BE)
    await scene.passes(1)
    assert [name for name, _ in scene.asterisk.actions] == ["Setvar", "Setvar", "Redirect"]
    assert set_to(scene) == ["on", "off"]
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    assert set_to(scene) == ["on", "off"]


async def test_a_service_that_ends_leaves_nobody_mute() -> None:
    scene = await talks()
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    await scene.attempts.close()
    assert set_to(scene) == ["on", "off"]


async def test_nor_does_one_that_was_killed() -> None:
    """The next one knows from the store that the leg is mute."""
    scene = await talks()
    scene.listener.on_finding(MAY_BE)
    await scene.settle()
    scene.attempts = scene.watch()
    scene.asterisk.running = [{"Uniqueid": UNIQUE_ID, "Channel": LEG, "ChannelState": "6", "BridgeId": "b1"}]
    scene.attempts.up()
    await scene.settle()
    assert set_to(scene) == ["on", "off"]


class Detector:
    """Is in doubt as the test says."""

    def __init__(self) -> None:
        self.doubt: Finding | None = None
        self.finds: Finding | None = None
        self.handed_on = Before()

    def take(self, samples: bytes) -> Finding | None:
        return self.finds


async def test_a_doubt_is_told_once_and_so_is_its_end() -> None:
    detector, told = Detector(), []
    hearing = TalkHearing(detector, 60.0, told.append)
    for detector.doubt in (None, MAY_BE, MAY_BE, None, None):
        assert not hearing.take(bytes(320))
    assert told == [MAY_BE, NO_BEEP]
    other = dataclasses.replace(MAY_RECORD)
    for detector.doubt in (MAY_RECORD, other, other, None):
        assert not hearing.take(bytes(320))
    assert told[2:] == [MAY_RECORD, other, dataclasses.replace(NO_BEEP, at_s=8.0, why=Why.MAY_RECORD)], "each is told"


@pytest.mark.parametrize("how", ["ended", "long enough"])
async def test_the_end_of_listening_ends_a_doubt(how: str) -> None:
    """The line broke, or the minute is over."""
    detector, told = Detector(), []
    hearing = TalkHearing(detector, 0.1, told.append)
    detector.doubt = MAY_BE
    hearing.take(bytes(320))
    if how == "ended":
        hearing.ended()
    else:
        assert hearing.take(bytes(BYTES_A_SECOND))
    assert told == [MAY_BE, NO_BEEP]


async def test_a_doubt_that_was_right_is_not_taken_back() -> None:
    detector, told = Detector(), []
    hearing = TalkHearing(detector, 60.0, lambda finding: told.append(finding) is None)
    detector.doubt = MAY_BE
    hearing.take(bytes(320))
    detector.doubt, detector.finds = None, BEEP
    assert hearing.take(bytes(320))
    hearing.ended()
    assert told == [MAY_BE, BEEP]


async def test_who_does_not_believe_in_a_machine_hears_on() -> None:
    """A beep may still come; and what was in doubt is not any more."""
    detector, told = Detector(), []
    hearing = TalkHearing(detector, 60.0, lambda finding: told.append(finding) is None and finding is BEEP)
    detector.doubt = MAY_RECORD
    hearing.take(bytes(320))
    detector.doubt, detector.finds = None, NO_MORE
    assert not hearing.take(bytes(320))
    detector.finds = BEEP
    assert hearing.take(bytes(320))
    assert [one.kind for one in told] == [Kind.MAY_BE_BEEP, Kind.MACHINE, Kind.NO_BEEP, Kind.BEEP]


async def test_before_the_connection_a_doubt_says_nothing_about_who_answered() -> None:
    """It is waited on; the verdict comes later."""
    detector = Detector()
    hearing = GreetingHearing(detector, 8.0)
    detector.doubt = MAY_BE
    assert not hearing.take(bytes(320))
    detector.doubt, detector.finds = None, SHORT
    assert hearing.take(bytes(320))
    assert hearing.found.result() is SHORT
