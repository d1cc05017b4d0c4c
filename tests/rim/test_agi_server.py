"""The FastAGI server on a loopback socket: sessions with an Asterisk that behaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.agi.sockets import listen
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    LocalProtocolError,
    ReplyTimeoutError,
    StartupError,
)
from asterisk_plugin.ports import Channel
from asterisk_plugin.settings.service import AgiSettings
from tests.rim.agi_peer import AsteriskPeer, Dialplan, request
from tests.rim.agi_running import VERDICT, Running, connect, end, exchange, read_all


async def test_a_script_sees_the_request_and_its_variables_arrive(start):
    """The whole way, in one command, so that Asterisk does not stall."""
    running = await start()
    peer = AsteriskPeer()
    variables = await peer.call(running.port, request("attempt", "0201234567", "winter"))
    assert variables == VERDICT
    assert list(variables) == list(VERDICT)
    assert not peer.stalled
    assert running.requests[0].arguments == ("0201234567", "winter")
    assert running.requests[0].peer == "127.0.0.1"
    assert running.events == {"accepted": 1, "done": 1}


async def test_several_commands_are_sent_one_by_one(start):
    """Of commands that arrive together Asterisk answers only the first."""
    values = {"A": "1", "B": "two words", "C": "3", "D": "a,b", "E": ""}

    async def script(channel: Channel) -> None:
        await channel.set_variables(values)
        await channel.set_variables({})

    running = await start({"five": script})
    peer = AsteriskPeer()
    assert await peer.call(running.port, request("five")) == values
    assert len(peer.dialplan.commands) == 5
    assert not peer.stalled


async def test_the_end_of_our_stream_follows_the_last_command_at_once(start):
    """Asterisk goes on when it has done what was asked; its reply is still read."""

    async def script(channel: Channel) -> None:
        await channel.set_variables({"A": "two words", "B": "2"}, last=True)

    running = await start({"last": script})
    reader, writer = await connect(running.port)
    writer.write(request("last"))
    assert b'"A"' in await reader.readline()
    writer.write(b"200 result=1\n")
    assert b"MSet" in await reader.read()  # to the end of the stream, before we reply
    writer.write(b"200 result=0\n")
    await running.counted("done")
    await end(writer)


async def test_an_expression_is_evaluated_by_asterisk(start):
    """The value comes back as it is, brackets and all."""
    got: list[str] = []

    async def script(channel: Channel) -> None:
        got.append(await channel.evaluate("${A}"))
        got.append(await channel.evaluate("${B}"))

    running = await start({"ask": script})
    await AsteriskPeer(Dialplan(values={"${A}": "a (b) c"})).call(running.port, request("ask"))
    assert got == ["a (b) c", ""]


async def test_a_reply_that_does_not_come_ends_the_session(start):
    """The script gets ReplyTimeoutError; a late reply has nobody left to mislead."""
    running = await start(reply_timeout_s=0.05)
    reader, writer = await connect(running.port)
    writer.write(request("attempt"))
    assert b"MSet" in await read_all(reader)
    await end(writer)
    assert [type(exc) for exc in running.raised] == [ReplyTimeoutError]
    assert running.events == {"accepted": 1, "timeout": 1}


async def test_a_command_given_up_by_a_deadline_still_gets_its_own_reply(start):
    """The flow gives up waiting and says DEFER: the late reply must not be taken for DEFER's."""
    got: list[str] = []

    async def script(channel: Channel) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await channel.evaluate("${FIRST}")
        got.append(await channel.evaluate("${SECOND}"))

    running = await start({"late": script})
    reader, writer = await connect(running.port)
    writer.write(request("late"))
    assert b"FIRST" in await reader.readline()
    await asyncio.sleep(0.1)
    writer.write(b"200 result=1 (first)\n")
    assert b"SECOND" in await reader.readline()
    writer.write(b"200 result=1 (second)\n")
    await read_all(reader)
    await end(writer)
    assert got == ["second"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"510 Invalid or unknown command\n", CommandRefusedError),
        (b"520-Invalid command syntax.\nUsage\n520 End of proper usage.\n", CommandRefusedError),
        (b"520 Invalid command syntax.  Proper usage not available.\n", CommandRefusedError),
        (b"511 Command Not Permitted on a dead channel\n", ChannelHungUp),
        (b"200 result=-1\n", CommandFailedError),
        (b"200 result=-2\n", CommandFailedError),
    ],
)
async def test_a_refusal_reaches_the_script_and_nothing_more_is_set(start, reply, error):
    """In particular not DECISION, which comes last."""
    values = {"A": "x y", "RINGFENCE_DECISION": "ALLOW"}
    running = await start()

    async def script(channel: Channel) -> None:
        await running.set(channel, values)

    running.server.scripts["two"] = script
    peer = AsteriskPeer(Dialplan(replies=[reply]))
    assert await peer.call(running.port, request("two")) == {}
    assert len(peer.dialplan.commands) == 1
    assert [type(exc) for exc in running.raised] == [error]


async def test_replies_that_say_trying_are_waited_out(start):
    """100 is not the reply."""
    running = await start()
    peer = AsteriskPeer(Dialplan(replies=[b"100 Trying...\n200 result=0\n"]))
    await peer.call(running.port, request("attempt"))
    assert running.raised == []
    assert running.events["done"] == 1


