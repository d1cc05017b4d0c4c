"""Every way to tamper with a ledger, and the name it is called by."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from ledger_lab import SECRET, ask, make_event, tamper

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger import open_ledger, verify
from asterisk_plugin.ledger.chain import EMPTY_HASH, Row, head_key, head_mac, row_hash

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 8
COLUMNS = ("id", "kind", "at", "person", "body", "sealed", "hash")


@pytest.fixture
def written(url: str) -> str:
    """URL of a ledger with eight rows, each different."""
    write(url, ROWS)
    return url


def write(url: str, how_many: int) -> None:
    """Append so many events."""

    async def append() -> None:
        ledger = open_ledger(url, secret=SECRET)
        await ledger.start()
        await ledger.append([make_event(body={"n": n}, sealed={"n": n}) for n in range(how_many)])
        await ledger.close()

    asyncio.run(append())


def all_rows(url: str) -> list[Row]:
    """The rows as stored."""
    found = ask(url, f"SELECT seq, {', '.join(COLUMNS)} FROM events ORDER BY seq")
    return [Row(*(bytes(value) if isinstance(value, memoryview) else value for value in row)) for row in found]


def rebuild(url: str, rows: list[Row]) -> str:
    """Write a new chain as far as one can without the secret; returns its last hash."""
    tamper(url, "DELETE FROM events")
    previous = EMPTY_HASH
    for seq, row in enumerate(rows, start=1):
        previous = row_hash(previous, row, seq=seq)
        put(url, dataclasses.replace(row, seq=seq, hash=previous))
    return previous


def put(url: str, row: Row) -> None:
    """Insert a row as it is."""
    names = ", ".join(("seq", *COLUMNS))
    marks = ", ".join(f":{name}" for name in ("seq", *COLUMNS))
    tamper(url, f"INSERT INTO events ({names}) VALUES ({marks})", **dataclasses.asdict(row))


def broken(url: str) -> tuple[int, str]:
    """What verification says is wrong."""
    with pytest.raises(LedgerBrokenError) as found:
        verify(url, SECRET)
    return found.value.seq, found.value.reason


def test_a_whole_ledger_verifies_and_the_progress_reaches_its_end(written: str) -> None:
    """The report counts what was checked."""
    seen: list[tuple[int, int]] = []
    report = verify(written, SECRET, progress=lambda done, total: seen.append((done, total)))
    assert (report.rows, report.sealed, report.erased) == (ROWS, ROWS, 0)
    assert report.head_hash == all_rows(written)[-1].hash
    assert seen == [(ROWS, ROWS)]


def test_a_long_ledger_is_walked_in_portions(url: str) -> None:
    """Progress comes on the way, too."""
    write(url, 4500)
    seen: list[tuple[int, int]] = []
    assert verify(url, SECRET, progress=lambda done, total: seen.append((done, total))).rows == 4500
    assert seen == [(2000, 4500), (4000, 4500), (4500, 4500)]
    tamper(url, "UPDATE events SET body = '{}' WHERE seq = 4321")
    assert broken(url) == (4321, "edited")


async def test_an_empty_ledger_verifies(url: str) -> None:
    """Nothing is nothing's proof."""
    await open_ledger(url, secret=SECRET).close()
    report = verify(url, SECRET)
    assert (report.rows, report.head_hash) == (0, EMPTY_HASH)


@pytest.mark.parametrize("seq", [1, 5, ROWS])
@pytest.mark.parametrize("column", COLUMNS)
def test_an_edited_column_is_named_with_its_row(written: str, column: str, seq: int) -> None:
    """Whichever column, in the first, a middle and the last row."""
    value: object = b"x" * 40 if column == "sealed" else "f" * 64
    tamper(written, f"UPDATE events SET {column} = :value WHERE seq = :seq", value=value, seq=seq)
    assert broken(written) == (seq, "edited")


