"""Connections to one server, pipelined.

Calls made in one turn of the event loop leave in one write, and their replies are read as they
come. Against redis-py's own connection for each call that carries 1.1 to 1.9 times as many look-ups
alone, 1.5 to 1.9 times as many for 10 callers and 1.4 to 2.2 times for 50 (run
`tests/store/bench_look_up.py`), and each call has a time limit of its own.

INVARIANT: replies are matched to calls strictly in order, and a call that was given up keeps its
place in that order. So the late reply of a server that was frozen can never reach another call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis.exceptions

from asterisk_plugin.errors import StoreTimeoutError, StoreUnreachableError
from asterisk_plugin.store.faults import FOREIGN, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from redis.asyncio.connection import AbstractConnection

    Connect = Callable[[], Awaitable[AbstractConnection]]
    """Makes a connection, logged in and ready for commands; raises redis-py's or socket errors."""

CONNECT_LIMIT_S = 3.0
"""Longest time for one attempt to connect; calls that wait for it give up at their own time."""

_CLOCK_STEP_MS = 1000


@dataclass(slots=True)
class _Call:
    """One command on its way: stays in the queue until its reply has come, wanted or not."""

    reply: asyncio.Future[Any]
    answered: bool = False


class Link:
    """One connection. Usable until it breaks or leaves a call without a reply in time."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.usable = True
        self.server_offset_ms = 0.0
        self._connection = connection
        self._outbox: list[bytes] = []
        self._queue: deque[_Call] = deque()
        self._wanted = 0
        self._something_to_send = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            self._loop.create_task(self._watched(self._write()), name="store link: write"),
            self._loop.create_task(self._watched(self._read()), name="store link: read"),
        ]

    @property
    def waiting(self) -> int:
        """Calls without a reply yet, given-up ones too."""
        return len(self._queue)

    @property
    def ended(self) -> bool:
        """Nothing runs here any more."""
        return all(task.done() for task in self._tasks)

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
        self._queue.append(call)
        self._outbox.append(packed)
        self._something_to_send.set()
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

    async def close(self) -> None:
        """Close the connection; whatever still waits fails."""
        self._fail(StoreUnreachableError("the connection to the store was closed"))
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        while self._queue:
            call = self._queue.popleft()
            call.answered = True
            if not call.reply.done():
                call.reply.set_exception(error)
        for task in self._tasks:
            task.cancel()

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except FOREIGN as exc:
            self._fail(translated(exc))
        finally:
            self.usable = False
            await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            batch, self._outbox = self._outbox, []
            await self._connection.send_packed_command(batch, check_health=False)

    async def _read(self) -> None:
        while True:
            reply: Any
            try:
                reply = await self._connection.read_response(disable_decoding=True)
            except redis.exceptions.ResponseError as exc:
                reply = exc
            if not self._queue:
                raise redis.exceptions.InvalidResponse("a reply that nobody asked for")
            call = self._queue.popleft()
            call.answered = True
            if call.reply.done():
                continue
            if isinstance(reply, Exception):
                call.reply.set_exception(reply)
            else:
                call.reply.set_result(reply)


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
            await link.close()

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
            await link.close()
            raise translated(exc) from exc
        return link

    @staticmethod
    async def _learn_clock(link: Link) -> None:
        seconds, micros = await link.call(b"*1\r\n$4\r\nTIME\r\n", timeout_s=CONNECT_LIMIT_S)
        with contextlib.suppress(ValueError):
            server_ms = int(seconds) * 1000 + int(micros) // 1000
            link.server_offset_ms = server_ms - asyncio.get_running_loop().time() * 1000
