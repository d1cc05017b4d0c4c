"""The ledger's image in the store: kept in step, and built anew when it is not its image any more."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from store_lab import (
    KEEP_S,
    NOW,
    OTHER_PERSON,
    PERSON,
    ask,
    attempt,
    consent,
    event,
    numbered,
    objection,
    query,
    until,
    withdrawal,
)

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import (
    LedgerBrokenError,
    LedgerUnavailableError,
    StoreNotReadyError,
    StoreTimeoutError,
)
from asterisk_plugin.ports import EventKind, PassedLeg
from asterisk_plugin.store import keys
from asterisk_plugin.store.projection import Projection

pytestmark = pytest.mark.store


async def _scopes(store, person=PERSON):
    return {held.scope for held in (await store.look_up(query(person=person))).objections}


async def _sees(store, scopes):
    return await _scopes(store) == scopes


async def _is_ready(projector, ready):
    return projector.ready is ready


async def test_rows_are_applied_as_they_are_appended(store, ledger, projector, projection):
    """And the position moves with them."""
    await ledger.append([objection("acme")])
    await projector.catch_up()
    await ledger.append([objection("*"), event(EventKind.OUTCOME, {"attempt_id": numbered(1)})])
    await projector.catch_up()
    assert await _scopes(store) == {"acme", "*"}
    position = (await projection.state()).position
    assert (position.seq, position.hash) == await ledger.head()
    assert projector.ready


async def test_a_store_that_comes_back_older_in_the_middle_of_a_step_is_made_up(store, ledger, projector, projection):
    """Row 2 was lost with the store's memory after the position was read: row 3 must not leap over it."""
    await ledger.append([event(EventKind.OUTCOME, {"attempt_id": numbered(1)})])
    await projector.catch_up()
    first = (await projection.state()).position
    await ledger.append([objection("acme")])
    await projector.catch_up()
    await store.client.execute("HSET", keys.POSITION, "seq", first.seq, "hash", first.hash)
    await store.client.execute("DEL", keys.objections(PERSON))
    await ledger.append([objection("*", person=OTHER_PERSON)])
    (third,) = [row async for row in ledger.read(first.seq + 1, unseal=False)]
    with pytest.raises(StoreNotReadyError, match="came back older"):
        await projection.apply([third])
    await projector.catch_up()
    assert await _scopes(store) == {"acme"}
    assert (await projection.state()).position.seq == third.seq


async def test_a_running_projector_applies_what_another_process_wrote(store, ledger, projector):
    """By polling; and at once when it is woken."""
    await ledger.append([objection("*", person=OTHER_PERSON)])
    await projector.catch_up()
    running = asyncio.create_task(projector.run())
    try:
        await ledger.append([objection("acme")])
        await until(lambda: _sees(store, {"acme"}))
        projector._poll_s = 3600
        await asyncio.sleep(0.05)
        await ledger.append([objection("*")])
        projector.wake()
        await until(lambda: _sees(store, {"acme", "*"}))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_emptied_store_heals_by_itself(store, ledger, projector, url):
    """Whatever is emptied: all, or one bucket's marker, or the position."""
    await ledger.append([objection("*")])
    await projector.catch_up()
    for command in (("FLUSHALL",), ("DEL", keys.ready("7f")), ("DEL", keys.POSITION)):
        await ask(url, *command)
        await projector.catch_up()
        assert await _scopes(store) == {"*"}


async def test_a_store_that_fell_back_makes_up_for_it(store, ledger, projector, projection, url):
    """A replica that lagged took over: its position is older, its marks are there."""
    await ledger.append([objection("acme"), objection("*")])
    await projector.catch_up()
    await ask(url, "HSET", keys.POSITION, "seq", 1, "hash", ledger.rows[0].hash)
    await ask(url, "HDEL", keys.objections(PERSON), "*")
    await projector.catch_up()
    assert await _scopes(store) == {"acme", "*"}


