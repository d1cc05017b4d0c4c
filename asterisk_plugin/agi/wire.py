"""AGI on the wire: bytes to events. The other direction is `commands.py`.

Rule 1: no socket, no clock, no logging: whoever owns the connection does that.
Rule 2: whatever arrives, only a RemoteProtocolError comes out, once; after it nothing is read.
Rule 3: what an error says never repeats what was received: a line may hold a telephone number.

The peer is Asterisk's `res/res_agi.c`; names in capitals in comments are from there.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from asterisk_plugin.errors import LocalProtocolError, RemoteProtocolError
from asterisk_plugin.ports import AgiRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINE_BYTES = 8192
"""Longest line taken. One argument cannot be longer than all of an application's: EXT_DATA_SIZE, 8192."""

MAX_REQUEST_BYTES = 4 * 8192
"""Longest request, and longest usage text of a 520. The application's data stands in it twice at most
(`agi_request`, `agi_arg_N`); the rest are names of channel, context and caller."""

MAX_HEADERS = 160
"""Most `agi_*` lines: MAX_ARGS (128) arguments and the about twenty lines of `setup_env`."""

MAX_IDLE_LINES = 64
"""Most `HANGUP` and `100` lines between two replies. Asterisk sends `HANGUP` twice at most."""

UNAVAILABLE_PRES = 67
"""AST_PRES_UNAVAILABLE: what a missing or unreadable `agi_callingpres` counts as, the strict reading."""

# Asterisk 22.10 was seen to send `agi_accountcode:: `.
_HEADER = re.compile(r"(agi_[a-z0-9_]{1,60}):+(?: (.*))?", re.ASCII | re.DOTALL)
_PLAIN_HEADERS = re.compile(r"^(agi_[a-z0-9_]{1,60}):+(?: ([^\r\n]*))?$", re.ASCII | re.MULTILINE)
_PLAIN_REQUEST_CHARS = MAX_LINE_BYTES // 4  # so that no limit can be passed, in bytes either
_REPLY = re.compile(r"([1-5][0-9]{2})(?:([ -])(.*))?", re.ASCII | re.DOTALL)
_RESULT = re.compile(r"result=(\S*)(?: \((.*)\))?", re.DOTALL)
_USAGE_END = b"520 End of proper usage."


def build_request(headers: Mapping[str, str], *, peer: str = "") -> AgiRequest:
    """What Asterisk says when a script starts.

    Args:
        headers: `agi_*` names and values; of a network script or of a process.
        peer: Address of the Asterisk.

    Raises:
        RemoteProtocolError: The arguments are not numbered 1, 2, 3, ... without gaps.
    """
    arguments: list[str] = []
    while (argument := headers.get(f"agi_arg_{len(arguments) + 1}")) is not None:
        arguments.append(argument)
    if len(arguments) != len([name for name in headers if name.startswith("agi_arg_")]):
        raise RemoteProtocolError("the `agi_arg_` lines of a request are not numbered 1, 2, 3 without gaps")
    caller = headers.get("agi_callerid", "")
    pres = headers.get("agi_callingpres", "")
    return AgiRequest(
        # `agi://host` and `agi://host/` send no agi_network_script; `?...` is a query nobody here reads.
        script=headers.get("agi_network_script", "").partition("?")[0].strip("/"),
        arguments=tuple(arguments),
        channel=headers.get("agi_channel", ""),
        unique_id=headers.get("agi_uniqueid", ""),
        caller_number="" if caller == "unknown" else caller,
        calling_pres=int(pres) if pres.isascii() and pres.isdigit() and len(pres) < 4 else UNAVAILABLE_PRES,
        extension=headers.get("agi_extension", ""),
        peer=peer,
        variables=headers,
    )


@dataclass(frozen=True, slots=True)
class Request:
    """The request is complete; commands may be sent from now on."""

    request: AgiRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command.

    Args:
        code: 200, 510 (unknown command), 511 (not on a dead channel), 520 (wrong usage).
        result: What stands behind `result=`, empty when nothing does.
        data: What stands in parentheses behind it.
        text: The line without its code; for a 520 the usage, lines joined by line feeds.
    """

    code: int
    result: str = ""
    data: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call ended (`HANGUP`); reported once, replies may still follow."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer closed between two lines where it may; nothing follows."""


Event = Request | Reply | HungUp | Closed


class _Reading(enum.Enum):
    REQUEST = enum.auto()
    REPLIES = enum.auto()
    USAGE = enum.auto()  # between `520-` and `520 `
    NOTHING = enum.auto()  # closed, or broken


