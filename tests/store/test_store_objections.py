"""An objection straight into the store: the projection's own bytes, announced, and never in the wrong place."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store_lab import KEEP_S, NOW, PERSON, SHOWN, TIMEOUT_S, Server, ask, free_port, numbered, objection, query, until

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.callflow.records import import_event, new_id
from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import LedgerUnavailableError, StoreError, StoreNotReadyError
from asterisk_plugin.ports import Redemption, StoredEvent
from asterisk_plugin.store import announcements, keys
from asterisk_plugin.store.announcements import Announcements, message_of, read_message
from asterisk_plugin.store.objections import ObjectionStore
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.redis_store import RedisStore
from asterisk_plugin.store.watch import ServerWatch

pytestmark = pytest.mark.store


class Heard:
    """Keeps what was announced."""

    def __init__(self) -> None:
        self.objected: list[Objected] = []
        self.subscribed = 0

    def subscribe(self) -> None:
        self.subscribed += 1


@pytest.fixture
async def listening():
    """Starts listeners, and ends them."""
    tasks = []

    async def start(client):
        heard = Heard()
        listener = Announcements(client, on_objected=heard.objected.append, on_subscribed=heard.subscribe)
        tasks.append(asyncio.create_task(listener.run()))
        await until(lambda: _is(heard.subscribed > 0))
        return heard, listener

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _is(value):
    return value


async def _identity(ledger):
    return ledger.rows[0].hash if ledger.rows else ""


async def test_the_bytes_are_those_of_the_projection(url, store, ledger, projector):
    """So whichever comes second changes nothing, and a rebuild gives the same store."""
    event = objection()
    seq = await ledger.append([event])
    key = keys.objections(PERSON)
    await ObjectionStore(store.client).put(event, seq)
    straight = await ask(url, "HGETALL", key)
    assert (await store.look_up(query())).objections[0].scope == "acme"
    await projector.catch_up()
    assert await ask(url, "HGETALL", key) == straight
    await projector.rebuild()
    assert await ask(url, "HGETALL", key) == straight
    await ObjectionStore(store.client).put(event, seq)
    assert await ask(url, "HGETALL", key) == straight


async def test_the_next_decision_and_a_token_given_out_before_know_of_it(store):
    """Neither waits for the projector."""
    assert (await store.look_up(query(reserve=True))).reserved
    await ObjectionStore(store.client).put(objection("*"), 7)
    assert not (await store.look_up(query(reserve=True, attempt_id=numbered(2), token=numbered(2)))).reserved
    redeemed = await store.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=NOW)
    assert redeemed.result is Redemption.OBJECTION


async def test_without_a_row_it_blocks_until_the_row_takes_its_place(url, store, ledger, projector):
    """The ledger is away: seq 0, which any row overwrites and which overwrites none."""
    event = objection()
    straight = ObjectionStore(store.client)
    await straight.put(event)
    assert (await store.look_up(query())).objections
    assert (await ask(url, "HGETALL", keys.objections(PERSON)))[1].startswith(b"0 {")
    await ledger.append([event])
    await projector.catch_up()
    (_, projected) = await ask(url, "HGETALL", keys.objections(PERSON))
    assert projected.startswith(b"1 {")
    await straight.put(event)
    assert (await ask(url, "HGETALL", keys.objections(PERSON)))[1] == projected


async def test_a_store_that_is_being_filled_is_not_written_but_told(store, ledger, listening):
    """The fill may have passed this row already: who took it must know that it is not in force yet."""
    heard, _ = await listening(store.client)
    assert await store.projection.begin_rebuild()
    event = objection()
    with pytest.raises(StoreNotReadyError):
        await ObjectionStore(store.client).put(event, 1)
    await until(lambda: _is(len(heard.objected) == 1))


async def test_another_ledgers_store_is_not_written(store, ledger, projector):
    """Two sites on one store by mistake."""

    async def another():
        return "f" * 64

    await ledger.append([objection("other")])
    await projector.catch_up()
    with pytest.raises(StoreNotReadyError, match="another ledger"):
        await ObjectionStore(store.client, identify=another).put(objection(), 2)

    async def away():
        raise LedgerUnavailableError("away")

    await ObjectionStore(store.client, identify=away).put(objection(), 2)
    assert (await store.look_up(query())).objections


async def test_it_is_announced_to_every_process_without_the_number(store, listening):
    """To each listener, also on other connections."""
    first, _ = await listening(store.client)
    second, _ = await listening(store.client)
    event = replace(objection("*"), sealed={"number": "+31201234567"})
    await ObjectionStore(store.client).put(event, 3)
    for heard in (first, second):
        await until(lambda heard=heard: _is(len(heard.objected) == 1))
        assert heard.objected == [Objected(event.id, PERSON, "*", "R1")]
    assert "201234567" not in message_of(Objected.of(event.id, event.person, event.body))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b'{"id":"a"}',
        b'{"id":1,"person":"p","scope":"*","reference":""}',
        b'{"id":"a","person":null,"scope":"*","reference":""}',
        b'"' + b"x" * 5000 + b'"',
    ],
)
def test_what_somebody_else_publishes_is_no_objection(raw):
    """Anybody with the store's password may publish."""
    assert read_message(raw) is None


