"""The ledger as the flows use it, in every database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from ledger_lab import PERSON, SECRET, ask, make_event, tamper, until

from asterisk_plugin.errors import LedgerBrokenError, LedgerUnavailableError
from asterisk_plugin.ledger import LedgerLimits, open_ledger, verify
from asterisk_plugin.ledger.chain import EMPTY_HASH
from asterisk_plugin.ledger.foreign import ForeignEvents
from asterisk_plugin.ports import EventKind, StoredEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractAsyncContextManager, contextmanager

    from asterisk_plugin.ledger import SqlLedger

    Running = Callable[..., AbstractAsyncContextManager[SqlLedger]]
else:
    from contextlib import contextmanager

CUT_ALL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
NUMBER = {"number": "+31201234567", "wording": "nooit meer bellen, “nooit” \x00"}


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another program holds the lock that an append needs."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT * FROM head FOR UPDATE"))
        yield
        connection.rollback()
    engine.dispose()


async def read_all(ledger: SqlLedger, after: int = 0) -> list[StoredEvent]:
    return [stored async for stored in ledger.read(after)]


async def test_an_event_is_read_back_as_it_was_submitted(url: str, running: Running) -> None:
    """Body, personal data, moment, person and kind survive."""
    event = make_event(EventKind.OBJECTION, body={"scope": "*", "by": "é\x00\ud800"}, sealed=NUMBER)
    async with running(url) as ledger:
        assert await ledger.head() == (0, EMPTY_HASH)
        ledger.submit(event)
        await ledger.wait_durable(event.id, 5)
        (stored,) = await read_all(ledger)
        assert (stored.seq, stored.event) == (1, event)
        assert await ledger.head() == (1, stored.hash)
    assert verify(url, SECRET).rows == 1


async def test_personal_data_never_stands_in_the_clear(sqlite_url: str, running: Running) -> None:
    """Neither the file nor its log contains the number."""
    async with running(sqlite_url) as ledger:
        await ledger.append([make_event(sealed=NUMBER)])
        path = sqlite_url.removeprefix("sqlite:///")
        for suffix in ("", "-wal"):
            with open(path + suffix, "rb") as file:  # noqa: ASYNC230 - two small files
                assert b"31201234567" not in file.read()


async def test_the_same_id_is_recorded_once(url: str, running: Running) -> None:
    """Submitted twice, appended again, and twice in one append: one row, and the first content stays."""
    event = make_event(body={"first": True})
    again = make_event(event_id=event.id, body={"first": False})
    other = make_event()
    async with running(url) as ledger:
        ledger.submit(event)
        ledger.submit(again)
        assert await ledger.append([again, other, again]) == 2
        assert await ledger.append([event]) == 1
        assert [stored.event for stored in await read_all(ledger)] == [event, other]
    assert verify(url, SECRET).rows == 2


async def test_append_says_the_last_seq_and_an_empty_one_the_heads(url: str, running: Running) -> None:
    """Seqs count from 1 without gaps."""
    async with running(url) as ledger:
        assert await ledger.append([]) == 0
        assert await ledger.append([make_event() for _ in range(3)]) == 3
        assert await ledger.append([]) == 3


async def test_reading_goes_through_batches_from_any_place(url: str, running: Running) -> None:
    """More rows than one batch, from the start and from the middle."""
    events = [make_event(body={"number": number}) for number in range(2500)]
    async with running(url) as ledger:
        assert await ledger.append(events) == 2500
        assert [stored.event.id for stored in await read_all(ledger)] == [event.id for event in events]
        assert [stored.seq for stored in await read_all(ledger, 1700)] == list(range(1701, 2501))
        assert await read_all(ledger, 2500) == []


async def test_events_of_one_person_are_found(url: str, running: Running) -> None:
    """Only that person's, oldest first; nobody is not a person."""
    mine = [make_event(EventKind.CONSENT, sealed=NUMBER), make_event(EventKind.CONSENT_WITHDRAWN)]
    async with running(url) as ledger:
        await ledger.append([mine[0], make_event(person="f" * 32), make_event(person=""), mine[1]])
        assert [stored.event for stored in await ledger.find_by_person(PERSON)] == mine
        assert await ledger.find_by_person("") == ()
        assert await ledger.count_by_kind() == {
            EventKind.CONSENT: 1,
            EventKind.CONSENT_WITHDRAWN: 1,
            EventKind.ATTEMPT: 2,
        }


