"""One FastAGI session as the flows see it: a channel whose variables can be set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.agi import commands
from asterisk_plugin.agi.playing import Playing
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    ReplyTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.agi.wire import AgiWire, Reply
    from asterisk_plugin.ports import AgiRequest


def check_code(reply: Reply) -> None:
    """Return if Asterisk carried a command out, well or not.

    Raises:
        ChannelHungUp: 511, the channel is dead.
        CommandRefusedError: 510, 520, or a code nobody knows.
    """
    if reply.code == 511:
        raise ChannelHungUp("Asterisk permits the command on a living channel only")
    if reply.code != 200:
        raise CommandRefusedError(f"Asterisk refused a command with code {reply.code}, 200 was expected")


def check_reply(reply: Reply) -> None:
    """Return if Asterisk did what it was asked for.

    Raises:
        ChannelHungUp: 511, the channel is dead.
        CommandRefusedError: 510, 520, or a code nobody knows.
        CommandFailedError: 200 with a negative result: -1 failed, -2 no such application.
    """
    check_code(reply)
    if reply.result.startswith("-"):
        raise CommandFailedError(f"Asterisk could not do a command, its result is `{reply.result}`")


class FastAgiChannel(Playing):
    """One call that asks through FastAGI; implements `ports.Channel`.

    The server feeds it with `take_reply`, `hang_up` and `end`; all else is for scripts.

    Args:
        request: What Asterisk said, with the peer's address.
        reader: The session's wire, told of every command.
        transport: Where commands go.
        reply_timeout_s: Longest wait for one reply; then the session is over, because a late
            reply would be taken for the next command's.
    """

    __slots__ = (
        "_closed",
        "_ended",
        "_is_late",
        "_one_at_a_time",
        "_pending",
        "_reader",
        "_reply_timeout_s",
        "_request",
        "_timed_out",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        request: AgiRequest,
        reader: AgiWire,
        *,
        transport: asyncio.WriteTransport,
        reply_timeout_s: float,
    ) -> None:
        super().__init__()
        self._request = request
        self._reader = reader
        self._transport = transport
        self._reply_timeout_s = reply_timeout_s
        self._one_at_a_time = asyncio.Lock()
        # INVARIANT: at most one command is unanswered; its timer runs exactly as long.
        self._pending: asyncio.Future[Reply | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = ""  # why, when it has
        self._closed = False
        self._is_late = False  # the unanswered command is worth its reply although the call has ended
        self._timed_out = False

    @property
    def request(self) -> AgiRequest:
        """What Asterisk said when the script started."""
        return self._request

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:
        """Set channel variables in the given order; stops at the first that fails.

        When nothing follows, the end of our stream is sent right behind the last command: `run_agi` reads it
        after it has set the variables, and the call goes on without waiting for us to close.

        All names and values are checked before anything is sent. Plain values travel in one
        command; see `commands.set_variables` for why the others cannot be pipelined.

        Raises:
            LocalProtocolError: A name or value must not be sent.
            ChannelHungUp: The call or the connection ended, before or meanwhile.
            ReplyTimeoutError: No reply in time; the connection is closed.
            ChannelError: Asterisk refused.
        """
        to_send = commands.set_variables(values)
        async with self._one_at_a_time:
            self._raise_if_ended()
            for place, command in enumerate(to_send, start=1):
                check_reply(await self._ask(command, is_last=last and place == len(to_send)))
                self._raise_if_ended()

    async def evaluate(self, expression: str) -> str:
        """Let Asterisk evaluate a dialplan expression on this channel, `${CONNECTEDLINE(num)}`.

        Args:
            expression: Ours alone, never with text from outside in it.

        Returns:
            Its value; empty when it has none.

        Raises:
            LocalProtocolError: The expression must not be sent.
            ChannelHungUp: The call or the connection ended.
            ReplyTimeoutError: No reply in time; the connection is closed.
            ChannelError: Asterisk refused.
        """
        command = commands.get_full_variable(expression)
        async with self._one_at_a_time:
            self._raise_if_ended()
            reply = await self._ask(command)
            check_reply(reply)
            self._raise_if_ended()
        return reply.data

    def take_reply(self, reply: Reply) -> None:
        """Give the reply to the one command that is unanswered."""
        self._settle(reply)

    def hang_up(self, why: str) -> None:
        """The call ended: as `end`, but a late command still gets its reply, if Asterisk gives one."""
        self._ended = self._ended or why
        if not self._is_late:
            self._settle(None)

    def end(self, why: str) -> None:
        """The call or the connection ended: whoever waits, or asks from now on, gets ChannelHungUp."""
        self._ended = self._ended or why
        self._closed = True
        self._settle(None)

    async def _result(self, command: bytes, *, takes_s: float = 0) -> str:
        # A key that came with the reply counts, also when the hang-up came right behind it.
        async with self._one_at_a_time:
            self._raise_if_ended()
            reply = await self._ask(command, takes_s=takes_s)
        check_code(reply)
        return reply.result

    async def _evaluate_late(self, expression: str) -> str:
        command = commands.get_full_variable(expression)
        async with self._one_at_a_time:
            if self._closed:
                self._raise_if_ended()
            self._is_late = True
            try:
                reply = await self._ask(command)
            finally:
                self._is_late = False
        check_reply(reply)
        return reply.data

    async def _ask(self, command: bytes, *, takes_s: float = 0, is_last: bool = False) -> Reply:
        if self._pending is not None:
            # Whoever sent it was cancelled (a deadline); its reply must not be taken for ours.
            await asyncio.wait([self._pending])
            self._raise_if_ended()
        self._reader.command_sent()
        loop = asyncio.get_running_loop()
        self._pending = pending = loop.create_future()
        timeout_s = self._reply_timeout_s + takes_s
        self._timer = loop.call_later(timeout_s, self._time_out, timeout_s)
        self._transport.write(command)
        if is_last:
            self._transport.write_eof()
        try:
            reply: Reply | None = await pending
        except asyncio.CancelledError:
            if self._pending is pending:  # Asterisk will answer all the same: the next command waits until it has
                self._pending = loop.create_future()
            raise
        if reply is None:
            self._raise_if_ended()
        assert reply is not None, "only `hang_up` and `end` settle with None"
        return reply

    def _time_out(self, timeout_s: float) -> None:
        self._timed_out = True
        self.end(f"Asterisk did not reply within {timeout_s:g} s")
        self._transport.abort()

    def _settle(self, reply: Reply | None) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if not pending.done():  # whoever asked may have been cancelled in this very moment
            pending.set_result(reply)

    def _raise_if_ended(self) -> None:
        if self._timed_out:
            raise ReplyTimeoutError(self._ended)
        if self._ended:
            raise ChannelHungUp(self._ended)
