"""Each reason id on the live lab: the carrier sees no INVITE; an allowed call shows the right number."""

from __future__ import annotations

import pytest

from asterisk_plugin.core.verdict import Reason
from tests.lab import clock, people
from tests.lab.demo import ORDINARY, Call, place
from tests.lab.fixtures import SITE
from tests.lab.service import ServiceProcess

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

# These need a fault or another hour; test_faults.py and the tests below show them.
ELSEWHERE = {
    Reason.CALLING_HOURS,
    Reason.STORE_UNAVAILABLE,
    Reason.EVIDENCE_UNAVAILABLE,
    Reason.INTERNAL_ERROR,
}


async def test_every_reason_is_shown_on_the_live_lab():
    """No reason id without a live call that it stops."""
    assert {call.expected for call in ORDINARY} | ELSEWHERE == {*Reason, ""}


@pytest.mark.parametrize("call", [c for c in ORDINARY if c.expected], ids=lambda call: call.expected)
async def test_a_call_that_may_not_be_made_never_reaches_the_carrier(lab, gate, call: Call):
    """The gate says why; the carrier's SIP socket saw nothing."""
    row = await place(lab, call)
    assert row.reason == call.expected
    assert row.decision in ("DENY", "DEFER")
    assert row.invites == []


@pytest.mark.parametrize("call", [c for c in ORDINARY if not c.expected], ids=lambda call: call.campaign)
async def test_an_allowed_call_reaches_the_carrier_once(lab, gate, call: Call):
    """One INVITE."""
    row = await place(lab, call)
    assert row.decision == "ALLOW"
    assert len(row.invites) == 1


@pytest.mark.parametrize(
    ("number", "campaign", "shown"),
    [
        (people.AGREED_NL, "tulip-nl", "+31201234567"),
        (people.READER_NL, "courant-nl", "+31207654321"),
        (people.AGREED_DE, "linde-de", "+493023125100"),
    ],
)
async def test_the_called_person_sees_the_right_number(lab, gate, number, campaign, shown):
    """From and P-Asserted-Identity of the INVITE that left, and no Privacy header."""
    await lab.dial(number, campaign, caller_id="1001", name="Agent One")
    (invite,) = (await lab.invites(number))[-1:]
    assert invite.from_number == shown
    assert f"sip:{shown}@" in invite.pai
    assert invite.privacy == ""


async def test_after_hours_nothing_is_dialled(lab, tmp_path):
    """Tuesday 22:30: DEFER with the next morning as NOT_BEFORE."""
    moment = clock.next_working_tuesday(22, 30)
    late = ServiceProcess(lab, tmp_path / "late", site=SITE, moment=moment, watchdog=False)
    try:
        await people.enter_records(late, tmp_path)
        await late.start()
        seen = len(await lab.invites(people.AGREED_NL))
        ended = await lab.dial(people.AGREED_NL, "tulip-nl", caller_id="1001")
        assert (ended.decision, ended.reason) == ("DEFER", "calling-hours")
        next_morning = clock.next_working_tuesday(9).timestamp() + 24 * 3600
        assert float(ended.not_before) == next_morning
        assert len(await lab.invites(people.AGREED_NL)) == seen
    finally:
        await late.stop()
