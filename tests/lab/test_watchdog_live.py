"""What the watchdog asks a live Asterisk about a running leg: the number it really dialled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.callflow.trunk_legs import dialled_number, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


class LabManager:
    """The lab's AMI connection as the watchdog expects one."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> Sequence[Mapping[str, str]]:
        """Send one action."""
        return [await self._lab.pbx.ami(name, fields)]


@pytest.mark.parametrize("line", ["{number}@carrier", "carrier/sip:{number}@{host};x=/112"])
@pytest.mark.parametrize("does", ["answer", "never"])
async def test_the_number_of_a_running_leg_is_what_it_dials_not_what_the_originator_says(
    lab: Lab, line: str, does: str
) -> None:
    """Caller ID, extension and the end of the dial string say 112; another number was called."""
    number = "+493090180001"
    await lab.subscriber(number, does, ring_s=0.1, talk_s=60)
    host = f"{lab.carrier.host}:{lab.carrier.sip_port}"
    begun = lab.pbx.manager.expect(lambda event: event.get("Event") == "DialBegin")
    state = "Up" if does == "answer" else "Ringing"
    reached = lab.pbx.manager.expect(
        lambda event: event.get("Event") == "Newstate" and event.get("ChannelStateDesc") == state
    )
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": f"PJSIP/{line.format(number=number, host=host)}",
            "Context": "lab-wait",
            "Exten": "112",
            "Priority": "1",
            "CallerID": "112",
            "Async": "true",
        },
    )
    try:
        async with asyncio.timeout(10):
            leg, now = await begun, await reached
        assert dialled_number(leg["DialString"]) == number
        assert await read_number(LabManager(lab), now["Channel"]) == number
    finally:
        await lab.clear()
