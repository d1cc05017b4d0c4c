"""What opening refuses, and how it says so."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_lab import SECRET, make_event, tamper

from asterisk_plugin.errors import LedgerUnavailableError, StartupError
from asterisk_plugin.ledger import LedgerLimits, open_ledger, verify

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write everywhere; a service may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("no url at all", "not a database URL"),
        ("mysql://u:hidden@h/d", "names `mysql`, allowed are sqlite and postgresql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_hold_evidence_is_refused(url: str, sentence: str) -> None:
    """One line, and no password in it."""
    with pytest.raises(StartupError, match=sentence) as refusal:
        open_ledger(url, secret=SECRET)
    assert "hidden" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_short_secret_is_refused(sqlite_url: str) -> None:
    """A MAC under a short key is none."""
    with pytest.raises(StartupError, match="the secret has 15 bytes, at least 16"):
        open_ledger(sqlite_url, secret=b"x" * 15)


async def test_another_secret_is_noticed_even_when_the_ledger_is_empty(url: str) -> None:
    """Two secrets would give one person two tags: an objection would not be found."""
    await open_ledger(url, secret=SECRET).close()
    with pytest.raises(StartupError, match="was not sealed with this secret"):
        open_ledger(url, secret=b"another secret than this")
    await open_ledger(url, secret=SECRET, create=False).close()


async def test_a_ledger_without_head_is_refused(url: str) -> None:
    """It is never sealed anew."""
    await open_ledger(url, secret=SECRET).close()
    tamper(url, "DELETE FROM head")
    with pytest.raises(StartupError, match="was not sealed with this secret"):
        open_ledger(url, secret=SECRET)


async def test_a_newer_schema_is_refused(url: str) -> None:
    """An older program must not write into it, nor verify it."""
    await open_ledger(url, secret=SECRET).close()
    tamper(url, "UPDATE ledger_schema SET version = 2")
    with pytest.raises(StartupError, match="has schema 2, this ringfence knows 1"):
        open_ledger(url, secret=SECRET)
    with pytest.raises(StartupError, match="has schema 2, this ringfence knows 1"):
        verify(url, SECRET)


def test_somebody_elses_database_is_refused_and_left_alone(url: str) -> None:
    """A table of ours without our version is not ours."""
    tamper(url, "CREATE TABLE events (what TEXT)")
    with pytest.raises(StartupError, match="not a ledger: it has a table `events`"):
        open_ledger(url, secret=SECRET)


def test_an_empty_database_is_not_a_ledger_unless_asked_for(postgresql_url: str, tmp_path: Path) -> None:
    """A command that only reads makes no tables."""
    (tmp_path / "empty.db").touch()
    for url in (postgresql_url, f"sqlite:///{tmp_path}/empty.db"):
        with pytest.raises(StartupError, match="an empty database, not a ledger"):
            open_ledger(url, secret=SECRET, create=False)


def test_a_missing_file_is_not_created_unless_asked_for(sqlite_url: str) -> None:
    """Neither by opening nor by verifying."""
    with pytest.raises(StartupError, match="there is no ledger"):
        open_ledger(sqlite_url, secret=SECRET, create=False)
    with pytest.raises(StartupError, match="there is no ledger"):
        verify(sqlite_url, SECRET)
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Its bytes stay as they are."""
    path = tmp_path / "letter"
    path.write_bytes(b"Dear Sir or Madam, " * 200)
    for attempt in (
        lambda: open_ledger(f"sqlite:///{path}", secret=SECRET),
        lambda: verify(f"sqlite:///{path}", SECRET),
    ):
        with pytest.raises(StartupError, match="is not a ledger: file is not a database"):
            attempt()
    assert path.read_bytes() == b"Dear Sir or Madam, " * 200


def test_a_folder_is_not_a_ledger(tmp_path: Path) -> None:
    """The path names a folder."""
    with pytest.raises(StartupError, match="cannot be opened for writing: Is a directory"):
        open_ledger(f"sqlite:///{tmp_path}", secret=SECRET)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """Its folder cannot be made."""
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot be opened for writing"):
        open_ledger(f"sqlite:///{tmp_path}/file/ledger.db", secret=SECRET)


def test_a_folder_that_is_not_writable_is_refused(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """Before and after the ledger was made: SQLite needs to write beside the file."""
    folder = Path("/tmp") / f"ringfence-{os.getpid()}-readonly"
    folder.mkdir(mode=0o755)
    try:
        open_ledger(f"sqlite:///{folder}/made.db", secret=SECRET)
        for path in (folder, *folder.iterdir()):
            path.chmod(0o555)
        request.getfixturevalue("unprivileged")
        for name in ("made.db", "new.db"):
            with pytest.raises(StartupError, match="cannot be opened for writing: Permission denied"):
                open_ledger(f"sqlite:///{folder}/{name}", secret=SECRET)
        with pytest.raises(StartupError, match="the file and its folder must be writable"):
            open_ledger(f"sqlite:///{folder}/made.db", secret=SECRET, create=False)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_locked_file_may_work_later(sqlite_url: str) -> None:
    """Not a StartupError: whoever waits will get it."""
    open_ledger(sqlite_url, secret=SECRET)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(LedgerUnavailableError, match="is locked by another process"):
            open_ledger(sqlite_url, secret=SECRET, limits=LedgerLimits(lock_wait_s=0.1))
    finally:
        other.close()


def test_opening_waits_for_another_process_that_is_making_the_same_file(sqlite_url: str) -> None:
    """SQLite would refuse at once, however patient one is, to switch it to a write-ahead log."""
    path = sqlite_url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(path, timeout=60).execute("PRAGMA journal_mode=WAL")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    open_ledger(sqlite_url, secret=SECRET)
    release.join()
    other.close()
    assert verify(sqlite_url, SECRET).rows == 0


def test_a_server_that_is_away_may_work_later(tmp_path: Path) -> None:
    """Not a StartupError; the password is not shown."""
    pytest.importorskip("psycopg")
    url = f"postgresql://ringfence:hidden@/ringfence?host={tmp_path}"
    with pytest.raises(LedgerUnavailableError, match="cannot be reached") as refusal:
        open_ledger(url, secret=SECRET)
    assert "hidden" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_the_file_is_for_its_owner_only_and_survives_the_power(sqlite_url: str) -> None:
    """It holds personal data and the keys to it; a commit is on disk before it is reported."""
    ledger = open_ledger(sqlite_url, secret=SECRET)
    await ledger.start()
    await ledger.append([make_event()])
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    for file in path.parent.glob("ledger.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    with ledger._database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    await ledger.close()
