"""A process AGI, `AGI(ringfence-agi,attempt,${NUMBER},${CAMPAIGN})`: one script on stdin and stdout.

pyst2 speaks the commands. It reads through `AgiWire`, so it never meets what it cannot bear (the end
of the input, `HANGUP`, broken UTF-8, a line that is no reply), it writes through our own
descriptor, and what it would echo to stderr, numbers included, goes nowhere.

Everything here runs on the event loop's own thread and blocks it. That is meant: the process has
one call, replies come within microseconds, every wait has an end, and pyst2 takes SIGHUP, which
Asterisk sends on hang-up, in the main thread only.
"""

from __future__ import annotations

import dataclasses
import os
import select
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from asterisk.agi import (
    AGI,
    AGIAppError,
    AGIException,
    AGIHangup,
    AGIInvalidCommand,
    AGIUnknownError,
    AGIUsageError,
)

from asterisk_plugin.agi import commands
from asterisk_plugin.agi.wire import MAX_LINE_BYTES, AgiWire, HungUp, Reply, Request
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asterisk_plugin.ports import AgiRequest

T = TypeVar("T")

REPLY_TIMEOUT_S = 5.0
"""Longest wait for the request, and for each reply; as `agi.reply_timeout_s` of the service."""


def take_stdio() -> tuple[int, int]:
    """Descriptors of Asterisk's side, for this process's exclusive use.

    Whatever else prints to stdout from now on goes to stderr: Asterisk takes every line on
    stdout for a command.

    Returns:
        The descriptor to read from, and the one to write to.
    """
    to_asterisk = os.dup(1)
    os.dup2(2, 1)
    return os.dup(0), to_asterisk


class ProcessChannel:
    """The one call of this process; implements `ports.Channel`.

    Args:
        read_fd: Where Asterisk writes; None, like `write_fd`, takes over stdin and stdout.
        write_fd: Where Asterisk reads.
        timeout_s: Longest wait for the request, and for each reply.

    Raises:
        ChannelHungUp: The call ended before the request was complete.
        RemoteProtocolError: What came is no AGI request.
        ReplyTimeoutError: Nothing complete came in time: it was not Asterisk that started us.
        LocalProtocolError: This is not the main thread.
    """

    def __init__(
        self, read_fd: int | None = None, write_fd: int | None = None, *, timeout_s: float = REPLY_TIMEOUT_S
    ) -> None:
        if read_fd is None or write_fd is None:
            read_fd, write_fd = take_stdio()
        self._input = _Input(read_fd, timeout_s=timeout_s)
        self._input.start_waiting()
        try:
            self._agi = AGI(stdin=self._input, stdout=_Output(write_fd), stderr=_Nowhere())
        except ValueError as exc:  # what `signal.signal` says elsewhere
            raise LocalProtocolError("a process AGI must be answered in the main thread") from exc
        request = self._input.request
        assert request is not None, "pyst2 stops reading at the blank line that completes the request"
        self._request = _as_script(request)

    @property
    def request(self) -> AgiRequest:
        """What Asterisk said when the process started; `peer` is `local`."""
        return self._request

    async def set_variables(self, values: Mapping[str, str]) -> None:
        """Set channel variables in the given order; stops at the first that fails.

        Raises:
            LocalProtocolError: A name or value must not be sent; then nothing was.
            ChannelHungUp: The call ended.
            ReplyTimeoutError: No reply in time.
            RemoteProtocolError: What came is no reply.
            ChannelError: Asterisk refused.
        """
        commands.set_variables(values)  # raises before anything is sent
        for name, value in values.items():
            self._ask(partial(self._agi.set_variable, name, commands.escaped(value)))

    async def evaluate(self, expression: str) -> str:
        """Let Asterisk evaluate a dialplan expression on this channel; empty when it has no value.

        Raises:
            LocalProtocolError: The expression must not be sent.
            ChannelHungUp: The call ended.
            ReplyTimeoutError: No reply in time.
            RemoteProtocolError: What came is no reply.
            ChannelError: Asterisk refused.
        """
        commands.get_full_variable(expression)  # raises before anything is sent
        return str(self._ask(partial(self._agi.get_full_variable, commands.escaped(expression))))

    def _ask(self, command: Callable[[], T]) -> T:
        self._input.expect_reply()
        try:
            answer = command()
            self._agi.test_hangup()
        except AGIHangup as exc:
            raise ChannelHungUp("the call was hung up") from exc
        except AGIAppError as exc:
            raise CommandFailedError("Asterisk could not do a command, its result is `-1`") from exc
        except (AGIInvalidCommand, AGIUsageError) as exc:
            raise CommandRefusedError("Asterisk refused a command with code 510 or 520") from exc
        except AGIUnknownError as exc:
            if exc.args[:1] == (511,):
                raise ChannelHungUp("Asterisk permits the command on a living channel only") from exc
            raise CommandRefusedError(f"Asterisk refused a command with code {exc.args[0]}") from exc
        except (AGIException, OSError) as exc:
            raise ChannelHungUp("the pipe to Asterisk is closed") from exc
        return answer


def _as_script(request: AgiRequest) -> AgiRequest:
    """The first argument of `AGI(ringfence-agi,...)` is what a URL's path is to FastAGI."""
    script, *arguments = request.arguments or ("",)
    return dataclasses.replace(request, script=script, arguments=tuple(arguments), peer="local")


class _Input:
    """The stdin that pyst2 gets: complete lines that the wire has found in order."""

    def __init__(self, fd: int, *, timeout_s: float) -> None:
        self.request: AgiRequest | None = None
        self._fd = fd
        self._timeout_s = timeout_s
        self._until_s = 0.0
        self._wire = AgiWire()
        self._buffer = b""
        self._replied = False  # the reply to the last command is complete

    def start_waiting(self) -> None:
        """From now on lines may take `timeout_s` in all."""
        self._until_s = time.monotonic() + self._timeout_s

    def expect_reply(self) -> None:
        """A command is about to be sent; nothing may be waiting that it could take for its reply.

        Raises:
            ChannelHungUp: The call or the pipe ended.
            RemoteProtocolError: Something else came unasked.
        """
        self._replied = False
        while self._buffer or select.select([self._fd], [], [], 0)[0]:
            self.start_waiting()
            self.readline()
        self._wire.command_sent()
        self.start_waiting()

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
                raise ReplyTimeoutError(f"Asterisk did not say anything within {self._timeout_s} s")
            data = os.read(self._fd, 65536)
            if not data:
                raise ChannelHungUp("Asterisk closed the pipe")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"


class _Output:
    """The stdout that pyst2 gets: text in, all of its bytes out at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def flush(self) -> None:
        """Nothing is held back."""


class _Nowhere:
    """The stderr that pyst2 gets: it would echo every line, telephone numbers included."""

    def write(self, text: str) -> None:
        """Forget it."""
