"""Asterisk's app_amd as its documentation describes it (`core show application AMD`, amd.conf): a port, not its code.

Frames of 20 ms whose mean magnitude is below a threshold are silence. What it says depends on how long silence and voice
last and on the number of words.
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
    now = silent = voiced = running = words = 0
    in_word = greeting = False
    for magnitude in frames:
        now += FRAME_MS
        if magnitude < own.silence_threshold:
            silent += FRAME_MS
            if silent >= own.between_words_silence:
                in_word, running = False, 0
            if not greeting and silent >= own.initial_silence:
                return MACHINE, now / 1000, "INITIALSILENCE"
            if greeting and silent >= own.after_greeting_silence:
                return HUMAN, now / 1000, "HUMAN"
        else:
            silent, voiced, running = 0, voiced + FRAME_MS, running + FRAME_MS
            if running >= own.min_word_length and not in_word:
                in_word, greeting, words = True, True, words + 1
            if words > own.maximum_number_of_words:
                return MACHINE, now / 1000, "MAXWORDS"
            if running >= own.maximum_word_length:
                return MACHINE, now / 1000, "MAXWORDLENGTH"
            if greeting and voiced >= own.greeting:
                return MACHINE, now / 1000, "LONGGREETING"
        if now >= own.total_analysis_time:
            break
    return NOTSURE, now / 1000, "TOOLONG"


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
