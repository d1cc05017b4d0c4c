"""Taking an objection: on disk, in force, confirmed, in this order; and never a false confirmation."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from objection_parts import AT, NUMBER, SECRET, Parts, claim

from asterisk_plugin.callflow import objections as flow
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import LedgerUnavailableError, NotRecordedError, StoreTimeoutError
from asterisk_plugin.ports import Event, EventKind

AWAY = LedgerUnavailableError("the ledger is away")


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def impatient(monkeypatch):
    """Short waits, so that what hangs takes no seconds."""
    monkeypatch.setattr(flow, "LOOK_UP_S", 0.05)
    monkeypatch.setattr(flow, "LEDGER_WAIT_S", 0.05)
    monkeypatch.setattr(flow, "SPOOL_WAIT_S", 0.05)
    monkeypatch.setattr(flow, "STORE_WAIT_S", 0.05)


async def test_on_disk_first_then_told_then_in_force_then_confirmed(parts):
    """With everything there: ledger, running calls, store; the spool is not touched, nobody is held."""
    taken = await parts.objections.take(claim())
    assert parts.order == ["ledger", "told", "store"]
    assert (taken.held, taken.at) == ("ledger", AT)
    assert parts.store.rows == {taken.event_id: 1}
    assert parts.objections.hold() == ""
    (objected,) = parts.objected
    assert (objected.event_id, objected.person) == (taken.event_id, person_tag(SECRET, NUMBER))
    assert (objected.scope, objected.reference) == ("acme", taken.reference)


async def test_whoever_withdraws_and_objects_again_in_the_same_call_is_recorded_again(parts):
    """The first stands no more: to find it in the ledger is not enough. After that once, as ever."""
    first = await parts.objections.take(claim())
    assert await parts.objections.take(claim()) == first
    withdrawn = Event(
        "f" * 32, EventKind.OBJECTION_WITHDRAWN, AT, person_tag(SECRET, NUMBER), {"objection": first.event_id}
    )
    parts.ledger.rows[withdrawn.id] = withdrawn
    second = await parts.objections.take(claim())
    assert second.event_id != first.event_id
    assert parts.store.rows.keys() == {first.event_id, second.event_id}
    assert await parts.objections.take(claim()) == second


async def test_the_event_says_who_when_how_and_what_was_heard(parts):
    """And the number only where it is sealed."""
    said = claim(wording="[1]", by="agent17", language="nl", path="call-end", attempt_id="a" * 32)
    taken = await parts.objections.take(said)
    event = parts.ledger.rows[taken.event_id]
    assert (event.kind, event.at, event.person) == (EventKind.OBJECTION, AT, person_tag(SECRET, NUMBER))
    assert event.sealed == {"number": NUMBER, "wording": "[1]"}
    assert event.body == {
        "scope": "acme",
        "channel": "ivr",
        "reference": taken.reference,
        "by": "agent17",
        "certainty": "called",
        "other_number": "",
        "attempt_id": "a" * 32,
        "language": "nl",
        "path": "call-end",
    }


async def test_a_second_try_of_one_call_records_once(parts):
    """The service and the second try of the dialplan, or a key pressed twice; another scope is another one."""
    first = await parts.objections.take(claim())
    again = await parts.objections.take(claim())
    assert again.event_id == first.event_id
    assert again.reference == first.reference
    everyone = await parts.objections.take(claim(scope="*"))
    other = await parts.objections.take(claim(call="1795286296.135"))
    by_hand = [await parts.objections.take(claim(call="", channel="http")) for _ in range(2)]
    ids = {first.event_id, everyone.event_id, other.event_id, *(taken.event_id for taken in by_hand)}
    assert ids == parts.ledger.rows.keys()
    assert len(ids) == 5


async def test_with_the_store_away_it_is_confirmed_and_nobody_of_this_node_is_dialled(parts):
    """The ledger holds it; the spool is what every process of this node sees."""
    parts.store.error = StoreTimeoutError("away")
    taken = await parts.objections.take(claim())
    assert taken.held == "ledger"
    assert parts.order == ["ledger", "told", "spool"]
    assert "wait" in parts.objections.hold()


async def test_with_the_ledger_away_it_is_confirmed_from_the_spool(parts):
    """And in the store without a row, for other nodes."""
    parts.ledger.error = AWAY
    taken = await parts.objections.take(claim())
    assert taken.held == "spool"
    assert parts.order == ["spool", "told", "store"]
    assert parts.store.rows == {taken.event_id: 0}
    assert parts.objections.hold()


async def test_a_ledger_that_is_known_to_fail_is_not_waited_for(parts, impatient):
    """The person would wait for nothing."""
    parts.ledger.known_to_fail, parts.ledger.hangs = True, True
    assert (await parts.objections.take(claim())).held == "spool"
    assert parts.ledger.appended == 0


async def test_what_was_on_disk_when_everything_stood_still_is_confirmed(parts, impatient):
    """Its time is over when the machine goes on, and it is there."""
    parts.ledger.error = AWAY
    write = parts.spool.add

    def slowly(event):
        time.sleep(0.1)
        write(event)

    parts.spool.add = slowly
    asyncio.get_running_loop().call_later(0.02, time.sleep, 0.3)
    assert (await parts.objections.take(claim())).held == "spool"


async def test_with_both_away_the_person_is_not_told_that_it_was_recorded(parts):
    """Nobody is told anything, and nothing is written anywhere."""
    parts.ledger.error, parts.spool.error = AWAY, LedgerUnavailableError("no space left")
    with pytest.raises(NotRecordedError, match="no space left"):
        await parts.objections.take(claim())
    assert parts.order == []


@pytest.mark.parametrize("fault", [ValueError("a bug"), RuntimeError("a bug"), OSError("disk"), TimeoutError()])
async def test_whatever_the_ledger_says_there_is_the_spool(parts, fault):
    """A fault of ours must not cost a person's objection."""
    parts.ledger.error = fault
    assert (await parts.objections.take(claim())).held == "spool"


