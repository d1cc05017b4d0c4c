"""The spool: whole or not at all, whatever happens to processes and disks; replayed once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from ledger_lab import SECRET, ask, fill, make_objection, mounted

from asterisk_plugin.callflow.objection_replay import Replay
from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger import open_ledger, verify
from asterisk_plugin.ledger.objection_spool import RESERVES, SETTLED_S, ObjectionSpool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asterisk_plugin.ports import Event

CHILD = Path(__file__).with_name("spool_child.py")
NUMBER = "+31201234567"


class NoStore:
    """Takes everything."""

    async def put(self, event: Event, seq: int = 0) -> None:
        """Nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> ObjectionSpool:
    return ObjectionSpool(folder, secret=SECRET)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    with mounted(tmp_path / "disk", "size=2m") as place:
        yield place


def start_child(what: str, folder: Path, url: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), what, str(folder), url]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"
    return child


def durable_ids(output: bytes) -> list[str]:
    """What a child said was on disk: whole lines only."""
    return [line.strip() for line in output.decode().splitlines(keepends=True) if len(line) == 33]


async def replay_into(spool: ObjectionSpool, url: str) -> None:
    ledger = open_ledger(url, secret=SECRET)
    await ledger.start()
    assert await Replay(spool, ledger=ledger, store=NoStore()).once()
    await ledger.close()


