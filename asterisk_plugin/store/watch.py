"""Keeps an eye on the server behind a store: may what it answers be relied on?"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.errors import StoreError, StoreNotReadyError
from asterisk_plugin.store.inspection import why_unusable

if TYPE_CHECKING:
    from asterisk_plugin.store.client import StoreClient

LOOK_AGAIN_S = 5.0
"""Pause between looks at a server that is all right."""

MENDED_S = 0.5
"""Pause between looks at one that is not, or that could not be asked."""

_log = logging.getLogger("ringfence.store")


class ServerWatch:
    """Looks at a server once for each connection, and then every few seconds beside the calls.

    Args:
        client: Leads to the server.
    """

    def __init__(self, client: StoreClient) -> None:
        self._client = client
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
            fault = await why_unusable(self._client)
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
        self._look_at = loop.time() + (MENDED_S if fault else LOOK_AGAIN_S)
