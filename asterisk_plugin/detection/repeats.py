"""Whether what is said is said again: an announcement in a loop has the same loudness, frame for frame, each time."""

from __future__ import annotations

import numpy as np

from asterisk_plugin.detection.cadence import Levels, Marks
from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB

BLOCK_S = 2.6
"""So much is compared; people repeat a word, but not a sentence to the hundredth of a second."""

SPOKEN_SHARE = 0.2
"""So much of it must be speech."""

ALIKE = 0.975
"""Correlation of the loudness in dB, limited to what is above the noise. Two sentences reach 0.8, music 0.95."""

RANGE_DB = 24.0
_SMOOTHING = np.array((0.25, 0.5, 0.25), np.float32)


def repeats(levels: Levels, tonal: Marks, limit_db: float) -> bool:
    """Whether the last seconds were heard before.

    Args:
        levels: dB of each frame since the answer.
        tonal: Frames in which a steady tone sounds: ring-back repeats as well.
        limit_db: Louder is speech.
    """
    levels = np.where(tonal, np.float32(QUIETEST_DB), levels)
    size = round(BLOCK_S / FRAME_S)
    if len(levels) < 2 * size:
        return False
    block = levels[-size:]
    if float((block > limit_db).mean()) < SPOKEN_SHARE:
        return False
    shape = _smooth(np.clip(levels - limit_db + RANGE_DB / 2, 0, RANGE_DB))
    return _likeness(shape[:-size], shape[-size:]) >= ALIKE


def _smooth(levels: Levels) -> Levels:
    """Over three frames: a loop does not begin where a frame does."""
    padded = np.concatenate((levels[:1], levels, levels[-1:]))
    return np.convolve(padded, _SMOOTHING, "valid").astype(np.float32)


def _likeness(before: Levels, block: Levels) -> float:
    """The highest correlation of a block with anything before it."""
    size = len(block)
    own = block - block.mean()
    sums = np.concatenate(([0.0], np.cumsum(before, dtype=np.float64)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(before, dtype=np.float64))))
    total, square = sums[size:] - sums[:-size], squares[size:] - squares[:-size]
    varied = np.maximum(square - total**2 / size, 1e-6) * max(float(own @ own), 1e-6)
    return float((np.correlate(before, own, "valid") / np.sqrt(varied)).max(initial=0.0))
