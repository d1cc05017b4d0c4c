"""`make hear`: our detector against app_amd on a corpus of calls, as tables and JSON.

Everything was tuned on the part `tune`; shown is the part `kept`, with other speakers and other texts, under seeds that
nobody looked at while tuning. 1,000 persons and 1,000 machines of a seed take some 7 minutes on a core with nothing
else to do. What is spoken is kept in a folder: filling it takes some 2 minutes more, with Kokoro some 20.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from asterisk_plugin.audio import kokoro
from tests.detection import app_amd, corpus, scenes
from tests.detection.measure import Heard, Rate, figures, hear, hear_amd, is_wrong
from tests.detection.speech import KEPT, TUNE, Library

RESULTS = Path("bench-results")
WIDTH = 150
OURS, DEFAULT, TUNED = "Ringfence", "app_amd (port)", "app_amd (port), tuned"
Results = dict[str, list[Heard]]


class Hearing:
    """Makes calls and lets everybody decide about them.

    Args:
        chosen: The command's arguments.
        progress: Where it shows how far it is.
    """

    def __init__(self, chosen: argparse.Namespace, progress: Progress) -> None:
        self._chosen, self._progress = chosen, progress
        self._library = Library(chosen.folder)
        self._parameters = app_amd.Parameters()
        self.spent_s = self.sound_s = 0.0

    def tune_amd(self) -> app_amd.Parameters:
        """Parameters with which app_amd errs least on the part to tune on, persons and machines weighing the same."""
        known = [
            (call.is_machine, app_amd.magnitudes(call.samples[: 8000 * 6]).tolist())
            for call in self._calls(TUNE, self._chosen.tune, 1)
        ]

        def wrong(own: app_amd.Parameters) -> int:
            return sum((app_amd.judge(frames, own)[0] == app_amd.MACHINE) != is_machine for is_machine, frames in known)

        self._parameters = min(app_amd.grid(), key=wrong)
        return self._parameters

    def kept(self, seed: int) -> Results:
        """Every way of deciding on the part kept aside."""
        heard: Results = defaultdict(list)
        until_s = time.process_time() + 60 * self._chosen.minutes
        for call in self._calls(KEPT, self._chosen.calls, seed):
            if time.process_time() > until_s:
                break
            began_s = time.process_time()
            heard[OURS].append(hear(call))
            self.spent_s += time.process_time() - began_s
            self.sound_s += len(call.samples) / 8000
            frames = app_amd.magnitudes(call.samples)
            heard[DEFAULT].append(hear_amd(call, frames, app_amd.Parameters()))
            heard[TUNED].append(hear_amd(call, frames, self._parameters))
        return heard

    def without_a_beep(self, seed: int) -> list[Heard]:
        """Ours on machines that record without a beep."""
        jobs = self._progress.track(range(self._chosen.calls // 20), description="machines without a beep")
        own = {"seed": seed, "kokoro_share": self._chosen.kokoro, "put": scenes.machine_without_a_beep}
        return [hear(corpus.make(KEPT, scenes.MACHINE, number, self._library, **own)) for number in jobs]

    def _calls(self, part: str, count: int, seed: int) -> Iterator[corpus.Call]:
        """So many persons and as many machines of a part, made one by one."""
        jobs = [(side, number) for number in range(count) for side in (scenes.PERSON, scenes.MACHINE)]
        for side, number in self._progress.track(jobs, description=f"{part} part, seed {seed}"):
            yield corpus.make(part, side, number, self._library, seed=seed, kokoro_share=self._chosen.kokoro)


def table(results: Results, title: str) -> Table:
    """A column for each way of deciding."""
    caption = "NOT_SURE and NOTSURE count as a person, as they are treated; in brackets: 95 % of true shares lie there"
    shown = Table(title=title, caption=caption)
    shown.add_column("")
    columns = [figures(heard) for heard in results.values()]
    for way in results:
        shown.add_column(way, justify="right")
    for name in columns[0]:
        shown.add_row(name, *(_told(column[name]) for column in columns))
    return shown


def _told(figure: Rate | float) -> str:
    if isinstance(figure, float):
        return f"{figure:.2f}"
    low, high = figure.between
    return f"{figure.count} of {figure.whole}: {figure.share:.2%} ({low:.2%} to {high:.2%})"


def by(heard: list[Heard], column: str) -> Table:
    """How our detector fared on the calls of each scenario, codec or language."""
    shown = Table(title=f"Ringfence by {column}")
    for name in (column, "calls", "wrong", "first verdicts and later findings"):
        shown.add_column(name, justify="right" if name in ("calls", "wrong") else "left")
    groups: Results = defaultdict(list)
    for one in heard:
        groups[getattr(one, column)].append(one)
    for name, members in sorted(groups.items()):
        ways = Counter(f"{one.verdict} → {one.found}" if one.found else one.verdict for one in members)
        said = ", ".join(f"{way} {count}" for way, count in ways.most_common(4))
        wrong = sum(map(is_wrong, members))
        shown.add_row(name, str(len(members)), str(wrong), said if column == "scenario" else "")
    return shown


def as_json(results: Results) -> dict[str, dict[str, object]]:
    """Every figure; a rate with its counts and where the true one lies with 95 %."""
    return {
        way: {
            name: {"share": one.share, "count": one.count, "of": one.whole, "95 %": one.between}
            if isinstance(one, Rate)
            else one
            for name, one in figures(heard).items()
        }
        for way, heard in results.items()
    }


def arguments() -> argparse.Namespace:
    """What the command was given."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.detection", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1000, help="persons, and as many machines, of each seed (1000)")
    parser.add_argument("--minutes", type=float, default=1e6, help="of processor time for each seed at most (no limit)")
    parser.add_argument("--tune", type=int, default=250, help="of the part to tune on, for app_amd's parameters (250)")
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[23, 24], help="of the part kept aside (23 24; 1 to 22 are known)"
    )
    parser.add_argument("--folder", type=Path, default=corpus.CACHE, help="where spoken sounds are kept")
    share = 0.2 if kokoro.is_installed() else 0.0
    parser.add_argument("--kokoro", type=float, default=share, help="share of the calls in which Kokoro speaks (0.2)")
    return parser.parse_args()


