"""A process AGI, `AGI(ringfence-agi,attempt)`: one script on stdin and stdout.

What it is asked stands in the channel's variable `RINGFENCE_ASKED`, `NUMBER,CAMPAIGN,AGENT`: what AGI() is given
becomes the command line, which everybody on the machine can read.

pyst2 speaks the commands. It reads through `AgiWire`, so it never meets what it cannot bear (the end
of the input, `HANGUP`, broken UTF-8, a line that is no reply), it writes through our own
descriptor, and what it would echo to stderr, numbers included, goes nowhere.

What is answered at once runs on the event loop's own thread and blocks it. That is meant: the process
has one call, replies come within microseconds, every wait has an end, and pyst2 takes SIGHUP, which
Asterisk sends on hang-up, in the main thread only. What plays sounds or waits for a key takes seconds,
in which the ledger and the store must be able to answer: it runs in a thread, one at a time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
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
from asterisk_plugin.agi.pipes import Input, Nowhere, Output
from asterisk_plugin.agi.playing import Playing
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    LocalProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asterisk_plugin.ports import AgiRequest

T = TypeVar("T")

ASKED = "${RINGFENCE_ASKED}"
"""The arguments, joined by commas; an older dialplan gives them to AGI() instead."""

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


class ProcessChannel(Playing):
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
        ChannelError: Asterisk does not say what is asked.
    """

    def __init__(
        self, read_fd: int | None = None, write_fd: int | None = None, *, timeout_s: float = REPLY_TIMEOUT_S
    ) -> None:
        super().__init__()
        self._running: asyncio.Future[str] | None = None
        if read_fd is None or write_fd is None:
            read_fd, write_fd = take_stdio()
        self._input = Input(read_fd, timeout_s=timeout_s)
        self._input.start_waiting()
        try:
            self._agi = AGI(stdin=self._input, stdout=Output(write_fd), stderr=Nowhere())
        except ValueError as exc:  # what `signal.signal` says elsewhere
            raise LocalProtocolError("a process AGI must be answered in the main thread") from exc
        request = self._input.request
        assert request is not None, "pyst2 stops reading at the blank line that completes the request"
        self._request = _as_script(request)
        if self._request.script and not self._request.arguments:
            asked = str(self._ask(partial(self._agi.get_full_variable, ASKED), is_late=True))
            self._request = dataclasses.replace(self._request, arguments=tuple(asked.split(",")) if asked else ())

    @property
    def request(self) -> AgiRequest:
        """What Asterisk said when the process started; `peer` is `local`."""
        return self._request

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:  # noqa: ARG002 - it goes on when this process ends
        """Set channel variables in the given order; stops at the first that fails.

        Raises:
            LocalProtocolError: A name or value must not be sent; then nothing was.
            ChannelHungUp: The call ended.
            ReplyTimeoutError: No reply in time.
            RemoteProtocolError: What came is no reply.
            ChannelError: Asterisk refused.
        """
        commands.set_variables(values)  # raises before anything is sent
        await self._until_free()
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
        await self._until_free()
        return str(self._ask(partial(self._agi.get_full_variable, commands.escaped(expression))))

    async def _evaluate_late(self, expression: str) -> str:
        await self._until_free()
        ask = partial(self._agi.get_full_variable, commands.escaped(expression))
        return str(self._ask(ask, is_late=True))

    async def _result(self, command: bytes, *, takes_s: float = 0) -> str:
        await self._until_free()
        self._running = asyncio.ensure_future(asyncio.to_thread(self._execute, command, takes_s))
        # A thread cannot be cancelled, and its reply must not be taken for the next command's.
        return await asyncio.shield(self._running)

    async def _until_free(self) -> None:
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    def _execute(self, command: bytes, takes_s: float) -> str:
        ask = partial(self._agi.execute, command.decode().rstrip("\n"))
        try:
            # A key that came with the reply counts, also when the hang-up came right behind it.
            return str(self._ask(ask, takes_s=takes_s, is_late=True)["result"][0])
        except CommandFailedError:
            return "-1"

    def _ask(self, command: Callable[[], T], *, takes_s: float = 0, is_late: bool = False) -> T:
        self._input.expect_reply(takes_s)
        try:
            answer = command()
            if not is_late:
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
