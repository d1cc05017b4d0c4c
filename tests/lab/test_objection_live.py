"""The way to the objection line on a live Asterisk, with a scripted server in the service's place.

What the person heard, byte for byte, is the proof.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.alaw import tone
from tests.lab.scripted_agi import TOKEN, ScriptedAgi, Talk, deny

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.attempt import RunningAttempt
    from tests.lab.lab import Lab
    from tests.lab.manager import Message

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

QUESTION = tone("question", 1.2)
THANKS = tone("thanks")
NOT_RECORDED = tone("not recorded")

_numbers = iter(range(10_000))


@pytest.fixture
def number() -> str:
    """A number of its own for each test."""
    return f"+49309020{next(_numbers):05d}"


class Line:
    """What the PBX told about the objection line.

    Args:
        lab: The live lab.
    """

    def __init__(self, lab: Lab) -> None:
        self.results: list[tuple[str, str]] = []
        self._stop = lab.pbx.manager.watch(self._take)

    def close(self) -> None:
        """Look no more."""
        self._stop()

    def _take(self, event: Message) -> None:
        if event.get("Event") == "VarSet" and event.get("Variable") == "RINGFENCE_OBJECTION" and event.get("Value"):
            self.results.append((event["Channel"], event["Value"]))


@pytest_asyncio.fixture(loop_scope="session")
async def line(lab: Lab, agi: ScriptedAgi) -> AsyncIterator[Line]:
    """Sounds of our own, ears open, and a server that asks one question."""
    for name, sound in (("question", QUESTION), ("thanks", THANKS)):
        lab.pbx.add_sound(f"lab/{name}", sound)
    lab.pbx.add_sound("ringfence/not-recorded", NOT_RECORDED)
    lab.people.listen()
    agi.objection = ask
    told = Line(lab)
    yield told
    told.close()
    lab.people.stop_listening()


async def ask(talk: Talk) -> None:
    """One question, one key, one result."""
    await talk.do("ANSWER")
    key = await talk.play("lab/question", keys="12") or await talk.key(5)
    await talk.play("lab/thanks")
    await talk.set("RINGFENCE_OBJECTION", "RECORDED" if key else "NONE")


async def talking(lab: Lab, number: str) -> RunningAttempt:
    """A call that the person has answered."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    since_s = time.time()
    running = await lab.begin(number, "sales")
    await answered(lab, number, since_s)
    return running


async def answered(lab: Lab, number: str, since_s: float = 0) -> None:
    """Wait until the person has answered a call that came since a moment."""
    async with asyncio.timeout(10):
        while not any(i.answered_at_s for i in await lab.invites(number, since_s=since_s)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def bridged(lab: Lab, count: int) -> None:
    """Wait until so many channels are in a bridge."""
    async with asyncio.timeout(10):
        while True:
            lines = (await lab.pbx.cli("core show channels concise")).splitlines()
            if sum("!" in line and line.split("!")[12] != "" for line in lines) == count:
                return
            await asyncio.sleep(0.05)


async def set_global(lab: Lab, name: str, value: str) -> None:
    """As an admin does in `[globals]`."""
    await lab.pbx.ami("Setvar", {"Variable": name, "Value": value})


async def test_when_the_agent_hangs_up_the_person_is_asked(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """And the key pressed there arrives; the attempt's outcome is told once all the same."""
    running = await talking(lab, number)
    await lab.hang_up(running)
    attempt = await running.ended()
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "1")
    heard = await lab.until_heard(number, THANKS)
    assert heard.follows(QUESTION, THANKS)
    await lab.pbx.until_idle()
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "call-end"]]
    assert [asked.arguments[:2] for asked in agi.of("outcome")] == [[TOKEN, "ANSWER"]]
    assert [value for _, value in line.results] == ["RECORDED"]
    assert line.results[0][0].startswith("PJSIP/carrier-")
    assert attempt.returned is False


