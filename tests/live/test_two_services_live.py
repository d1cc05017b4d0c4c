"""Two services that watch one Asterisk, live: each attempt ends as one event, and what one of them heard is in it.

They share store and ledger, and differ in their FastAGI and AudioSocket ports. Asterisk asks node A; so A hears who
answered, and B sees the same events over AMI.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.answering import DESKS, Dialer, agree, messages
from tests.lab.ends import read_ends, until_ended
from tests.lab.fixtures import SITE
from tests.lab.killable import shared_by_nodes
from tests.lab.link import Link
from tests.lab.ports import free_tcp_port
from tests.lab.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.lab.lab import Lab
    from tests.lab.manager import Message

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

BY_DIALER, BY_HAND, WARNED, RECORDED = "linde-predictive", "linde-de", "linde-warned", "linde-recorded"

ANOTHER_CAMPAIGN = """
[[campaign]]
id = "linde-recorded"
principal = "linde"
purpose = "sales"
product = "fashion"
dial_mode = "recorded"
caller_ids = ["+493023125100"]
language = "de"
"""


def number(place: int) -> str:
    return f"+49302312515{place}"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Both services.

    Args:
        a: Asterisk asks it.
        b: It only watches.
        link: Between B and AMI.
        dialer: Dials through A.
        ledger: URL of their ledger.
    """

    a: ServiceProcess
    b: ServiceProcess
    link: Link
    dialer: Dialer
    ledger: str

    def found(self, heard: str) -> asyncio.Future[Message]:
        """The event by which one service tells the other what it has heard."""
        return self.dialer.lab.pbx.manager.expect(
            lambda event: (
                event.get("UserEvent") == "RingfenceAnswered"
                and event.get("Do") == "found"
                and event.get("Heard") == heard
            )
        )


@pytest_asyncio.fixture(loop_scope="session")
async def nodes(lab: Lab, tmp_path: Path) -> AsyncIterator[Nodes]:
    """Two nodes on one Asterisk."""
    async with shared_by_nodes(tmp_path) as shared:
        link, b_port = await Link(lab.pbx.host, lab.pbx.ami_port).open(), free_tcp_port("127.0.0.1")
        a = ServiceProcess(lab, tmp_path / "a", site=SITE, toml=shared.toml)
        b = ServiceProcess(lab, tmp_path / "b", site=SITE, toml=shared.toml, fastagi_port=b_port, ami_port=link.port)
        for node in (a, b):
            campaigns = node.config / "campaigns.toml"
            campaigns.write_text(campaigns.read_text() + ANOTHER_CAMPAIGN)
        dialer = Dialer(lab, a)
        try:
            await a.start()
            await agree(a, tmp_path, map(number, range(10)))
            await b.start()
            await dialer.logs_in(DESKS)
            yield Nodes(a, b, link, dialer, shared.ledger_url)
        finally:
            await dialer.close()
            await lab.clear()
            await asyncio.gather(a.stop(), b.stop())
            await link.close()


async def test_each_attempt_ends_as_one_event_with_what_was_heard(nodes: Nodes) -> None:
    """Persons and machines of a dialer, of an agent and of a recording; and one that nobody answered."""
    dialer = nodes.dialer
    calls = {
        0: (BY_DIALER, "says", {"desk": 1}),
        7: (BY_DIALER, "mailbox", {"desk": 2}),  # greets for seven seconds, so a late ear hears its beep
        2: (BY_HAND, "says", {}),
        3: (BY_HAND, "mailbox", {"play": "ringfence/line-greeting"}),
        4: (RECORDED, "says", {"play": "ringfence/line-greeting"}),
        5: (BY_HAND, "busy", {}),
    }
    for place, (_, does, _) in calls.items():
        await dialer.lab.subscriber(number(place), does, ring_s=0.5, talk_s=30 if does == "mailbox" else 9)
    runs = [await dialer.dials(number(place), campaign, **how) for place, (campaign, _, how) in calls.items()]
    told = [await run.ended(60) for run in runs]
    ends = await until_ended(nodes.ledger, [each.token for each in told])
    assert [end.outcome for end in ends] == ["person", "machine", "person", "machine", "person", "busy"]
    assert [end.heard for end in ends] == ["person", "machine", "person", "machine", "person", ""]
    assert {end.is_sure for end in ends} == {True}
    assert ends[4].talk_s is not None
    assert ends[4].talk_s > 8, "nobody cut the recording because the sound did not come to both"
    assert messages(dialer.lab) == []
    await asyncio.sleep(6)  # whoever is late
    assert len(read_ends(nodes.ledger)) == len(calls)
    for node in (nodes.a, nodes.b):
        _, metrics = await node.get("/metrics")
        assert 'event="not-listened' not in metrics
        seen = [f"ended attempt={end.attempt_id}" in node.log.read_text() for end in ends if end.outcome != "busy"]
        # A leg that is refused at once may be over, and written down by the other, before a busy service looks.
        assert all(seen), "both saw the ends of all that were answered"


@pytest.mark.parametrize(("campaign", "does", "heard"), [(BY_HAND, "says", "person"), (WARNED, "mailbox", "machine")])
async def test_what_a_service_heard_that_is_gone_is_in_the_event_of_the_other(
    nodes: Nodes, campaign: str, does: str, heard: str
) -> None:
    """A hears who answered, and is killed; the call ends later, and B writes it down."""
    lab = nodes.dialer.lab
    await lab.subscriber(number(6), does, ring_s=0.5, talk_s=25)
    found = nodes.found(heard)
    run = await nodes.dialer.dials(number(6), campaign, queue=False)
    await asyncio.wait_for(found, 30)
    await nodes.a.kill()
    await lab.hang_up(run)
    (end,) = await until_ended(nodes.ledger, [(await run.ended(60)).token])
    assert (end.outcome, end.heard, end.is_sure) == (heard, heard, True)
    assert end.heard_s is not None
    assert f"ended attempt={end.attempt_id}" in nodes.b.log.read_text()
    assert f"ended attempt={end.attempt_id}" not in nodes.a.log.read_text()


async def test_a_service_that_comes_back_leaves_the_end_to_who_saw_more(nodes: Nodes) -> None:
    """B was away while the call began; A has seen all of it, and its word stands."""
    lab = nodes.dialer.lab
    nodes.link.cut()
    await nodes.b.until_ready(ready=False)
    await lab.subscriber(number(7), "says", ring_s=0.5, talk_s=9)
    since_s = time.time()
    run = await nodes.dialer.dials(number(7), BY_HAND, queue=False)
    await lab.until_answered(number(7), since_s=since_s, running=run)
    nodes.link.mend()
    await nodes.b.until_ready()
    (end,) = await until_ended(nodes.ledger, [(await run.ended(60)).token])
    assert (end.outcome, end.heard, end.is_sure) == ("person", "person", True)
    await asyncio.sleep(6)
    assert len(read_ends(nodes.ledger)) == 1