async def test_events_are_found_by_their_ids_many_at_a_time(url: str, running: Running) -> None:
    """Those that are on disk, without personal data; more than one statement takes."""
    events = [make_event(EventKind.OBJECTION, sealed=NUMBER) for _ in range(600)]
    async with running(url) as ledger:
        await ledger.append(events)
        wanted = [event.id for event in events[1:]]
        found = await ledger.find_events([*wanted, "f" * 32])
        assert sorted(stored.event.id for stored in found) == sorted(wanted)
        assert {stored.event.sealed for stored in found} == {None}
        assert await ledger.find_events([]) == ()


async def test_a_destroyed_key_makes_unreadable_what_it_sealed_and_the_chain_still_verifies(
    url: str, running: Running
) -> None:
    """Erasure: the person's data is gone, others' is not, and a new key does not open the old data."""
    async with running(url) as ledger:
        await ledger.append([make_event(sealed=NUMBER), make_event(person="f" * 32, sealed=NUMBER)])
        tamper(url, "DELETE FROM person_keys WHERE person = :person", person=PERSON)
        await ledger.append([make_event(sealed={"number": "new"})])
        stored = await read_all(ledger)
        assert [one.event.sealed for one in stored] == [None, NUMBER, {"number": "new"}]
    report = verify(url, SECRET)
    assert (report.rows, report.sealed, report.erased) == (3, 3, 1)


async def test_durable_is_known_for_events_of_another_process(url: str, running: Running) -> None:
    """One ledger waits for what the other writes, before and after it is there."""
    early, late = make_event(), make_event()
    async with running(url) as here, running(url) as there:
        await there.append([early])
        await here.wait_durable(early.id, 5)
        waiting = [asyncio.create_task(here.wait_durable(late.id, 5)) for _ in range(3)]
        done, _ = await asyncio.wait(waiting, timeout=0.05)
        assert not done
        there.submit(late)
        await asyncio.gather(*waiting)
        assert late.id in {stored.event.id for stored in await read_all(here)}


async def test_waiting_goes_on_while_the_database_does_not_answer() -> None:
    """It may heal before whoever waits loses patience."""
    answers: list[type[Exception] | None] = [LedgerUnavailableError, LedgerUnavailableError, None]

    async def look_up(ids: Collection[str]) -> Collection[str]:
        if error := answers.pop(0):
            raise error
        return ids

    async with asyncio.timeout(30):
        await ForeignEvents(look_up).wait("a" * 32)
    assert not answers


async def test_waiting_for_an_event_that_nobody_wrote_ends_in_time(url: str, running: Running) -> None:
    """An unknown id is not durable."""
    async with running(url) as ledger:
        started = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match=r"not on disk after 0\.1 s: nobody wrote it"):
            await ledger.wait_durable("e" * 32, 0.1)
        assert 0.09 < time.monotonic() - started < 2


async def test_submit_does_not_block_and_nothing_is_durable_while_another_holds_the_lock(
    url: str, running: Running
) -> None:
    """A lock shorter than the patience delays and loses nothing."""
    event = make_event()
    async with running(url) as ledger:
        with locked(url):
            started = time.monotonic()
            ledger.submit(event)
            assert time.monotonic() - started < 0.5
            with pytest.raises(LedgerUnavailableError):
                await ledger.wait_durable(event.id, 0.1)
            assert ledger.status.waiting == 1
        await ledger.wait_durable(event.id, 5)
        assert (ledger.status.waiting, ledger.status.retries) == (0, 0)


async def test_a_failed_write_is_told_at_once_kept_and_healed(url: str, running: Running) -> None:
    """Locked out: unhealthy, submit refuses, what was queued is written afterwards, once."""
    kept, refused = make_event(), make_event()
    async with running(url, lock_wait_s=0.05) as ledger:
        with locked(url):
            ledger.submit(kept)
            await until(lambda: ledger.status.retries > 1)
            assert not ledger.healthy
            with pytest.raises(LedgerUnavailableError, match="lock"):
                ledger.submit(refused)
        await ledger.wait_durable(kept.id, 5)
        assert ledger.healthy
        assert "lock" in ledger.status.last_error
        ledger.submit(refused)
        await ledger.wait_durable(refused.id, 5)
        assert [stored.event.id for stored in await read_all(ledger)] == [kept.id, refused.id]
    assert verify(url, SECRET).rows == 2


