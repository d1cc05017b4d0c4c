"""The ledger, projected into the store: what `callflow/projector.py` drives.

The order of writes makes it safe to be killed anywhere: rows first, then the position, and the
ready markers, without which no decision is made, only after the last row.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import secrets
import time
from typing import TYPE_CHECKING

from asterisk_plugin.errors import StoreCorruptError, StoreError, StoreNotReadyError
from asterisk_plugin.ports import EventKind, Position, ProjectionState
from asterisk_plugin.store import keys, scripts
from asterisk_plugin.store.announcements import CHANNEL, MANY
from asterisk_plugin.store.ended import writes_of
from asterisk_plugin.store.inspection import evictions, has_unknown_server
from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.records import whole_ms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from asterisk_plugin.ports import StoredEvent
    from asterisk_plugin.store.writes import Count, Write

BULK_TIMEOUT_S = 10.0
"""Longest wait for one step of a projection: it may do a thousand times a decision's work."""

CLUSTER_CHECK_S = 1.0
"""Pause between looks at all 256 markers of a Cluster, where each costs a call of its own."""

WRITES_PER_CALL = 250
"""Writes in one script call: about a millisecond of the server, which decisions wait for."""

SHOW_LIFE_S = 2.0
"""Pause between signs that a projector keeps the store in step."""

GIVE_UP_S = 1.0
"""Longest wait to give back a rebuild that is not finished."""

START_OF_CHAIN = "0" * 64


