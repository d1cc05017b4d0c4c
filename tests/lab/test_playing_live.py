"""Sounds and keys on a live Asterisk: that no key is lost, and what a hang-up looks like.

A person at the carrier presses the keys; they come over RTP, as from a telephone.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from asterisk_plugin.agi import playing
from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.callflow.objection_line import ObjectionLine, objection
from asterisk_plugin.core.prompts import OBJECTION_NAMES
from asterisk_plugin.errors import ChannelHungUp, ReplyTimeoutError
from asterisk_plugin.settings.service import AgiSettings
from tests.callflow.line_person import Recorder
from tests.fakes import make_gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asterisk_plugin.ports import Channel
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

ALL = "0123456789*#"
# A-law silence, 46 ms: no multiple of the 20 ms of a packet, so that keys come at every moment of a sound.
MOMENT = bytes([0xD5]) * 370
ROOT = Path(__file__).parents[2]

DIALPLAN = """
[playing]
exten => s,1,Set(AGIEXITONHANGUP=${{EXIT}})
 same => n,AGI(agi://127.0.0.1:{port}/talk,{arguments})
 same => n,Goto(told,1)
exten => process,1,AGI({program})
 same => n,Goto(told,1)
exten => told,1,UserEvent(Playing,Id: ${{ID}},Result: ${{RESULT}},Objection: ${{RINGFENCE_OBJECTION}})
 same => n,Hangup()
"""

_numbers = iter(range(10_000))


class Stage:
    """Calls whose other end a test's script talks to.

    Attributes:
        script: What runs for each call.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.script: Callable[[Channel], Awaitable[None]]
        self.server = AgiServer({"talk": self._run}, AgiSettings(port=lab.fastagi[1]), on_event=lambda _: None)

        self._began = asyncio.Queue[None]()
        self._one_at_a_time = asyncio.Lock()

    async def _run(self, channel: Channel) -> None:
        self._began.put_nowait(None)
        await self.script(channel)

    async def start(self, arguments: str = "", program: str = "none") -> None:
        """Listen, and have the PBX send its calls here."""
        await self.server.start()
        await self.dialplan(arguments, program)
        for name in ("a", "b", "c"):
            self.lab.pbx.add_sound(f"playing/{name}", MOMENT)
        self.lab.pbx.add_sound("playing/long", MOMENT * 200)
        self.lab.pbx.add_sound("playing/only", MOMENT, language="qq")

    async def dialplan(self, arguments: str = "", program: str = "none") -> None:
        """What the calls do."""
        text = DIALPLAN.format(port=self.server.port, arguments=arguments, program=program)
        await self.lab.pbx.add_dialplan(text)

    async def call(self, *, leave: str = "no", extension: str = "s") -> Telephone:
        """A call whose script has begun."""
        async with self._one_at_a_time:
            return await self._call(leave, extension)

    async def _call(self, leave: str, extension: str) -> Telephone:
        number = f"+49309019{next(_numbers):05d}"
        await self.lab.subscriber(number, "answer", ring_s=0.1, talk_s=120)
        before = set(await self.lab.carrier.channels())
        told = self.lab.pbx.manager.expect(lambda event: event.get("UserEvent") == "Playing" and event["Id"] == number)
        await self.lab.pbx.ami(
            "Originate",
            {
                "Channel": f"PJSIP/{number}@carrier",
                "Context": "playing",
                "Exten": extension,
                "Priority": "1",
                "Async": "true",
                "Variable": [f"EXIT={leave}", f"ID={number}"],
            },
        )
        async with asyncio.timeout(30):
            while not (new := [c for c in await self.lab.carrier.channels() if c not in before]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            if extension == "s":
                await self._began.get()
        return Telephone(self.lab, new[0], told)


@dataclasses.dataclass
class Telephone:
    """The person's end of a call."""

    lab: Lab
    channel: str
    told: asyncio.Future

    async def press(self, keys: str, *, gap_s: float = 0.15, tone_ms: int = 80) -> None:
        """Press keys one after another."""
        for key in keys:
            fields = {"Channel": self.channel, "Digit": key, "Duration": str(tone_ms)}
            await self.lab.carrier.ami("PlayDTMF", fields)
            await asyncio.sleep(gap_s)

    async def hang_up(self) -> None:
        await self.lab.carrier.ami("Hangup", {"Channel": self.channel})


@pytest_asyncio.fixture(loop_scope="session")
async def stage(lab: Lab) -> AsyncIterator[Stage]:
    """A place for calls; ends them after the test."""
    running = Stage(lab)
    try:
        await running.start()
        yield running
    finally:
        await running.server.stop(0)
    await lab.clear()


async def test_no_key_is_lost_between_sounds_or_before_the_waiting(stage: Stage) -> None:
    """Pressed at random moments of messages of 60 sounds of 46 ms each, or just when a short one ends."""
    pressed: list[str] = []
    read: list[str] = []
    rng = random.Random(7)
    rounds, telephones = 12, 3

    async def script(channel: Channel) -> None:
        for number in range(rounds):
            sounds = ["playing/a", "playing/b", "playing/c"] * (20 if number % 3 else 1)
            read.append(await channel.play(sounds, keys=ALL, wait_s=10))

    async def person() -> None:
        telephone = await stage.call()
        for number in range(rounds):
            await asyncio.sleep(rng.uniform(0.2, 2) if number % 3 else rng.uniform(0, 0.2))
            pressed.append(rng.choice(ALL))
            await telephone.press(pressed[-1], gap_s=0.1)

    stage.script = script
    await asyncio.gather(*(person() for _ in range(telephones)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(15):
            while len(read) < len(pressed):  # noqa: ASYNC110 - the scripts fill it
                await asyncio.sleep(0.05)
    assert sorted(read) == sorted(pressed)


async def test_no_key_of_a_number_dialled_fast_is_lost(stage: Stage) -> None:
    """50 ms each, 50 ms apart: faster than fingers; the first cuts a message."""
    number, read = "0049309012345678#", []
    done = asyncio.Event()

    async def script(channel: Channel) -> None:
        read.append(await channel.play(["playing/long"], keys=ALL, wait_s=5))
        while read[-1] not in ("", "#"):
            read.append(await channel.read_key(5))
        done.set()

    stage.script = script
    telephone = await stage.call()
    await asyncio.sleep(0.3)
    await telephone.press(number, gap_s=0.1, tone_ms=50)
    async with asyncio.timeout(30):
        await done.wait()
    assert "".join(read) == number


async def test_only_the_keys_that_count_cut_a_message(stage: Stage) -> None:
    """The others are ignored."""
    read: list[tuple[str, float]] = []
    done = asyncio.Event()

    async def script(channel: Channel) -> None:
        began = time.monotonic()
        key = await channel.play(["playing/long", "playing/long"], keys="129")
        read.append((key, time.monotonic() - began))
        done.set()

    stage.script = script
    telephone = await stage.call()
    await asyncio.sleep(0.4)
    await telephone.press("5", gap_s=0.6)
    await telephone.press("2")
    async with asyncio.timeout(10):
        await done.wait()
    assert read[0][0] == "2"
    assert 0.6 < read[0][1] < 15, "a message of 18 s was cut"


async def test_missing_sounds_are_left_out_and_can_be_asked_for(stage: Stage) -> None:
    """In the language chosen; formats as Asterisk plays them; whatever is missing, the waiting happens."""
    told: dict[str, object] = {}
    done = asyncio.Event()
    sounds = stage.lab.pbx.folder / "data" / "sounds" / "en" / "playing"
    (sounds / "gsm.gsm").write_bytes(b"\xd2" + bytes(32) * 50)
    (sounds / "wav.wav").write_bytes((stage.lab.pbx.folder / "sounds" / "silence.wav").read_bytes())

    async def script(channel: Channel) -> None:
        names = ("a", "nosuch", "gsm", "wav", "only")
        told["en"] = [name for name in names if await channel.has_sound(f"playing/{name}")]
        await channel.set_language("qq")
        told["qq"] = await channel.has_sound("playing/only")
        for keys in (ALL, "1"):
            began = time.monotonic()
            assert await channel.play(["playing/x", "playing/a", "playing/y"], keys=keys, wait_s=0.5) == ""
            told[keys] = round(time.monotonic() - began, 1)
        done.set()

    stage.script = script
    await stage.call()
    async with asyncio.timeout(10):
        await done.wait()
    assert told.pop("en") == ["a", "gsm", "wav"]
    assert told.pop("qq") is True
    assert all(0.5 <= took_s <= 4.0 for took_s in told.values()), told  # type: ignore[operator]


@pytest.mark.parametrize("leave", ["no", "yes"])
@pytest.mark.parametrize("doing", ["message", "some keys", "waiting"])
async def test_a_hang_up_in_the_middle_is_noticed_at_once(stage: Stage, leave: str, doing: str) -> None:
    """Whether or not AGI() ends by itself then (AGIEXITONHANGUP)."""
    ended: asyncio.Future[tuple[type, float]] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def script(channel: Channel) -> None:
        begun.set()
        try:
            if doing == "waiting":
                await channel.read_key(20)
            else:
                await channel.play(["playing/long"], keys=ALL if doing == "message" else "1", wait_s=5)
        except Exception as exc:
            ended.set_result((type(exc), time.monotonic()))
            raise

    stage.script = script
    telephone = await stage.call(leave=leave)
    async with asyncio.timeout(10):
        await begun.wait()
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await telephone.hang_up()
        kind, at = await ended
    assert kind is ChannelHungUp
    assert at - began < 4, "neither the end of the message nor that of the waiting"


async def test_a_frozen_asterisk_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after what the message may take at most."""
    monkeypatch.setattr(playing, "LONGEST_MESSAGE_S", 0.5)
    monkeypatch.setattr(playing, "SOUND_S", 0.0)
    stage.server.settings = AgiSettings(port=stage.server.port, reply_timeout_s=0.5)
    ended: asyncio.Future[type] = asyncio.get_running_loop().create_future()

    async def script(channel: Channel) -> None:
        try:
            await channel.play(["playing/long"], keys=ALL)
        except Exception as exc:
            ended.set_result(type(exc))
            raise

    stage.script = script
    await stage.call()
    await asyncio.sleep(0.3)
    os.kill(stage.lab.pbx.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):  # less than without the setting above
            assert await ended is ReplyTimeoutError
    finally:
        os.kill(stage.lab.pbx.pid, signal.SIGCONT)


PROGRAM = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from asterisk_plugin.agi.process import ProcessChannel

async def main(channel):
    await channel.answer()
    pathlib.Path(sys.argv[1]).touch()
    first = await channel.play(["playing/a", "playing/nosuch", "playing/b"], keys={ALL!r}, wait_s=5)
    second = await channel.play(["playing/long"], keys="2", wait_s=1)
    third = await channel.read_key(5)
    await channel.set_variables({{"RESULT": "-".join((first, second, third))}})

asyncio.run(main(ProcessChannel()))
"""


async def test_a_process_hears_the_same_keys(stage: Stage, tmp_path: Path) -> None:
    """Through pipes and pyst2."""
    begun = tmp_path / "begun"
    stage.lab.install_agi("playing-program", [sys.executable, "-c", PROGRAM, str(begun)], {})
    await stage.dialplan(program="playing-program")
    telephone = await stage.call(extension="process")
    async with asyncio.timeout(30):
        while not begun.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    for key in "#25":
        await telephone.press(key, gap_s=0.5)
    told = await asyncio.wait_for(telephone.told, 30)
    assert told["Result"] == "#-2-5"


async def test_a_whole_talk_with_the_line(stage: Stage) -> None:
    """1 in the middle of the greeting, then 2 at once, then the reference once more, then a hang-up."""
    for name in OBJECTION_NAMES | {"company-linde"}:
        stage.lab.pbx.add_sound(f"ringfence/{name}", MOMENT, language="qq")
    gate, recorder = make_gate(), Recorder()
    campaign = dataclasses.replace(gate.site.campaigns["linde-de"], language="qq")
    gate.site = dataclasses.replace(gate.site, campaigns={"linde-de": campaign})
    stage.script = partial(objection, ObjectionLine(gate, recorder))
    await stage.dialplan(arguments="+493023125001,linde-de,,agent")
    telephone = await stage.call()
    await asyncio.sleep(0.4)
    await telephone.press("12", gap_s=0.12)
    await asyncio.sleep(1)
    await telephone.press("9", gap_s=1)
    told = await asyncio.wait_for(telephone.told, 30)
    assert told["Objection"] == "RECORDED"
    assert [claim.scope for claim in recorder.claims] == ["linde", "*"]
    (event,) = gate.ledger.events  # type: ignore[attr-defined]
    assert event.body["moves"] == ["object-company", "widen", "repeat", "finish"]
    assert event.body["said"].count("recorded-everyone") == 2
    assert "company-linde" in event.body["said"]
    with contextlib.suppress(Exception):
        await telephone.hang_up()
