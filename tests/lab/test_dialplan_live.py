"""The dialplan files on a live Asterisk, with a scripted server in the service's place.

What the carrier's SIP socket saw is the proof.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.lab import Lab
from tests.lab.line_calls import ASK
from tests.lab.ports import free_tcp_port
from tests.lab.scripted_agi import SHOWN, TOKEN, ScriptedAgi, allow, deny

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_numbers = iter(range(10_000))


@pytest.fixture
def number() -> str:
    """A number of its own for each test, so that what the carrier saw belongs to it."""
    return f"+49309018{next(_numbers):05d}"


async def test_an_allowed_call_shows_the_chosen_number_in_from_and_pai(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Whatever caller ID and name the caller had; and gets the own one back."""
    attempt = await lab.dial(number, "sales", agent="a17", caller_id="4711", name='Eve "X" <99>')
    (invite,) = await lab.invites(number)
    assert (invite.from_number, invite.from_name, invite.pai_number, invite.privacy) == (SHOWN, "", SHOWN, "")
    assert (attempt.decision, attempt.dial_status, attempt.caller_after) == ("ALLOW", "ANSWER", "4711")
    assert agi.of("attempt")[0].arguments == [number, "sales", "a17"]
    assert agi.of("attempt")[0].value("agi_callerid") == "4711"
    assert agi.of("trunk")[0].arguments == [TOKEN, number]
    assert agi.of("trunk")[0].value("agi_channel").startswith("PJSIP/carrier-")


