"""A whole service: an objection taken anywhere ends what rings here, whatever is away."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_ami import FakeAmi, fake_ami, recorded

from asterisk_plugin.app.node import open_node
from asterisk_plugin.callflow.objections import Claim
from asterisk_plugin.callflow.records import objection_event
from asterisk_plugin.callflow.running_legs import has_objection
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.ledger.objection_spool import ObjectionSpool
from asterisk_plugin.service import Service
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load
from tests.fakes import SITE_FOLDER, RecordingObserver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.store

GETVAR = b"Response: Success\r\nActionID: ACTIONID\r\nVariable: V\r\nValue: linde-b2b\r\n\r\n"
NUMBERS = tuple(f"+4930231250{place:02}" for place in range(3))


def begin(place: int) -> bytes:
    """A DialBegin to one of NUMBERS, as Asterisk sends it."""
    blocks = recorded("gated_dial").decode().split("\r\n\r\n")
    block = next(b for b in blocks if b.startswith("Event: DialBegin") and "DestChannel: PJSIP/carrier" in b)
    fields = dict(line.split(": ", 1) for line in block.split("\r\n"))
    fields |= {"DestChannel": leg(place), "DestUniqueid": f"1795286296.{place}"}
    fields["DialString"] = f"{NUMBERS[place]}@carrier"
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n"


def leg(place: int) -> str:
    return f"PJSIP/carrier-{place:08x}"


def claim(place: int) -> Claim:
    now = dt.datetime.now(dt.UTC)
    return Claim(number=NUMBERS[place], scope="linde", at=now, channel="ivr", certainty="called", call=f"c{place}")


@pytest.fixture
async def peer() -> AsyncIterator[FakeAmi]:
    async with fake_ami() as made:
        made.answers["Getvar"] = GETVAR
        yield made


@pytest.fixture
async def service(peer: FakeAmi) -> AsyncIterator[Service]:
    """A service on embedded defaults, an objection of before in its spool."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        folder = Path(name)
        shutil.copy(SITE_FOLDER / "campaigns.toml", folder)
        (folder / "ringfence.toml").write_text(
            f'[service]\ndata_dir = "{folder}/data"\n[agi]\nport = 0\n[http]\nport = 0\n[audiosocket]\nport = 0\n'
            f'[[asterisk]]\nname = "pbx"\nport = {peer.port}\nusername = "u"\nsecret = "s"\n'
            'trunks = ["PJSIP/carrier"]\n'
        )
        loaded = load(folder)
        data_dir = DataDir(loaded.data_dir)
        data_dir.prepare()
        spool = ObjectionSpool(data_dir.spool, secret=data_dir.secret())
        tag = person_tag(data_dir.secret(), NUMBERS[0])
        at = dt.datetime.now(dt.UTC)
        spool.add(objection_event("ab" * 16, person=tag, number=NUMBERS[0], scope="*", at=at, channel="ivr"))
        made = Service(folder, loaded, workers=1)
        await made.start()
        await peer.wait_for("CoreShowChannels", 2)  # the watchdog's and the running calls'
        yield made
        await made.stop()


async def other_process(service: Service):
    """What a worker has: ledger, store and spool of its own, no AMI."""
    data_dir = service._data_dir
    url = data_dir.read_run()["store_url"]
    return await open_node(service._loaded, data_dir, store_url=url, observer=RecordingObserver())


async def cut(peer: FakeAmi, place: int) -> bool:
    """Wait until the leg was hung up because of an objection; the watchdog hangs none up that passed."""
    await peer.wait_for("Hangup")
    return [action["Channel"] for action in peer.named("Hangup")] == [leg(place)]


async def ring(service: Service, peer: FakeAmi, place: int) -> None:
    """A leg that has passed the gate begins to ring."""
    (watched,) = service._watched
    assert service._node is not None
    assert service._node.gate.passed is not None
    service._node.gate.passed.add(f"1795286296.{place}/{leg(place)}")
    await peer.send(begin(place))
    async with asyncio.timeout(30):
        while True:
            if f"1795286296.{place}" in watched.running._legs:
                return
            await asyncio.sleep(0.001)


async def test_what_waited_in_the_spool_is_in_force_before_anybody_is_dialled(service: Service) -> None:
    """Recorded once; until the store has it too, the gate is held."""
    assert service._node is not None
    gate, (person, principal) = service._node.gate, (service._node.gate.tag(NUMBERS[0]), "linde")
    async with asyncio.timeout(30):
        while True:
            if not gate.hold():
                break
            await asyncio.sleep(0.001)
    assert await has_objection(gate, person, principal)
    assert [row.event.id for row in await service._node.ledger.find("ab" * 16)] == ["ab" * 16]
    assert service.parts()["objections"] == "ok"


async def test_an_objection_of_this_process_ends_what_rings(service: Service, peer: FakeAmi) -> None:
    """At once, without the way over the store."""
    assert service._node is not None
    await ring(service, peer, 1)
    await service._node.objections.take(claim(1))
    assert await cut(peer, 1)


async def test_an_objection_of_another_process_ends_what_rings(service: Service, peer: FakeAmi) -> None:
    """Over the store's announcement."""
    worker = await other_process(service)
    await ring(service, peer, 1)
    await worker.objections.take(claim(1))
    assert await cut(peer, 1)
    await worker.close()


async def test_with_the_store_away_another_process_still_ends_what_rings(service: Service, peer: FakeAmi) -> None:
    """Nothing can be announced; the spool that both share is."""
    worker = await other_process(service)
    await ring(service, peer, 1)
    url = service._data_dir.read_run()["store_url"]
    store = int((service._data_dir.path / "valkey" / "valkey.pid").read_text())
    assert url
    os.kill(store, signal.SIGSTOP)
    try:
        await worker.objections.take(claim(1))
        assert await cut(peer, 1)
        assert service._node is not None
        assert service._node.gate.hold()
    finally:
        os.kill(store, signal.SIGCONT)
    await worker.close()
