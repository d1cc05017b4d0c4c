"""A server that throws records away, whenever that begins, is not relied on."""

from __future__ import annotations

import pytest
from store_lab import KEEP_S, NOW, PERSON, SHOWN, Server, ask, numbered, objection, query, until

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.errors import StoreError, StoreNotReadyError, StoreUnreachableError
from asterisk_plugin.store import watch
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store

EVICTING = ("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
KEEPING = ("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")


@pytest.fixture
async def filled(own_server, ledger):
    """A store on a server of its own; nobody called `connect`."""
    store = RedisStore(own_server.url, timeout_s=2, connections=2, keep_attempts_s=KEEP_S)
    await ledger.append([objection("other")])
    await Projector(ledger, store.projection).catch_up()
    yield store
    await store.close()


async def _refuses(store):
    try:
        await store.look_up(query())
    except StoreError as exc:
        return "throws" in str(exc)
    return False


async def _answers(store):
    try:
        await store.look_up(query())
    except StoreError:
        return False
    return True


async def _evict(url):
    """Make the server throw away keys with a lifetime, and nothing else."""
    await ask(url, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    for number in range(20):
        await ask(url, "SET", f"x{number}", "x" * 1000, "PX", 60_000)
    await ask(url, "CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnreachableError):
        await ask(url, "SET", "y", "y")
    await ask(url, *KEEPING)
    assert b"\r\nevicted_keys:0\r\n" not in await ask(url, "INFO", "stats")


async def test_a_server_that_was_away_at_start_is_looked_over_at_the_first_call(filled, own_server):
    """The check at start could not be made."""
    await ask(own_server.url, *EVICTING)
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.look_up(query(reserve=True))
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=NOW)
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.ping()


async def test_a_server_that_was_set_up_anew_is_noticed_and_used_again_when_mended(filled, own_server, monkeypatch):
    """Beside the calls, within seconds."""
    monkeypatch.setattr(watch, "LOOK_AGAIN_S", 0.02)
    monkeypatch.setattr(watch, "MENDED_S", 0.02)
    assert await _answers(filled)
    await ask(own_server.url, *EVICTING)
    await until(lambda: _refuses(filled))
    await ask(own_server.url, *KEEPING)
    await until(lambda: _answers(filled))


async def test_a_ping_looks_too(filled, own_server, monkeypatch):
    """A service without calls says that it is not ready."""
    await filled.ping()
    await ask(own_server.url, *EVICTING)
    filled._watch._look_at = 0.0
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.ping()


async def test_a_restarted_server_is_looked_over_before_its_first_answer_counts(filled, own_server):
    """It came back with another configuration; what was reserved meanwhile is given back."""
    assert await _answers(filled)
    own_server.kill()
    again = Server(own_server.directory, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", persist=True)
    again.start()
    try:
        await until(lambda: _refuses(filled))
        with pytest.raises(StoreNotReadyError, match="objections too"):
            await filled.look_up(query(reserve=True))
        await ask(own_server.url, *KEEPING)
        filled._watch._look_at = 0.0
        await until(lambda: _answers(filled))
        assert (await filled.look_up(query())).attempts[0].used == 0
    finally:
        again.stop()


async def test_an_answer_over_a_connection_that_nobody_looked_over_does_not_count(filled, own_server):
    """The connection broke without our knowing; the reservation made over the new one is given back."""
    assert await _answers(filled)
    await ask(own_server.url, *EVICTING)
    for lane in filled.client._lanes:
        if lane._link is not None:
            lane._link.usable = False
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.look_up(query(reserve=True))
    await ask(own_server.url, *KEEPING)
    filled._watch._look_at = 0.0
    await until(lambda: _answers(filled))
    assert (await filled.look_up(query())).attempts[0].used == 0


async def test_a_token_is_not_taken_over_a_connection_that_nobody_looked_over(filled, own_server):
    """Whoever took the old server's place may lack the objection that came after the token."""
    assert (await filled.look_up(query(reserve=True))).reserved
    await ask(own_server.url, *EVICTING)
    for lane in filled.client._lanes:
        if lane._link is not None:
            lane._link.usable = False
    with pytest.raises(StoreNotReadyError, match="objections too"):
        await filled.redeem(person=PERSON, token=query().token, shown=SHOWN, now=NOW)


async def test_a_store_that_has_thrown_keys_away_is_used_again_when_it_was_filled_anew(filled, own_server, ledger):
    """Attempts have a lifetime: a limit would be missed."""
    assert (await filled.look_up(query(reserve=True))).reserved
    await _evict(own_server.url)
    filled._watch._look_at = 0.0
    await until(lambda: _refuses(filled))
    await filled.connect()  # `ringfence rebuild` must be able to
    await Projector(ledger, filled.projection).rebuild()
    filled._watch._look_at = 0.0
    await until(lambda: _answers(filled))
    assert (await filled.look_up(query(reserve=True, attempt_id=numbered(2), token=numbered(2)))).reserved
