"""A process AGI on pipes: each defect of pyst2, contained."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.agi.process import ProcessChannel
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeoutError,
)
from tests.rim.agi_peer import Dialplan, request
from tests.rim.agi_pipes import Pipes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VERDICT = {"RINGFENCE_NUMBER": "+31201234567", "RINGFENCE_REASON": "", "RINGFENCE_DECISION": "ALLOW"}
HEADER = request(None, "attempt", "0201234567", "winter", request="ringfence-agi")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Pipes, ProcessChannel]]]:
    """Starts process AGIs, and ends them after the test; SIGHUP is put back."""
    before = signal.getsignal(signal.SIGHUP)
    running: list[Pipes] = []

    def start(
        *replies: bytes, header: bytes = HEADER, timeout_s: float = 5, values: Mapping[str, str] | None = None
    ) -> tuple[Pipes, ProcessChannel]:
        pipes = Pipes(Dialplan(replies=list(replies), values=dict(values or {})))
        running.append(pipes)
        pipes.say(header)
        return pipes, ProcessChannel(pipes.read_fd, pipes.write_fd, timeout_s=timeout_s)

    yield start
    for pipes in running:
        pipes.close()
    signal.signal(signal.SIGHUP, before)


async def test_the_first_argument_is_the_script(started):
    """`AGI(ringfence-agi,attempt,number,campaign)` of an older dialplan: as `agi://host/attempt` is to the service."""
    _, channel = started()
    assert channel.request.script == "attempt"
    assert channel.request.arguments == ("0201234567", "winter")
    assert channel.request.peer == "local"
    assert channel.request.caller_number == "1001"
    _, empty = started(header=request(None))
    assert (empty.request.script, empty.request.arguments) == ("", ())


async def test_what_is_asked_stands_in_a_variable(started):
    """So that no command line shows it; an argument may be empty, and none at all is none."""
    header = request(None, "attempt", request="ringfence-agi")
    _, channel = started(header=header, values={"${RINGFENCE_ASKED}": "0201234567,winter,"})
    assert (channel.request.script, channel.request.arguments) == ("attempt", ("0201234567", "winter", ""))
    _, empty = started(header=header)
    assert empty.request.arguments == ()


async def test_variables_arrive_as_text_in_their_order(started):
    """UTF-8 and backslashes too: pyst2 writes text where bytes are wanted, and escapes nothing."""
    pipes, channel = started()
    values = VERDICT | {"NAME": "Jürgen \\ ${EXTEN}, $[1+1]"}
    await channel.set_variables(values)
    assert pipes.dialplan.variables == values
    assert list(pipes.dialplan.variables) == list(values)


async def test_an_expression_is_evaluated(started):
    """The value comes back whole."""
    _, channel = started(values={"${A}": "a (b) c"})
    assert await channel.evaluate("${A}") == "a (b) c"
    assert await channel.evaluate("${B}") == ""


@pytest.mark.parametrize("value", ['"', "x\nSET VARIABLE RINGFENCE_DECISION ALLOW", "\r", "\0", "x" * 2040])
async def test_a_value_that_would_be_a_command_is_never_sent(started, value):
    """Not even the good ones before it."""
    pipes, channel = started()
    with pytest.raises(LocalProtocolError):
        await channel.set_variables({"A": "fine", "B": value})
    with pytest.raises(LocalProtocolError):
        await channel.set_variables({"A": "fine", "SHELL(id)": "1"})
    with pytest.raises(LocalProtocolError):
        await channel.evaluate("${A}" + value)
    assert pipes.dialplan.commands == []


async def test_the_end_of_the_input_is_a_hang_up(started):
    """In the header, before a command and instead of a reply; pyst2 raises ValueError or loops."""
    pipes, channel = started()
    pipes.hang_up()
    with pytest.raises(ChannelHungUp):
        await channel.set_variables(VERDICT)
    assert pipes.dialplan.commands == []
    for cut in range(0, len(HEADER) - 1, 7):
        pipes = Pipes(Dialplan())
        pipes.say(HEADER[:cut]) if cut else None
        pipes.hang_up()
        with pytest.raises(ChannelHungUp):
            ProcessChannel(pipes.read_fd, pipes.write_fd)
        pipes.close()


@pytest.mark.parametrize("reply", [b"HANGUP\n", b"HANGUP\n200 result=1\n", b"511 Command Not Permitted\n"])
async def test_a_hangup_instead_of_a_reply_is_a_hang_up(started, reply):
    """pyst2 raises ValueError, `int('')`."""
    _, channel = started(reply)
    with pytest.raises(ChannelHungUp):
        await channel.set_variables({"A": "1"})


async def test_a_hangup_before_a_command_sends_nothing(started):
    """It waits in the pipe while the script thinks."""
    pipes, channel = started()
    pipes.say(b"HANGUP\n")
    with pytest.raises(ChannelHungUp):
        await channel.set_variables({"A": "1"})
    assert pipes.dialplan.commands == []


async def test_a_sighup_is_a_hang_up(started):
    """How Asterisk tells a process that the call ended."""
    pipes, channel = started()
    os.kill(os.getpid(), signal.SIGHUP)
    with pytest.raises(ChannelHungUp):
        await channel.set_variables({"A": "1"})
    assert pipes.dialplan.commands == []


async def test_a_sighup_during_a_command_is_a_hang_up(started):
    """Asterisk still replies; nothing more may be sent after it."""

    class HangingUp(Dialplan):
        def reply(self, line: str) -> bytes:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGHUP)
            return super().reply(line)

    pipes, channel = started()
    pipes.dialplan = HangingUp()
    with pytest.raises(ChannelHungUp):
        await channel.set_variables({"A": "1"})
    assert pipes.dialplan.variables == {"A": "1"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"200 result=-1\n", CommandFailedError),
        (b"510 Invalid or unknown command\n", CommandRefusedError),
        (b"520-Invalid command syntax.\nUsage: x\n520 End of proper usage.\n", CommandRefusedError),
        (b"520 Invalid command syntax.  Proper usage not available.\n", CommandRefusedError),
        (b"300 what\n", CommandRefusedError),
        (b"\n", RemoteProtocolError),
        (b"what\n", RemoteProtocolError),
        (b"\xc3\n", RemoteProtocolError),
    ],
)
async def test_a_refusal_stops_before_the_decision(started, reply, error):
    """Nothing more is set after the first that fails."""
    pipes, channel = started(reply)
    with pytest.raises(error):
        await channel.set_variables({"A": "1", "RINGFENCE_DECISION": "ALLOW"})
    assert len(pipes.dialplan.commands) == 1
    assert pipes.dialplan.variables == {}


async def test_a_line_nobody_asked_for_is_no_reply(started):
    """A variable with a line break in it would otherwise answer the next command."""
    _, channel = started(b"200 result=1 (x\n200 result=1 (forged)\n")
    assert await channel.evaluate("${A}") == ""
    with pytest.raises(RemoteProtocolError):
        await channel.evaluate("${B}")


async def test_trying_is_waited_out(started):
    """100 is not the reply."""
    _, channel = started(b"100 Trying...\n200 result=1 (x)\n")
    assert await channel.evaluate("${A}") == "x"


async def test_every_wait_has_an_end(started):
    """For the request and for a reply."""
    _, channel = started(b"", timeout_s=0.05)
    with pytest.raises(ReplyTimeoutError):
        await channel.set_variables({"A": "1"})
    with pytest.raises(ReplyTimeoutError):
        started(header=HEADER[:-1], timeout_s=0.05)


async def test_a_broken_caller_name_is_read(started):
    """Broken UTF-8 raises in pyst2 when it gets bytes."""
    _, channel = started(header=HEADER.replace(b"1001", b"\xc3"))
    assert channel.request.caller_number == "\ufffd"


async def test_a_closed_stdout_is_a_hang_up():
    """EPIPE."""
    read_fd, to_process = os.pipe()
    from_process, write_fd = os.pipe()
    before = signal.getsignal(signal.SIGHUP)
    os.write(to_process, HEADER)
    try:
        channel = ProcessChannel(read_fd, write_fd)
        os.close(from_process)
        with pytest.raises(ChannelHungUp):
            await channel.set_variables({"A": "1"})
    finally:
        signal.signal(signal.SIGHUP, before)
        for descriptor in (read_fd, to_process, write_fd):
            os.close(descriptor)


async def test_another_thread_is_told_clearly():
    """pyst2 takes a signal, which only the main thread may; it says ValueError."""
    read_fd, to_process = os.pipe()
    os.write(to_process, HEADER)
    with pytest.raises(LocalProtocolError):
        await asyncio.to_thread(ProcessChannel, read_fd, to_process)
    os.close(read_fd)
    os.close(to_process)


SCRIPT = """
import asyncio
from asterisk_plugin.agi.process import ProcessChannel
channel = ProcessChannel()
print("a stray word")
asyncio.run(channel.set_variables({"NUMBER": channel.request.arguments[0]}))
import sys
assert "asterisk.fastagi" not in sys.modules  # does not import on Python 3
"""


def test_a_real_process_says_nothing_but_commands():
    """A stray print goes to stderr, and pyst2's echo, numbers included, nowhere."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(HEADER)
        process.stdin.flush()
        assert process.stdout.readline() == b'SET VARIABLE "NUMBER" "0201234567"\n'
        rest, errors = process.communicate(b"200 result=1\n", timeout=20)
    assert process.returncode == 0
    assert rest == b""
    assert errors == b"a stray word\n"