def main() -> None:
    """Make the calls, hear them, show what came out."""
    chosen = arguments()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        hearing = Hearing(chosen, progress)
        parameters = hearing.tune_amd()
        seeds = {seed: hearing.kept(seed) for seed in chosen.seed}
        beepless = hearing.without_a_beep(chosen.seed[0])
    whole = {way: [one for heard in seeds.values() for one in heard[way]] for way in (OURS, DEFAULT, TUNED)}
    console = Console(width=WIDTH)
    for column in ("scenario", "codec", "language"):
        console.print(by(whole[OURS], column))
    wrong = [f"{seed}/{one.name}" for seed, heard in seeds.items() for one in heard[OURS] if is_wrong(one)]
    console.print(f"wrong: {', '.join(wrong) or 'none'}", f"tuned app_amd: {parameters}", sep="\n")
    if len(seeds) > 1:
        for seed, heard in seeds.items():
            console.print(table({OURS: heard[OURS]}, f"kept part, seed {seed}"))
    console.print(table({OURS: beepless}, "machines that record without a beep (in no part)"))
    console.print(table(whole, f"who answered: kept part, seed {' and '.join(map(str, seeds))}"))
    cpu = hearing.spent_s / max(1e-9, hearing.sound_s)
    console.print(f"processor: {cpu:.2%} of a core for one call; Kokoro: {chosen.kokoro:.0%} of the calls")
    found = {
        "results": as_json(whole),
        "seeds": {seed: as_json({OURS: heard[OURS]}) for seed, heard in seeds.items()},
        "without a beep": as_json({OURS: beepless}),
        "app_amd tuned": str(parameters),
        "share of a core": cpu,
        "wrong": wrong,
        "calls": chosen.calls,
        "kokoro": chosen.kokoro,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "who-answered.json"
    path.write_text(json.dumps(found, indent=1))
    console.print(f"everything: {path}")


if __name__ == "__main__":
    sys.exit(main())
