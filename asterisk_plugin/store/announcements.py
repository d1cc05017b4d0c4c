"""What every process is told at once: Redis' publish and subscribe.

A message that comes while nobody listens is lost. So whoever listens is told of each new subscription too,
and then looks for itself at what it may have missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import StoreError, StoreTimeoutError
from asterisk_plugin.store.faults import FOREIGN, translated
from asterisk_plugin.store.link import CONNECT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection

    from asterisk_plugin.store.client import StoreClient

CHANNEL = "rf:objected"
"""One for all databases of a server: messages of another site name persons that nobody here knows."""

MANY = b'{"many":true}'
"""Said of an import: too many objections to name each; whoever watches calls looks for itself at those that run."""

PING_S = 1.0
SILENT_S = 3.0
"""A server that has said nothing for so long, pings included, is frozen or gone."""

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.5

_MOST_BYTES = 2048

_log = logging.getLogger("ringfence.store")


def message_of(objected: Objected) -> str:
    """An announcement as it is published."""
    values = {
        "id": objected.event_id,
        "person": objected.person,
        "scope": objected.scope,
        "reference": objected.reference,
    }
    return json.dumps(values, separators=(",", ":"))


def read_message(raw: bytes) -> Objected | None:
    """An announcement read back; None for anything else that somebody published."""
    if len(raw) > _MOST_BYTES:
        return None
    try:
        values = json.loads(raw)
        fields = (values["id"], values["person"], values["scope"], values["reference"])
    except (ValueError, KeyError, TypeError):
        return None
    return Objected(*fields) if all(isinstance(field, str) for field in fields) else None


class Announcements:
    """Listens until cancelled, whatever happens to the store.

    Args:
        client: Makes the connection.
        on_objected: Told each objection; must not wait.
        on_subscribed: Told that objections may have come without a word: before this subscription, from which on
            nothing is missed, or as `MANY`; must not wait.
    """

    def __init__(
        self,
        client: StoreClient,
        *,
        on_objected: Callable[[Objected], None],
        on_subscribed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._on_objected = on_objected
        self._on_subscribed = on_subscribed
        self._fault = ""
        self.listening = False
        """Whether announcements come in now, as far as is known."""

    async def run(self) -> None:
        """Subscribe, and again after each loss."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._listen()
            except StoreError as exc:
                if str(exc) != self._fault:  # once, not at every try
                    self._fault = str(exc)
                    _log.warning("store: objections of other nodes are not heard: %s", exc)
            pause_s = FIRST_PAUSE_S if self.listening else min(pause_s * 2, LONGEST_PAUSE_S)
            self.listening = False
            await asyncio.sleep(pause_s)

    async def _listen(self) -> None:
        """One subscription from start to loss."""
        connection = None
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                connection = await self._client.connect()
            await connection.send_command("SUBSCRIBE", CHANNEL, check_health=False)
            await self._read(connection)
        except FOREIGN as exc:
            raise translated(exc) from exc
        finally:
            if connection is not None:
                await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while True:
            # None after so long without a word; redis-py keeps what it has read of a reply for the next call.
            reply = await connection.read_response(disable_decoding=True, timeout=PING_S)
            if reply is not None:
                heard_at = loop.time()
                self._take(reply)
            elif loop.time() - heard_at >= SILENT_S:
                raise StoreTimeoutError("the store has fallen silent")
            else:
                await connection.send_command("PING", check_health=False)

    def _take(self, reply: Any) -> None:
        match reply:
            case [b"subscribe", *_]:
                self.listening, self._fault = True, ""
                self._tell(self._on_subscribed)
            case [b"message", _, raw] if raw == MANY:
                self._tell(self._on_subscribed)
            case [b"message", _, bytes() as raw]:
                objected = read_message(raw)
                if objected is not None:
                    self._tell(self._on_objected, objected)

    @staticmethod
    def _tell(listener: Callable[..., None], *what: Objected) -> None:
        try:
            listener(*what)
        except Exception:  # noqa: BLE001 - the boundary: a listener's bug must not end the listening
            _log.exception("store: a listener of announcements failed")
