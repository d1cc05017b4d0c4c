"""The whole way on real parts: gate, SQLite, Valkey, spool; and under `kill -9` of everything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest
from objection_child import number_of
from store_lab import until

from asterisk_plugin.app.node import open_node
from asterisk_plugin.callflow.objections import Claim
from asterisk_plugin.callflow.outbound import attempt
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.callflow.records import configuration_event
from asterisk_plugin.errors import NotRecordedError
from asterisk_plugin.ledger import verify
from asterisk_plugin.ports import EventKind
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load
from asterisk_plugin.store.announcements import Announcements
from tests.fakes import SITE_FOLDER, TUESDAY_11, RecordingObserver, attempt_channel

pytestmark = pytest.mark.store

CHILD = Path(__file__).with_name("objection_child.py")
ROOT = Path(__file__).parents[2]
NOBODY_OBJECTED = range(900, 1000)


class Service:
    """One node with the background parts of a service."""

    def __init__(self, node):
        self.node = node
        self.projector = Projector(node.ledger, node.store.projection, poll_s=0.05, identify=node.ledger.identity)
        self.tasks = []

    async def start(self):
        await self.node.ledger.append([configuration_event(load(SITE_FOLDER), TUESDAY_11)])
        await self.projector.catch_up()
        await self.node.store.ping()  # looked over while it is in step, as the service does
        self.tasks = [asyncio.create_task(work) for work in (self.projector.run(), self.node.replay.run())]

    async def decision(self, number):
        channel = attempt_channel(number, "linde-b2b")
        await attempt(self.node.gate, channel)
        return channel.set["RINGFENCE_DECISION"], channel.set["RINGFENCE_REASON"]

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.node.close()


@pytest.fixture
def data_dir(tmp_path):
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


async def opened(data_dir, url):
    loaded = load(SITE_FOLDER, data_dir=data_dir.path)
    node = await open_node(loaded, data_dir, store_url=url, observer=RecordingObserver(), clock=lambda: TUESDAY_11)
    node.spool.prepare()
    return node


@pytest.fixture
async def service(data_dir, own_server):
    made = Service(await opened(data_dir, own_server.url))
    await made.start()
    yield made
    await made.stop()


def claim(place, scope="linde"):
    return Claim(
        number=number_of(place), scope=scope, at=TUESDAY_11, channel="ivr", certainty="called", call=f"call-{place}"
    )


async def _objections_in(ledger):
    return Counter([row.event.id async for row in ledger.read(unseal=False) if row.event.kind is EventKind.OBJECTION])


async def _not_held(service):
    return not service.node.gate.hold()


async def test_the_next_decision_knows_of_it_on_every_node(service, data_dir, own_server):
    """Without a projector's turn; and the other node is told."""
    for task in service.tasks:
        task.cancel()
    other = Service(await opened(data_dir, own_server.url))
    heard, subscribed = asyncio.Queue(), asyncio.Event()
    listener = Announcements(other.node.store.client, on_objected=heard.put_nowait, on_subscribed=subscribed.set)
    other.tasks = [asyncio.create_task(listener.run())]
    await subscribed.wait()
    await other.node.store.ping()
    assert (await service.decision(number_of(1)))[0] == "ALLOW"
    taken = await service.node.objections.take(claim(2))
    assert await service.decision(number_of(2)) == ("DENY", "objection")
    assert await other.decision(number_of(2)) == ("DENY", "objection")
    assert (await asyncio.wait_for(heard.get(), 1)).event_id == taken.event_id
    assert (await other.decision(number_of(3)))[0] == "ALLOW"
    await other.stop()


async def test_with_the_store_away_it_is_confirmed_and_holds_before_anybody_is_dialled_again(service, own_server):
    """The store comes back as it was: until it has the objection, this node dials nobody."""
    own_server.kill()
    taken = await service.node.objections.take(claim(1))
    assert taken.held == "ledger"
    assert (await service.decision(number_of(1)))[0] == "DEFER"
    own_server.start()
    await until(lambda: _not_held(service))
    await until(lambda: _allowed(service, 2))
    assert await service.decision(number_of(1)) == ("DENY", "objection")


async def _allowed(service, place):
    return (await service.decision(number_of(place)))[0] == "ALLOW"


