"""One store and more than one that uses it: other rules, other ledgers, other processes."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import math

import pytest
from store_lab import (
    KEEP_S,
    NOW,
    OTHER_PERSON,
    PERSON,
    SHOWN,
    TIMEOUT_S,
    MemoryLedger,
    ask,
    attempt,
    numbered,
    objection,
    query,
    scopes_held,
    until,
)

from asterisk_plugin.callflow.projector import AHEAD_QUIET_S, FOREIGN_QUIET_S, Projector, ledger_id
from asterisk_plugin.core.facts import AttemptLimit, LimitScope
from asterisk_plugin.errors import LedgerUnavailableError, StoreNotReadyError
from asterisk_plugin.store import keys
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store

DAY_S = 86400.0
MONTH = AttemptLimit("month", LimitScope.NUMBER, NOW - dt.timedelta(days=30), 9)


@pytest.fixture
async def second(url):
    """Another node's projection into the same store."""
    made = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    yield made
    await made.close()


@pytest.fixture
async def other():
    """Another ledger, with two rows."""
    made = MemoryLedger(seed="other")
    await made.append([objection("other1"), objection("other2")])
    return made


async def _quiet_for(url, seconds):
    moved_ms = int(await ask(url, "HGET", keys.POSITION, "moved_ms"))
    await ask(url, "HSET", keys.POSITION, "moved_ms", moved_ms - round(seconds * 1000))


async def _has_a_fault(projector):
    return bool(projector.fault)


async def _used(store):
    return (await store.look_up(query(limits=(MONTH,)))).attempts[0].used


async def test_shorter_windows_and_back_lose_no_attempt(store, ledger, projector, projection, url):
    """Neither from a reservation nor from the ledger, and the set does not end too early."""
    await ledger.append([attempt(1, at=NOW - dt.timedelta(days=5))])
    await projector.catch_up()
    for keeper in (store, projection):
        keeper.keep_attempts_s = DAY_S
    assert (await store.look_up(query(reserve=True, attempt_id=numbered(2)))).reserved
    await ledger.append([attempt(3, at=NOW - dt.timedelta(days=4))])
    await projector.catch_up()
    assert await ask(url, "PTTL", keys.attempts(PERSON)) > 20 * DAY_S * 1000
    for keeper in (store, projection):
        keeper.keep_attempts_s = KEEP_S
    await projector.catch_up()
    assert await _used(store) == 3


async def test_a_node_with_shorter_windows_trims_nothing_of_the_others(store, ledger, projector, url):
    """Service and `ringfence-agi` may for a time run different rules on one store."""
    await ledger.append([attempt(1, at=NOW - dt.timedelta(days=5))])
    await projector.catch_up()
    short = RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=DAY_S)
    try:
        assert (await short.look_up(query(reserve=True, attempt_id=numbered(2)))).reserved
    finally:
        await short.close()
    assert await _used(store) == 2


async def test_a_node_with_longer_windows_waits_until_the_store_is_filled_for_them(store, ledger, projector, second):
    """Too few attempts would be counted until then."""
    await ledger.append([attempt(1, at=NOW - dt.timedelta(seconds=KEEP_S * 1.5))])
    await projector.catch_up()
    store.keep_attempts_s = second.keep_attempts_s = KEEP_S * 2
    with pytest.raises(StoreNotReadyError, match="less time"):
        await store.look_up(query())
    await Projector(ledger, second).catch_up()
    since_ever = dataclasses.replace(MONTH, since=None)
    assert (await store.look_up(query(limits=(since_ever,)))).attempts[0].used == 1


async def test_a_store_of_another_ledger_is_built_anew_when_nobody_uses_it(url, projection):
    """Shorter, equally long or longer; not one of its records stays."""
    for rows in (1, 2, 3):
        first, then = MemoryLedger(seed=f"first {rows}"), MemoryLedger(seed=f"then {rows}")
        await first.append([objection("old"), objection("old2")])
        await then.append([objection(f"new{n}") for n in range(rows)])
        await Projector(first, projection, quiet_s=0).catch_up()
        await _quiet_for(url, FOREIGN_QUIET_S)
        await Projector(then, projection).catch_up()
        assert await scopes_held(url) == [f"new{n}" for n in range(rows)]
        state = await projection.state()
        assert (state.complete, state.ledger_id) == (True, then.rows[0].hash)


