"""When somebody speaks and when not, told from the levels of all frames since the answer.

The whole is judged anew each time: what counts as speech depends on how loud the speaker turns out to be, so that a
television behind a person who has not yet spoken becomes background once the person speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asterisk_plugin.detection.frames import FRAME_S

Levels: TypeAlias = NDArray[np.float32]
Marks: TypeAlias = NDArray[np.bool_]

SPEECH_DB = -45.0
"""Quieter is no speech at a telephone: it is sent at -30 dB and more (ITU-T P.56 active level, full scale 0)."""

BELOW_VOICE_DB = 8.0
"""So far below its loudest frames a voice still speaks; what is further below is behind it."""

GAP_S, SHORTEST_S = 0.24, 0.06
"""Gaps inside words and between them; shorter sounds are clicks."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Somebody speaks.

    Args:
        start_s: Since the answer.
        end_s: The same.
    """

    start_s: float
    end_s: float

    @property
    def lasted_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Greeting(Stretch):
    """What somebody says without a pause of some length; it begins before 0 when a detector before this one heard it.

    Args:
        said_s: So much of it is speech.
    """

    said_s: float


def stretches(levels: Levels, tonal: Marks) -> list[Stretch]:
    """Speech so far, without the gaps between words.

    Args:
        levels: dB of each frame.
        tonal: Frames in which a steady tone sounds: ring-back and beeps are no speech.
    """
    voiced = (levels > limit_db(levels, tonal)) & ~tonal
    edges = np.flatnonzero(np.diff(voiced, prepend=False, append=False)) * FRAME_S
    merged: list[list[float]] = []
    for start_s, end_s in edges.reshape(-1, 2).tolist():
        if merged and start_s - merged[-1][1] < GAP_S:
            merged[-1][1] = end_s
        else:
            merged.append([start_s, end_s])
    return [Stretch(start_s, end_s) for start_s, end_s in merged if end_s - start_s >= SHORTEST_S]


def limit_db(levels: Levels, tonal: Marks) -> float:
    """Louder than this is speech."""
    heard = levels[~tonal]
    if not len(heard):
        return SPEECH_DB
    loud_db = float(np.sort(heard)[int(len(heard) * 0.95)])
    return max(SPEECH_DB, loud_db - BELOW_VOICE_DB)


def chains(spoken: list[Stretch], pause_s: float) -> list[list[Stretch]]:
    """Stretches with no pause of that length between them, together."""
    found: list[list[Stretch]] = []
    for one in spoken:
        if found and one.start_s - found[-1][-1].end_s < pause_s:
            found[-1].append(one)
        else:
            found.append([one])
    return found
