"""Many callers in one queue, minutes long, agents coming and going, the service killed in the middle.

What each caller heard is taken from the RTP that reached them, and when their call was answered from the carrier's own
SIP socket. Who waits must be told at once and at least once a minute, keep the place, and be charged only from the
moment an agent answers; and nobody may be dropped.

`python -m tests.lab.waiting_room --callers 100 --minutes 4` runs it and says what came of it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.lab.faults import valkey_pid
from tests.lab.fixtures import SITE
from tests.lab.lab import Lab
from tests.lab.over_music import OverMusic
from tests.lab.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.wire_record import Invite

CALLED, PLAIN = "811", "8009"
QUEUE = "waiting-1"
AT_ONCE_S = 2.0
"""The first word of all is to be heard so soon: 0.4 s are the plan, the rest is a busy machine's."""

EVERY_S = 60.0
DESKS = 6
PLAIN_S = 30.0
A_TURN, TURN_S = 2, 0.5
"""So many may come at once, and again after so many seconds: four a second. Eight a second are 100 people who are all
spoken to at the same time, which two processors that also play carrier, telephones and witness do not bear."""

_FIRST_NUMBER = 493023125000
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Report:
    """What came of it.

    Args:
        callers: People who called.
        answered: Of them, those whom an agent answered.
        most_at_once: Most who waited at one moment.
        announcements: Heard in all.
        first_s: Longest time to the first word, seconds.
        longest_gap_s: Longest time from the start of one announcement to the next, or to the end of the wait, while
            the service ran.
        late: Callers told too late, by number. Must be empty.
        overtaken: Callers who were answered before somebody who had come earlier. Must be empty.
        charged_early: Callers whose call was answered before an agent's was. Must be empty.
        dropped: Callers whose call ended while they waited. Must be empty.
        overheard: Agents who heard a word of an announcement. Must be empty.
        cpu_ms: Processor time for one caller and minute, milliseconds: of Asterisk with announcements (`asterisk`), of
            Asterisk in a plain queue (`plain`), of the service and its store.
        took_s: Seconds.
    """

    callers: int = 0
    answered: int = 0
    most_at_once: int = 0
    announcements: int = 0
    first_s: float = 0
    longest_gap_s: float = 0
    late: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    charged_early: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    overheard: list[str] = field(default_factory=list)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    took_s: float = 0

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not (self.late or self.overtaken or self.charged_early or self.dropped or self.overheard)