def test_a_removed_sealed_part_is_an_edit(written: str) -> None:
    """Erasing means destroying the key, not the row's bytes."""
    tamper(written, "UPDATE events SET sealed = NULL WHERE seq = 4")
    assert broken(written) == (4, "edited")


@pytest.mark.parametrize(("first", "last"), [(1, 1), (4, 4), (3, 6)])
def test_removed_rows_are_named(written: str, first: int, last: int) -> None:
    """One or several, at the beginning and in the middle."""
    tamper(written, "DELETE FROM events WHERE seq BETWEEN :first AND :last", first=first, last=last)
    assert broken(written) == (first, f"removed: the next row is {last + 1}")


@pytest.mark.parametrize("removed", [1, 2])
def test_removed_rows_are_named_although_the_gap_was_closed(written: str, removed: int) -> None:
    """Those behind were renumbered."""
    tamper(written, "DELETE FROM events WHERE seq BETWEEN 3 AND :last", last=2 + removed)
    for seq in range(3 + removed, ROWS + 1):
        tamper(written, "UPDATE events SET seq = :new WHERE seq = :old", new=seq - removed, old=seq)
    assert broken(written) == (3, f"removed: {removed} row(s), and those behind were renumbered")


@pytest.mark.parametrize("with_hash", [True, False])
@pytest.mark.parametrize(("one", "other"), [(2, 6), (4, 5), (1, ROWS)])
def test_rows_that_changed_places_are_named(written: str, one: int, other: int, with_hash: bool) -> None:
    """Neighbours and distant ones, with the hash or all but the hash."""
    rows = all_rows(written)
    tamper(written, "DELETE FROM events WHERE seq IN (:one, :other)", one=one, other=other)
    for seq, source in ((one, rows[other - 1]), (other, rows[one - 1])):
        kept = source.hash if with_hash else rows[seq - 1].hash
        put(written, dataclasses.replace(source, seq=seq, hash=kept))
    assert broken(written) == (one, f"re-ordered: what was row {one} is now row {other}")


@pytest.mark.parametrize("kept", [0, 1, ROWS - 1])
def test_a_cut_tail_is_named(written: str, kept: int) -> None:
    """Nothing behind the last row is missing by itself; the head knows."""
    tamper(written, "DELETE FROM events WHERE seq > :kept", kept=kept)
    assert broken(written) == (kept + 1, f"tail cut: rows {kept + 1} to {ROWS} are gone")


def test_a_cut_tail_with_the_head_put_back_is_a_forged_head(written: str) -> None:
    """Without the secret the head cannot be put back."""
    newest = all_rows(written)[5].hash
    tamper(written, "DELETE FROM events WHERE seq > 6", "UPDATE head SET seq = 6, hash = :hash", hash=newest)
    assert broken(written) == (6, "head forged, or the secret is not the one it was sealed with")


def test_a_chain_rebuilt_without_the_secret_is_found(written: str) -> None:
    """All hashes fit each other; the head gives it away, changed along or not."""
    rows = all_rows(written)
    newest = rebuild(written, [dataclasses.replace(rows[0], body='{"n":100}'), *rows[1:]])
    assert broken(written) == (ROWS, "rebuilt: the rows fit each other but not the head")
    tamper(written, "UPDATE head SET hash = :hash", hash=newest)
    assert broken(written) == (ROWS, "head forged, or the secret is not the one it was sealed with")
    mac = head_mac(head_key(b"a guessed secret"), seq=ROWS, row_hash=newest)
    tamper(written, "UPDATE head SET mac = :mac", mac=mac)
    assert broken(written) == (ROWS, "head forged, or the secret is not the one it was sealed with")


def test_a_row_added_behind_the_head_is_found(written: str) -> None:
    """It chains well, but nobody with the secret wrote it."""
    last = all_rows(written)[-1]
    added = dataclasses.replace(last, seq=ROWS + 1, id="e" * 32)
    put(written, dataclasses.replace(added, hash=row_hash(last.hash, added)))
    assert broken(written) == (ROWS + 1, "inserted behind the head")


