"""The FastAGI server on a loopback socket: many peers, and peers that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time

import pytest

from asterisk_plugin.errors import ChannelHungUp
from tests.rim.agi_peer import AsteriskPeer, request
from tests.rim.agi_running import VERDICT, connect, end, exchange, read_all


async def test_two_thousand_connections_that_come_while_we_are_busy_are_all_answered(start):
    """They wait in the kernel's queue; not one is refused, and not one is lost."""
    running = await start()
    clients: list[socket.socket] = []
    # No await: the loop cannot accept, as if a long step held it.
    for _ in range(2000):
        client = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        client.setblocking(False)
        clients.append(client)

    async def answered(client: socket.socket) -> bool:
        reader, writer = await asyncio.open_connection(sock=client)
        peer = AsteriskPeer()
        writer.write(request("attempt"))
        await peer.answer(reader, writer)
        await end(writer)
        return peer.dialplan.variables == VERDICT

    async with asyncio.timeout(60):
        assert all(await asyncio.gather(*(answered(client) for client in clients)))
    assert running.events == {"accepted": 2000, "done": 2000}


async def test_connections_beyond_the_limit_are_closed_and_counted(start):
    """Those inside the limit are not touched, and room that comes free is used."""
    running = await start(max_connections=2)
    inside = [await connect(running.port) for _ in range(2)]
    await running.counted("accepted", 2)
    assert await exchange(running.port, b"") == b""
    assert running.events["refused-limit"] == 1
    for _, writer in inside:
        await end(writer)
    await running.counted("hung-up", 2)
    await running.still_answers()


async def test_silent_and_slow_peers_are_cut_off_and_cost_the_others_nothing(start):
    """A request must be complete in time, however busily a peer dribbles."""
    running = await start(header_timeout_s=0.3)
    silent = [await connect(running.port) for _ in range(20)]
    slow = await connect(running.port)

    async def dribble() -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # the latter is uvloop's "closed"
            for byte in request("attempt"):
                slow[1].write(bytes([byte]))
                await slow[1].drain()
                await asyncio.sleep(0.01)

    dribbling = asyncio.create_task(dribble())
    await running.still_answers()
    await running.counted("timeout", 21)
    for reader, writer in [*silent, slow]:
        assert await read_all(reader) == b""
        await end(writer)
    await dribbling
    assert running.events == {"accepted": 22, "done": 1, "timeout": 21}


async def test_closed_and_silent_connections_use_no_processor_time(start):
    """A port scan or a health check must not make the loop spin (panoramisk's server does)."""
    running = await start()
    for _ in range(50):
        _, writer = await connect(running.port)
        await end(writer)
    _, half_closed = await connect(running.port)
    half_closed.write_eof()
    silent = [await connect(running.port) for _ in range(20)]
    await running.counted("hung-up", 51)
    used_s = time.process_time()
    await asyncio.sleep(0.3)
    assert time.process_time() - used_s < 0.1
    await running.still_answers()
    for _, writer in [*silent, (None, half_closed)]:
        await end(writer)


async def test_a_peer_that_ends_at_any_byte_does_no_harm(start):
    """Each prefix of a request, then the end, once politely and once with a reset."""
    running = await start()
    header = request("attempt")
    connections = 0
    for cut in range(0, len(header), 3):
        for reset in (False, True):
            client = socket.create_connection(("127.0.0.1", running.port))
            client.sendall(header[:cut])
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            connections += 1
    # uvloop cannot tell the address of a peer that was gone before it was accepted: nobody's, so it is refused.
    ends = ("protocol-error", "hung-up", "refused-peer")
    await running.until(lambda: sum(running.events[end] for end in ends) == connections)
    assert running.events["accepted"] + running.events["refused-peer"] == connections
    async with asyncio.timeout(30):
        while running.server.connections:  # noqa: ASYNC110 - the last one is forgotten after it was counted
            await asyncio.sleep(0)
    assert running.requests == []
    await running.still_answers()


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("reply", [b"", b"200 resul", b"520-Usage\nfoo\n"])
async def test_a_peer_that_ends_instead_of_replying_is_a_call_that_hung_up(start, reply, reset):
    """The script learns it at once, whatever the last bytes were."""
    running = await start()
    reader, writer = await connect(running.port)
    writer.write(request("attempt"))
    await reader.readuntil(b"\n")
    writer.write(reply)
    await writer.drain()
    if reset:
        option = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    await end(writer)
    await running.until(lambda: bool(running.raised))
    assert isinstance(running.raised[0], ChannelHungUp)
    await running.still_answers()


