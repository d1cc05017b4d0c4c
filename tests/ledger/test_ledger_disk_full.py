"""The disk is full: told at once, nothing lost, nothing doubled, healed without a hand."""

from __future__ import annotations

import resource
import sqlite3
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from ledger_lab import SECRET, ask, fill, make_event, mounted, start_child, until

from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger import LedgerLimits, open_ledger, verify
from asterisk_plugin.ledger.appending import append_drafts
from asterisk_plugin.ledger.chain import head_key
from asterisk_plugin.ledger.database import begin_write, connect_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL_DISK = "size=16m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB: several times what a test writes."""
    with mounted(tmp_path / "disk", SMALL_DISK) as place:
        yield place


async def test_a_full_disk_is_told_at_once_and_heals_with_nothing_lost_or_doubled(small_disk: Path) -> None:
    """A real ENOSPC, three times over."""
    url = f"sqlite:///{small_disk}/ledger.db"
    ledger = open_ledger(url, secret=SECRET, limits=LedgerLimits(append_timeout_s=0.3))
    await ledger.start()
    # Another process stays connected, as in a service: else giving up the last connection empties the
    # write-ahead log, and that is space again.
    neighbour = sqlite3.connect(small_disk / "ledger.db")
    neighbour.execute("SELECT * FROM head").fetchall()
    submitted: list[str] = []
    for _ in range(3):
        ballast = fill(small_disk)
        while ledger.healthy:
            # Five at a time until the write-ahead log's own free pages are used up as well.
            with suppress(LedgerUnavailableError):
                for event in (make_event() for _ in range(5)):
                    ledger.submit(event)
                    submitted.append(event.id)
            await until(lambda: not ledger.healthy or ledger.status.waiting == 0)
        assert ledger.status.retries >= 1
        assert "full" in ledger.status.last_error
        with pytest.raises(LedgerUnavailableError, match="full"):
            ledger.submit(make_event())
        with pytest.raises(LedgerUnavailableError, match="nothing was written"):
            await ledger.append([make_event()])
        assert ledger.status.waiting > 0
        ballast.unlink()
        await until(lambda: ledger.healthy)
        await until(lambda: ledger.status.waiting == 0)
        event = make_event()
        ledger.submit(event)
        submitted.append(event.id)
        await ledger.wait_durable(event.id, 5)
    await ledger.close()
    neighbour.close()
    assert [row[0] for row in ask(url, "SELECT id FROM events ORDER BY seq")] == submitted
    assert verify(url, SECRET).rows == len(submitted)


def test_the_probe_of_a_disk_writes_although_there_is_nothing_to_append(sqlite_url: str) -> None:
    """A probe that wrote nothing would succeed on a full disk, and the next event would be accepted."""
    open_ledger(sqlite_url, secret=SECRET)
    onlooker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    version = onlooker.execute("PRAGMA data_version").fetchone()
    database = connect_database(sqlite_url, create=False, lock_wait_s=1)
    with database.engine.connect() as connection:
        begin_write(database, connection)
        assert append_drafts(connection, [], mac_key=head_key(SECRET)) == {}
        connection.commit()
    database.engine.dispose()
    assert onlooker.execute("PRAGMA data_version").fetchone() != version
    onlooker.close()
    assert verify(sqlite_url, SECRET).rows == 0


def test_opening_on_a_full_disk_is_one_clear_line(small_disk: Path) -> None:
    """It may work later, so it is not a StartupError."""
    ballast = fill(small_disk)
    url = f"sqlite:///{small_disk}/ledger.db"
    with pytest.raises(LedgerUnavailableError, match=r"cannot be written: .*(full|I/O)") as refusal:
        open_ledger(url, secret=SECRET)
    assert "\n" not in str(refusal.value)
    ballast.unlink()
    open_ledger(url, secret=SECRET)
    assert verify(url, SECRET).rows == 0


def test_a_process_that_may_not_write_more_goes_on_when_it_may(sqlite_url: str) -> None:
    """A running process' file size limit is lowered and lifted again, twice; it says what was refused."""
    child = start_child(sqlite_url, "400", "4")
    assert child.stdout is not None
    said: list[str] = []
    try:
        assert child.stdout.readline() == b"open\n"
        for _ in range(2):
            while len(said) % 200 < 40 or len(said) < 40:
                said.append(child.stdout.readline().decode().strip())
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            while not said[-1].startswith("refused"):
                said.append(child.stdout.readline().decode().strip())
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        output, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait(10)
    said += output.decode().split("\n")
    assert child.returncode == 0
    ids = Counter(line for line in said if len(line) == 32)
    assert ids.total() == 1600
    assert Counter(row[0] for row in ask(sqlite_url, "SELECT id FROM events")) == ids
    assert verify(sqlite_url, SECRET).rows == 1600
