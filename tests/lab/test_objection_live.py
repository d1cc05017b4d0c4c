"""Every way to the objection line on a live Asterisk, with a scripted server in the service's place.

What the person heard, byte for byte, is the proof.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.line_calls import QUESTION, THANKS, Line, bridged, dialer_calls, line, talking
from tests.lab.scripted_agi import TOKEN, ScriptedAgi, deny

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.line_calls import Line

__all__ = ["line"]

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_numbers = iter(range(10_000))


@pytest.fixture
def number() -> str:
    """A number of its own for each test."""
    return f"+49309020{next(_numbers):05d}"


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
    async with asyncio.timeout(30):
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
    await lab.until_answered(other)
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
    await lab.until_answered(number)
    await bridged(lab, 2)
    (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
    await lab.pbx.ami("Setvar", {"Channel": leg, "Variable": "RINGFENCE_CAMPAIGN", "Value": "sales"})
    target = {"Context": "ringfence-agents", "Exten": other, "Priority": "1"}
    await lab.pbx.ami("Redirect", {"Channel": leg, **target})
    await past
    await lab.until_answered(other)
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