async def test_a_person_who_hangs_up_first_is_asked_nothing(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Their leg is gone; the agent's dialplan goes on as ever."""
    running = await talking(lab, number)
    await lab.people.hang_up(number)
    attempt = await running.ended()
    await lab.pbx.until_idle()
    assert (attempt.returned, attempt.dial_status) == (True, "ANSWER")
    assert agi.of("objection") == []
    assert [asked.arguments[:2] for asked in agi.of("outcome")] == [[TOKEN, "ANSWER"]]


async def test_an_agent_who_gives_up_while_it_rings_leads_nobody_to_the_line(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Nobody was called to the end, so nobody is asked."""
    await lab.subscriber(number, "never")
    running = await lab.begin(number, "sales")
    async with asyncio.timeout(10):
        while not any(i.rang_at_s for i in await lab.invites(number)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await lab.hang_up(running)
    await running.ended()
    await lab.pbx.until_idle()
    assert agi.of("objection") == []


async def dialer_calls(
    lab: Lab, number: str, *, agent_keys: tuple[tuple[float, str], ...] = (), context: str = "lab-queue"
) -> None:
    """A dialer's call, answered by the person and connected to the queue's agent 2001."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    await lab.subscriber("2001", "answer", ring_s=0.1, talk_s=60, keys=agent_keys)
    since_s = time.time()
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": f"Local/{number}@ringfence-agents/n",
            "Context": context,
            "Exten": "s",
            "Priority": "1",
            "Async": "true",
            "Variable": ["__RINGFENCE_CAMPAIGN=sales"],
        },
    )
    await answered(lab, "2001", since_s)
    await bridged(lab, 4)  # the person, both halves of the Local channel, the agent


async def test_after_the_queue_the_person_is_asked_on_their_own_leg(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Option `c` goes on in the dialplan of the Local channel; the line is reached once, with the person's number."""
    await dialer_calls(lab, number)
    await lab.people.hang_up("2001")
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "2")
    await lab.until_heard(number, THANKS)
    await lab.pbx.until_idle()
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "queue"]]
    assert agi.of("objection")[0].value("agi_channel").startswith("PJSIP/carrier-")
    assert [value for _, value in line.results] == ["RECORDED"]
    assert [asked.arguments[:2] for asked in agi.of("outcome")] == [[TOKEN, "ANSWER"]]


async def test_a_person_who_hangs_up_on_the_queue_is_asked_nothing(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The same call, ended from the other side."""
    await dialer_calls(lab, number)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert agi.of("objection") == []
    assert len(agi.of("outcome")) == 1


async def test_a_queue_without_option_c_ends_in_the_line_all_the_same(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The Local channel hangs up, and the person's leg goes on by option F."""
    await lab.pbx.add_dialplan("[lab-queue-plain]\nexten => s,1,Answer()\n same => n,Queue(sales)\n")
    await dialer_calls(lab, number, context="lab-queue-plain")
    await lab.people.hang_up("2001")
    await lab.until_heard(number, QUESTION)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert [asked.arguments[3] for asked in agi.of("objection")] == ["call-end"]


async def test_the_feature_code_sends_the_person_on_and_frees_the_agent(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The agent's telephone gets its BYE at once; the person is asked."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    call = (await lab.phone("sales")).call(number)
    await call.answered()
    await bridged(lab, 2)
    await call.press("*7")
    await asyncio.wait_for(call.ended, 3)
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "1")
    await lab.until_heard(number, THANKS)
    await lab.pbx.until_idle()
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "agent"]]
    assert [asked.arguments[:2] for asked in agi.of("outcome")] == [[TOKEN, "ANSWER"]]


async def test_the_feature_code_works_for_an_agent_of_a_queue(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The person is two Local halves away from the agent who presses."""
    since_s = time.time()
    await dialer_calls(lab, number, agent_keys=((1.0, "*7"),))
    await lab.until_heard(number, QUESTION)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "agent"]]
    (agent,) = await lab.invites("2001", since_s=since_s)
    assert agent.ended_at_s is not None


@pytest.mark.parametrize("keys", ["*7", "*8", "##112", "*2112"])
async def test_what_the_person_presses_in_conversation_does_nothing(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str, keys: str
) -> None:
    """Neither a feature code of the agent nor a transfer is theirs; the agent's own key works."""
    used = []
    stop = lab.pbx.manager.watch(lambda event: used.append(event) if event.get("UserEvent") == "LabFeature" else None)
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    call = (await lab.phone("sales")).call(number)
    await call.answered()
    await bridged(lab, 2)
    since_s = time.time()
    await lab.people.press(number, keys)
    await asyncio.sleep(1.5)  # time for a feature code or a transfer to be taken for one
    assert await lab.invites(since_s=since_s) == []
    assert not call.ended.done()
    assert (agi.of("objection"), used) == ([], [])
    await call.press("*8")
    async with asyncio.timeout(5):
        while not used:  # noqa: ASYNC110 - filled by the watcher
            await asyncio.sleep(0.05)
    stop()
    await call.hang_up()


async def test_a_redirect_of_the_leg_frees_the_agent(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """AMI Redirect, as a button in the agent's desktop does it."""
    running = await talking(lab, number)
    (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
    target = {"Context": "ringfence-objection", "Exten": "transfer", "Priority": "1"}
    await lab.pbx.ami("Redirect", {"Channel": leg, **target})
    attempt = await running.ended(5)
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "1")
    await lab.until_heard(number, THANKS)
    await lab.pbx.until_idle()
    assert attempt.returned is True
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "transfer"]]
    assert agi.of("objection")[0].value("agi_channel") == leg
    assert [asked.arguments[:2] for asked in agi.of("outcome")] == [[TOKEN, "ANSWER"]]


