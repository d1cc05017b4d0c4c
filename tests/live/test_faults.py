"""Faults, on the live lab: never a denied call, the reason names the fault, it heals without a hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from asterisk_plugin.settings.data_dir import DataDir
from tests.lab import faults, people
from tests.lab.fixtures import SITE
from tests.lab.service import ServiceProcess

pytestmark = [pytest.mark.live, pytest.mark.paired, pytest.mark.asyncio(loop_scope="session")]


async def _dial(lab, number=people.AGREED_NL, campaign="tulip-nl"):
    """One call, and how many INVITEs it sent."""
    since_s = time.time()
    attempt = await lab.dial(number, campaign, caller_id="1001")
    return attempt, len(await lab.invites(number, since_s=since_s))


async def _until_allowed(lab, timeout_s=15):
    """The gate heals by itself: wait until an ordinary call passes again."""
    async with asyncio.timeout(timeout_s):
        while True:
            attempt, invites = await _dial(lab)
            if attempt.decision == "ALLOW":
                assert invites == 1
                return
            assert invites == 0


async def _stops_at(lab, reason):
    """An ordinary call and a denied one: neither leaves, the ordinary one's reason names the fault."""
    attempt, invites = await _dial(lab)
    assert (attempt.decision, attempt.reason, invites) == ("DEFER", reason, 0)
    attempt, invites = await _dial(lab, people.OBJECTED_NL)
    assert attempt.decision in ("DEFER", "DENY")
    assert invites == 0


async def test_a_frozen_store_stops_calls_and_thaws(lab, gate):
    """SIGSTOP: answered within the deadline; SIGCONT: calls again."""
    with faults.frozen_store(gate):
        started_s = time.monotonic()
        await _stops_at(lab, "store-unavailable")
        assert time.monotonic() - started_s < 3
    await _until_allowed(lab)


async def test_a_killed_store_comes_back_with_its_records(lab, gate):
    """kill -9 of Valkey: stopped meanwhile, restarted by the service, objections still there."""
    os.kill(faults.valkey_pid(gate.data_dir), signal.SIGKILL)
    attempt, invites = await _dial(lab)
    assert attempt.decision != "DENY"
    assert invites == (attempt.decision == "ALLOW")  # it may be back already
    await _until_allowed(lab)
    attempt, invites = await _dial(lab, people.OBJECTED_NL)
    assert (attempt.reason, invites) == ("objection", 0)


async def test_an_emptied_store_is_not_a_store_without_objections(lab, gate):
    """FLUSHALL: not ready, never 'nobody objected'; rebuilt from the ledger by itself."""
    with faults.store_client(gate) as client:
        client.flushall()
    attempt, invites = await _dial(lab, people.OBJECTED_NL)
    assert invites == 0
    assert attempt.reason in ("store-unavailable", "objection")
    await _until_allowed(lab)
    attempt, invites = await _dial(lab, people.OBJECTED_NL)
    assert (attempt.reason, invites) == ("objection", 0)


async def test_a_store_emptied_again_and_again_never_lets_a_denied_call_through(lab, gate):
    """FLUSHALL every few milliseconds while denied calls are tried."""

    async def flush() -> None:
        with faults.store_client(gate) as client:
            while True:
                client.flushall()
                await asyncio.sleep(0.01)

    flushing = asyncio.create_task(flush())
    try:
        for _ in range(10):
            _, invites = await _dial(lab, people.OBJECTED_NL)
            assert invites == 0
    finally:
        flushing.cancel()
    await _until_allowed(lab)


async def test_a_full_disk_stops_calls_until_there_is_space(lab, gate):
    """Every write of the service fails: at most the first call passes the gate, none leaves without evidence."""
    with faults.full_disk(gate):
        first, invites = await _dial(lab)  # its evidence is what finds the disk full
        assert invites == 0
        assert first.decision in ("ALLOW", "DEFER")
        await _stops_at(lab, "evidence-unavailable")
    await _until_allowed(lab)
    assert (await gate.run("evidence", "verify")).code == 0


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine may not mount; the same fault is shown with a file size limit")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_ledger_without_space_stops_calls_until_there_is_some(lab, small_disk, tmp_path):
    """Real ENOSPC: the ledger lives on a small file system that is filled up."""
    url = f'\n[ledger]\nurl = "sqlite:///{small_disk / "ledger.sqlite"}"\n'
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE, toml=url)
    try:
        await people.enter_records(service, tmp_path)
        await service.start()
        await _until_allowed(lab)
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
        _, invites = await _dial(lab)
        allowed_without_evidence = invites
        for _ in range(50):  # the write-ahead log may still have room inside
            attempt, invites = await _dial(lab)
            if attempt.reason == "evidence-unavailable":
                break
            allowed_without_evidence += invites
        assert (attempt.decision, attempt.reason, invites) == ("DEFER", "evidence-unavailable", 0)
        filler.unlink()
        await _until_allowed(lab)
        assert (await service.run("evidence", "verify")).code == 0
    finally:
        await service.stop()


