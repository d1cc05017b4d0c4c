"""`make hear`: our detector against app_amd on a corpus of calls, as a table and JSON.

Everything was tuned on the part `tune`; shown is the part `kept`, with other speakers and other texts. The corpus is
made as it goes (seed 1): what is spoken is kept in a folder, so a second run is faster.
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
from rich.progress import Progress
from rich.table import Table

from asterisk_plugin.audio import kokoro
from asterisk_plugin.detection.findings import Settings
from tests.detection import app_amd, corpus
from tests.detection.measure import Heard, figures, hear, hear_amd
from tests.detection.speech import KEPT, TUNE, Library

RESULTS = Path("bench-results")
WIDTH = 132
OURS, PATIENT, DEFAULT, TUNED = "Ringfence", "Ringfence, waits for the end", "app_amd (port)", "app_amd (port), tuned"
ROWS = (
    ("person taken for a machine", "{:.2%}"),
    ("machine never recognised", "{:.2%}"),
    ("message left", "{:.2%}"),
    ("beep heard", "{:.2%}"),
    ("machine given to an agent", "{:.1%}"),
    ("decided s, median", "{:.2f}"),
    ("decided s, p95", "{:.2f}"),
    ("decided s, persons, median", "{:.2f}"),
    ("decided s, persons, p95", "{:.2f}"),
    ("machine recognised s, median", "{:.2f}"),
    ("machine recognised s, p95", "{:.2f}"),
    ("after beep began s, median", "{:.2f}"),
    ("after beep began s, p95", "{:.2f}"),
)


def calls(part: str, count: int, chosen: argparse.Namespace, progress: Progress) -> Iterator[corpus.Call]:
    """So many persons and as many machines of a part, made one by one."""
    library = Library(chosen.folder)
    jobs = [(side, number) for number in range(count) for side in (corpus.PERSON, corpus.MACHINE)]
    for side, number in progress.track(jobs, description=f"hearing {part}"):
        yield corpus.make(part, side, number, library, seed=chosen.seed, kokoro_share=chosen.kokoro)


def tuned_amd(heard: list[tuple[corpus.Call, list[float]]]) -> app_amd.Parameters:
    """Parameters with which app_amd errs least on the part to tune on, persons and machines weighing the same."""

    def wrong(own: app_amd.Parameters) -> int:
        return sum((app_amd.judge(frames, own)[0] == app_amd.MACHINE) != call.is_machine for call, frames in heard)

    return min(app_amd.grid(), key=wrong)


def evaluate(chosen: argparse.Namespace, progress: Progress) -> tuple[dict[str, list[Heard]], str, float]:
    """Every way of deciding on the part kept aside; the parameters of the tuned app_amd; our share of a core."""
    known = [
        (_without_sound(call), app_amd.magnitudes(call.samples[: 8000 * 6]).tolist())
        for call in calls(TUNE, chosen.tune, chosen, progress)
    ]
    parameters = tuned_amd(known)
    heard: dict[str, list[Heard]] = defaultdict(list)
    spent_s = sound_s = 0.0
    for call in calls(KEPT, chosen.calls, chosen, progress):
        began_s = time.process_time()
        heard[OURS].append(hear(call))
        spent_s += time.process_time() - began_s
        sound_s += len(call.samples) / 8000
        heard[PATIENT].append(hear(call, Settings(undecided_s=0.0)))
        frames = app_amd.magnitudes(call.samples)
        heard[DEFAULT].append(hear_amd(call, frames, app_amd.Parameters()))
        heard[TUNED].append(hear_amd(call, frames, parameters))
    return heard, str(parameters), spent_s / max(1e-9, sound_s)


def _without_sound(call: corpus.Call) -> corpus.Call:
    return corpus.Call(
        *(call.name, call.is_machine, call.scenario, call.language, call.samples[:0]),
        *(call.beep_s, call.records, call.codec),
    )


def table(results: dict[str, dict[str, float]]) -> Table:
    """A column for each way of deciding."""
    shown = Table(
        title="who answered: kept part", caption="NOT_SURE and NOTSURE count as a person, as they are treated"
    )
    shown.add_column("")
    for way in results:
        shown.add_column(way, justify="right")
    for name, form in ROWS:
        shown.add_row(name, *(form.format(row[name]) for row in results.values()))
    return shown


def by(heard: list[Heard], column: str) -> Table:
    """How our detector fared on the calls of each scenario, codec or language."""
    shown = Table(title=f"Ringfence by {column}")
    for name in (column, "calls", "wrong", "first verdicts and later findings"):
        shown.add_column(name, justify="right" if name in ("calls", "wrong") else "left")
    groups: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        groups[getattr(one, column)].append(one)
    for name, members in sorted(groups.items()):
        wrong = sum((one.machine_s is not None) != one.is_machine for one in members)
        ways = Counter(f"{one.verdict} → {one.found}" if one.found else one.verdict for one in members)
        said = ", ".join(f"{way} {count}" for way, count in ways.most_common(4))
        shown.add_row(name, str(len(members)), str(wrong), said if column == "scenario" else "")
    return shown


def main() -> None:
    """Make the calls, hear them, show what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.detection", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="persons, and as many machines, of the part kept aside")
    parser.add_argument("--tune", type=int, default=250, help="of the part to tune on, for app_amd's parameters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=corpus.CACHE, help="where spoken sounds are kept")
    share = 0.2 if kokoro.is_installed() else 0.0
    parser.add_argument("--kokoro", type=float, default=share, help="share of the calls in which Kokoro speaks")
    chosen = parser.parse_args()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        heard, parameters, cpu = evaluate(chosen, progress)
    results = {way: figures(members) for way, members in heard.items()}
    console = Console(width=WIDTH)
    console.print(table(results))
    for column in ("scenario", "codec", "language"):
        console.print(by(heard[OURS], column))
    wrong = [one.name for one in heard[OURS] if (one.machine_s is not None) != one.is_machine]
    console.print(f"wrong: {', '.join(wrong) or 'none'}", f"tuned app_amd: {parameters}", sep="\n")
    console.print(f"processor: {cpu:.2%} of a core for one call; Kokoro: {chosen.kokoro:.0%} of the calls")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "who-answered.json"
    found = {
        "results": results,
        "app_amd tuned": parameters,
        "share of a core": cpu,
        "wrong": wrong,
        "seed": chosen.seed,
    }
    path.write_text(json.dumps({**found, "calls": chosen.calls, "kokoro": chosen.kokoro}, indent=1))
    console.print(f"everything: {path}")


if __name__ == "__main__":
    sys.exit(main())
