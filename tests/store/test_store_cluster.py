"""The same store on a Cluster of one node: keys of a number in one slot, scripts routed by key."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from redis.crc import key_slot
from store_lab import (
    KEEP_S,
    NOW,
    PERSON,
    SHOWN,
    TIMEOUT_S,
    Server,
    ask,
    attempt,
    free_port,
    numbered,
    objection,
    query,
    until,
)
from test_store_rates import ended, limit, pace_query

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import StartupError, StoreError, StoreNotReadyError, StoreTimeoutError
from asterisk_plugin.ports import PassedLeg, Redemption
from asterisk_plugin.store import keys, scripts
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store


@pytest.fixture
async def node(short_path):
    """One node that holds every slot."""
    server = Server(short_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), port=free_port())
    try:
        server.start()
        # Slots one range at a time is Redis 7; each by its number is every version's.
        await ask(server.url, "CLUSTER", "ADDSLOTS", *range(16384))
        await until(lambda: _is_up(server))
        yield server
    finally:
        server.stop()


async def _is_up(server):
    return b"cluster_state:ok" in await ask(server.url, "CLUSTER", "INFO")


@pytest.fixture
async def cluster(node, ledger):
    """A store on it, in step with a ledger of one objection against `other`."""
    store = RedisStore(f"cluster://127.0.0.1:{node.port}", timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
    await ledger.append([objection("other")])
    await Projector(ledger, store.projection).catch_up()
    yield store
    await store.close()


def test_all_keys_of_a_number_lie_in_one_slot():
    """With the marker of their bucket, so that one script may touch them."""
    for number in range(300):
        person = person_tag(b"k" * 32, f"+3120{number:07d}")
        names = {
            keys.ready(keys.bucket_of(person)),
            keys.building(keys.bucket_of(person)),
            keys.objections(person),
            keys.consents(person),
            keys.withdrawals(person),
            keys.relationships(person),
            keys.attempts(person),
            keys.token(person, numbered(number)),
            keys.ended(person),
        }
        assert len({key_slot(name.encode()) for name in names}) == 1
    assert len({key_slot(keys.ready(bucket).encode()) for bucket in keys.BUCKETS}) == 256
    for number in range(50):
        campaign = f"campaign-{number}"
        names = {
            keys.ready(keys.bucket_of_campaign(campaign)),
            keys.campaign_day(campaign, "Europe/Berlin", "2026-03-04"),
            keys.campaign_seen(campaign, number * 10_000),
            keys.flights(campaign),
        }
        assert len({key_slot(name.encode()) for name in names}) == 1


async def test_a_cluster_whose_server_came_back_is_filled_anew(cluster, ledger, node):
    """The position may lie on another server: what this one has lost cannot be told from it."""
    projector = Projector(ledger, cluster.projection)
    before = (await cluster.projection.state()).complete
    known = await cluster.client.execute("HGET", keys.POSITION, "evicted")
    await cluster.client.execute("HSET", keys.POSITION, "evicted", known.replace(known[:8], b"0" * 8))
    cluster.projection._check_markers_at = 0.0
    assert (before, (await cluster.projection.state()).complete) == (True, False)
    await cluster.client.execute("DEL", keys.objections(PERSON))
    await projector.catch_up()
    assert {held.scope for held in (await cluster.look_up(query(principal="other"))).objections} == {"other"}


async def test_a_cluster_decides_like_a_single_server(cluster, ledger):
    """Look up, reserve, refuse, release, redeem, marks."""
    await cluster.connect()
    await cluster.ping()
    assert (await cluster.look_up(query(reserve=True))).reserved
    assert not (await cluster.look_up(query(reserve=True, attempt_id=numbered(2)))).reserved
    redeemed = await cluster.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=NOW)
    assert redeemed.result is Redemption.PASS
    await cluster.release(person=PERSON, principal="acme", campaign="spring", attempt_id="a" * 32, token="a" * 32)
    assert (await cluster.look_up(query())).attempts[0].used == 0
    await cluster.mark_passed("1.2", PassedLeg())
    assert await cluster.has_passed("1.2")
    await cluster.forget_passed("1.2")
    assert not await cluster.has_passed("1.2")


async def test_a_cluster_counts_how_calls_ended(cluster, ledger):
    """Number and campaign lie in different slots; both are written from one row."""
    now = dt.datetime.now(dt.UTC)  # by which the projection tells what is too old to be counted
    await ledger.append([*(ended("person", at=now) for _ in range(33)), ended("machine", at=now)])
    await Projector(ledger, cluster.projection).catch_up()
    assert [call.what for call in (await cluster.look_up(query())).ended] == ["machine", "person"]
    found = [await cluster.pace(pace_query(limit(now=now), attempt=number)) for number in (1, 2)]
    assert [each.reserved for each in found] == [True, False]
    await cluster.end_flight("spring", numbered(1), harmless=True)
    assert (await cluster.pace(pace_query(limit(now=now)))).has_room


async def test_two_hundred_agents_on_a_cluster_get_one_reservation(cluster):
    """More calls than it has connections; a limit of one is kept."""
    answers = await asyncio.gather(
        *(cluster.look_up(query(reserve=True, attempt_id=numbered(n), token=numbered(n))) for n in range(200))
    )
    assert sum(answer.reserved for answer in answers) == 1


async def test_an_emptied_cluster_is_not_ready_and_heals(cluster, ledger, node):
    """Rebuilt over every node, without keys of the old image."""
    await ledger.append([objection("acme"), objection("*", person=person_tag(b"x" * 32, "+311"))])
    projector = Projector(ledger, cluster.projection)
    await projector.catch_up()
    assert len((await cluster.look_up(query())).objections) == 1
    await ask(node.url, "FLUSHALL")
    with pytest.raises(StoreNotReadyError):
        await cluster.look_up(query())
    await projector.catch_up()
    assert len((await cluster.look_up(query())).objections) == 1
    await ask(node.url, "HSET", keys.objections(PERSON), "acme", "9 {}", "stale", "9 {}")
    await projector.rebuild()
    assert (await cluster.look_up(query())).objections[0].at == NOW


async def test_a_bucket_lost_from_a_cluster_is_noticed(cluster, ledger, node):
    """One node came back empty while the position lies on another."""
    await ask(node.url, "DEL", keys.ready("7f"))
    cluster.projection._check_markers_at = 0
    assert not (await cluster.projection.state()).complete
    await Projector(ledger, cluster.projection).catch_up()
    assert (await cluster.projection.state()).complete


async def test_a_frozen_node_fails_each_call_in_time_and_counts_nothing(node, ledger):
    """And is used again when it thaws."""
    store = RedisStore(f"cluster://127.0.0.1:{node.port}", timeout_s=2.0, keep_attempts_s=KEEP_S)
    try:
        await Projector(ledger, store.projection).catch_up()
        await store.look_up(query())
        node.freeze()
        lost = [store.look_up(query(reserve=True, attempt_id=numbered(n))) for n in range(5)]
        errors = await asyncio.wait_for(asyncio.gather(*lost, return_exceptions=True), 6)
        assert {type(error) for error in errors} == {StoreTimeoutError}
        node.thaw()
        await until(lambda: _answers(store))
        assert (await store.look_up(query())).attempts[0].used == 0
    finally:
        await store.close()


async def _answers(store):
    try:
        await store.look_up(query())
    except StoreError:
        return False
    return True


async def test_scripts_are_found_again_on_a_cluster(cluster, node):
    """After SCRIPT FLUSH."""
    await cluster.look_up(query())
    await ask(node.url, "SCRIPT", "FLUSH")
    await cluster.look_up(query())
    assert await ask(node.url, "SCRIPT", "EXISTS", scripts.LOOK_UP.sha1) == [1]


async def test_a_cluster_under_a_single_servers_address_is_refused(node, tmp_path):
    """Else half of the numbers would fail, one by one, later."""
    store = RedisStore(f"redis://127.0.0.1:{node.port}", timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
    try:
        with pytest.raises(StartupError, match="cluster://"):
            await store.connect()
    finally:
        await store.close()


async def test_a_single_server_under_a_clusters_address_fails(short_path):
    """With an error of ours, not with one of redis-py's."""
    server = Server(short_path, port=free_port())
    server.start()
    store = RedisStore(f"cluster://127.0.0.1:{server.port}", timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
    try:
        with pytest.raises((StartupError, StoreError)):
            await store.connect()
    finally:
        await store.close()
        server.stop()


async def test_a_cluster_that_evicts_is_refused_too(cluster, node):
    """Every node is asked."""
    await ask(node.url, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(StartupError, match="objections too"):
        await cluster.connect()


async def test_attempts_reach_a_cluster(node, ledger):
    """With the wall clock of the attempts."""
    projection = Projection(f"cluster://127.0.0.1:{node.port}", keep_attempts_s=KEEP_S * 100, wall_clock=NOW.timestamp)
    await ledger.append([attempt(n) for n in range(50)])
    try:
        await Projector(ledger, projection).catch_up()
    finally:
        await projection.close()
    assert await ask(node.url, "ZCARD", keys.attempts(PERSON)) == 50
