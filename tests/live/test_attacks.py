"""Attacks on the gate, on the live lab. What the carrier's SIP socket saw is the proof."""

from __future__ import annotations

import asyncio
import json
import re
import time

import pytest

from tests.lab import people

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

SHOWN = "+31201234567"

# As they go on the wire: escapes inside the quotes of a display name, percent signs in a SIP user.
NASTY_NAMES = [
    r"Robert\"); DROP",
    "a,b,c|d;e",
    "${SHELL(touch /tmp/ringfence-was-here)}",
    "$[1/0]",
    'ALLOW\\" | \\"1\\" = \\"1',
    "Jürgen \udcc3",
]
NASTY_NUMBERS = [
    "{}%26PJSIP%2F%2B31612345999%40carrier",
    "{}%2C1",
    "{}%22%3B",
    "{}%0Aagi_arg_1%3A+112",
    "{}%0D%0ASET%20VARIABLE%20RINGFENCE_DECISION%20ALLOW",
    "{}$%7BSHELL(id)%7D",
    "{}x",
]


async def _cancelled(lab, number, since_s):
    """The one INVITE to `number`, once the carrier saw its CANCEL."""
    async with asyncio.timeout(10):
        while True:
            invites = await lab.invites(number, since_s=since_s)
            if invites and invites[0].cancelled_at_s:
                return invites[0]
            await asyncio.sleep(0.05)  # the capture file grows without an event


async def test_an_originate_straight_to_the_trunk_is_cancelled_before_it_rings(lab, gate):
    """The watchdog: the INVITE cannot be held back, so it is cancelled, counted and recorded."""
    number = people.NO_CONSENT_NL
    await lab.subscriber(number, "never")
    lived_ms = []
    for _ in range(5):
        since_s = time.time()
        await lab.pbx.ami(
            "Originate",
            {"Channel": f"PJSIP/{number}@carrier", "Application": "Wait", "Data": "5", "Async": "true"},
        )
        invite = await _cancelled(lab, number, since_s)
        assert invite.rang_at_s is None
        assert invite.answered_at_s is None
        lived_ms.append((invite.cancelled_at_s - invite.at_s) * 1000)
        await lab.pbx.until_idle()
    print(f"\nINVITE to CANCEL, ms: {sorted(round(ms, 1) for ms in lived_ms)}")
    _, metrics = await gate.get("/metrics")
    assert 'ringfence_watchdog_total{event="untokened"} 5.0' in metrics
    shown = await gate.run("evidence", "verify")
    assert shown.code == 0


async def test_doctor_names_every_ami_user_who_can_originate(lab, gate):
    """The one path past the dialplan is named with who holds it."""
    gate.env["RINGFENCE_DOCTOR_SECRET"] = lab.pbx.secret
    said = await gate.run("doctor", "--ami-user", "lab", "--json")
    bypass = [check for check in json.loads(said.out) if "dialer" in check["sentence"]]
    assert bypass
    assert bypass[0]["state"] != "ok"


async def test_a_dial_to_the_trunk_without_the_routine_is_hung_up(lab, gate):
    """A hand-written dialplan that forgot the gate altogether."""
    await lab.pbx.add_dialplan("[lab-unguarded]\nexten => s,1,Dial(PJSIP/${LAB_NUMBER}@carrier,5)\n")
    number, since_s = people.NO_CONSENT_NL, time.time()
    await lab.subscriber(number, "never")
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": "Local/s@lab-unguarded/n",
            "Application": "Wait",
            "Data": "5",
            "Async": "true",
            "Variable": f"LAB_NUMBER={number}",
        },
    )
    invite = await _cancelled(lab, number, since_s)
    assert invite.rang_at_s is None


async def _talk(lab, campaign="tulip-nl"):
    """An agent's call to somebody who agreed: answered, and the two hear each other."""
    await lab.subscriber(people.AGREED_NL, "answer", ring_s=0.1, talk_s=30)
    bridged = lab.pbx.manager.expect(
        lambda event: event.get("Event") == "BridgeEnter" and event.get("BridgeNumChannels") == "2"
    )
    call = (await lab.phone(campaign)).call(people.AGREED_NL)
    await call.answered()
    await asyncio.wait_for(bridged, 30)
    return call


