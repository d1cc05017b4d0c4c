"""The `answered` script on fakes: who is connected, and who is not."""

from __future__ import annotations

import dataclasses

import pytest

from asterisk_plugin.callflow.answered import Listening, answered, unheard_action
from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.channels import talk_call
from asterisk_plugin.core.site import DialMode, OnMachine
from asterisk_plugin.detection.findings import Before, Finding, Kind, Why
from asterisk_plugin.errors import StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, Hearer, PassedLeg
from tests.fakes import FakeStore, ScriptedChannel, make_gate

TOKEN = "0123456789abcdef0123456789abcdef"
CHANNEL, DAHDI = "PJSIP/carrier-00000001", "DAHDI/i1/4930123-1"
SHORT = Finding(Kind.PERSON, 1.4, Why.SHORT_GREETING)


class Sounds:
    """Hands a call's sound over, a fifth of a second for each call of `bring`."""

    address = "127.0.0.1:4574"

    def __init__(self) -> None:
        self.expected: dict[str, Hearer] = {}

    def expect(self, call: str, hearer: Hearer) -> None:
        self.expected[call] = hearer

    def forget(self, call: str) -> None:
        self.expected.pop(call, None)

    def bring(self, call: str) -> None:
        hearer = self.expected[call]
        while not hearer.take(bytes(3200)):
            pass


class Detector:
    """Finds what it was told to, at once."""

    def __init__(self, finding: Finding | None, handed_on: Before | None = None) -> None:
        self._finding, self.handed_on = finding, handed_on or Before()

    def take(self, samples: bytes) -> Finding | None:
        return self._finding


def listening(finding: Finding | None = None, **changes: object) -> tuple[Listening, Sounds]:
    store, sounds = FakeStore(), Sounds()
    store.passed = {f"1.7/{name}": PassedLeg(TOKEN, "ab", "linde-dialer", "linde") for name in (CHANNEL, DAHDI)}
    gate = make_gate(store)
    campaign = dataclasses.replace(gate.site.campaigns["linde-dialer"], **changes)
    gate.site = dataclasses.replace(gate.site, campaigns={**gate.site.campaigns, "linde-dialer": campaign})
    return Listening(gate, sounds, lambda: Detector(finding), "127.0.0.1:4999"), sounds


def leg(*arguments: str, channel: str = CHANNEL) -> ScriptedChannel:
    request = AgiRequest("answered", arguments or (TOKEN, "", ""), channel=channel, unique_id="1.7")
    return ScriptedChannel(request, leg=f"{TOKEN}|linde-dialer")


@pytest.mark.parametrize(
    ("finding", "action", "heard"),
    [
        (SHORT, "CONNECT", "person"),
        (Finding(Kind.PERSON, 1.9, Why.SILENCE), "CONNECT", "person"),
        (Finding(Kind.NOT_SURE, 1.9, Why.STILL_SPEAKING), "CONNECT", "not-sure"),
        (Finding(Kind.MACHINE, 5.0, Why.LONG_GREETING), "HANGUP", "machine"),
        (Finding(Kind.BEEP, 1.1, Why.BEEP), "HANGUP", "machine"),
        (None, "CONNECT", "not-sure"),
    ],
)
async def test_only_a_machine_is_not_connected(finding: Finding | None, action: str, heard: str) -> None:
    """Also a person in silence, one who still speaks, and one of whom nothing is found for long."""
    with_what, sounds = listening(finding)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": action}
    (begun, done) = call.told
    assert begun == ("RingfenceAnswered", {"Do": "listen"})
    assert (done[1]["Heard"], done[1]["Action"]) == (heard, action)
    assert not sounds.expected


async def test_what_is_in_doubt_when_the_call_is_connected_is_told() -> None:
    """Who listens to the talk goes on with it."""
    with_what, sounds = listening()
    unsure = Detector(Finding(Kind.NOT_SURE, 2.7, Why.MAY_BE_NOTE), Before(1.25, 1.8, 0.3))
    with_what = dataclasses.replace(with_what, make_detector=lambda: unsure)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    told = call.told[-1][1]
    assert (told["Action"], told["Doubt"], told["Spoken"], told["Quiet"]) == ("CONNECT", "1.250", "1.800", "0.300")
    with_what, sounds = listening(SHORT)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert (call.told[-1][1]["Doubt"], call.told[-1][1]["Spoken"]) == ("0.000", "0.000")


async def test_the_end_of_the_greeting_is_told() -> None:
    """The pause after which it was clear belongs to the wait, not to the greeting."""
    with_what, sounds = listening(SHORT)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert (call.told[-1][1]["At"], call.told[-1][1]["Greeting"]) == ("1.400", "0.900")


@pytest.mark.parametrize(
    ("status", "cause", "action"),
    [
        ("MACHINE", "LONGGREETING-1500-1500", "HANGUP"),
        ("MACHINE", "INITIALSILENCE-2500-2500", "CONNECT"),  # a person in silence
        ("HUMAN", "HUMAN-800-800", "CONNECT"),
        ("NOTSURE", "TOOLONG-5000", "CONNECT"),
        ("HANGUP", "", "CONNECT"),
    ],
)
@pytest.mark.parametrize("ran_before", [True, False])
async def test_what_app_amd_found_counts(status: str, cause: str, action: str, ran_before: bool) -> None:
    """Of a dialplan that ran it, and where no sound can be sent."""
    with_what, _ = listening(SHORT)
    call = leg(TOKEN, status, cause) if ran_before else leg()
    call.amd = ("", "") if ran_before else (status, cause)
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": action}