async def test_a_hangup_between_command_and_reply_shifts_no_reply(start):
    """The next command must not get the reply of the one before (panoramisk's server does that)."""
    got: list[str] = []

    async def script(channel: Channel) -> None:
        with contextlib.suppress(ChannelHungUp):
            got.append(await channel.evaluate("${FIRST}"))
        got.append(await channel.evaluate("${SECOND}"))

    running = await start({"ask": script})
    sent = await exchange(running.port, request("ask"), b"HANGUP\n200 result=1 (first)\nHANGUP\n")
    assert b"SECOND" not in sent
    assert got == []
    assert running.events == {"accepted": 1, "hung-up": 1}


async def test_a_call_hung_up_while_the_script_thinks_is_told_when_it_answers(start):
    """HANGUP comes with no command open; nothing is sent any more."""
    running = await start()
    reader, writer = await connect(running.port)
    writer.write(request("wait"))
    await running.started.wait()
    writer.write(b"HANGUP\nHANGUP\n")
    await writer.drain()
    await asyncio.sleep(0.05)
    running.may_answer.set()
    assert await read_all(reader) == b""
    await end(writer)
    assert [type(exc) for exc in running.raised] == [ChannelHungUp]
    assert running.events == {"accepted": 1, "hung-up": 1}


@pytest.mark.parametrize(
    "value", ['x"\nSET VARIABLE RINGFENCE_DECISION "ALLOW', "x\nHANGUP", "x\r", "\0", '"', "x" * 3000]
)
async def test_a_value_that_would_be_a_command_is_never_sent(start, value):
    """Not a byte of it, and nothing of what was to be set with it."""
    running = await start()

    async def script(channel: Channel) -> None:
        await running.set(channel, {"A": "fine", "CALLER_NAME": value, "RINGFENCE_DECISION": "ALLOW"})

    running.server.scripts["inject"] = script
    assert await exchange(running.port, request("inject")) == b""
    assert [type(exc) for exc in running.raised] == [LocalProtocolError]
    assert running.events["script-error"] == 1


async def test_a_script_that_raises_is_isolated_logged_and_closed(start, caplog):
    """No DECISION, so the dialplan does not dial; the traceback is in the log."""

    async def script(channel: Channel) -> None:
        raise ZeroDivisionError("a bug of ours")

    running = await start({"bug": script})
    assert await exchange(running.port, request("bug")) == b""
    assert running.events["script-error"] == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "`bug`" in record.getMessage()
    assert record.exc_info is not None
    await running.still_answers()


async def test_a_script_that_is_no_coroutine_is_a_script_that_fails(start, caplog):
    """panoramisk's server cannot even register one; here it costs only its own call."""
    running = await start({"sync": print})
    assert await exchange(running.port, request("sync")) == b""
    assert running.events["script-error"] == 1
    await running.still_answers()


async def test_an_unknown_script_is_logged_once_and_closed(start, caplog):
    """A line break in its name does not reach the log as one; a flood of names neither."""
    running = await start()
    for script in ("nobody", "nobody", None, "x\x1b[31m"):
        assert await exchange(running.port, request(script)) == b""
    assert running.events["unknown-script"] == 4
    lines = [record.getMessage() for record in caplog.records if "asked for script" in record.getMessage()]
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)
    for number in range(100):
        await exchange(running.port, request(f"name{number}"))
    assert len(running.server._unknown_scripts) == 64


async def test_stopping_lets_running_scripts_end_and_takes_no_new_ones(start):
    """A call in progress gets its answer; a silent connection is closed at once."""
    running = await start()
    silent_reader, silent_writer = await connect(running.port)
    call = asyncio.create_task(AsteriskPeer().call(running.port, request("wait")))
    await running.started.wait()
    port = running.port
    stopping = asyncio.create_task(running.server.stop(5))
    assert await read_all(silent_reader) == b""
    await end(silent_writer)
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, either is right
        await exchange(port, request("attempt")) or (_ for _ in ()).throw(ConnectionResetError)
    assert not stopping.done()
    running.may_answer.set()
    async with asyncio.timeout(30):
        assert await call == VERDICT
        await stopping
    assert running.events == {"accepted": 2, "hung-up": 1, "done": 1}


async def test_stopping_cancels_what_does_not_end_in_time(start, caplog):
    """The connection is closed without an answer, and the number of them is logged."""
    running = await start()
    call = asyncio.create_task(AsteriskPeer().call(running.port, request("wait")))
    await running.started.wait()
    async with asyncio.timeout(30):
        await running.server.stop(0.05)
        assert await call == {}
    assert running.events == {"accepted": 1, "timeout": 1}
    assert "1 sessions did not end" in caplog.text
    assert running.server.connections == 0


async def test_a_taken_port_is_one_clear_line(start):
    """It names address, port and setting."""
    running = await start()
    with pytest.raises(StartupError) as caught:
        listen(AgiSettings(port=running.port))
    message = str(caught.value)
    assert f"127.0.0.1:{running.port}" in message
    assert "in use" in message
    assert "\n" not in message
    with pytest.raises(StartupError):
        listen(AgiSettings(host="192.0.2.1", port=0))


async def test_a_socket_bound_by_somebody_else_is_served(start):
    """Workers get theirs from the service."""
    running = await start()
    await running.server.stop(0)
    sock = listen(AgiSettings(port=0))
    port = sock.getsockname()[1]
    second = Running()
    second.server = AgiServer(
        {"attempt": second.attempt}, AgiSettings(port=1), on_event=lambda event: second.events.update([event])
    )
    await second.server.start(sock)
    assert second.port == port
    await second.still_answers()
    await second.server.stop(1)