async def test_whatever_the_store_or_a_listener_says_it_is_confirmed(parts):
    """It is on disk."""
    parts.store.error = ValueError("a bug")

    def fails(_):
        raise ValueError("a bug")

    parts.objections.on_objected = fails
    parts.spool.error = LedgerUnavailableError("full")
    assert (await parts.objections.take(claim())).held == "ledger"
    assert len(parts.faults) == 3


async def test_every_part_in_every_state(impatient):
    """There, away, silent: confirmed only when ledger or spool has it, and held unless both others have it."""
    for ledger, spool, store in itertools.product(("there", "away", "silent"), repeat=3):
        parts = Parts()
        parts.ledger.error = AWAY if ledger == "away" else None
        parts.ledger.hangs = ledger == "silent"
        parts.spool.error = LedgerUnavailableError("away") if spool == "away" else None
        if spool == "silent":
            parts.spool.goes_on.clear()
        parts.store.error = StoreTimeoutError("away") if store == "away" else None
        parts.store.hangs = store == "silent"
        durable = ledger == "there" or spool == "there"
        try:
            taken = await parts.objections.take(claim())
        except NotRecordedError:
            assert not durable, (ledger, spool, store)
        else:
            assert durable, (ledger, spool, store)
            assert taken.event_id in parts.ledger.rows | parts.spool.held
            in_force = ledger == store == "there"
            assert bool(parts.objections.hold()) is (not in_force and spool == "there")
        finally:
            parts.spool.goes_on.set()


async def test_the_waits_together_are_less_than_two_seconds(parts):
    """Silence everywhere is the longest case: both ways through, with the waits as they are."""
    parts.ledger.hangs, parts.store.hangs = True, True
    started = time.monotonic()
    assert (await parts.objections.take(claim())).held == "spool"
    slowest = time.monotonic() - started
    assert slowest < flow.LOOK_UP_S + flow.LEDGER_WAIT_S * 1.1 + flow.STORE_WAIT_S + 0.3
    assert flow.LEDGER_WAIT_S * 1.1 + flow.SPOOL_WAIT_S + flow.STORE_WAIT_S < 2


async def test_a_person_who_hangs_up_meanwhile_is_recorded_all_the_same(parts):
    """The call's task is cancelled; the objection goes on, and closing waits for it."""
    parts.spool.goes_on.clear()
    parts.ledger.error = AWAY
    task = asyncio.create_task(parts.objections.take(claim()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    parts.spool.goes_on.set()
    await parts.objections.close()
    assert len(parts.spool.held) == 1
    assert parts.order == ["spool", "told", "store"]


@pytest.mark.parametrize("changes", [{"number": ""}, {"number": "0201234567"}, {"number": "+3120"}, {"scope": ""}])
async def test_what_is_no_claim_is_not_recorded(parts, changes):
    """And the person is not told that it was."""
    with pytest.raises(NotRecordedError):
        await parts.objections.take(claim(**changes))
    assert parts.order == []


async def test_wording_is_cut_not_refused(parts):
    """A person who goes on pressing keys is still recorded."""
    taken = await parts.objections.take(claim(wording="x" * 100_000))
    assert len(parts.ledger.rows[taken.event_id].sealed["wording"]) == flow.MOST_WORDING_CHARS
