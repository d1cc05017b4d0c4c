"""Objections under fire: calls that end in the objection line while everything is killed at random moments.

People press keys at random, as somebody does who is in a hurry. Meanwhile the service, the store and the database
are ended with SIGKILL and started again, each on its own. What each person heard is taken from the RTP that
reached them; who heard that the objection is recorded must never be called again.

`python -m tests.lab.kill_campaign --calls 200 --kills 300` runs it and says what came of it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from tests.lab.fixtures import SITE
from tests.lab.killable import PostgreSql, Valkey, postgresql_programs
from tests.lab.lab import Lab
from tests.lab.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.killable import Killable

CAMPAIGN, LANGUAGE = "linde-de", "de"
SOUNDS = Path(__file__).parents[2] / "config" / "sounds" / LANGUAGE / "ringfence"
UNDERSTOOD_S = 0.6
"""Who heard so much of the confirmation may have understood it."""

_FIRST_NUMBER = 493023125300
_CALL_S = 120


@dataclass(slots=True)
class Report:
    """What came of a campaign.

    Args:
        calls: Calls that a person answered.
        given_up: People whose calls were cut off until the law's attempt limit was reached.
        kills: Processes killed, by name.
        pressed: People who pressed 1 or 2.
        confirmed: People who heard a confirmation.
        called_again: Those of them whom the gate let be called afterwards. Must be empty.
        twice: Objections that stand in the ledger more than once for one call. Must be empty.
        not_recorded: People who heard that nothing could be recorded.
        tries: Tries that no person answered, by what became of them.
        problems: Anything else that must not be.
        took_s: Seconds.
    """

    calls: int = 0
    given_up: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    pressed: int = 0
    confirmed: list[str] = field(default_factory=list)
    called_again: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    not_recorded: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    took_s: float = 0

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not (self.called_again or self.twice or self.problems)


class Service:
    """The service as something to be killed; a supervisor starts it again until it is up."""

    name = "service"

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self._started = False

    async def supervise(self) -> None:
        """Start it again whenever it ended by itself, because what it needs was dead."""
        while True:
            await asyncio.sleep(0.5)
            if self._started and self._process.exit_code not in (None, -signal.SIGKILL):
                await self._process.launch()

    async def start(self) -> None:
        """See Killable; waits until it is ready the first time, later as a supervisor: not at all."""
        if not self._started:
            await self._process.start()
            self._started = True
        else:
            await self._process.launch()

    async def kill(self) -> None:
        """See Killable."""
        await self._process.kill()


async def run(
    folder: Path, *, calls: int, kills: int, parallel: int = 6, seed: int = 1, tell: Callable[[int, int], None]
) -> Report:
    """One campaign from start to stop.

    Args:
        folder: Where everything is kept; its path must be short.
        calls: People to be called.
        kills: Processes to be killed; the campaign goes on until both are done.
        parallel: Calls at a time.
        seed: Of every random choice.
        tell: Told how many calls and kills are done.
    """
    began_s = time.monotonic()
    report, chance = Report(), random.Random(seed)
    store = Valkey(folder)
    programs = postgresql_programs()
    database = PostgreSql(programs) if programs else None
    lab = await Lab.start()
    toml = f'\n[store]\nurl = "{store.url}"\n' + (f'\n[ledger]\nurl = "{database.url}"\n' if database else "")
    process = ServiceProcess(lab, folder / "r", site=SITE, toml=toml)
    service = Service(process)
    parts: list[Killable] = [store, *([database] if database else []), service]
    try:
        for part in parts:
            await part.start()
        numbers = [f"+{_FIRST_NUMBER + place}" for place in range(calls)]
        await _enter_consents(process, folder, numbers)
        lab.people.listen()
        supervisor = asyncio.create_task(service.supervise())
        try:
            await _under_fire(
                lab, parts, numbers, kills=kills, parallel=parallel, chance=chance, report=report, tell=tell
            )
            await process.until_ready(timeout_s=60)
        finally:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
        await _look_back(lab, process, report)
    finally:
        await process.stop()
        await lab.stop()
        await store.kill()
        if database is not None:
            await database.stop()
    report.took_s = time.monotonic() - began_s
    return report


async def _enter_consents(process: ServiceProcess, folder: Path, numbers: list[str]) -> None:
    file = folder / "consents.csv"
    rows = "".join(f"{number},linde,sales,fashion,requested-call,2026-10-01T10:00:00Z\n" for number in numbers)
    file.write_text("number,principal,purpose,product,kind,given_at\n" + rows)
    done = await process.run("consent", "import", str(file))
    assert done.code == 0, done.err


async def _under_fire(
    lab: Lab,
    parts: list[Killable],
    numbers: list[str],
    *,
    kills: int,
    parallel: int,
    chance: random.Random,
    report: Report,
    tell: Callable[[int, int], None],
) -> None:
    waiting, killed = list(numbers), itertools.count(1)

    def is_due(place: int) -> bool:
        """Kills keep step with calls: were nothing ever up, nobody would be called."""
        return place <= kills * (report.calls + report.given_up + parallel) / len(numbers) or not waiting

    async def dial() -> None:
        while waiting:
            await _call(lab, waiting.pop(), chance, report)
            tell(report.calls, sum(report.kills.values()))

    async def kill(part: Killable) -> None:
        while (place := next(killed)) <= kills:
            while not is_due(place):  # noqa: ASYNC110 - a call that ends is no event
                await asyncio.sleep(0.2)
            await asyncio.sleep(chance.uniform(0.2, 3.0))
            await part.kill()
            report.kills[part.name] = report.kills.get(part.name, 0) + 1
            tell(report.calls, sum(report.kills.values()))
            await asyncio.sleep(chance.choice((0, 0, chance.uniform(0, 1.5))))
            await part.start()

    async def dial_all() -> None:
        async with asyncio.TaskGroup() as dialers:
            for _ in range(parallel):
                dialers.create_task(dial())

    async with asyncio.TaskGroup() as everybody:  # a part that cannot be started again ends it all
        everybody.create_task(dial_all())
        for part in parts:
            everybody.create_task(kill(part))


async def _call(lab: Lab, number: str, chance: random.Random, report: Report) -> None:
    """Call one person, be the agent who hangs up, and wait until the person's call is over."""
    pressed = _keys(chance)
    await lab.subscriber(number, "answer", ring_s=0, talk_s=chance.choice((8, 25, 40)), keys=pressed)
    async with asyncio.timeout(_CALL_S * 3):
        while True:  # a call that the gate defers, because something is dead just now, is tried again
            since_s = time.time()
            running = await lab.begin(number, CAMPAIGN)
            while not running.is_over and not await _state(lab, number, since_s):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
            if await _state(lab, number, since_s):
                break
            attempt = await running.ended()
            why = f"{attempt.decision} {attempt.reason} {attempt.dial_status}"
            report.tries[why] = report.tries.get(why, 0) + 1
            if attempt.reason == "attempt-limit":  # so often begun, and cut off by a kill
                report.given_up += 1
                return
            await asyncio.sleep(chance.uniform(0.2, 1))
        await asyncio.sleep(chance.uniform(0, 0.5))
        await lab.hang_up(running)
        while await _state(lab, number, since_s) != "over":  # noqa: ASYNC110 - nor here
            await asyncio.sleep(0.2)
    report.calls += 1
    report.pressed += any(set("12") & set(keys) for _, keys in pressed)
    heard = await lab.heard(number, since_s=since_s)
    if max(heard.part_s(SOUNDS / f"recorded-{whom}.alaw") for whom in ("company", "everyone")) >= UNDERSTOOD_S:
        report.confirmed.append(number)
    if heard.part_s(SOUNDS / "not-recorded.alaw") >= UNDERSTOOD_S:
        report.not_recorded.append(number)


