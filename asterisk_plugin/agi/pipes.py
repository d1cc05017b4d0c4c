"""The stdin, stdout and stderr that pyst2 gets in a process AGI."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from asterisk_plugin.agi.wire import MAX_LINE_BYTES, AgiWire, HungUp, Reply, Request
from asterisk_plugin.errors import ChannelHungUp, RemoteProtocolError, ReplyTimeoutError

if TYPE_CHECKING:
    from asterisk_plugin.ports import AgiRequest


class Input:
    """The stdin that pyst2 gets: complete lines that the wire has found in order."""

    def __init__(self, fd: int, *, timeout_s: float) -> None:
        self.request: AgiRequest | None = None
        self._fd = fd
        self._timeout_s = timeout_s
        self._until_s = 0.0
        self._wire = AgiWire()
        self._buffer = b""
        self._replied = False  # the reply to the last command is complete

    def start_waiting(self, takes_s: float = 0) -> None:
        """From now on lines may take `timeout_s` in all, and `takes_s` on top."""
        self._until_s = time.monotonic() + self._timeout_s + takes_s

    def expect_reply(self, takes_s: float = 0) -> None:
        """A command is about to be sent; nothing may be waiting that it could take for its reply.

        Args:
            takes_s: Longest time the command may take.

        Raises:
            ChannelHungUp: The call or the pipe ended.
            RemoteProtocolError: Something else came unasked.
        """
        self._replied = False
        while self._buffer or select.select([self._fd], [], [], 0)[0]:
            self.start_waiting()
            self.readline()
        self._wire.command_sent()
        self.start_waiting(takes_s)

    def readline(self) -> str:
        """The next line that means something to pyst2, with its line feed.

        Raises:
            ChannelHungUp: `HANGUP`, or the end of the input.
            RemoteProtocolError: The line may not come now, or is too long.
            ReplyTimeoutError: It did not come in time.
        """
        if self._replied:
            # pyst2 waits for this line after a 520 of one line, too.
            return "520 End of proper usage.\n"
        while True:
            line = self._raw_line()
            self._wire.receive_data(line)
            event = self._wire.next_event()
            if isinstance(event, HungUp) or line.rstrip() == b"HANGUP":
                raise ChannelHungUp("the call was hung up")
            if isinstance(event, Request):
                self.request = event.request
            self._replied = isinstance(event, Reply)
            if not line.startswith(b"100"):
                return line.decode("utf-8", "replace")

    def _raw_line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise RemoteProtocolError(f"a line is longer than {MAX_LINE_BYTES} bytes")
            left_s = self._until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._fd], [], [], left_s)[0]:
                raise ReplyTimeoutError("Asterisk did not say anything in time")
            data = os.read(self._fd, 65536)
            if not data:
                raise ChannelHungUp("Asterisk closed the pipe")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"


class Output:
    """The stdout that pyst2 gets: text in, all of its bytes out at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> None:
        """Write all of it."""
        data = text.encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def flush(self) -> None:
        """Nothing is held back."""


class Nowhere:
    """The stderr that pyst2 gets: it would echo every line, telephone numbers included."""

    def write(self, text: str) -> None:
        """Forget it."""
