"""A FastAGI server that answers what a test tells it to: the dialplan is tested without the product."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKEN = "0123456789abcdef0123456789abcdef"
SHOWN = "+493022610"

Answer = dict[str, str]


def allow(number: str) -> Answer:
    """What `attempt` sets when a number may be dialled."""
    return {
        "RINGFENCE_NUMBER": number,
        "RINGFENCE_CALLER_ID": SHOWN,
        "RINGFENCE_TOKEN": TOKEN,
        "RINGFENCE_RING_S": "20",
        "RINGFENCE_REASON": "",
        "RINGFENCE_CAUSE": "0",
        "RINGFENCE_DECISION": "ALLOW",
    }


def deny(number: str, reason: str = "objection") -> Answer:
    """What `attempt` sets when a number must not be dialled."""
    return {
        "RINGFENCE_NUMBER": number,
        "RINGFENCE_REASON": reason,
        "RINGFENCE_CAUSE": "21",
        "RINGFENCE_DECISION": "DENY",
    }


@dataclass(slots=True)
class Asked:
    """One request.

    Args:
        script: Path of the URL.
        arguments: `agi_arg_N` in order.
        lines: Every `agi_*` line as it came.
    """

    script: str
    arguments: list[str]
    lines: list[str]

    def value(self, name: str) -> str:
        """Value of one `agi_*` line."""
        return next(line.partition(": ")[2] for line in self.lines if line.startswith(f"{name}: "))


class HungUp(Exception):
    """The caller is gone."""


class Talk:
    """One AGI session that talks with a caller.

    Args:
        asked: How it began.
        reader: What Asterisk says.
        writer: What it is told.
    """

    def __init__(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = asked
        self._reader = reader
        self._writer = writer

    async def do(self, command: str) -> str:
        """Send one AGI command and return its result, `0`.

        Raises:
            HungUp: The caller is gone.
        """
        self._writer.write(f"{command}\n".encode())
        line = b"HANGUP\n"
        while line == b"HANGUP\n":
            line = await self._reader.readline()
        match = re.match(r"200 result=(-?\d+)", line.decode())
        if match is None or match[1] == "-1":
            raise HungUp
        return match[1]

    async def play(self, *sounds: str, keys: str = "") -> str:
        """Play sounds until the end or one of the keys; returns it."""
        for sound in sounds:
            pressed = await self.do(f'STREAM FILE {sound} "{keys}"')
            if pressed != "0":
                return chr(int(pressed))
        return ""

    async def key(self, timeout_s: float) -> str:
        """Wait for a key."""
        pressed = await self.do(f"WAIT FOR DIGIT {round(timeout_s * 1000)}")
        return "" if pressed == "0" else chr(int(pressed))

    async def set(self, name: str, value: str) -> None:
        """Set a variable."""
        await self.do(f'SET VARIABLE {name} "{value}"')


@dataclass(slots=True)
class ScriptedAgi:
    """The server.

    Args:
        asked: Every request, in order.
        attempt: What `attempt` sets; None: allow whatever is asked for.
        trunk: What `trunk` sets.
        mute: Scripts that are accepted and closed without a word, as a crash does.
        hung: Scripts that are accepted and never answered.
        slow_s: Seconds until an answer is given.
        objection: What `objection` does; None: it is accepted and closed without a word.
    """

    asked: list[Asked] = field(default_factory=list)
    attempt: Answer | None = None
    trunk: Answer = field(default_factory=lambda: {"RINGFENCE_TRUNK": "PASS"})
    mute: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    slow_s: float = 0
    objection: Callable[[Talk], Awaitable[None]] | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, port: int) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)

    async def stop(self) -> None:
        """Close everything, hung connections too."""
        if self._server is not None:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            # A connection that asyncio has accepted gets its task first: one that finds the server closed would
            # stay open with nobody at this end, and Asterisk would wait for it for ever.
            await asyncio.sleep(0.01)
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    def of(self, script: str) -> list[Asked]:
        """Every request for one script."""
        return [asked for asked in self.asked if asked.script == script]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, HungUp):
            asked = await _read(reader)
            self.asked.append(asked)
            if asked.script in self.hung:
                await asyncio.Event().wait()
            await asyncio.sleep(self.slow_s)
            if asked.script == "objection" and self.objection is not None:
                await self.objection(Talk(asked, reader, writer))
            elif asked.script not in self.mute:
                for name, value in self._answer(asked).items():
                    writer.write(f'SET VARIABLE {name} "{value}"\n'.encode())
                    await reader.readline()

    def _answer(self, asked: Asked) -> Answer:
        if asked.script == "attempt":
            return allow(asked.arguments[0]) if self.attempt is None else self.attempt
        return self.trunk if asked.script == "trunk" else {}


async def _read(reader: asyncio.StreamReader) -> Asked:
    lines = []
    while line := (await reader.readline()).decode("utf-8", "replace").rstrip("\n"):
        lines.append(line)
    values = dict(line.partition(": ")[::2] for line in reversed(lines))
    arguments = [values[f"agi_arg_{n}"] for n in range(1, 10) if f"agi_arg_{n}" in values]
    return Asked(values["agi_network_script"], arguments, lines)
