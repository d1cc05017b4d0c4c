"""Making sounds of texts: only what is missing or says something else, never over a recording of the site's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.audio.companding import encode_alaw
from asterisk_plugin.audio.folders import (
    MADE_SUFFIX,
    Made,
    folder_of,
    is_ours,
    read_made,
    sounds_in,
    write_file,
    write_made,
)
from asterisk_plugin.audio.loudness import over_music
from asterisk_plugin.audio.shaping import SHAPE, for_the_line
from asterisk_plugin.audio.voices import NEURAL, PIPER, spelled
from asterisk_plugin.core.prompts import is_over_music
from asterisk_plugin.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from asterisk_plugin.audio.catalogue import VoiceSettings
    from asterisk_plugin.audio.voices import Voice

DIGIT = "digit-"

SENTENCE_PAUSE_S = 0.35
COLON_PAUSE_S = 0.22
PART_PAUSE_S = 0.12
DIGIT_PAUSE_S = 0.22
"""After a digit: seven of them can be written down while they are read out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One sound to be made.

    Args:
        language: Of the text.
        name: Prompt name.
        text: What it shall say.
        label: Of the voice that shall say it.
    """

    language: str
    name: str
    text: str
    label: str


def is_digit(name: str) -> bool:
    """Tell whether a prompt is one spoken digit."""
    return name.startswith(DIGIT)


def pause_after_s(name: str, text: str) -> float:
    """How long it is silent after a prompt: a sentence is at its end there, `your reference is` is not."""
    if is_digit(name):
        return DIGIT_PAUSE_S
    last = text.rstrip()[-1:]
    return SENTENCE_PAUSE_S if last in ".?!" else COLON_PAUSE_S if last in ":,;" else PART_PAUSE_S


def recipe(text: str, voice: Voice, *, digit: bool, settings: VoiceSettings) -> str:
    """Say in one line what a sound is made with; words spelled otherwise for the voice are part of it."""
    label = voice.label(digit=digit)
    written = spelled(text, settings.respell)
    return label if written == text or label.startswith(PIPER) else f"{label}, written `{written}`"


def is_good(made: Made, wanted: Wanted) -> bool:
    """Tell whether a sound can stay: it says this text, and by this voice or a clearer one that is not there today."""
    by_clearer = made.voice.startswith(NEURAL) and not wanted.label.startswith(NEURAL)
    return made.is_of(wanted.text, made.voice if by_clearer else wanted.label)


def to_build(
    sounds: Path, language: str, wanted: Mapping[str, Wanted], *, anew: bool = False
) -> tuple[list[Wanted], list[Path]]:
    """Find out what must be made.

    Args:
        sounds: Folder of all languages.
        language: Which one.
        wanted: By prompt name.
        anew: Make what is up to date as well.

    Returns:
        What is to be made, and recordings of the site's own that stand in its place and stay.
    """
    folder = folder_of(sounds, language)
    made, present = read_made(folder), sounds_in(folder)
    todo, kept = [], []
    for name, one in wanted.items():
        own = [path for path in present.get(name, []) if not is_ours(path, made)]
        kept += own
        there = name in present and name in made and is_good(made[name], one)
        if not own and (anew or not there):
            todo.append(one)
    return todo, kept


def build(sounds: Path, language: str, todo: list[Wanted], voice: Voice) -> Iterator[Wanted]:
    """Make sounds, one after another.

    Args:
        sounds: Folder of all languages.
        language: Which one.
        todo: What to make, all in this language.
        voice: Who speaks.

    Yields:
        Each one once its file is there; what is known of it is kept at the end, and when it breaks off.

    Raises:
        StartupError: The voice gave nothing.
        InputError: A file cannot be written.
    """
    folder = folder_of(sounds, language)
    made = read_made(folder)
    try:
        for one in todo:
            data = sound_of(one, voice)
            write_file(folder / f"{one.name}{MADE_SUFFIX}", data)
            made[one.name] = Made(one.text, one.label, SHAPE, hashlib.sha256(data).hexdigest())
            yield one
    finally:
        if todo:
            write_made(folder, made)


def sound_of(one: Wanted, voice: Voice) -> bytes:
    """Speak one prompt and make it fit for the line, A-law."""
    spoken = voice.speak(one.text, digit=is_digit(one.name))
    samples = for_the_line(spoken.samples, spoken.rate, pause_s=pause_after_s(one.name, one.text))
    if not samples:
        raise StartupError(f"the voice was silent for `{one.text[:40]}` ({one.language}, {one.name})")
    return encode_alaw(over_music(samples) if is_over_music(one.name) else samples)
