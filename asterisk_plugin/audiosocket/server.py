"""Where Asterisk's AudioSocket() brings the sound of calls that somebody wants to hear."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from asterisk_plugin.audiosocket.wire import TERMINATE, UUID_BYTES, AudioSocketWire, Kind
from asterisk_plugin.errors import RemoteProtocolError, StartupError

if TYPE_CHECKING:
    from asterisk_plugin.ports import Hearer

NAMING_TIMEOUT_S = 2.0
"""Longest time a connection may take to say which call it brings."""

_log = logging.getLogger("ringfence.audiosocket")


class SoundServer:
    """Listens for AudioSocket connections; a call that nobody expects is let go at once.

    Args:
        host: Address to listen on, and the one that Asterisk is told.
        port: Its port; 0 lets the system choose.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._expected: dict[bytes, Hearer] = {}
        self._connections: set[_Connection] = set()

    @property
    def address(self) -> str:
        """`host:port`, as AudioSocket() wants it."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            StartupError: The port is taken, or the address is not this machine's.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        except OSError as exc:
            raise StartupError(
                f"AudioSocket cannot listen on `{self._host}:{self._port}`: {exc.strerror or exc}"
            ) from exc
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more; calls that are heard go on in the dialplan."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._connections):
                connection.close()
            await self._server.wait_closed()

    def expect(self, call: str, hearer: Hearer) -> None:
        """Hand the sound of a call to somebody once it comes.

        Args:
            call: What names it: 32 hex digits, also those of the UUID that AudioSocket() is given.
            hearer: Who listens; told of the end in any case, also of one that never came and is forgotten.
        """
        self._expected[bytes.fromhex(call)] = hearer

    def forget(self, call: str) -> None:
        """Expect a call no more; one that is heard already goes on."""
        self._expected.pop(bytes.fromhex(call), None)

    def admit(self, connection: _Connection) -> None:
        """A connection has come."""
        self._connections.add(connection)

    def discard(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def hearer_of(self, call: bytes) -> Hearer | None:
        """Who expects a call; nobody a second time."""
        return self._expected.pop(call, None)


class _Connection(asyncio.Protocol):
    """The sound of one call, from its name to the end."""

    def __init__(self, server: SoundServer) -> None:
        self._server = server
        self._wire = AudioSocketWire()
        self._hearer: Hearer | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: accepted."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.admit(self)
        self._timer = asyncio.get_running_loop().call_later(NAMING_TIMEOUT_S, self.close)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for message in self._wire.take(data):
                if message.kind == Kind.UUID and len(message.payload) == UUID_BYTES:
                    self._begin(message.payload)
                elif message.kind == Kind.SOUND and self._hearer is not None and self._hearer.take(message.payload):
                    self.close()
                    return
        except RemoteProtocolError as exc:
            _log.warning("%s", exc)
            self.close()
        except Exception:  # noqa: BLE001 - the boundary: a fault in who listens must not hold the call
            _log.exception("the sound of a call could not be heard")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """asyncio: the connection is gone."""
        self._stop_timer()
        self._server.discard(self)
        if self._hearer is not None:
            self._hearer.ended()

    def close(self) -> None:
        """Let the call go on in the dialplan."""
        self._stop_timer()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(TERMINATE)
            self._transport.close()

    def _begin(self, call: bytes) -> None:
        if self._hearer is not None:
            return
        self._stop_timer()
        self._hearer = self._server.hearer_of(call)
        if self._hearer is None:
            self.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
