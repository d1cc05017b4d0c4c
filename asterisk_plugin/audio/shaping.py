"""From what a voice spoke to what fits a telephone line: 8 kHz, the telephone's band, one level, no silence around it.

Plain Python on purpose: sounds are made once, and a service for call centres should not need a
library for numbers because of that.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

from asterisk_plugin.audio.companding import FULL_SCALE
from asterisk_plugin.audio.levels import active_level_dbov, peak_dbov

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_RATE = 8000
TARGET_DBOV = -26.0
"""About -20 dBm0: where ITU-T's tests of telephony put ordinary speech. Louder means bending more peaks."""

CEILING_DBOV = -1.5
"""No sample is larger: A-law ends 0.14 dB below full scale, and a codec on the way may overshoot."""

LEAD_S = 0.02
"""Silence before the first word."""

SHAPE = 1
"""Counts the changes of this file that make sounds made before out of date."""

_PASS_HZ, _STOP_HZ = 3600.0, 3980.0
"""A line is promised 3400 Hz; what it carries above helps to tell `f` from `s`, so it is left in."""

_HIGH_PASS_HZ = 220.0
"""-3 dB there and 0.4 dB at 300 Hz: hum and the thump of a plosive go, a deep voice stays."""

_REJECTION_DB = 60.0
_QUIET_DB = 34.0
"""What lies this far below the level of speech is silence. The last sound of `zes` or `huit` is still above."""

_WINDOW_S = 0.005
_FADE_S = 0.004
_LEVEL_TRIES = 6


def for_the_line(samples: Sequence[float], rate: int, *, pause_s: float) -> list[int]:
    """Make a spoken sound fit for a telephone line.

    Args:
        samples: As the voice gave them, 16 bits.
        rate: Samples a second of the voice, 8000 or more.
        pause_s: Silence after the last word.

    Returns:
        Samples of 16 bits, 8000 a second; empty when nothing was spoken.
    """
    speech = trim(high_pass(to_line_rate(samples, rate)))
    if not speech:
        return []
    before, after = [0.0] * round(LEAD_S * LINE_RATE), [0.0] * round(pause_s * LINE_RATE)
    # With its silence, as it will be played and checked: a pause of up to 0.2 s counts as speech.
    return [round(sample) for sample in _level([*before, *_fade(speech), *after])]


def to_line_rate(samples: Sequence[float], rate: int) -> list[float]:
    """Bring samples to 8000 a second; what is above the telephone's band is left out.

    Raises:
        ValueError: Fewer than 8000 samples a second: they cannot hold the telephone's band.
    """
    if rate < LINE_RATE:
        raise ValueError(f"{rate} samples a second are fewer than a line has")
    phases = _low_pass_phases(rate)
    taps = len(phases[0])
    common = math.gcd(rate, LINE_RATE)
    step, per_sample = rate // common, LINE_RATE // common
    padded = [0.0] * (taps // 2) + list(samples) + [0.0] * taps
    made = []
    for index in range(len(samples) * per_sample // step):
        whole, phase = divmod(index * step, per_sample)
        made.append(sum(map(mul, phases[phase], padded[whole : whole + taps])))
    return made


def high_pass(samples: Sequence[float]) -> list[float]:
    """Leave out what is below the telephone's band: Butterworth, fourth order."""
    for quality in (1 / (2 * math.cos(math.pi / 8)), 1 / (2 * math.sin(math.pi / 8))):
        samples = _second_order_high_pass(samples, quality)
    return list(samples)


def trim(samples: Sequence[float]) -> list[float]:
    """Leave out the silence before the first and after the last word."""
    threshold = 10 ** ((active_level_dbov(samples) - _QUIET_DB) / 20) * FULL_SCALE
    size = round(_WINDOW_S * LINE_RATE)
    loud = [start for start in range(0, len(samples), size) if _rms(samples[start : start + size]) > threshold]
    if not loud:
        return []
    # One window more on both sides: a word begins and ends softer than the threshold.
    return list(samples[max(0, loud[0] - size) : loud[-1] + 2 * size])


def _level(samples: Sequence[float]) -> list[float]:
    """Bring speech to the target level without a sample above the ceiling."""
    made = list(samples)
    for _ in range(_LEVEL_TRIES):
        gain = 10 ** ((TARGET_DBOV - active_level_dbov(made)) / 20)
        made = _limit([sample * gain for sample in made])
        if abs(active_level_dbov(made) - TARGET_DBOV) < 0.05:  # decibels nobody hears
            break
    return made


def _limit(samples: Sequence[float]) -> list[float]:
    """Bend peaks down smoothly; below half the ceiling nothing changes."""
    ceiling = 10 ** (CEILING_DBOV / 20) * FULL_SCALE
    if peak_dbov(samples) <= CEILING_DBOV:
        return list(samples)
    knee = ceiling / 2
    room = ceiling - knee
    return [
        sample if abs(sample) <= knee else math.copysign(knee + room * math.tanh((abs(sample) - knee) / room), sample)
        for sample in samples
    ]


def _fade(samples: Sequence[float]) -> list[float]:
    """Begin and end at nothing: a step is a click."""
    size = min(round(_FADE_S * LINE_RATE), len(samples) // 2)
    made = list(samples)
    for index in range(size):
        made[index] *= index / size
        made[-1 - index] *= index / size
    return made


def _rms(samples: Sequence[float]) -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0


def _second_order_high_pass(samples: Sequence[float], quality: float) -> list[float]:
    """One section by the bilinear transform, written as its direct form II."""
    turn = math.tan(math.pi * _HIGH_PASS_HZ / LINE_RATE)
    norm = 1 / (1 + turn / quality + turn * turn)
    back_1, back_2 = 2 * (turn * turn - 1) * norm, (1 - turn / quality + turn * turn) * norm
    made, held_1, held_2 = [], 0.0, 0.0
    for sample in samples:
        held = sample - back_1 * held_1 - back_2 * held_2
        made.append((held - 2 * held_1 + held_2) * norm)
        held_1, held_2 = held, held_1
    return made


@lru_cache(maxsize=8)
def _low_pass_phases(rate: int) -> tuple[tuple[float, ...], ...]:
    """Taps of a windowed-sinc low pass, one row for each place an output can have between two inputs."""
    per_sample = LINE_RATE // math.gcd(rate, LINE_RATE)
    cut = (_PASS_HZ + _STOP_HZ) / 2 / rate
    width = (_STOP_HZ - _PASS_HZ) / rate
    half = math.ceil((_REJECTION_DB - 8) / (2.285 * 2 * math.pi * width) / 2)
    rows = []
    for phase in range(per_sample):
        shift = phase / per_sample
        taps = [_tap(place - shift, cut, half + 1) for place in range(-half, half + 1)]
        total = sum(taps)
        rows.append(tuple(tap / total for tap in taps))
    return tuple(rows)


def _tap(place: float, cut: float, half: int) -> float:
    ideal = 2 * cut if place == 0 else math.sin(2 * math.pi * cut * place) / (math.pi * place)
    inside = max(0.0, 1 - (place / half) ** 2)
    beta = 0.1102 * (_REJECTION_DB - 8.7)
    return ideal * _bessel(beta * math.sqrt(inside)) / _bessel(beta)


def _bessel(value: float) -> float:
    """Modified Bessel function of the first kind, order 0: the shape of Kaiser's window."""
    terms = accumulate(range(1, 30), lambda term, k: term * (value / (2 * k)) ** 2, initial=1.0)
    return sum(terms)