class WaitingRoom:
    """The callers, the agents, and who watches them.

    Args:
        lab: Two Asterisks.
        service: Under test.
        callers: How many wait at once.
        chance: Where everything random comes from.
    """

    def __init__(self, lab: Lab, service: ServiceProcess, callers: int, chance: random.Random) -> None:
        self.lab, self.service, self.wanted, self.chance = lab, service, callers, chance
        self.report = Report()
        self.numbers = (f"+{_FIRST_NUMBER + n}" for n in itertools.count())
        self.called: list[str] = []
        self.joined: dict[str, str] = {}  # unique id of a channel -> number, in the order of joining
        self.connected: list[str] = []
        self.gone: set[str] = set()
        self.away: list[tuple[float, float]] = []  # when the service did not run
        self._members: dict[int, bool] = {}

    def see(self, event: Mapping[str, str]) -> None:
        """Take one AMI event of the PBX."""
        if event.get("Queue") != QUEUE:
            return
        match event.get("Event"):
            case "QueueCallerJoin":
                self.joined.setdefault(event["Uniqueid"], event.get("CallerIDNum", ""))
                self.report.most_at_once = max(self.report.most_at_once, int(event["Count"]))
            case "AgentConnect":
                self.connected.append(event["Uniqueid"])
            case "QueueCallerAbandon":
                self.gone.add(event["Uniqueid"])

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self.joined) - len(set(self.connected) | self.gone)

    async def callers(self, until_s: float) -> None:
        """Keep so many waiting; they come one after the other, and new ones for those who were served."""
        while time.monotonic() < until_s:
            missing = self.wanted - (len(self.called) - len(self.connected))
            for _ in range(min(missing, A_TURN)):
                number = next(self.numbers)
                self.called.append(number)
                await self.lab.people.calls(number, CALLED, ring_s=900, talk_s=self.chance.uniform(8, 25))
            await asyncio.sleep(TURN_S)

    async def agents(self, until_s: float) -> None:
        """Log in and out, at random."""
        for desk in range(1, DESKS + 1):
            await self.lab.subscriber(f"210{desk}", "answer", ring_s=0.5, talk_s=600)
        while time.monotonic() < until_s:
            desk = self.chance.randint(1, DESKS)
            here = self._members.get(desk, False)
            fields = {"Queue": QUEUE, "Interface": f"PJSIP/210{desk}@desk-{desk}"}
            if here:
                await self.lab.pbx.ami("QueueRemove", fields)
            else:
                await self.lab.pbx.ami("QueueAdd", {**fields, "StateInterface": f"PJSIP/desk-{desk}"})
            self._members[desk] = not here
            await asyncio.sleep(self.chance.uniform(2, 12))

    async def faults(self, until_s: float) -> None:
        """End the service once, in the middle, as `kill -9` does; it comes back after a while."""
        await asyncio.sleep(max(0.0, (until_s - time.monotonic()) / 2))
        began_s = time.time()
        await self.service.kill()
        await asyncio.sleep(15)
        await self.service.start()
        self.away.append((began_s, time.time()))

    async def judge(self) -> None:
        """Hold what everybody heard, and what the carrier saw, against what was promised."""
        report, ours = self.report, {call.from_number: call for call in await self.lab.carrier.calls_out()}
        # After the carrier was asked: agents go on answering meanwhile.
        order = [self.joined[unique_id] for unique_id in self.connected]
        agents = [call for call in await self.lab.invites() if call.number.startswith("210")]
        first_agent_s = min((call.answered_at_s for call in agents if call.answered_at_s), default=float("inf"))
        report.callers, report.answered = len(self.called), len(order)
        came = [number for number in self.joined.values() if number in set(order)]
        report.overtaken = [number for number, other in zip(order, came, strict=True) if number != other]
        ends_s = time.time()
        for number in self.called:
            call = ours.get(number)
            if call is None or not call.messages:
                continue
            answered_s = call.answered_at_s
            if answered_s is None and call.ended_at_s is not None:
                report.dropped.append(number)
            if answered_s is not None and (number not in order or answered_s < first_agent_s):
                report.charged_early.append(number)
            await self._told(number, call, answered_s or ends_s)
        for agent in {call.number for call in agents}:
            for heard in await self.lab.people.heard(agent):
                if OverMusic(heard).speech.max(initial=0) > 60:
                    report.overheard.append(agent)

    async def _told(self, number: str, call: Invite, until_s: float) -> None:
        (heard, *_) = await self.lab.people.heard(number)
        sound = OverMusic(heard)
        began_s = min((at_s for _, at_s in heard.pieces), default=until_s)
        said = [sound.at_s(begin) for begin, end in sound.seconds_with_words() if end - begin > 0.5]
        said = [at_s for at_s in said if at_s < until_s]
        self.report.announcements += len(said)
        if until_s - began_s < AT_ONCE_S:
            return  # answered before the first word was due
        moments = [began_s, *said, until_s]
        gaps = [(a, b) for a, b in itertools.pairwise(moments) if not self._was_away(a, b)]
        first_s = (said[0] if said else until_s) - began_s
        if not self._was_away(began_s, began_s + first_s):
            self.report.first_s = max(self.report.first_s, first_s)
            if first_s > AT_ONCE_S:
                self.report.late.append(number)
        longest_s = max((b - a for a, b in gaps), default=0.0)
        self.report.longest_gap_s = max(self.report.longest_gap_s, longest_s)
        if longest_s > EVERY_S:
            self.report.late.append(number)

    def _was_away(self, first_s: float, last_s: float) -> bool:
        return any(first_s < end_s and begin_s < last_s for begin_s, end_s in self.away)


