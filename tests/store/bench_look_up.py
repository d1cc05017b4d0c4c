"""Look-ups a second: ours (pipelined, one script) against redis-py's own call for each EVALSHA.

Run by hand: `python tests/store/bench_look_up.py [seconds for each line]`. Both run the same script
on the same server, in turn; read the ratio, not the figures.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import redis.asyncio
import uvloop
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from store_lab import KEEP_S, MemoryLedger, Server, objection, query

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.store import scripts
from asterisk_plugin.store.redis_store import RedisStore, _look_up_keys

PEOPLE = [person_tag(b"k" * 32, f"+3120{number:07d}") for number in range(1000)]


async def rate(call, parallel: int, seconds: float) -> tuple[float, float]:
    """(calls a second, p99 in milliseconds)."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while (started := time.perf_counter()) < end:
            await call()
            took.append(time.perf_counter() - started)

    await asyncio.gather(*(caller() for _ in range(parallel)))
    return len(took) / seconds, sorted(took)[int(len(took) * 0.99)] * 1000


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        server = Server(Path(name))
        server.start()
        try:
            await compare(server, seconds)
        finally:
            server.stop()


async def compare(server: Server, seconds: float) -> None:
    ledger = MemoryLedger()
    await ledger.append([objection("*", person=person) for person in PEOPLE[::2]])
    stores = {n: RedisStore(server.url, timeout_s=1, connections=n, keep_attempts_s=KEEP_S) for n in (1, 4)}
    await Projector(ledger, stores[1].projection).catch_up()
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        server.url, max_connections=50, socket_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    plain = redis.asyncio.Redis(connection_pool=pool)
    turn = 0

    def next_query():
        nonlocal turn
        turn += 1
        return query(person=PEOPLE[turn % len(PEOPLE)])

    async def by_plain() -> None:
        asked = next_query()
        names = _look_up_keys(asked)
        await plain.evalsha(scripts.LOOK_UP.sha1, len(names), *names, 0, *stores[1]._look_up_args(asked))

    async def by_one() -> None:
        await stores[1].look_up(next_query())

    async def by_four() -> None:
        await stores[4].look_up(next_query())

    print(f"{'callers':>8} {'':24} {'look-ups/s':>10} {'p99 ms':>8}")
    for parallel in (1, 10, 50):
        for title, call in (
            ("redis-py, a call each", by_plain),
            ("ours, 1 connection", by_one),
            ("ours, 4 connections", by_four),
        ):
            await call()
            per_s, p99_ms = await rate(call, parallel, seconds)
            print(f"{parallel:8} {title:24} {per_s:10.0f} {p99_ms:8.2f}")
    await plain.aclose()
    for store in stores.values():
        await store.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))
