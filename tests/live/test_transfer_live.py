"""A running call is sent to the objection line, by the command and by the API, through real Asterisks."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab import people
from tests.lab.conversation import prompt

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.service import ServiceProcess
    from tests.lab.subscribers import Subscribers

SPIES = "Local/spy@"
"""Channels that listen to legs."""

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _talking(lab: Lab, number: str):
    """A call that the person has answered."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    since_s = time.time()
    running = await lab.begin(number, "tulip-nl")
    await lab.until_answered(number, since_s=since_s)
    return running


async def test_the_agents_channel_leads_to_the_persons_leg(lab: Lab, gate: ServiceProcess, ears: Subscribers):
    """The agent is free, the person's leg goes on in the objection line, and presses 1 there."""
    since_s = time.time()
    running = await _talking(lab, people.AGREED_NL)
    channels = await lab.pbx.channels()
    (leg,) = [channel for channel in channels if channel.startswith("PJSIP/carrier-")]
    (agent,) = [each for each in channels if each != leg and not each.endswith(";1") and not each.startswith(SPIES)]
    refused = await gate.run("transfer", "PJSIP/nobody-00000001")
    assert (refused.code, "no such channel" in refused.err) == (2, True)
    said = await gate.run("transfer", agent)
    assert said.code == 0, said.err
    assert leg in said.out
    await running.ended(5)
    await _until_only(lab, leg)
    await lab.until_heard(people.AGREED_NL, prompt("press-1-company", "nl"), since_s=since_s, timeout_s=30)
    await ears.press(people.AGREED_NL, "1")
    entry = await _objection_by(gate, "transfer")
    assert (entry["number"], entry["scope"], entry["channel"]) == (people.AGREED_NL, "tulip", "ivr")
    await lab.people.hang_up(people.AGREED_NL)
    await lab.pbx.until_idle()


async def _until_only(lab: Lab, leg: str) -> None:
    """Wait until the agent's side is gone and the person's leg is not; who listens to it may stay."""
    async with asyncio.timeout(30):
        while (channels := [each for each in await lab.pbx.channels() if not each.startswith(SPIES)]) != [leg]:
            assert leg in channels
            await asyncio.sleep(0.05)


async def _objection_by(gate: ServiceProcess, path: str) -> dict:
    """Wait for the one objection that came this way."""
    async with asyncio.timeout(30):
        while True:
            said = await gate.run("objections", "list", "--json")
            assert said.code == 0, said.err
            found = [entry for entry in json.loads(said.out) if entry["path"] == path]
            if found:
                (entry,) = found
                return entry
