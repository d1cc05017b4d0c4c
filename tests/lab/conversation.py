"""Somebody in the objection line: waits for what is said, presses keys, and remembers what was heard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from tests.lab.manager import ManagerFailed
from tests.lab.sound_folders import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.heard import Heard
    from tests.lab.lab import Lab
    from tests.lab.wire_record import Invite

_RATE = 8000
_LOOK_S = 0.2


def prompt(name: str, language: str) -> Path:
    """The file that Asterisk plays."""
    return SHIPPED / language / "ringfence" / f"{name}.alaw"


def digits(text: str) -> tuple[str, ...]:
    """The prompts that read digits out."""
    return tuple(f"digit-{digit}" for digit in text)


class Person:
    """One person in one call.

    Args:
        lab: The live lab; somebody listens.
        number: Theirs.
        language: In which they are spoken to.
    """

    def __init__(self, lab: Lab, number: str, language: str) -> None:
        self._lab = lab
        self.number, self.language = number, language
        self.since_s = time.time()
        """When the call began."""
        self.said: list[str] = []
        """The prompts that were waited for and heard, in order."""
        self._place = 0
        self._call: Invite | None = None

    async def hears(self, *names: str, timeout_s: float = 75) -> None:
        """Wait until prompts were heard whole and in order, after everything before.

        Raises:
            AssertionError: One of them was not.
        """
        sounds = [prompt(name, self.language) for name in names]
        deadline_s = time.monotonic() + timeout_s
        while (missing := self._listen(heard := await self.listens(), sounds)) is not None:
            if time.monotonic() > deadline_s:
                before = ", ".join((*self.said, *names[:missing]))
                after = ", ".join(self._heard_since(heard))
                raise AssertionError(
                    f"{self.number} never heard `{names[missing]}`; before: {before}; "
                    f"heard behind `{self.said[-1] if self.said else 'the answer'}`: {after}; "
                    f"packets lost on the way to this test: {self._lab.people.lost_packets}"
                )
            # Nobody can have heard it sooner than it takes to say.
            wanted_s = sum(sound.stat().st_size for sound in sounds) / _RATE
            await asyncio.sleep(max(_LOOK_S, wanted_s - (len(heard.audio) - self._place) / _RATE))
        self.said += names

    async def listens(self) -> Heard:
        """What was heard until now, once there is a call."""
        if self._call is None:
            self._call = await self._lab.people.call_of(self.number, self.since_s, timeout_s=60)
        return self._lab.people.heard_in(self._call)

    async def presses(self, keys: str) -> None:
        """Press keys now, slowly: many others are on the same lab."""
        await self._lab.people.press(self.number, keys, pause_s=0.3)

    async def hangs_up(self) -> None:
        """End the call, unless the other side was quicker."""
        with contextlib.suppress(ManagerFailed, AssertionError):
            await self._lab.people.hang_up(self.number)

    async def heard_nothing_but(self, *names: str) -> str:
        """Empty when the call began with these prompts and nothing else, else what is wrong with that."""
        (heard,) = await self._lab.people.heard(self.number, self.since_s)
        return heard.else_than(*(prompt(name, self.language) for name in names))

    async def heard_whole(self, name: str) -> bool:
        """Whether a prompt was heard from its beginning to its end, at any time."""
        return (await self.listens()).contains(prompt(name, self.language))

    def _heard_since(self, heard: Heard) -> list[str]:
        """Every whole prompt behind the last that was waited for, in order: a key that got lost can be seen in it."""
        places = []
        for sound in (SHIPPED / self.language / "ringfence").glob("*.alaw"):
            place = self._place
            while (place := heard.find(sound, after=place)) >= 0:
                places.append((place, sound.stem))
                place += 1
        return [name for _, name in sorted(places)]

    def _listen(self, heard: Heard, sounds: list[Path]) -> int | None:
        """Which of the sounds is the first that was not heard yet; when there is none, go on behind the last."""
        after = self._place
        for index, sound in enumerate(sounds):
            place, after = heard.span(sound, after)
            if place < 0:
                return index
        self._place = after
        return None


async def legs_of(lab: Lab, numbers: set[str]) -> dict[str, str]:
    """The PBX's channels of people who are called: number -> channel."""
    found = {}
    for channel in await lab.pbx.channels():
        if channel.startswith("PJSIP/carrier-"):
            value = await lab.pbx.ami("Getvar", {"Channel": channel, "Variable": "RINGFENCE_CALLED"})
            found[value.get("Value", "")] = channel
    return {number: found[number] for number in numbers}


async def add_queues(lab: Lab, agents: list[str]) -> None:
    """One queue `of-AGENT` for each agent, for `dial_into_queue`; and the dialplan that leads there."""
    queues = "".join(f"[of-{agent}](of-one)\nmember = PJSIP/{agent}@desk,0,agent,PJSIP/desk\n" for agent in agents)
    file = lab.pbx.etc / "queues.conf"
    text = file.read_text().partition("[of-one]")[0]
    file.write_text(f"{text}[of-one](!)\nstrategy = ringall\ntimeout = 20\nretry = 1\n{queues}")
    await lab.pbx.cli("module reload app_queue.so")
    shown = await lab.pbx.cli("queue show")
    assert all(f"of-{agent}" in shown for agent in agents), shown


QUEUES = """
[of-one-agent]
exten => _X.,1,Answer()
 same => n,Queue(of-${EXTEN},c)
 same => n,Goto(ringfence-objection,queue,1)
"""


async def dial_into_queue(lab: Lab, number: str, campaign: str, agent: str) -> None:
    """A dialer's call: whoever answers is connected with an agent's queue."""
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": f"Local/{number}@ringfence-agents/n",
            "Context": "of-one-agent",
            "Exten": agent,
            "Priority": "1",
            "Async": "true",
            "Timeout": "60000",
            "Variable": [f"__RINGFENCE_CAMPAIGN={campaign}"],
        },
    )
