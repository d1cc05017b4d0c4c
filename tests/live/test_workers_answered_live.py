"""`workers = 2` and answered calls, live: the sound of each reaches the process that listens to it.

Before a dialer's call is connected that is the worker whose `answered` script runs; afterwards, and for an agent's call
from the answer on, it is the service itself, which follows the attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.alaw import RATE, to_linear
from tests.lab.answering import DESKS, Dialer, agree, messages
from tests.lab.ends import until_ended
from tests.lab.fixtures import SITE
from tests.lab.ports import free_tcp_port
from tests.lab.service import PATIENT, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

BY_DIALER, BY_HAND = "linde-predictive", "linde-de"
ESTABLISHED = "01"
MOST_ROUNDS = 5


def number(place: int) -> str:
    return f"+4930231252{place:02d}"


def three_free_ports() -> int:
    """The first of three ports in a row that are free: the service's and those of its workers."""
    while True:
        first = free_tcp_port("127.0.0.1")
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + 3):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def connected_ports() -> set[int]:
    """This machine's ports of TCP connections that stand now."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == ESTABLISHED}


class Connections:
    """Which ports somebody was connected to, by looking again and again."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            self.seen |= connected_ports()
            await asyncio.sleep(0.05)  # a connection of the kernel's is no event of ours

    async def close(self) -> None:
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)


class Site:
    """A service with two workers, its dialer, and the three ports at which sound may come."""

    def __init__(self, dialer: Dialer, first_port: int, connections: Connections) -> None:
        self.dialer, self.lab = dialer, dialer.lab
        self.ledger = f"sqlite:///{dialer.service.data_dir / 'ledger.sqlite'}"
        self.main, *self.workers = range(first_port, first_port + 3)
        self.connections = connections

    async def round(self, first: int) -> None:
        """A person and a mailbox, called by a dialer and by an agent each; each comes to its end as it must."""
        persons, mailboxes = (number(first), number(first + 1)), (number(first + 2), number(first + 3))
        for each in persons:
            await self.lab.subscriber(each, "says", ring_s=0.5, talk_s=9)
        for each in mailboxes:
            await self.lab.subscriber(each, "mailbox", ring_s=0.5, talk_s=30)
        calls = [
            self.dialer.finish(persons[0], BY_DIALER, desk=1),
            self.dialer.finish(persons[1], BY_HAND, play="ringfence/line-greeting"),
            self.dialer.finish(mailboxes[0], BY_DIALER, desk=2),
            self.dialer.finish(mailboxes[1], BY_HAND, play="ringfence/line-greeting"),
        ]
        found = await asyncio.gather(*calls)
        assert [end["outcome"] for end, _ in found] == ["person", "person", "machine", "machine"]
        assert [end["heard"] for end, _ in found] == ["person", "person", "machine", "machine"]
        assert [end["sure"] for end, _ in found] == ["True"] * 4
        assert float(found[0][0]["agent_s"]) < 0.9 + 2.0 + 1.0
        sound = to_linear((await self.lab.heard(persons[0], since_s=found[0][1])).audio)
        assert max(sound[4 * RATE :]) > 3000, "the agent's tone"


@pytest_asyncio.fixture(loop_scope="session")
async def site(lab: Lab, tmp_path: Path) -> AsyncIterator[Site]:
    """As an admin runs it: the workers' ports are those above the service's."""
    first_port = three_free_ports()
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE, toml=f"{PATIENT}\n[service]\nworkers = 2\n")
    toml = service.config / "ringfence.toml"
    toml.write_text(toml.read_text().replace("[audiosocket]\nport = 0", f"[audiosocket]\nport = {first_port}"))
    await service.start()
    await agree(service, tmp_path, map(number, range(MOST_ROUNDS * 4)))
    lab.people.listen()
    dialer, connections = Dialer(lab, service), Connections()
    await dialer.logs_in(DESKS)
    try:
        yield Site(dialer, first_port, connections)
    finally:
        await connections.close()
        await dialer.close()
        lab.people.stop_listening()
        await lab.clear()
        await service.stop()


async def test_each_process_hears_its_calls(site: Site) -> None:
    """Until both workers have heard a dialer's call: machines are cut off, persons connected, no message is left."""
    rounds, left = 0, messages(site.lab)  # by calls of other tests whose agents are only warned
    while rounds < MOST_ROUNDS and not {site.main, *site.workers} <= site.connections.seen:
        await site.round(rounds * 4)
        rounds += 1
    assert {site.main, *site.workers} <= site.connections.seen, f"after {rounds} rounds"
    assert messages(site.lab) == left
    ends = site.dialer.ended()
    assert len(ends) == rounds * 4
    assert len(await until_ended(site.ledger, list(ends))) == rounds * 4
    assert "not listened" not in site.dialer.service.log.read_text()
    _, metrics = await site.dialer.service.get("/metrics")
    assert 'ringfence_watchdog_total{event="not-listened"}' not in metrics
    assert 'ringfence_watchdog_total{event="machine-cut"}' in metrics
