"""The objection line with the real service: what the person hears is the shipped prompt, what they press holds."""

from __future__ import annotations

import time

import pytest

from tests.lab import people
from tests.lab.conversation import prompt

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

CAMPAIGN = {"nl": ("tulip-nl", people.AGREED_NL), "de": ("linde-de", people.AGREED_DE)}


async def ended_by_the_agent(lab, number, campaign):
    """A call that the person has answered and the agent has ended; returns when it began."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=120)
    since_s = time.time()
    running = await lab.begin(number, campaign, caller_id="1001")
    await lab.until_answered(number, since_s=since_s, running=running)
    await lab.hang_up(running)
    return since_s


@pytest.mark.parametrize("language", ["nl", "de"])
async def test_one_key_after_the_call_is_honoured_and_confirmed(lab, gate, ears, language):
    """In the campaign's language, word for word from the files; then nobody is let through any more."""
    campaign, number = CAMPAIGN[language]
    since_s = await ended_by_the_agent(lab, number, campaign)
    await lab.until_heard(number, prompt("press-1-company", language), timeout_s=40, since_s=since_s)
    await ears.press(number, "1")
    heard = await lab.until_heard(number, prompt("your-reference-is", language), timeout_s=30, since_s=since_s)
    said = ("line-greeting", "press-1-company", "recorded-company", "number-ending-in", "your-reference-is")
    assert heard.follows(*(prompt(name, language) for name in said))
    ending = heard.find(prompt("number-ending-in", language))
    for digit in number[-3:]:
        ending = heard.find(prompt(f"digit-{digit}", language), after=ending)
        assert ending > 0
    assert (await lab.dial(number, campaign, caller_id="1001")).reason == "objection"
    await ears.hang_up(number)
    await lab.pbx.until_idle()
    assert "untokened" not in gate.log.read_text()


async def test_the_second_try_takes_over_in_the_middle_and_the_returning_service_leaves_the_leg_alone(lab, gate, ears):
    """kill -9 while the line speaks: a key makes it begin anew, a key there is honoured, the watchdog knows the leg."""
    number = people.SECOND_NL
    since_s = await ended_by_the_agent(lab, number, "tulip-nl")
    await lab.until_heard(number, prompt("line-greeting", "nl"), since_s=since_s)
    await gate.kill()
    after = len((await lab.heard(number, since_s=since_s)).audio)
    await ears.press(number, "1")  # Asterisk still plays; who would take the key is gone
    await ears.until(
        number, lambda heard: heard.contains(prompt("line-greeting", "nl"), after=after), timeout_s=30, since_s=since_s
    )
    await gate.start()
    await ears.press(number, "1")
    await lab.until_heard(number, prompt("recorded-company", "nl"), timeout_s=30, since_s=since_s)
    await ears.hang_up(number)
    await lab.pbx.until_idle()
    assert (await lab.dial(number, "tulip-nl", caller_id="1001")).reason == "objection"
    assert "untokened" not in gate.log.read_text()


async def test_with_service_and_second_try_dead_nothing_false_is_said(lab, gate, ears):
    """The sorry sentence, in the trunk leg's language when the service has told it, and no confirmation."""
    number = people.THIRD_NL
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=120)
    since_s = time.time()
    running = await lab.begin(number, "tulip-nl", caller_id="1001")
    await lab.until_answered(number, since_s=since_s)
    program = lab.pbx.agi_folder / "ringfence-agi"
    alive = program.read_text()
    await gate.kill()
    program.write_text("#!/bin/sh\nexit 1\n")
    try:
        await lab.hang_up(running)
        heard = await ears.until(
            number,
            lambda heard: any(heard.contains(prompt("not-recorded", language)) for language in ("nl", "en")),
            timeout_s=20,
            since_s=since_s,
        )
        await lab.pbx.until_idle()
    finally:
        program.write_text(alive)
    for name in ("recorded-company", "recorded-everyone"):
        assert not heard.contains(prompt(name, "nl"))