class Projection:
    """Writes ledger rows into the store and remembers how far it is.

    Args:
        url: Where the store is; see `address.py`.
        keep_attempts_s: Attempts older than this, in seconds, are left out. May be set again: a
            larger value makes the store incomplete, so that the projector builds it anew; a
            smaller one removes nothing, because other nodes' rules may count further back.
        zone: By whose days campaigns' calls are counted, IANA. May be set again: then what was counted by another
            zone's days is not looked at any more, and campaigns begin anew with agents who are reserved.
        timeout_s: Longest wait for one step.
        wall_clock: Seconds since 1970, for the age of attempts.

    Raises:
        StartupError: The address cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        keep_attempts_s: float,
        zone: str = "Etc/UTC",
        timeout_s: float = BULK_TIMEOUT_S,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        # Connections of its own: a decision must not stand behind a thousand rows.
        self._client = open_client(url, timeout_s=timeout_s)
        self._wall_clock = wall_clock
        self._generation = ""
        self._filled_from = ""
        self._stored_keep_ms = 0
        self._lease_held = ""
        self._check_markers_at = 0.0
        self._show_life_at = 0.0
        self.keep_attempts_s = keep_attempts_s
        self.zone = zone
        self.ledger_id: str | None = None
        """The ledger that decisions rely on, by the hash of its first row; empty while it has none,
        None until somebody has looked. The projector sets it."""

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def state(self) -> ProjectionState:
        """How far the store is, from which ledger, and whether it is complete.

        Raises:
            StoreError: The store cannot answer.
        """
        markers, (fields, idle_ms) = await asyncio.gather(
            self._markers(), self._client.run(scripts.POSITION, (keys.POSITION,), ())
        )
        seq, hash_, generation, ledger_id, keep_ms = (_text(field) for field in fields)
        idle_s = idle_ms / 1000 if idle_ms >= 0 else math.inf
        if not seq.isdecimal() or not generation:
            return ProjectionState(Position(0, START_OF_CHAIN), complete=False, ledger_id=ledger_id, idle_s=idle_s)
        kept_ms = int(keep_ms) if keep_ms.isdecimal() else 0
        marker = keys.marker(generation, ledger_id, kept_ms)
        complete = all(_text(found) == marker for found in markers) and kept_ms >= self._keep_ms
        self._generation, self._filled_from, self._stored_keep_ms = generation, ledger_id, kept_ms
        return ProjectionState(Position(int(seq), hash_), complete=complete, ledger_id=ledger_id, idle_s=idle_s)

    async def apply(self, events: Sequence[StoredEvent]) -> None:
        """Write a run of rows and then the position; writing them twice changes nothing.

        Who watches calls is told of imported objections, by whichever process writes the row behind them.

        Args:
            events: In order of seq, at least one.

        Raises:
            LedgerBrokenError: A row that cannot be understood; nothing of the run was written.
            StoreNotReadyError: Somebody else has begun to build the store anew, or it came back without
                rows before these.
            StoreCorruptError: A key holds the wrong type of value.
            StoreError: The store cannot answer; the run may be applied again.
        """
        now_ms, keep_ms = self._wall_clock() * 1000, self._longest_keep_ms
        writes = [write for row in events for write in writes_of(row, self.zone)]
        await self._write(write for write in writes if write.is_kept(now_ms, keep_ms))
        await self._move_on(events[-1].seq, events[-1].hash, after=events[0].seq - 1)
        if any(row.event.kind is EventKind.IMPORT and row.event.body.get("what") == "objections" for row in events):
            with contextlib.suppress(StoreError):  # a user without the right to publish still writes
                await self._client.execute("PUBLISH", CHANNEL, MANY)

    async def show_life(self) -> None:
        """Note in the store that a projector keeps it in step, every few seconds and not more often.

        Raises:
            StoreNotReadyError: Somebody else has begun to build the store anew.
            StoreError: The store cannot answer.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._show_life_at:
            await self._move_on(0, START_OF_CHAIN)
            self._show_life_at = now + SHOW_LIFE_S

    async def begin_rebuild(self, ledger_id: str = "") -> bool:
        """Take the store out of use and empty it of everything that was projected.

        Tokens, and the marks of running calls, stay: they are not in the ledger.

        Args:
            ledger_id: The ledger it is filled from: hash of its first row, empty while it has none.

        Returns:
            False when another process is doing it.

        Raises:
            StoreNotReadyError: Another process has taken it over.
            StoreError: The store cannot answer.
        """
        # Left from a rebuild of ours that failed: it must not stand in the way of the next.
        if self._lease_held:
            await self._lease("drop", self._lease_held)
        self._lease_held = generation = secrets.token_hex(8)  # a question that is cut off may have taken it
        if not await self._lease("take", generation):
            return False
        self._generation, self._filled_from, self._stored_keep_ms = generation, ledger_id, self._keep_ms
        evicted = await evictions(self._client)
        await self._for_each_bucket(self._take_out)
        await self._client.execute("DEL", keys.POSITION)
        async for found in self._client.scan(keys.EVERYTHING_OF_A_PERSON):
            await self._remove(filter(None, map(keys.projected, found)))
            await self.keep_lease()
        await self.keep_lease()
        await self._client.execute(
            "HSET", keys.POSITION, "seq", 0, "hash", START_OF_CHAIN, "generation", generation,
            "ledger", ledger_id, "keep_ms", self._stored_keep_ms, "evicted", evicted,
        )  # fmt: skip
        await self._move_on(0, START_OF_CHAIN)
        return True

    async def keep_lease(self) -> None:
        """Show that the rebuild is alive; to be called at least every few seconds while it runs.

        Raises:
            StoreNotReadyError: It was not alive for too long, so that another process may have taken it over.
            StoreError: The store cannot answer.
        """
        if not await self._lease("renew", self._generation):
            raise StoreNotReadyError("another process has taken over, or may have, building the store anew")

    async def mark_ready(self) -> None:
        """Everything is projected: decisions may be made.

        Raises:
            StoreNotReadyError: Another process has taken the rebuild over.
            StoreError: The store cannot answer.
        """
        await self.keep_lease()
        await self._for_each_bucket(self._mark)
        await self._lease("drop", self._generation)
        self._check_markers_at = 0.0

    async def give_up(self) -> None:
        """End a rebuild that will not be finished: who comes next need not wait until its lease lapses.

        Never raises for a store that cannot answer: then the lease lapses.
        """
        if self._lease_held:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(GIVE_UP_S):
                    await self._lease("drop", self._lease_held)

    async def withdraw(self) -> None:
        """Take the ready markers away: no decision until the next rebuild.

        Raises:
            StoreError: The store cannot answer.
        """
        await self._for_each_bucket(lambda bucket: self._client.execute("DEL", keys.ready(bucket)))
        self._check_markers_at = 0.0

    @property
    def _keep_ms(self) -> int:
        return whole_ms(self.keep_attempts_s)

    @property
    def _longest_keep_ms(self) -> int:
        # Others may count further back than our rules do: what the store was filled for stays.
        return max(self._keep_ms, self._stored_keep_ms)

    async def _markers(self) -> Sequence[bytes | None]:
        names = [keys.ready(bucket) for bucket in keys.BUCKETS]
        if not self._client.is_cluster:
            found: list[bytes | None] = await self._client.execute("MGET", *names)
            return found
        now = asyncio.get_running_loop().time()
        if now < self._check_markers_at:
            return ()
        if await has_unknown_server(self._client):
            # The position lies on one server and cannot say what another, which came back older, has lost.
            return (None,)
        values = await asyncio.gather(*(self._client.execute("GET", name) for name in names))
        self._check_markers_at = now + CLUSTER_CHECK_S
        return values

    async def _move_on(self, seq: int, hash_: str, *, after: int = 0) -> None:
        """Remember a position; `after` is where the store must be already, or it has lost rows."""
        await self._client.run(scripts.MOVE_ON, (keys.POSITION,), (self._generation, seq, hash_, after))

    async def _lease(self, what: str, generation: str) -> bool:
        (ours,) = await self._client.run(scripts.LEASE, (keys.LEASE,), (generation, what, keys.LEASE_LIFETIME_MS))
        self._lease_held = generation if ours and what != "drop" else ""
        return bool(ours)

    async def _take_out(self, bucket: str) -> None:
        await self._client.run(scripts.TAKE_OUT, _markers_of(bucket), (self._generation,))

    async def _mark(self, bucket: str) -> None:
        marker = keys.marker(self._generation, self._filled_from, self._stored_keep_ms)
        await self._client.run(scripts.MARK, _markers_of(bucket), (self._generation, marker))

    async def _for_each_bucket(self, do: Callable[[str], Awaitable[object]]) -> None:
        await _all_of(do(bucket) for bucket in keys.BUCKETS)

    async def _write(self, writes: Iterable[Write | Count]) -> None:
        together: dict[str, list[Write | Count]] = {}
        for write in writes:
            # Only what lies in one slot of a Cluster may be written in one call.
            slot = write.bucket if self._client.is_cluster else ""
            together.setdefault(slot, []).append(write)
        await _all_of(
            self._write_some(several[at : at + WRITES_PER_CALL])
            for several in together.values()
            for at in range(0, len(several), WRITES_PER_CALL)
        )

    async def _write_some(self, writes: Sequence[Write | Count]) -> None:
        buckets = sorted({write.bucket for write in writes})
        args: list[str | int] = [self._generation, len(buckets)]
        for write in writes:
            args += write.args(self._longest_keep_ms)
        markers = itertools.chain.from_iterable(map(_markers_of, buckets))
        written = itertools.chain.from_iterable(write.keys for write in writes)
        await self._client.run(scripts.PROJECT, [*markers, *written], args)

    async def _remove(self, names: Iterable[str]) -> None:
        by_bucket: dict[str, list[str]] = {}
        for name in names:
            by_bucket.setdefault(keys.bucket_in(name), []).append(name)
        await _all_of(
            self._client.run(scripts.REMOVE, [*_markers_of(bucket), *several], (self._generation,))
            for bucket, several in by_bucket.items()
        )


async def _all_of(work: Iterable[Awaitable[object]]) -> None:
    """Await all; raise the first error only after the others have ended, so that nothing runs on."""
    results = await asyncio.gather(*work, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    # A wrong type cannot be healed by waiting, so it is the one to be told of.
    for error in sorted(errors, key=lambda error: not isinstance(error, StoreCorruptError)):
        raise error


def _markers_of(bucket: str) -> tuple[str, str]:
    return keys.ready(bucket), keys.building(bucket)


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8", "backslashreplace")
