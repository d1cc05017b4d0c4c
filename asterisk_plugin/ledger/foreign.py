"""Waiting for events that another process writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

# A neighbour's group commit takes one fsync, some milliseconds.
_PAUSE_S = 0.005


class ForeignEvents:
    """Asks the database for everything that is being waited for, all in one question.

    Args:
        look_up: Tells which of these event ids are on disk.
    """

    def __init__(self, look_up: Callable[[Collection[str]], Awaitable[Collection[str]]]) -> None:
        self._look_up = look_up
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def wait(self, event_id: str) -> None:
        """Return when the event is on disk; give it a deadline with `asyncio.timeout`."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event_id, set()).add(future)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            await future
        finally:
            if waiting := self._waiting.get(event_id):
                waiting.discard(future)
                if not waiting:
                    del self._waiting[event_id]

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            while self._waiting:
                try:
                    found = await self._look_up(tuple(self._waiting))
                except LedgerUnavailableError:
                    found = ()  # it may heal before those who wait lose patience
                for event_id in found:
                    for future in self._waiting.pop(event_id, ()):
                        if not future.done():
                            future.set_result(None)
                if self._waiting:
                    await asyncio.sleep(_PAUSE_S)
        finally:
            self._asking = None
