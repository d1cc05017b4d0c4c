"""Keeps an eye on the server behind a store: may what it answers be relied on?"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerError, StoreError, StoreNotReadyError
from asterisk_plugin.store.inspection import has_unknown_server, projected_seq, servers, why_unusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asterisk_plugin.store.client import StoreClient

LOOK_AGAIN_S = 5.0
"""Pause between looks at a server that is all right."""

CLUSTER_LOOK_S = 1.0
"""The same for a Cluster."""

MENDED_S = 0.5
"""Pause between looks at one that is not, or that could not be asked."""

CATCH_UP_S = 0.25
"""Longest wait, in one look, for the projector to bring a server up to the ledger; it looks that often itself."""

_CATCH_UP_PAUSE_S = 0.01

_log = logging.getLogger("ringfence.store")


class ServerWatch:
    """Looks at a server once for each connection, and then every few seconds beside the calls.

    A server that was killed, or a replica that took over, may lack the newest of what was written: an
    objection among it would look like none. So each new server is relied on only once it is as far as
    the ledger was when it was first seen.

    Args:
        client: Leads to the server.
        head: How far the ledger is (`ports.Ledger.head`). None: nobody looks; for whoever projects by itself
            before it asks, and where no projector runs.
    """

    def __init__(self, client: StoreClient, *, head: Callable[[], Awaitable[tuple[int, str]]] | None = None) -> None:
        self._client = client
        self._head = head
        self._in_step: frozenset[str] | None = None
        self._behind: tuple[frozenset[str], int] | None = None  # servers that are not, and the row they must reach
        self._seen = -1
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._fault = ""

    async def usable(self) -> None:
        """Return if the server may be relied on; waits only when a connection was never looked over.

        Raises:
            StoreNotReadyError: It throws away what decisions need.
            StoreError: It was never looked at, and cannot be asked now.
        """
        # More than once when a look was under way already, at an older connection.
        while self._seen != self._client.connected_times:
            looking = self._look()
            # Shared by every call that waits: one that is cancelled must not take it from the others.
            await asyncio.wait({looking})
            await looking
        if asyncio.get_running_loop().time() >= self._look_at:
            self._look()
        if self._fault:
            raise StoreNotReadyError(self._fault)

    async def look(self) -> None:
        """Look now if it is time to, and wait for it; raises like `usable`."""
        if asyncio.get_running_loop().time() >= self._look_at:
            looking = self._look()
            await asyncio.wait({looking})
        await self.usable()

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _look(self) -> asyncio.Task[None]:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_once(), name="store: is it usable")
            self._looking.add_done_callback(self._looked)
        return self._looking

    def _looked(self, looking: asyncio.Task[None]) -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # whoever waited for it has it; beside the calls nobody does

    async def _look_once(self) -> None:
        loop = asyncio.get_running_loop()
        self._look_at = loop.time() + MENDED_S
        if self._client.connected_times == 0:
            await self._client.everywhere("PING")  # connects, so that the look below is at that connection
        seen = self._client.connected_times
        try:
            fault = await why_unusable(self._client) or await self._lacking()
        except StoreError:
            # What was known stays known: a call that the server cannot answer says so itself.
            if self._seen != seen:
                raise
            return
        self._seen = seen
        if fault and fault != self._fault:
            _log.error("store: not usable, nobody is dialled: %s", fault)
        elif self._fault and not fault:
            _log.warning("store: usable again")
        self._fault = fault
        # A Cluster's connections do not tell when a server was replaced.
        pause_s = CLUSTER_LOOK_S if self._client.is_cluster else LOOK_AGAIN_S
        self._look_at = loop.time() + (MENDED_S if fault else pause_s)

    async def _lacking(self) -> str:
        """Why the server may lack rows of the ledger, empty when it does not."""
        if self._head is None:
            return ""
        now = await servers(self._client)
        if now == self._in_step:
            return ""
        if self._client.is_cluster and await has_unknown_server(self._client):
            return "a server of the store was restarted or replaced, and the store is not yet filled anew"
        try:
            if self._behind is None or self._behind[0] != now:
                self._behind = now, (await self._head())[0]
        except LedgerError as exc:
            return f"whether the store has the ledger's newest rows cannot be told: {exc}"
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + CATCH_UP_S
        while await projected_seq(self._client) < self._behind[1]:
            if loop.time() >= give_up_at:
                return "the store was restarted or replaced, and is not yet brought up to the ledger"
            await asyncio.sleep(_CATCH_UP_PAUSE_S)
        self._in_step, self._behind = now, None
        return ""