async def test_it_heals_although_nothing_waits(url: str, running: Running) -> None:
    """The only event was withdrawn: the disk is probed all the same, or submit would refuse for ever."""
    async with running(url, lock_wait_s=0.05) as ledger:
        with locked(url):
            with pytest.raises(LedgerUnavailableError):
                await ledger.append([make_event()], timeout_s=0.3)
            assert not ledger.healthy
            assert ledger.status.waiting == 0
        await until(lambda: ledger.healthy)
        assert await ledger.head() == (0, EMPTY_HASH)


@pytest.mark.parametrize("lock_wait_s", [0.05, 5.0])
async def test_an_append_that_failed_is_not_written_behind_the_callers_back(
    url: str, running: Running, lock_wait_s: float
) -> None:
    """Out of time between two tries, or in the middle of one: not written; appended again it is, once."""
    event, neighbour = make_event(), make_event()
    async with running(url, lock_wait_s=lock_wait_s) as ledger:
        with locked(url):
            ledger.submit(neighbour)
            with pytest.raises(LedgerUnavailableError, match="nothing was written"):
                await ledger.append([event], timeout_s=0.3)
        await ledger.wait_durable(neighbour.id, 5)
        await until(lambda: ledger.status.waiting == 0)
        assert [stored.event.id for stored in await read_all(ledger)] == [neighbour.id]
        assert await ledger.append([event]) == 2


async def test_a_cancelled_append_is_not_written(url: str, running: Running) -> None:
    """Whoever cancels has been told nothing, so nothing must appear."""
    async with running(url) as ledger:
        with locked(url):
            append = asyncio.create_task(ledger.append([make_event()]))
            await until(lambda: ledger.status.waiting == 1)
            append.cancel()
            with pytest.raises(asyncio.CancelledError):
                await append
        await until(lambda: ledger.status.waiting == 0)
        assert await ledger.append([make_event()]) == 1


async def test_too_much_waiting_is_refused(sqlite_url: str, running: Running) -> None:
    """The backlog has a bound, and everything inside it is written."""
    async with running(sqlite_url, backlog=10) as ledger:
        with locked(sqlite_url):
            for _ in range(10):
                ledger.submit(make_event())
            with pytest.raises(LedgerUnavailableError, match="10 events wait already"):
                ledger.submit(make_event())
        await until(lambda: ledger.status.waiting == 0)
        assert (await ledger.head())[0] == 10


async def test_a_write_that_stalls_counts_as_failing(sqlite_url: str, running: Running) -> None:
    """A disk that neither answers nor fails is noticed too."""
    event = make_event()
    async with running(sqlite_url, lock_wait_s=10, stall_s=0.1) as ledger:
        with locked(sqlite_url):
            ledger.submit(event)
            await until(lambda: not ledger.healthy)
            with pytest.raises(LedgerUnavailableError, match="the disk stalls"):
                ledger.submit(make_event())
        await ledger.wait_durable(event.id, 5)
        assert ledger.healthy


