"""Calls that a called side answers: persons and machines, the same for the same seed.

A call is drawn in three steps: who answers and how (`SCENARIOS`), what they say and sound like (speech.py, texts.toml),
and what the line does to it: level, noise, band, codec, lost packets. Texts and speakers of the part to tune on are
never in the part kept aside.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from tests.detection import sounds
from tests.detection.scenes import MACHINE, SCENARIOS, Put, Scene
from tests.detection.sounds import Sound
from tests.detection.speech import LANGUAGES, Library, speaker_of

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ringfence-corpus"


@dataclass(frozen=True, slots=True)
class Call:
    """What the called side sends from the answer on.

    Args:
        name: Part, number and scenario.
        is_machine: Nobody is there.
        scenario: How it was answered.
        language: Two letters.
        samples: 8 kHz, 16 bits.
        beep_s: When the beep began, None where there is none.
        records_s: From when on it records: the end of its beep. None where no message can be left.
        codec: The narrowest on the way.
    """

    name: str
    is_machine: bool
    scenario: str
    language: str
    samples: NDArray[np.int16]
    beep_s: float | None
    records_s: float | None
    codec: str


def make(
    part: str,
    side: str,
    number: int,
    library: Library,
    *,
    seed: int = 1,
    kokoro_share: float = 0.2,
    put: Put | None = None,
) -> Call:
    """One call of a part; the same for the same seed and number.

    Args:
        part: `tune` or `kept`.
        side: `person` or `machine`.
        number: Which one.
        library: Who speaks.
        seed: Of the whole corpus.
        kokoro_share: In so many calls Kokoro speaks instead of espeak-ng, 0 to 1.
        put: This scenario instead of a drawn one.
    """
    rng = Random(f"{seed}/{part}/{side}/{number}")
    language = rng.choice(sorted(LANGUAGES))
    known = SCENARIOS[side]
    drawn = rng.choices([one for one, _ in known], [share for _, share in known])[0]
    put = put or drawn
    scene = Scene(rng, part, language, library, speaker_of(rng, language, part, kokoro_share=kokoro_share))
    put(scene)
    samples, codec = on_the_line(np.concatenate(scene.pieces), rng)
    name = f"{part}-{side}-{number}-{put.__name__}"
    return Call(name, side == MACHINE, put.__name__, language, samples, scene.beep_s, scene.records_s, codec)


def on_the_line(sound: Sound, rng: Random) -> tuple[NDArray[np.int16], str]:
    """What arrives of a sound whose speech has level 0 dB: samples and the narrowest codec on the way."""
    level_db = rng.uniform(-32, -16)
    made = np.random.default_rng(rng.randrange(2**32))
    sound = sounds.band(sound, rng.choice((80, 200, 300)), rng.choice((3400, 3700))) * 10 ** (level_db / 20)
    if rng.random() < 0.8:
        below = rng.uniform(-72, max(-66, min(-48, level_db - 20)))
        sound = sound + sounds.noise(made, len(sound) / sounds.RATE + 1, rng.choice(("white", "pink", "hum")))[
            : len(sound)
        ] * 10 ** (below / 20)
    codec = rng.choices(("alaw", "ulaw", "gsm", "none"), (50, 15, 28, 7))[0]
    samples = sounds.coded(sounds.as_samples(sound), codec)
    if rng.random() < 0.06:
        for at in np.flatnonzero(made.random(len(samples) // sounds.FRAME) < rng.uniform(0.005, 0.03)):
            samples[at * sounds.FRAME : (at + 1) * sounds.FRAME] = 0
    return samples, codec
