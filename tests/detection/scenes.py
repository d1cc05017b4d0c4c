"""What happens on the called side: persons and machines, and how often each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np

from tests.detection import sounds
from tests.detection.sounds import Sound, silence
from tests.detection.speech import Library, Speaker, sayable, speaker_of

PERSON, MACHINE = "person", "machine"
COMMON_BEEPS_HZ = (440, 500, 620, 800, 850, 880, 950, 1000, 1004, 1100, 1200, 1400, 1500, 1650, 1750, 1800, 2000, 2100)
RING_BACKS = (
    ((425.0,), (1.0, 4.0)),
    ((440.0,), (1.5, 3.5)),
    ((425.0,), (1.5, 3.0)),
    ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
)
"""de it nl, fr, es, gb: ITU-T E.180 supplement 2 (various tones used in national networks)."""

DTMF_HZ = tuple((low, high) for low in (697.0, 770.0, 852.0, 941.0) for high in (1209.0, 1336.0, 1477.0))


@dataclass(slots=True)
class Scene:
    """What is being put together."""

    rng: Random
    part: str
    language: str
    spoken: Library
    speaker: Speaker
    pieces: list[Sound] = field(default_factory=list)
    beep_s: float | None = None
    records_s: float | None = None
    said: set[str] = field(default_factory=set)

    @property
    def length_s(self) -> float:
        return sum(map(len, self.pieces)) / sounds.RATE

    def wait(self, low: float, high: float) -> None:
        self.pieces.append(silence(self.rng.uniform(low, high)))

    def add(self, sound: Sound, dbfs: float) -> None:
        self.pieces.append(sounds.levelled(sound, dbfs))

    def say(self, kind: str, *, breath: tuple[float, float] = (0.2, 0.7)) -> None:
        """Say one text of a kind, with breaths at its bars."""
        text = self._another(kind)
        for index, part in enumerate(text.split("|")):
            if index:
                # One breath in twelve is a long one.
                self.wait(*((1.0, 1.6) if self.rng.random() < 0.08 and kind != "nervous" else breath))
            self.add(self.spoken.say(self.speaker, self.language, part.strip()), 0.0)

    def _another(self, kind: str) -> str:
        """A text of a kind; none twice, because a voice that is computed would say it in the very same way."""
        known = sayable(self.speaker, self.language, kind, self.part)
        text = self.rng.choice([one for one in known if one not in self.said] or known)
        self.said.add(text)
        return text


def onset_s(rng: Random, median: float) -> float:
    """From the answer to the first word."""
    return min(3.5, max(0.08, rng.lognormvariate(np.log(median), 0.55)))


# Persons ---------------------------------------------------------------------------------------------------------


def _talk(scene: Scene, turns: int) -> None:
    """The conversation: an agent says something, the person answers."""
    scene.wait(2.0, 4.5)
    for _ in range(turns):
        scene.say("talk", breath=(0.3, 0.9))
        scene.wait(1.0, 4.0)


def person(scene: Scene) -> None:
    scene.wait(*[onset_s(scene.rng, 0.6)] * 2)
    scene.say("short")
    _talk(scene, 3)


def long_greeting(scene: Scene) -> None:
    scene.wait(*[onset_s(scene.rng, 0.6)] * 2)
    scene.say("long")
    _talk(scene, 3)


def nervous(scene: Scene) -> None:
    scene.wait(*[onset_s(scene.rng, 0.5)] * 2)
    scene.say("nervous", breath=(0.5, 1.6))
    _talk(scene, 3)


def silent_person(scene: Scene) -> None:
    scene.wait(3.0, 6.0)
    scene.say("nervous", breath=(0.8, 2.0))
    _talk(scene, 2)


def _with_background(scene: Scene, background: Sound, below_db: tuple[float, float]) -> None:
    kind = scene.rng.choice(("short", "short", "long", "nervous"))
    scene.wait(*[onset_s(scene.rng, 0.7)] * 2)
    scene.say(kind, breath=(0.5, 1.5))
    _talk(scene, 3)
    whole = np.concatenate(scene.pieces)
    behind = np.resize(sounds.levelled(background, -scene.rng.uniform(*below_db)), len(whole))
    scene.pieces = [whole + behind]


def noisy_person(scene: Scene) -> None:
    made = np.random.default_rng(scene.rng.randrange(2**32))
    colour = scene.rng.choice(("white", "pink", "street", "hum"))
    _with_background(scene, sounds.noise(made, 40, colour) * 0.1, (12, 28))


def others_talking(scene: Scene) -> None:
    """A television, or a room in which several talk."""
    count = scene.rng.choice((1, 1, 3, 5))
    whole = silence(40)
    for _ in range(count):
        other = speaker_of(scene.rng, scene.language, scene.part, kokoro_share=0.0)
        at = scene.rng.uniform(0, 2)
        while at < 36:
            kind = scene.rng.choice(("talk", "long", "machine"))
            text = scene.rng.choice(sayable(other, scene.language, kind, scene.part))
            said = scene.spoken.say(other, scene.language, text.replace("|", ""))
            if scene.rng.random() < 0.5:
                said = said[scene.rng.randrange(len(said) // 2) :]
            start = round(at * sounds.RATE)
            whole[start : start + len(said)] += said[: len(whole) - start]
            at += len(said) / sounds.RATE + scene.rng.uniform(0.1, 1.0)
    _with_background(scene, whole, (10, 26))


def radio(scene: Scene) -> None:
    _with_background(scene, sounds.music(scene.rng, 40), (12, 28))


def put_through(scene: Scene) -> None:
    """The telephone system answers, sometimes with words, and rings on; then a person."""
    scene.wait(0.1, 1.0)
    if scene.rng.random() < 0.4:
        scene.say("long")
        scene.wait(0.3, 1.0)
        scene.speaker = speaker_of(scene.rng, scene.language, scene.part, kokoro_share=0.0)
    hz, steps = scene.rng.choice(RING_BACKS)
    scene.add(sounds.cadence(hz, steps, scene.rng.randint(1, 3)), scene.rng.uniform(-10, 0))
    scene.say(scene.rng.choice(("short", "long")))
    _talk(scene, 2)


def holds_the_agent(scene: Scene) -> None:
    """A person who presses keys or puts the agent on hold, with music, during the talk."""
    scene.wait(*[onset_s(scene.rng, 0.6)] * 2)
    scene.say(scene.rng.choice(("short", "long")))
    _talk(scene, 1)
    for _ in range(scene.rng.randint(0, 4)):
        scene.add(sounds.tone(scene.rng.choice(DTMF_HZ), scene.rng.uniform(0.06, 0.4)), scene.rng.uniform(-8, 2))
        scene.wait(0.06, 0.5)
    if scene.rng.random() < 0.6:
        scene.add(sounds.music(scene.rng, scene.rng.uniform(4, 14)), scene.rng.uniform(-10, 0))
    scene.wait(0.3, 1.0)
    scene.say("talk")


# Machines --------------------------------------------------------------------------------------------------------


def beep(rng: Random) -> Sound:
    """One that a machine could have, peak about 1."""
    if rng.random() < 0.25:
        low = rng.uniform(400, 1500)
        hz: tuple[float, ...] = (low, rng.uniform(low + 150, 2100))
    else:
        hz = (rng.choice(COMMON_BEEPS_HZ) if rng.random() < 0.5 else rng.uniform(400, 2100),)
    seconds = rng.choice((0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5))
    fade_in, fade_out = rng.uniform(0.002, min(0.06, seconds / 4)), rng.uniform(0.002, min(0.25, seconds / 3))
    once = sounds.tone(hz, seconds, in_s=fade_in, out_s=fade_out, phase=rng.random() * 6)
    for order in (2, 3):
        if len(hz) == 1 and hz[0] * order < 3500:
            overtone = sounds.tone((hz[0] * order,), seconds, in_s=fade_in, out_s=fade_out)
            once = once + overtone * 10 ** (rng.uniform(-45, -22) / 20)
    times = rng.choice((1,) * 9 + (2, 3))
    return np.concatenate([once, *([silence(rng.uniform(0.06, 0.25)), once] * (times - 1))])


def _beep_and_record(scene: Scene) -> None:
    scene.wait(0.05, 1.6)
    scene.beep_s = scene.length_s
    scene.add(beep(scene.rng), scene.rng.uniform(-12, 6))
    scene.records_s = scene.length_s
    scene.wait(3.0, 4.0)


def answering_machine(scene: Scene) -> None:
    scene.wait(*[onset_s(scene.rng, 0.8)] * 2)
    scene.say("machine", breath=(0.2, 0.9))
    _beep_and_record(scene)


def machine_without_a_beep(scene: Scene) -> None:
    """It records as soon as it has spoken. In no part; measured on its own, since only its talking shows it."""
    scene.wait(*[onset_s(scene.rng, 0.8)] * 2)
    scene.say("machine", breath=(0.2, 0.9))
    scene.records_s = scene.length_s
    scene.wait(6.0, 8.0)


def machine_with_music(scene: Scene) -> None:
    """A greeting over music."""
    scene.wait(*[onset_s(scene.rng, 0.8)] * 2)
    start = len(np.concatenate(scene.pieces))
    scene.say("machine", breath=(0.2, 0.9))
    whole = np.concatenate(scene.pieces)
    behind = sounds.music(scene.rng, (len(whole) - start) / sounds.RATE)
    whole[start : start + len(behind)] += sounds.levelled(behind, -scene.rng.uniform(6, 20))[: len(whole) - start]
    scene.pieces = [whole]
    _beep_and_record(scene)


def only_a_beep(scene: Scene) -> None:
    scene.wait(0.6, 6.0)
    _beep_and_record(scene)


def forwarded_to_voicemail(scene: Scene) -> None:
    """The telephone system answers, rings on, then a voicemail."""
    scene.wait(0.1, 1.0)
    hz, steps = scene.rng.choice(RING_BACKS)
    scene.add(sounds.cadence(hz, steps, scene.rng.randint(1, 3)), scene.rng.uniform(-10, 0))
    scene.say("machine", breath=(0.2, 0.9))
    _beep_and_record(scene)


def network_announcement(scene: Scene) -> None:
    """Tones, then what is wrong, once or more often."""
    scene.wait(0.1, 1.0)
    scene.add(sounds.special_information(), scene.rng.uniform(-6, 3))
    scene.wait(0.1, 0.6)
    for _ in range(scene.rng.randint(1, 3)):
        scene.say("carrier", breath=(0.3, 0.6))
        scene.wait(1.0, 2.0)


def announcement_in_a_loop(scene: Scene) -> None:
    """No tones; said twice and more, every time the same."""
    scene.wait(*[onset_s(scene.rng, 0.8)] * 2)
    start = len(scene.pieces)
    scene.say("carrier", breath=(0.3, 0.6))
    scene.wait(0.6, 2.0)
    scene.pieces += scene.pieces[start:] * scene.rng.randint(1, 3)


def waiting_music(scene: Scene) -> None:
    """A telephone system: a sentence or none, then music."""
    scene.wait(0.1, 1.0)
    if scene.rng.random() < 0.5:
        scene.say("long")
        scene.wait(0.1, 0.5)
    scene.add(sounds.music(scene.rng, scene.rng.uniform(12, 16)), scene.rng.uniform(-8, 2))


def fax(scene: Scene) -> None:
    scene.wait(0.2, 2.0)
    scene.add(sounds.tone((2100.0,), scene.rng.uniform(2.6, 4.0)), scene.rng.uniform(-6, 3))
    scene.wait(0.07, 0.1)
    scene.add(sounds.noise(np.random.default_rng(scene.rng.randrange(2**32)), 2.0, "white") * 0.1, -3)


Put = Callable[[Scene], None]
SCENARIOS: dict[str, tuple[tuple[Put, int], ...]] = {
    PERSON: (
        *((person, 40), (long_greeting, 16), (nervous, 9), (silent_person, 4)),
        *((noisy_person, 9), (others_talking, 9), (radio, 4)),
        *((put_through, 4), (holds_the_agent, 5)),
    ),
    MACHINE: (
        *((answering_machine, 62), (machine_with_music, 5), (only_a_beep, 5)),
        *((forwarded_to_voicemail, 5), (network_announcement, 8)),
        *((announcement_in_a_loop, 7), (waiting_music, 4), (fax, 4)),
    ),
}
"""How a side answers, and how often (share of 100)."""
