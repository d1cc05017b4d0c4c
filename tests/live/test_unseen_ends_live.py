"""Ends that nobody saw, live: AMI away, the service killed, Asterisk killed, nobody watching. None is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from asterisk_plugin.store import keys
from tests.lab import faults
from tests.lab.answering import agree
from tests.lab.ends import read_ends, until_ended
from tests.lab.fixtures import SITE
from tests.lab.lab import Lab
from tests.lab.link import Link
from tests.lab.service import PATIENT, ServiceProcess, patient_dialplan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.attempt import RunningAttempt

pytestmark = [pytest.mark.live, pytest.mark.paired, pytest.mark.asyncio(loop_scope="session")]

DIALER, BY_HAND = "linde-predictive", "linde-de"


def number(place: int) -> str:
    return f"+4930231254{place:02d}"


GOOD_CALLS = 40
"""In Germany every attempt earns 3 hundredths of a call that may end badly, for a member of the code."""


class Site:
    """A service behind a link to AMI that can be cut.

    Args:
        lab: Two Asterisks.
        service: Under test.
        link: Between the two.
    """

    def __init__(self, lab: Lab, service: ServiceProcess, link: Link) -> None:
        self.lab, self.service, self.link = lab, service, link
        self._began_s = time.time()
        self.ledger = f"sqlite:///{service.data_dir / 'ledger.sqlite'}"

    async def cut(self) -> None:
        """Take AMI away, and see that the service knows."""
        self.link.cut()
        await self.service.until_ready(ready=False)

    async def mend(self) -> None:
        """Give AMI back."""
        self.link.mend()
        await self.service.until_ready()

    async def answered(self, place: int, run: RunningAttempt) -> None:
        """Wait until a person has answered; the people of other tests have the same numbers."""
        await self.lab.until_answered(number(place), since_s=self._began_s, running=run)

    async def dial(
        self, place: int, campaign: str, does: str, *, talk_s: float = 1.0, agent: str = "reserved"
    ) -> RunningAttempt:
        """Begin a call to a person who does something."""
        await self.lab.subscriber(number(place), does, ring_s=0.5, talk_s=talk_s)
        return await self.lab.begin(number(place), campaign, agent=agent)


@contextlib.asynccontextmanager
async def running(lab: Lab, folder: Path, *, watchdog: bool = True) -> AsyncIterator[Site]:
    """A site with people who agreed to be called."""
    link = await Link(lab.pbx.host, lab.pbx.ami_port).open()
    service = ServiceProcess(lab, folder / "ringfence", site=SITE, toml=PATIENT, watchdog=watchdog, ami_port=link.port)
    async with patient_dialplan(lab):  # a refused leg has no end
        try:
            await service.start()
            await agree(service, folder, map(number, range(10 + GOOD_CALLS)))
            yield Site(lab, service, link)
        finally:
            await lab.clear()
            await service.stop()
            await link.close()


@pytest_asyncio.fixture(loop_scope="session")
async def site(lab: Lab, tmp_path: Path) -> AsyncIterator[Site]:
    """A site on the lab of the session."""
    async with running(lab, tmp_path) as made:
        yield made


async def test_calls_that_begin_and_end_while_ami_is_away_are_written_down(site: Site) -> None:
    """As not sure; with what the dialplan told, and of the rest the worst."""
    await site.cut()
    runs = [
        await site.dial(0, DIALER, "busy"),
        await site.dial(1, DIALER, "answer"),
        await site.dial(2, BY_HAND, "answer"),
        await site.dial(3, DIALER, "unknown"),
        await site.dial(4, BY_HAND, "absent"),
        await site.dial(5, DIALER, "mailbox", talk_s=20),
    ]
    told = [await run.ended() for run in runs]
    print([(each.token, each.dial_status, each.hangup_cause, each.answered_s) for each in told])
    await site.mend()
    ends = await until_ended(site.ledger, [each.token for each in told])
    assert [end.outcome for end in ends] == ["busy", "silent", "person", "failed", "no-answer", "silent"]
    assert {end.is_sure for end in ends} == {False}
    assert {end.asterisk for end in ends} == {"pbx"}
    assert [end.answer_s is not None for end in ends] == [False, True, True, False, False, True]
    assert (await site.service.run("evidence", "verify")).code == 0


async def test_the_place_of_a_call_without_an_agent_is_given_back_with_its_end(site: Site) -> None:
    """The campaign has earned one place; it is held while nobody knows, and counted as silent then."""
    runs = await asyncio.gather(*(site.dial(place, DIALER, "busy") for place in range(10, 10 + GOOD_CALLS)))
    await until_ended(site.ledger, [(await run.ended()).token for run in runs])
    await site.cut()
    with faults.store_client(site.service) as client:
        async with asyncio.timeout(10):  # the last ends are being counted
            while not (told := await (await site.dial(0, DIALER, "answer", agent="")).ended()).token:
                assert told.reason == "abandoned-rate"
        assert client.zrange(keys.flights(DIALER), 0, -1) == [told.token.encode()]
        await site.mend()
        (end,) = await until_ended(site.ledger, [told.token])
        assert (end.agent, end.outcome, end.is_sure) == (False, "silent", False)
        async with asyncio.timeout(30):
            while client.zcard(keys.flights(DIALER)):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
    again = await (await site.dial(1, DIALER, "answer", agent="")).ended()
    assert again.reason == "abandoned-rate", "it counts"


async def test_a_call_that_still_runs_when_ami_is_back_is_followed_to_its_end(site: Site) -> None:
    """Its end is seen; what came before is not."""
    await site.cut()
    run = await site.dial(0, BY_HAND, "answer", talk_s=30)
    await site.answered(0, run)
    await site.mend()
    await asyncio.sleep(8)  # longer than a look takes
    assert read_ends(site.ledger) == []
    assert not run.is_over
    (end,) = await until_ended(site.ledger, [(await run.ended()).token])
    assert (end.outcome, end.is_sure, end.cause) == ("person", False, 16)


async def test_a_service_that_was_killed_meanwhile_finds_what_has_ended(site: Site) -> None:
    """The second try told of the end; who comes after writes it down."""
    await site.cut()
    run = await site.dial(0, BY_HAND, "answer", talk_s=4)
    await site.answered(0, run)
    await site.service.kill()
    told = await run.ended()
    site.link.mend()
    await site.service.start()
    (end,) = await until_ended(site.ledger, [told.token])
    assert (end.outcome, end.is_sure, end.dial_status) == ("person", False, "ANSWER")
    assert end.talk_s is not None
    assert 2 <= end.talk_s <= 6


async def test_where_nobody_watches_the_dialplans_word_is_taken(lab: Lab, tmp_path: Path) -> None:
    """A service without AMI: who was answered without an agent seen counts as silent."""
    async with running(lab, tmp_path, watchdog=False) as site:
        runs = [await site.dial(0, DIALER, "answer"), await site.dial(1, BY_HAND, "busy")]
        told = [await run.ended() for run in runs]
        ends = await until_ended(site.ledger, [each.token for each in told])
    assert [(end.outcome, end.is_sure) for end in ends] == [("silent", False), ("busy", False)]


async def test_an_asterisk_that_was_killed_takes_no_end_along(tmp_path: Path) -> None:
    """Neither that of a call that was followed, nor that of one that began while AMI was away."""
    lab = await Lab.start()
    try:
        async with running(lab, tmp_path) as site:
            seen = await site.dial(0, BY_HAND, "answer", talk_s=60)
            await site.answered(0, seen)
            await site.cut()
            unseen = await site.dial(1, DIALER, "answer", talk_s=60)
            await site.answered(1, unseen)
            await lab.pbx.kill()
            await lab.pbx.start()
            await site.mend()
            async with asyncio.timeout(40):
                while len(ends := await asyncio.to_thread(read_ends, site.ledger)) < 2:  # noqa: ASYNC110 - a row is no event
                    await asyncio.sleep(0.2)
            await asyncio.sleep(6)  # another look writes nothing
            assert len(read_ends(site.ledger)) == 2
        assert sorted((end.campaign, end.outcome, end.is_sure) for end in ends) == [
            (BY_HAND, "person", False),
            (DIALER, "silent", False),
        ]
    finally:
        await lab.stop()
