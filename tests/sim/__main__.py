"""`make simulate`: the wait estimate against Asterisk's own and the mean of the last five, as a table and JSON.

Tuned on seeds 1 to 3, shown on 101 and up. A trace is the same on every machine; only how long it takes differs.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.sim.families import FAMILIES, SIZES, Family
from tests.sim.measure import WAYS, Said, Trace, close, error_s, measure, raised, ratio

RESULTS = Path("bench-results")
WIDTH = 132  # also where the output is no terminal
MEASURED = {1: 10, 3: 15, 10: 40, 30: 90}
"""Each so-manieth person is measured: some twenty of a trace."""

Job = tuple[Family, int, str, int]


def run(job: Job) -> Trace:
    """One trace, in a process of its own."""
    family, size, load, seed = job
    return measure(family, size, load, seed, every=MEASURED[size], floor=True)


def figures(said: list[Said], rung: list[Said], silent: int) -> dict[str, float]:
    """Everything that is shown of some announcements."""
    covered = sum(one.estimate.low_s <= one.truth_s <= one.estimate.high_s for one in said)
    ours, theirs = raised(said)
    return {
        "announcements": len(said),
        "could not say": silent,
        "mean wait s": sum(one.truth_s for one in said) / max(1, len(said)),
        **{f"error s, {way}": error_s(said, way) for way in WAYS},
        **{f"within 30 %, {way}": close(said, way) for way in WAYS},
        "ratio": ratio(said),
        "ratio at joining": ratio([one for one in said if one.first]),
        "ratio with those rung at once": ratio(said + rung),
        "ratio at joining with those rung at once": ratio([one for one in said if one.first] + rung),
        "ratio of the floor": ratio(said, "floor"),
        "between low and high": covered / max(1, len(said)),
        "raised, ours": ours,
        "raised, asterisk": theirs,
    }


def table(title: str, rows: dict[str, dict[str, float]]) -> Table:
    """One line for each name."""
    shown = Table(
        title=title, caption="error: mean absolute, s; floor: knows all but the future; ±30 %: ours, Asterisk, last 5"
    )
    for column in (
        "",
        "said",
        "wait",
        "ours",
        "told",
        "Asterisk",
        "last 5",
        "ratio",
        "floor",
        "±30 %",
        "raised",
        "silent",
    ):
        shown.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, row in rows.items():
        asterisk = min(row["error s, asterisk"], row["error s, asterisk spoken"])
        errors = (row["error s, ours"], row["error s, ours told"], asterisk, row["error s, last five"])
        hits = (row[f"within 30 %, {way}"] for way in ("ours", "asterisk", "last five"))
        shown.add_row(
            name,
            f"{row['announcements']:.0f}",
            f"{row['mean wait s']:.0f}",
            *(f"{error:.0f}" for error in errors),
            f"[{'green' if row['ratio'] <= 0.5 else 'yellow'}]{row['ratio']:.2f}[/]",
            f"{row['ratio of the floor']:.2f}",
            " ".join(f"{hit:.0%}" for hit in hits),
            f"{row['raised, ours']:.0%} {row['raised, asterisk']:.0%}",
            f"{row['could not say']:.0f}",
        )
    return shown


def main() -> None:
    """Run every trace on every processor and show what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103], help="traces of each kind")
    parser.add_argument("--family", default="", help="only families whose name holds this")
    chosen = parser.parse_args()
    jobs = [
        (family, size, load, seed)
        for family in FAMILIES
        if chosen.family in family.name
        for size in SIZES
        for load in family.loads
        for seed in chosen.seeds
    ]
    said: dict[tuple[str, str], list[Said]] = defaultdict(list)
    rung: dict[tuple[str, str], list[Said]] = defaultdict(list)
    silent: dict[tuple[str, str], int] = defaultdict(int)
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        traces = progress.track(pool.map(run, jobs), total=len(jobs), description="playing")
        for (family, size, load, _), trace in zip(jobs, traces, strict=True):
            for kind in ("", f"load {load}", f"{size} members", f"{size} members, load {load}"):
                said[family.name, kind] += trace.said
                rung[family.name, kind] += trace.rung
                silent[family.name, kind] += trace.silent
    results = {key: figures(said[key], rung[key], silent[key]) for key in said}
    console = Console(width=WIDTH)
    console.print(table("by family", {name: row for (name, kind), row in results.items() if not kind}))
    parts = {f"{name}: {kind}": row for (name, kind), row in results.items() if kind and "," not in kind}
    console.print(table("by load, by size", parts))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "wait-estimate.json"
    path.write_text(
        json.dumps([{"family": name, "kind": kind, **row} for (name, kind), row in results.items()], indent=1)
    )
    console.print(f"everything: {path}")


if __name__ == "__main__":
    main()
