"""The whole objection line in every language, and every way there, with the real service and real audio.

What is compared is the sound that reached the person, byte for byte, with the shipped files of that language.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.fixtures import SITE
from tests.lab.service import ServiceProcess
from tests.lab.sound_folders import SHIPPED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "sv")
CAMPAIGN = """
[[caller_id]]
number = "+4930231252{place:02d}"
assigned_to = "centre"
call_back_routed = true

[[campaign]]
id = "line-{language}"
principal = "linde"
purpose = "sales"
product = "fashion"
caller_ids = ["+4930231252{place:02d}"]
language = "{language}"
"""


def person(language: str, kind: int = 0) -> str:
    """The number of somebody who is called in a language."""
    return f"+4930231256{kind}{LANGUAGES.index(language)}"


def prompt(name: str, language: str) -> Path:
    """The file that Asterisk plays."""
    return SHIPPED / language / "ringfence" / f"{name}.alaw"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def centre(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceProcess]:
    """A running service with a campaign in each language, and people who asked to be called."""
    folder = tmp_path_factory.mktemp("languages")
    site = folder / "site"
    shutil.copytree(SITE, site)
    more = (CAMPAIGN.format(place=place, language=language) for place, language in enumerate(LANGUAGES, start=10))
    (site / "campaigns.toml").write_text((SITE / "campaigns.toml").read_text() + "".join(more))
    running = ServiceProcess(lab, folder / "ringfence", site=site)
    consents = folder / "consents.csv"
    numbers = [person(language, kind) for language in LANGUAGES for kind in (0, 1)]
    rows = "".join(f"{number},linde,sales,fashion,requested-call,2026-10-01T10:00:00Z\n" for number in numbers)
    consents.write_text("number,principal,purpose,product,kind,given_at\n" + rows)
    entered = await running.run("consent", "import", str(consents))
    assert entered.code == 0, entered.err
    await running.start()
    lab.people.listen()
    yield running
    lab.people.stop_listening()
    await running.close()
    await lab.clear()


class Person:
    """Somebody in a call, who waits for a sound before pressing a key.

    Args:
        lab: The live lab.
        number: Their number.
        language: In which they are spoken to.
        since_s: When the call began.
    """

    def __init__(self, lab: Lab, number: str, language: str, since_s: float) -> None:
        self._lab, self.number, self._language, self._since_s = lab, number, language, since_s
        self.place = 0
        """How far into the call this person has listened."""
        self.heard: list[str] = []

    async def hears(self, name: str) -> None:
        """Wait until a prompt of this language was heard to its end, after everything before."""
        sound = prompt(name, self._language)
        try:
            heard = await self._lab.people.until(
                self.number,
                lambda heard: heard.contains(sound, after=self.place),
                timeout_s=60,
                since_s=self._since_s,
            )
        except TimeoutError:
            raise AssertionError(f"{self.number} never heard `{name}`; before: {', '.join(self.heard)}") from None
        self.heard.append(name)
        self.place = heard.find(sound, after=self.place) + sound.stat().st_size // 160 * 160

    async def presses(self, keys: str) -> None:
        """Press keys now."""
        await self._lab.people.press(self.number, keys)


async def called(lab: Lab, number: str, campaign: str, *, by_agent: bool = True) -> float:
    """A call that the person has answered and, unless told otherwise, the agent has ended."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=240)
    since_s = time.time()
    running = await lab.begin(number, campaign, caller_id="1001")
    await lab.until_answered(number, since_s=since_s, running=running, timeout_s=20)
    if by_agent:
        await lab.hang_up(running)
    return since_s


async def objections(centre: ServiceProcess) -> list[dict]:
    """Everything that was recorded."""
    said = await centre.run("objections", "export", "--format", "jsonl")
    assert said.code == 0, said.err
    return [json.loads(line) for line in said.out.splitlines()]


async def all_keys(lab: Lab, language: str) -> None:
    """One person goes through the whole menu."""
    since_s = await called(lab, person(language), f"line-{language}")
    somebody = Person(lab, person(language), language, since_s)
    await somebody.hears("line-greeting")
    await somebody.hears("press-9-repeat")
    await somebody.presses("5")
    await somebody.hears("not-an-option")
    await somebody.presses("9")
    await somebody.hears("press-1-company")
    await somebody.presses("3")
    await somebody.hears("enter-number")
    other = person(language, kind=2)
    await somebody.presses(f"0{other[3:]}#")
    await somebody.hears("you-entered")
    for digit in f"0{other[3:]}":
        await somebody.hears(f"digit-{digit}")
    await somebody.presses("1")
    await somebody.hears("recorded-company")
    await somebody.hears("number-ending-in")
    for digit in other[-3:]:
        await somebody.hears(f"digit-{digit}")
    await somebody.hears("your-reference-is")
    await somebody.presses("2")
    await somebody.hears("recorded-everyone")
    await somebody.hears("your-reference-is")
    await somebody.hears("goodbye")


