"""Connections to one server, pipelined.

redis-py connects and logs in; then the socket is taken over, because its own way of reading and writing costs more
than all the rest of a look-up. Calls made in one turn of the event loop leave in one write. While the server is at
work on some, those that come meanwhile wait for its next word (`HOLD_S` at most) and leave together: under load that
spares both sides most of their system calls. Each call has a time limit of its own.

INVARIANT: replies are matched to calls strictly in order, and a call that was given up keeps its
place in that order. So the late reply of a server that was frozen can never reach another call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hiredis
import redis.exceptions
from redis.asyncio.connection import DefaultParser

from asterisk_plugin.errors import StoreTimeoutError, StoreUnreachableError
from asterisk_plugin.store.faults import FOREIGN, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio.connection import AbstractConnection

    Connect = Callable[[], Awaitable[AbstractConnection]]
    """Makes a connection, logged in and ready for commands; raises redis-py's or socket errors."""

HOLD_S = 0.001
"""Longest time that a call waits for company before it is sent."""

CONNECT_LIMIT_S = 3.0
"""Longest time for one attempt to connect; calls that wait for it give up at their own time."""

_CLOCK_STEP_MS = 1000


@dataclass(slots=True)
class _Call:
    """One command on its way: stays in the queue until its reply has come, wanted or not."""

    reply: asyncio.Future[Any]
    answered: bool = False


_NOTHING = object()


