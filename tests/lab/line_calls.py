"""Calls on their way to the objection line, for the tests of its dialplan: a server that asks, sounds to know it by."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.lab.alaw import tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.attempt import RunningAttempt
    from tests.lab.lab import Lab
    from tests.lab.manager import Message
    from tests.lab.scripted_agi import ScriptedAgi, Talk

QUESTION = tone("question", 1.2)
THANKS = tone("thanks")
NOT_RECORDED = tone("not recorded")


class Line:
    """What the PBX told about the objection line.

    Args:
        lab: The live lab.
    """

    def __init__(self, lab: Lab) -> None:
        self.results: list[tuple[str, str]] = []
        self._stop = lab.pbx.manager.watch(self._take)

    def close(self) -> None:
        """Look no more."""
        self._stop()

    def _take(self, event: Message) -> None:
        if event.get("Event") == "VarSet" and event.get("Variable") == "RINGFENCE_OBJECTION" and event.get("Value"):
            self.results.append((event["Channel"], event["Value"]))


@pytest_asyncio.fixture(loop_scope="session")
async def line(lab: Lab, agi: ScriptedAgi) -> AsyncIterator[Line]:
    """Sounds of our own, ears open, and a server that asks one question."""
    for name, sound in (("question", QUESTION), ("thanks", THANKS)):
        lab.pbx.add_sound(f"lab/{name}", sound)
    lab.pbx.add_sound("ringfence/not-recorded", NOT_RECORDED)
    lab.people.listen()
    agi.objection = ask
    told = Line(lab)
    yield told
    told.close()
    lab.people.stop_listening()


async def ask(talk: Talk) -> None:
    """One question, one key, one result."""
    await talk.do("ANSWER")
    key = await talk.play("lab/question", keys="12") or await talk.key(5)
    await talk.play("lab/thanks")
    await talk.set("RINGFENCE_OBJECTION", "RECORDED" if key else "NONE")


async def talking(lab: Lab, number: str) -> RunningAttempt:
    """A call that the person has answered."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    since_s = time.time()
    running = await lab.begin(number, "sales")
    await lab.until_answered(number, since_s=since_s)
    return running


async def bridged(lab: Lab, count: int) -> None:
    """Wait until so many channels are in a bridge."""
    async with asyncio.timeout(10):
        while True:
            if sum(fields[12] != "" for fields in (await lab.pbx.channel_fields()).values()) == count:
                return
            await asyncio.sleep(0.05)


async def set_global(lab: Lab, name: str, value: str) -> None:
    """As an admin does in `[globals]`."""
    await lab.pbx.ami("Setvar", {"Variable": name, "Value": value})


async def dialer_calls(
    lab: Lab, number: str, *, agent_keys: tuple[tuple[float, str], ...] = (), context: str = "lab-queue"
) -> None:
    """A dialer's call, answered by the person and connected to the queue's agent 2001."""
    await lab.subscriber(number, "answer", ring_s=0.1, talk_s=60)
    await lab.subscriber("2001", "answer", ring_s=0.1, talk_s=60, keys=agent_keys)
    since_s = time.time()
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": f"Local/{number}@ringfence-agents/n",
            "Context": context,
            "Exten": "s",
            "Priority": "1",
            "Async": "true",
            "Variable": ["__RINGFENCE_CAMPAIGN=sales"],
        },
    )
    await lab.until_answered("2001", since_s=since_s)
    await bridged(lab, 4)  # the person, both halves of the Local channel, the agent


ASK = """
print("GET VARIABLE RINGFENCE_ASKED", flush=True)
asked = sys.stdin.readline().strip().partition("(")[2].rpartition(")")[0].split(",")
"""
"""How a `ringfence-agi` learns its arguments."""


def install_line(lab: Lab, *, sound: str = "lab/thanks", result: str = "RECORDED", wait_s: float = 0) -> Path:
    """A `ringfence-agi` that notes what it was asked, plays a sound and sets a result; returns where it notes."""
    told = lab.pbx.agi_folder / "told"
    code = f"""
import sys, time
while sys.stdin.readline().strip(): pass
def do(command):
    print(command, flush=True); return sys.stdin.readline()
{ASK}
open({str(told)!r}, "a").write(" ".join([*sys.argv[1:], *asked]) + "\\n")
if sys.argv[1] == "objection":
    do('STREAM FILE {sound} ""')
    time.sleep({wait_s})
    open({str(told)!r}, "a").write("finished\\n")
    do('SET VARIABLE RINGFENCE_OBJECTION {result}')
"""
    lab.install_agi("ringfence-agi", [sys.executable, "-c", code], {})
    return told
