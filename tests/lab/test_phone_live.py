"""Real telephones against the dialplan files: hostile names and numbers, and every kind of transfer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.scripted_agi import SHOWN, ScriptedAgi, allow, deny

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.softphone import PhoneCall

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_numbers = iter(range(10_000))


@pytest.fixture
def number() -> str:
    """A number of its own for each test, so that what the carrier saw belongs to it."""
    return f"+49309019{next(_numbers):05d}"


@pytest.mark.parametrize(
    "name",
    [
        r"Robert\"); DROP",
        "a,b,c|d;e",
        "${CHANNEL(name)}",
        "$[1/0]",
        "x\\\\",
        'ALLOW\\" | \\"1\\" = \\"1',
        "Jürgen \udcc3",
    ],
)
async def test_a_callers_name_changes_nothing(lab: Lab, agi: ScriptedAgi, number: str, name: str) -> None:
    """Neither the question, nor the answer, nor what the called person sees."""
    phone = await lab.phone("sales")
    call = phone.call(number, name=name)
    await call.answered()
    await call.ended
    (invite,) = await lab.invites(number)
    assert (invite.from_number, invite.from_name, invite.pai_number) == (SHOWN, "", SHOWN)
    assert agi.of("attempt")[0].arguments == [number, "sales", "agent1"]


@pytest.mark.parametrize(
    ("dialled", "asked"),
    [
        ("0{}", "0{}"),
        ("{}%20-%20(0)", "{}0"),
        ("{}%26PJSIP%2Fx%40carrier", "{}PJSIPxcarrierx"),
        ("{}%2C1", "{}1x"),
        ("{}%22%3B", "{}x"),
        ("{}%0Aagi_arg_1%3A+112", "{}agiarg1+112x"),
        ("{}$%7BSHELL(id)%7D", "{}SHELLidx"),
        ("{}%29", "{}"),
    ],
)
async def test_a_dialled_number_reaches_the_gate_harmless(
    lab: Lab, agi: ScriptedAgi, number: str, dialled: str, asked: str
) -> None:
    """Separators go; anything else leaves letters or an `x` behind, which no gate takes for a number."""
    agi.attempt = deny(number, "number-invalid")
    digits = number.removeprefix("+")
    phone = await lab.phone("sales")
    call = phone.call(dialled.format(digits))
    assert await asyncio.wait_for(call.final, 10) >= 400
    assert [one.arguments for one in agi.of("attempt")] == [[asked.format(digits), "sales", "agent1"]]
    assert await lab.invites(number) == []


async def test_a_refused_agent_gets_the_cause_as_sip_status(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Cause 21, call rejected, is 403."""
    agi.attempt = deny(number)
    call = (await lab.phone("sales")).call(number)
    assert await asyncio.wait_for(call.final, 10) == 403