async def test_a_person_whom_the_agent_sent_on_ends_in_the_line(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Blind transfer to another number through the gate; when that side hangs up, the person is asked."""
    other = f"+49309021{number[-5:]}"
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    await lab.subscriber(other, "answer", ring_s=0.1, talk_s=60)
    call = (await lab.phone("sales")).call(number)
    await call.answered()
    await bridged(lab, 2)
    call.blind_transfer(other)
    await answered(lab, other)
    await lab.people.hang_up(other)
    await lab.until_heard(number, QUESTION)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert [asked.arguments for asked in agi.of("objection")] == [[number, "sales", TOKEN, "call-end"]]
    assert [asked.arguments[1] for asked in agi.of("outcome")] == ["ANSWER", "ANSWER"]


async def test_a_person_called_by_the_sites_own_dial_and_sent_on_ends_in_the_line(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Guarded by the trunk leg, but without option F: the dialplan of the second call leads there."""
    other = f"+49309021{number[-5:]}"
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    await lab.subscriber(other, "answer", ring_s=0.1, talk_s=60)
    past = asyncio.create_task(lab.dial_past_the_gate(number, token=TOKEN))
    await answered(lab, number)
    await bridged(lab, 2)
    (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
    await lab.pbx.ami("Setvar", {"Channel": leg, "Variable": "RINGFENCE_CAMPAIGN", "Value": "sales"})
    target = {"Context": "ringfence-agents", "Exten": other, "Priority": "1"}
    await lab.pbx.ami("Redirect", {"Channel": leg, **target})
    await past
    await answered(lab, other)
    await lab.people.hang_up(other)
    await lab.until_heard(number, QUESTION)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert [asked.arguments[0] for asked in agi.of("objection")] == [number]


async def test_a_person_whom_the_agent_may_not_send_on_ends_in_the_line(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The gate denies the second number: the agent is told so, nobody is called, the person is asked."""
    other = f"+49309021{number[-5:]}"
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    call = (await lab.phone("sales")).call(number)
    await call.answered()
    await bridged(lab, 2)
    agi.attempt = deny(other)
    call.blind_transfer(other)
    assert await asyncio.wait_for(call.transfer, 10) >= 400
    await lab.until_heard(number, QUESTION)
    await lab.people.hang_up(number)
    await lab.pbx.until_idle()
    assert await lab.invites(other) == []


@pytest.mark.parametrize(
    ("caller", "pres", "told"),
    [
        ("+49309022001", "allowed", "+49309022001"),
        ("0309022002", "allowed", "0309022002"),
        ("+49309022003", "prohib", ""),
        ("restricted", "allowed", ""),
        ("49309022004x", "allowed", ""),
    ],
)
async def test_a_number_that_is_called_back_answers_with_the_line(
    lab: Lab, agi: ScriptedAgi, line: Line, caller: str, pres: str, told: str
) -> None:
    """The caller's number goes along unless it is withheld or none; the number called tells the campaign."""
    await lab.people.calls(caller, "+493022610", pres=pres, keys=[(2.0, "1")])
    heard = await lab.until_heard(caller, THANKS)
    await lab.pbx.until_idle()
    assert heard.follows(QUESTION, THANKS)
    assert [asked.arguments for asked in agi.of("objection")] == [[told, "", "+493022610", "call-back"]]
    assert [value for _, value in line.results] == ["RECORDED"]


async def test_keys_pressed_in_the_line_lead_to_no_call(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Nobody reads them there but the service, which does not; an emergency number neither."""

    async def deaf(talk: Talk) -> None:
        await talk.play("lab/question", "lab/question", "lab/question")
        await talk.set("RINGFENCE_OBJECTION", "NONE")

    agi.objection = deaf
    running = await talking(lab, number)
    since_s = time.time()
    await lab.hang_up(running)
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "112#*7##")
    await lab.pbx.until_idle()
    assert await lab.invites(since_s=since_s) == []
    assert [value for _, value in line.results] == ["NONE"]


def install_line(lab: Lab, *, sound: str = "lab/thanks", result: str = "RECORDED", wait_s: float = 0) -> Path:
    """A `ringfence-agi` that notes what it was asked, plays a sound and sets a result; returns where it notes."""
    told = lab.pbx.agi_folder / "told"
    code = f"""
import sys, time
while sys.stdin.readline().strip(): pass
def do(command):
    print(command, flush=True); return sys.stdin.readline()
open({str(told)!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "objection":
    do('STREAM FILE {sound} ""')
    time.sleep({wait_s})
    open({str(told)!r}, "a").write("finished\\n")
    do('SET VARIABLE RINGFENCE_OBJECTION {result}')
"""
    lab.install_agi("ringfence-agi", [sys.executable, "-c", code], {})
    return told


@pytest.mark.parametrize("trouble", ["gone", "mute", "odd", "hung", "gone in the middle"])
async def test_the_second_try_talks_when_the_service_does_not(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str, trouble: str
) -> None:
    """With the same arguments, in the same call."""
    told = install_line(lab)
    running = await talking(lab, number)
    await set_global(lab, "RINGFENCE_OBJECTION_S", "2")
    match trouble:
        case "gone":
            await agi.stop()
        case "mute":
            agi.objection = None
        case "odd":
            agi.objection = says_something_odd
        case "hung":
            agi.hung.add("objection")
        case _:
            agi.objection = breaks_off
    try:
        await lab.hang_up(running)
        await lab.until_heard(number, THANKS)
        await lab.pbx.until_idle()
    finally:
        await set_global(lab, "RINGFENCE_OBJECTION_S", "")
    assert f"objection {number} sales {TOKEN} call-end" in told.read_text().splitlines()
    assert line.results[-1][1] == "RECORDED"


async def says_something_odd(talk: Talk) -> None:
    """A result that is none."""
    await talk.set("RINGFENCE_OBJECTION", 'RECORDED\\" | \\"1\\" = \\"1')


async def breaks_off(talk: Talk) -> None:
    """As a service that is killed while it plays."""
    await talk.play("lab/question")


async def test_a_result_of_the_service_is_not_asked_for_twice(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Also when it is that nothing could be recorded: the person has been told."""
    told = install_line(lab)

    async def fails(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "FAILED")

    agi.objection = fails
    running = await talking(lab, number)
    await lab.hang_up(running)
    await lab.pbx.until_idle()
    assert [value for _, value in line.results] == ["FAILED"]
    assert "objection" not in (told.read_text() if told.exists() else "")
    assert not (await lab.heard(number)).contains(NOT_RECORDED)


async def test_with_both_dead_the_person_hears_that_nothing_was_recorded(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """And the number to call, where the site has given one."""
    digits = {digit: tone(f"digit {digit}", 0.3) for digit in "0123"}
    for digit, sound in digits.items():
        lab.pbx.add_sound(f"ringfence/digit-{digit}", sound)
    please = lab.pbx.add_sound("ringfence/please-call", tone("please call"))
    await set_global(lab, "RINGFENCE_CALL_BACK", "03012")
    try:
        running = await talking(lab, number)
        await agi.stop()
        await lab.hang_up(running)
        await lab.until_heard(number, digits["2"])
        await lab.pbx.until_idle()
    finally:
        await set_global(lab, "RINGFENCE_CALL_BACK", "")
    said = (NOT_RECORDED, please, *(digits[digit] for digit in "03012"))
    assert (await lab.heard(number)).follows(*said)
    assert [value for _, value in line.results] == ["FAILED"]


async def test_what_was_confirmed_before_both_died_is_not_denied(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The service said that it had recorded; the sentence played is another."""
    last = lab.pbx.add_sound("ringfence/last-not-recorded", tone("last not recorded"))

    async def dies_late(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION_TAKEN", "yes")
        await talk.play("lab/thanks")

    agi.objection = dies_late
    running = await talking(lab, number)
    await lab.hang_up(running)
    heard = await lab.until_heard(number, last)
    await lab.pbx.until_idle()
    assert heard.follows(THANKS, last)
    assert not heard.contains(NOT_RECORDED)


async def test_a_call_back_is_answered_with_both_dead(lab: Lab, agi: ScriptedAgi, line: Line) -> None:
    """Nobody rings in vain."""
    await agi.stop()
    await lab.people.calls("+49309023001", "+493022610")
    await lab.until_heard("+49309023001", NOT_RECORDED)
    await lab.pbx.until_idle()
    assert [value for _, value in line.results] == ["FAILED"]


async def test_a_second_try_finishes_when_the_person_hangs_up(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Asterisk does not signal the program to death: what was pressed is still recorded."""
    told = install_line(lab, wait_s=2)
    running = await talking(lab, number)
    await agi.stop()
    await lab.hang_up(running)
    await lab.until_heard(number, THANKS)
    await lab.people.hang_up(number)
    async with asyncio.timeout(10):
        while "finished" not in told.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)


async def test_key_0_leads_to_the_sites_person_and_nowhere_without_one(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The campaign goes along, nothing else."""

    async def zero(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "PERSON")

    agi.objection = zero
    running = await talking(lab, number)
    await lab.hang_up(running)
    await lab.pbx.until_idle()  # there is no such context: the call ends
    await lab.pbx.add_dialplan("[ringfence-person]\nexten => s,1,UserEvent(LabPerson,Campaign: ${ARG1})\n")
    try:
        reached = lab.pbx.manager.expect(lambda event: event.get("UserEvent") == "LabPerson")
        running = await talking(lab, number)
        await lab.hang_up(running)
        assert (await asyncio.wait_for(reached, 10))["Campaign"] == "sales"
        await lab.pbx.until_idle()
    finally:
        await lab.pbx.add_dialplan("")


async def test_who_was_led_to_a_person_is_not_asked_again(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Asterisk 16 keeps Dial's option F on the leg; it would act when the conversation with that person ends."""

    async def zero(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "PERSON")

    agi.objection = zero
    answers = "[lab-person]\nexten => s,1,Answer()\n same => n,Wait(0.5)\n"
    person = "[ringfence-person]\nexten => s,1,Dial(Local/s@lab-person/n,5,g)\n same => n,Return()\n"
    await lab.pbx.add_dialplan(answers + person)
    try:
        await talking(lab, number)
        (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
        target = {"Context": "ringfence-objection", "Exten": "transfer", "Priority": "1"}
        await lab.pbx.ami("Redirect", {"Channel": leg, **target})
        await asyncio.sleep(1.5)  # the redirect, and the half second of that conversation
        await lab.pbx.until_idle()
    finally:
        await lab.pbx.add_dialplan("")
    assert [asked.arguments[3] for asked in agi.of("objection")] == ["transfer"]


async def test_the_line_speaks_the_language_that_the_trunk_leg_was_given(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Even with everything dead by then; anything but two letters is no language."""
    dutch = lab.pbx.add_sound("ringfence/not-recorded", tone("niet vastgelegd"), language="nl")
    agi.trunk = {"RINGFENCE_LANGUAGE": "nl", "RINGFENCE_TRUNK": "PASS"}
    running = await talking(lab, number)
    await agi.stop()
    await lab.hang_up(running)
    heard = await lab.until_heard(number, dutch)
    await lab.pbx.until_idle()
    assert not heard.contains(NOT_RECORDED)


async def test_a_sound_in_another_format_is_recognised(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Asterisk decodes GSM for the line: no byte is the same, and it is still the same sound."""
    folder = lab.pbx.folder / "data" / "sounds" / "en" / "lab"
    await lab.pbx.cli(f"file convert {folder}/thanks.alaw {folder}/coded.gsm")

    async def other(talk: Talk) -> None:
        await talk.play("lab/coded", "lab/question")
        await talk.set("RINGFENCE_OBJECTION", "NONE")

    agi.objection = other
    running = await talking(lab, number)
    await lab.hang_up(running)
    heard = await lab.until_heard(number, QUESTION)
    assert not heard.contains(THANKS)
    assert heard.resembles(THANKS)
    assert not heard.resembles(tone("something else"))
