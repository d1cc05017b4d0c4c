"""Importing a file of records: all of it or nothing, and never twice.

The file is read once, line by line, and every line is checked before the ledger is touched; then everything is
written in one transaction, with one last event that names the file. A process that is killed on the way leaves
the ledger as it was. Every record's id is made of its content, so a file may be imported again, after a doubt or
as next week's longer export: what is there already is not written again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.records import id_of_content, import_event
from asterisk_plugin.cli.fields import Fields
from asterisk_plugin.cli.given import say
from asterisk_plugin.cli.import_file import CsvFile, Problems
from asterisk_plugin.cli.opened import ledger_of, put_in_force
from asterisk_plugin.errors import ImportRefusedError, InputError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from asterisk_plugin.cli.fields import Desk
    from asterisk_plugin.cli.import_file import Column
    from asterisk_plugin.ports import Event


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of import file.

    Args:
        what: `objections`, `consents` or `relationships`.
        columns: What may stand in it.
        make: Reads one record; None when there are problems.
    """

    what: str
    columns: tuple[Column, ...]
    make: Callable[[Fields], Event | None]


def import_file(path: Path, kind: Kind, desk: Desk) -> None:
    """Import a file and say what came of it.

    Args:
        path: The file.
        kind: What it holds.
        desk: Where records are taken in; must be `repeatable`.

    Raises:
        InputError: The file cannot be read.
        ImportRefusedError: It has bad lines; nothing was taken.
        LedgerUnavailableError: Nothing was taken.
    """
    from asterisk_plugin.ledger.bulk import append_all

    reading = Reading(path, kind, desk)
    with _progress(path) as (on_bytes, on_written):
        new = append_all(desk.keys.ledger_url, reading.events(on_bytes), secret=desk.keys.secret, progress=on_written)
    if not new:
        say(f"{path.name}: {reading.rows} {kind.what}, all of them are recorded already; nothing was added")
        return
    say(f"{path.name}: {reading.rows} {kind.what} read, {new - 1} recorded, {reading.rows - new + 1} known already")
    why = asyncio.run(_put_in_force(desk))
    say("in force now" if not why else f"takes effect when a service is up with its store ({why})")


class Reading:
    """One pass over one file."""

    def __init__(self, path: Path, kind: Kind, desk: Desk) -> None:
        self._path = path
        self._kind = kind
        self._desk = desk
        self.rows = 0
        """Records read so far."""

    def events(self, on_bytes: Callable[[int], None]) -> Iterator[Event]:
        """Every record as an event, and the event of the import itself.

        Raises:
            InputError: The file cannot be read.
            ImportRefusedError: There were bad lines; raised behind the last line.
        """
        problems = Problems()
        try:
            with self._path.open("rb") as file:
                csv_file = CsvFile(file, self._kind.columns, problems=problems, on_bytes=on_bytes)
                for line, values in csv_file.rows():
                    fields = Fields(values, self._desk)
                    event = self._kind.make(fields)
                    for problem in fields.problems:
                        problems.add(line, problem)
                    self.rows += 1
                    if event is not None and not problems.total:
                        yield event
        except OSError as exc:
            raise InputError(f"`{self._path}` cannot be read: {exc.strerror or exc}") from exc
        if problems.total:
            raise ImportRefusedError(str(self._path), problems.first, problems.total)
        yield self._import_event(csv_file.sha256)

    def _import_event(self, sha256: str) -> Event:
        desk, what = self._desk, self._kind.what
        how = {"what": what, "sha256": sha256, "country": desk.country, "scope": desk.scope, "by": desk.by}
        return import_event(
            id_of_content(desk.keys.secret, EventKind.IMPORT, how),
            what=what,
            file_name=self._path.name,
            sha256=sha256,
            rows=self.rows,
            at=desk.now,
        )


async def _put_in_force(desk: Desk) -> str:
    async with ledger_of(desk.keys, create=False) as ledger:
        return await put_in_force(desk.loaded, ledger)


@contextlib.contextmanager
def _progress(path: Path) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Two bars on a terminal, nothing elsewhere: bytes read, records written."""
    if not sys.stderr.isatty():
        yield (lambda _bytes: None), (lambda _rows: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with contextlib.suppress(OSError):
        size = path.stat().st_size
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        reading = progress.add_task(f"checking {path.name}", total=size)
        writing = progress.add_task("recording", total=None, start=False, visible=False)

        def on_written(rows: int) -> None:
            progress.start_task(writing)
            progress.update(writing, completed=rows, visible=True)

        yield (lambda read: progress.update(reading, completed=read)), on_written