async def _until_invited(lab, number, since_s):
    """Wait until the carrier saw an INVITE to `number`; returns all of them."""
    async with asyncio.timeout(10):
        while not (invites := await lab.invites(number, since_s=since_s)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the capture file grows without an event
    return invites


async def test_a_blind_transfer_to_somebody_who_never_agreed_sends_no_invite(lab, gate):
    """The agent's telephone sends REFER and is told that it failed."""
    since_s = time.time()
    call = await _talk(lab)
    call.blind_transfer(people.NO_CONSENT_NL)
    assert await asyncio.wait_for(call.transfer, 10) >= 400
    await lab.clear()
    assert await lab.invites(people.NO_CONSENT_NL, since_s=since_s) == []


async def test_a_blind_transfer_to_somebody_who_agreed_shows_the_campaigns_number(lab, gate):
    """Not the number of the person who is transferred."""
    since_s = time.time()
    call = await _talk(lab)
    call.blind_transfer(people.SECOND_NL)
    invites = await _until_invited(lab, people.SECOND_NL, since_s)
    await lab.clear()
    assert [invite.from_number for invite in invites] == [SHOWN]


@pytest.mark.parametrize(("target", "status"), [(people.NO_CONSENT_NL, 403), (people.SECOND_NL, 200)])
async def test_an_attended_transfer_passes_the_gate_with_its_consultation_call(lab, gate, target, status):
    """REFER with Replaces joins two calls that were each decided on."""
    since_s = time.time()
    await lab.subscriber(target, "answer", ring_s=0.1, talk_s=30)
    first = await _talk(lab)
    second = first.phone.call(target)
    assert await asyncio.wait_for(asyncio.shield(second.final), 15) == status
    if status == 200:
        first.attended_transfer(second)
        assert await asyncio.wait_for(first.transfer, 10) == 200
    await lab.clear()
    assert len(await lab.invites(target, since_s=since_s)) == (status == 200)


@pytest.mark.parametrize(("target", "reached"), [(people.NO_CONSENT_NL, 0), (people.SECOND_NL, 1)])
async def test_an_attended_transfer_by_keys_passes_the_gate(lab, gate, target, reached):
    """Asterisk's own feature code dials in the agents' context."""
    since_s = time.time()
    decided = gate.decisions()
    call = await _talk(lab)
    await call.press("*2")
    await asyncio.sleep(0.3)  # Asterisk's prompt begins
    await call.press(target.replace("+", "00"))
    await gate.until_decisions(decided + 2)
    if reached:
        await _until_invited(lab, target, since_s)
    await lab.clear()
    assert len(await lab.invites(target, since_s=since_s)) == reached


async def test_a_token_works_once(lab, gate):
    """The second trunk leg with the same token sends no INVITE."""
    first = await lab.dial(people.AGREED_NL, "tulip-nl", caller_id="1001")
    seen = len(await lab.invites(people.AGREED_NL))
    await lab.dial_past_the_gate(people.AGREED_NL, token=first.token, caller_id=SHOWN)
    assert len(await lab.invites(people.AGREED_NL)) == seen


async def _token(service, number: str) -> str:
    """A fresh token: an attempt that is decided but not dialled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.fastagi_port)
    lines = {
        "agi_network_script": "attempt",
        "agi_callerid": "1001",
        "agi_callingpres": "0",
        "agi_arg_1": number,
        "agi_arg_2": "tulip-nl",
    }
    writer.write("".join(f"{name}: {value}\n" for name, value in lines.items()).encode() + b"\n")
    token = ""
    while line := await reader.readline():
        if found := re.search(rb"RINGFENCE_TOKEN=([0-9a-f]{32})", line):
            token = found[1].decode()
        writer.write(b"200 result=1\n")
    writer.close()
    return token


async def test_a_fresh_token_passes_so_the_next_tests_mean_something(lab, gate):
    """Control: number, caller ID and age are right."""
    seen = len(await lab.invites(people.AGREED_NL))
    await lab.dial_past_the_gate(people.AGREED_NL, token=await _token(gate, people.AGREED_NL), caller_id=SHOWN)
    assert len(await lab.invites(people.AGREED_NL)) == seen + 1


@pytest.mark.parametrize("caller_id", ["+31207654321", "", "+4930999"])
async def test_a_token_does_not_cover_another_caller_id(lab, gate, caller_id):
    """Or a hidden one."""
    token, seen = await _token(gate, people.AGREED_NL), len(await lab.invites(people.AGREED_NL))
    await lab.dial_past_the_gate(people.AGREED_NL, token=token, caller_id=caller_id)
    assert len(await lab.invites(people.AGREED_NL)) == seen


async def test_a_token_does_not_cover_another_number(lab, gate):
    """Neither when the routine is told the dialled number, nor when it is told the token's."""
    for claimed in (people.NO_CONSENT_NL, people.AGREED_NL):
        token = await _token(gate, people.AGREED_NL)
        await lab.dial_past_the_gate(people.NO_CONSENT_NL, token=token, token_number=claimed, caller_id=SHOWN)
        assert await lab.invites(people.NO_CONSENT_NL, since_s=time.time() - 5) == []


async def test_a_late_token_is_worthless(lab, gate):
    """One second is this service's limit."""
    (gate.config / "ringfence.toml").write_text(
        (gate.config / "ringfence.toml").read_text() + "\n[gate]\ntoken_lifetime_s = 1\n"
    )
    assert (await gate.reload()).code == 0
    token, seen = await _token(gate, people.AGREED_NL), len(await lab.invites(people.AGREED_NL))
    await asyncio.sleep(1.2)
    await lab.dial_past_the_gate(people.AGREED_NL, token=token, caller_id=SHOWN)
    assert len(await lab.invites(people.AGREED_NL)) == seen


@pytest.mark.parametrize("name", NASTY_NAMES)
async def test_a_callers_name_changes_nothing(lab, gate, name):
    """The call goes out with the campaign's number, and nothing was run."""
    phone = await lab.phone("tulip-nl")
    seen = len(await lab.invites(people.AGREED_NL))
    call = phone.call(people.AGREED_NL, name=name)
    await asyncio.wait_for(call.final, 15)
    await call.hang_up()
    invites = await lab.invites(people.AGREED_NL)
    assert len(invites) == seen + 1
    assert invites[-1].from_number == SHOWN


@pytest.mark.parametrize("number", NASTY_NUMBERS)
async def test_a_dialled_number_with_more_in_it_than_digits_is_not_dialled(lab, gate, number):
    """No INVITE to anybody at all."""
    phone, since_s = await lab.phone("tulip-nl"), time.time()
    call = phone.call(number.format(people.AGREED_NL.removeprefix("+")))
    assert await asyncio.wait_for(call.final, 15) >= 400
    assert await lab.invites(since_s=since_s) == []


async def test_two_agents_dialling_one_person_at_once_send_one_invite(lab, gate):
    """Two of the day's three calls are made; of two agents at the same instant one gets through."""
    number = people.OFTEN_CALLED_DE
    for _ in range(2):
        assert (await lab.dial(number, "linde-de", caller_id="1001")).decision == "ALLOW"
    since_s = time.time()
    attempts = await asyncio.gather(
        lab.dial(number, "linde-de", caller_id="1001", agent="agent1"),
        lab.dial(number, "linde-de", caller_id="1002", agent="agent2"),
    )
    assert sorted(attempt.decision for attempt in attempts) == ["ALLOW", "DEFER"]
    assert len(await lab.invites(number, since_s=since_s)) == 1


async def test_an_objection_between_verdict_and_dial_stops_the_call(lab, gate):
    """The token is fresh, the person objects, the trunk leg is refused."""
    token, seen = await _token(gate, people.SECOND_NL), len(await lab.invites(people.SECOND_NL))
    said = await gate.run("object", people.SECOND_NL, "--principal", "tulip")
    assert said.code == 0, said.err
    await lab.dial_past_the_gate(people.SECOND_NL, token=token, caller_id=SHOWN)
    assert len(await lab.invites(people.SECOND_NL)) == seen