async def test_a_peer_that_vanishes_without_a_word_is_noticed_by_the_kernel(start):
    """Keep-alive and user timeout are inherited by what is accepted; so is no delay."""
    running = await start()
    _, writer = await connect(running.port)
    await running.counted("accepted")
    (session,) = running.server._sessions
    accepted = session._transport.get_extra_info("socket")
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ):
        assert accepted.getsockopt(level, option) == value
    await end(writer)


async def test_a_broken_caller_name_does_not_stop_the_call(start):
    """panoramisk's server sends nothing then, and a naive dialplan dials."""
    running = await start()
    header = request("attempt", calleridname="NAME").replace(b"NAME", b"J\xc3")
    assert await AsteriskPeer().call(running.port, header) == VERDICT
    assert running.requests[0].variables["agi_calleridname"] == "J\ufffd"


async def test_a_flood_of_bad_peers_does_not_fill_the_log(start, caplog):
    """Ten warnings a minute."""
    running = await start()
    for _ in range(30):
        await exchange(running.port, b"GET / HTTP/1.1\r\n\r\n")
    assert running.events == {"accepted": 30, "protocol-error": 30}
    assert 0 < sum("broke the protocol" in record.getMessage() for record in caplog.records) <= 20


async def test_a_line_that_nobody_asked_for_ends_the_session(start):
    """What a line break in a caller name leaves behind the end of the header."""
    running = await start()
    assert await exchange(running.port, request("wait") + b"agi_arg_1: +31612345678\n\n") == b""
    await running.counted("protocol-error")
    running.may_answer.set()
    await running.still_answers()
    assert [type(exc) for exc in running.raised] == [ChannelHungUp]


@pytest.mark.parametrize("allow_from", [[], ["127.0.0.1"], ["192.0.2.1", "127.0.0.0/8"], ["localhost"]])
async def test_who_is_named_may_connect(start, allow_from):
    """By address, by network, by name; where nobody is named, this machine."""
    running = await start(allow_from=allow_from)
    await running.still_answers()


@pytest.mark.parametrize("allow_from", [["192.0.2.1"], ["192.0.2.0/24", "::1"], ["nobody.invalid"]])
async def test_whoever_is_not_named_is_closed_at_once_and_counted(start, allow_from, caplog):
    """Not one byte is read; a name that has no address lets nobody in; many strangers are ten lines a minute."""
    running = await start(allow_from=allow_from)
    for _ in range(30):
        assert await exchange(running.port, request("attempt")) == b""
    assert running.events == {"refused-peer": 30}
    assert running.requests == []
    told = [record.getMessage() for record in caplog.records if "agi.allow_from: " not in record.getMessage()]
    assert 0 < sum("a connection from `127.0.0.1` was refused" in message for message in told) <= 20


async def test_objection_sessions_leave_three_quarters_to_the_gate(start):
    """One too many is closed at once, which is its dialplan's sign to go on; attempts are answered all the while."""
    talks = asyncio.Event()

    async def objection(_channel):
        running.count("talking")
        await talks.wait()

    running = await start({"objection": objection}, max_connections=8)
    people = [await connect(running.port) for _ in range(2)]
    for _, writer in people:
        writer.write(request("objection"))
    await running.counted("talking", 2)
    assert await exchange(running.port, request("objection")) == b""
    assert running.events["refused-share"] == 1
    await running.still_answers()
    talks.set()
    for reader, writer in people:
        assert await read_all(reader) == b""
        await end(writer)
    assert await exchange(running.port, request("objection")) == b""
    assert (running.events["refused-share"], running.events["done"]) == (1, 4)


async def test_a_channel_is_logged_without_the_number_it_dials(start, caplog):
    """A Local channel's name holds it; logs travel further than the ledger."""

    async def bug(channel):
        raise ZeroDivisionError

    running = await start({"bug": bug}, reply_timeout_s=0.05)
    for script in ("bug", "attempt"):
        await exchange(running.port, request(script, channel="Local/+31612345678@ringfence-agents-00000001;2"))
    assert (running.events["script-error"], running.events["timeout"]) == (1, 1)
    assert caplog.text.count("`Local/ringfence-agents-00000001;2`") == 2
    assert "31612345678" not in caplog.text