@pytest.mark.parametrize("seq", [0, -7])
def test_a_row_before_the_first_is_found(written: str, seq: int) -> None:
    """A walk that begins at 1 would not see it."""
    put(written, dataclasses.replace(all_rows(written)[0], seq=seq, id="e" * 32))
    assert broken(written) == (seq, "inserted: rows begin at 1")


def test_a_missing_head_is_found(written: str) -> None:
    """Without it a cut tail would go unseen."""
    tamper(written, "DELETE FROM head")
    assert broken(written) == (0, "head removed")


def test_another_secret_does_not_verify(written: str) -> None:
    """It could be the secret or the head: it says both."""
    with pytest.raises(LedgerBrokenError, match="or the secret is not the one it was sealed with"):
        verify(written, b"another secret than this")


def test_the_first_of_several_breaks_is_named(written: str) -> None:
    """Even when the head is forged as well."""
    tamper(written, "UPDATE events SET body = '{}' WHERE seq IN (3, 6)", "UPDATE head SET mac = 'x'")
    assert broken(written) == (3, "edited")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = 5",  # text that is no UTF-8
        "UPDATE events SET body = x'7b7d' WHERE seq = 5",  # SQLite keeps any type in any column
        "UPDATE events SET sealed = 'text' WHERE seq = 5",
    ],
)
def test_values_that_sqlite_should_not_hold_are_an_edit(sqlite_url: str, statement: str) -> None:
    """Neither a traceback nor an unreachable database."""
    write(sqlite_url, ROWS)
    tamper(sqlite_url, statement)
    seq, reason = broken(sqlite_url)
    assert (seq, reason.split(":")[0]) == (5, "edited")


@pytest.mark.parametrize("rows_since", [0, 3])
def test_an_older_copy_put_back_is_found_by_a_noted_hash(sqlite_url: str, rows_since: int) -> None:
    """It is genuine in itself; only what was noted elsewhere can tell."""
    path = sqlite_url.removeprefix("sqlite:///")
    write(sqlite_url, ROWS)
    shutil.copy(path, path + ".old")
    write(sqlite_url, ROWS)
    later = verify(sqlite_url, SECRET)
    noted = (later.rows, later.head_hash)
    assert verify(sqlite_url, SECRET, noted=noted) == later
    shutil.copy(path + ".old", path)
    assert verify(sqlite_url, SECRET).rows == ROWS
    if rows_since:
        write(sqlite_url, ROWS + rows_since)
        with pytest.raises(LedgerBrokenError, match=f"row {2 * ROWS}: forged: its hash is not the one noted"):
            verify(sqlite_url, SECRET, noted=noted)
    else:
        with pytest.raises(LedgerBrokenError, match=f"row {ROWS + 1}: tail cut: row {2 * ROWS} was noted"):
            verify(sqlite_url, SECRET, noted=noted)


async def test_verification_works_while_rows_are_being_added(
    url: str, running: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks what was there when it began, and never mistakes news for damage."""
    async with running(url) as ledger:  # type: ignore[attr-defined]
        await ledger.append([make_event() for _ in range(3000)])
        verifying = [asyncio.create_task(asyncio.to_thread(verify, url, SECRET)) for _ in range(2)]
        while not all(task.done() for task in verifying):
            await ledger.append([make_event() for _ in range(20)])
        verifying.append(asyncio.create_task(asyncio.to_thread(verify, url, SECRET)))
        reports = [await task for task in verifying]
        assert 3000 <= reports[0].rows <= reports[2].rows
        assert reports[2].rows == (await ledger.head())[0]


def test_engines_are_let_go(written: str) -> None:
    """A verification leaves no connection behind: PostgreSQL would refuse to drop the database."""
    before = len(_open_engines())
    verify(written, SECRET)
    assert len(_open_engines()) <= before


def _open_engines() -> list[sa.Pool]:
    import gc

    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, sa.QueuePool) and thing.checkedin()]
