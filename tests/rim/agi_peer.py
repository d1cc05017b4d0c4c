"""Asterisk's side of AGI, as `res_agi.c` does it: for tests of the server.

`parse_args`, the arguments of `MSet`, and the habit of answering only the first of several commands
that arrive together were compared with a live Asterisk 22.10.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


def request(script: str | None = "attempt", *arguments: str, **more: str) -> bytes:
    """The header that Asterisk sends; `more` are further `agi_*` lines."""
    lines = {"network": "yes"}
    if script is not None:
        lines["network_script"] = script
    lines |= {"channel": "PJSIP/agent1-00000001", "uniqueid": "1.1", "callerid": "1001", "callingpres": "0"}
    lines |= more
    lines |= {f"arg_{number}": text for number, text in enumerate(arguments, start=1)}
    return "".join(f"agi_{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"


def parse_args(line: str) -> list[str]:
    """Split a command into words: quotes group, a backslash takes the next character literally."""
    words: list[str] = []
    in_quotes = literal = False
    between = True
    for char in line:
        if char == "\\" and not literal:
            literal = True
            continue
        if char == '"' and not literal:
            in_quotes = not in_quotes
            if in_quotes and between:
                words.append("")
                between = False
            continue
        if char in " \t" and not in_quotes and not literal:
            between = True
            continue
        if between:
            words.append("")
            between = False
        words[-1] += char
        literal = False
    return words


@dataclass
class Dialplan:
    """A channel's variables, and what was done to it.

    Args:
        values: What `GET FULL VARIABLE` says of an expression.
        replies: Replies to give instead of carrying commands out, first one first.
        presses: What the person does during each command that hears keys: a key, nothing (empty), or
            `hang up`; after the last nothing.
        sounds: The sounds there are.
        has_read: There is an application `Read`.
    """

    values: dict[str, str] = field(default_factory=dict)
    replies: list[bytes] = field(default_factory=list)
    presses: list[str] = field(default_factory=list)
    sounds: frozenset[str] = frozenset({"ringfence/a", "ringfence/b", "ringfence/c"})
    has_read: bool = True
    is_dead: bool = False
    played: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def reply(self, line: str) -> bytes:
        """Carry one command out."""
        self.commands.append(line)
        if self.replies:
            return self.replies.pop(0)
        words = parse_args(line)
        if self.is_dead and words[0] in ("STREAM", "WAIT", "ANSWER"):
            return b"511 Command Not Permitted on a dead channel or intercept routine\n"
        match words:
            case ["ANSWER"]:
                return b"200 result=0\n"
            case ["STREAM", "FILE", sound, keys, from_sample]:
                return self._stream(sound, keys, int(from_sample))
            case ["WAIT", "FOR", "DIGIT", _]:
                return f"200 result={self._press('0123456789*#')}\n".encode()
            case ["EXEC", "Read", arguments]:
                return self._read(*arguments.split(","))
            case ["SET", "VARIABLE", name, value]:
                self.variables[name] = value
                return b"200 result=1\n"
            case ["EXEC", "MSet", pairs]:
                self.variables |= dict(pair.split("=", 1) for pair in pairs.split(","))
                return b"200 result=0\n"
            case ["GET", "FULL", "VARIABLE", expression]:
                return f"200 result=1 ({self.values.get(expression, '')})\n".encode()
        return b"510 Invalid or unknown command\n"

    def _stream(self, sound: str, keys: str, from_sample: int) -> bytes:
        if sound not in self.sounds:
            return f"200 result=-1 endpos={from_sample}\n".encode()
        if from_sample:
            return b"200 result=0 endpos=800\n"
        self.played.append(sound)
        return f"200 result={self._press(keys)} endpos=800\n".encode()

    def _press(self, keys: str) -> int:
        """What a playing command replies."""
        pressed = self.presses.pop(0) if self.presses else ""
        if pressed == "hang up":
            self.is_dead = True
            return -1
        return ord(pressed) if pressed and pressed in keys else 0

    def _read(self, variable: str, sounds: str, most: str, options: str, tries: str, wait_s: str) -> bytes:
        if not self.has_read:
            return b"200 result=-2\n"
        assert (most, options, tries) == ("1", "n", "1"), "a call that nobody answered stays so"
        assert float(wait_s) > 0
        names = sounds.split("&")
        self.played += [sound for sound in names if sound in self.sounds]
        pressed = self._press("0123456789*#")
        key = chr(pressed) if pressed > 0 else ""
        status = "HANGUP" if pressed < 0 else "OK" if key else "TIMEOUT" if names[-1] in self.sounds else "ERROR"
        self.values["${READSTATUS}|${" + variable + "}"] = f"{status}|{key.replace('#', '')}"
        return b"200 result=0\n"


class AsteriskPeer:
    """One FastAGI session of Asterisk.

    Attributes:
        stalled: More than one command arrived together: a real Asterisk would now wait for ever.
    """

    def __init__(self, dialplan: Dialplan | None = None) -> None:
        self.dialplan = dialplan or Dialplan()
        self.stalled = False

    async def call(self, port: int, header: bytes) -> dict[str, str]:
        """Run a session to its end; returns the channel's variables."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(header)
            await self.answer(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        return self.dialplan.variables

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer commands until the server closes."""
        rest = b""
        while data := await reader.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            self.stalled = self.stalled or len(lines) > 1
            for line in lines[:1]:
                writer.write(self.dialplan.reply(line.decode()))
