"""An AMI peer for tests: says what a real Asterisk 22.10 said, recorded in `recorded/`.

The recordings were taken from a live pair of Asterisks (a PBX and its carrier); this peer only
adds the ActionID that panoramisk chose, and can do what a live one does rarely: fall silent.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asterisk_plugin.settings.service import AsteriskSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

RECORDED = Path(__file__).with_name("recorded")
BANNER = b"Asterisk Call Manager/11.0.0\r\n"
ACCEPTED = b"Response: Success\r\nActionID: ACTIONID\r\nMessage: Authentication accepted\r\n\r\n"
REFUSED = b"Response: Error\r\nActionID: ACTIONID\r\nMessage: Authentication failed\r\n\r\n"
PONG = b"Response: Success\r\nActionID: ACTIONID\r\nPing: Pong\r\nTimestamp: 1795285673.142661\r\n\r\n"
HUNG_UP = b"Response: Success\r\nActionID: ACTIONID\r\nMessage: Channel Hungup\r\n\r\n"
NO_CHANNEL = b"Response: Error\r\nActionID: ACTIONID\r\nMessage: No such channel\r\n\r\n"
NO_CHANNELS = (
    b"Response: Success\r\nActionID: ACTIONID\r\nEventList: start\r\nMessage: Channels will follow\r\n\r\n"
    b"Event: CoreShowChannelsComplete\r\nActionID: ACTIONID\r\nEventList: Complete\r\nListItems: 0\r\n\r\n"
)


def recorded(name: str) -> bytes:
    """The bytes a real Asterisk sent."""
    return (RECORDED / f"{name}.ami").read_bytes()


def settings_for(port: int, **changes: object) -> AsteriskSettings:
    """Settings with short times, so that a test of a frozen peer takes no seconds."""
    values = {
        "name": "pbx",
        "port": port,
        "username": "watch",
        "secret": "s3cret",
        "trunks": ("PJSIP/carrier",),
        "ping_s": 0.1,
        "ping_timeout_s": 0.3,
    }
    return AsteriskSettings.model_validate({**values, **changes})


class FakeAmi:
    """One AMI port; every connection answers the same way.

    Attributes:
        answers: Action name -> what to send back (None: nothing), or a function of the action's fields.
        actions: Every action that came, in order, of all connections.
        frozen: While True nothing is answered and nothing closed, like a stopped process.
        logins: How many connections logged in or tried to.
    """

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Callable[[dict[str, str]], bytes | None] | None] = {
            "Login": ACCEPTED,
            "Ping": PONG,
            "Hangup": HUNG_UP,
            "CoreShowChannels": NO_CHANNELS,
        }
        self.actions: list[dict[str, str]] = []
        self.frozen = False
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._came = asyncio.Condition()

    @property
    def logins(self) -> int:
        return len(self.named("Login"))

    def named(self, name: str) -> list[dict[str, str]]:
        """The actions of that name that came so far."""
        return [action for action in self.actions if action["Action"] == name]

    async def wait_for(self, name: str, count: int = 1) -> list[dict[str, str]]:
        """Wait until so many actions of that name have come."""
        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(lambda: len(self.named(name)) >= count)
        return self.named(name)

    async def send(self, data: bytes, *, pieces: int = 1) -> None:
        """Send to every connection, in so many pieces that arrive one by one."""
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            for writer in self._writers:
                writer.write(data[start : start + size])
                await writer.drain()
            await asyncio.sleep(0.001)  # lets each piece be read by itself

    def cut(self) -> None:
        """End every connection without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(BANNER)
        try:
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                async with self._came:
                    self.actions.append(action)
                    self._came.notify_all()
                answer = self.answers.get(action["Action"])
                if callable(answer):
                    answer = answer(action)
                if answer is not None and not self.frozen:
                    writer.write(answer.replace(b"ACTIONID", action["ActionID"].encode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake_ami() -> AsyncIterator[FakeAmi]:
    """A running peer on a port the system chose."""
    peer = FakeAmi()
    server = await asyncio.start_server(peer._serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        peer.cut()
        await server.wait_closed()
