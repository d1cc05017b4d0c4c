"""Attacks on the gate, on the live lab. What the carrier's SIP socket saw is the proof."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tests.lab import people

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

SHOWN = "+31201234567"

NASTY_NAMES = [
    'Anna \\"The Boss\\" Schmidt',
    "Smith, John; DROP",
    "${SHELL(touch /tmp/ringfence-pwned)}",
    "a$[1+1]b",
    'x\\"),System(reboot',
    "Jürgen Müller \u2028 x",
    "name\\\r\nSET VARIABLE RINGFENCE_DECISION ALLOW",
]
NASTY_NUMBERS = [
    f"{people.AGREED_NL}&PJSIP%2F%2B31612345999@carrier",
    f"{people.AGREED_NL},extra,args",
    f"{people.AGREED_NL};phone-context=evil",
    "${GLOBAL(RINGFENCE_AGI)}",
    f'"{people.AGREED_NL}"',
    f"{people.AGREED_NL}%0d%0aSET%20VARIABLE%20RINGFENCE_DECISION%20ALLOW",
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
    print(f"\nINVITE to CANCEL, ms: {sorted(round(ms, 1) for ms in lived_ms)}")
    _, metrics = await gate.get("/metrics")
    assert 'ringfence_watchdog_total{event="untokened"} 5.0' in metrics
    shown = await gate.run("evidence", "verify")
    assert shown.code == 0


async def test_doctor_names_every_ami_user_who_can_originate(lab, gate):
    """The one path past the dialplan is named with who holds it."""
    said = await gate.run("doctor")
    assert "dialer" in said.out + said.err


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


@pytest.mark.parametrize(("target", "reached"), [(people.NO_CONSENT_NL, 0), (people.SECOND_NL, 1)])
async def test_a_blind_transfer_to_an_outside_number_passes_the_gate_or_dies(lab, gate, target, reached):
    """An agent's telephone sends REFER: the transferred person is dialled to by the same rules."""
    await lab.subscriber(people.AGREED_NL, "answer", talk_s=20)
    phone, since_s = await lab.phone("tulip-nl"), time.time()
    call = phone.call(people.AGREED_NL)
    await call.answered()
    call.blind_transfer(target)
    await asyncio.wait_for(call.ended, 10)
    await asyncio.sleep(1)  # whether an INVITE left is asked of the carrier, after time enough for one
    assert len(await lab.invites(target, since_s=since_s)) == reached
    await lab.subscriber(people.AGREED_NL)


@pytest.mark.parametrize(("target", "reached"), [(people.NO_CONSENT_NL, 0), (people.SECOND_NL, 1)])
async def test_an_attended_transfer_to_an_outside_number_passes_the_gate_or_dies(lab, gate, target, reached):
    """The consultation call is an outside call like any other; REFER with Replaces joins the two."""
    await lab.subscriber(people.AGREED_NL, "answer", talk_s=20)
    await lab.subscriber(target, "answer", talk_s=5)
    phone, since_s = await lab.phone("tulip-nl"), time.time()
    call = phone.call(people.AGREED_NL)
    await call.answered()
    consultation = phone.call(target)
    status = await asyncio.wait_for(asyncio.shield(consultation.final), 15)
    assert (status == 200) is bool(reached)
    if reached:
        call.attended_transfer(consultation)
        assert await asyncio.wait_for(call.transfer, 10) == 200
    await call.hang_up()
    assert len(await lab.invites(target, since_s=since_s)) == reached
    await lab.subscriber(people.AGREED_NL)
    await lab.subscriber(target)


@pytest.mark.parametrize(("target", "reached"), [(people.NO_CONSENT_NL, 0), (people.SECOND_NL, 1)])
async def test_an_attended_transfer_over_ami_passes_the_gate_or_dies(lab, gate, target, reached):
    """AMI Atxfer on the agent's leg dials in the agents' context only."""
    await lab.subscriber(people.AGREED_NL, "answer", talk_s=20)
    phone, since_s = await lab.phone("tulip-nl"), time.time()
    call = phone.call(people.AGREED_NL)
    await call.answered()
    (leg,) = [c for c in await lab.pbx.channels() if c.startswith("PJSIP/agent1-tulip-nl")]
    dialled = lab.pbx.manager.expect(
        lambda event: event.get("Event") == "UserEvent" or "ringfence-dial" in event.get("Context", "")
    )
    await lab.pbx.ami("Atxfer", {"Channel": leg, "Exten": target, "Context": "ringfence-agents"})
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(dialled, 3)
    await asyncio.sleep(1)  # whether an INVITE left is asked of the carrier, after time enough for one
    assert len(await lab.invites(target, since_s=since_s)) == reached
    await call.hang_up()
    await lab.subscriber(people.AGREED_NL)


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
        if b"RINGFENCE_TOKEN" in line:
            token = line.split(b'"')[1].decode()
        writer.write(b"200 result=1\n")
    writer.close()
    return token


async def test_a_fresh_token_passes_so_the_next_tests_mean_something(lab, gate):
    """Control: number, caller ID and age are right."""
    seen = len(await lab.invites(people.AGREED_NL))
    await lab.dial_past_the_gate(
        people.AGREED_NL, token=await _token(gate, people.AGREED_NL), caller_id=SHOWN
    )
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
    call = phone.call(number)
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
