"""Keeps the store in step with the ledger, and builds it anew when it is not its image any more.

A rebuild is begun when the store is empty or incomplete, and when its position is not on the
ledger's chain (another ledger, or one restored from an older backup). A position that lies behind,
for instance after a failover to a replica, is only made up for: rows may be applied twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerBrokenError, LedgerError, StoreCorruptError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asterisk_plugin.ports import Ledger, Position, Projection, StoredEvent

ROWS_PER_STEP = 5_000
"""Rows applied in one step; a rebuild shows a sign of life after each."""

LONGEST_PAUSE_S = 1.0
"""Pause after failures in a row: short, because nothing is dialled meanwhile."""

BROKEN_PAUSE_S = 30.0
"""Pause after a ledger row that cannot be understood: it will not change by itself."""

_log = logging.getLogger("ringfence.projector")


class Projector:
    """Applies what is new in the ledger, whoever wrote it.

    Args:
        ledger: Read only.
        projection: Where to.
        poll_s: Longest time, in seconds, until a row that another process wrote is noticed.
    """

    def __init__(self, ledger: Ledger, projection: Projection, *, poll_s: float = 0.2) -> None:
        self._ledger = ledger
        self._projection = projection
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self.ready = False
        """The store held every row of the ledger when it was last looked at."""
        self.fault = ""
        """Why it is not ready, one sentence; empty while it is."""

    def wake(self) -> None:
        """Look at once: this process has appended a row."""
        self._woken.set()

    async def run(self) -> None:
        """Keep in step until cancelled; never gives up."""
        failures = 0
        while True:
            self._woken.clear()
            pause_s = self._poll_s
            try:
                await self.catch_up()
                failures = 0
            except LedgerBrokenError as exc:
                self._failed(exc)
                pause_s = BROKEN_PAUSE_S
            except (StoreError, LedgerError) as exc:
                self._failed(exc)
                failures += 1
                pause_s = min(self._poll_s * 2 ** min(failures, 10), LONGEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    async def catch_up(self) -> None:
        """Bring the store up to the ledger's newest row, building it anew if need be.

        Raises:
            LedgerBrokenError: A row cannot be understood; the store was taken out of use, because
                "no objection found" would mean nothing without that row.
            LedgerUnavailableError: The ledger cannot be read.
            StoreError: The store cannot be written.
        """
        async with self._one_at_a_time:
            while not await self._step():
                self.ready = False
                # Another process is building the store; there is nothing to do but to look again.
                await asyncio.sleep(self._poll_s)
            self._succeeded()

    async def rebuild(self) -> None:
        """Empty the store and fill it from the ledger, whatever it holds.

        Raises:
            LedgerBrokenError: A row cannot be understood; the store stays out of use.
            LedgerUnavailableError: The ledger cannot be read.
            StoreError: The store cannot be written.
        """
        async with self._one_at_a_time:
            while True:
                if await self._rebuild("that was asked for"):
                    break
                await asyncio.sleep(self._poll_s)
            self._succeeded()

    async def _step(self) -> bool:
        """Do what is to be done; False when another process is at work."""
        state = await self._projection.state()
        if not state.complete:
            return await self._rebuild("it is empty or incomplete")
        head_seq, head_hash = await self._ledger.head()
        if state.position.seq == head_seq:
            if state.position.hash == head_hash:
                return True
            return await self._rebuild("it was filled from another ledger")
        if state.position.seq > head_seq:
            return await self._rebuild("it is ahead of the ledger")
        try:
            on_chain = await self._apply_after(state.position)
        except LedgerBrokenError:
            await self._projection.withdraw()
            raise
        except StoreCorruptError as exc:
            return await self._rebuild(str(exc))
        return on_chain or await self._rebuild("it was filled from another ledger")

    async def _rebuild(self, why: str) -> bool:
        self.ready = False
        if not await self._projection.begin_rebuild():
            return False
        _log.warning("store: filling it from the ledger, because %s", why)
        rows = 0
        async for several in _in_runs(self._ledger.read(0)):
            await self._projection.keep_lease()
            await self._projection.apply(several)
            rows += len(several)
        await self._projection.mark_ready()
        _log.info("store: filled from %d ledger rows", rows)
        return True

    async def _apply_after(self, position: Position) -> bool:
        """Apply newer rows; False when the row at the position is not the one that was applied."""
        first = position.seq > 0
        async for several in _in_runs(self._ledger.read(max(0, position.seq - 1))):
            fresh = several
            if first:
                first = False
                if several[0].seq != position.seq or several[0].hash != position.hash:
                    return False
                fresh = several[1:]
            if fresh:
                await self._projection.apply(fresh)
        return True

    def _succeeded(self) -> None:
        if not self.ready:
            _log.info("store: in step with the ledger")
        self.ready, self.fault = True, ""

    def _failed(self, exc: Exception) -> None:
        self.ready = False
        if str(exc) != self.fault:
            self.fault = str(exc)
            _log.error("store: not in step with the ledger: %s", exc)


async def _in_runs(rows: AsyncIterator[StoredEvent]) -> AsyncIterator[list[StoredEvent]]:
    several: list[StoredEvent] = []
    async for row in rows:
        several.append(row)
        if len(several) == ROWS_PER_STEP:
            yield several
            several = []
    if several:
        yield several