def cpu_s(*pids: int) -> float:
    """Processor time that processes have used, seconds."""
    used = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS


async def plain_cost(lab: Lab, callers: int) -> float:
    """Processor time of the PBX for one caller and minute in a queue without announcements, milliseconds."""
    for n in range(callers):
        await lab.people.calls(f"+{_FIRST_NUMBER - 900 + n}", PLAIN, ring_s=900, talk_s=5)
        await asyncio.sleep(0.05)
    await asyncio.sleep(3)
    before_s = cpu_s(lab.pbx.pid)
    await asyncio.sleep(PLAIN_S)
    cost_ms = 1000 * (cpu_s(lab.pbx.pid) - before_s) / callers * 60 / PLAIN_S
    await lab.clear()
    return cost_ms


async def run(callers: int, minutes: float, seed: int) -> Report:
    """One whole run."""
    began_s = time.monotonic()
    lab = await Lab.start()
    folder = Path(tempfile.mkdtemp(prefix="rf-waiting-"))
    service = ServiceProcess(lab, folder / "ringfence", site=SITE)
    site = service.config / "campaigns.toml"
    site.write_text(site.read_text() + "carrier_limit_s = 0\n")
    await service.start()
    # The lab's carrier ends no unanswered call, and the dialplan is to know it also while the service is away.
    await lab.pbx.ami("Setvar", {"Variable": "RINGFENCE_QUEUE_LIMIT_S", "Value": "0"})
    try:
        plain_ms = await plain_cost(lab, callers)
        room = WaitingRoom(lab, service, callers, random.Random(seed))
        stop = lab.pbx.manager.watch(room.see)
        lab.people.listen()
        until_s = time.monotonic() + minutes * 60
        jobs = [asyncio.create_task(work(until_s)) for work in (room.callers, room.agents, room.faults)]
        room.report.cpu_ms = {"plain": round(plain_ms, 1), **await _cost(room, until_s)}
        await asyncio.gather(*jobs)
        await room.judge()
        stop()
        room.report.took_s = time.monotonic() - began_s
        return room.report
    finally:
        lab.people.stop_listening()
        await lab.clear()
        await service.stop()
        await lab.stop()


async def _cost(room: WaitingRoom, until_s: float) -> dict[str, float]:
    """Processor time while everybody waits and before anything is killed; shows how far it is."""
    lab, service = room.lab, room.service
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=until_s - time.monotonic())
        while room.waiting < room.wanted * 0.9 and time.monotonic() < until_s:
            await asyncio.sleep(0.5)
            progress.update(bar, description=f"{room.waiting} wait")
        before_s = cpu_s(lab.pbx.pid), cpu_s(service.pid, valkey_pid(service.data_dir))
        began_s, people_s = time.monotonic(), 0.0
        while not room.away and service.pid and time.monotonic() < until_s:
            after_s = cpu_s(lab.pbx.pid), cpu_s(service.pid, valkey_pid(service.data_dir))
            last_s = time.monotonic()
            await asyncio.sleep(0.5)
            people_s += room.waiting * 0.5
            progress.update(bar, completed=time.monotonic() - began_s, description=f"{room.waiting} wait")
    shares = [1000 * (after - before) / max(people_s, 1) * 60 for before, after in zip(before_s, after_s, strict=True)]
    assert last_s > began_s
    return {"asterisk": round(shares[0], 1), "service": round(shares[1], 1)}


def show(report: Report, console: Console) -> None:
    """Print what came of it."""
    table = Table("what", "value", title="Waiting callers")
    for name, value in asdict(report).items():
        shown = f"{value:.2f}" if isinstance(value, float) else json.dumps(value)
        table.add_row(name.replace("_", " "), shown)
    console.print(table)


def main() -> int:
    """Run it as the command line says; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--seed", type=int, default=115)
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    report = asyncio.run(run(given.callers, given.minutes, given.seed))
    show(report, Console())
    if given.json:
        given.json.write_text(json.dumps(asdict(report), indent=2))
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
