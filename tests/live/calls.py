"""Calls as the carrier saw them, for the tests of what an objection does to them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.wire_record import Invite


async def seen(lab: Lab, number: str, since_s: float, moment: str) -> Invite:
    """The one call to `number`, once the carrier has seen that moment of it."""
    async with asyncio.timeout(10):
        while True:
            invites = await lab.invites(number, since_s=since_s)
            if invites and getattr(invites[0], moment):
                (invite,) = invites
                return invite
            await asyncio.sleep(0.05)  # the capture file grows without an event


async def ringing(lab: Lab, number: str, campaign: str) -> float:
    """An attempt that rings at the carrier for as long as it is let; returns when it began.

    What a busy machine made the gate defer is tried again, as a dialer would.
    """
    await lab.subscriber(number, "never")
    for _ in range(3):
        since_s = time.time()
        running = await lab.begin(number, campaign, caller_id="1001")
        rings = asyncio.ensure_future(seen(lab, number, since_s, "rang_at_s"))
        over = asyncio.ensure_future(running.ended())
        await asyncio.wait((rings, over), return_when=asyncio.FIRST_COMPLETED)
        if not running.is_over:
            over.cancel()
            await rings
            return since_s
        rings.cancel()
        if (await over).decision != "DEFER":
            break
    raise AssertionError(await over)
