"""Objections that the ledger, or the store, has not taken yet: a folder that outlives every process.

| place in it          | what |
|---|---|
| `new/<event id>`     | one objection each, sealed; there from the moment it is on disk until it is in force |
| `tmp/`               | what is being written |
| `reserve/00` …       | files written in advance: what a full disk still has room for |
| `lock`               | held (flock) by whoever replays |

INVARIANT: a file comes into `new` by one rename, after its bytes are on disk. So whatever ends a process,
and whenever, no half of an objection is ever there, and nothing that one process does can spoil what
another has written. An objection that is written twice has one name, and the ledger takes one id once.

A file is `MAGIC`, the length of what follows in 4 bytes (big endian), and the event as JSON, sealed with a
key made of the site's secret; what stands behind that is rubbish of a reserve file.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import hmac
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger.rows import draft_of
from asterisk_plugin.ledger.seal import seal, unseal
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"ringfence objection 1\n"
RESERVES = 32
RESERVE_BYTES = 16 * 1024
"""Several times the longest objection there is."""

STALE_S = 3600.0
"""A file in `tmp` that is older than this belongs to no living process."""

SETTLED_S = 0.1
"""A folder whose last change was seen so long ago shows the next one by its time: kernels count by some ms."""

_LABEL = b"ringfence objection spool 1"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class ObjectionSpool:
    """One node's spool. Every method blocks; processes and threads may use one folder at once.

    Args:
        directory: The folder; made when something is written.
        secret: The site's secret.
    """

    def __init__(self, directory: Path, *, secret: bytes) -> None:
        self._directory = directory
        self._new, self._tmp, self._reserve = (directory / name for name in ("new", "tmp", "reserve"))
        self._new_text = str(self._new)  # a path is turned into text anew each time
        self._key = hmac.digest(secret, _LABEL, "sha256")
        self._changed: tuple[int, int] | None = None  # what told the folder's last change, when it was last looked at
        self._changed_at = 0.0
        self._is_empty = False

    def waiting(self) -> bool:
        """Whether there is an objection in it; some microseconds, for every decision asks.

        A folder that is there and cannot be read may hold one.
        """
        try:
            stat = os.stat(self._new_text)
            changed = stat.st_ino, stat.st_ctime_ns
            if changed == self._changed and self._is_empty:
                return False
            waits = bool(os.listdir(self._new))
        except FileNotFoundError:
            return False
        except OSError:
            return True
        now = time.monotonic()
        if changed != self._changed:
            self._changed, self._changed_at = changed, now
        # A change may be followed by another that bears the same time.
        self._is_empty = not waits and now - self._changed_at > SETTLED_S
        return waits

    def add(self, event: Event) -> None:
        """Return when the objection is on disk.

        Raises:
            LedgerUnavailableError: It may not be; nothing was harmed.
            ValueError: An event that no ledger can hold (see `rows.draft_of`).
        """
        draft_of(event)
        data = self._packed(event)
        try:
            self._make_folders()
            draft = self._draft(event.id, data)
            try:
                os.replace(draft, self._new / event.id)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
            _sync(self._new)
        except OSError as exc:
            raise LedgerUnavailableError(f"spool `{self._directory}` cannot be written: {exc.strerror or exc}") from exc

    def read(self) -> tuple[list[Event], list[str]]:
        """Everything in it, oldest first, and the names of files that cannot be read.

        Raises:
            LedgerUnavailableError: The folder cannot be read.
        """
        events, unreadable = [], []
        try:
            names = os.listdir(self._new)
        except FileNotFoundError:
            return [], []
        except OSError as exc:
            raise LedgerUnavailableError(f"spool `{self._directory}` cannot be read: {exc.strerror or exc}") from exc
        for name in names:
            try:
                event = self._unpacked(name, (self._new / name).read_bytes())
            except FileNotFoundError:
                continue  # another process has replayed it just now
            except OSError:
                event = None
            if event is None:
                unreadable.append(str(self._new / name))
            else:
                events.append(event)
        return sorted(events, key=lambda event: event.at), sorted(unreadable)

    def remove(self, event_id: str) -> None:
        """Forget an objection that is in force.

        Raises:
            LedgerUnavailableError: It may still be there.
        """
        try:
            (self._new / event_id).unlink(missing_ok=True)
            # Without it a loss of power would bring the file back; harmless, but a hold-up at the next start.
            _sync(self._new)
        except OSError as exc:
            raise LedgerUnavailableError(f"spool `{self._directory}` cannot be emptied: {exc.strerror or exc}") from exc

    def prepare(self) -> None:
        """Make the folders, fill up the reserve, and throw away what a killed process left half written.

        Raises:
            LedgerUnavailableError: The disk does not take it; whatever reserve there is stays.
        """
        try:
            self._make_folders()
            for old in self._tmp.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - old.stat().st_mtime > STALE_S:
                        old.unlink()
            for number in range(RESERVES):
                place = self._reserve / f"{number:02}"
                if not place.exists():
                    draft = self._tmp / f"reserve-{secrets.token_hex(8)}"
                    # Not zeros: a file system may keep those without giving them room.
                    _write_new(draft, secrets.token_bytes(RESERVE_BYTES))
                    draft.rename(place)
            _sync(self._reserve)
        except OSError as exc:
            raise LedgerUnavailableError(
                f"spool `{self._directory}` cannot be prepared: {exc.strerror or exc}"
            ) from exc

    @contextlib.contextmanager
    def replaying(self) -> Iterator[bool]:
        """Hold the right to replay while in it; gives False when another process has it.

        Raises:
            LedgerUnavailableError: The folder cannot be used.
        """
        try:
            self._make_folders()
            descriptor = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise LedgerUnavailableError(f"spool `{self._directory}` cannot be used: {exc.strerror or exc}") from exc
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _make_folders(self) -> None:
        for folder in (self._directory, self._new, self._tmp, self._reserve):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(folder.parent)

    def _draft(self, event_id: str, data: bytes) -> Path:
        """The bytes, on disk under a name of their own; on a full disk in the place of a reserve file."""
        draft = self._tmp / f"{event_id}-{secrets.token_hex(8)}"
        try:
            _write_new(draft, data)
        except OSError as exc:
            draft.unlink(missing_ok=True)
            if exc.errno not in _NO_ROOM or len(data) > RESERVE_BYTES:
                raise
            self._write_over_reserve(draft, data, exc)
        return draft

    def _write_over_reserve(self, draft: Path, data: bytes, why: OSError) -> None:
        for number in range(RESERVES):
            try:
                (self._reserve / f"{number:02}").rename(draft)  # whoever is first has it
            except FileNotFoundError:
                continue
            try:
                # The file keeps its length: every block of it has its room already.
                descriptor = os.open(draft, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    _write_all(descriptor, data)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
            return
        raise why

    def _packed(self, event: Event) -> bytes:
        sealed = event.sealed if event.sealed_json is None else json.loads(event.sealed_json)
        values = {
            "kind": event.kind.value,
            "at": event.at.isoformat(),
            "person": event.person,
            "body": dict(event.body),
            "sealed": None if sealed is None else dict(sealed),
        }
        content = seal(self._key, json.dumps(values).encode(), event_id=event.id)
        return MAGIC + len(content).to_bytes(4, "big") + content

    def _unpacked(self, name: str, data: bytes) -> Event | None:
        """The event of a file, None when it is damaged or was sealed with another secret."""
        start = len(MAGIC) + 4
        if not data.startswith(MAGIC) or len(data) < start:
            return None
        length = int.from_bytes(data[start - 4 : start], "big")
        values: dict[str, Any] | None = unseal(self._key, data[start : start + length], event_id=name)
        if values is None:
            return None
        try:
            return Event(
                id=name,
                kind=EventKind(values["kind"]),
                at=dt.datetime.fromisoformat(values["at"]),
                person=values["person"],
                body=values["body"],
                sealed=values["sealed"],
            )
        except (KeyError, ValueError):
            return None  # a newer program wrote it


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(folder: Path) -> None:
    """Put what was renamed in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
