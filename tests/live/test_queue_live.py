"""Waiting in a queue, live and with the real service: what the caller's carrier saw and what the caller heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time

import pytest
import pytest_asyncio

from tests.lab import faults
from tests.lab.fixtures import SITE
from tests.lab.manager import ManagerFailed
from tests.lab.over_music import OverMusic
from tests.lab.service import ServiceProcess
from tests.lab.sound_folders import MUSIC_PEAK, SHIPPED

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

ANNE, BERT, CARLA = "+493023125001", "+493023125002", "+493023125003"
QUEUE, CLOSED, NO_SUCH = "8001", "8003", "8002"
EVERY_S = 24
SLACK_S = 1.5
"""What a busy test machine may add to a moment."""


def prompt(name):
    return SHIPPED / "de" / "ringfence" / f"{name}.alaw"


class Hall:
    """The queue, its agents, and the callers in it."""

    def __init__(self, lab, service):
        self.lab, self.service = lab, service
        self.since_s = time.time()
        self.members: list[tuple[str, str]] = []

    async def calls(self, number, to=QUEUE, *, ring_s=600):
        await self.lab.people.calls(number, to, ring_s=ring_s, talk_s=600)
        async with asyncio.timeout(10):
            while number not in await self.waiting(to):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)

    async def waiting(self, to=QUEUE):
        """Numbers of those who are in the queue, in order; a channel that waits for a call-back by its name."""
        shown = await self.lab.pbx.cli(f"queue show {'waiting' if to == QUEUE else 'closed'}")
        channels = [line.split()[1] for line in shown.splitlines() if "(wait:" in line]
        return [number for channel in channels if (number := await self._number(channel))]

    async def _number(self, channel):
        with contextlib.suppress(ManagerFailed):
            value = await self.lab.pbx.ami("Getvar", {"Channel": channel, "Variable": "CALLERID(num)"})
            return value.get("Value") or channel
        return ""

    async def logs_in(self, desk, queue="waiting", *, does="answer", talk_s=60.0, ring_s=0.1):
        number = f"210{desk}"
        await self.lab.subscriber(number, does, ring_s=ring_s, talk_s=talk_s)
        fields = {"Queue": queue, "Interface": f"PJSIP/{number}@desk-{desk}", "StateInterface": f"PJSIP/desk-{desk}"}
        await self.lab.pbx.ami("QueueAdd", fields)
        self.members.append((queue, fields["Interface"]))
        return number

    async def close(self):
        for queue, interface in self.members:
            with contextlib.suppress(ManagerFailed):
                await self.lab.pbx.ami("QueueRemove", {"Queue": queue, "Interface": interface})

    async def call_of(self, number):
        """What the carrier saw of the call that this person made."""
        calls = [call for call in await self.lab.carrier.calls_out() if number in (call.from_number, call.pai_number)]
        return max(calls, key=lambda call: call.at_s)

    async def sound(self, number):
        return OverMusic(await self.lab.heard(number, since_s=self.since_s))

    async def until(self, is_so, timeout_s=20.0):
        async with asyncio.timeout(timeout_s):
            while not await is_so():  # noqa: ASYNC110 - sound is no event
                await asyncio.sleep(0.1)

    async def until_said(self, number, *names, timeout_s=20.0):
        async def said():
            sound = await self.sound(number)
            return all(sound.places(prompt(name)) for name in names)

        await self.until(said, timeout_s)

    async def waits(self):
        """The waits as the service can prove them, by the command of an admin."""
        ran = await self.service.run("queue", "waits", "--json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)


@pytest_asyncio.fixture(loop_scope="session")
async def hall(lab, tmp_path):
    """A service that speaks every twelve seconds; nobody is logged in."""
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE)
    site = service.config / "campaigns.toml"
    site.write_text(site.read_text() + f"announce_every_s = {EVERY_S}\ncarrier_limit_s = 0\n")
    await service.start()
    lab.people.listen()
    made = Hall(lab, service)
    yield made
    await made.close()
    lab.people.stop_listening()
    await lab.clear()
    await service.close()
    await lab.carrier.ami("DBDelTree", {"Family": "subscriber"})


async def test_who_waits_is_told_at_once_and_again_and_is_charged_when_an_agent_answers(hall):
    """Head of the queue, nobody logged in, no history; then an agent comes."""
    await hall.calls(ANNE)
    await hall.until_said(ANNE, "wait-nobody", "wait-unknown", "wait-free", "wait-press-9-objection")
    await hall.until_said(ANNE, "wait-still", timeout_s=EVERY_S + 15)
    sound = await hall.sound(ANNE)
    assert sound.places(prompt("wait-nobody"))[0] < SLACK_S
    first, second = sound.places(prompt("wait-unknown"))[:2]
    assert second - first < EVERY_S
    assert (await hall.call_of(ANNE)).answered_at_s is None, "nobody is charged for waiting"
    agent = await hall.logs_in(1, talk_s=3)
    await hall.until(lambda: _is_answered(hall, ANNE))
    answered = (await hall.lab.invites(agent, since_s=hall.since_s))[0]
    assert (await hall.call_of(ANNE)).answered_at_s >= answered.answered_at_s
    await hall.lab.pbx.until_idle()
    (wait,) = await hall.waits()
    assert (wait["how"], wait["queue"]) == ("answered", "waiting")


async def _is_answered(hall, number):
    return (await hall.call_of(number)).answered_at_s is not None


async def test_the_music_goes_down_under_the_words(hall):
    """To a third while something is said; and back."""
    await hall.calls(ANNE)
    await hall.until_said(ANNE, "wait-press-9-objection")
    await asyncio.sleep(2)
    sound = await hall.sound(ANNE)
    begin, end = sound.seconds_with_words()[0]
    during = sound.music[int((begin + 0.5) * 20) : int((end - 0.5) * 20)]
    after = sound.music[int((end + 0.7) * 20) :]
    assert 0.28 * MUSIC_PEAK < during.mean() < 0.39 * MUSIC_PEAK
    assert 0.9 * MUSIC_PEAK < after[:10].mean() < 1.1 * MUSIC_PEAK
    assert sound.speech[int(begin * 20) : int(end * 20)].max() > 2 * during.mean() / 2**0.5, "words above the music"


async def test_no_word_reaches_the_agent_and_the_agent_is_heard_in_full(hall):
    """The agent answers in the middle of an announcement, which ends at once."""
    await hall.logs_in(1, does="speaks", ring_s=1.0, talk_s=6)
    await hall.calls(ANNE)
    await hall.until(lambda: _is_answered(hall, ANNE))
    await asyncio.sleep(3)
    agent = OverMusic(await hall.lab.heard("2101", since_s=hall.since_s))
    assert agent.speech.max() < 60, "the agent heard something"
    heard = (await hall.sound(ANNE)).speech[-30:]
    assert heard.mean() > 0.8 * heard.max()
    assert heard.mean() > 3000, "the agent's tone is turned down"


async def test_one_key_and_the_person_is_called_back_at_the_same_place(hall):
    """In order: who waited longer first, then the call-back, through the gate; the person talks to the agent."""
    await hall.calls(ANNE)
    await hall.calls(BERT)
    await hall.calls(CARLA)
    await hall.until_said(BERT, "wait-press-1-call-back")
    await hall.lab.people.press_unanswered(BERT, "1")
    await hall.until_said(BERT, "call-back-confirm")
    await hall.lab.people.press_unanswered(BERT, "1")
    await hall.until_said(BERT, "call-back-noted")
    assert (await hall.call_of(BERT)).answered_at_s is None
    await hall.until(lambda: _stands(hall, [ANNE, "Local/", CARLA]))
    await hall.lab.subscriber(BERT, "answer", ring_s=0.2, talk_s=30)
    since_s = time.time()
    agent = await hall.logs_in(1, talk_s=2)
    await hall.until(lambda: _invited(hall, BERT, since_s))
    (invite,) = await hall.lab.invites(BERT, since_s=since_s)
    assert (invite.from_number, invite.pai_number) == ("+493023125100", "+493023125100")
    first, second = sorted((await hall.lab.invites(agent, since_s=since_s)), key=lambda one: one.at_s)[:2]
    assert (await hall.call_of(ANNE)).answered_at_s < second.at_s < invite.at_s
    assert first.at_s < second.at_s
    wait = next(one for one in await hall.waits() if one["how"] == "call-back")
    assert wait["queue"] == "waiting"
    shown = await hall.service.run("consent", "show", BERT)
    assert "requested-call" in shown.out


async def _stands(hall, wanted):
    waiting = await hall.waiting()
    return len(waiting) == len(wanted) and all(map(str.startswith, waiting, wanted))


async def _invited(hall, number, since_s):
    return bool(await hall.lab.invites(number, since_s=since_s))


async def test_who_changes_their_mind_keeps_the_place(hall):
    """The head of the queue talks about a call-back for a while, and waits on: before who came later."""
    await hall.calls(ANNE)
    await hall.calls(BERT)
    await hall.until_said(ANNE, "wait-press-1-call-back")
    await hall.lab.people.press_unanswered(ANNE, "1")
    await hall.until(lambda: _stands(hall, [BERT]))
    await hall.until_said(ANNE, "call-back-confirm")
    await hall.lab.people.press_unanswered(ANNE, "5")
    await hall.until_said(ANNE, "call-back-back-to-queue")
    await hall.until(lambda: _stands(hall, [ANNE, BERT]))
    assert (await hall.call_of(ANNE)).answered_at_s is None


async def test_the_objection_line_is_reached_by_a_key(hall):
    """And what is pressed there holds."""
    await hall.calls(ANNE)
    await hall.until_said(ANNE, "wait-press-9-objection")
    await hall.lab.people.press_unanswered(ANNE, "9")
    await hall.until_said(ANNE, "press-1-company")
    await hall.lab.people.press(ANNE, "1")
    await hall.until_said(ANNE, "recorded-company")
    assert (await hall.lab.dial(ANNE, "linde-service", caller_id="1001")).reason == "objection"
    assert [wait["how"] for wait in await hall.waits()] == ["objection"]


async def test_a_queue_that_takes_nobody_in_still_lets_nobody_go(hall):
    """Nobody logged in, joinempty = no: told so, and served when an agent comes."""
    await hall.lab.people.calls(ANNE, CLOSED, ring_s=600, talk_s=600)
    await hall.until_said(ANNE, "wait-unknown")
    await asyncio.sleep(7)
    assert (await hall.call_of(ANNE)).ended_at_s is None
    await hall.logs_in(1, "closed", talk_s=2)
    await hall.until(lambda: _is_answered(hall, ANNE))


async def test_with_the_service_killed_callers_wait_on_are_served_and_told_again(hall):
    """kill -9 while two wait; one is served meanwhile, the other is told again when it is back."""
    await hall.calls(ANNE)
    await hall.calls(BERT)
    await hall.until_said(BERT, "wait-unknown")
    await hall.service.kill()
    await hall.calls(CARLA)
    await hall.logs_in(1, talk_s=300)
    await hall.until(lambda: _is_answered(hall, ANNE))
    await asyncio.sleep(EVERY_S)
    assert await hall.waiting() == [BERT, CARLA]
    before = len(await _unknown(hall, BERT))
    await hall.service.start()
    await hall.until(lambda: _more(hall, BERT, before), timeout_s=EVERY_S + 20)
    await hall.until(lambda: _more(hall, CARLA, 0), timeout_s=EVERY_S + 20)


async def _unknown(hall, number):
    return (await hall.sound(number)).places(prompt("wait-press-1-call-back"))


async def _more(hall, number, before):
    return len(await _unknown(hall, number)) > before


async def test_with_the_service_frozen_nobody_is_held_up(hall):
    """Three seconds at most, then into the queue as in plain Asterisk."""
    os.kill(hall.service.pid, signal.SIGSTOP)
    try:
        await hall.logs_in(1, talk_s=2)
        began_s = time.time()
        await hall.lab.people.calls(ANNE, QUEUE, ring_s=60, talk_s=60)
        await hall.until(lambda: _is_answered(hall, ANNE), timeout_s=15)
        assert (await hall.call_of(ANNE)).answered_at_s - began_s < 8
    finally:
        os.kill(hall.service.pid, signal.SIGCONT)


async def test_with_the_store_gone_callers_are_told_that_it_is_not_known(hall):
    """Redis away: the wait is unknown, never silence."""
    with faults.frozen_store(hall.service):
        await hall.lab.people.calls(ANNE, QUEUE, ring_s=60, talk_s=60)
        await hall.until_said(ANNE, "wait-unknown")


async def test_an_unknown_queue_returns_to_the_dialplan(hall):
    """What then happens is the site's."""
    back = hall.lab.pbx.manager.expect(lambda event: event.get("UserEvent") == "LabQueue")
    await hall.lab.people.calls(ANNE, NO_SUCH, ring_s=30)
    await asyncio.wait_for(back, 10)


async def test_before_the_carriers_limit_the_call_is_answered_at_the_same_place(lab, tmp_path):
    """The person hears that it will be charged, is answered, and stands where they stood."""
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE)
    site = service.config / "campaigns.toml"
    text = site.read_text().replace('at_limit = "call-back"', 'at_limit = "answer"')
    site.write_text(f"{text}announce_every_s = 30\ncarrier_limit_s = 20\n")
    await service.start()
    lab.people.listen()
    hall = Hall(lab, service)
    try:
        await hall.calls(ANNE)
        await hall.calls(BERT)
        await hall.until(lambda: _is_answered(hall, ANNE), timeout_s=30)
        call = await hall.call_of(ANNE)
        assert 9 <= call.answered_at_s - call.at_s <= 18
        assert (await hall.sound(ANNE)).places(prompt("charged-soon"))
        await hall.until(lambda: _is_answered(hall, BERT), timeout_s=10)
        await hall.until(lambda: _stands(hall, [ANNE, BERT]))
        assert call.ended_at_s is None
    finally:
        await hall.close()
        lab.people.stop_listening()
        await lab.clear()
        await service.close()