async def test_every_key_and_every_prompt_in_every_language(lab: Lab, centre: ServiceProcess) -> None:
    """Seven people at once: a wrong key, again, another number read back and confirmed, then none from anyone."""
    await asyncio.gather(*(all_keys(lab, language) for language in LANGUAGES))
    await lab.pbx.until_idle(60)
    found = await objections(centre)
    for language in LANGUAGES:
        other = person(language, kind=2)
        mine = {(row["scope"], row["certainty"], row["language"]) for row in found if row["number"] == other}
        assert mine >= {("linde", "entered", language), ("*", "entered", language)}, (language, found)


async def queue(lab: Lab, centre: ServiceProcess, language: str) -> float:
    """A dialer's call: the agent of the queue hangs up."""
    since_s = await dialled_into_a_queue(lab, language, agent_talks_s=2)
    assert centre.pid
    return since_s


async def agent(lab: Lab, centre: ServiceProcess, language: str) -> float:
    """The agent presses the feature code."""
    assert centre.pid
    return await dialled_into_a_queue(lab, language, agent_talks_s=60, agent_keys=((1.0, "*7"),))


async def transfer(lab: Lab, centre: ServiceProcess, language: str) -> float:
    """`ringfence transfer` while they talk."""
    since_s = await called(lab, person(language, 1), f"line-{language}", by_agent=False)
    (leg,) = [channel for channel in await lab.pbx.channels() if channel.startswith("PJSIP/carrier-")]
    said = await centre.run("transfer", leg)
    assert said.code == 0, said.err
    return since_s


async def call_end(lab: Lab, centre: ServiceProcess, language: str) -> float:
    """The agent hangs up."""
    assert centre.pid
    return await called(lab, person(language, 1), f"line-{language}")


async def call_back(lab: Lab, centre: ServiceProcess, language: str) -> float:
    """The person calls the number back that was shown."""
    assert centre.pid
    since_s = time.time()
    shown = f"+4930231252{LANGUAGES.index(language) + 10}"
    await lab.people.calls(person(language, 1), shown, talk_s=90, keys=[(25.0, "1")])
    return since_s


async def dialled_into_a_queue(
    lab: Lab, language: str, *, agent_talks_s: float, agent_keys: tuple[tuple[float, str], ...] = ()
) -> float:
    """A dialer's call, answered by the person and connected to the queue's agent 2001."""
    number = person(language, 1)
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=90)
    await lab.subscriber("2001", "answer", ring_s=0.1, talk_s=agent_talks_s, keys=agent_keys)
    since_s = time.time()
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": f"Local/{number}@ringfence-agents/n",
            "Context": "lab-queue",
            "Exten": "s",
            "Priority": "1",
            "Async": "true",
            "Variable": [f"__RINGFENCE_CAMPAIGN=line-{language}"],
        },
    )
    return since_s


@pytest.mark.parametrize(
    ("way", "language"),
    [(call_end, "en"), (queue, "sv"), (agent, "it"), (transfer, "fr"), (call_back, "es")],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_one_key_holds_whichever_way_the_person_came(
    lab: Lab, centre: ServiceProcess, way, language: str
) -> None:
    """In the campaign's language; the record says which way, and the gate lets nobody call again."""
    since_s = await way(lab, centre, language)
    somebody = Person(lab, person(language, 1), language, since_s)
    await somebody.hears("this-number-is-used-by" if way is call_back else "you-were-called-by")
    await somebody.hears("press-1-company")
    if way is not call_back:  # who calls presses what was said before
        await somebody.presses("1")
    await somebody.hears("recorded-company")
    await lab.people.hang_up(somebody.number)
    await lab.pbx.until_idle(20)
    (row,) = [row for row in await objections(centre) if row["number"] == somebody.number]
    assert (row["path"], row["language"], row["scope"]) == (way.__name__.replace("_", "-"), language, "linde")
    again_s = time.time()
    assert (await lab.dial(somebody.number, f"line-{language}", caller_id="1001")).reason == "objection"
    assert await lab.invites(somebody.number, since_s=again_s) == []
