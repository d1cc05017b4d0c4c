"""Keeps the store in step with the ledger, and builds it anew when it is not its image any more.

A rebuild is begun when the store is empty or incomplete, and when its position is not on the
ledger's chain (another ledger, or one restored from an older backup). A position that lies behind,
for instance after a failover to a replica, is only made up for: rows may be applied twice.

Two ledgers on one store are a mistake in two configurations. Their projectors would empty it in
turn for ever, so each leaves alone what another keeps in step: whoever was there first goes on,
the other says what is wrong and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerBrokenError, LedgerError, StoreCorruptError, StoreError, StoreNotReadyError
from asterisk_plugin.ports import Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asterisk_plugin.ports import Ledger, Projection, ProjectionState, StoredEvent

ROWS_PER_STEP = 5_000
"""Rows applied in one step; a rebuild shows a sign of life after each."""

LONGEST_PAUSE_S = 1.0
"""Pause after failures in a row: short, because nothing is dialled meanwhile."""

BROKEN_PAUSE_S = 30.0
"""Pause after a ledger row that cannot be understood: it will not change by itself."""

FOREIGN_QUIET_S = 60.0
"""A store of another ledger is taken over when nobody was at work on it for this long, in seconds."""

AHEAD_QUIET_S = 10.0
"""The same for one that is ahead of our ledger, or beside it: a ledger restored from a backup is
likelier than two services on copies of one ledger."""

SHOW_LIFE_S = 1.0
"""Pause between the signs of life of a rebuild, whatever it waits for."""

STUCK_S = 60.0
"""A rebuild that gets no further for this long, in seconds, shows no life any more."""

_log = logging.getLogger("ringfence.projector")


async def ledger_id(ledger: Ledger) -> str:
    """What tells a ledger from every other: the hash of its first row; empty while it has none.

    Raises:
        LedgerError: It cannot be read.
    """
    async for row in ledger.read(0, unseal=False):
        return row.hash
    return ""


class Projector:
    """Applies what is new in the ledger, whoever wrote it.

    Args:
        ledger: Read only.
        projection: Where to.
        poll_s: Longest time, in seconds, until a row that another process wrote is noticed.
        quiet_s: A store of another ledger is taken over when nobody was at work on it for so long.
        identify: A quicker way to what `ledger_id` reads.
    """

    def __init__(
        self,
        ledger: Ledger,
        projection: Projection,
        *,
        poll_s: float = 0.2,
        quiet_s: float = FOREIGN_QUIET_S,
        identify: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._ledger = ledger
        self._projection = projection
        self._poll_s = poll_s
        self._quiet_s = quiet_s
        self._identify = identify or partial(ledger_id, ledger)
        self._ledger_id = ""
        self._stuck_at = 0.0
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

    async def catch_up(self, *, may_rebuild: bool = True) -> None:
        """Bring the store up to the ledger's newest row, building it anew if need be.

        Args:
            may_rebuild: Also when it holds what is not this ledger's. False for whoever is no
                service: an empty or incomplete store is filled, another's is left as it is.

        Raises:
            StoreNotReadyError: The store is another ledger's, or ahead of this one, and is left alone.
            LedgerBrokenError: A row cannot be understood; the store was taken out of use, because
                "no objection found" would mean nothing without that row.
            LedgerUnavailableError: The ledger cannot be read.
            StoreError: The store cannot be written.
        """
        async with self._one_at_a_time:
            while not await self._step(may_rebuild):
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
                if await self._rebuild("that was asked for", await self._identity()):
                    break
                await asyncio.sleep(self._poll_s)
            self._succeeded()

    async def _step(self, may_rebuild: bool) -> bool:
        """Do what is to be done; False when another process is at work."""
        state = await self._projection.state()
        head_seq, head_hash = await self._ledger.head()
        ours = self._projection.ledger_id = await self._relied_on(state, Position(head_seq, head_hash))
        if not ours and (state.ledger_id or state.position.seq):
            raise StoreNotReadyError("the store is filled from another ledger, and this one is empty")
        if state.ledger_id and state.ledger_id != ours:
            return await self._take_over("it is filled from another ledger", self._quiet_s, state, may_rebuild)
        if state.position.seq > head_seq:
            return await self._take_over("it is ahead of the ledger", AHEAD_QUIET_S, state, may_rebuild)
        if not state.complete:
            return await self._rebuild("it is empty or incomplete", ours)
        if state.ledger_id != ours:
            return await self._rebuild("it was filled when the ledger had no row yet", ours)
        if state.position.seq == head_seq:
            on_chain = state.position.hash == head_hash
        else:
            try:
                on_chain = await self._apply_after(state.position)
            except LedgerBrokenError:
                await self._projection.withdraw()
                raise
            except StoreCorruptError as exc:
                return await self._rebuild(str(exc), ours)
        if not on_chain:
            return await self._take_over("it is filled from a copy of the ledger", AHEAD_QUIET_S, state, may_rebuild)
        await self._projection.show_life()
        return True

    async def _relied_on(self, state: ProjectionState, head: Position) -> str:
        if head.seq == 0:
            return ""
        if state.position == head:
            # The chain makes a row's hash vouch for the first row too, so that one need not be read.
            self._ledger_id = self._ledger_id or state.ledger_id
        return await self._identity()

    async def _identity(self) -> str:
        # A ledger's first row never changes; an empty one may get any.
        if not self._ledger_id:
            self._ledger_id = await self._identify()
        return self._ledger_id

    async def _take_over(self, why: str, quiet_s: float, state: ProjectionState, may_rebuild: bool) -> bool:
        """Rebuild a store that is not ours, unless somebody keeps it in step."""
        quiet_s = min(quiet_s, self._quiet_s)
        if not may_rebuild:
            raise StoreNotReadyError(f"the store is left alone, because {why}; `ringfence rebuild` would fill it anew")
        if state.idle_s < quiet_s:
            raise StoreNotReadyError(
                f"the store is left alone, because {why} and was in use within the last {quiet_s:g} s; "
                "give each ledger a store of its own, or run `ringfence rebuild`"
            )
        return await self._rebuild(why, self._ledger_id)

    async def _rebuild(self, why: str, ours: str) -> bool:
        self.ready = False
        self._projection.ledger_id = ours
        try:
            return await self._rebuild_now(why, ours)
        finally:
            await self._projection.give_up()  # nothing, once it is complete

    async def _rebuild_now(self, why: str, ours: str) -> bool:
        if not await self._projection.begin_rebuild(ours):
            return False
        _log.warning("store: filling it from the ledger, because %s", why)
        self._got_further()
        alive = asyncio.create_task(self._show_life(), name="projector: rebuild is alive")
        try:
            rows = await self._fill()
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
        await self._projection.mark_ready()
        _log.info("store: filled from %d ledger rows", rows)
        return True

    async def _fill(self) -> int:
        rows = 0
        async for several in _in_runs(self._ledger.read(0, unseal=False)):
            await self._projection.keep_lease()
            await self._projection.apply(several)
            self._got_further()
            rows += len(several)
        return rows

    def _got_further(self) -> None:
        self._stuck_at = asyncio.get_running_loop().time() + STUCK_S

    async def _show_life(self) -> None:
        """A slow ledger must not cost a rebuild its right: once lapsed, that is not got back."""
        while asyncio.get_running_loop().time() < self._stuck_at:
            await asyncio.sleep(SHOW_LIFE_S)
            try:
                await self._projection.keep_lease()
            except StoreNotReadyError:
                return  # the rebuild itself learns of it at its next step
            except StoreError:
                continue

    async def _apply_after(self, position: Position) -> bool:
        """Apply newer rows; False when the row at the position is not the one that was applied."""
        first = position.seq > 0
        async for several in _in_runs(self._ledger.read(max(0, position.seq - 1), unseal=False)):
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
