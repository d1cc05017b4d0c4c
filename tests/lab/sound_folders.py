"""Where a private Asterisk finds its sounds: the program's own and the prompts of the objection line."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import numpy as np

from tests.detection.sounds import as_samples
from tests.detection.voice import speech

SHIPPED = Path(__file__).parents[2] / "config" / "sounds"


def link_data(data: Path, folder: Path) -> None:
    """Make a data folder like the program's, with its English sounds where Asterisk looks for them.

    Unpacked packages lack the link that their installation would have made.
    """
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    for entry in data.iterdir():
        if entry.name != "sounds":
            (folder / entry.name).symlink_to(entry)
    english = next((e for name in ("en", "en_US_f_Allison") if (e := data / "sounds" / name).is_dir()), None)
    (folder / "sounds" / "en").mkdir()
    for entry in english.iterdir() if english is not None else ():
        if entry.name != "ringfence":  # the prompts have a folder of their own in every lab
            (folder / "sounds" / "en" / entry.name).symlink_to(entry)


def link_prompts(sounds: Path, shipped: Path = SHIPPED) -> None:
    """Put the prompts that come with the program where Asterisk looks for sounds, each language in its folder."""
    for file in shipped.glob("*/ringfence/*"):
        target = sounds / file.relative_to(shipped)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file)


MUSIC_HZ = 440
MUSIC_PEAK = 4000
"""The music of waiting callers: one tone, so that how loud it is can be told apart from the words."""


def write_silence(file: Path) -> None:
    """Write a second of nothing."""
    _write(file, bytes(16000))


def write_music(file: Path, seconds: int = 60) -> None:
    """Write the tone that waiting callers hear."""
    second = array("h", (round(MUSIC_PEAK * math.sin(2 * math.pi * MUSIC_HZ * n / 8000)) for n in range(8000)))
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, second.tobytes() * seconds)


BOXES = 10
HELLOS_S = (0.6, 0.35, 0.5, 0.8, 1.1, 0.45, 1.4, 0.7, 2.4, 0.9)
"""How long people speak who answer, each kind; the first says nothing odd."""

GREETINGS_S = (6.0, 2.5, 4.0, 9.0, 3.0, 12.0, 5.0, 7.0, 3.5, 10.0)
AFTER_GREETING = 1600
"""Bytes of silence behind a greeting, a tenth of a second: nobody's recording ends with the last sound."""

BEEPS = (
    # hertz (two: both at once), seconds, level of full scale
    ((1000,), 0.5, 0.3),
    ((1400,), 0.25, 0.3),
    ((440,), 0.4, 0.3),
    ((2100,), 0.3, 0.3),
    ((850, 1300), 0.4, 0.2),
    ((620,), 1.0, 0.2),
    ((1000,), 0.15, 0.3),
    ((950, 1400), 0.2, 0.2),
    ((500,), 0.3, 0.1),
    ((1750,), 0.12, 0.3),
)
"""The beep of each mailbox."""


RING = ((425,), 1.0, 0.3)
"""Of a mailbox whose beep could be a ring, and of a telephone system that puts through."""

LONG_GREETING_S, NO_BEEP = 8.0, ((1000,), 0.02, 0.0)
"""Of a mailbox that records without a beep."""


def write_voices(folder: Path) -> None:
    """Write what people and machines say, and each mailbox's greeting and beep; like speech, of no language.

    Args:
        folder: The Asterisk's own; its sounds are there already.
    """
    (folder / "voices").mkdir(exist_ok=True)  # not among the sounds: those are the music on hold
    for place, seconds in enumerate(HELLOS_S):
        _write(folder / "voices" / f"hello-{place}.wav", _spoken(seconds, 20 + place))
    _write(folder / "voices" / "greeting.wav", _spoken(GREETINGS_S[0], 5))
    boxes = [(f"default/{box}", f"b{box}", *of) for box, of in enumerate(zip(GREETINGS_S, BEEPS, strict=True))]
    boxes += [("doubtful/0", "ring", GREETINGS_S[0], RING), ("doubtful/1", "silent", LONG_GREETING_S, NO_BEEP)]
    for box, (where, name, seconds, beep) in enumerate(boxes):
        place = folder / "spool" / "voicemail" / where
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "unavail.wav", _spoken(seconds, 40 + box) + bytes(AFTER_GREETING))
        language = folder / "data" / "sounds" / name
        language.mkdir(exist_ok=True)
        _write(language / "beep.wav", _tones(*beep))


def _spoken(seconds: float, seed: int) -> bytes:
    return as_samples(speech(seconds, seed)).astype("<i2").tobytes()


def _tones(hertz: tuple[int, ...], seconds: float, level: float) -> bytes:
    times = np.arange(round(seconds * 8000)) / 8000
    return as_samples(level * sum(np.sin(2 * np.pi * each * times) for each in hertz)).astype("<i2").tobytes()


def _write(file: Path, samples: bytes) -> None:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(samples)