async def test_a_blind_transfer_to_an_outside_number_passes_the_gate(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Denied: the second number sees no INVITE; its campaign is the one of the call; the agent is told."""
    other = number + "9"
    call = await _talk(lab, number)
    agi.attempt = deny(other)
    call.blind_transfer(other)
    assert await asyncio.wait_for(call.transfer, 10) >= 400
    await lab.pbx.until_idle()
    assert agi.of("attempt")[1].arguments == [other, "sales", "agent1"]
    assert await lab.invites(other) == []


async def test_a_blind_transfer_that_may_be_is_dialled(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Allowed: with the number that the gate chose."""
    other = number + "8"
    call = await _talk(lab, number)
    call.blind_transfer(other)
    await _until_asked(agi, 2)
    async with asyncio.timeout(10):
        while not await lab.invites(other):  # noqa: ASYNC110 - the carrier's record is no event
            await asyncio.sleep(0.05)
    assert [invite.from_number for invite in await lab.invites(other)] == [SHOWN]
    await lab.clear()


async def test_a_blind_transfer_over_ami_passes_the_gate(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Into the context that agents reach."""
    other = number + "7"
    await _talk(lab, number)
    agi.attempt = deny(other)
    agent = next(name for name in await lab.pbx.channels() if name.startswith("PJSIP/agent"))
    fields = {"Channel": agent, "Context": "ringfence-agents", "Exten": other}
    await lab.pbx.ami("BlindTransfer", fields)
    await _until_asked(agi, 2)
    assert agi.of("attempt")[1].arguments == [other, "sales", "agent1"]
    await lab.clear()
    assert await lab.invites(other) == []


@pytest.mark.parametrize("keys", ["##", "*2"], ids=["blind", "attended"])
@pytest.mark.parametrize("allowed", [False, True], ids=["denied", "allowed"])
async def test_a_transfer_by_keys_passes_the_gate(
    lab: Lab, agi: ScriptedAgi, number: str, keys: str, allowed: bool
) -> None:
    """Asterisk's own feature codes dial into TRANSFER_CONTEXT."""
    other = f"00{number.removeprefix('+')}3"
    call = await _talk(lab, number)
    agi.attempt = allow(other) if allowed else deny(other)
    await call.press(keys)
    await asyncio.sleep(0.3)  # the prompt begins
    await call.press(other)
    await _until_asked(agi, 2)
    assert agi.of("attempt")[1].arguments == [other, "sales", "agent1"]
    if allowed:
        async with asyncio.timeout(10):
            while not await lab.invites(other):  # noqa: ASYNC110 - the carrier's record is no event
                await asyncio.sleep(0.05)
    await lab.clear()
    assert [invite.from_number for invite in await lab.invites(other)] == [SHOWN] * allowed


async def test_an_attended_transfer_by_the_telephone_needs_two_gated_calls(
    lab: Lab, agi: ScriptedAgi, number: str
) -> None:
    """REFER with Replaces: the consultation call is a call of its own."""
    other = number + "6"
    await lab.subscriber(other, "answer", ring_s=0.1, talk_s=30)
    first = await _talk(lab, number)
    second = first.phone.call(other)
    await second.answered()
    first.attended_transfer(second)
    assert await asyncio.wait_for(first.transfer, 10) == 200
    assert [one.arguments[0] for one in agi.of("attempt")] == [number, other]
    assert len(await lab.invites(number)) == len(await lab.invites(other)) == 1
    await lab.clear()


async def test_an_attended_transfer_to_a_denied_number_never_leaves(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """The consultation call is refused; the first call goes on."""
    other = number + "5"
    first = await _talk(lab, number)
    agi.attempt = deny(other)
    second = first.phone.call(other)
    assert await asyncio.wait_for(second.final, 10) == 403
    assert not first.ended.done()
    assert await lab.invites(other) == []
    await first.hang_up()


async def test_a_redirect_by_the_called_party_is_not_followed(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """The carrier answers 302 with another number, which nobody decided on."""
    other = number + "4"
    await lab.subscriber(number, "moved", ring_s=0.1)
    await lab.carrier.ami("DBPut", {"Family": "moved", "Key": number, "Val": other})
    # Where Asterisk would look for the other number: without it the redirect dies for want of an extension.
    await lab.pbx.ami("Setvar", {"Variable": "FORWARD_CONTEXT", "Value": "ringfence-agents"})
    await lab.dial(number, "sales")
    await lab.pbx.ami("Setvar", {"Variable": "FORWARD_CONTEXT", "Value": ""})
    assert [invite.status for invite in await lab.invites(number)] == [302]
    assert await lab.invites(other) == []
    assert len(agi.of("attempt")) == 1


async def test_two_calls_of_one_agent_do_not_mix(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Another campaign, another endpoint, another question."""
    await (await lab.phone("survey", agent="agent2")).call(number).answered()
    await (await lab.phone("sales", agent="agent1")).call(number + "1").answered()
    assert [one.arguments[1:] for one in agi.of("attempt")] == [["survey", "agent2"], ["sales", "agent1"]]
    await lab.clear()


async def test_an_originate_straight_to_the_trunk_is_seen_by_the_carrier(lab: Lab, number: str) -> None:
    """The lab does not flatter: the one path that no dialplan holds back shows up, and when it rang."""
    await lab.subscriber(number, "never")
    since_s = time.time()
    await lab.pbx.ami(
        "Originate",
        {"Channel": f"PJSIP/{number}@carrier", "Application": "Wait", "Data": "60", "Async": "true"},
    )
    async with asyncio.timeout(30):
        while not any(i.rang_at_s for i in await lab.invites(number)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    (invite,) = await lab.invites(number, since_s=since_s)
    assert invite.rang_at_s is not None
    assert invite.rang_at_s - invite.at_s == pytest.approx(0.3, abs=0.15)
    await lab.clear()
    (invite,) = await lab.invites(number)
    assert invite.cancelled_at_s is not None


async def _talk(lab: Lab, number: str) -> PhoneCall:
    """An agent's call that was answered and goes on."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=30)
    bridged = lab.pbx.manager.expect(
        lambda event: event.get("Event") == "BridgeEnter" and event.get("BridgeNumChannels") == "2"
    )
    call = (await lab.phone("sales")).call(number)
    await call.answered()
    await asyncio.wait_for(bridged, 30)
    return call


async def _until_asked(agi: ScriptedAgi, times: int) -> None:
    async with asyncio.timeout(10):
        while len(agi.of("attempt")) < times:  # noqa: ASYNC110 - the scripted server has no event
            await asyncio.sleep(0.02)
