"""A small AMI client for the lab. Deliberately not the product's: the lab is the witness."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Message = dict[str, str]


class ManagerFailed(Exception):
    """Asterisk said no, or went away."""


class Manager:
    """One AMI connection; events are handed to whoever waits for them.

    Args:
        host: Address.
        port: Port.
        user: AMI user.
        secret: Its secret.
    """

    def __init__(self, host: str, port: int, user: str, secret: str) -> None:
        self._address = (host, port)
        self._login = {"Username": user, "Secret": secret}
        self._ids = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._watchers: list[Callable[[Message], None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Log in.

        Raises:
            OSError: Nobody listens there.
            ManagerFailed: The login was refused.
        """
        reader, self._writer = await asyncio.open_connection(*self._address, limit=1 << 20)
        await reader.readline()
        self._reading = asyncio.create_task(self._read(reader))
        try:
            await self.action("Login", self._login)
        except (ManagerFailed, TimeoutError):
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; twice does no harm."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reading = self._writer = None

    async def action(
        self, name: str, fields: Mapping[str, str | Sequence[str]] | None = None, *, timeout_s: float = 10
    ) -> Message:
        """Send one action and return its response; a sequence becomes one header line per member.

        Raises:
            ManagerFailed: `Response: Error`, or no connection.
            TimeoutError: No response in time.
        """
        if self._writer is None or self._reading is None or self._reading.done():
            raise ManagerFailed("not connected")
        action_id = f"lab-{next(self._ids)}"
        lines = [f"Action: {name}", f"ActionID: {action_id}"]
        for key, value in (fields or {}).items():
            lines += [f"{key}: {one}" for one in ([value] if isinstance(value, str) else value)]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("an AMI header cannot hold a line break")
        reply = self._replies[action_id] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write("\r\n".join((*lines, "", "")).encode())
            await self._writer.drain()
            message = await asyncio.wait_for(reply, timeout_s)
        finally:
            self._replies.pop(action_id, None)
        if message.get("Response") == "Error":
            raise ManagerFailed(f"{name}: {message.get('Message', '')}")
        return message

    def watch(self, callback: Callable[[Message], None]) -> Callable[[], None]:
        """Have every event handed to `callback`; call what is returned to stop it."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def expect(self, matches: Callable[[Message], bool]) -> asyncio.Future[Message]:
        """Return a future of the first event from now on that `matches`."""
        found: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def look(message: Message) -> None:
            if not found.done() and matches(message):
                found.set_result(message)

        stop = self.watch(look)
        found.add_done_callback(lambda _: stop())
        return found

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while raw := await reader.readuntil(b"\r\n\r\n"):
                self._take(_parse(raw))
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ManagerFailed("connection lost"))

    def _take(self, message: Message) -> None:
        if "Event" in message:
            for watcher in tuple(self._watchers):
                watcher(message)
        elif (reply := self._replies.get(message.get("ActionID", ""))) is not None and not reply.done():
            reply.set_result(message)


def _parse(raw: bytes) -> Message:
    """Header lines to a dict; repeated headers (`Output`) are joined by line breaks."""
    message: Message = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(":")
        if colon:
            value = value.removeprefix(" ")
            message[key] = f"{message[key]}\n{value}" if key in message else value
    return message
