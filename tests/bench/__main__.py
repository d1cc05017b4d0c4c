"""`make bench`: our gate against the yardsticks, in turn, in one run, as a table and JSON.

Every subject answers the same sessions from the same load process. Machines are shared and
noisy, so each subject is measured in several rounds that alternate, the median round counts,
and the ratios are what to read.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench import live, site
from tests.bench.load import header
from tests.bench.ports import free_port
from tests.bench.yardsticks import SERVERS

PARALLEL = (1, 10, 50)
SESSIONS = {1: 400, 10: 2000, 50: 4000}
PROCESS_CALLS = {1: 8, 10: 20, 50: 50}
ROUNDS = 3
RESULTS = Path("bench-results")


def load(port: int, parallel: int, sessions: int, script: str = "attempt") -> dict[str, float]:
    """One measured round, driven from its own process."""
    command = [sys.executable, "-m", "tests.bench.load", str(port), str(parallel), str(sessions), script]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


def process_per_call(store: str, parallel: int, calls: int) -> dict[str, float]:
    """A pyst2 process per call, so many at a time."""
    command = [sys.executable, str(Path(__file__).with_name("process_call.py")), store]

    def one(index: int) -> float:
        started_s = time.perf_counter()
        answers = header(0, "attempt", index) + b"200 result=1\n" * 2
        subprocess.run(command, input=answers, check=True, capture_output=True)
        return time.perf_counter() - started_s

    started_s = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        took_s = sorted(pool.map(one, range(calls)))
    total_s = time.perf_counter() - started_s
    p99_s = took_s[min(len(took_s) - 1, int(len(took_s) * 0.99))]
    return {
        "per_s": calls / total_s,
        "p50_ms": took_s[len(took_s) // 2] * 1000,
        "p99_ms": p99_s * 1000,
        "bad": 0,
    }


def start_yardstick(name: str, store: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start one yardstick server; returns it and its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.yardsticks", name, str(port), store]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", name
    return process, port


def measure(ports: dict[str, int], store: str) -> dict[str, dict[int, dict[str, float]]]:
    """Every subject at every parallelism, rounds alternating; the median round by sessions a second."""
    rounds: dict[tuple[str, int], list[dict[str, float]]] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=ROUNDS * len(PARALLEL) * (len(ports) + 1))
        for _ in range(ROUNDS):
            for parallel in PARALLEL:
                for name, port in ports.items():
                    result = load(port, parallel, SESSIONS[parallel])
                    rounds.setdefault((name, parallel), []).append(result)
                    progress.advance(task)
                result = process_per_call(store, parallel, PROCESS_CALLS[parallel])
                rounds.setdefault(("process", parallel), []).append(result)
                progress.advance(task)
    return {name: {p: _median(rounds[name, p]) for p in PARALLEL} for name in [*ports, "process"]}


def _median(results: list[dict[str, float]]) -> dict[str, float]:
    """The round in the middle; failures of all rounds are added up, none is hidden."""
    middle = statistics.median_low(result["per_s"] for result in results)
    chosen = next(result for result in results if result["per_s"] == middle)
    return {**chosen, "bad": sum(result["bad"] for result in results)}


LABELS = {
    "ringfence": "Ringfence: full rulebook, evidence on disk",
    "ringfence-2": "Ringfence, --workers 2",
    "empty": "(a) empty FastAGI server",
    "streams": "(b) bare asyncio streams, 1 pipelined round trip",
    "streams-uvloop": "(b) on uvloop",
    "panoramisk": "(c) panoramisk FastAGI, same look-ups",
    "process": "(d) pyst2 process per call",
    "no-rules": "(e) our server and store, no rules, no evidence",
}


def show(results: dict[str, dict[int, dict[str, float]]]) -> None:
    """Print the table; the ratios are against the yardstick (b), as it is and on uvloop."""
    table = Table(title="FastAGI sessions through one loopback, 2 shared cores, load included")
    table.add_column("server")
    for parallel in PARALLEL:
        table.add_column(f"{parallel} at a time\n/s · p50 · p99 ms", justify="right")
    table.add_column("at 50, against\n(b) · on uvloop", justify="right")
    table.add_column("not\nallowed", justify="right")
    bare, on_uvloop = (results[name][50]["per_s"] for name in ("streams", "streams-uvloop"))
    for name, by_parallel in results.items():
        cells = [f"{r['per_s']:.0f} · {r['p50_ms']:.1f} · {r['p99_ms']:.1f}" for r in by_parallel.values()]
        bad = sum(int(r["bad"]) for r in by_parallel.values())
        per_s = by_parallel[50]["per_s"]
        table.add_row(LABELS[name], *cells, f"{per_s / bare:.2f} × · {per_s / on_uvloop:.2f} ×", str(bad))
    Console(width=140).print(table)


def show_live(on_asterisk: dict[str, float]) -> None:
    """Print what a session costs a call on the live Asterisk, against the empty one."""
    table = Table(title="On a live Asterisk, one channel: milliseconds a session, median of 5 rounds of 300")
    for column in ("server", "ms", "against (a)"):
        table.add_column(column)
    for name, took_ms in on_asterisk.items():
        table.add_row(LABELS[name], f"{took_ms:.2f}", f"{took_ms / on_asterisk['empty']:.2f} ×")
    Console(width=140).print(table)


def main() -> None:
    """Start everything, measure, print, write the JSON, end everything."""
    folder = Path(tempfile.mkdtemp(prefix="ringfence-bench-"))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        one = site.start_service(folder / "one", workers=1)
        two = site.start_service(folder / "two", workers=2)
        processes += [one.process, two.process]
        ports = {"ringfence": one.agi_port, "ringfence-2": two.agi_port}
        for name in SERVERS:
            process, ports[name] = start_yardstick(name, one.store_url)
            processes.append(process)
        results = measure(ports, one.store_url)
        on_asterisk = asyncio.run(live.measure({name: ports[name] for name in ("empty", "ringfence", "streams")}))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    show(results)
    show_live(on_asterisk)
    RESULTS.mkdir(exist_ok=True)
    report = {
        "cpus": os.cpu_count(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sessions": results,
    }
    (RESULTS / "sessions.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