async def test_a_store_that_another_ledger_keeps_in_step_is_left_alone(url, ledger, projector, second, other, caplog):
    """Else the two would empty it in turn for ever; the log names the cause."""
    await ledger.append([objection("acme")])
    await projector.catch_up()
    intruder = Projector(other, second, poll_s=0.01)
    running = asyncio.create_task(intruder.run())
    try:
        await _quiet_for(url, FOREIGN_QUIET_S - 5)
        await until(lambda: _has_a_fault(intruder))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "filled from another ledger" in intruder.fault
    assert any("filled from another ledger" in record.message for record in caplog.records)
    assert not intruder.ready
    await projector.catch_up()
    assert await scopes_held(url) == ["acme"]


async def test_a_projector_that_has_nothing_to_write_still_shows_that_it_is_there(url, ledger, projector, projection):
    """At night no row comes, and the store is in use all the same."""
    await ledger.append([objection("acme")])
    await projector.catch_up()
    await _quiet_for(url, FOREIGN_QUIET_S)
    assert (await projection.state()).idle_s >= FOREIGN_QUIET_S
    projection._show_life_at = 0.0
    await projector.catch_up()
    assert (await projection.state()).idle_s < FOREIGN_QUIET_S / 2


@pytest.mark.parametrize("copied", [1, 2])
async def test_two_copies_of_one_ledger_do_not_fight_either(url, ledger, projector, second, copied):
    """One behind, or gone another way; one restored from a backup is taken a little later."""
    await ledger.append([objection("a"), objection("b")])
    await projector.catch_up()
    copy = MemoryLedger(rows=ledger.rows[:1], seed="copy")
    await copy.append([objection("c")] * (copied - 1))
    intruder = Projector(copy, second)
    with pytest.raises(StoreNotReadyError, match="left alone"):
        await intruder.catch_up()
    await _quiet_for(url, AHEAD_QUIET_S)
    await intruder.catch_up()
    assert (await second.state()).position.seq == copied


async def test_a_decision_refuses_a_store_of_another_ledger(url, store, ledger, projector, other):
    """It is complete, and its silence about a person means nothing to us: no look-up, no redemption."""
    await ledger.append([objection("*", person=OTHER_PERSON)])
    await projector.catch_up()
    ours, theirs = (
        RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S, identify=lambda book=book: ledger_id(book))
        for book in (ledger, other)
    )
    try:
        assert (await ours.look_up(query(reserve=True))).reserved
        with pytest.raises(StoreNotReadyError, match="another ledger"):
            await theirs.look_up(query(reserve=True, attempt_id=numbered(2), token=numbered(2)))
        with pytest.raises(StoreNotReadyError, match="another ledger"):
            await theirs.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=NOW)
        assert (await ours.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=NOW)).attempt_id == "a" * 32
    finally:
        await ours.close()
        await theirs.close()


async def test_a_projector_tells_the_store_of_its_process_which_ledger_counts(url, ledger, projector, other):
    """Also when it is refused."""
    await ledger.append([objection("acme")])
    await projector.catch_up()
    theirs = RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S)
    try:
        with pytest.raises(StoreNotReadyError, match="left alone"):
            await Projector(other, theirs.projection).catch_up()
        with pytest.raises(StoreNotReadyError, match="another ledger"):
            await theirs.look_up(query())
    finally:
        await theirs.close()


async def test_a_ledger_that_cannot_be_read_makes_the_store_not_ready(url, store, ledger):
    """Until it was read once; then its identity is known."""
    ledger.away = True
    asking = RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S, identify=lambda: ledger_id(ledger))
    try:
        with pytest.raises(StoreNotReadyError, match="cannot be told"):
            await asking.look_up(query())
        ledger.away = False
        await asking.look_up(query())
    finally:
        await asking.close()


