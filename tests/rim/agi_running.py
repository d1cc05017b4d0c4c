"""A FastAGI server under test, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from tests.rim.agi_peer import AsteriskPeer, request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asterisk_plugin.agi.server import AgiServer
    from asterisk_plugin.ports import AgiRequest, Channel

VERDICT = {"RINGFENCE_NUMBER": "+31201234567", "RINGFENCE_REASON": "", "RINGFENCE_DECISION": "ALLOW"}


class Running:
    """A server under test, and what it and its scripts told."""

    def __init__(self) -> None:
        self.server: AgiServer
        self.events: Counter[str] = Counter()
        self.requests: list[AgiRequest] = []
        self.raised: list[Exception] = []
        self.may_answer = asyncio.Event()
        self.started = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """Where the server listens."""
        return self.server.port

    def count(self, event: str) -> None:
        """The server's `on_event`."""
        self.events[event] += 1
        self._changed.set()

    async def attempt(self, channel: Channel) -> None:
        """Allow every attempt."""
        self.requests.append(channel.request)
        await self.set(channel, VERDICT)

    async def wait(self, channel: Channel) -> None:
        """Answer when the test says so."""
        self.started.set()
        await self.may_answer.wait()
        await self.set(channel, VERDICT)

    async def set(self, channel: Channel, values: Mapping[str, str]) -> None:
        """Set variables, and remember what that raised."""
        try:
            await channel.set_variables(values)
        except Exception as exc:
            self.raised.append(exc)
            self._changed.set()
            raise

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that an event or an exception makes true."""
        async with asyncio.timeout(30):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def counted(self, event: str, count: int = 1) -> None:
        """Wait until an event was counted so often."""
        await self.until(lambda: self.events[event] >= count)

    async def still_answers(self) -> None:
        """A well-behaved call gets its answer."""
        async with asyncio.timeout(30):
            variables = await AsteriskPeer().call(self.port, request("attempt"))
        assert variables == VERDICT


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server closes, however it does."""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionResetError):
            return await reader.read()
    return b""


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Send each piece when something came back for the one before; everything the server sent."""
    reader, writer = await connect(port)
    got = b""
    for piece in pieces:
        writer.write(piece)
        if piece is not pieces[-1]:
            async with asyncio.timeout(30):
                got += await reader.readuntil(b"\n")
    got += await read_all(reader)
    await end(writer)
    return got
