"""Between answer and agent, live: machines get no message, persons an agent or the reason why there is none.

The scenes without a fault run at once, each with a number of its own; each is a test that says what came of it.
"""

from __future__ import annotations

import asyncio
import time

import pytest
import pytest_asyncio
from waiting_hall import prompt

from tests.lab.alaw import RATE, to_linear
from tests.lab.answering import dialing, messages

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]

SLACK_S = 1.0
"""What a busy test machine may add to a moment."""


def number(place: int) -> str:
    return f"+49302312513{place}"


NUMBERS = tuple(map(number, range(10)))


async def a_person_is_connected_to_an_agent_in_time(dialer):
    """Says a word, and has an agent two seconds after it; the agent's voice arrives."""
    anna = number(0)
    await dialer.lab.subscriber(anna, "says", ring_s=0.5, talk_s=10)
    end, since_s = await dialer.finish(anna)
    assert (end["outcome"], end["heard"], end["sure"]) == ("person", "person", "True")
    assert end["why"] == "short-greeting" if hears(dialer.lab) else end["why"].startswith("amd-")
    assert float(end["agent_s"]) < 0.9 + 2.0 + SLACK_S
    sound = to_linear((await dialer.lab.heard(anna, since_s=since_s)).audio)
    assert max(sound[4 * RATE :]) > 3000, "the agent's tone"


async def a_person_who_says_nothing_is_a_person(dialer):
    """app_amd would call it a machine."""
    await asyncio.sleep(5)  # app_queue lets one caller a second through: who comes with others waits for an agent
    anna = number(1)
    await dialer.lab.subscriber(anna, "answer", ring_s=0.5, talk_s=10)
    end, _ = await dialer.finish(anna)
    assert end["outcome"] == "person"
    assert end["why"] == "silence" if hears(dialer.lab) else end["why"].startswith("amd-INITIALSILENCE")


async def a_mailbox_gets_no_word(dialer):
    """Cut off at the beep at the latest; nothing lies in the box."""
    box = number(2)
    await dialer.lab.subscriber(box, "mailbox", ring_s=0.5, talk_s=30)
    end, _ = await dialer.finish(box)
    assert (end["outcome"], end["heard"]) == ("machine", "machine")


async def without_an_agent_the_message_plays_and_its_key_objects(dialer):
    """Two seconds after the greeting, in the campaign's language; one key, and nobody calls again."""
    anna = number(5)
    await dialer.lab.subscriber(anna, "says", ring_s=0.5, talk_s=60)
    since_s = time.time()
    running = await dialer.dials(anna, queue=False)
    heard = await dialer.lab.until_heard(anna, prompt("abandoned-no-agent"), since_s=since_s, timeout_s=30)
    call = (await dialer.lab.invites(anna, since_s=since_s))[0]
    began_s = heard.began_at_s(prompt("abandoned-no-agent")) - call.answered_at_s
    assert 0.9 + 1.0 < began_s < 0.9 + 2.0 + SLACK_S, "0.3 s of silence, 0.6 s of greeting, two seconds"
    await dialer.lab.until_heard(anna, prompt("press-1-company"), since_s=since_s, timeout_s=30)
    await dialer.lab.people.press(anna, "1")
    await dialer.lab.until_heard(anna, prompt("recorded-company"), since_s=since_s, timeout_s=30)
    await dialer.lab.people.hang_up(anna)
    end = await dialer.end_of((await running.ended(30)).token)
    assert end["outcome"] == "abandoned"
    assert (await dialer.lab.dial(anna, "linde-de")).reason == "objection"


async def an_agent_who_dials_a_mailbox_is_cut_off_at_the_beep(dialer):
    """The agent is on the line, and speaks all the time."""
    box = number(4)
    await dialer.lab.subscriber(box, "mailbox", ring_s=0.5, talk_s=30)
    end, _ = await dialer.finish(box, "linde-de", play="ringfence/line-greeting")
    assert (end["outcome"], end["why"]) == ("machine", "beep")


