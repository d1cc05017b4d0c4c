"""What becomes of a call in the objection line when the service, or its second try, does not do its part.

What the person heard, byte for byte, is the proof.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.alaw import tone
from tests.lab.line_calls import NOT_RECORDED, QUESTION, THANKS, Line, install_line, line, set_global, talking
from tests.lab.scripted_agi import TOKEN, ScriptedAgi, Talk

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.line_calls import Line

__all__ = ["line"]

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

_numbers = iter(range(10_000))


@pytest.fixture
def number() -> str:
    """A number of its own for each test."""
    return f"+49309024{next(_numbers):05d}"


@pytest.mark.parametrize("trouble", ["gone", "mute", "odd", "hung", "gone in the middle"])
async def test_the_second_try_talks_when_the_service_does_not(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str, trouble: str
) -> None:
    """With the same arguments, in the same call."""
    told = install_line(lab)
    running = await talking(lab, number)
    await set_global(lab, "RINGFENCE_OBJECTION_S", "5")
    match trouble:
        case "gone":
            await agi.stop()
        case "mute":
            agi.objection = None
        case "odd":
            agi.objection = says_something_odd
        case "hung":
            agi.hung.add("objection")
        case _:
            agi.objection = breaks_off
    try:
        await lab.hang_up(running)
        await lab.until_heard(number, THANKS)
        await lab.pbx.until_idle()
    finally:
        await set_global(lab, "RINGFENCE_OBJECTION_S", "")
    assert f"objection {number} sales {TOKEN} call-end" in told.read_text().splitlines()
    assert line.results[-1][1] == "RECORDED"


async def says_something_odd(talk: Talk) -> None:
    """A result that is none."""
    await talk.set("RINGFENCE_OBJECTION", 'RECORDED\\" | \\"1\\" = \\"1')


async def breaks_off(talk: Talk) -> None:
    """As a service that is killed while it plays."""
    await talk.play("lab/question")


async def test_a_result_of_the_service_is_not_asked_for_twice(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Also when it is that nothing could be recorded: the person has been told."""
    told = install_line(lab)

    async def fails(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "FAILED")

    agi.objection = fails
    running = await talking(lab, number)
    await lab.hang_up(running)
    await lab.pbx.until_idle()
    assert [value for _, value in line.results] == ["FAILED"]
    assert "objection" not in (told.read_text() if told.exists() else "")
    assert not (await lab.heard(number)).contains(NOT_RECORDED)


