"""What the process that hears AMI knows of one waiting caller, for the process that speaks to that caller.

| key               | type   | holds                                    | lifetime |
|-------------------|--------|------------------------------------------|----------|
| `rf:wait:<id>`    | string | JSON: what to tell the caller now        | 5 s      |
| `rf:place:<id>`   | string | place in the queue to come back to       | 2 s      |

Nothing here is a record: lost, it is made again with the next announcement.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.store.client import StoreClient

TOLD_LIFETIME_MS = 5_000
PLACE_LIFETIME_MS = 2_000
_LOOK_AGAIN_S = 0.02


class Waits:
    """Hands on what is known of waiting callers. Knows nothing when the store is away; never raises.

    Args:
        client: Leads to the store.
    """

    def __init__(self, client: StoreClient) -> None:
        self._client = client

    async def publish(self, wait: str, known: Mapping[str, Any]) -> None:
        """Say what a caller is to be told.

        Args:
            wait: Id of the wait.
            known: JSON-able values.
        """
        await self._set(f"rf:wait:{wait}", json.dumps(known), TOLD_LIFETIME_MS)

    async def publish_place(self, wait: str, position: int) -> None:
        """Say which place a caller comes back to, 1 for the head."""
        await self._set(f"rf:place:{wait}", str(position), PLACE_LIFETIME_MS)

    async def read(self, wait: str, *, within_s: float) -> dict[str, Any] | None:
        """What a caller is to be told; None when nobody has said so within the time."""
        found = await self._get(f"rf:wait:{wait}", within_s)
        try:
            known = json.loads(found) if found else None
        except ValueError:
            return None
        return known if isinstance(known, dict) else None

    async def read_place(self, wait: str, *, within_s: float) -> int | None:
        """The place a caller comes back to; None when nobody has said so within the time."""
        found = await self._get(f"rf:place:{wait}", within_s)
        return int(found) if found.isdigit() else None

    async def _set(self, key: str, value: str, lifetime_ms: int) -> None:
        try:
            await self._client.execute("SET", key, value, "PX", lifetime_ms)
        except StoreError:
            return  # who waits for it says that nothing is known

    async def _get(self, key: str, within_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_s
        while True:
            try:
                found = await self._client.execute("GETDEL", key)
            except StoreError:
                return b""
            if found or loop.time() >= give_up_at:
                return found or b""
            await asyncio.sleep(_LOOK_AGAIN_S)