async def another_dialplans_recording_is_cut_off_too(dialer):
    """It asks nobody who answered, and plays a message: `voicemail drop`."""
    box = number(3)
    await dialer.lab.subscriber(box, "mailbox", ring_s=0.5, talk_s=30)
    end, _ = await dialer.finish(box, "linde-de", play="ringfence/goodbye")
    assert end["outcome"] == "machine"


async def what_the_carrier_did_is_what_is_recorded(dialer):
    """Busy, no such number, nobody at home, given up too soon: each outcome as the carrier made it."""
    kinds = {number(6): "busy", number(7): "unknown", number(8): "absent", number(9): "never"}
    for each, does in kinds.items():
        await dialer.lab.subscriber(each, does, ring_s=1.0)
    runs = {each: await dialer.dials(each, "linde-de") for each in kinds}
    await asyncio.sleep(3)
    await dialer.lab.hang_up(runs[number(9)])
    ends = [await dialer.end_of((await run.ended(30)).token) for run in runs.values()]
    assert [end["outcome"] for end in ends] == ["busy", "failed", "no-answer", "dropped"]
    assert [end["cause"] for end in ends][:3] == ["17", "1", "19"]


def hears(lab):
    """Whether this Asterisk can bring us the sound of calls; before 18 it cannot, and app_amd is asked."""
    return lab.pbx.program.version >= (18,)


ONLY_HEARD = (an_agent_who_dials_a_mailbox_is_cut_off_at_the_beep, another_dialplans_recording_is_cut_off_too)
"""app_amd listens only before a call is connected."""

SCENES = (
    a_person_is_connected_to_an_agent_in_time,
    a_person_who_says_nothing_is_a_person,
    a_mailbox_gets_no_word,
    without_an_agent_the_message_plays_and_its_key_objects,
    an_agent_who_dials_a_mailbox_is_cut_off_at_the_beep,
    another_dialplans_recording_is_cut_off_too,
    what_the_carrier_did_is_what_is_recorded,
)


@pytest_asyncio.fixture(loop_scope="session")
async def dialer(lab, tmp_path):
    """A service and agents of its own, and people who agreed to be called."""
    async with dialing(lab, tmp_path, NUMBERS) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def outcomes(lab, tmp_path_factory):
    """What came of every scene: None, or what went wrong; and what lies in the mailboxes after all of them."""
    async with dialing(lab, tmp_path_factory.mktemp("scenes"), NUMBERS) as dialer:
        scenes = [scene for scene in SCENES if hears(lab) or scene not in ONLY_HEARD]
        ended = await asyncio.gather(*(scene(dialer) for scene in scenes), return_exceptions=True)
        return dict(zip(scenes, ended, strict=True)), messages(lab)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_scene(outcomes, scene):
    """See the scene."""
    if scene not in outcomes[0]:
        pytest.skip("this Asterisk has no AudioSocket")
    if (error := outcomes[0][scene]) is not None:
        raise error


async def test_no_mailbox_holds_a_message(outcomes):
    """Of three calls to one, by a dialer, by an agent, and with a recording."""
    assert outcomes[1] == []


async def test_a_machine_that_is_known_before_it_is_connected_hears_nothing(dialer):
    """Here app_amd has said so; not a word follows, not even the objection line's."""
    box, left = number(2), len(messages(dialer.lab))
    await dialer.lab.subscriber(box, "mailbox", ring_s=0.5, talk_s=30)
    amd = {"__AMDSTATUS": "MACHINE", "__AMDCAUSE": "MAXWORDS-3-3"}
    since_s = time.time()
    running = await dialer.lab.begin(box, "linde-predictive", agent="reserved", originator=amd)
    end = await dialer.end_of((await running.ended(30)).token, timeout_s=20)
    assert (end["outcome"], end["why"]) == ("machine", "amd-MAXWORDS-3-3")
    (call,) = await dialer.lab.invites(box, since_s=since_s)
    assert call.ended_at_s - call.answered_at_s < SLACK_S
    assert len(messages(dialer.lab)) == left