async def test_rows_applied_again_change_nothing(store, ledger, projector, projection):
    """Not even for a moment: a withdrawn consent does not come back while older rows are repeated."""
    await ledger.append([consent(), withdrawal(), attempt(1), objection("*")])
    await projector.catch_up()
    before = await store.look_up(query())
    for row in ledger.rows:
        await projection.apply([row])
        assert await store.look_up(query()) == before
    assert (await projection.state()).position.seq == 4


async def test_an_older_row_never_overwrites_a_newer_one(store, ledger, projector, projection):
    """Two processes may project at the same time, one behind the other."""
    await ledger.append([consent(reference="old"), consent(reference="new")])
    await projector.catch_up()
    await projection.apply(ledger.rows[:1])
    assert (await projection.state()).position.seq == 2
    (found,) = (await store.look_up(query())).consents
    assert found.reference == "new"


async def test_attempts_too_old_for_any_limit_are_left_out(store, ledger, projector, url):
    """And those that count are kept until their window ends."""
    old = NOW - dt.timedelta(seconds=KEEP_S + 1)
    await ledger.append([attempt(1, at=old), attempt(2)])
    await projector.rebuild()
    assert await ask(url, "ZRANGE", keys.attempts(PERSON), 0, -1) == [f"acme|spring|{numbered(2)}".encode()]


async def test_longer_windows_bring_older_attempts_back(store, ledger, projector, projection):
    """A reload of the rules that needs older attempts makes the projector fill the store anew."""
    await ledger.append([attempt(1, at=NOW - dt.timedelta(seconds=KEEP_S + 1))])
    await projector.catch_up()
    assert (await projection.state()).complete
    projection.keep_attempts_s = KEEP_S * 2
    assert not (await projection.state()).complete
    await projector.catch_up()
    assert (await projection.state()).complete


async def test_a_rebuild_leaves_running_calls_and_strangers_alone(store, projector, url):
    """Marks of trunk channels, tokens and keys of others stay; what the ledger does not know goes."""
    await store.mark_passed("1.1", PassedLeg())
    await store.look_up(query(reserve=True))
    await ask(url, "SET", "somebody:elses", "1")
    await ask(url, "HSET", keys.objections(OTHER_PERSON), "acme", "1 {}")
    await projector.rebuild()
    assert await store.has_passed("1.1")
    assert await ask(url, "EXISTS", "somebody:elses", keys.token(PERSON, "a" * 32)) == 2
    assert await ask(url, "EXISTS", keys.objections(OTHER_PERSON), keys.attempts(PERSON)) == 0


async def test_no_decision_is_made_while_the_store_is_being_filled(store, ledger, projection):
    """From the first step of a rebuild to the last row."""
    await ledger.append([objection("*")])
    assert await projection.begin_rebuild()
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())
    await projection.apply(ledger.rows)
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())
    await projection.mark_ready()
    assert await _scopes(store) == {"*"}


async def test_the_store_is_out_of_use_before_its_first_record_is_removed(store, projection, monkeypatch):
    """Killed at the worst moment, a rebuild leaves no store that lacks an objection and answers."""

    async def killed(pattern):
        raise StoreTimeoutError("killed here")
        yield pattern

    monkeypatch.setattr(projection._client, "scan", killed)
    with pytest.raises(StoreTimeoutError):
        await projection.begin_rebuild()
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())


async def test_only_one_process_rebuilds(url, ledger, projection):
    """The other waits, and finds the store complete."""
    other = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    waiting = Projector(ledger, other, poll_s=0.01)
    try:
        await ledger.append([objection("*")])
        assert await projection.begin_rebuild()
        assert not await other.begin_rebuild()
        catching_up = asyncio.create_task(waiting.catch_up())
        await asyncio.sleep(0.05)
        assert not catching_up.done()
        assert not waiting.ready
        await projection.apply(ledger.rows)
        await projection.mark_ready()
        await asyncio.wait_for(catching_up, 30)
        assert waiting.ready
    finally:
        await other.close()


