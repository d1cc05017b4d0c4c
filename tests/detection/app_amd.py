"""Asterisk's app_amd as its documentation describes it (`core show application AMD`, amd.conf): a port, not its code.

Frames of 20 ms whose mean magnitude is below a threshold are silence. What it says depends on how long silence and
voice last and on the number of words.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FRAME, FRAME_MS = 160, 20
HUMAN, MACHINE, NOTSURE = "HUMAN", "MACHINE", "NOTSURE"


@dataclass(frozen=True, slots=True)
class Parameters:
    """amd.conf with its defaults; milliseconds, but for the number of words and the threshold."""

    initial_silence: int = 2500
    greeting: int = 1500
    after_greeting_silence: int = 800
    total_analysis_time: int = 5000
    min_word_length: int = 100
    between_words_silence: int = 50
    maximum_number_of_words: int = 2
    maximum_word_length: int = 5000
    silence_threshold: int = 256


def magnitudes(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Mean magnitude of each whole frame."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return np.asarray(np.abs(frames).mean(axis=1))


def judge(frames: Iterable[float], own: Parameters) -> tuple[str, float, str]:
    """What app_amd would say of a call.

    Returns:
        HUMAN, MACHINE or NOTSURE, seconds since the answer, AMDCAUSE.
    """
    now, state = 0, _State()
    for magnitude in frames:
        now += FRAME_MS
        said = state.silence(own) if magnitude < own.silence_threshold else state.voice(own)
        if said is not None:
            return HUMAN if said == HUMAN else MACHINE, now / 1000, said
        if now >= own.total_analysis_time:
            break
    return NOTSURE, now / 1000, "TOOLONG"


@dataclass(slots=True)
class _State:
    silent: int = 0
    voiced: int = 0
    running: int = 0
    words: int = 0
    in_word: bool = False

    def silence(self, own: Parameters) -> str | None:
        """A silent frame; the cause where it decides."""
        self.silent += FRAME_MS
        if self.silent >= own.between_words_silence:
            self.in_word, self.running = False, 0
        if not self.words:
            return "INITIALSILENCE" if self.silent >= own.initial_silence else None
        return HUMAN if self.silent >= own.after_greeting_silence else None

    def voice(self, own: Parameters) -> str | None:
        """A frame with voice; the cause where it decides."""
        self.silent, self.voiced, self.running = 0, self.voiced + FRAME_MS, self.running + FRAME_MS
        if self.running >= own.min_word_length and not self.in_word:
            self.in_word, self.words = True, self.words + 1
        if self.words > own.maximum_number_of_words:
            return "MAXWORDS"
        if self.running >= own.maximum_word_length:
            return "MAXWORDLENGTH"
        return "LONGGREETING" if self.words and self.voiced >= own.greeting else None


def grid() -> Iterable[Parameters]:
    """Parameters to choose from: what guides for amd.conf turn."""
    for greeting, pause, words, initial, threshold in itertools.product(
        (1500, 2500, 3500, 5000), (500, 800, 1200), (2, 4, 8, 100), (2500, 4500), (256, 512, 1024)
    ):
        yield replace(
            Parameters(),
            greeting=greeting,
            after_greeting_silence=pause,
            maximum_number_of_words=words,
            initial_silence=initial,
            silence_threshold=threshold,
        )
