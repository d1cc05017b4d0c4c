"""Queues of the lab with callers and agents in them, for the live tests of waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from tests.lab.manager import ManagerFailed
from tests.lab.over_music import OverMusic
from tests.lab.sound_folders import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.lab.lab import Lab
    from tests.lab.service import ServiceProcess
    from tests.lab.wire_record import Invite

EVERY_S = 30
PATIENCE_S = 90.0
"""Longest wait for something to be heard: a first announcement takes some twenty seconds."""

QUEUES = """
[[queue]]
id = "waiting-{number}"
principal = "linde"
language = "de"
numbers = ["+49302312530{number}"]
call_back_campaign = "linde-service"
announce_every_s = {every_s}
carrier_limit_s = {limit_s}
at_limit = "{at_limit}"
fixed_price = {fixed_price}
"""


def prompt(name: str) -> Path:
    """The file that Asterisk plays."""
    return SHIPPED / "de" / "ringfence" / f"{name}.alaw"


def write_queues(service: ServiceProcess, *, called_back: int = 0, fixed_price: int = 0, **limits_s: int) -> None:
    """Configure the lab's queues 2 to 8 beside the site's own.

    Args:
        service: Whose configuration.
        called_back: Number of the queue in which a call-back is offered at the carrier's limit.
        fixed_price: Number of the queue whose calls cost the same however long they last.
        limits_s: The carrier's limits: `q3=20` gives number 3 one.
    """
    site = service.config / "campaigns.toml"
    tables = (
        QUEUES.format(
            number=n,
            every_s=EVERY_S,
            limit_s=limits_s.get(f"q{n}", 0),
            at_limit="call-back" if n == called_back else "answer",
            fixed_price=str(n == fixed_price).lower(),
        )
        for n in range(2, 9)
    )
    site.write_text(site.read_text() + "".join(tables))


class Hall:
    """One queue, its agents, and the callers in it.

    Args:
        lab: Two Asterisks.
        service: Under test.
        number: Of the queue: `waiting-2` is called at 812.
    """

    def __init__(self, lab: Lab, service: ServiceProcess, number: int) -> None:
        self.lab, self.service, self.number = lab, service, number
        self.queue = f"waiting-{number}"
        self.since_s = time.time()
        self._members: list[str] = []

    def person(self, place: int) -> str:
        """Number of a caller of this queue."""
        return f"+493023125{self.number}{place:02}"

    async def calls(self, number: str, *, until_in: bool = True) -> None:
        """Have a person call the queue; returns when they wait in it."""
        await self.lab.people.calls(number, f"81{self.number}", ring_s=600, talk_s=600)
        if until_in:
            await self.until(lambda: self._waits(number))

    async def _waits(self, number: str) -> bool:
        return number in await self.waiting()

    async def waiting(self) -> list[str]:
        """Numbers of those in the queue, in order; a channel that waits for a call-back by its name."""
        shown = await self.lab.pbx.cli(f"queue show {self.queue}")
        channels = [line.split()[1] for line in shown.splitlines() if "(wait:" in line]
        return [await self._number(channel) for channel in channels]

    async def stands(self, *wanted: str) -> None:
        """Wait until exactly these stand in the queue, in this order."""

        async def stand() -> bool:
            waiting = await self.waiting()
            return len(waiting) == len(wanted) and all(map(str.startswith, waiting, wanted))

        await self.until(stand)

    async def _number(self, channel: str) -> str:
        if channel.startswith("Local/"):
            return channel
        with contextlib.suppress(ManagerFailed):  # gone meanwhile
            value = await self.lab.pbx.ami("Getvar", {"Channel": channel, "Variable": "CALLERID(num)"})
            return value.get("Value", "")
        return ""

    async def logs_in(self, desk: int, does: str = "answer", *, ring_s: float = 0.1, talk_s: float = 60.0) -> str:
        """Let an agent log in; returns the number at which the carrier rings them."""
        number = f"210{desk}"
        await self.lab.subscriber(number, does, ring_s=ring_s, talk_s=talk_s)
        interface = f"PJSIP/{number}@desk-{desk}"
        fields = {"Queue": self.queue, "Interface": interface, "StateInterface": f"PJSIP/desk-{desk}"}
        await self.lab.pbx.ami("QueueAdd", fields)
        self._members.append(interface)
        return number

    async def close(self) -> None:
        """Let every agent log out."""
        for interface in self._members:
            with contextlib.suppress(ManagerFailed):
                await self.lab.pbx.ami("QueueRemove", {"Queue": self.queue, "Interface": interface})

    async def call_of(self, number: str) -> Invite:
        """What the carrier saw of the call that this person made."""
        calls = [call for call in await self.lab.carrier.calls_out() if call.at_s >= self.since_s]
        theirs = [call for call in calls if number in (call.from_number, call.pai_number)]
        return max(theirs, key=lambda call: call.at_s)

    async def until_answered(self, number: str) -> Invite:
        """Wait until the call that this person made is answered, so that it is charged."""
        await self.until(lambda: self._is_answered(number))
        return await self.call_of(number)

    async def _is_answered(self, number: str) -> bool:
        with contextlib.suppress(ValueError):  # not there yet
            return (await self.call_of(number)).answered_at_s is not None
        return False

    async def sound(self, number: str) -> OverMusic:
        """What this person has heard so far."""
        return OverMusic(await self.lab.heard(number, since_s=self.since_s))

    async def said(self, number: str, name: str) -> list[float]:
        """Where a prompt was heard, seconds from the beginning."""
        with contextlib.suppress(LookupError):
            return (await self.sound(number)).places(prompt(name))
        return []

    async def until_said(self, number: str, *names: str, times: int = 1) -> None:
        """Wait until a person has heard each of these prompts, so many times."""

        async def said() -> bool:
            return all([len(await self.said(number, name)) >= times for name in names])

        await self.until(said)

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not await is_so():  # noqa: ASYNC110 - sound is no event
                await asyncio.sleep(1)

    async def waits(self) -> list[dict[str, Any]]:
        """The waits of this queue that ended, as an admin can prove them; newest first."""
        ran = await self.service.run("queue", "waits", "--queue", self.queue, "--json")
        assert ran.code == 0, ran.err
        return list(json.loads(ran.out))
