"""Speech for the corpus: many synthetic speakers in seven languages, each in one part only; spoken once, then kept.

espeak-ng speaks at once and in hundreds of voices; Kokoro, where it is installed, is slow and sounds like a person.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tomllib
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from asterisk_plugin.audio import kokoro
from tests.detection.sounds import RATE, resampled

if TYPE_CHECKING:
    from tests.detection.sounds import Sound

TUNE, KEPT = "tune", "kept"
PARTS = (TUNE, KEPT)
LANGUAGES = {"nl": "nl", "de": "de", "sv": "sv", "it": "it", "fr": "fr-fr", "es": "es", "en": "en-gb"}
"""Language -> voice of espeak-ng."""

VARIANTS = {
    TUNE: (
        "f1",
        "f3",
        "m1",
        "m3",
        "m5",
        "m7",
        "Andrea",
        "Alex",
        "Michael",
        "Annie",
        "steph",
        "david",
        "linda",
        "rob",
        "paul",
        "marcelo",
        "iven",
        "boris",
        "Gene",
    ),
    KEPT: (
        "f2",
        "f4",
        "f5",
        "m2",
        "m4",
        "m6",
        "m8",
        "Alicia",
        "Denis",
        "Hugo",
        "belinda",
        "edward",
        "anika",
        "max",
        "robert",
        "norbert",
        "iven3",
        "miguel",
        "Andy",
    ),
}
"""Speakers of espeak-ng: other resonances, pitch and voice quality. None is in both parts."""

KOKORO = {TUNE: ("if_sara", "ef_dora"), KEPT: ("bf_emma", "ff_siwis")}
SIZES = {TUNE: (0.84, 0.95, 1.05), KEPT: (0.80, 0.90, 1.0, 1.1)}
"""A sound of Kokoro played slower or faster: a larger or smaller speaker."""

PACES, PITCHES = (130, 145, 160, 175, 195), (28, 42, 56, 70)
KOKORO_TEXTS = {"short": 3, "nervous": 1, "long": 2, "machine": 3, "carrier": 1, "talk": 3}
"""So many texts of each kind Kokoro speaks in each part; it needs a second and more for each second of sound."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who speaks one language at one pace.

    Args:
        engine: `espeak` or `kokoro`.
        voice: Its name there.
        pace: Words a minute of espeak-ng, or hundredths of Kokoro's own speed.
        pitch: Of espeak-ng, 0 to 99, or hundredths of Kokoro's pitch.
    """

    engine: str
    voice: str
    pace: int
    pitch: int


@cache
def texts(language: str, kind: str, part: str) -> tuple[str, ...]:
    """What is said in one part: every second text."""
    everything = tomllib.loads(Path(__file__).with_name("texts.toml").read_text())
    return tuple(everything[language][kind][PARTS.index(part) :: 2])


def sayable(speaker: Speaker, language: str, kind: str, part: str) -> tuple[str, ...]:
    """The texts that this speaker can say."""
    known = texts(language, kind, part)
    return known[: KOKORO_TEXTS[kind]] if speaker.engine == "kokoro" else known


def speaker_of(rng: Random, language: str, part: str, *, kokoro_share: float) -> Speaker:
    """Draw a speaker of a part."""
    if rng.random() < kokoro_share:
        # One of them for a language: the model is slow.
        voice = KOKORO[part][sorted(LANGUAGES).index(language) % 2]
        return Speaker("kokoro", voice, 100, round(100 * rng.choice(SIZES[part])))
    voice = f"{LANGUAGES[language]}+{rng.choice(VARIANTS[part])}"
    return Speaker("espeak", voice, rng.choice(PACES), rng.choice(PITCHES))


class Library:
    """Speaks a text, or gives what was spoken before.

    Args:
        folder: Where sounds are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._kept: dict[str, Sound] = {}

    def say(self, speaker: Speaker, language: str, text: str) -> Sound:
        """A text as floats of 8 kHz, peak 1, without silence around it."""
        pitch = 100 if speaker.engine == "kokoro" else speaker.pitch
        known = f"2/{speaker.engine}/{speaker.voice}/{speaker.pace}/{pitch}/{language}/{text}"
        file = self._folder / f"{hashlib.sha256(known.encode()).hexdigest()[:24]}.npy"
        if not file.exists():
            spoken = (
                self._kokoro(speaker, language, text) if speaker.engine == "kokoro" else self._espeak(speaker, text)
            )
            short = (trimmed(spoken) * 32767).astype(np.int16)
            made = file.with_suffix(f".{os.getpid()}.npy")
            np.save(made, short)
            made.replace(file)
        sound = np.load(file).astype(np.float64) / 32767
        return resampled(sound, speaker.pitch * RATE // 100, RATE) if speaker.engine == "kokoro" else sound

    def _espeak(self, speaker: Speaker, text: str) -> Sound:
        file = self._folder / f"spoken-{os.getpid()}.wav"
        options = ("-v", speaker.voice, "-s", str(speaker.pace), "-p", str(speaker.pitch), "-w", str(file), "--stdin")
        subprocess.run(("espeak-ng", *options), input=text.encode(), check=True, timeout=900)
        with wave.open(str(file)) as sound:
            data = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float64)
            return resampled(data, sound.getframerate(), RATE)

    def _kokoro(self, speaker: Speaker, language: str, text: str) -> Sound:
        who = kokoro.Speaker(speaker.voice, speaker.pace / 100, LANGUAGES[language])
        spoken = kokoro.speak(text, who, espeak="espeak-ng")
        return resampled(np.array(spoken, np.float64), kokoro.RATE, RATE)


def trimmed(sound: Sound) -> Sound:
    """Without silence before and after, peak 1."""
    peak = float(np.max(np.abs(sound), initial=0.0)) or 1.0
    loud = np.flatnonzero(np.abs(sound) > peak * 0.01)
    return sound[loud[0] : loud[-1] + 1] / peak if len(loud) else sound[:0]
