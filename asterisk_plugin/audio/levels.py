"""How loud speech is, as ITU-T P.56 (12/2011), method B, measures it: without the pauses.

A level is in dBov: decibels relative to a constant signal at full scale. 0 dBm0 on an A-law line is
6.15 dB below that (G.711: a full-scale sine, 3.01 dB below, is +3.14 dBm0).
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

from asterisk_plugin.audio.companding import FULL_SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

SILENCE_DBOV = -100.0
"""What is said of a sound without any speech in it."""

MARGIN_DB = 15.9
"""P.56: between the active level and the threshold that tells speech from pause."""

_SMOOTHING_S = 0.03
_HANGOVER_S = 0.2
_THRESHOLDS = [2.0**-power for power in range(15, 0, -1)]
_LOOK_S = 0.001
"""How often the envelope is looked at. It is smoothed over 30 ms, so nothing is missed between."""


def active_level_dbov(samples: Sequence[float], rate: int = 8000) -> float:
    """Level of the speech in a sound, pauses left out.

    Args:
        samples: Of 16 bits, -32768 to 32767.
        rate: Samples a second.

    Returns:
        The active speech level in dBov, `SILENCE_DBOV` when there is none.

    Wire:
        ITU-T P.56, method B.
    """
    energy = sum(sample * sample for sample in samples) / FULL_SCALE**2
    if energy <= 0:
        return SILENCE_DBOV
    looks = _envelope(samples, rate)[:: max(1, round(rate * _LOOK_S))]
    looks_per_s = rate / max(1, round(rate * _LOOK_S))
    before: tuple[float, float] | None = None
    for threshold in _THRESHOLDS:
        active = _active_looks(looks, threshold, hangover=math.ceil(_HANGOVER_S * looks_per_s))
        if not active:
            break
        level = 10 * math.log10(energy / (active * rate / looks_per_s))
        margin = level - 20 * math.log10(threshold)
        if margin <= MARGIN_DB:
            return level if before is None else _between(before, (level, margin))
        before = level, margin
    return before[0] if before else SILENCE_DBOV


def peak_dbov(samples: Sequence[float]) -> float:
    """Level of the largest sample."""
    peak = max((abs(sample) for sample in samples), default=0)
    return 20 * math.log10(peak / FULL_SCALE) if peak else SILENCE_DBOV


def _envelope(samples: Sequence[float], rate: int) -> list[float]:
    """The size of the signal, smoothed twice."""
    keep = math.exp(-1 / (rate * _SMOOTHING_S))
    take = (1 - keep) / FULL_SCALE
    once = accumulate(samples, lambda held, sample: held * keep + abs(sample) * take, initial=0.0)
    return list(accumulate(once, lambda held, value: held * keep + value * (1 - keep), initial=0.0))[2:]


def _active_looks(looks: Sequence[float], threshold: float, *, hangover: int) -> int:
    """How many looks are above the threshold or within the hangover after one that was."""
    active, left = 0, 0
    for look in looks:
        if look >= threshold:
            active, left = active + 1, hangover
        elif left:
            active, left = active + 1, left - 1
    return active


def _between(low: tuple[float, float], high: tuple[float, float]) -> float:
    """The level at which the margin is the one asked for, on the line through two thresholds."""
    (level_low, margin_low), (level_high, margin_high) = low, high
    share = (margin_low - MARGIN_DB) / (margin_low - margin_high)
    return level_low + share * (level_high - level_low)
