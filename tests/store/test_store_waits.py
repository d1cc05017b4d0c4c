"""What is known of a waiting caller, from one process to another."""

from __future__ import annotations

import asyncio

import pytest
from store_lab import ask

from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.waits import Waits

pytestmark = pytest.mark.store

WAIT = "a" * 32


@pytest.fixture
async def waits(url):
    client = open_client(url, timeout_s=0.5)
    yield Waits(client)
    await client.close()


async def test_what_is_published_is_read_once(waits):
    """The next announcement needs something newer."""
    await waits.publish(WAIT, {"phrase": "wait-about-3"})
    assert await waits.read(WAIT, within_s=0) == {"phrase": "wait-about-3"}
    assert await waits.read(WAIT, within_s=0) is None


async def test_what_comes_a_moment_later_is_waited_for(waits):
    """AMI and FastAGI race each other."""
    reading = asyncio.create_task(waits.read(WAIT, within_s=5))
    await asyncio.sleep(0.05)
    assert not reading.done()
    await waits.publish(WAIT, {"phrase": "wait-unknown"})
    assert await reading == {"phrase": "wait-unknown"}


async def test_a_place_is_read_once(waits):
    """A place is of one moment."""
    await waits.publish_place(WAIT, 2)
    assert await waits.read_place(WAIT, within_s=0) == 2
    assert await waits.read_place(WAIT, within_s=0) is None


async def test_nothing_stays_for_long(waits, url):
    """It is no record, and the store must not fill up with it."""
    await waits.publish(WAIT, {})
    await waits.publish_place(WAIT, 1)
    assert 0 < await ask(url, "PTTL", f"rf:wait:{WAIT}") <= 5000
    assert 0 < await ask(url, "PTTL", f"rf:place:{WAIT}") <= 2000


async def test_rubbish_is_not_known(waits, url):
    """Whoever wrote it."""
    for rubbish in ("{", "[1]"):
        await ask(url, "SET", f"rf:wait:{WAIT}", rubbish)
        assert await waits.read(WAIT, within_s=0) is None
    await ask(url, "SET", f"rf:place:{WAIT}", "first")
    assert await waits.read_place(WAIT, within_s=0) is None


async def test_without_a_store_nothing_is_known():
    """At once, and without an error: the caller waits on."""
    client = open_client("redis://127.0.0.1:1", timeout_s=0.2)
    waits = Waits(client)
    async with asyncio.timeout(2):
        await waits.publish(WAIT, {})
        assert await waits.read(WAIT, within_s=5) is None
        assert await waits.read_place(WAIT, within_s=5) is None
    await client.close()