async def test_with_both_dead_the_person_hears_that_nothing_was_recorded(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """And the number to call, where the site has given one."""
    digits = {digit: tone(f"digit {digit}", 0.3) for digit in "0123"}
    for digit, sound in digits.items():
        lab.pbx.add_sound(f"ringfence/digit-{digit}", sound)
    please = lab.pbx.add_sound("ringfence/please-call", tone("please call"))
    await set_global(lab, "RINGFENCE_CALL_BACK", "03012")
    try:
        running = await talking(lab, number)
        await agi.stop()
        await lab.hang_up(running)
        await lab.until_heard(number, digits["2"])
        await lab.pbx.until_idle()
    finally:
        await set_global(lab, "RINGFENCE_CALL_BACK", "")
    said = (NOT_RECORDED, please, *(digits[digit] for digit in "03012"))
    assert (await lab.heard(number)).follows(*said)
    assert [value for _, value in line.results] == ["FAILED"]


async def test_what_was_confirmed_before_both_died_is_not_denied(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The service said that it had recorded; the sentence played is another."""
    last = lab.pbx.add_sound("ringfence/last-not-recorded", tone("last not recorded"))

    async def dies_late(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION_TAKEN", "yes")
        await talk.play("lab/thanks")

    agi.objection = dies_late
    running = await talking(lab, number)
    await lab.hang_up(running)
    heard = await lab.until_heard(number, last)
    await lab.pbx.until_idle()
    assert heard.follows(THANKS, last)
    assert not heard.contains(NOT_RECORDED)


async def test_a_call_back_is_answered_with_both_dead(lab: Lab, agi: ScriptedAgi, line: Line) -> None:
    """Nobody rings in vain."""
    await agi.stop()
    await lab.people.calls("+49309023001", "+493022610")
    await lab.until_heard("+49309023001", NOT_RECORDED)
    await lab.pbx.until_idle()
    assert [value for _, value in line.results] == ["FAILED"]


async def test_a_second_try_finishes_when_the_person_hangs_up(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Asterisk does not signal the program to death: what was pressed is still recorded."""
    told = install_line(lab, wait_s=2)
    running = await talking(lab, number)
    await agi.stop()
    await lab.hang_up(running)
    await lab.until_heard(number, THANKS)
    await lab.people.hang_up(number)
    async with asyncio.timeout(10):
        while "finished" not in told.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)


async def test_key_0_leads_to_the_sites_person_and_nowhere_without_one(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """The campaign goes along, nothing else."""

    async def zero(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "PERSON")

    agi.objection = zero
    running = await talking(lab, number)
    await lab.hang_up(running)
    await lab.pbx.until_idle()  # there is no such context: the call ends
    await lab.pbx.add_dialplan("[ringfence-person]\nexten => s,1,UserEvent(LabPerson,Campaign: ${ARG1})\n")
    try:
        reached = lab.pbx.manager.expect(lambda event: event.get("UserEvent") == "LabPerson")
        running = await talking(lab, number)
        await lab.hang_up(running)
        assert (await asyncio.wait_for(reached, 10))["Campaign"] == "sales"
        await lab.pbx.until_idle()
    finally:
        await lab.pbx.add_dialplan("")


async def test_who_was_led_to_a_person_is_not_asked_again(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Asterisk 16 keeps Dial's option F on the leg; it would act when the conversation with that person ends."""

    async def zero(talk: Talk) -> None:
        await talk.set("RINGFENCE_OBJECTION", "PERSON")

    agi.objection = zero
    answers = "[lab-person]\nexten => s,1,Answer()\n same => n,Wait(0.5)\n"
    person = "[ringfence-person]\nexten => s,1,Dial(Local/s@lab-person/n,5,g)\n same => n,Return()\n"
    await lab.pbx.add_dialplan(answers + person)
    try:
        await talking(lab, number)
        (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
        target = {"Context": "ringfence-objection", "Exten": "transfer", "Priority": "1"}
        await lab.pbx.ami("Redirect", {"Channel": leg, **target})
        await asyncio.sleep(1.5)  # the redirect, and the half second of that conversation
        await lab.pbx.until_idle()
    finally:
        await lab.pbx.add_dialplan("")
    assert [asked.arguments[3] for asked in agi.of("objection")] == ["transfer"]


async def test_the_line_speaks_the_language_that_the_trunk_leg_was_given(
    lab: Lab, agi: ScriptedAgi, line: Line, number: str
) -> None:
    """Even with everything dead by then; anything but two letters is no language."""
    dutch = lab.pbx.add_sound("ringfence/not-recorded", tone("niet vastgelegd"), language="nl")
    agi.trunk = {"RINGFENCE_LANGUAGE": "nl", "RINGFENCE_TRUNK": "PASS"}
    running = await talking(lab, number)
    await agi.stop()
    await lab.hang_up(running)
    heard = await lab.until_heard(number, dutch)
    await lab.pbx.until_idle()
    assert not heard.contains(NOT_RECORDED)


async def test_a_sound_in_another_format_is_recognised(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Asterisk decodes GSM for the line: no byte is the same, and it is still the same sound."""
    folder = lab.pbx.folder / "data" / "sounds" / "en" / "lab"
    await lab.pbx.cli(f"file convert {folder}/thanks.alaw {folder}/coded.gsm")

    async def other(talk: Talk) -> None:
        await talk.play("lab/coded", "lab/question")
        await talk.set("RINGFENCE_OBJECTION", "NONE")

    agi.objection = other
    running = await talking(lab, number)
    await lab.hang_up(running)
    heard = await lab.until_heard(number, QUESTION)
    assert not heard.contains(THANKS)
    assert heard.resembles(THANKS)
    assert not heard.resembles(tone("something else"))


async def test_keys_pressed_in_the_line_lead_to_no_call(lab: Lab, agi: ScriptedAgi, line: Line, number: str) -> None:
    """Nobody reads them there but the service, which does not; an emergency number neither."""

    pressed = asyncio.Event()

    async def deaf(talk: Talk) -> None:
        while not pressed.is_set():
            await talk.play("lab/question")
        await talk.set("RINGFENCE_OBJECTION", "NONE")

    agi.objection = deaf
    running = await talking(lab, number)
    since_s = time.time()
    await lab.hang_up(running)
    await lab.until_heard(number, QUESTION)
    await lab.people.press(number, "112#*7##")
    pressed.set()
    await lab.pbx.until_idle()
    assert await lab.invites(since_s=since_s) == []
    assert [value for _, value in line.results] == ["NONE"]
