"""Waiting in a queue, live and with the real service: what the callers' carrier saw and what the callers heard.

The scenes without a fault run all at once, each in a queue of its own; each is a test that says what came of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import pytest_asyncio
from waiting_hall import EVERY_S, Hall, prompt, write_queues

from tests.lab import faults
from tests.lab.fixtures import SITE
from tests.lab.over_music import OverMusic
from tests.lab.service import ServiceProcess
from tests.lab.sound_folders import MUSIC_PEAK

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

SLACK_S = 2.0
"""What a busy test machine may add to a moment."""


async def told_at_once_and_again_and_charged_when_an_agent_answers(hall):
    """Head of the queue, nobody logged in, no history; the music goes down under the words; then an agent comes."""
    anne = hall.person(1)
    await hall.calls(anne)
    await hall.until_said(anne, "wait-nobody", "wait-unknown", "wait-free", "wait-press-1-call-back")
    await hall.until_said(anne, "wait-still")
    assert (await hall.call_of(anne)).answered_at_s is None, "nobody is charged for waiting"
    sound = await hall.sound(anne)
    assert sound.places(prompt("wait-nobody"))[0] < SLACK_S
    assert sound.places(prompt("wait-still"))[0] - sound.places(prompt("wait-nobody"))[0] < EVERY_S
    _music_goes_down(sound)
    agent = await hall.logs_in(1, talk_s=3)
    call = await hall.until_answered(anne)
    answered = (await hall.lab.invites(agent, since_s=hall.since_s))[0]
    assert call.answered_at_s >= answered.answered_at_s
    await hall.until(lambda: _has_ended(hall, anne))
    (wait,) = await hall.waits()
    assert wait["left"] == "answered"


def _music_goes_down(sound):
    """To a third while something is said, and back to what it was."""
    begin, end = sound.seconds_with_words()[0]
    during = sound.music[int((begin + 1) * 20) : int((end - 1) * 20)]
    after = sound.music[int((end + 0.7) * 20) : int((end + 1.7) * 20)]
    assert 0.28 * MUSIC_PEAK < during.mean() < 0.39 * MUSIC_PEAK
    assert 0.9 * MUSIC_PEAK < after.mean() < 1.1 * MUSIC_PEAK
    assert sound.speech[int(begin * 20) : int(end * 20)].max() > 3 * during.mean() / 2**0.5, "words above the music"


async def _has_ended(hall, number):
    return (await hall.call_of(number)).ended_at_s is not None


async def no_word_reaches_the_agent_who_is_heard_in_full(hall):
    """The agent answers in the middle of an announcement, which ends at once."""
    anne = hall.person(1)
    agent = await hall.logs_in(2, "speaks", ring_s=2.0, talk_s=6)
    await hall.calls(anne, until_in=False)
    await hall.until_answered(anne)
    await asyncio.sleep(3)
    agent_heard = OverMusic(await hall.lab.heard(agent, since_s=hall.since_s))
    assert len(agent_heard.speech) > 20
    assert agent_heard.speech.max() < 60, "the agent heard something"
    sound = await hall.sound(anne)
    assert sound.seconds_with_words()[0][0] < 2.5, "the announcement had begun"
    tone = sound.speech[-30:]
    assert tone.mean() > 0.8 * tone.max()
    assert tone.mean() > 3000, "the agent's tone is turned down"


async def called_back_with_one_key_at_the_same_place(hall):
    """Who waited longer first, then the call-back, through the gate; the person talks to the agent."""
    anne, bert, carla = (hall.person(place) for place in (1, 2, 3))
    for number in (anne, bert, carla):
        await hall.calls(number)
    await hall.until_said(bert, "wait-press-1-call-back")
    await hall.lab.people.press_unanswered(bert, "1")
    await hall.until_said(bert, "call-back-confirm")
    await hall.lab.people.press_unanswered(bert, "1")
    await hall.until_said(bert, "call-back-noted")
    assert (await hall.call_of(bert)).answered_at_s is None
    await hall.stands(anne, "Local/", carla)
    await hall.lab.subscriber(bert, "answer", ring_s=0.2, talk_s=30)
    since_s = time.time()
    agent = await hall.logs_in(3, talk_s=12)
    await hall.lab.until_answered(bert, since_s=since_s, timeout_s=60)
    (invite,) = await hall.lab.invites(bert, since_s=since_s)
    assert (invite.from_number, invite.pai_number) == ("+493023125100", "+493023125100")
    rung = await hall.lab.invites(agent, since_s=since_s)
    assert (await hall.call_of(anne)).answered_at_s < rung[1].at_s < invite.at_s
    wait = next(one for one in await hall.waits() if one["left"] == "call-back")
    assert wait["charged_from"] is None
    shown = await hall.service.run("consent", "show", bert)
    assert "requested-call" in shown.out


async def who_changes_their_mind_keeps_the_place(hall):
    """The head of the queue talks about a call-back for a while, and waits on: before who came later."""
    anne, bert = hall.person(1), hall.person(2)
    await hall.calls(anne)
    await hall.calls(bert)
    await hall.until_said(anne, "wait-press-1-call-back")
    await hall.lab.people.press_unanswered(anne, "1")
    await hall.stands(bert)
    await hall.until_said(anne, "call-back-confirm")
    await hall.lab.people.press_unanswered(anne, "5")
    await hall.until_said(anne, "call-back-back-to-queue")
    await hall.stands(anne, bert)
    assert (await hall.call_of(anne)).answered_at_s is None


async def the_objection_line_is_one_key_away(hall):
    """And what is pressed there holds. The call has one price, however long it lasts: that is said."""
    anne = hall.person(1)
    await hall.calls(anne)
    await hall.until_said(anne, "wait-fixed-price", "wait-press-9-objection")
    await hall.lab.people.press_unanswered(anne, "9")
    await hall.until_said(anne, "press-1-company")
    await hall.lab.people.press(anne, "1")
    await hall.until_said(anne, "recorded-company")
    assert (await hall.lab.dial(anne, "linde-service", caller_id="1001")).reason == "objection"
    assert [wait["left"] for wait in await hall.waits()] == ["objection"]


async def before_the_carriers_limit_the_call_is_answered_at_the_same_place(hall):
    """The person hears that it will be charged, is answered, and stands where they stood."""
    anne, bert = hall.person(1), hall.person(2)
    await hall.calls(anne)
    await hall.calls(bert)
    call = await hall.until_answered(anne)
    assert 19 <= call.answered_at_s - call.at_s <= 39, "limit 40 s, margin 20 s, and the words before it"
    assert await hall.said(anne, "charged-soon")
    await hall.until_answered(bert)
    await hall.stands(anne, bert)


async def before_the_carriers_limit_a_call_back_is_offered(hall):
    """Whoever takes it is called back; a talk that would outlast the limit is charged, and that is said first."""
    anne, bert = hall.person(1), hall.person(2)
    await hall.calls(anne)
    await hall.calls(bert)
    await hall.until_said(anne, "call-back-offer")
    await hall.lab.people.press_unanswered(anne, "1")
    await hall.until_said(anne, "call-back-confirm")
    await hall.lab.people.press_unanswered(anne, "1")
    await hall.until_said(anne, "call-back-noted")
    await hall.until(lambda: _has_ended(hall, anne))
    assert (await hall.call_of(anne)).answered_at_s is None or await hall.said(anne, "charged-soon")
    call = await hall.until_answered(bert)
    assert call.answered_at_s - call.at_s <= 39
    await hall.stands("Local/", bert)
    assert "call-back" in [wait["left"] for wait in await hall.waits()]


async def a_queue_that_takes_nobody_in_still_lets_nobody_go(hall):
    """Nobody logged in, joinempty = no: told so, the keys do what they say, and an agent who comes is heard."""
    anne = hall.person(1)
    await hall.calls(anne, until_in=False)
    await hall.until_said(anne, "wait-unknown", "wait-press-1-call-back")
    await hall.lab.people.press_unanswered(anne, "7")  # leads nowhere
    await asyncio.sleep(7)
    assert not await _has_ended(hall, anne)
    await hall.lab.people.press_unanswered(anne, "1")
    await hall.until_said(anne, "call-back-confirm")
    await hall.lab.people.press_unanswered(anne, "5")
    await hall.until_said(anne, "call-back-back-to-queue")
    await hall.logs_in(4, talk_s=2)
    await hall.until_answered(anne)


LIMITED = 3
"""Number of the queue whose callers the carrier lets wait for 40 s."""

CALLED_BACK, FIXED_PRICE = 7, 6
"""Numbers of the queue that offers a call-back before a limit of 40 s, and of that whose calls have one price."""

SCENES = {
    told_at_once_and_again_and_charged_when_an_agent_answers: 2,
    no_word_reaches_the_agent_who_is_heard_in_full: 3,
    called_back_with_one_key_at_the_same_place: 4,
    who_changes_their_mind_keeps_the_place: 5,
    the_objection_line_is_one_key_away: 6,
    before_the_carriers_limit_the_call_is_answered_at_the_same_place: 1,
    before_the_carriers_limit_a_call_back_is_offered: CALLED_BACK,
    a_queue_that_takes_nobody_in_still_lets_nobody_go: 8,
}


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def outcomes(lab, tmp_path_factory):
    """What came of every scene: None, or what went wrong."""
    service = ServiceProcess(lab, tmp_path_factory.mktemp("scenes") / "ringfence", site=SITE)
    site = service.config / "campaigns.toml"
    text = site.read_text().replace('at_limit = "call-back"', f'at_limit = "answer"\nannounce_every_s = {EVERY_S}')
    site.write_text(f"{text}carrier_limit_s = 40\n")
    write_queues(service, called_back=CALLED_BACK, fixed_price=FIXED_PRICE, **{f"q{CALLED_BACK}": 40})
    await service.start()
    lab.people.listen()
    halls = {scene: Hall(lab, service, number) for scene, number in SCENES.items()}
    try:
        ended = await asyncio.gather(*(scene(hall) for scene, hall in halls.items()), return_exceptions=True)
    finally:
        for hall in halls.values():
            await hall.close()
        lab.people.stop_listening()
        await lab.clear()
        await service.stop()
    return dict(zip(SCENES, ended, strict=True))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_scene(outcomes, scene):
    """See the scene."""
    if (error := outcomes[scene]) is not None:
        raise error


@pytest_asyncio.fixture(loop_scope="session")
async def hall(lab, tmp_path):
    """A queue and a service of its own."""
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE)
    write_queues(service, **{f"q{LIMITED}": 40})
    await service.start()
    lab.people.listen()
    made = Hall(lab, service, 2)
    yield made
    await made.close()
    lab.people.stop_listening()
    await lab.clear()
    await service.stop()


async def test_with_the_service_killed_callers_wait_on_are_served_and_told_again(hall):
    """kill -9 while two wait; one is served meanwhile, one comes meanwhile; who is left is told again afterwards."""
    anne, bert, carla = (hall.person(place) for place in (1, 2, 3))
    await hall.calls(anne)
    await hall.calls(bert)
    await hall.until_said(bert, "wait-press-1-call-back")
    await hall.service.kill()
    await hall.calls(carla)
    await hall.logs_in(1, talk_s=300)
    await hall.until_answered(anne)
    assert await hall.waiting() == [bert, carla]
    await hall.service.start()
    await hall.until_said(carla, "wait-press-1-call-back")
    await hall.until_said(bert, "wait-press-1-call-back", times=2)


async def test_with_the_service_frozen_nobody_is_held_up(hall):
    """Three seconds at most, then into the queue as in plain Asterisk."""
    os.kill(hall.service.pid, signal.SIGSTOP)
    try:
        await hall.logs_in(1, talk_s=2)
        await hall.calls(hall.person(1), until_in=False)
        call = await hall.until_answered(hall.person(1))
        assert call.answered_at_s - call.at_s < 8
    finally:
        os.kill(hall.service.pid, signal.SIGCONT)


async def test_with_the_service_frozen_the_carriers_limit_is_kept(hall):
    """Asked at the limit, it does not answer: the call is answered all the same, before the carrier ends it."""
    hall = Hall(hall.lab, hall.service, LIMITED)
    await hall.calls(hall.person(1))
    os.kill(hall.service.pid, signal.SIGSTOP)
    try:
        call = await hall.until_answered(hall.person(1))
        assert 19 <= call.answered_at_s - call.at_s <= 39
    finally:
        os.kill(hall.service.pid, signal.SIGCONT)


async def test_with_the_store_gone_callers_are_told_that_it_is_not_known(hall):
    """Redis away: the wait is unknown, never silence."""
    with faults.frozen_store(hall.service):
        await hall.calls(hall.person(1))
        await hall.until_said(hall.person(1), "wait-unknown")


async def test_an_unknown_queue_returns_to_the_dialplan(hall):
    """What then happens is the site's."""
    back = hall.lab.pbx.manager.expect(lambda event: event.get("UserEvent") == "LabQueue")
    await hall.lab.people.calls(hall.person(1), "819", ring_s=30)
    await asyncio.wait_for(back, 20)
