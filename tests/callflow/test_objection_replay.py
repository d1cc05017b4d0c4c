"""Out of the spool, into the ledger and into force: exactly once, and not before both have it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from objection_parts import Parts, claim, until

from asterisk_plugin.callflow import objection_replay
from asterisk_plugin.callflow.objection_replay import Replay
from asterisk_plugin.errors import LedgerUnavailableError, StoreNotReadyError

AWAY = LedgerUnavailableError("the ledger is away")


@pytest.fixture
async def parts() -> Parts:
    """Two objections in the spool, everything there again."""
    made = Parts()
    made.ledger.error, made.store.error = AWAY, StoreNotReadyError("away")
    await made.objections.take(claim())
    await made.objections.take(claim(scope="*"))
    made.ledger.error = made.store.error = None
    made.order.clear()
    made.objected.clear()
    return made


@pytest.fixture
def replay(parts) -> Replay:
    return Replay(parts.spool, ledger=parts.ledger, store=parts.store, on_objected=parts.told)


async def test_ledger_then_store_then_out_of_the_spool(parts, replay):
    """In this order, one after the other; then decisions go on."""
    assert await replay.once()
    assert parts.order == ["told", "told", *["ledger", "store", "removed"] * 2]
    assert list(parts.store.rows.values()) == [1, 2]
    assert parts.objections.hold() == ""
    assert replay.fault == ""


async def test_before_the_first_call_the_spool_is_prepared_and_emptied(parts, replay):
    """A disk that does not take the reserve is no reason not to start."""
    parts.spool.error = LedgerUnavailableError("full")
    await replay.first()
    assert parts.objections.hold()
    parts.spool.error = None
    await replay.first()
    assert parts.order[0] == "prepared"
    assert parts.objections.hold() == ""


async def test_what_a_full_disk_has_used_of_the_reserve_is_made_up_for(parts, replay, monkeypatch):
    """While it runs, not only at the next start."""
    monkeypatch.setattr(objection_replay, "PREPARE_S", 0)
    task = asyncio.create_task(replay.run())
    await until(lambda: parts.order.count("prepared") == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_with_the_ledger_still_away_the_store_gets_it_and_the_spool_keeps_it(parts, replay, monkeypatch):
    """The store may have been emptied meanwhile, so it is written again from time to time."""
    parts.ledger.error = AWAY
    assert not await replay.once()
    assert list(parts.store.rows.values()) == [0, 0]
    assert len(parts.spool.held) == 2
    assert replay.fault == "the ledger is away"
    await replay.once()
    assert parts.store.puts == 4  # two when they were taken, two now
    monkeypatch.setattr(objection_replay, "PUT_AGAIN_S", 0)
    await replay.once()
    assert parts.store.puts == 6


async def test_with_the_store_still_away_the_ledger_takes_it_once_and_nobody_is_dialled(parts, replay):
    """Not appended again and again for as long as the store is away."""
    parts.store.error = StoreNotReadyError("being filled")
    for _ in range(5):
        assert not await replay.once()
    assert parts.ledger.appended == 4  # two failed when they were taken, two now
    assert parts.objections.hold()
    parts.store.error = None
    assert await replay.once()
    assert list(parts.store.rows.values()) == [1, 2]


async def test_a_removal_that_fails_is_repeated_without_harm(parts, replay):
    """The same as being killed before it."""
    real = parts.spool.remove

    def fails(event_id):
        raise LedgerUnavailableError("read-only")

    parts.spool.remove = fails
    assert not await replay.once()
    parts.spool.remove = real
    assert await Replay(parts.spool, ledger=parts.ledger, store=parts.store).once()
    assert len(parts.ledger.rows) == 2


async def test_an_unreadable_file_is_named_and_the_others_are_brought(parts, replay, caplog):
    """Said once, not twenty times a second."""
    parts.spool.unreadable = ["/spool/new/x"]
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert not await replay.once()
    assert len(parts.ledger.rows) == 2
    assert len(caplog.records) == 1
    assert "/spool/new/x" in replay.fault
    assert parts.objections.hold()


async def test_while_another_process_replays_nothing_is_done(parts, replay):
    """Two at once would be safe, only twice the work."""
    parts.spool.other_replays = True
    assert not await replay.once()
    assert parts.order == []


async def test_another_process_objections_are_told_to_running_calls_once(parts, replay):
    """A worker took it while the store was away, so nothing was announced."""
    parts.ledger.error = AWAY
    for _ in range(3):
        await replay.once()
    assert [objected.scope for objected in parts.objected] == ["acme", "*"]


async def test_it_runs_until_cancelled_and_heals_by_itself(parts, replay):
    """Also through a spool that cannot be read."""
    parts.ledger.error = AWAY
    task = asyncio.create_task(replay.run())
    await until(lambda: bool(replay.fault))
    parts.ledger.error, parts.spool.error = None, LedgerUnavailableError("cannot be read")
    await until(lambda: replay.fault == "cannot be read")
    parts.spool.error = None
    await until(lambda: not parts.objections.hold() and not replay.fault)
    assert len(parts.ledger.rows) == 2
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
