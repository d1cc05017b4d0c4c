"""The AudioSocket server with real sockets: the right call to the right hearer, and nobody held for long."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from asterisk_plugin.audiosocket import server as module
from asterisk_plugin.audiosocket.server import SoundServer
from asterisk_plugin.errors import StartupError

CALL = "0123456789abcdef0123456789abcdef"
NAME = struct.pack(">BH", 1, 16) + bytes.fromhex(CALL)
SOUND = struct.pack(">BH", 0x10, 320) + b"\x05\x00" * 160
TERMINATE = b"\x00\x00\x00"


class Hearer:
    """Takes so many messages."""

    def __init__(self, most: int = 3, error: Exception | None = None) -> None:
        self.heard: list[bytes] = []
        self.is_over = asyncio.Event()
        self._most, self._error = most, error

    def take(self, samples: bytes) -> bool:
        if self._error:
            raise self._error
        self.heard.append(samples)
        return len(self.heard) >= self._most

    def ended(self) -> None:
        self.is_over.set()


@pytest_asyncio.fixture
async def sounds() -> AsyncIterator[SoundServer]:
    server = SoundServer("127.0.0.1", 0)
    await server.start()
    yield server
    await server.stop()


async def until(holds: Callable[[], object]) -> None:
    """Wait for what the server brings about."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)