async def test_nonsense_and_a_failing_listener_do_not_end_the_listening(url, store):
    """The next one is heard."""
    heard = []

    def listen(objected):
        heard.append(objected)
        if len(heard) == 1:
            raise ValueError("a bug")

    subscribed = asyncio.Event()
    task = asyncio.create_task(Announcements(store.client, on_objected=listen, on_subscribed=subscribed.set).run())
    await subscribed.wait()
    await ask(url, "PUBLISH", announcements.CHANNEL, "nonsense")
    for number in range(2):
        await ObjectionStore(store.client).put(objection(reference=f"R{number}"), number + 1)
    await until(lambda: _is(len(heard) == 2))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_imported_objections_are_announced_without_their_names(store, ledger, projector, listening):
    """Once they are in force; an import of anything else is not."""
    await projector.catch_up()
    heard, _ = await listening(store.client)
    event = objection()
    await ledger.append([event, imported("objections")])
    await projector.catch_up()
    await until(lambda: _is(heard.subscribed == 2))
    assert (await store.look_up(query())).objections
    await ledger.append([imported("consents")])
    await projector.catch_up()
    await ObjectionStore(store.client).put(event, 1)
    await until(lambda: _is(len(heard.objected) == 1))
    assert heard.subscribed == 2


def imported(what):
    """The last row of an import."""
    return import_event(new_id(), what=what, file_name="a.csv", sha256="0" * 64, rows=1, at=NOW)


async def test_a_listener_survives_restarts_and_says_when_it_hears_again(own_server, ledger, listening):
    """Three times `kill -9`, and the store away for a while: nothing said after `on_subscribed` is missed."""
    store = RedisStore(own_server.url, timeout_s=2, keep_attempts_s=KEEP_S)
    projector = Projector(ledger, store.projection)
    await projector.catch_up()
    heard, listener = await listening(store.client)
    for times in range(1, 4):
        own_server.kill()
        await until(lambda: _is(not listener.listening))
        own_server.start()
        await until(lambda times=times: _is(heard.subscribed == times + 1))
        await ObjectionStore(store.client).put(objection(reference=f"R{times}"), times)
        await until(lambda times=times: _is(len(heard.objected) == times))
    await store.close()


async def test_a_frozen_server_is_noticed_and_heard_again(own_server, ledger, listening, monkeypatch):
    """No end of a connection tells: only that pings stay unanswered."""
    monkeypatch.setattr(announcements, "PING_S", 0.02)
    monkeypatch.setattr(announcements, "SILENT_S", 0.1)
    store = RedisStore(own_server.url, timeout_s=2, keep_attempts_s=KEEP_S)
    await Projector(ledger, store.projection).catch_up()
    heard, listener = await listening(store.client)
    await asyncio.sleep(0.3)  # a quiet server that answers pings is not a frozen one
    assert heard.subscribed == 1
    own_server.freeze()
    await until(lambda: _is(not listener.listening))
    own_server.thaw()
    await until(lambda: _is(heard.subscribed == 2))
    await ObjectionStore(store.client).put(objection(), 1)
    await until(lambda: _is(len(heard.objected) == 1))
    await store.close()