class Link(asyncio.Protocol):
    """One connection. Usable until it breaks or leaves a call without a reply in time.

    Args:
        connection: From redis-py, logged in; its socket belongs to the link from now on.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self.usable = True
        self.server_offset_ms = 0.0
        self._replies = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse,
            replyError=DefaultParser.parse_error,
            notEnoughData=_NOTHING,
        )
        self._outbox: list[bytes] = []
        self._queue: deque[_Call] = deque()
        self._unsent: asyncio.Handle | None = None
        self._wanted = 0
        self._loop = asyncio.get_running_loop()
        if connection._writer is None:
            raise StoreUnreachableError("the connection to the store was closed")
        self._writer = connection._writer  # would close the socket when nobody held it any more
        self._transport = self._writer.transport
        self._transport.set_protocol(self)
        connection._reader = connection._writer = None  # so that redis-py neither reads nor closes it

    @property
    def waiting(self) -> int:
        """Calls without a reply yet, given-up ones too."""
        return len(self._queue)

    @property
    def ended(self) -> bool:
        """Nothing goes on here any more."""
        return self._transport.is_closing()

    async def call(self, packed: bytes, *, timeout_s: float) -> Any:
        """One command's reply.

        Args:
            packed: One command as bytes of the Redis protocol.
            timeout_s: Seconds until it is given up.

        Raises:
            StoreTimeoutError: No reply in time; from then on this link takes no new calls.
            StoreUnreachableError: The connection broke.
            redis.exceptions.ResponseError: The server's own error reply.
        """
        if not self.usable:
            raise StoreUnreachableError("the connection to the store is closed")
        call = _Call(self._loop.create_future())
        if self._unsent is None:
            is_idle = not self._queue
            self._unsent = self._loop.call_soon(self._send) if is_idle else self._loop.call_later(HOLD_S, self._send)
        self._queue.append(call)
        self._outbox.append(packed)
        self._wanted += 1
        timer = self._loop.call_later(timeout_s, self._give_up, call)
        try:
            return await call.reply
        finally:
            self._wanted -= 1
            # When the caller was cancelled the timer stays: a silent server must still be noticed.
            if call.answered:
                timer.cancel()
            self._end_if_unwanted()

    def note_clock(self, server_ms: int, *, late: bool) -> None:
        """Keep up with the server's clock.

        Args:
            server_ms: Its clock in a reply that has just come, epoch ms.
            late: The reply said that our picture of its clock was wrong.
        """
        offset_ms = server_ms - self._loop.time() * 1000
        # A reply is older than the clock it is held against: the largest difference is the truest.
        # The small loss on each reply lets it follow a slower clock, 1 ms in a thousand replies.
        # A backward step of that clock shows as a difference no reply can be old enough for.
        if late or not -_CLOCK_STEP_MS < offset_ms - self.server_offset_ms <= 0:
            self.server_offset_ms = offset_ms
        else:
            self.server_offset_ms -= 0.001

    def close(self) -> None:
        """Close the connection; whatever still waits fails."""
        self._fail(StoreUnreachableError("the connection to the store was closed"))

    def data_received(self, data: bytes) -> None:
        """asyncio: the server said something."""
        try:
            self._replies.feed(data)
            while (reply := self._replies.gets()) is not _NOTHING:
                self._take(reply)
        except redis.exceptions.RedisError as exc:
            self._fail(translated(exc))
            return
        if self._outbox:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._fail(translated(exc or redis.exceptions.ConnectionError("Connection closed by server.")))

    def _send(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None
        batch, self._outbox = self._outbox, []
        self._transport.write(b"".join(batch))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, redis.exceptions.ConnectionError):
            raise reply  # it loads its data, or wants a password: of no use as it is
        if not self._queue:
            raise redis.exceptions.InvalidResponse("a reply that nobody asked for")
        call = self._queue.popleft()
        call.answered = True
        if call.reply.done():
            return
        if isinstance(reply, Exception):
            call.reply.set_exception(reply)
        else:
            call.reply.set_result(reply)

    def _give_up(self, call: _Call) -> None:
        if call.answered:
            return
        self.usable = False
        if not call.reply.done():
            call.reply.set_exception(StoreTimeoutError("the store did not answer in time"))
        self._end_if_unwanted()

    def _end_if_unwanted(self) -> None:
        # Younger calls keep the time that is theirs: the server may only be slow.
        if not self.usable and self._wanted == 0:
            self._fail(StoreTimeoutError("the store did not answer in time"))

    def _fail(self, error: Exception) -> None:
        self.usable = False
        if self._outbox and not self._transport.is_closing():
            self._send()  # what is to be undone is wanted however late the server comes to it
        while self._queue:
            call = self._queue.popleft()
            call.answered = True
            if not call.reply.done():
                call.reply.set_exception(error)
        self._transport.close()


class Lane:
    """Always the newest usable link to one server; makes one when there is none.

    Args:
        connect: Makes a connection.
        prepare: Packed commands that a new link sends before it is used.
        on_link: Called when a new link comes into use.
    """

    def __init__(
        self, connect: Connect, *, prepare: Sequence[bytes] = (), on_link: Callable[[], None] = lambda: None
    ) -> None:
        self._connect = connect
        self._prepare = prepare
        self._on_link = on_link
        self._link: Link | None = None
        self._links: list[Link] = []
        self._connecting: asyncio.Task[Link] | None = None

    @property
    def waiting(self) -> int:
        """Calls without a reply yet on the link in use."""
        return self._link.waiting if self._link is not None and self._link.usable else 0

    async def link(self, *, timeout_s: float) -> Link:
        """The link to use now.

        Raises:
            StoreTimeoutError: None was ready in time. The attempt goes on, so that a frozen server
                is used again the moment it thaws.
            StoreUnreachableError: The server refused or is not there.
        """
        if self._link is not None and self._link.usable:
            return self._link
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open(), name="store link: connect")
            self._connecting.add_done_callback(self._connected)
        attempt = self._connecting
        await asyncio.wait({attempt}, timeout=timeout_s)
        if not attempt.done():
            raise StoreTimeoutError("the store did not answer in time while connecting")
        return attempt.result()

    async def close(self) -> None:
        """Close every connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for link in self._links:
            link.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    def _connected(self, attempt: asyncio.Task[Link]) -> None:
        self._connecting = None
        if not attempt.cancelled() and attempt.exception() is None:
            self._link = attempt.result()
            self._on_link()
            # Older ones end by themselves, once what they were asked is answered or given up.
            self._links = [link for link in self._links if not link.ended] + [self._link]

    async def _open(self) -> Link:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                link = Link(await self._connect())
        except FOREIGN as exc:
            raise translated(exc) from exc
        try:
            await self._learn_clock(link)
            for packed in self._prepare:
                # A user without the right to prepare can do without: what it needs is sent with the call.
                with contextlib.suppress(redis.exceptions.ResponseError):
                    await link.call(packed, timeout_s=CONNECT_LIMIT_S)
        except (*FOREIGN, StoreTimeoutError, StoreUnreachableError) as exc:
            link.close()
            raise translated(exc) from exc
        return link

    @staticmethod
    async def _learn_clock(link: Link) -> None:
        seconds, micros = await link.call(b"*1\r\n$4\r\nTIME\r\n", timeout_s=CONNECT_LIMIT_S)
        with contextlib.suppress(ValueError):
            server_ms = int(seconds) * 1000 + int(micros) // 1000
            link.server_offset_ms = server_ms - asyncio.get_running_loop().time() * 1000