async def test_the_outcome_is_told_once_with_what_dial_found(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Here the called person is busy."""
    await lab.subscriber(number, "busy")
    attempt = await lab.dial(number, "sales")
    assert attempt.dial_status == "BUSY"
    assert [asked.arguments for asked in agi.of("outcome")] == [[TOKEN, "BUSY", "17", ""]]


async def test_the_outcome_is_told_once_when_the_agent_hangs_up(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """From the hangup handler, with the seconds that were spoken; the dialplan never returns."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    running = await lab.begin(number, "sales")
    await lab.until_answered(number)
    await asyncio.sleep(1.2)  # the seconds that shall be told
    await lab.hang_up(running)
    attempt = await running.ended()
    assert attempt.returned is False
    (told,) = agi.of("outcome")
    assert told.arguments[:2] == [TOKEN, "ANSWER"]
    assert int(told.arguments[3]) >= 1


async def test_an_agent_who_hangs_up_while_it_rings_cancels_the_call(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """One CANCEL at the carrier, one outcome."""
    await lab.subscriber(number, "never")
    running = await lab.begin(number, "sales")
    async with asyncio.timeout(10):
        while not any(i.rang_at_s for i in await lab.invites(number)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await lab.hang_up(running)
    await running.ended()
    (invite,) = await lab.invites(number)
    assert invite.cancelled_at_s is not None
    assert [asked.arguments[1] for asked in agi.of("outcome")] == ["CANCEL"]


async def test_the_outcome_is_told_once_when_the_agent_hangs_up_meanwhile(
    lab: Lab, agi: ScriptedAgi, number: str
) -> None:
    """The server is slow to take it, and the hangup handler finds that it was told already."""
    agi.hung.add("outcome")
    await lab.subscriber(number, "busy")
    running = await lab.begin(number, "sales")
    async with asyncio.timeout(10):
        while not agi.of("outcome"):  # noqa: ASYNC110 - the scripted server has no event
            await asyncio.sleep(0.02)
    await lab.hang_up(running)
    await running.ended()
    await lab.pbx.until_idle()
    assert [asked.arguments[1] for asked in agi.of("outcome")] == ["BUSY"]


async def test_a_call_rings_no_longer_than_it_may(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """RINGFENCE_RING_S ends it."""
    await lab.subscriber(number, "never")
    agi.attempt = {**allow(number), "RINGFENCE_RING_S": "1"}
    attempt = await lab.dial(number, "sales")
    (invite,) = await lab.invites(number)
    assert attempt.dial_status == "NOANSWER"
    assert invite.lived_ms == pytest.approx(1000, abs=300)


async def test_a_denied_call_sends_no_invite(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """The variables come back, nothing leaves, the trunk leg is not even asked."""
    agi.attempt = deny(number)
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert (attempt.decision, attempt.reason, attempt.cause, attempt.returned) == (
        "DENY",
        "objection",
        "21",
        True,
    )
    assert agi.of("trunk") == []


@pytest.mark.parametrize("almost", ["allow", "ALLOWED", "ALLOW ", "", 'ALLOW" | "1" = "1', "DENY,ALLOW"])
async def test_only_exactly_allow_leads_to_dial(lab: Lab, agi: ScriptedAgi, number: str, almost: str) -> None:
    """Whatever else stands in RINGFENCE_DECISION."""
    agi.attempt = {**allow(number), "RINGFENCE_DECISION": almost.replace('"', '\\"')}
    await lab.dial(number, "sales")
    assert await lab.invites(number) == []


async def test_a_server_that_dies_silently_is_not_success(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Asterisk says AGISTATUS=SUCCESS; nothing was set, so nothing is dialled."""
    agi.mute.add("attempt")
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert (attempt.decision, attempt.answered_by, attempt.cause) == ("DEFER", "nobody", "41")


async def test_a_server_that_hangs_is_left_after_its_time(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Three seconds, then the caller gets an answer."""
    agi.hung.add("attempt")
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert (attempt.decision, attempt.answered_by, attempt.returned) == ("DEFER", "nobody", True)
    assert 2.5 < attempt.took_s < 5


async def test_no_server_at_all_is_answered_at_once(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Refused connections cost nothing."""
    await agi.stop()
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert attempt.answered_by == "nobody"
    assert attempt.took_s < 1


@pytest.mark.parametrize("trouble", ["gone", "mute", "hung"])
async def test_the_second_try_decides_when_the_service_does_not(
    lab: Lab, agi: ScriptedAgi, number: str, trouble: str
) -> None:
    """`ringfence-agi` is asked for every script with the same arguments; its word counts."""
    _install_program(lab, decision="ALLOW", trunk="PASS")
    if trouble == "gone":
        await agi.stop()
    elif trouble == "mute":
        agi.mute |= {"attempt", "trunk", "outcome"}
    else:
        agi.hung |= {"attempt"}
    attempt = await lab.dial(number, "sales", agent="a1")
    (invite,) = await lab.invites(number)
    assert invite.from_number == SHOWN
    assert (attempt.decision, attempt.answered_by) == ("ALLOW", "process")
    told = (lab.pbx.agi_folder / "told").read_text().splitlines()
    assert told[0] == f"attempt {number} sales a1"
    if trouble == "gone":
        assert told[1:] == [f"trunk {TOKEN} {number}", f"outcome {TOKEN} ANSWER 16 0"]
    seen = (lab.pbx.agi_folder / "seen").read_text()
    assert "attempt" in seen
    assert not [secret for secret in (number, number[1:], f"{TOKEN}\0") if secret in seen], "`ps` shows it to everybody"


async def test_a_denial_of_the_second_try_holds(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """It is asked because the service is gone; it says no."""
    _install_program(lab, decision="DENY", trunk="PASS")
    await agi.stop()
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert (attempt.decision, attempt.answered_by) == ("DENY", "process")


async def test_the_second_try_is_not_asked_when_the_service_answered(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """A denial of the service is not appealed."""
    _install_program(lab, decision="ALLOW", trunk="PASS")
    agi.attempt = deny(number)
    await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert not (lab.pbx.agi_folder / "told").exists()


@pytest.mark.parametrize("answer", ["REFUSED", "PASSED", "pass", ""])
async def test_only_exactly_pass_lets_the_trunk_leg_dial(lab: Lab, agi: ScriptedAgi, number: str, answer: str) -> None:
    """The verdict was ALLOW; the trunk leg still dies before its INVITE."""
    agi.trunk = {"RINGFENCE_TRUNK": answer}
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert (attempt.decision, attempt.dial_status) == ("ALLOW", "CHANUNAVAIL")


async def test_a_trunk_leg_whose_server_hangs_never_dials(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """The time-out hangs the leg up, and that is what holds the INVITE back."""
    agi.hung.add("trunk")
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert attempt.took_s < 5


async def test_a_dial_that_skipped_the_gate_dies_on_the_trunk_leg(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """No token: asked all the same, and refused."""
    agi.trunk = {"RINGFENCE_TRUNK": "REFUSED"}
    attempt = await lab.dial_past_the_gate(number, token="")
    assert await lab.invites(number) == []
    assert (attempt.dial_status, attempt.hangup_cause) == ("CHANUNAVAIL", "21")


async def test_an_emergency_number_as_excuse_for_another_is_refused(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """The pre-dial routine is told 112 while another number is dialled."""
    agi.trunk = {"RINGFENCE_TRUNK": "REFUSED"}
    await lab.dial_past_the_gate(number, token="", token_number="112")
    assert await lab.invites(number) == []


async def test_emergency_calls_pass_with_everything_dead(lab: Lab, agi: ScriptedAgi) -> None:
    """No server, no program: nobody is asked."""
    await agi.stop()
    since_s = time.time()
    attempt = await lab.dial("112", "sales")
    assert [invite.number for invite in await lab.invites(since_s=since_s)] == ["112"]
    assert (attempt.decision, attempt.answered_by) == ("ALLOW", "emergency")


async def test_emergency_calls_do_not_wait_for_a_server_that_hangs(lab: Lab, agi: ScriptedAgi) -> None:
    """The INVITE leaves at once."""
    agi.hung |= {"attempt", "trunk", "outcome"}
    since_s = time.time()
    await lab.dial("110", "sales")
    (invite,) = await lab.invites(since_s=since_s)
    assert invite.at_s - since_s < 0.5


async def test_an_emergency_number_that_only_the_gate_knows_is_dialled(lab: Lab, agi: ScriptedAgi) -> None:
    """No token, no caller ID, no ring time: its digits leave, with the caller's own caller ID."""
    agi.attempt = {**allow("144"), "RINGFENCE_CALLER_ID": "", "RINGFENCE_TOKEN": "", "RINGFENCE_RING_S": ""}
    since_s = time.time()
    attempt = await lab.dial("144", "sales", caller_id="4711")
    (invite,) = await lab.invites(since_s=since_s)
    assert (invite.number, invite.from_number) == ("144", "4711")
    assert (attempt.decision, attempt.answered_by, attempt.dial_status) == ("ALLOW", "daemon", "ANSWER")
    assert agi.of("trunk")[0].arguments == ["", "144"]
    assert agi.of("outcome") == []


async def test_without_a_token_the_trunk_leg_is_still_asked(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """An ALLOW without one opens nothing by itself."""
    agi.attempt = {**allow(number), "RINGFENCE_TOKEN": ""}
    agi.trunk = {"RINGFENCE_TRUNK": "REFUSED"}
    await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert agi.of("trunk")[0].arguments == ["", number]


async def test_a_token_that_is_none_is_not_taken_for_a_missing_one(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Only an empty one means an emergency."""
    agi.attempt = {**allow(number), "RINGFENCE_TOKEN": "xyz"}
    attempt = await lab.dial(number, "sales")
    assert await lab.invites(number) == []
    assert attempt.answered_by == "nobody"


@pytest.mark.parametrize("line", ["112@carrier", "carrier/sip:112@{host}", "112@carrier/sip:gateway@{host}"])
async def test_an_emergency_number_passes_in_every_form_that_dials_it(lab: Lab, agi: ScriptedAgi, line: str) -> None:
    """With everything dead; the carrier sees 112, so the form really dials it."""
    await agi.stop()
    since_s = time.time()
    await lab.dial_line("PJSIP/" + line.format(host=_carrier(lab)))
    assert [invite.number for invite in await lab.invites(since_s=since_s)] == ["112"]


@pytest.mark.parametrize(
    "line", ["carrier/sip:{number}/112@{host}", "carrier/sip:{number}@{host};x=/112", "{number}@carrier/sip:112@{host}"]
)
async def test_an_emergency_number_elsewhere_in_the_dial_string_passes_nothing(
    lab: Lab, agi: ScriptedAgi, number: str, line: str
) -> None:
    """The gate is asked, and it says no."""
    agi.trunk = {"RINGFENCE_TRUNK": "REFUSED"}
    since_s = time.time()
    await lab.dial_line("PJSIP/" + line.format(number=number, host=_carrier(lab)))
    assert await lab.invites(since_s=since_s) == []
    assert len(agi.of("trunk")) == 1


@pytest.mark.parametrize(("line", "passes"), [("112c(ulaw)", True), ("+4930c(ulaw)/112", False)])
async def test_of_another_technology_the_number_is_the_second_part(
    lab: Lab, agi: ScriptedAgi, line: str, passes: bool
) -> None:
    """As in `g1/112/options`; a lab has no such line, only a channel whose dial string looks alike."""
    agi.trunk = {"RINGFENCE_TRUNK": "REFUSED"}
    attempt = await lab.dial_line(f"UnicastRTP/127.0.0.1:9/{line}")
    assert (attempt.dial_status, len(agi.of("trunk"))) == (("ANSWER", 0) if passes else ("CHANUNAVAIL", 1))


async def test_who_originates_cannot_name_a_gate_of_their_own(
    lab: Lab, agi: ScriptedAgi, number: str, tmp_path: Path
) -> None:
    """Neither another service nor another program is asked, with the service there or gone."""
    ran, program = tmp_path / "ran", tmp_path / "gate"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    other = ScriptedAgi()
    port = free_tcp_port("127.0.0.1")
    await other.start(port)
    chosen = {"__RINGFENCE_AGI": f"agi://127.0.0.1:{port}", "__RINGFENCE_AGI_SCRIPT": str(program)}
    try:
        agi.attempt = deny(number)
        denied = await (await lab.begin(number, "sales", originator=chosen)).ended()
        await agi.stop()
        alone = await (await lab.begin(number, "sales", originator=chosen)).ended()
    finally:
        await other.stop()
    assert await lab.invites(number) == []
    assert (denied.answered_by, alone.answered_by) == ("daemon", "nobody")
    assert other.asked == []
    assert not ran.exists()


async def test_who_originates_cannot_change_how_the_gate_dials(lab: Lab, agi: ScriptedAgi, number: str) -> None:
    """Waiting times, Dial()'s options and the name shown are the site's, on the trunk leg too."""
    chosen = {
        "__RINGFENCE_WAIT_S": "0.001",
        "__RINGFENCE_SCRIPT_WAIT_S": "0.001",
        "__RINGFENCE_DIAL_OPTIONS": "S(1)",
        "__RINGFENCE_CALLER_NAME": "Eve",
    }
    agi.slow_s = 0.5
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=2)
    attempt = await (await lab.begin(number, "sales", originator=chosen)).ended()
    (invite,) = await lab.invites(number)
    assert invite.from_name == ""
    assert (attempt.answered_by, attempt.dial_status) == ("daemon", "ANSWER")
    assert int(attempt.answered_s) >= 2
    assert len(agi.of("outcome")) == 1


async def test_without_the_agi_module_nothing_is_dialled(number: str) -> None:
    """Asterisk dials when a pre-dial routine breaks off, so it must not break off."""
    lab = await Lab.start(without=("res_agi.so",))
    try:
        attempt = await lab.dial(number, "sales")
        await lab.dial_past_the_gate(number, token=TOKEN)
        assert await lab.invites() == []
        assert attempt.answered_by == "nobody"
        await lab.dial("112", "sales")
        assert [invite.number for invite in await lab.invites()] == ["112"]
    finally:
        await lab.stop()


def _carrier(lab: Lab) -> str:
    """Where the carrier takes calls, as it stands in a SIP URI."""
    return f"{lab.carrier.host}:{lab.carrier.sip_port}"


def _install_program(lab: Lab, *, decision: str, trunk: str) -> None:
    """A `ringfence-agi` that notes what it was asked and answers as told."""
    code = f"""
import sys
while sys.stdin.readline().strip(): pass
{ASK}
open({str(lab.pbx.agi_folder / "told")!r}, "a").write(" ".join([*sys.argv[1:], *asked]) + "\\n")
open({str(lab.pbx.agi_folder / "seen")!r}, "a").write(open("/proc/self/cmdline").read())
def tell(name, value):
    print(f'SET VARIABLE {{name}} "{{value}}"', flush=True); sys.stdin.readline()
if sys.argv[1] == "attempt":
    tell("RINGFENCE_NUMBER", asked[0]); tell("RINGFENCE_CALLER_ID", {SHOWN!r})
    tell("RINGFENCE_TOKEN", {TOKEN!r})
    tell("RINGFENCE_RING_S", "20"); tell("RINGFENCE_CAUSE", "0"); tell("RINGFENCE_DECISION", {decision!r})
elif sys.argv[1] == "trunk":
    tell("RINGFENCE_TRUNK", {trunk!r})
"""
    lab.install_agi("ringfence-agi", [sys.executable, "-c", code], {})
