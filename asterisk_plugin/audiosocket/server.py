"""Where Asterisk's AudioSocket() brings the sound of calls that somebody wants to hear."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from asterisk_plugin.audiosocket.wire import TERMINATE, AudioSocketWire, Kind
from asterisk_plugin.errors import RemoteProtocolError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.ports import Hearer

CLAIM_TIMEOUT_S = 2.0
"""Longest time until a connection has said which call it brings, and somebody has expected that call."""

MOST_CONNECTIONS = 2000
MOST_EARLY_BYTES = 64_000
"""Four seconds of sound: more than comes before a call is expected."""

BYTES_A_SECOND = 16_000
AGAIN_WITHIN_S = 2.0
"""So long a call is expected again that broke off: AudioSocket() gives up when nothing came for two seconds."""

FILL_EVERY_S, GAP_S = 0.1, 0.4
"""A network may be so late; when nothing comes for longer, it was silence that the far side did not send."""

_log = logging.getLogger("ringfence.audiosocket")


@dataclass(frozen=True, slots=True)
class _Expected:
    """A call that somebody wants to hear.

    Args:
        hearer: Who.
        again: It is expected again when its connection breaks off.
        has_begun: Which it has.
    """

    hearer: Hearer
    again: bool
    has_begun: bool = False


def _everybody(_peer: str) -> bool:
    return True


class SoundServer:
    """Listens for AudioSocket connections; a call that nobody expects is let go after a moment.

    Args:
        host: Address to listen on, and the one that Asterisk is told.
        port: Its port; 0 lets the system choose.
        allows: Tells whether a peer's address may connect.
    """

    def __init__(self, host: str, port: int, *, allows: Callable[[str], bool] = _everybody) -> None:
        self._host, self._port, self._allows = host, port, allows
        self._server: asyncio.Server | None = None
        self._expected: dict[bytes, _Expected] = {}
        self._unclaimed: dict[bytes, _Connection] = {}
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
            for call, expected in tuple(self._expected.items()):
                self._give_up(call, expected)
            await self._server.wait_closed()

    def expect(self, call: str, hearer: Hearer, *, again: bool = False) -> None:
        """Hand the sound of a call to somebody once it comes.

        Args:
            call: What names it: 32 hex digits, also those of the UUID that AudioSocket() is given.
            hearer: Who listens. A call may come a moment before it is expected: nothing of it is lost.
            again: The dialplan calls AudioSocket() again when it breaks off: `hearer` hears on. The time between is
                not heard; so much quiet might make a machine of a person.
        """
        key, expected = bytes.fromhex(call), _Expected(hearer, again)
        connection = self._unclaimed.pop(key, None)
        if connection is None:
            self._expected[key] = expected
        else:
            connection.claim(expected)

    def expect_again(self, call: bytes, expected: _Expected) -> None:
        """Wait a moment for a call whose connection broke off; then no more sound will come."""
        expected = replace(expected, has_begun=True)
        connection = self._unclaimed.get(call)
        if connection is not None and not connection.is_closed:  # it was quicker than the end of the first
            del self._unclaimed[call]
            connection.claim(expected)
            return
        if call in self._expected:
            expected.hearer.ended()
            return
        self._expected[call] = expected
        asyncio.get_running_loop().call_later(AGAIN_WITHIN_S, self._give_up, call, expected)

    def _give_up(self, call: bytes, expected: _Expected) -> None:
        if expected.has_begun and self._expected.get(call) is expected:
            del self._expected[call]
            expected.hearer.ended()

    def forget(self, call: str) -> None:
        """Expect a call no more; one that is heard already goes on."""
        key = bytes.fromhex(call)
        if key in self._expected and not self._expected[key].has_begun:
            del self._expected[key]

    def admit(self, connection: _Connection, peer: str) -> bool:
        """Whether a connection that has come may stay."""
        if not self._allows(peer) or len(self._connections) >= MOST_CONNECTIONS:
            _log.warning("an AudioSocket connection of %s was refused", peer)
            return False
        self._connections.add(connection)
        return True

    def discard(self, connection: _Connection, call: bytes) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if self._unclaimed.get(call) is connection:
            del self._unclaimed[call]

    def expected(self, connection: _Connection, call: bytes) -> _Expected | None:
        """Who expects a call, nobody a second time; None as long as nobody does."""
        expected = self._expected.pop(call, None)
        if expected is None:
            self._unclaimed.setdefault(call, connection)
        return expected


class _Connection(asyncio.Protocol):
    """The sound of one call, from its name to the end.

    Where the far side sends nothing, Asterisk sends nothing either: that was silence, and it is filled in, so that what
    is heard lasts as long as the clock says, and every listening ends.
    """

    def __init__(self, server: SoundServer) -> None:
        self._server = server
        self._wire = AudioSocketWire()
        self._call = b""
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._expected: _Expected | None = None
        self.is_closed = False
        """We have ended it."""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_s = 0.0
        self._fill_at_s, self._was_late = math.inf, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: accepted."""
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if not self._server.admit(self, str(peername[0]) if peername else ""):
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._last_s = loop.time()
        self._timer = loop.call_later(CLAIM_TIMEOUT_S, self.close)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        try:
            for message in self._wire.take(data):
                if message.kind == Kind.UUID and not self._call:
                    self._named(message.payload)
                elif message.kind == Kind.SOUND:
                    self._hear(message.payload)
        except RemoteProtocolError as exc:
            _log.warning("%s", exc)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """asyncio: the connection is gone."""
        self._stop_timer()
        self._server.discard(self, self._call)
        if self._expected is None:
            return
        if self._expected.again and not self.is_closed:
            self._server.expect_again(self._call, self._expected)
        else:
            self._expected.hearer.ended()

    def claim(self, expected: _Expected) -> None:
        """Somebody expects this call: what came so far is heard now."""
        self._stop_timer()
        self._expected = expected
        for samples in self._early:
            self._hear(samples)
        self._early.clear()
        self._fill()

    def close(self) -> None:
        """Let the call go on in the dialplan."""
        self.is_closed = True
        self._stop_timer()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(TERMINATE)
            self._transport.close()

    def _named(self, call: bytes) -> None:
        self._call = call
        expected = self._server.expected(self, call)
        if expected is not None:
            self.claim(expected)

    def _hear(self, samples: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._expected is None:
            self._early.append(samples)
            self._early_bytes += len(samples)
            if self._early_bytes > MOST_EARLY_BYTES:
                self.close()
            return
        self._last_s = asyncio.get_running_loop().time()
        try:
            if self._expected.hearer.take(samples):
                self.close()
        except Exception:  # noqa: BLE001 - the boundary: a fault in who listens must not hold the call
            _log.exception("the sound of a call could not be heard")
            self.close()

    def _fill(self) -> None:
        """Hear silence for as long as nothing came, again and again until the end."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        # Who comes late was busy: what came meanwhile has not been read yet, and is heard first. Once, for who is
        # always late has read it by the next time.
        self._was_late = not self._was_late and now_s - self._fill_at_s > FILL_EVERY_S
        if now_s - self._last_s > GAP_S and not self._was_late:
            silent_bytes = int((now_s - self._last_s) * BYTES_A_SECOND) // 2 * 2
            self._hear(bytes(silent_bytes))
        if self._transport is not None and not self._transport.is_closing():
            self._fill_at_s = now_s + FILL_EVERY_S
            self._timer = loop.call_at(self._fill_at_s, self._fill)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