async def test_what_waits_at_the_same_time_is_written_in_few_commits(
    sqlite_url: str, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Group commit: a thousand events that wait for a lock need two commits at most."""
    commits = []
    async with running(sqlite_url) as ledger:
        sa.event.listen(ledger._database.engine, "commit", commits.append)
        with locked(sqlite_url):
            events = [make_event() for _ in range(1000)]
            for event in events:
                ledger.submit(event)
        await ledger.wait_durable(events[-1].id, 5)
        assert 1 <= len(commits) <= 2


async def test_close_writes_what_waits(url: str) -> None:
    """Nothing that was submitted is lost by an orderly end."""
    ledger = open_ledger(url, secret=SECRET)
    await ledger.start()
    for _ in range(500):
        ledger.submit(make_event())
    await ledger.close()
    assert verify(url, SECRET).rows == 500


async def test_close_says_when_events_were_lost(url: str) -> None:
    """They were never reported durable; still, it is not passed over."""
    ledger = open_ledger(url, secret=SECRET, limits=LedgerLimits(lock_wait_s=0.05))
    await ledger.start()
    with locked(url):
        ledger.submit(make_event())
        ledger.submit(make_event())
        with pytest.raises(LedgerUnavailableError, match="2 events could not be written"):
            await ledger.close(timeout_s=0.3)
    assert verify(url, SECRET).rows == 0


async def test_a_ledger_that_is_not_started_or_closed_takes_nothing(url: str) -> None:
    """It would queue for ever."""
    ledger = open_ledger(url, secret=SECRET)
    with pytest.raises(LedgerUnavailableError, match="not open"):
        ledger.submit(make_event())
    await ledger.start()
    await ledger.close()
    with pytest.raises(LedgerUnavailableError, match="not open"):
        ledger.submit(make_event())


async def test_nothing_is_built_on_a_forged_head(url: str, running: Running) -> None:
    """A head that was changed while we run stops writing, and says why."""
    async with running(url) as ledger:
        await ledger.append([make_event()])
        genuine = ask(url, "SELECT seq, hash, mac FROM head")[0]
        tamper(url, "UPDATE head SET seq = 0, hash = :zeros", zeros=EMPTY_HASH)
        with pytest.raises(LedgerUnavailableError, match="head forged"):
            await ledger.append([make_event()], timeout_s=0.5)
        names = dict(zip(("seq", "hash", "mac"), genuine, strict=True))
        tamper(url, "UPDATE head SET seq = :seq, hash = :hash, mac = :mac", **names)
        await until(lambda: ledger.healthy)
        assert await ledger.append([make_event()]) == 2


async def test_a_ledger_file_that_vanished_is_missed_and_not_replaced(sqlite_url: str, running: Running) -> None:
    """Writing into a deleted file would lose the evidence without a word."""
    path = sqlite_url.removeprefix("sqlite:///")
    async with running(sqlite_url) as ledger:
        await ledger.append([make_event()])
        os.rename(path, path + ".away")
        with pytest.raises(LedgerUnavailableError, match="was removed or replaced"):
            await ledger.append([make_event()], timeout_s=0.5)
        with pytest.raises(LedgerUnavailableError, match="unable to open database file"):
            await ledger.head()
        assert not await asyncio.to_thread(os.path.exists, path)
        os.rename(path + ".away", path)
        await until(lambda: ledger.healthy)
        assert await ledger.append([make_event()]) == 2


async def test_a_database_server_that_drops_every_connection_loses_nothing(
    postgresql_url: str, running: Running
) -> None:
    """A restart of the server under load: writer and readers connect again, every event is there once."""
    events = [make_event() for _ in range(600)]
    async with running(postgresql_url) as ledger:
        for number, event in enumerate(events):
            while True:
                try:
                    ledger.submit(event)
                    break
                except LedgerUnavailableError:
                    await asyncio.sleep(0.02)
            if number % 200 == 100:
                await ledger.wait_durable(events[number - 50].id, 5)
                tamper(postgresql_url, CUT_ALL_OTHERS)
        for event in events:
            await ledger.wait_durable(event.id, 5)
        assert [stored.event.id for stored in await read_all(ledger)] == [event.id for event in events]
        assert ledger.status.last_error
    assert verify(postgresql_url, SECRET).rows == 600


async def test_what_close_gave_up_is_not_written_afterwards(sqlite_url: str) -> None:
    """The writer was waiting for a lock when it was told to end; the lock comes too late."""
    ledger = open_ledger(sqlite_url, secret=SECRET)
    await ledger.start()
    with locked(sqlite_url):
        ledger.submit(make_event())
        with pytest.raises(LedgerUnavailableError, match="1 events could not be written"):
            await ledger.close(timeout_s=0.1)
    await asyncio.to_thread(ledger._writer._thread.join, 5)
    assert verify(sqlite_url, SECRET).rows == 0


async def test_reading_a_row_that_makes_no_sense_names_it(url: str, running: Running) -> None:
    """A broken row is not skipped, and not a traceback."""
    async with running(url) as ledger:
        await ledger.append([make_event(), make_event()])
        tamper(url, "UPDATE events SET kind = 'praise' WHERE seq = 2")
        with pytest.raises(LedgerBrokenError, match="ledger row 2: edited"):
            await read_all(ledger)


async def test_reading_says_when_the_database_is_gone(sqlite_url: str, running: Running) -> None:
    """A reader's error is ours too."""
    async with running(sqlite_url) as ledger:
        sqlite3.connect(sqlite_url.removeprefix("sqlite:///")).execute("DROP TABLE head").connection.close()
        with pytest.raises(LedgerUnavailableError, match="no such table: head"):
            await ledger.head()