async def test_with_the_ledger_away_it_is_confirmed_from_the_spool_and_replayed_once(service, data_dir):
    """Locked by another process; while it is, nobody is dialled, and afterwards the ledger has it once."""
    lock = sqlite3.connect(data_dir.path / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    taken = await service.node.objections.take(claim(1))
    again = await service.node.objections.take(claim(1))
    assert (taken.held, again.event_id) == ("spool", taken.event_id)
    decision, _ = await service.decision(number_of(2))
    assert decision == "DEFER"
    assert await _objections_in(service.node.ledger) == {}
    lock.execute("ROLLBACK")
    lock.close()
    await until(lambda: _not_held(service), limit_s=10)
    assert await _objections_in(service.node.ledger) == {taken.event_id: 1}
    assert await service.decision(number_of(1)) == ("DENY", "objection")


def _put_in_the_way(folder):
    """A file in place of a folder; the service, which looks at its spool all the time, may make the folder again."""
    while not folder.is_file():
        folder.rmdir()
        with contextlib.suppress(IsADirectoryError):
            folder.write_text("in the way")


async def test_with_ledger_and_spool_away_nothing_is_confirmed(service, data_dir):
    """Within two seconds, and no trace that somebody could take for a record."""
    lock = sqlite3.connect(data_dir.path / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    _put_in_the_way(data_dir.spool / "new")
    async with asyncio.timeout(2):
        with pytest.raises(NotRecordedError):
            await service.node.objections.take(claim(1))
    (data_dir.spool / "new").unlink()
    lock.execute("ROLLBACK")
    lock.close()
    await until(lambda: _not_held(service))
    await asyncio.sleep(0.1)
    assert await _objections_in(service.node.ledger) == {}


async def test_an_emptied_store_is_filled_before_anybody_is_dialled_again(service, own_server):
    """Taken while the store was away, which then came back empty."""
    own_server.kill()
    await service.node.objections.take(claim(1))
    for file in (own_server.directory / "appendonlydir").iterdir():
        file.unlink()
    own_server.start()
    await until(lambda: _allowed(service, 2), limit_s=10)
    assert await service.decision(number_of(1)) == ("DENY", "objection")


class Storm:
    """Everything at once: calls, objections, and `kill -9`."""

    def __init__(self, service, data_dir, server):
        self.service, self.data_dir, self.server = service, data_dir, server
        self.choose = random.Random(300)
        self.confirmed: list[int] = []
        self.called: list[int] = []
        self.decisions: Counter[str] = Counter()

    async def dial(self):
        """Decide attempts without an end: to people who objected, and to people who did not."""
        while True:
            objected = bool(self.confirmed) and self.choose.random() < 0.7
            place = self.choose.choice(self.confirmed if objected else NOBODY_OBJECTED)
            decision, _ = await self.service.decision(number_of(place))
            if not objected:
                self.decisions[decision] += 1
            elif decision == "ALLOW":
                self.called.append(place)
            await asyncio.sleep(0.005)

    async def take(self):
        """One process after the other takes objections until it is killed."""
        while True:
            first = str(max(self.confirmed, default=-1) + 1)
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, str(CHILD), str(self.data_dir.path), self.server.url, first),
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{CHILD.parent}"},
            )
            try:
                assert await child.stdout.readline() == b"open\n"
                asyncio.get_running_loop().call_later(self.choose.uniform(0.0, 0.7), _kill, child)
                async for line in child.stdout:
                    if line.endswith(b"\n"):
                        self.confirmed.append(int(line))
            finally:
                _kill(child)
                await child.wait()

    async def break_things(self):
        """Now the store, now the ledger."""
        rounds = 0
        # At least fourteen; on a busy machine until enough has happened in between.
        while rounds < 14 or len(set(self.confirmed)) <= 20 or self.decisions["ALLOW"] <= 20:
            rounds += 1
            assert rounds < 100, (len(self.confirmed), self.decisions)
            await asyncio.sleep(self.choose.uniform(0.05, 0.5))
            if self.choose.random() < 0.6:
                self.server.kill()
                await asyncio.sleep(self.choose.uniform(0, 0.4))
                await asyncio.to_thread(self.server.start)
                continue
            lock = sqlite3.connect(self.data_dir.path / "ledger.sqlite", isolation_level=None, timeout=5)
            lock.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(self.choose.uniform(0.2, 1.2))
            lock.execute("ROLLBACK")
            lock.close()

    async def rage(self):
        """All of it, until everything has been broken often enough."""
        jobs = [asyncio.create_task(work) for work in (self.dial(), self.take())]
        await self.break_things()
        for job in jobs:
            job.cancel()
        ended = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(how, asyncio.CancelledError) for how in ended), ended


def _kill(child):
    if child.returncode is None:
        child.kill()


async def test_nobody_who_heard_the_confirmation_is_called_whatever_is_killed(service, data_dir, own_server):
    """Store and the process that takes objections killed at random, the ledger locked at random; nothing twice."""
    storm = Storm(service, data_dir, own_server)
    await storm.rage()
    await until(lambda: _not_held(service), limit_s=10)
    await until(lambda: _is_ready(service), limit_s=10)
    await until(lambda: _store_answers(service), limit_s=10)  # the last kill may not have been noticed yet
    heard = sorted(set(storm.confirmed))
    assert storm.called == []
    assert {await service.decision(number_of(place)) for place in heard} == {("DENY", "objection")}
    stored = await _objections_in(service.node.ledger)
    assert set(stored.values()) == {1}
    assert len(stored) >= len(heard)
    await service.projector.rebuild()
    assert {await service.decision(number_of(place)) for place in heard} == {("DENY", "objection")}
    verify(data_dir.ledger_url, data_dir.secret())


async def _store_answers(service):
    return (await service.decision(number_of(NOBODY_OBJECTED[0])))[1] != "store-unavailable"


async def _is_ready(service):
    return service.projector.ready
