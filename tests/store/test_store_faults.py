"""A store that is frozen, gone, emptied, restarted, or full. No test waits longer than the fault lasts."""

from __future__ import annotations

import asyncio
import time

import pytest
from store_lab import (
    KEEP_S,
    NOW,
    OTHER_PERSON,
    PERSON,
    MemoryLedger,
    Server,
    ask,
    numbered,
    objection,
    query,
    until,
)

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.errors import (
    StartupError,
    StoreError,
    StoreNotReadyError,
    StoreTimeoutError,
    StoreUnreachableError,
)
from asterisk_plugin.store import keys, scripts
from asterisk_plugin.store.inspection import inspect
from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store

TIMEOUT_S = 1.0
LATE_S = 3.0
"""Allowed beyond the timeout on a machine that others use too."""


@pytest.fixture
async def filled(own_server, ledger):
    """A store on a server of its own, with one objection by OTHER_PERSON."""
    store = RedisStore(own_server.url, timeout_s=TIMEOUT_S, connections=2, keep_attempts_s=KEEP_S)
    await ledger.append([objection("*", person=OTHER_PERSON)])
    await Projector(ledger, store.projection).catch_up()
    yield store
    await store.close()


async def _timed(work):
    started = time.monotonic()
    result = await asyncio.gather(work, return_exceptions=True)
    return result[0], time.monotonic() - started


async def test_each_call_to_a_frozen_server_fails_at_its_own_time(filled, own_server):
    """They do not wait for each other, whether they were made together or later."""
    await filled.look_up(query())
    own_server.freeze()
    together = [_timed(filled.look_up(query(token=numbered(n)))) for n in range(20)]
    results = list(await asyncio.gather(*together))
    results += [await _timed(filled.look_up(query())) for _ in range(3)]
    results.append(await _timed(filled.redeem(person=PERSON, token="t", shown="", now=NOW)))
    for error, took_s in results:
        assert isinstance(error, StoreTimeoutError)
        assert TIMEOUT_S * 0.9 <= took_s < TIMEOUT_S + LATE_S


async def test_a_younger_call_keeps_its_time_when_an_older_one_gives_up(own_server):
    """The server may only be slow; and each gets its own reply, not the one that came first."""
    client = open_client(own_server.url, timeout_s=TIMEOUT_S)
    try:
        await client.execute("ECHO", "before")
        own_server.freeze()
        older = asyncio.create_task(client.execute("ECHO", "older"))
        await asyncio.sleep(TIMEOUT_S / 2)
        younger = [asyncio.create_task(client.execute("ECHO", f"younger {n}")) for n in range(2)]
        await asyncio.wait({older})
        assert not any(task.done() for task in younger)
        own_server.thaw()
        assert await asyncio.gather(*younger) == [b"younger 0", b"younger 1"]
        assert isinstance(older.exception(), StoreTimeoutError)
    finally:
        await client.close()


async def test_a_thawed_server_answers_at_once_and_only_the_new_calls(filled, own_server):
    """Late replies go nowhere: a person without records never gets the records of another."""
    await filled.look_up(query())
    own_server.freeze()
    lost = [filled.look_up(query(person=OTHER_PERSON)) for _ in range(10)]
    assert {type(error) for error in await asyncio.gather(*lost, return_exceptions=True)} == {StoreTimeoutError}
    own_server.thaw()
    for _ in range(20):
        assert (await filled.look_up(query())).objections == ()
        assert len((await filled.look_up(query(person=OTHER_PERSON))).objections) == 1


async def test_a_thawed_server_does_not_count_attempts_that_were_given_up(filled, own_server):
    """The script's deadline has passed; else a person would be counted as called who never was."""
    await filled.look_up(query())
    own_server.freeze()
    lost = [filled.look_up(query(reserve=True, attempt_id=numbered(n), token=numbered(n))) for n in range(10)]
    await asyncio.gather(*lost, return_exceptions=True)
    own_server.thaw()
    assert (await filled.look_up(query())).attempts[0].used == 0
    assert (await filled.look_up(query(reserve=True))).reserved


async def _used(store, number):
    return (await store.look_up(query())).attempts[0].used == number


async def test_a_release_is_done_even_when_it_comes_late(filled, own_server):
    """Undoing is always wanted."""
    await filled.look_up(query(reserve=True))
    own_server.freeze()
    with pytest.raises(StoreTimeoutError):
        await filled.release(person=PERSON, principal="acme", campaign="spring", attempt_id="a" * 32, token="a" * 32)
    own_server.thaw()
    await until(lambda: _used(filled, 0))


async def test_cancelled_calls_do_not_keep_a_frozen_link_in_use(filled, own_server):
    """A caller with a shorter deadline of its own must not hide the silence."""
    await filled.look_up(query())
    own_server.freeze()
    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S / 4):
                await filled.look_up(query(person=OTHER_PERSON))
    await asyncio.sleep(TIMEOUT_S)
    assert not any(lane._link is not None and lane._link.usable for lane in filled.client._lanes)
    own_server.thaw()
    assert (await filled.look_up(query())).objections == ()


async def test_a_killed_server_is_unreachable_at_once_and_used_again_when_it_is_back(filled, own_server):
    """With its append-only file it comes back with the objections."""
    own_server.kill()
    for _ in range(3):
        error, took_s = await _timed(filled.look_up(query()))
        assert isinstance(error, StoreUnreachableError)
        assert took_s < LATE_S
    own_server.start()
    assert len((await filled.look_up(query(person=OTHER_PERSON))).objections) == 1


