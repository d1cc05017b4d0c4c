"""A dialer and its agents on the lab, for tests of what happens between answer and agent."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import datetime as dt
import re
import time
from typing import TYPE_CHECKING

from tests.lab.fixtures import SITE
from tests.lab.manager import ManagerFailed
from tests.lab.service import PATIENT, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from tests.lab.attempt import RunningAttempt
    from tests.lab.lab import Lab

QUEUE = "plain"
DESKS = 6
_ENDED = re.compile(r"ended attempt=(?P<id>[0-9a-f]{32}) campaign=(?P<campaign>\S+) (?P<rest>.*)")
_FIELD = re.compile(r"(\w+)=(\S+)")


async def agree(service: ServiceProcess, folder: Path, numbers: Iterable[str]) -> None:
    """Enter the consent of people to be called by Linde."""
    file, given = folder / "agreed.csv", (dt.datetime.now(dt.UTC) - dt.timedelta(days=30)).isoformat(timespec="seconds")
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["number", "principal", "purpose", "product", "given_at", "wording"])
        rows.writerows((number, "linde", "sales", "fashion", given, "Yes, call me.") for number in numbers)
    done = await service.run("consent", "import", str(file))
    assert done.code == 0, done.out + done.err


class Dialer:
    """Dials, and has agents in a plain queue.

    Args:
        lab: Two Asterisks.
        service: Under test.
    """

    def __init__(self, lab: Lab, service: ServiceProcess) -> None:
        self.lab, self.service = lab, service
        self._members: list[str] = []

    async def logs_in(self, desks: int, *, ring_s: float = 0.1, talk_s: float = 6.0) -> None:
        """Let so many agents log in, each of whom speaks one tone to whom they get."""
        for desk in range(1, desks + 1):
            await self.lab.subscriber(f"210{desk}", "speaks", ring_s=ring_s, talk_s=talk_s)
            interface = f"PJSIP/210{desk}@desk-{desk}"
            fields = {"Queue": QUEUE, "Interface": interface, "StateInterface": f"PJSIP/desk-{desk}"}
            await self.lab.pbx.ami("QueueAdd", fields)
            self._members.append(interface)

    async def close(self) -> None:
        """Let every agent log out."""
        for interface in self._members:
            with contextlib.suppress(ManagerFailed):
                await self.lab.pbx.ami("QueueRemove", {"Queue": QUEUE, "Interface": interface})

    async def dials(
        self,
        number: str,
        campaign: str = "linde-predictive",
        *,
        queue: bool = True,
        play: str = "",
        desk: int = 0,
    ) -> RunningAttempt:
        """Dial one person.

        Args:
            number: Whom.
            campaign: For which campaign.
            queue: Who is connected goes to the agents' queue; else hears silence.
            play: Or hears this sound again and again.
            desk: Or goes to this agent, who is kept free.
        """
        then = {"Application": "Queue", "Data": f"{QUEUE},c"} if queue else None
        if play:
            then = {"Application": "Playback", "Data": "&".join([play] * 20)}
        if desk:
            then = {"Application": "Dial", "Data": f"PJSIP/210{desk}@desk-{desk},30"}
        return await self.lab.begin(number, campaign, agent="reserved", then=then)

    def ended(self) -> dict[str, dict[str, str]]:
        """How each attempt ended, by id, as the service logged it."""
        return {
            match["id"]: {"campaign": match["campaign"], **dict(_FIELD.findall(match["rest"]))}
            for match in _ENDED.finditer(self.service.log.read_text())
        }

    async def end_of(self, attempt_id: str, *, timeout_s: float = 60) -> dict[str, str]:
        """How one attempt ended.

        Raises:
            TimeoutError: It has not.
        """
        async with asyncio.timeout(timeout_s):
            while attempt_id not in (ended := self.ended()):  # noqa: ASYNC110 - a line of a log is no event
                await asyncio.sleep(0.2)
        return ended[attempt_id]

    async def finish(
        self, number: str, campaign: str = "linde-predictive", **how: object
    ) -> tuple[dict[str, str], float]:
        """Dial, and wait for the end: how it ended, and when it was dialled (`time.time()`)."""
        since_s = time.time()
        running = await self.dials(number, campaign, **how)  # type: ignore[arg-type]
        attempt = await running.ended(90)
        return await self.end_of(attempt.token), since_s


@contextlib.asynccontextmanager
async def dialing(lab: Lab, folder: Path, numbers: Iterable[str]) -> AsyncIterator[Dialer]:
    """A service and its agents, and people who agreed to be called."""
    service = ServiceProcess(lab, folder / "ringfence", site=SITE, toml=PATIENT)
    await service.start()
    await agree(service, folder, numbers)
    lab.people.listen()
    dialer = Dialer(lab, service)
    await dialer.logs_in(DESKS)
    try:
        yield dialer
    finally:
        await dialer.close()
        lab.people.stop_listening()
        await lab.clear()
        await service.stop()


def messages(lab: Lab) -> list[Path]:
    """What lies in the subscribers' mailboxes."""
    return sorted((lab.carrier.folder / "spool" / "voicemail" / "default").rglob("msg*.txt"))


def recorded(lab: Lab) -> list[Path]:
    """What the mailboxes whose beep could be a ring, or who have none, have recorded."""
    return sorted((lab.carrier.folder / "spool" / "voicemail" / "doubtful").rglob("msg*.wav"))
