"""A master that Sentinel names, and the next one when it dies."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import ExitStack

import pytest
from store_lab import KEEP_S, Server, ask, free_port, objection, query, until

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.errors import StoreError, StoreUnreachableError
from asterisk_plugin.store.embedded_setup import server_binary
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store


@pytest.fixture
async def watched_pair(short_path):
    """(master, replica, sentinel's port), the replica in step."""
    with ExitStack() as stack:
        master = _server(stack, short_path / "m", "--repl-diskless-sync-delay", "0")
        replica = _server(stack, short_path / "r", "--replicaof", "127.0.0.1", str(master.port))
        port = free_port()
        stack.callback(_end, _sentinel(short_path, port, master.port))
        await until(lambda: _is_in_step(replica), limit_s=20)
        await until(lambda: _knows_replica(port), limit_s=20)  # it asks each 10 s
        yield master, replica, port


def _server(stack, directory, *options):
    directory.mkdir()
    server = Server(directory, *options, port=free_port())
    server.start()
    stack.callback(server.stop)
    return server


def _sentinel(directory, port, master_port):
    config = directory / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor calls 127.0.0.1 {master_port} 1\n"
        "sentinel down-after-milliseconds calls 200\nsentinel failover-timeout calls 1000\n"
    )
    program = os.environ.get("RINGFENCE_TEST_SERVER") or str(server_binary())
    return subprocess.Popen([program, str(config), "--sentinel"], stdout=subprocess.DEVNULL)


def _end(process):
    process.kill()
    process.wait()


async def _is_in_step(replica):
    return b"master_link_status:up" in await ask(replica.url, "INFO", "replication")


async def _knows_replica(port):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"INFO sentinel\r\n")
    said = await reader.readuntil(b"sentinels=1")
    writer.close()
    await writer.wait_closed()
    return b"slaves=1" in said


async def _has_objection(store):
    try:
        return len((await store.look_up(query())).objections) == 1
    except StoreError:
        return False


async def test_the_next_master_is_found_when_the_first_dies(watched_pair, ledger):
    """It has the objections; meanwhile every call fails, none is answered from nothing."""
    master, _, port = watched_pair
    store = RedisStore(f"sentinel://127.0.0.1:{port}/calls", timeout_s=2.0, keep_attempts_s=KEEP_S)
    try:
        await store.connect()
        await ledger.append([objection("*")])
        projector = Projector(ledger, store.projection)
        await projector.catch_up()
        assert await _has_objection(store)
        await ask(master.url, "WAIT", 1, 2000)
        master.kill()
        with pytest.raises(StoreError):
            await store.look_up(query())
        await until(lambda: _has_objection(store), limit_s=20)
        await projector.catch_up()
        assert projector.ready
    finally:
        await store.close()


async def test_an_unknown_master_is_unreachable(watched_pair):
    """Sentinel does not know the name."""
    store = RedisStore(f"sentinel://127.0.0.1:{watched_pair[2]}/other", timeout_s=1, keep_attempts_s=KEEP_S)
    try:
        with pytest.raises(StoreUnreachableError):
            await store.look_up(query())
    finally:
        await store.close()
