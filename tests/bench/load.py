"""The load: FastAGI sessions as Asterisk opens them, so many at a time. Runs as its own process.

`python -m tests.bench.load PORT PARALLEL SESSIONS SCRIPT` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

NUMBERS = 5000


def number(index: int) -> str:
    """One of the numbers that the benchmark's people have: Dutch mobiles."""
    return f"+3161{index % NUMBERS:07d}"


def header(port: int, script: str, index: int) -> bytes:
    """What Asterisk 22 sends when a script starts: 22 lines and a blank one."""
    lines = {
        "network": "yes",
        "network_script": script,
        "request": f"agi://127.0.0.1:{port}/{script}",
        "channel": f"PJSIP/agent1-{index:08x}",
        "language": "en",
        "type": "PJSIP",
        "uniqueid": f"1790000000.{index}",
        "version": "22.10.1",
        "callerid": "1001",
        "calleridname": "Agent One",
        "callingpres": "0",
        "callingani2": "0",
        "callington": "0",
        "callingtns": "0",
        "dnid": number(index),
        "rdnis": "unknown",
        "context": "ringfence-dial",
        "extension": "s",
        "priority": "7",
        "enhanced": "0.0",
        "accountcode": "",
        "threadid": "140000000000000",
        "arg_1": number(index),
        "arg_2": "bench-nl",
    }
    return "".join(f"agi_{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"


class Session(asyncio.Protocol):
    """Asterisk's side of one session: answers every command with success."""

    def __init__(self, first: bytes, done: asyncio.Future[bool]) -> None:
        self._first, self._done, self._rest, self._allowed = first, done, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._allowed = self._allowed or any(b"DECISION" in line and b"ALLOW" in line for line in lines)
        self._transport.write(b"200 result=1\n" * len(lines))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(self._allowed and exc is None)


async def run(port: int, parallel: int, sessions: int, script: str) -> dict[str, float]:
    """Open `sessions` sessions, `parallel` at a time.

    Returns:
        Sessions a second, p50 and p99 in milliseconds, and how many were not allowed or failed.
    """
    loop = asyncio.get_running_loop()
    took_s: list[float] = []
    bad = 0
    indexes = iter(range(sessions))

    async def one_after_another() -> None:
        nonlocal bad
        for index in indexes:
            started_s = time.perf_counter()
            done: asyncio.Future[bool] = loop.create_future()
            first = header(port, script, index)
            try:
                await loop.create_connection(lambda d=done, f=first: Session(f, d), "127.0.0.1", port)
                bad += not await done
            except OSError:
                bad += 1
            took_s.append(time.perf_counter() - started_s)

    started_s = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(parallel)))
    total_s = time.perf_counter() - started_s
    took_s.sort()
    return {
        "per_s": sessions / total_s,
        "p50_ms": took_s[len(took_s) // 2] * 1000,
        "p99_ms": took_s[int(len(took_s) * 0.99)] * 1000,
        "bad": bad,
    }


if __name__ == "__main__":
    port, parallel, sessions, script = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(int(port), int(parallel), int(sessions), script))))
