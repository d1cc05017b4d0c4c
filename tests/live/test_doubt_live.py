"""A tone that may be a beep, live: our side is mute while it is not clear, and a person is heard again."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
import pytest_asyncio

from tests.lab.alaw import FRAME, RATE, to_linear
from tests.lab.answering import dialing, recorded

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

BOX, ANNA = "+493023125130", "+493023125131"
CUT_S = 0.5
"""What a mailbox may get of ours: the doubt, the way of the action, buffers."""

LOUD = 300
"""Louder than what a-law makes of silence, far quieter than anybody who speaks."""


@pytest_asyncio.fixture(loop_scope="session")
async def dialer(lab, tmp_path):
    """A service and agents of its own, and people who agreed to be called."""
    async with dialing(lab, tmp_path, [BOX, ANNA]) as made:
        yield made


@pytest.mark.parametrize(
    ("box", "why", "by"),
    [
        ("ringbox", "beep-by-quiet", "an agent"),
        ("ringbox", "beep-by-quiet", "a dialer"),
        ("silentbox", "says-no-more", "a dialer"),
    ],
)
async def test_a_mailbox_whose_beep_is_a_ring_or_missing_records_nothing_of_ours(dialer, box, why, by):
    """Our side speaks all the time; what comes after the beep or the greeting is quiet, and then the call is over."""
    await dialer.lab.subscriber(BOX, box, ring_s=0.5, talk_s=40)
    how = {"campaign": "linde-de", "play": "ringfence/line-greeting"} if by == "an agent" else {"desk": 1}
    await dialer.lab.subscriber("2101", "speaks", ring_s=0.1, talk_s=30)
    end, since_s = await dialer.finish(BOX, **how)
    assert (end["outcome"], end["why"]) == ("machine", why)
    call, heard = (await dialer.lab.invites(BOX, since_s=since_s))[0], await dialer.lab.heard(BOX, since_s=since_s)
    loud = [at_s for place, at_s in heard.pieces if max(map(abs, to_linear(heard.audio[place : place + FRAME]))) > LOUD]
    quiet_s = call.ended_at_s - loud[-1]
    print(f"quiet for {quiet_s:.2f} s before it was taken away")
    # It recorded for 5.5 s, and half a second of ours is no message yet; until then we were heard.
    assert 5.5 - CUT_S < quiet_s < 7.0
    assert loud[-1] - loud[-50] < 3.0, "words with pauses, or a tone"
    assert recorded(dialer.lab) == [], "a recording without a sound is no message"


async def test_a_person_who_is_put_through_by_a_ring_is_heard_and_hears(dialer):
    """Mute while it rings, and until the person has said a word: then as before."""
    lab, seen = dialer.lab, {}
    lab.carrier.manager.watch(lambda event: seen.setdefault(event.get("UserEvent"), time.time()))
    await lab.subscriber(ANNA, "through", ring_s=0.5, talk_s=22)
    await lab.subscriber("2101", "speaks", ring_s=0.1, talk_s=40)
    end, since_s = await dialer.finish(ANNA, desk=1)
    assert (end["outcome"], end["sure"]) == ("person", "True")
    call = (await lab.invites(ANNA, since_s=since_s))[0]
    assert call.ended_at_s - call.answered_at_s > 20, "nobody took it away"
    anna, agent = await lab.heard(ANNA, since_s=since_s), await lab.heard("2101", since_s=since_s)
    rang, speaks = _place(anna, seen["LabRang"]), _place(anna, seen["LabSpeaks"])
    sound = np.abs(np.array(to_linear(anna.audio)))
    assert sound[rang - 3 * RATE : rang - RATE].max() > 2000, "the agent's tone, before"
    assert sound[rang + round(CUT_S * RATE) : speaks].max() < LOUD, "mute, while it may be a beep"
    assert sound[speaks + RATE : speaks + 9 * RATE].reshape(-1, FRAME).max(axis=1).min() > 2000, (
        "the agent's tone, all the time"
    )
    theirs = np.abs(np.array(to_linear(agent.audio)))
    late = _place(agent, seen["LabSpeaks"])
    assert theirs[late : late + 2 * RATE].max() > 2000, "the person's word"
    assert theirs[late + 4 * RATE : late + 7 * RATE].max() > 2000, "and what came after it"


async def test_a_service_that_ends_leaves_nobody_mute(dialer):
    """It says so while AMI is still there: the agent is heard again long before the person speaks."""
    lab, seen = dialer.lab, {}
    lab.carrier.manager.watch(lambda event: seen.setdefault(event.get("UserEvent"), time.time()))
    await lab.subscriber(ANNA, "through", ring_s=0.5, talk_s=15)
    await lab.subscriber("2101", "speaks", ring_s=0.1, talk_s=40)
    since_s = time.time()
    running = await dialer.dials(ANNA, desk=1)
    async with asyncio.timeout(30):
        while "LabRang" not in seen:  # noqa: ASYNC110 - the event is the carrier's
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.7)
    assert await dialer.service.stop() == 0
    await running.ended(60)
    anna = await lab.heard(ANNA, since_s=since_s)
    rang, sound = _place(anna, seen["LabRang"]), np.abs(np.array(to_linear(anna.audio)))
    assert sound[rang + round(CUT_S * RATE) : rang + round(0.6 * RATE)].max() < LOUD, "mute by then"
    assert sound[rang + round(1.7 * RATE) : rang + round(2.4 * RATE)].max() > 2000, "the agent's tone"


def _place(heard, at_s: float) -> int:
    """Where in a person's sound a moment is."""
    start, began_s = max(piece for piece in heard.pieces if piece[1] <= at_s)
    return start + round((at_s - began_s) * RATE)
