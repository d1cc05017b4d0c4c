"""One connection to a scripted server: what leaves together, and how replies find their calls."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import redis.exceptions

from asterisk_plugin.errors import StoreTimeoutError, StoreUnreachableError
from asterisk_plugin.store.link import Link

PING = b"*1\r\n$4\r\nPING\r\n"


class Peer:
    """The server's side: keeps what came in each piece, answers when told to."""

    def __init__(self):
        self.pieces = asyncio.Queue()
        self.writer = None
        self.ended = asyncio.Event()

    async def serve(self, reader, writer):
        self.writer = writer
        while piece := await reader.read(65536):
            self.pieces.put_nowait(piece)
        writer.close()
        await writer.wait_closed()
        self.ended.set()

    async def next_piece(self):
        return await asyncio.wait_for(self.pieces.get(), 30)

    def say(self, data):
        self.writer.write(data)


@pytest.fixture
async def peer():  # a coroutine: its event and its queue belong to the test's loop
    return Peer()


@pytest.fixture
async def link(peer):
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    made = Link(SimpleNamespace(_reader=reader, _writer=writer))
    yield made
    made.close()
    await asyncio.wait_for(peer.ended.wait(), 30)
    server.close()
    await server.wait_closed()


def calls(link, number, timeout_s=5):
    return [asyncio.create_task(link.call(PING, timeout_s=timeout_s)) for _ in range(number)]


async def test_calls_of_one_turn_leave_in_one_piece(link, peer):
    asked = calls(link, 3)
    assert await peer.next_piece() == PING * 3
    peer.say(b"+A\r\n+B\r\n$1\r\nC\r\n")
    assert await asyncio.gather(*asked) == [b"A", b"B", b"C"]


async def test_calls_that_come_while_it_works_leave_with_its_next_word(link, peer, monkeypatch):
    """Under load that spares most system calls on both sides."""
    monkeypatch.setattr("asterisk_plugin.store.link.HOLD_S", 60)
    first = calls(link, 1)
    await peer.next_piece()
    later = calls(link, 1)
    await asyncio.sleep(0)
    later += calls(link, 1)
    await asyncio.sleep(0)
    peer.say(b"+A\r\n")
    assert await peer.next_piece() == PING * 2
    peer.say(b"+B\r\n+C\r\n")
    assert await asyncio.gather(*first, *later) == [b"A", b"B", b"C"]


async def test_a_silent_server_gets_later_calls_all_the_same(link, peer):
    """A release must be in its hands when it thaws."""
    calls(link, 1)
    await peer.next_piece()
    calls(link, 1)
    assert await peer.next_piece() == PING


async def test_what_was_held_is_sent_before_a_link_ends(link, peer, monkeypatch):
    monkeypatch.setattr("asterisk_plugin.store.link.HOLD_S", 60)
    asked = calls(link, 1, timeout_s=0.2)
    await peer.next_piece()
    asked += calls(link, 1, timeout_s=0.2)
    assert [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == [StoreTimeoutError] * 2
    assert await peer.next_piece() == PING
    with pytest.raises(StoreUnreachableError):
        await link.call(PING, timeout_s=1)


async def test_a_late_reply_goes_to_the_call_it_answers(link, peer):
    """Not to the next one; a reply may come in pieces."""
    lost = calls(link, 1, timeout_s=0.05)
    kept = calls(link, 1)
    await peer.next_piece()
    assert isinstance((await asyncio.gather(*lost, return_exceptions=True))[0], StoreTimeoutError)
    peer.say(b"+LATE\r\n$4\r\nMI")
    await asyncio.sleep(0)
    peer.say(b"NE\r\n")
    assert await asyncio.gather(*kept) == [b"MINE"]


async def test_an_error_reply_is_its_calls_alone(link, peer):
    asked = calls(link, 2)
    await peer.next_piece()
    peer.say(b"-NOSCRIPT No matching script\r\n+B\r\n")
    error, other = await asyncio.gather(*asked, return_exceptions=True)
    assert (type(error), other) == (redis.exceptions.NoScriptError, b"B")
    assert link.usable


@pytest.mark.parametrize("said", [b"+A\r\n+nobody asked\r\n", b"?no protocol\r\n", b"-LOADING the dataset\r\n"])
async def test_a_server_that_cannot_be_relied_on_ends_the_link(link, peer, said):
    asked = calls(link, 1)
    await peer.next_piece()
    peer.say(said)
    await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert not link.usable
    assert link.ended


async def test_a_server_that_closes_fails_what_waits(link, peer):
    asked = calls(link, 2)
    await peer.next_piece()
    peer.writer.close()
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in errors] == [StoreUnreachableError] * 2
