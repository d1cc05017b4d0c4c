"""The Valkey server that comes with the package."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from store_lab import KEEP_S, MemoryLedger, ask, objection, query, until

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.errors import StartupError, StoreError
from asterisk_plugin.store import embedded_setup
from asterisk_plugin.store.embedded import EmbeddedValkey
from asterisk_plugin.store.inspection import inspect
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store

_SERVICE = """
import asyncio, pathlib, sys
from asterisk_plugin.store.embedded import EmbeddedValkey
async def main():
    server = EmbeddedValkey(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
"""A service that will be killed."""


@pytest.fixture
async def embedded(short_path):
    """A running server in a data directory of its own."""
    server = EmbeddedValkey(short_path, frozen_s=0.5)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def watched(embedded):
    """The same, watched."""
    watching = asyncio.create_task(embedded.watch())
    yield embedded
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def _mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def _service_in_a_process(data_dir):
    return subprocess.Popen([sys.executable, "-c", _SERVICE, str(data_dir)], stdout=subprocess.PIPE)


async def _answers(server):
    try:
        return await ask(server.url, "PING") == b"PONG"
    except StoreError:
        return False


async def test_it_keeps_what_it_holds_and_listens_nowhere_else(embedded, short_path):
    """Append-only file, fsync each second, no eviction, no TCP port, for its owner only."""
    found = await ask(
        embedded.url, "CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy", "port", "save", "dir"
    )
    settings = dict(zip(found[::2], found[1::2], strict=True))
    assert settings == {
        b"appendonly": b"yes",
        b"appendfsync": b"everysec",
        b"maxmemory-policy": b"noeviction",
        b"port": b"0",
        b"save": b"",
        b"dir": os.fsencode(short_path / "valkey"),
    }
    assert _mode(embedded.url.removeprefix("unix://")) == 0o600
    assert _mode(short_path / "valkey") == 0o700
    assert os.getpgid(embedded.pid) == embedded.pid
    store = RedisStore(embedded.url, timeout_s=1, keep_attempts_s=KEEP_S)
    try:
        assert await inspect(store.client) == []
    finally:
        await store.close()


async def test_an_orderly_stop_and_start_keep_everything(short_path):
    """Reservations, too, which are nowhere else."""
    for round_ in range(2):
        server = EmbeddedValkey(short_path)
        url = await server.start()
        if round_ == 0:
            await ask(url, "SET", "k", "v")
        else:
            assert await ask(url, "GET", "k") == b"v"
        pid = server.pid
        await server.stop()
        assert not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240 - no waiting in /proc
        assert not await _answers(server)


async def test_it_outlives_a_killed_service_and_is_taken_over(short_path):
    """The dialplan's second try needs it; the next service starts no second one."""
    service = _service_in_a_process(short_path)
    assert service.stdout is not None
    with service.stdout:
        pid = int(await asyncio.to_thread(service.stdout.readline))
    service.send_signal(signal.SIGKILL)
    service.wait()
    following = EmbeddedValkey(short_path)
    assert await _answers(following)
    await following.start()
    try:
        assert following.pid == pid
        assert await _answers(following)
    finally:
        await following.stop()
    assert not await _answers(following)


async def test_it_is_started_again_when_it_dies(watched):
    """With what it held, as soon as it is noticed."""
    await ask(watched.url, "SET", "k", "v")
    first = watched.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: _is_another(watched, first))
    assert await ask(watched.url, "GET", "k") == b"v"


async def test_a_taken_over_server_that_dies_is_started_again(short_path):
    """It is not our child, so nobody tells us."""
    first = EmbeddedValkey(short_path)
    await first.start()
    second = EmbeddedValkey(short_path)
    await second.start()
    watching = asyncio.create_task(second.watch())
    try:
        assert second.pid == first.pid
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: _is_another(second, first.pid))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await second.stop()
        await first.stop()


async def test_a_server_frozen_for_a_moment_is_left_alone(embedded):
    """It goes on by itself when it is thawed."""
    embedded._frozen_s = 60
    watching = asyncio.create_task(embedded.watch())
    first = embedded.pid
    os.kill(first, signal.SIGSTOP)
    await asyncio.sleep(0.3)
    os.kill(first, signal.SIGCONT)
    assert await ask(embedded.url, "PING") == b"PONG"
    assert embedded.pid == first
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_server_that_hangs_is_replaced(watched):
    """After the time that a frozen one is given; what it held is in its file."""
    await ask(watched.url, "SET", "k", "v")
    first = watched.pid
    os.kill(first, signal.SIGSTOP)
    await until(lambda: _is_another(watched, first))
    assert await ask(watched.url, "GET", "k") == b"v"