async def test_a_user_who_may_not_publish_still_puts_it_in_force(url, store, ledger, projector):
    """The right to a channel is apart in Redis 7; without it only other nodes' ringing calls go on."""
    await ask(url, "ACL", "SETUSER", "mute", "on", ">p", "~*", "+@all", "resetchannels")
    muted = RedisStore(url.replace("unix://", "unix://mute:p@"), timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
    try:
        await ObjectionStore(muted.client).put(objection(), 1)
        assert (await store.look_up(query())).objections
    finally:
        await muted.close()
        await ask(url, "ACL", "DELUSER", "mute")


async def test_a_cluster_announces_too(short_path, ledger, listening):
    """One slot for the record; the announcement goes to every node."""
    node = Server(short_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), port=free_port())
    node.start()
    try:
        await ask(node.url, "CLUSTER", "ADDSLOTS", *range(16384))
        await until(lambda: _has_slots(node))
        store = RedisStore(f"cluster://127.0.0.1:{node.port}", timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
        await Projector(ledger, store.projection).catch_up()
        heard, _ = await listening(store.client)
        await ObjectionStore(store.client).put(objection(), 1)
        await until(lambda: _is(len(heard.objected) == 1))
        assert (await store.look_up(query())).objections
        await store.close()
    finally:
        node.stop()


async def _has_slots(node):
    return b"cluster_state:ok" in await ask(node.url, "CLUSTER", "INFO")


async def test_a_server_that_came_back_without_the_newest_rows_is_not_relied_on(own_server, ledger, monkeypatch):
    """Killed before its file had them: the objection is in the ledger, and would look like none."""
    monkeypatch.setattr("asterisk_plugin.store.watch.CATCH_UP_S", 0.05)
    store = RedisStore(own_server.url, timeout_s=2, keep_attempts_s=KEEP_S)
    projector = Projector(ledger, store.projection)
    await ledger.append([objection("other")])
    await projector.catch_up()
    watch = ServerWatch(store.client, head=ledger.head)
    await watch.usable()
    await ask(own_server.url, "SAVE")
    event = objection()
    seq = await ledger.append([event])
    await projector.catch_up()
    own_server.kill()
    # As after a lost second of its file: the position and the objection of before.
    own_server.start()
    await ask(own_server.url, "HSET", keys.POSITION, "seq", seq - 1, "hash", ledger.rows[0].hash)
    await ask(own_server.url, "DEL", keys.objections(PERSON))
    with pytest.raises(StoreNotReadyError, match="brought up"):
        await _reconnected(watch, store)
    more = StoredEvent(seq, event, ledger.rows[-1].hash)
    await store.projection.state()
    await store.projection.apply([more])
    watch._look_at = 0.0
    await watch.look()
    assert (await store.look_up(query())).objections
    await watch.close()
    await store.close()


async def _reconnected(watch, store):
    """Ask until the client has a connection to the new server, then once more."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.client.execute("PING")
            except StoreError:
                await asyncio.sleep(0.01)
                continue
            await watch.usable()


async def test_a_new_connection_to_a_server_that_did_not_restart_waits_for_no_projector(url, store, ledger, projector):
    """Rows come all the time, and a client opens connections as it needs them."""
    watch = ServerWatch(store.client, head=ledger.head)
    await watch.usable()
    await ledger.append([objection()])  # nobody projects it
    store.client.connected_times += 1
    await asyncio.wait_for(watch.usable(), 0.2)
    await watch.close()


async def test_a_projector_that_is_at_work_is_waited_for(url, ledger, projection: Projection):
    """A process that starts while rows come: late by some milliseconds, not refused."""
    projector = Projector(ledger, projection)
    await ledger.append([objection("other")])
    await projector.catch_up()
    await ledger.append([objection()])
    store = RedisStore(url, timeout_s=2, keep_attempts_s=KEEP_S)
    watch = ServerWatch(store.client, head=ledger.head)
    looking = asyncio.create_task(watch.usable())
    await asyncio.sleep(0.03)  # it waits
    assert not looking.done()
    await projector.catch_up()
    await looking
    await watch.close()
    await store.close()