@pytest.mark.parametrize("may_rebuild", [True, False])
async def test_an_empty_ledger_never_empties_a_filled_store(url, store, ledger, projector, second, may_rebuild):
    """A fresh data directory beside a production store; however long that was quiet."""
    await ledger.append([objection("*")])
    await projector.catch_up()
    await _quiet_for(url, FOREIGN_QUIET_S * 100)
    fresh = Projector(MemoryLedger(), second, quiet_s=0)
    with pytest.raises(StoreNotReadyError, match="this one is empty"):
        await fresh.catch_up(may_rebuild=may_rebuild)
    assert len((await store.look_up(query())).objections) == 1
    await fresh.rebuild()
    assert (await second.state()).ledger_id == ""
    assert await ask(url, "EXISTS", keys.objections(PERSON)) == 0


async def test_whoever_is_no_service_leaves_what_is_not_its_ledgers(url, ledger, projector, second, other):
    """Another ledger's, or one that is ahead; an empty store it fills, its own it brings up to date."""
    await ledger.append([objection("a"), objection("b")])
    await Projector(ledger, second).catch_up(may_rebuild=False)
    await ledger.append([objection("c")])
    await Projector(ledger, second).catch_up(may_rebuild=False)
    assert len(await scopes_held(url)) == 3
    await _quiet_for(url, FOREIGN_QUIET_S * 2)
    for stranger in (other, MemoryLedger(rows=ledger.rows[:2])):
        with pytest.raises(StoreNotReadyError, match="left alone"):
            await Projector(stranger, second, quiet_s=0).catch_up(may_rebuild=False)
    await ask(url, "DEL", keys.ready("7f"))
    with pytest.raises(StoreNotReadyError, match="ahead"):
        await Projector(MemoryLedger(rows=ledger.rows[:2]), second, quiet_s=0).catch_up(may_rebuild=False)
    assert len(await scopes_held(url)) == 3
    await ask(url, "FLUSHALL")
    await Projector(ledger, second).catch_up(may_rebuild=False)
    assert len(await scopes_held(url)) == 3


async def test_the_first_row_of_an_empty_ledger_is_not_mistaken_for_another_ledger(url, store, ledger, second):
    """And a store that was filled as empty never speaks for a ledger with rows before it is filled from it."""
    asking = RedisStore(url, timeout_s=TIMEOUT_S, keep_attempts_s=KEEP_S, identify=lambda: ledger_id(ledger))
    try:
        await asking.look_up(query())
        await ledger.append([objection("*")])
        with pytest.raises(StoreNotReadyError):
            await asking.look_up(query())
        await Projector(ledger, second).catch_up(may_rebuild=False)
        assert len((await asking.look_up(query())).objections) == 1
    finally:
        await asking.close()


async def test_an_unknown_age_is_infinite(projection):
    """An empty store may be filled by anybody."""
    state = await projection.state()
    assert (state.complete, state.ledger_id, state.idle_s) == (False, "", math.inf)


async def test_the_identity_of_a_ledger_is_its_first_row(ledger):
    """Empty without one; an error when it cannot be read."""
    assert await ledger_id(ledger) == ""
    await ledger.append([objection("a"), objection("b")])
    assert await ledger_id(ledger) == ledger.rows[0].hash
    ledger.away = True
    with pytest.raises(LedgerUnavailableError):
        await ledger_id(ledger)


async def test_a_store_in_step_names_its_ledger_without_a_look_at_the_first_row(ledger, projector, second):
    """A process that lives for one call need not read it; one that is behind asks the quicker way it was given."""
    asked = []

    async def identify():
        asked.append(1)
        return ledger.rows[0].hash

    await ledger.append([objection("a"), objection("b")])
    await projector.catch_up()
    await Projector(ledger, second, identify=identify).catch_up()
    assert (asked, second.ledger_id) == ([], ledger.rows[0].hash)
    await ledger.append([objection("c")])
    await Projector(ledger, second, identify=identify).catch_up()
    assert (asked, second.ledger_id) == ([1], ledger.rows[0].hash)