def _keys(chance: random.Random) -> list[tuple[float, str]]:
    """What somebody presses: mostly 1 or 2, sometimes anything, often again when nothing happens."""
    pressed = [(chance.uniform(0.8, 5), chance.choice("1112219*#57"))]
    while chance.random() < 0.5:
        pressed.append((chance.uniform(0.3, 5), chance.choice("11122390#4")))
    return pressed if chance.random() < 0.95 else []


async def _state(lab: Lab, number: str, since_s: float) -> str:
    """`talking` or `over` once a person answered a call that came since a moment, else empty."""
    calls = [invite for invite in await lab.invites(number, since_s=since_s) if invite.answered_at_s]
    if not calls:
        return ""
    return "over" if calls[-1].ended_at_s else "talking"


async def _look_back(lab: Lab, process: ServiceProcess, report: Report) -> None:
    """Call everybody again who heard a confirmation, and read the ledger."""
    for number in report.confirmed:
        since_s = time.time()
        for _ in range(20):  # a part that has just come back defers for a moment
            attempt = await lab.dial(number, CAMPAIGN)
            if attempt.decision != "DEFER":
                break
            await asyncio.sleep(0.5)
        if (attempt.decision, attempt.reason) != ("DENY", "objection") or await lab.invites(number, since_s=since_s):
            report.called_again.append(f"{number}: {attempt.decision} {attempt.reason}")
    verified = await process.run("evidence", "verify")
    if verified.code:
        report.problems.append(f"the ledger does not verify: {verified.out}{verified.err}")
    exported = await process.run("objections", "export", "--format", "jsonl")
    if exported.code:
        report.problems.append(f"objections cannot be exported: {exported.err}")
        return
    seen: set[tuple[str, str, str]] = set()
    for line in exported.out.splitlines():
        row = json.loads(line)
        key = (row["number"], row["scope"], row["certainty"])
        if key in seen:
            report.twice.append(" ".join(key))
        seen.add(key)


def main() -> None:
    """Run it as a command; exit code 1 when a promise was broken."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--parallel", type=int, default=6)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="rf-") as folder, Progress(console=console) as progress:
        calling = progress.add_task("calls", total=given.calls)
        killing = progress.add_task("kills", total=given.kills)

        def tell(calls: int, kills: int) -> None:
            progress.update(calling, completed=calls)
            progress.update(killing, completed=kills)

        report = asyncio.run(
            run(
                Path(folder),
                calls=given.calls,
                kills=given.kills,
                parallel=given.parallel,
                seed=given.seed,
                tell=tell,
            )
        )
    console.print_json(data=asdict(report))
    sys.exit(0 if report.kept else 1)


if __name__ == "__main__":
    main()