async def test_a_start_replaces_a_server_that_hangs(short_path):
    """Left frozen by whatever killed the service."""
    first = EmbeddedValkey(short_path)
    await first.start()
    os.kill(first.pid, signal.SIGSTOP)
    second = EmbeddedValkey(short_path)
    await second.start()
    try:
        assert second.pid != first.pid
        assert await _answers(second)
    finally:
        await second.stop()
        await first.stop()


async def test_a_stale_process_id_of_somebody_else_is_left_alone(short_path):
    """Process ids come round again."""
    (short_path / "valkey").mkdir()
    (short_path / "valkey" / "valkey.pid").write_text(f"{os.getpid()}\n")
    server = EmbeddedValkey(short_path)
    await server.start()
    try:
        assert server.pid != os.getpid()
        assert await _answers(server)
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("*.incr.aof", b"*1\r\n$3\r\nxx"),  # a command that is none
        ("*.incr.aof", b"no command at all\r\n"),
        ("*.base.rdb", b"\0" * 20),
        ("*.manifest", b"nonsense\n"),
    ],
)
async def test_a_damaged_file_is_set_aside_and_filled_from_the_ledger(short_path, file, damage):
    """It heals without a hand."""
    server = EmbeddedValkey(short_path)
    store = RedisStore(await server.start(), timeout_s=2, keep_attempts_s=KEEP_S)
    ledger = MemoryLedger()
    await ledger.append([objection("*")])
    projector = Projector(ledger, store.projection)
    await projector.catch_up()
    await server.stop()
    (damaged,) = (short_path / "valkey" / "appendonlydir").glob(file)
    damaged.write_bytes(damage + damaged.read_bytes())
    await server.start()
    try:
        await projector.catch_up()
        assert len((await store.look_up(query())).objections) == 1
        assert len(list((short_path / "valkey").glob("appendonlydir.damaged-*"))) == 1
    finally:
        await store.close()
        await server.stop()


async def test_a_long_data_directory_gets_a_short_socket(short_path):
    """A Unix socket's path has 107 bytes at most; a space in it does no harm."""
    deep = short_path / ("long name " * 12).strip()
    server = EmbeddedValkey(deep)
    url = await server.start()
    try:
        socket = Path(url.removeprefix("unix://"))
        assert len(os.fsencode(socket)) <= embedded_setup.UNIX_PATH_BYTES
        assert _mode(socket.parent) == 0o700
        assert (deep / "valkey" / "appendonlydir").is_dir()
        assert await _answers(server)
        assert EmbeddedValkey(deep).url == url
    finally:
        await server.stop()
        socket.parent.rmdir()


async def test_a_server_that_cannot_start_says_why(short_path, monkeypatch):
    """In one line, from its own log."""
    monkeypatch.setattr(
        "asterisk_plugin.store.embedded.configuration",
        lambda directory, socket: embedded_setup.configuration(directory, socket) + "unknown-word 1\n",
    )
    with pytest.raises(StartupError, match=r"did not start: `.*unknown-word"):
        await EmbeddedValkey(short_path).start()


async def test_a_directory_that_cannot_be_made_is_a_startup_error(short_path):
    """A file stands in its place."""
    (short_path / "valkey").write_text("x")
    with pytest.raises(StartupError, match="cannot use"):
        await EmbeddedValkey(short_path).start()


def test_a_machine_without_any_server_is_told_what_to_do(monkeypatch):
    """Install one, or set an address."""
    monkeypatch.setattr(embedded_setup.platform, "machine", lambda: "pdp11")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StartupError, match="pdp11"):
        embedded_setup.server_binary()


def test_a_shared_directory_of_another_user_is_refused(tmp_path, monkeypatch):
    """Somebody may have made the socket's place in the temporary directory before us."""
    other = os.getuid() + 1
    monkeypatch.setattr(embedded_setup.os, "getuid", lambda: other)
    with pytest.raises(PermissionError):
        embedded_setup.make_private(tmp_path / "place")


async def _is_another(server, first):
    return server.pid not in {0, first} and await _answers(server)
