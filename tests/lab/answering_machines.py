"""Hundreds of calls to persons and mailboxes: no mailbox may hold a message afterwards, and every person an agent.

The mailboxes are the carrier's own (`VoiceMail()`), ten greetings and ten beeps; the persons say a word in ten ways, or
nothing. `python -m tests.lab.answering_machines --calls 500` runs it and says what came of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.lab.answering import DESKS, Dialer, agree, messages
from tests.lab.fixtures import SITE
from tests.lab.lab import Lab
from tests.lab.service import PATIENT, ServiceProcess

FIRST_NUMBER = 4930231300000
AT_ONCE = 10
KINDS = {"says": 0.4, "answer": 0.1, "mailbox": 0.4, "busy": 0.04, "absent": 0.04, "unknown": 0.02}
"""Who is called, and how often."""

EXPECTED = {
    "says": "person",
    "answer": "person",
    "mailbox": "machine",
    "busy": "busy",
    "absent": "no-answer",
    "unknown": "failed",
}
BY_HAND, BY_DIALER = "linde-de", "linde-predictive"


@dataclass(slots=True)
class Report:
    """What came of it.

    Args:
        calls: Of each kind.
        outcomes: By kind and outcome.
        messages: Lying in the mailboxes. Must be 0.
        wrong: Calls whose outcome is not what the carrier did. Must be empty.
        person_as_machine: Persons who were cut off. Must be 0.
        decided_s: Time from the answer to the verdict of dialers' calls, median of persons and of machines.
        agent_s: Time from the answer to the agent, median and longest.
        took_s: Seconds.
    """

    calls: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    wrong: list[str] = field(default_factory=list)
    person_as_machine: int = 0
    decided_s: dict[str, float] = field(default_factory=dict)
    agent_s: dict[str, float] = field(default_factory=dict)
    took_s: float = 0

    @property
    def kept(self) -> bool:
        """Whether nothing went wrong that must not."""
        return not (self.messages or self.wrong or self.person_as_machine)


async def one(dialer: Dialer, number: str, kind: str, campaign: str, desks: asyncio.Queue[int]) -> dict[str, str]:
    """One call, and how it ended; a dialer's has an agent who is kept free for it."""
    talk_s = 45 if kind == "mailbox" else 7
    await dialer.lab.subscriber(number, kind, ring_s=0.5, talk_s=talk_s)
    if campaign == BY_HAND:
        end, _ = await dialer.finish(number, campaign, play="ringfence/line-greeting")
    else:
        desk = await desks.get()
        try:
            end, _ = await dialer.finish(number, campaign, desk=desk)
        finally:
            desks.put_nowait(desk)
    return {**end, "kind": kind, "number": number, "campaign": campaign}


async def run(calls: int, seed: int) -> Report:
    """One whole run."""
    began_s, chance = time.monotonic(), random.Random(seed)
    kinds = chance.choices(list(KINDS), list(KINDS.values()), k=calls)
    lab = await Lab.start()
    folder = Path(tempfile.mkdtemp(prefix="rf-machines-"))
    service = ServiceProcess(lab, folder / "ringfence", site=SITE, toml=PATIENT)
    dialer = Dialer(lab, service)
    try:
        await service.start()
        await agree(service, folder, (f"+{FIRST_NUMBER + n}" for n in range(calls)))
        ends = await _all(dialer, kinds, chance)
        report = judge(ends)
        report.messages = len(messages(lab))
        report.took_s = time.monotonic() - began_s
        return report
    finally:
        await dialer.close()
        await lab.clear()
        await service.stop()
        await lab.stop()


async def _all(dialer: Dialer, kinds: list[str], chance: random.Random) -> list[dict[str, str]]:
    """Every call, so many at once; shows how far it is."""
    places = asyncio.Semaphore(AT_ONCE)
    desks: asyncio.Queue[int] = asyncio.Queue()
    for desk in range(1, DESKS + 1):
        await dialer.lab.subscriber(f"210{desk}", "speaks", ring_s=0.1, talk_s=2.0)
        desks.put_nowait(desk)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("calling", total=len(kinds))

        async def call(place: int, kind: str, campaign: str) -> dict[str, str]:
            async with places:
                end = await one(dialer, f"+{FIRST_NUMBER + place}", kind, campaign, desks)
                progress.advance(bar)
                return end

        campaigns = [chance.choice((BY_HAND, BY_DIALER, BY_DIALER)) for _ in kinds]
        jobs = (call(place, *what) for place, what in enumerate(zip(kinds, campaigns, strict=True)))
        return await asyncio.gather(*jobs)


def judge(ends: list[dict[str, str]]) -> Report:
    """Hold what was recorded against what the carrier did."""
    report = Report(calls=dict(Counter(end["kind"] for end in ends)))
    report.outcomes = dict(Counter(f"{end['kind']}: {end['outcome']}" for end in ends))
    for end in ends:
        # An abandoned person was called, and told so: too few agents, not a wrong verdict.
        if end["outcome"] != EXPECTED[end["kind"]] and end["outcome"] != "abandoned":
            report.wrong.append(
                f"{end['number']} {end['campaign']} {end['kind']}: {end['outcome']} {end.get('why', '')}"
            )
    people = [end for end in ends if EXPECTED[end["kind"]] == "person"]
    report.person_as_machine = sum(end["outcome"] == "machine" for end in people)
    for what in ("person", "machine"):
        took = [float(end["heard_s"]) for end in ends if end["outcome"] == what and end["heard_s"] != "None"]
        report.decided_s[what] = round(statistics.median(took), 2) if took else 0.0
    waited = [float(end["agent_s"]) for end in ends if end["agent_s"] != "None" and end["campaign"] == BY_DIALER]
    if waited:
        report.agent_s = {"median": round(statistics.median(waited), 2), "longest": round(max(waited), 2)}
    return report


def show(report: Report, console: Console) -> None:
    """Print what came of it."""
    table = Table("what", "value", title="Persons and machines")
    for name, value in asdict(report).items():
        table.add_row(
            name.replace("_", " "), f"{value:.0f}" if isinstance(value, float) else json.dumps(value, indent=1)
        )
    console.print(table)


def main() -> int:
    """Run it as the command line says; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    report = asyncio.run(run(given.calls, given.seed))
    show(report, Console())
    if given.json:
        given.json.write_text(json.dumps(asdict(report), indent=2))
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
