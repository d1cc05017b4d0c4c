"""The writer thread: everything that waits goes to disk in one commit.

While one commit waits for the disk, the next group collects. An event waits 2 ms for others, 20 ms while several
come at a time, and not at all once somebody waits for it. A group that fails is kept and tried again until it is
written or withdrawn.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger.appending import append_drafts
from asterisk_plugin.ledger.database import begin_write, describe, file_identity, sqlite_code
from asterisk_plugin.ledger.groups import Group, Withdrawal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    from asterisk_plugin.ledger.database import Database

# An event that nobody waits for yet lets its decision be answered for so long; and others join its commit, while the
# commit before showed that they come. Shorter when they are rare: another process may wait for it without our knowing.
_LINGER_S = 0.002
_BUSY_LINGER_S = 0.02

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0

# A group holds the write lock some 25 µs an event; other processes must get their turn.
_LARGEST_COMMIT = 4000

# Most questions about an event follow within seconds of it; answered without asking the disk.
_REMEMBERED = 20_000


class _WithdrawnMeanwhile(Exception):
    """A group was withdrawn between begin and commit; no error: the others are written without it."""


class Writer:
    """Owns the only writing connection of this process.

    Args:
        database: Where.
        mac_key: From `chain.head_key`.
        backlog: Most events that may wait.
        stall_s: A commit that takes longer counts as failing.
        on_written: Called in the writer's thread with groups that somebody waits for.
    """

    def __init__(
        self,
        database: Database,
        *,
        mac_key: bytes,
        backlog: int,
        stall_s: float,
        on_written: Callable[[Sequence[Group]], None],
    ) -> None:
        self._database = database
        self._mac_key = mac_key
        self._backlog = backlog
        self._stall_s = stall_s
        self._on_written = on_written
        self._connection: sa.Connection | None = None
        # INVARIANT: everything below is changed only while holding `_changed`; it is read anywhere.
        self._changed = threading.Condition()
        self._queue: deque[Group] = deque()
        self._in_hand: list[Group] = []
        self._pending: dict[str, Group] = {}
        self._written: dict[str, None] = {}
        self._count = 0
        self._urgent = False
        self._busy = False
        self._taken_at = 0.0
        self._committing = False
        self._stopping = False
        self._abandoned = threading.Event()
        self._retries = 0
        self._last_error = ""
        self._file_id = file_identity(self._database)
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    @property
    def healthy(self) -> bool:
        """False from a failed (or stalled) write until one succeeds."""
        taken_at = self._taken_at
        return not self._retries and (not taken_at or time.monotonic() - taken_at < self._stall_s)

    @property
    def waiting(self) -> int:
        """Events not yet on disk."""
        return self._count

    @property
    def retries(self) -> int:
        """Failed writes since the last one that succeeded."""
        return self._retries

    @property
    def last_error(self) -> str:
        """What the last failed write said, also after it healed; empty when none failed."""
        return self._last_error

    @property
    def trouble(self) -> str:
        """Why it is not healthy, empty while it is."""
        if self._retries:
            return self._last_error
        return "" if self.healthy else "the disk stalls"

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def check(self) -> None:
        """Return if a group would be taken now.

        Raises:
            LedgerUnavailableError: As for an impatient `put`.
        """
        self._check(patient=False)

    def put(self, group: Group, *, patient: bool) -> None:
        """Queue a group; returns at once.

        Args:
            group: What to write.
            patient: Also while writing fails, because somebody waits for it to heal.

        Raises:
            LedgerUnavailableError: Not running, too much is waiting, or writing fails and the caller is not
                patient.
        """
        with self._changed:
            self._check(patient=patient)
            self._queue.append(group)
            self._count += len(group.drafts)
            for draft in group.drafts:
                self._pending.setdefault(draft.id, group)
            if group.waiting:
                self._urgent = True
            if group.waiting or len(self._queue) == 1:  # else it was woken already, and lingers
                self._changed.notify()

    def watch(self, event_id: str, future: asyncio.Future[int]) -> bool:
        """Have a future told when an event of ours is on disk.

        Returns:
            False when the event does not wait here: written, or never ours.
        """
        with self._changed:
            group = self._pending.get(event_id)
            if group is None:
                return False
            group.waiting.append(future)
            self._urgent = True
            self._changed.notify()
            return True

    def has_written(self, event_id: str) -> bool:
        """Tell whether we wrote this event lately."""
        return event_id in self._written

    def withdraw(self, group: Group) -> Withdrawal:
        """Take a group back; it is not tried again, whatever the answer."""
        with self._changed:
            if group.last_seq:
                return Withdrawal.WRITTEN
            group.withdrawn = True
            if group in self._in_hand:
                return Withdrawal.UNCERTAIN if self._committing or group.uncertain else Withdrawal.NOT_WRITTEN
            self._queue.remove(group)
            self._forget(group)
            return Withdrawal.UNCERTAIN if group.uncertain else Withdrawal.NOT_WRITTEN

    def stop(self, timeout_s: float) -> int:
        """Write what waits and end the thread; blocks.

        Args:
            timeout_s: Longest wait.

        Returns:
            How many events could not be written.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            self._abandoned.set()
            self._thread.join(_FIRST_PAUSE_S)
        return self._count

    def _check(self, *, patient: bool) -> None:
        if not patient and not self.healthy:
            raise LedgerUnavailableError(f"evidence cannot be written: {self.trouble}")
        if self._stopping or not self._thread.is_alive():
            raise LedgerUnavailableError("evidence cannot be written: the ledger is not open")
        if self._count >= self._backlog:
            raise LedgerUnavailableError(f"evidence cannot be written: {self._count} events wait already")

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._abandoned.is_set() and (groups := self._take()) is not None:
            try:
                self._write(groups)
            except _WithdrawnMeanwhile:
                self._put_back(groups)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the thread must live on and try again
                self._note_failure(exc)
                self._put_back(groups)
                self._drop_connection()
                self._abandoned.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                pause_s = _FIRST_PAUSE_S
        self._drop_connection()

    def _take(self) -> list[Group] | None:
        """Wait for work; None when there will be no more. While writing fails, nothing is a probe."""
        with self._changed:
            while not (self._queue or self._retries or self._stopping):
                self._changed.wait()
            if self._stopping and not self._queue:
                return None
            if not (self._urgent or self._stopping or self._retries):
                linger_s = _BUSY_LINGER_S if self._busy else _LINGER_S
                self._changed.wait_for(lambda: self._urgent or self._stopping, linger_s)
            self._urgent = False
            self._busy = self._count > 1
            events = 0
            while self._queue and (not events or events + len(self._queue[0].drafts) <= _LARGEST_COMMIT):
                group = self._queue.popleft()
                events += len(group.drafts)
                self._in_hand.append(group)
            self._taken_at = time.monotonic()
            return list(self._in_hand)

    def _write(self, groups: Sequence[Group]) -> None:
        if file_identity(self._database) != self._file_id:
            raise FileNotFoundError(f"the file `{self._database.path}` was removed or replaced")
        if self._connection is None:
            self._connection = self._database.engine.connect()
        begin_write(self._database, self._connection)
        drafts = (draft for group in groups for draft in group.drafts)
        seqs = append_drafts(self._connection, drafts, mac_key=self._mac_key)
        with self._changed:
            withdrawn = self._abandoned.is_set() or any(group.withdrawn for group in groups)
            self._committing = not withdrawn
        if withdrawn:
            self._connection.rollback()
            raise _WithdrawnMeanwhile
        self._connection.commit()
        self._settle(groups, seqs)

    def _settle(self, groups: Sequence[Group], seqs: dict[str, int]) -> None:
        with self._changed:
            self._committing = False
            self._in_hand.clear()
            self._taken_at = 0.0
            self._retries = 0
            for group in groups:
                group.last_seq = max(seqs[draft.id] for draft in group.drafts)
                self._forget(group)
                self._written.update((draft.id, None) for draft in group.drafts)
            while len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]
            awaited = [group for group in groups if group.waiting]
        if awaited:
            self._on_written(awaited)

    def _put_back(self, groups: Sequence[Group]) -> None:
        with self._changed:
            self._in_hand.clear()
            self._taken_at = 0.0
            for group in reversed(groups):
                if group.withdrawn:
                    self._forget(group)
                else:
                    self._queue.appendleft(group)

    def _note_failure(self, exc: Exception) -> None:
        error = describe(self._database, exc)
        with self._changed:
            # In this order: whoever sees the failure, without the lock, must see its reason too.
            self._last_error = error
            self._retries += 1
            # A full disk or a lock refuses the commit as a whole. After anything else, such as a failed
            # fsync or a lost server, the rows may be there; a retry finds them by their ids.
            if self._committing and not sqlite_code(exc).startswith(("SQLITE_FULL", "SQLITE_BUSY")):
                for group in self._in_hand:
                    group.uncertain = True
            self._committing = False

    def _forget(self, group: Group) -> None:
        self._count -= len(group.drafts)
        for draft in group.drafts:
            if self._pending.get(draft.id) is group:
                del self._pending[draft.id]

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
