"""Brings objections out of the spool into the ledger and into force.

An objection leaves the spool when the ledger has it on disk and the store has it written: killed anywhere
before that, everything is done once more, and the ledger takes one id once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import LedgerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from asterisk_plugin.callflow.objections import ObjectionLedger, ObjectionStore
    from asterisk_plugin.ports import Event

POLL_S = 0.05
"""Pause between looks into the spool: some microseconds each."""

LEDGER_WAIT_S = 1.0
STORE_WAIT_S = 1.0

PREPARE_S = 60.0
"""Pause between looks at the spool's reserve."""

PUT_AGAIN_S = 2.0
"""While the ledger is away, pause between writes of one objection into the store: it may have been emptied."""

_log = logging.getLogger("ringfence.objections")


class ReadableSpool(Protocol):
    """What is asked of the spool; it blocks."""

    def waiting(self) -> bool:
        """Whether there is an objection in it."""
        ...

    def prepare(self) -> None:
        """Make the folders, and the reserve for a full disk."""
        ...

    def read(self) -> tuple[list[Event], list[str]]:
        """Everything in it, oldest first, and the names of files that cannot be read."""
        ...

    def remove(self, event_id: str) -> None:
        """Forget an objection that is in force."""
        ...

    def replaying(self) -> AbstractContextManager[bool]:
        """Hold the right to replay while in it; gives False when another process has it."""
        ...


class Replay:
    """Empties one node's spool.

    Args:
        spool: Where objections wait.
        ledger: Where they belong.
        store: Where decisions look.
        on_objected: Told each objection when it is found: another process of this node may have taken it
            while the store, which announces them, was away. Must not wait.
    """

    def __init__(
        self,
        spool: ReadableSpool,
        *,
        ledger: ObjectionLedger,
        store: ObjectionStore,
        on_objected: Callable[[Objected], None] | None = None,
    ) -> None:
        self._spool = spool
        self._ledger = ledger
        self._store = store
        self.on_objected = on_objected
        # Of what stands in the spool: the ledger's seq, and when the store got it without one.
        self._seqs: dict[str, int] = {}
        self._put_at: dict[str, float] = {}
        self._told: set[str] = set()
        self._prepare_at = 0.0
        self.fault = ""
        """Why something still waits, one sentence; empty when nothing does."""

    async def first(self) -> None:
        """Prepare the spool and bring on what waits there, before the first call; what cannot be now waits on."""
        await self._prepare()
        if self._spool.waiting():
            await self.once()

    async def run(self) -> None:
        """Keep it empty until cancelled."""
        while True:
            if self._spool.waiting():
                await self.once()
            elif self.fault:
                self._note("")
            if asyncio.get_running_loop().time() >= self._prepare_at:
                await self._prepare()
            await asyncio.sleep(POLL_S)

    async def once(self) -> bool:
        """Bring on what is in the spool now; returns whether it is empty afterwards."""
        try:
            with self._spool.replaying() as ours:
                if not ours:
                    return False
                fault = await self._bring_all()
        except LedgerError as exc:
            fault = str(exc)
        self._note(fault)
        return not fault

    async def _bring_all(self) -> str:
        """Why something is left, empty when nothing is."""
        events, unreadable = await asyncio.to_thread(self._spool.read)
        self._forget({event.id for event in events})
        for event in events:
            self._tell(event)
        faults = [f"`{name}` cannot be read: damaged, or sealed with another secret" for name in unreadable]
        for event in events:
            fault = await self._bring(event)
            if fault:
                faults.append(fault)
        return faults[0] if faults else ""

    async def _bring(self, event: Event) -> str:
        why = ""
        if event.id not in self._seqs:
            try:
                self._ledger.check()
                self._seqs[event.id] = await self._ledger.append([event], timeout_s=LEDGER_WAIT_S)
            except LedgerError as exc:
                why = str(exc)
        seq = self._seqs.get(event.id, 0)
        now = asyncio.get_running_loop().time()
        if not seq and now - self._put_at.get(event.id, -PUT_AGAIN_S) < PUT_AGAIN_S:
            return why
        try:
            async with asyncio.timeout(STORE_WAIT_S):
                await self._store.put(event, seq)
        except (StoreError, TimeoutError) as exc:
            return why or str(exc) or "the store did not answer in time"
        self._put_at[event.id] = now
        if seq:
            await asyncio.to_thread(self._spool.remove, event.id)
            _log.info("objection id=%s came from the spool into the ledger, seq=%d", event.id, seq)
        return why

    async def _prepare(self) -> None:
        """Fill up what a full disk has used of the reserve."""
        self._prepare_at = asyncio.get_running_loop().time() + PREPARE_S
        try:
            await asyncio.to_thread(self._spool.prepare)
        except LedgerError as exc:
            _log.error("%s", exc)

    def _tell(self, event: Event) -> None:
        if self.on_objected is not None and event.id not in self._told:
            self._told.add(event.id)
            self.on_objected(Objected.of(event.id, event.person, event.body))

    def _forget(self, still_there: set[str]) -> None:
        self._seqs = {event_id: seq for event_id, seq in self._seqs.items() if event_id in still_there}
        self._put_at = {event_id: at for event_id, at in self._put_at.items() if event_id in still_there}
        self._told &= still_there

    def _note(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("objections wait in the spool, nobody is dialled: %s", fault)
        elif self.fault and not fault:
            _log.warning("objections: the spool is empty again")
        self.fault = fault