async def test_the_service_killed_before_the_decision(lab, gate):
    """Nobody listens: the second try answers, by the same rules, also for a denied number."""
    await gate.kill()
    attempt, invites = await _dial(lab)
    assert (attempt.decision, attempt.answered_by, invites) == ("ALLOW", "process", 1)
    attempt, invites = await _dial(lab, people.OBJECTED_NL)
    assert (attempt.decision, attempt.reason, invites) == ("DENY", "objection", 0)
    await gate.start()
    await _until_allowed(lab)


async def test_service_and_store_killed_before_the_decision(lab, gate):
    """Nobody and nothing answers: not dialled."""
    store = faults.valkey_pid(gate.data_dir)
    await gate.kill()
    os.kill(store, signal.SIGKILL)
    attempt, invites = await _dial(lab)
    assert (attempt.decision, attempt.reason, invites) == ("DEFER", "store-unavailable", 0)
    await gate.start()
    await _until_allowed(lab)


async def test_the_service_killed_during_the_decision(lab, gate):
    """It took the request and died with it: no DECISION was set, the second try decides."""
    with faults.frozen_store(gate):  # holds the decision open
        running = await lab.begin(people.OBJECTED_NL, "tulip-nl", caller_id="1001")
        await asyncio.sleep(0.1)
        await gate.kill()
    since_s = time.time()
    ended = await running.ended()
    assert ended.decision in ("DENY", "DEFER")
    assert await lab.invites(people.OBJECTED_NL, since_s=since_s - 5) == []
    await gate.start()
    await _until_allowed(lab)


async def test_the_service_killed_between_verdict_and_trunk_leg(lab, gate):
    """The token is good, the service is gone: the second try redeems it, once."""
    await gate.kill()
    attempt, invites = await _dial(lab)
    assert invites == (attempt.decision == "ALLOW")
    await lab.dial_past_the_gate(people.AGREED_NL, token=attempt.token, caller_id="+31201234567")
    await gate.start()
    await _until_allowed(lab)
    assert (await gate.run("evidence", "verify")).code == 0


async def test_a_frozen_service_holds_no_call_for_ever(lab, gate):
    """SIGSTOP of the service: the dialplan gives up waiting and asks the second try."""
    os.kill(gate.pid, signal.SIGSTOP)
    try:
        started_s = time.monotonic()
        _, invites = await _dial(lab, people.OBJECTED_NL)
        assert invites == 0
        assert time.monotonic() - started_s < 20
    finally:
        os.kill(gate.pid, signal.SIGCONT)
    await _until_allowed(lab)


async def test_a_cut_ami_connection_comes_back(lab, gate):
    """AMI is cut: the gate still decides, readiness says so, and it heals."""
    connected = await lab.pbx.cli("manager show connected")
    (descriptor,) = re.findall(r"^\s*ringfence\s+\S+\s+\d+\s+\d+\s+(\d+)", connected, re.MULTILINE)
    await lab.pbx.cli(f"manager kick session {descriptor}")
    attempt, invites = await _dial(lab)
    assert (attempt.decision, invites) == ("ALLOW", 1)
    await gate.until_ready()


async def test_many_kills_never_let_a_denied_call_through(lab, gate):
    """kill -9 of the service at ten different moments of a denied call."""
    for delay_ms in range(0, 50, 5):
        since_s = time.time()
        running = await lab.begin(people.OBJECTED_NL, "tulip-nl", caller_id="1001")
        await asyncio.sleep(delay_ms / 1000)
        await gate.kill()
        await running.ended()
        assert await lab.invites(people.OBJECTED_NL, since_s=since_s) == []
        await gate.start()
    assert (await gate.run("evidence", "verify")).code == 0
    assert DataDir(gate.data_dir).read_run()["pid"] == gate.pid
