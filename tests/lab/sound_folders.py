"""Where a private Asterisk finds its sounds: the program's own and the prompts of the objection line."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

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
HELLO_S, GREETING_S = 0.6, 6.0


def write_voices(folder: Path) -> None:
    """Write what people and machines say, and each mailbox's greeting; a sound like speech, no language's.

    Args:
        folder: The Asterisk's own.
    """
    hello, greeting = (_spoken(seconds, seed) for seconds, seed in ((HELLO_S, 3), (GREETING_S, 5)))
    _write(folder / "sounds" / "hello.wav", hello)
    _write(folder / "sounds" / "greeting.wav", greeting)
    for box in range(BOXES):
        place = folder / "spool" / "voicemail" / "default" / str(box)
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "unavail.wav", greeting)


def _spoken(seconds: float, seed: int) -> bytes:
    return as_samples(speech(seconds, seed)).astype("<i2").tobytes()


def _write(file: Path, samples: bytes) -> None:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(samples)
