"""The ledger as the flows see it: asyncio in front, one writer thread and a few readers behind."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asterisk_plugin.errors import LedgerUnavailableError, StartupError
from asterisk_plugin.ledger import reading
from asterisk_plugin.ledger.chain import head_key
from asterisk_plugin.ledger.database import connect_database
from asterisk_plugin.ledger.foreign import ForeignEvents
from asterisk_plugin.ledger.groups import Group, Withdrawal
from asterisk_plugin.ledger.opening import prepare
from asterisk_plugin.ledger.rows import draft_of
from asterisk_plugin.ledger.writer import Writer
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    import sqlalchemy as sa

    from asterisk_plugin.ledger.database import Database
    from asterisk_plugin.ports import Event, StoredEvent

    P = ParamSpec("P")
    T = TypeVar("T")

_READ_ROWS = 1000
_READERS = 2
_SHORTEST_SECRET_BYTES = 16

# One import is one commit; each event in it takes some 25 µs, and other processes may write in between.
_APPEND_S_PER_EVENT = 0.001


@dataclass(frozen=True, slots=True)
class LedgerLimits:
    """How much may wait, and how long.

    Args:
        backlog: Most events that may wait for the disk; further ones are refused.
        append_timeout_s: Longest wait of `append`, plus 1 ms for each event.
        lock_wait_s: Longest wait for another process that writes, before a write counts as failed.
        stall_s: A write that takes longer counts as failing.
    """

    backlog: int = 20_000
    append_timeout_s: float = 5.0
    lock_wait_s: float = 5.0
    stall_s: float = 2.0


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """How writing goes, for logs and metrics.

    Args:
        healthy: False from a failed (or stalled) write until one succeeds.
        waiting: Events not yet on disk.
        retries: Failed writes since the last one that succeeded.
        last_error: What the last failed write said, also after it healed; empty when none failed.
    """

    healthy: bool
    waiting: int
    retries: int
    last_error: str


def open_ledger(url: str, *, secret: bytes, create: bool = True, limits: LedgerLimits | None = None) -> SqlLedger:
    """Open the ledger; it writes once it is started.

    Open it in the process that uses it: neither connections nor threads survive a fork.

    Args:
        url: `sqlite:///path/to/file` or `postgresql+psycopg://user@host/name`.
        secret: The site's secret, at least 16 bytes; the same in every process.
        create: Make file and tables when they are missing.
        limits: None for the usual ones.

    Raises:
        StartupError: It will not work until somebody changes something: no such file, not a ledger, schema
            newer than this program, not writable, another secret.
        LedgerUnavailableError: It may work later: locked, disk full, server away.
    """
    limits = limits or LedgerLimits()
    if len(secret) < _SHORTEST_SECRET_BYTES:
        raise StartupError(f"the secret has {len(secret)} bytes, at least {_SHORTEST_SECRET_BYTES} are needed")
    database = connect_database(url, create=create, lock_wait_s=limits.lock_wait_s)
    mac_key = head_key(secret)
    try:
        prepare(database, mac_key=mac_key, create=create)
    finally:
        database.engine.dispose()
    return SqlLedger(database, mac_key=mac_key, limits=limits)


class SqlLedger:
    """The append-only record in SQLite or PostgreSQL (`ports.Ledger`).

    All methods belong to the event loop that called `start`.
    """

    def __init__(self, database: Database, *, mac_key: bytes, limits: LedgerLimits) -> None:
        self._database = database
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="ledger-reader")
        self._foreign = ForeignEvents(self._look_up)
        self._writer = Writer(
            database,
            mac_key=mac_key,
            backlog=limits.backlog,
            stall_s=limits.stall_s,
            on_written=self._tell_from_thread,
        )

    @property
    def healthy(self) -> bool:
        """False from a failed (or stalled) write until one succeeds; it heals by itself."""
        return self._writer.healthy

    @property
    def status(self) -> LedgerStatus:
        """How writing goes."""
        writer = self._writer
        return LedgerStatus(writer.healthy, writer.waiting, writer.retries, writer.last_error)

    async def start(self) -> None:
        """Start writing."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, then let go of the database.

        Args:
            timeout_s: Longest wait for what waits.

        Raises:
            LedgerUnavailableError: Events were lost; none of them was ever reported durable.
        """
        await self._foreign.close()
        lost = await asyncio.to_thread(self._writer.stop, timeout_s)
        await asyncio.to_thread(self._readers.shutdown)
        self._database.engine.dispose()
        if lost:
            raise LedgerUnavailableError(f"{lost} events could not be written: {self._writer.last_error}")

    def check(self) -> None:
        """Return if evidence can be written now.

        Raises:
            LedgerUnavailableError: The last write failed, too much is waiting, or the ledger is not started.
        """
        self._writer.check()

    def submit(self, event: Event, *, patient: bool = False) -> None:
        """Queue for the next group commit; returns at once. Kept and retried when that commit fails.

        Args:
            event: What happened.
            patient: Also while writing fails.

        Raises:
            LedgerUnavailableError: The last write failed and it is not patient, too much is waiting, or the ledger is
                not started.
            ValueError: An event that no ledger can hold (see `rows.draft_of`).
        """
        self._writer.put(Group((draft_of(event),)), patient=patient)

    async def append(self, events: Sequence[Event], *, timeout_s: float | None = None) -> int:
        """Write in one transaction and wait until durable.

        An event whose id is in the ledger already is not written again, so a caller that was told
        "failed" may simply append the same events once more.

        Args:
            events: What to write, all or nothing. Other writers wait meanwhile: pass a long import in
                portions of some thousand.
            timeout_s: Longest wait; None for the limits' own.

        Returns:
            The last of these events' seq; the head's seq when there are none.

        Raises:
            LedgerUnavailableError: Not durable in time, and not tried again. Its message says whether nothing
                was written or whether that cannot be told (the disk did not finish the commit).
            ValueError: An event that no ledger can hold (see `rows.draft_of`).
        """
        if not events:
            return (await self.head())[0]
        if timeout_s is None:
            timeout_s = self._limits.append_timeout_s + len(events) * _APPEND_S_PER_EVENT
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        group = Group(tuple(draft_of(event) for event in events), waiting=[durable])
        self._writer.put(group, patient=True)
        try:
            async with asyncio.timeout(timeout_s):
                return await durable
        except TimeoutError:
            return self._give_up(group, timeout_s)
        except asyncio.CancelledError:
            self._writer.withdraw(group)
            raise

    async def wait_durable(self, event_id: str, timeout_s: float) -> None:
        """Wait until an event that this or another process submitted is on disk.

        Raises:
            LedgerUnavailableError: It is not there within the time.
        """
        if self._writer.has_written(event_id):
            return
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                if self._writer.watch(event_id, durable):
                    await durable
                else:
                    await self._foreign.wait(event_id)
        except TimeoutError:
            why = self._writer.trouble or "nobody wrote it"
            raise LedgerUnavailableError(f"event `{event_id}` is not on disk after {timeout_s} s: {why}") from None

    async def read(self, after: int = 0, *, unseal: bool = True) -> AsyncIterator[StoredEvent]:
        """Every row after seq `after`, in order, as far as there are any now.

        Args:
            after: Seq of the last row that is not wanted.
            unseal: Read the personal parts too; decrypting is most of the cost.

        Raises:
            LedgerUnavailableError: The database does not answer.
            LedgerBrokenError: A row holds what no version of this program wrote.
        """
        while True:
            found = await self._in_thread(reading.events_after, self._database, after, most=_READ_ROWS, unseal=unseal)
            for event in found:
                yield event
            if len(found) < _READ_ROWS:
                return
            after = found[-1].seq

    async def identity(self) -> str:
        """Hash of the first row: what tells this ledger from every other; empty while it has none."""
        return await self._in_thread(reading.first_hash, self._database)

    async def head(self) -> tuple[int, str]:
        """Seq and hash of the newest row, (0, 64 zeros) when empty; cheap enough to ask for news."""
        return await self._in_thread(reading.newest, self._database)

    async def find_by_person(self, person: str) -> tuple[StoredEvent, ...]:
        """Every event about a person, oldest first, with the personal data as far as the key is there.

        Args:
            person: `core.person.person_tag` of the number.
        """
        return await self._in_thread(reading.events_of, self._database, person)

    async def find(self, name: str) -> tuple[StoredEvent, ...]:
        """Events with this id, or else with this reference, oldest first."""
        return await self._in_thread(reading.events_named, self._database, name)

    async def find_events(self, ids: Collection[str]) -> tuple[StoredEvent, ...]:
        """Those of these events that are on disk, in any order, without personal data; raises like `read`."""
        return await self._in_thread(reading.events_with, self._database, ids)

    async def objections(self, *, before: int, most: int, reference: str = "") -> tuple[StoredEvent, ...]:
        """Objections before seq `before` (0: all), newest first, with the personal data as far as the key is there.

        Args:
            before: Seq of the last row that is not wanted.
            most: So many at most.
            reference: Only those with this reference; empty for all.
        """
        ask = reading.objections
        return await self._in_thread(ask, self._database, before=before, most=most, reference=reference)

    async def objection_changes(self) -> tuple[StoredEvent, ...]:
        """Every withdrawal and confirmation of an objection, oldest first."""
        return await self._in_thread(reading.objection_changes, self._database)

    def queue_events(self, *, before: dt.datetime | None = None) -> AsyncIterator[StoredEvent]:
        """What happened in queues, newest first by its moment, without personal data.

        Args:
            before: Only what happened before this moment (aware); None for all.

        Raises:
            LedgerUnavailableError: The database does not answer.
            LedgerBrokenError: A row holds what no version of this program wrote.
        """
        return self._newest_first(reading.QUEUE_EVENTS, before)

    def attempt_ends(self, *, before: dt.datetime | None = None) -> AsyncIterator[StoredEvent]:
        """How attempts ended; order, argument and errors as in `queue_events`."""
        return self._newest_first(reading.ATTEMPT_ENDS, before)

    async def _newest_first(self, which: sa.Select[Any], before: dt.datetime | None) -> AsyncIterator[StoredEvent]:
        place = None if before is None else (before, 0)
        while True:
            found = await self._in_thread(reading.events_before, self._database, which, place, most=_READ_ROWS)
            for stored in found:
                yield stored
            if len(found) < _READ_ROWS:
                return
            place = (found[-1].event.at, found[-1].seq)

    async def count_by_kind(self) -> Mapping[EventKind, int]:
        """How many events there are of each kind. Reads the whole table."""
        found = await self._in_thread(reading.counts, self._database)
        return {EventKind(kind): number for kind, number in found.items()}

    def _give_up(self, group: Group, timeout_s: float) -> int:
        """An append that is out of time: take it back, and say exactly how far it came."""
        result = self._writer.withdraw(group)
        if result is Withdrawal.WRITTEN:
            return group.last_seq
        why = self._writer.trouble or "other writers were first"
        told = {
            Withdrawal.NOT_WRITTEN: "nothing was written",
            Withdrawal.UNCERTAIN: "it may be on disk or not, appending the same events again is safe",
        }[result]
        raise LedgerUnavailableError(f"evidence was not written within {timeout_s} s ({why}): {told}")

    def _tell_from_thread(self, groups: Sequence[Group]) -> None:
        assert self._loop is not None
        # A loop that was closed has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_tell, groups)

    async def _look_up(self, ids: Collection[str]) -> Collection[str]:
        return await self._in_thread(reading.present, self._database, ids)

    async def _in_thread(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: ask(*args, **kwargs))


def _tell(groups: Sequence[Group]) -> None:
    for group in groups:
        for future in group.waiting:
            if not future.done():
                future.set_result(group.last_seq)
