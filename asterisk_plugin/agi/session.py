"""One FastAGI connection: feeds the wire, and tells the server and the channel what came."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, cast

from asterisk_plugin.agi.channel import FastAgiChannel
from asterisk_plugin.agi.wire import AgiWire, Closed, HungUp, Reply, Request
from asterisk_plugin.errors import RemoteProtocolError

if TYPE_CHECKING:
    from asterisk_plugin.agi.server import AgiServer
    from asterisk_plugin.ports import AgiRequest


class AgiEvent(enum.StrEnum):
    """What is counted; `on_event` gets these."""

    ACCEPTED = "accepted"
    REFUSED_LIMIT = "refused-limit"  # instead of accepted: too many connections, or stopping
    REFUSED_PEER = "refused-peer"  # instead of accepted: not among agi.allow_from
    REFUSED_SHARE = "refused-share"  # as many sessions of this script run as may
    PROTOCOL_ERROR = "protocol-error"
    TIMEOUT = "timeout"  # of the request, of a reply, or of the drain time
    HUNG_UP = "hung-up"  # the call or the connection ended before the script did
    UNKNOWN_SCRIPT = "unknown-script"
    SCRIPT_ERROR = "script-error"
    DONE = "done"


class Session(asyncio.Protocol):
    """One connection, from accept to close.

    INVARIANT: `finish` counts exactly one end for each connection that was admitted.
    """

    __slots__ = (
        "_channel",
        "_finished",
        "_header_timer",
        "_hung_up",
        "_server",
        "_transport",
        "_wire",
        "peer",
    )

    def __init__(self, server: AgiServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._header_timer: asyncio.TimerHandle | None = None
        self._channel: FastAgiChannel | None = None
        self.peer = ""
        self._hung_up = False
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: accepted."""
        self._transport = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if peername else ""
        self._wire = AgiWire(self.peer)
        if not self._server.admit(self):
            self._finished = True
            self._transport.abort()
            return
        self._header_timer = asyncio.get_running_loop().call_later(
            self._server.settings.header_timeout_s, self._header_timed_out
        )

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if not self._finished:
            self._wire.receive_data(data)
            self._take_events()

    def eof_received(self) -> None:
        """asyncio: the peer will send no more; the transport closes itself."""
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """asyncio: the connection is gone, reset or closed by either side."""
        self.data_received(b"")
        self._server.forget(self)

    def finish(self, event: AgiEvent, *, unless_running: bool = False) -> None:
        """Count the end once, and close.

        Args:
            event: How it ended; ignored when the end was counted before.
            unless_running: A script is told of the end by its channel, and counts its own.
        """
        self._cancel_header_timer()
        if self._finished or (unless_running and self._channel is not None):
            return
        self._finished = True
        if self._channel is not None:
            self._channel.end("the script has ended")
        self._server.on_event(event)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        if self._transport is not None:
            self._transport.abort()

    def abort_unless_running(self) -> None:
        """Close at once if no request is complete yet."""
        if self._channel is None:
            self.finish(AgiEvent.HUNG_UP)
            self.abort()

    def _take_events(self) -> None:
        try:
            while not self._finished and (event := self._wire.next_event()) is not None:
                match event:
                    case Reply() if self._channel is not None:
                        self._channel.take_reply(event)
                    case Request():
                        self._start(event.request)
                    case HungUp():
                        self._hang_up("the call was hung up")
                    case Closed():
                        self._end("the connection was closed")
                        self.finish(AgiEvent.HUNG_UP, unless_running=True)
        except RemoteProtocolError as exc:
            self._server.complain(f"{self.peer} broke the protocol and is disconnected: {exc}")
            self._break()

    def _start(self, request: AgiRequest) -> None:
        assert self._transport is not None, "data comes after connection_made"
        self._cancel_header_timer()
        self._channel = FastAgiChannel(
            request,
            self._wire,
            transport=self._transport,
            reply_timeout_s=self._server.settings.reply_timeout_s,
        )
        if self._hung_up:
            self._channel.hang_up("the call was hung up")
        self._server.run(self, self._channel)

    def _hang_up(self, why: str) -> None:
        self._hung_up = True
        if self._channel is not None:
            self._channel.hang_up(why)

    def _end(self, why: str) -> None:
        self._hung_up = True
        if self._channel is not None:
            self._channel.end(why)

    def _break(self) -> None:
        if self._channel is not None:
            self._channel.end("the peer broke the protocol")
        self.finish(AgiEvent.PROTOCOL_ERROR)
        self.abort()

    def _header_timed_out(self) -> None:
        self._server.complain(
            f"{self.peer} sent no request within {self._server.settings.header_timeout_s} s, it is disconnected"
        )
        self.finish(AgiEvent.TIMEOUT)
        self.abort()

    def _cancel_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