async def test_a_rebuild_that_was_taken_over_cannot_mark_the_store_ready(url, ledger, projection):
    """Its process was frozen for longer than the lease lasts."""
    other = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    try:
        await ledger.append([objection("*")])
        assert await projection.begin_rebuild()
        await ask(url, "DEL", keys.LEASE)
        assert await other.begin_rebuild()
        for step in (projection.mark_ready, lambda: projection.apply(ledger.rows)):
            with pytest.raises(StoreNotReadyError):
                await step()
        assert await ask(url, "EXISTS", keys.ready("00"), keys.objections(PERSON)) == 0
        await other.apply(ledger.rows)
        await other.mark_ready()
        assert (await other.state()).complete
    finally:
        await other.close()


async def test_a_rebuild_that_failed_is_begun_again_at_once(ledger, projection, projector):
    """Its own lease does not stand in its way."""
    await ledger.append([objection("*")])
    assert await projection.begin_rebuild()
    await asyncio.wait_for(projector.catch_up(), 2)
    assert projector.ready


async def test_a_rebuild_that_is_cut_off_is_left_to_who_comes_next(ledger, projection, projector, url, monkeypatch):
    """A service that ends in the middle of it; the next need not wait until the lease lapses."""
    await ledger.append([objection("*")])
    begun = asyncio.Event()

    async def never_ends(_rows):
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as slow:
        slow.setattr(projection, "apply", never_ends)
        running = asyncio.create_task(projector.run())
        await asyncio.wait_for(begun.wait(), 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    other = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    try:
        assert await other.begin_rebuild()
    finally:
        await other.close()


async def test_a_row_that_cannot_be_understood_takes_the_store_out_of_use(store, ledger, projector):
    """It could be the objection that matters."""
    await ledger.append([objection("acme"), event(EventKind.OBJECTION, {"reference": "no scope"})])
    with pytest.raises(LedgerBrokenError, match="row 2"):
        await projector.catch_up()
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())


async def test_a_key_of_the_wrong_type_is_healed_by_a_rebuild(store, ledger, projector, url):
    """When the next row of that number comes."""
    await ask(url, "SET", keys.objections(PERSON), "x")
    await ledger.append([objection("acme")])
    await projector.catch_up()
    assert await _scopes(store) == {"acme"}


async def test_a_running_projector_outlives_ledger_and_store(store, ledger, projector, url, caplog):
    """It says once what is wrong, and is ready again when it is over."""
    running = asyncio.create_task(projector.run())
    try:
        ledger.away = True
        await until(lambda: _is_ready(projector, False))
        assert projector.fault == "the ledger is away"
        await asyncio.sleep(0.1)
        ledger.away = False
        await ask(url, "FLUSHALL")
        projector.wake()
        await until(lambda: _is_ready(projector, True))
        assert [r.message for r in caplog.records if "is away" in r.message] == [
            "store: not in step with the ledger: the ledger is away"
        ]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_catching_up_passes_the_ledgers_fault_on(ledger, projector):
    """At start the caller wants to know."""
    ledger.away = True
    with pytest.raises(LedgerUnavailableError):
        await projector.catch_up()


async def test_many_rows_arrive_complete(store, ledger, projector, url):
    """More than one step, over all buckets."""
    people = [person_tag(b"k" * 32, f"+3120{number:07d}") for number in range(12_000)]
    await ledger.append([objection("*", person=person) for person in people])
    await projector.catch_up()
    assert await ask(url, "DBSIZE") == len(people) + len(keys.BUCKETS) + 1
    assert await _scopes(store, people[-1]) == {"*"}
    await projector.rebuild()
    assert await ask(url, "DBSIZE") == len(people) + len(keys.BUCKETS) + 1


async def test_a_call_over_many_buckets_writes_nothing_when_one_is_not_ours(ledger, projector, projection, url):
    """The bucket written last is the one that another process has begun to fill."""
    people = [f"{number:02x}" + PERSON[2:] for number in range(40)]
    await projector.catch_up()
    rows = await ledger.append([objection("*", person=person) for person in people])
    assert rows == len(people)
    last = keys.bucket_of(people[-1])
    await ask(url, "DEL", keys.ready(last))
    await ask(url, "SET", keys.building(last), "another")
    with pytest.raises(StoreNotReadyError):
        await projection.apply(ledger.rows)
    assert await ask(url, "EXISTS", *(keys.objections(person) for person in people)) == 0
