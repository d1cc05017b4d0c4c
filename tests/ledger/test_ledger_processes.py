"""Several processes at once, and processes that die."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from collections import Counter
from itertools import pairwise

import pytest
from ledger_lab import SECRET, ask, start_child

from asterisk_plugin.ledger import open_ledger, verify

KILLS = 20


def durable_ids(output: bytes) -> list[str]:
    """What a child said was durable: whole lines only."""
    lines = output.decode().splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith("\n") and len(line) == 33]


def stored_ids(url: str) -> Counter[str]:
    """Every id in the ledger, with how often."""
    return Counter(row[0] for row in ask(url, "SELECT id FROM events"))


def test_processes_that_append_at_once_make_one_chain(url: str) -> None:
    """Nothing lost, nothing doubled, all mixed; they also race to make the tables."""
    children = [start_child(url, "40", "5") for _ in range(4)]
    said: list[str] = []
    outputs = [child.communicate(timeout=60)[0] for child in children]
    for child, output in zip(children, outputs, strict=True):
        assert child.returncode == 0
        assert b"refused" not in output
        said += durable_ids(output)
    assert len(said) == 4 * 40 * 5
    assert stored_ids(url) == Counter(said)
    report = verify(url, SECRET)
    assert (report.rows, report.sealed, report.erased) == (800, 800, 0)
    bodies = [row[0] for row in ask(url, "SELECT body FROM events ORDER BY seq")]
    changes = sum(one.split('"process"')[1] != other.split('"process"')[1] for one, other in pairwise(bodies))
    assert changes > 8, "they did not write at the same time, so nothing was shown"


def test_a_process_killed_while_it_appends_leaves_a_whole_chain(sqlite_url: str) -> None:
    """Twenty times `kill -9`: the chain verifies and nothing that was reported durable is missing."""
    choose = random.Random(20)
    said: list[str] = []
    for _ in range(KILLS):
        child = start_child(sqlite_url, "0", "20")
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        child.stdout.readline()
        time.sleep(choose.uniform(0, 0.05))  # any moment of its work, that is the point
        child.kill()
        output, _ = child.communicate(timeout=10)
        said += durable_ids(output)
        stored = stored_ids(sqlite_url)
        assert set(said) <= set(stored)
        assert verify(sqlite_url, SECRET).rows == stored.total()
    assert len(said) > KILLS
    asyncio.run(_goes_on(sqlite_url))


async def _goes_on(url: str) -> None:
    from ledger_lab import make_event

    before = verify(url, SECRET).rows
    ledger = open_ledger(url, secret=SECRET)
    await ledger.start()
    assert await ledger.append([make_event()]) == before + 1
    await ledger.close()


def test_a_neighbour_killed_in_the_middle_does_not_hold_up_the_others(url: str) -> None:
    """Its lock dies with it."""
    victim, survivor = start_child(url, "0", "20"), start_child(url, "0", "5")
    try:
        for child in (victim, survivor):
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            child.stdout.readline()
        victim.kill()
        output, _ = victim.communicate(timeout=10)
        assert survivor.stdout is not None
        for _ in range(200):
            assert len(survivor.stdout.readline()) == 33
        assert set(durable_ids(output)) <= set(stored_ids(url))
        assert verify(url, SECRET).rows >= 200
    finally:
        for child in (victim, survivor):
            child.kill()
            child.communicate(timeout=10)


def test_a_frozen_neighbour_does_not_break_the_chain(sqlite_url: str) -> None:
    """SIGSTOP at any moment, then SIGCONT: the others may have to wait, nobody goes wrong."""
    import signal

    frozen, other = start_child(sqlite_url, "300", "5"), start_child(sqlite_url, "300", "5")
    try:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == b"open\n"
        for _ in range(5):
            frozen.stdout.readline()
            frozen.send_signal(signal.SIGSTOP)
            time.sleep(0.1)  # how long it stands still
            frozen.send_signal(signal.SIGCONT)
        outputs = [child.communicate(timeout=60)[0] for child in (frozen, other)]
    except subprocess.TimeoutExpired:
        pytest.fail("a process did not go on")
    finally:
        for child in (frozen, other):
            child.kill()
            child.wait(10)
    assert all(b"refused" not in output for output in outputs)
    assert stored_ids(sqlite_url).total() == verify(sqlite_url, SECRET).rows == 3000