async def test_app_amd_says_for_how_long_a_person_was_silent_after_the_greeting() -> None:
    """So an agent is due two seconds after it, not after the verdict."""
    with_what, _ = listening(SHORT)
    call = leg(TOKEN, "HUMAN", "HUMAN-820-800")
    await answered(with_what, call)
    told = call.told[-1][1]
    assert float(told["At"]) - float(told["Greeting"]) == 0.82


@pytest.mark.parametrize(
    ("mode", "action"), [(DialMode.RECORDED, "HANGUP"), (DialMode.PREDICTIVE, "CONNECT"), (DialMode.MANUAL, "CONNECT")]
)
async def test_where_nobody_can_listen_a_recording_is_not_played(mode: DialMode, action: str) -> None:
    """A person is connected to an agent; a message might be left on a machine."""
    with_what, _ = listening(None, dial_mode=mode)
    call = leg()
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": action}


@pytest.mark.parametrize("token", ["0" * 32, "x", ""])
async def test_of_another_calls_token_nothing_is_said(token: str) -> None:
    """The dialplan does what it was told to do without us: for a recording that is to hang up."""
    with_what, _ = listening(SHORT, dial_mode=DialMode.RECORDED)
    call = leg(token, "", "")
    await answered(with_what, call)
    assert call.set == {}


async def test_of_a_campaign_that_is_gone_nothing_is_said() -> None:
    with_what, _ = listening(SHORT)
    with_what.gate.site = dataclasses.replace(with_what.gate.site, campaigns={})
    call = leg()
    await answered(with_what, call)
    assert call.set == {}


async def test_with_the_store_away_the_channel_says_for_whom_it_is() -> None:
    """A person who has answered is connected all the same."""
    with_what, sounds = listening(SHORT)
    with_what.gate.store.error = StoreUnreachableError("gone")
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": "CONNECT"}


@pytest.mark.parametrize(
    ("limit", "action"),
    [
        (AnswerLimit(within_s=0.0, from_answer=True), "MESSAGE"),
        (AnswerLimit(within_s=0.0, from_answer=True, message=False), "HANGUP"),
        (AnswerLimit(within_s=30.0, from_answer=True), "CONNECT"),
        (AnswerLimit(within_s=0.0), "CONNECT"),  # from the greeting: whoever follows the attempts sees to it
    ],
)
async def test_when_no_agent_can_be_there_in_time_any_more_nobody_is_asked(limit: AnswerLimit, action: str) -> None:
    with_what, sounds = listening(SHORT)
    call = leg()
    call.sound = sounds.bring
    await answered(dataclasses.replace(with_what, limit_of=lambda *_: limit), call)
    assert call.set == {"RINGFENCE_ACTION": action}


async def test_a_channel_whose_name_may_begin_anothers_is_not_spied_on() -> None:
    """ChanSpy() takes the beginning of a name."""
    with_what, sounds = listening(SHORT)
    call = leg(channel=DAHDI)
    call.sound = sounds.bring
    await answered(with_what, call)
    assert call.spied == []


async def test_a_campaign_may_want_nobody_to_listen() -> None:
    with_what, sounds = listening(Finding(Kind.BEEP, 1.1, Why.BEEP), on_machine=OnMachine.OFF)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": "CONNECT"}


@pytest.mark.parametrize(
    ("mode", "otherwise"),
    [
        *((mode, "agent") for mode in (DialMode.MANUAL, DialMode.PREVIEW)),
        *((mode, "connect") for mode in (DialMode.PROGRESSIVE, DialMode.PREDICTIVE)),
        (DialMode.RECORDED, "hang-up"),
    ],
)
def test_the_dialplan_knows_what_to_do_without_us(mode: DialMode, otherwise: str) -> None:
    campaign = dataclasses.replace(make_gate().site.campaigns["linde-dialer"], dial_mode=mode)
    assert unheard_action(campaign) == otherwise
    assert unheard_action(dataclasses.replace(campaign, on_machine=OnMachine.OFF)) == ""
    assert unheard_action(None) == ""


async def test_a_call_that_goes_on_is_listened_to_by_who_follows_it() -> None:
    """An agent's call is connected at once; its sound goes to another process, under a name of its own."""
    with_what, _ = listening(None, dial_mode=DialMode.MANUAL)
    call = leg()
    await answered(with_what, call)
    assert call.set == {"RINGFENCE_ACTION": "CONNECT"}
    assert call.spied == [(talk_call(TOKEN), "127.0.0.1:4999")]
    ((_, told),) = call.told
    assert (told["Heard"], told["Spied"]) == ("", "127.0.0.1:4999")


@pytest.mark.parametrize(
    ("finding", "changes"),
    [(Finding(Kind.BEEP, 1.1, Why.BEEP), {}), (SHORT, {"on_machine": OnMachine.OFF})],
)
async def test_nobody_listens_to_a_machine_or_where_the_campaign_wants_nobody(
    finding: Finding, changes: dict[str, object]
) -> None:
    with_what, sounds = listening(finding, **changes)
    call = leg()
    call.sound = sounds.bring
    await answered(with_what, call)
    assert call.spied == []