class AgiWire:
    """One AGI session, seen from the script's side.

    Give it what the socket gave with `receive_data`, then call `next_event` until it says None.
    Before a command is written, call `command_sent`: a reply that nobody asked for is an error.

    Args:
        peer: Address of the Asterisk, for the request.
    """

    __slots__ = (
        "_awaited",
        "_closed",
        "_headers",
        "_hung_up",
        "_idle_lines",
        "_lines",
        "_peer",
        "_reading",
        "_rest",
        "_taken_bytes",
        "_usage",
    )

    def __init__(self, peer: str = "") -> None:
        self._peer = peer
        self._reading = _Reading.REQUEST
        self._lines: deque[bytes] = deque()  # complete, without their line feeds
        self._rest = b""  # of the line that is not complete yet
        self._headers: dict[str, str] = {}
        self._usage: list[str] = []
        self._taken_bytes = 0  # of the request, or of the usage text
        self._idle_lines = 0
        self._awaited = 0
        self._hung_up = False
        self._closed = False

    def receive_data(self, data: bytes) -> None:
        """Take what the socket gave; `b""` means the peer closed."""
        if self._reading is _Reading.NOTHING:
            return
        if not data:
            self._closed = True
            return
        lines = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        self._rest = lines.pop()
        self._lines.extend(lines)

    def next_event(self) -> Event | None:
        """What came next; None when more bytes are needed, or when all is over.

        Raises:
            RemoteProtocolError: The peer broke the protocol, passed a limit, or closed in the
                middle; from then on None.
        """
        if self._reading is _Reading.REQUEST and (whole := self._take_whole_request()) is not None:
            return whole
        while self._lines:
            event = self._take(self._lines.popleft())
            if event is not None:
                return event
        if len(self._rest) > MAX_LINE_BYTES:
            self._fail(f"a line is longer than {MAX_LINE_BYTES} bytes")
        if self._closed and self._reading is not _Reading.NOTHING:
            if self._rest or self._taken_bytes:
                self._fail("the peer closed in the middle of a line, a request or a usage text")
            self._reading = _Reading.NOTHING
            return Closed()
        return None

    def command_sent(self) -> None:
        """Expect one reply more.

        Raises:
            LocalProtocolError: There is no request yet, or the session is over.
        """
        if self._reading in (_Reading.REQUEST, _Reading.NOTHING):
            raise LocalProtocolError("a command was about to be sent before the request or after the end")
        self._awaited += 1

    def _take_whole_request(self) -> Request | None:
        """A request that came in one piece and has nothing unusual in it, at a third of the cost.

        Leaves everything as it was when it is not such a request: then it is read line by line.
        """
        lines = self._lines
        if self._headers or len(lines) > MAX_HEADERS or not lines or lines[-1]:
            return None
        text = b"\n".join(lines).decode("utf-8", "replace")
        found = _PLAIN_HEADERS.findall(text)
        headers = dict(found)
        if len(text) > _PLAIN_REQUEST_CHARS or not len(headers) == len(found) == len(lines) - 1:
            return None
        self._lines.clear()
        self._headers = headers
        return self._end_request()

    def _take(self, line: bytes) -> Event | None:
        if len(line) > MAX_LINE_BYTES:
            self._fail(f"a line is longer than {MAX_LINE_BYTES} bytes")
        if line.endswith(b"\r"):
            line = line[:-1]
        if line == b"HANGUP":
            self._count_idle_line()
            first, self._hung_up = not self._hung_up, True
            return HungUp() if first else None
        if self._reading is _Reading.REQUEST:
            return self._take_header(line)
        if self._reading is _Reading.USAGE:
            return self._take_usage(line)
        return self._take_reply(line)

    def _take_header(self, line: bytes) -> Request | None:
        if not line:
            return self._end_request()
        self._taken_bytes += len(line) + 1
        if self._taken_bytes > MAX_REQUEST_BYTES or len(self._headers) == MAX_HEADERS:
            self._fail(f"a request is longer than {MAX_HEADERS} lines or {MAX_REQUEST_BYTES} bytes")
        # Broken UTF-8 (a caller name that some switch cut in the middle) must not stop the call.
        found = _HEADER.fullmatch(line.decode("utf-8", "replace"))
        if found is None:
            self._fail(f"line {len(self._headers) + 1} of a request is not `agi_name: value`")
        name, value = found.groups("")
        # A line break that slipped into a caller name could forge a second, friendlier value.
        if name in self._headers:
            self._fail(f"`{name}` stands twice in a request")
        self._headers[name] = value
        return None

    def _end_request(self) -> Request:
        if not self._headers:
            self._fail("a request is empty")
        try:
            request = build_request(self._headers, peer=self._peer)
        except RemoteProtocolError:
            self._stop()
            raise
        self._reading = _Reading.REPLIES
        self._taken_bytes = 0
        return Request(request)

    def _take_reply(self, line: bytes) -> Reply | None:
        found = _REPLY.fullmatch(line.decode("utf-8", "replace"))
        if found is None:
            self._fail("a line is neither a reply nor `HANGUP`")
        code, text = int(found[1]), found[3] or ""
        if not self._awaited:
            self._fail("a reply came that no command had asked for")
        if code == 100:
            self._count_idle_line()
            return None
        if found[2] == "-":
            if code != 520:
                self._fail("a reply of several lines is not a 520")
            self._reading = _Reading.USAGE
            self._usage = [text]
            self._taken_bytes = len(line) + 1
            return None
        return self._reply(code, text)

    def _take_usage(self, line: bytes) -> Reply | None:
        self._taken_bytes += len(line) + 1
        if self._taken_bytes > MAX_REQUEST_BYTES:
            self._fail(f"a usage text is longer than {MAX_REQUEST_BYTES} bytes")
        self._usage.append(line.decode("utf-8", "replace"))
        # Old Asterisks put no line feed behind a usage text that has none of its own.
        if not (line.startswith(b"520 ") or line.endswith(_USAGE_END)):
            return None
        self._reading = _Reading.REPLIES
        self._taken_bytes = 0
        return self._reply(520, "\n".join(self._usage))

    def _reply(self, code: int, text: str) -> Reply:
        self._awaited -= 1
        self._idle_lines = 0
        result = _RESULT.match(text)
        if result is None:
            return Reply(code, text=text)
        return Reply(code, result=result[1], data=result[2] or "", text=text)

    def _count_idle_line(self) -> None:
        self._idle_lines += 1
        if self._idle_lines > MAX_IDLE_LINES:
            self._fail(f"more than {MAX_IDLE_LINES} lines came that answer nothing")

    def _stop(self) -> None:
        self._reading = _Reading.NOTHING
        self._lines.clear()
        self._rest = b""

    def _fail(self, what: str) -> NoReturn:
        self._stop()
        raise RemoteProtocolError(what)