def test_what_comes_into_an_empty_folder_is_seen_at_the_next_look(
    spool: ObjectionSpool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the same tick of the kernel's clock as the change before, and when nothing had been there for long."""
    spool.prepare()
    exact = os.stat

    def coarse(path: Any, **options: Any) -> Any:
        found = exact(path, **options)
        if path != str(folder / "new"):
            return found
        return SimpleNamespace(st_ino=found.st_ino, st_ctime_ns=found.st_ctime_ns // 10_000_000)

    monkeypatch.setattr(os, "stat", coarse)  # 10 ms, as on most kernels; the newest are finer
    for number in range(500):
        file = folder / "new" / f"{number:032x}"
        assert not spool.waiting()
        file.touch()
        assert spool.waiting()
        file.unlink()
        assert not spool.waiting()
    time.sleep(SETTLED_S * 1.1)
    assert not spool.waiting()
    ObjectionSpool(folder, secret=SECRET).add(make_objection())
    assert spool.waiting()


def test_an_empty_folder_is_not_read_again_and_again(spool: ObjectionSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decision asks, twice."""
    spool.prepare()
    assert not spool.waiting()
    time.sleep(SETTLED_S * 1.1)
    assert not spool.waiting()
    monkeypatch.setattr(os, "listdir", None)
    assert not spool.waiting()


def test_an_objection_is_read_back_as_it_was_written(spool: ObjectionSpool) -> None:
    """Every field, also ready JSON; and the spool says that it holds one."""
    assert not spool.waiting()
    event = make_objection(wording="„nie wieder“ \U0001f621")
    spool.add(event)
    assert spool.waiting()
    assert spool.read() == ([event], [])
    ready = replace(make_objection(), sealed=None, sealed_json=b'{"number":"+31201234567"}')
    spool.add(ready)
    assert replace(ready, sealed={"number": "+31201234567"}, sealed_json=None) in spool.read()[0]


def test_nothing_of_a_number_can_be_read_in_the_files(spool: ObjectionSpool, folder: Path) -> None:
    """Sealed with a key of the site's secret; nobody else may open the folder."""
    spool.add(make_objection(NUMBER))
    (file,) = (folder / "new").iterdir()
    assert NUMBER.removeprefix("+").encode() not in file.read_bytes()
    assert b"acme" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_the_same_objection_written_twice_is_one(spool: ObjectionSpool) -> None:
    """The service and the second try may both have it."""
    event = make_objection()
    spool.add(event)
    ObjectionSpool(spool._directory, secret=SECRET).add(event)
    assert spool.read() == ([event], [])


def test_a_file_that_cannot_be_read_holds_everybody_and_is_named(spool: ObjectionSpool, folder: Path) -> None:
    """It may be an objection that was confirmed; it is never thrown away, and spoils no other."""
    good, bad, moved = make_objection(), make_objection(), make_objection()
    for event in (good, bad, moved):
        spool.add(event)
    path = folder / "new" / bad.id
    path.write_bytes(path.read_bytes()[:-1])
    elsewhere = folder / "new" / ("f" * 32)
    (folder / "new" / moved.id).rename(elsewhere)  # another objection's name: the seal does not fit
    assert spool.read() == ([good], sorted([str(path), str(elsewhere)]))
    assert ObjectionSpool(folder, secret=b"x" * 32).read()[0] == []
    spool.remove(good.id)
    assert spool.waiting()


def test_a_folder_that_cannot_be_read_holds_everybody(spool: ObjectionSpool, folder: Path) -> None:
    """Only a folder that is not there is empty for certain."""
    folder.mkdir()
    (folder / "new").write_text("no folder")
    assert spool.waiting()
    with pytest.raises(LedgerUnavailableError, match="cannot be read"):
        spool.read()
    with pytest.raises(LedgerUnavailableError, match="cannot be written"):
        spool.add(make_objection())


def test_what_no_ledger_can_hold_is_refused_before_it_is_written(spool: ObjectionSpool) -> None:
    """It would wait for ever, and everybody with it."""
    with pytest.raises(ValueError, match="no person"):
        spool.add(replace(make_objection(), person=""))
    assert not spool.waiting()


def test_an_objection_is_on_disk_before_its_name_is(
    spool: ObjectionSpool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, then name, then folder: in this order a loss of power leaves all or nothing."""
    spool.prepare()
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def seen_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).parent.name}")

    def seen_rename(source: object, target: object) -> None:
        done.append("rename")
        rename(source, target)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_rename)
    event = make_objection()
    spool.add(event)
    assert done == ["fsync tmp", "rename", f"fsync {folder.name}"]
    done.clear()
    spool.remove(event.id)
    assert done == [f"fsync {folder.name}"]


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
def test_a_disk_that_refuses_any_step_is_told_and_leaves_nothing_behind(
    spool: ObjectionSpool, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """No half of an objection in the way of others."""
    before = make_objection()
    spool.add(before)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, refuse)
        with pytest.raises(LedgerUnavailableError, match="Input/output error"):
            spool.add(make_objection())
    assert list((folder / "tmp").iterdir()) == []
    after = make_objection()
    spool.add(after)
    assert {event.id for event in spool.read()[0]} == {before.id, after.id}


def test_a_full_disk_still_takes_as_many_as_were_reserved(small_disk: Path) -> None:
    """A real ENOSPC; what came before and after is whole, and the reserve is made up for."""
    spool = ObjectionSpool(small_disk / "spool", secret=SECRET)
    spool.prepare()
    taken = [make_objection()]
    spool.add(taken[0])
    for _ in range(2):
        ballast = fill(small_disk)
        for _ in range(RESERVES):
            event = make_objection(wording="x" * 2000)
            spool.add(event)
            taken.append(event)
        with pytest.raises(LedgerUnavailableError, match="No space left"):
            spool.add(make_objection())
        with pytest.raises(LedgerUnavailableError, match="No space left"):
            spool.prepare()
        ballast.unlink()
        events, unreadable = spool.read()
        assert unreadable == []
        assert {event.id for event in events} == {event.id for event in taken}
        assert all(event.sealed and event.sealed["number"] == NUMBER for event in events)
        while len(taken) > 1:
            spool.remove(taken.pop().id)
        spool.prepare()
    event = make_objection()
    spool.add(event)
    assert {e.id for e in spool.read()[0]} == {taken[0].id, event.id}


def test_a_process_that_may_not_write_more_spoils_nothing(folder: Path, spool: ObjectionSpool) -> None:
    """A write that breaks off in the middle of a file (RLIMIT_FSIZE), and one process that goes on beside it."""
    child, other = start_child("add", folder), start_child("add", folder)
    said = b""
    try:
        assert child.stdout is not None
        for _ in range(5):
            said += child.stdout.readline()
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        while b"refused" not in (line := child.stdout.readline()):
            said += line
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        while b"refused" in (line := child.stdout.readline()):
            pass
        said += line
    finally:
        for one in (child, other):
            one.kill()
    for one in (child, other):
        output, _ = one.communicate(timeout=10)
        said += output
    assert b"refused" not in said or said.count(b"\n") > 10
    events, unreadable = spool.read()
    assert unreadable == []
    assert set(durable_ids(said)) <= {event.id for event in events}


def test_processes_killed_while_they_write_lose_nothing_they_said_was_on_disk(
    folder: Path, spool: ObjectionSpool
) -> None:
    """Two at once, `kill -9` at any moment, again and again: everything is whole; what is half lies in `tmp`."""
    choose = random.Random(3)
    said: list[str] = []
    for _ in range(5):
        pair = [start_child("add", folder) for _ in range(2)]
        time.sleep(choose.uniform(0.005, 0.05))  # any moment of their work, that is the point
        for child in pair:
            child.kill()
        for child in pair:
            said += durable_ids(child.communicate(timeout=10)[0])
        events, unreadable = spool.read()
        assert unreadable == []
        assert set(said) <= {event.id for event in events}
    assert len(said) > 20


def _has_rows(url: str) -> bool:
    with contextlib.suppress(sa.exc.OperationalError):  # killed before it had made the tables
        return bool(ask(url, "SELECT id FROM events LIMIT 1"))
    return False


def test_a_replay_killed_anywhere_loses_nothing_and_doubles_nothing(
    folder: Path, spool: ObjectionSpool, sqlite_url: str
) -> None:
    """`kill -9` between ledger and removal too, while two processes go on writing; then once to the end."""
    choose = random.Random(5)
    said: list[str] = []
    writers = [start_child("add", folder) for _ in range(2)]
    try:
        rounds = 0
        # At least eight; on a busy machine until one of them has come to something.
        while rounds < 8 or not _has_rows(sqlite_url):
            rounds += 1
            assert rounds < 60, "no replay came to anything, so nothing was shown"
            child = start_child("replay", folder, sqlite_url)
            time.sleep(choose.uniform(0.01, 0.15 * rounds))  # any moment of its work
            child.kill()
            child.communicate(timeout=10)
    finally:
        for child in writers:
            child.kill()
    for child in writers:
        said += durable_ids(child.communicate(timeout=10)[0])
    in_ledger = {row[0] for row in ask(sqlite_url, "SELECT id FROM events")}
    left = {event.id for event in spool.read()[0]}
    assert set(said) <= in_ledger | left
    # As if killed behind the ledger's commit and before the removal.
    again = make_objection()
    spool.add(again)
    asyncio.run(replay_into(spool, sqlite_url))
    spool.add(again)
    asyncio.run(replay_into(spool, sqlite_url))
    assert not spool.waiting()
    stored = Counter(row[0] for row in ask(sqlite_url, "SELECT id FROM events"))
    assert set(said) | {again.id} <= set(stored)
    assert set(stored.values()) == {1}
    assert verify(sqlite_url, SECRET).rows == stored.total()


def test_only_one_process_replays_at_a_time(spool: ObjectionSpool, folder: Path) -> None:
    """The right ends with the process or the block."""
    with spool.replaying() as ours:
        assert ours
        with ObjectionSpool(folder, secret=SECRET).replaying() as theirs:
            assert not theirs
    with ObjectionSpool(folder, secret=SECRET).replaying() as theirs:
        assert theirs


def test_what_a_killed_process_left_half_written_is_thrown_away_later(spool: ObjectionSpool, folder: Path) -> None:
    """Not at once: another process may be writing it."""
    spool.prepare()
    for name, age_s in (("young", 10), ("old", 4000)):
        (folder / "tmp" / name).write_bytes(b"half")
        os.utime(folder / "tmp" / name, (time.time() - age_s, time.time() - age_s))
    spool.prepare()
    assert [path.name for path in (folder / "tmp").iterdir()] == ["young"]
