"""Whether what is said is said again: an announcement in a loop has the same loudness, frame for frame, each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asterisk_plugin.detection.cadence import Levels, Marks
from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB

BLOCK_S = 2.6
"""So much is compared; people repeat a word, but not a sentence to the hundredth of a second."""

SPOKEN_SHARE = 0.25
"""In so much of it somebody speaks loudly."""

LOOKS = 3
"""So often in a row, each half a second, it must be found with the same distance."""

ALIKE = 0.975
"""Correlation of the loudness in dB, limited to what is above the noise. Two sentences reach 0.8, music 0.95."""

RANGE_DB = 24.0
_SMOOTHING = np.array((0.25, 0.5, 0.25), np.float32)


class RepeatWatch:
    """Looks again and again whether the last seconds were heard before, each time so long ago as the time before."""

    def __init__(self) -> None:
        self._lags: list[int] = []

    def sees(self, levels: Levels, tonal: Marks, limit_db: float) -> bool:
        """Look once more, at regular times; arguments as of `lag_of`."""
        lag = lag_of(levels, tonal, limit_db)
        self._lags = [*(one for one in self._lags if lag is not None and abs(one - lag) <= 1), *([lag] if lag else [])]
        return len(self._lags) >= LOOKS


def lag_of(levels: Levels, tonal: Marks, limit_db: float) -> int | None:
    """So many frames ago the last seconds were heard before, None if they were not.

    Args:
        levels: dB of each frame since the answer.
        tonal: Frames in which a steady tone sounds: ring-back repeats as well.
        limit_db: Louder is speech.
    """
    levels = np.where(tonal, np.float32(QUIETEST_DB), levels)
    size = round(BLOCK_S / FRAME_S)
    if len(levels) < 2 * size:
        return None
    block = levels[-size:]
    if bool(tonal[-size:].any()) or float((block > limit_db).mean()) < SPOKEN_SHARE:
        return None
    shape = _smooth(np.clip(levels - limit_db + RANGE_DB / 2, 0, RANGE_DB))
    alike = _likeness(shape[:-size], shape[-size:])
    best = int(alike.argmax())
    return len(alike) - best + size - 1 if alike[best] >= ALIKE else None


def _smooth(levels: Levels) -> Levels:
    """Over three frames: a loop does not begin where a frame does."""
    padded = np.concatenate((levels[:1], levels, levels[-1:]))
    return np.convolve(padded, _SMOOTHING, "valid").astype(np.float32)


def _likeness(before: Levels, block: Levels) -> NDArray[np.float64]:
    """Correlation of a block with each stretch of its length before it."""
    size = len(block)
    own = block - block.mean()
    sums = np.concatenate(([0.0], np.cumsum(before, dtype=np.float64)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(before, dtype=np.float64))))
    total, square = sums[size:] - sums[:-size], squares[size:] - squares[:-size]
    varied = np.maximum(square - total**2 / size, 1e-6) * max(float(own @ own), 1e-6)
    return np.asarray(np.correlate(before, own, "valid") / np.sqrt(varied), np.float64)