async def test_calls_in_flight_when_the_server_dies_fail(filled, own_server):
    """None hangs, none gets somebody else's reply."""
    await filled.look_up(query())
    own_server.freeze()
    calls = [asyncio.create_task(filled.look_up(query())) for _ in range(10)]
    await asyncio.sleep(0.02)
    own_server.kill()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(error, StoreError) for error in results)


async def test_a_forgotten_script_is_sent_again(filled, own_server):
    """SCRIPT FLUSH, or a master that never saw it."""
    await filled.look_up(query())
    await ask(own_server.url, "SCRIPT", "FLUSH")
    assert (await filled.look_up(query(reserve=True))).reserved
    assert (await ask(own_server.url, "SCRIPT", "EXISTS", scripts.LOOK_UP.sha1)) == [1]


async def test_a_wrong_picture_of_the_servers_clock_mends_itself(filled):
    """Its clock was set: the first call learns it, without failing."""
    await filled.look_up(query())
    for step_ms in (-3_600_000, 3_600_000):
        for lane in filled.client._lanes:
            if lane._link is not None:
                lane._link.server_offset_ms += step_ms
        for _ in range(3):
            await filled.look_up(query())
        offsets = [lane._link.server_offset_ms for lane in filled.client._lanes if lane._link is not None]
        assert max(offsets) - min(offsets) < 1000


async def test_a_full_store_is_unreachable_not_free(filled, own_server):
    """It refuses the reservation: no call."""
    await ask(own_server.url, "CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreUnreachableError, match="maxmemory"):
        await filled.look_up(query(reserve=True))
    await ask(own_server.url, "CONFIG", "SET", "maxmemory", 0)
    assert (await filled.look_up(query(reserve=True))).reserved


async def test_a_replica_is_refused_for_reservations(filled, own_server):
    """The master has changed: the link is dropped so that the next call looks for the new one."""
    await filled.look_up(query())
    await ask(own_server.url, "REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnreachableError):
        await filled.look_up(query(reserve=True))
    with pytest.raises(StartupError, match="replica"):
        await filled.connect()


async def test_a_password_is_used_and_never_shown(own_server):
    """Right: it works; wrong or none: unreachable, without its text."""
    await ask(own_server.url, "CONFIG", "SET", "requirepass", "geheim")
    right = open_client(f"unix://:geheim@{own_server.socket}", timeout_s=1)
    wrong = open_client(f"unix://:falsch@{own_server.socket}", timeout_s=1)
    none = open_client(own_server.url, timeout_s=1)
    try:
        assert await right.execute("PING") == b"PONG"
        for client in (wrong, none):
            with pytest.raises(StoreUnreachableError) as caught:
                await client.execute("PING")
            assert "falsch" not in str(caught.value)
        assert "geheim" not in repr(right.address)
    finally:
        for client in (right, wrong, none):
            await client.close()


async def test_a_server_that_drops_objections_when_full_is_refused(filled, own_server):
    """And one that drops attempts, or writes nothing down, is named."""
    assert await inspect(filled.client) == []
    await ask(own_server.url, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(StartupError, match="objections too"):
        await filled.connect()
    await ask(own_server.url, "CONFIG", "SET", "maxmemory-policy", "volatile-lru", "appendonly", "no")
    await filled.connect()
    findings = await inspect(filled.client)
    assert len(findings) == 2
    assert "attempt limits may be missed" in findings[0]
    assert "append-only" in findings[1]


async def test_a_store_loses_its_readiness_with_its_data(short_path):
    """Restarted without persistence it knows nothing, and says so until it is filled again."""
    server = Server(short_path)
    server.start()
    store = RedisStore(server.url, timeout_s=1, keep_attempts_s=KEEP_S)
    ledger = MemoryLedger()
    await ledger.append([objection("*")])
    projector = Projector(ledger, store.projection)
    try:
        await projector.catch_up()
        server.kill()
        server.start()
        with pytest.raises(StoreNotReadyError):
            await store.look_up(query())
        await projector.catch_up()
        assert len((await store.look_up(query())).objections) == 1
        assert await ask(server.url, "EXISTS", keys.LEASE) == 0
    finally:
        await store.close()
        server.stop()


async def test_an_address_where_nobody_listens_is_unreachable(tmp_path):
    """At once, whatever kind it is."""
    for url in (
        f"unix://{tmp_path}/none",
        "redis://127.0.0.1:1",
        "sentinel://127.0.0.1:1/m",
        "cluster://127.0.0.1:1",
    ):
        store = RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
        error, took_s = await _timed(store.look_up(query()))
        await store.close()
        assert isinstance(error, (StoreUnreachableError, StoreTimeoutError)), url
        assert took_s < TIMEOUT_S + LATE_S


async def test_more_calls_than_one_connection_takes_use_the_next(filled, own_server):
    """A burst is spread, and every call gets its own answer."""
    await filled.look_up(query())
    people = [PERSON, OTHER_PERSON] * 150
    answers = await asyncio.gather(*(filled.look_up(query(person=person)) for person in people))
    assert [len(answer.objections) for answer in answers] == [0, 1] * 150
    assert all(lane._link is not None for lane in filled.client._lanes)