async def connect(sounds: SoundServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As Asterisk does."""
    host, _, port = sounds.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def begin(sounds: SoundServer, hearer: Hearer) -> asyncio.StreamWriter:
    """A call that is heard, and goes on."""
    _, writer = await connect(sounds)
    writer.write(NAME + SOUND)
    await until(lambda: hearer.heard)
    return writer


async def break_off(sounds: SoundServer, data: bytes) -> None:
    """Asterisk sends this and is gone."""
    _, writer = await connect(sounds)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def bring(sounds: SoundServer, data: bytes) -> bytes:
    """What Asterisk gets for what it sends, until it is let go."""
    reader, writer = await connect(sounds)
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def test_a_call_that_is_expected_is_heard_until_it_is_enough(sounds: SoundServer) -> None:
    hearer = Hearer()
    sounds.expect(CALL, hearer)
    assert await bring(sounds, NAME + SOUND * 9) == TERMINATE
    assert hearer.heard == [SOUND[3:]] * 3
    await asyncio.wait_for(hearer.is_over.wait(), 1)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expects is let go soon."""
    monkeypatch.setattr(module, "CLAIM_TIMEOUT_S", 0.05)


@pytest.mark.usefixtures("soon")
async def test_a_call_that_nobody_expects_goes_on(sounds: SoundServer) -> None:
    assert await bring(sounds, NAME + SOUND) == TERMINATE


async def test_a_call_that_comes_before_it_is_expected_loses_no_sound(sounds: SoundServer) -> None:
    hearer = Hearer()
    brought = asyncio.create_task(bring(sounds, NAME + SOUND * 2))
    await asyncio.sleep(0.1)
    sounds.expect(CALL, hearer)
    await asyncio.sleep(0)
    assert hearer.heard == [SOUND[3:]] * 2
    await sounds.stop()
    assert await brought == TERMINATE


@pytest.mark.usefixtures("soon")
async def test_a_call_is_expected_once_and_not_after_it_was_forgotten(sounds: SoundServer) -> None:
    hearer = Hearer(most=1)
    sounds.expect(CALL, hearer)
    await bring(sounds, NAME + SOUND)
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    sounds.expect(CALL, hearer)
    sounds.forget(CALL)
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    assert len(hearer.heard) == 1


async def test_a_fault_in_who_listens_holds_no_call(sounds: SoundServer) -> None:
    hearer = Hearer(error=ValueError("broken"))
    sounds.expect(CALL, hearer)
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    await asyncio.wait_for(hearer.is_over.wait(), 1)


async def test_who_is_not_asterisk_is_let_go(sounds: SoundServer) -> None:
    assert await bring(sounds, b"GET / HTTP/1.1\r\n\r\n") == TERMINATE


@pytest.mark.usefixtures("soon")
async def test_who_says_nothing_is_let_go(sounds: SoundServer) -> None:
    assert await bring(sounds, b"") == TERMINATE


async def test_a_taken_port_is_one_clear_sentence(sounds: SoundServer) -> None:
    port = int(sounds.address.rpartition(":")[2])
    with pytest.raises(StartupError, match=rf"AudioSocket cannot listen on `127.0.0.1:{port}`"):
        await SoundServer("127.0.0.1", port).start()


async def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert SoundServer("::1", 4574).address == "[::1]:4574"


async def test_what_the_far_side_does_not_send_was_silence(sounds: SoundServer) -> None:
    """Carriers send nothing in pauses: time goes on all the same, and listening ends."""
    hearer = Hearer(most=4)
    sounds.expect(CALL, hearer)
    began_s = asyncio.get_running_loop().time()
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    assert 0.2 < asyncio.get_running_loop().time() - began_s < 3
    assert hearer.heard[0] == SOUND[3:]
    assert not any(b"".join(hearer.heard[1:]))


async def test_a_call_that_breaks_off_and_comes_again_is_heard_on(sounds: SoundServer) -> None:
    """AudioSocket() gives up and begins anew; a moment of which nothing is known is no quiet."""
    hearer = Hearer(most=2)
    sounds.expect(CALL, hearer, again=True)
    await break_off(sounds, NAME + SOUND)
    await asyncio.sleep(0.2)
    assert not hearer.is_over.is_set()
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    assert hearer.heard == [SOUND[3:]] * 2
    await asyncio.wait_for(hearer.is_over.wait(), 5)


async def test_a_call_that_comes_again_before_the_end_of_the_first_is_seen_is_heard_on(sounds: SoundServer) -> None:
    """Its connection is named while the other still stands."""
    hearer = Hearer(most=2)
    sounds.expect(CALL, hearer, again=True)
    first = await begin(sounds, hearer)
    second = asyncio.create_task(bring(sounds, NAME + SOUND))
    await until(lambda: sounds._unclaimed)
    first.close()
    assert await second == TERMINATE
    assert hearer.heard == [SOUND[3:]] * 2


async def test_who_waits_for_a_call_again_is_told_when_nothing_more_will_come(sounds: SoundServer) -> None:
    """Forgetting is for calls that never came; a server that stops tells everybody."""
    hearer = Hearer()
    sounds.expect(CALL, hearer, again=True)
    await break_off(sounds, NAME + SOUND)
    await until(lambda: sounds._expected)
    sounds.forget(CALL)
    assert not hearer.is_over.is_set()
    await sounds.stop()
    assert hearer.is_over.is_set()


@pytest.mark.parametrize("again", [True, False])
async def test_a_call_that_breaks_off_has_ended_after_a_moment(
    sounds: SoundServer, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """At once where nobody begins anew; and nobody takes its name for another call after that."""
    monkeypatch.setattr(module, "AGAIN_WITHIN_S", 0.3 if again else 60)
    monkeypatch.setattr(module, "CLAIM_TIMEOUT_S", 0.2)
    hearer = Hearer()
    sounds.expect(CALL, hearer, again=again)
    await break_off(sounds, NAME + SOUND)
    await asyncio.wait_for(hearer.is_over.wait(), 5)
    assert await bring(sounds, NAME + SOUND) == TERMINATE
    assert len(hearer.heard) == 1


async def test_who_comes_late_to_fill_in_silence_hears_first_what_came_meanwhile(sounds: SoundServer) -> None:
    """The service was busy, not the line silent: a beep would be torn."""
    hearer = Hearer(most=3)
    sounds.expect(CALL, hearer)
    writer = await begin(sounds, hearer)
    (connection,) = sounds._connections
    loop = asyncio.get_running_loop()
    connection._last_s, connection._fill_at_s = loop.time() - 1, loop.time() - 0.9
    connection._stop_timer()
    connection._fill()
    assert len(hearer.heard) == 1
    writer.write(SOUND)
    await until(lambda: len(hearer.heard) == 2)
    assert hearer.heard[1] == SOUND[3:]
    writer.close()


async def test_who_is_always_late_fills_in_silence_all_the_same(sounds: SoundServer) -> None:
    """Every second time: else no listening would end on a machine that does too much."""
    hearer = Hearer(most=2)
    sounds.expect(CALL, hearer)
    writer = await begin(sounds, hearer)
    (connection,) = sounds._connections
    loop = asyncio.get_running_loop()
    connection._last_s = loop.time() - 1
    for _ in range(2):
        connection._stop_timer()
        connection._fill_at_s = loop.time() - 0.5
        connection._fill()
    assert len(hearer.heard) == 2
    assert not any(hearer.heard[1])
    writer.close()


async def test_who_may_not_connect_is_cut_off() -> None:
    server = SoundServer("127.0.0.1", 0, allows=lambda peer: peer != "127.0.0.1")
    await server.start()
    try:
        with contextlib.suppress(ConnectionError):
            assert await bring(server, NAME + SOUND) == b""
    finally:
        await server.stop()


async def test_nobody_fills_the_memory(sounds: SoundServer) -> None:
    """Sound that nobody expects is kept for a moment only, and there are only so many connections."""
    with contextlib.suppress(ConnectionError):  # Asterisk's side has more to say, and is not heard out
        assert await bring(sounds, NAME + SOUND * 1000) == TERMINATE


async def test_there_are_only_so_many_connections(sounds: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 0)
    with contextlib.suppress(ConnectionError):
        assert await bring(sounds, NAME + SOUND) == b""
