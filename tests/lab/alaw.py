"""A-law (ITU-T G.711) as the lab needs it: to and from linear, test tones, and how alike two sounds are.

Pure and slow; seconds of speech, not hours. Deliberately not the product's own code: the lab is the witness.
"""

from __future__ import annotations

import math
import random
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 8000
FRAME = 160
SILENCE = 0xD5

_COARSE = 4
_ANCHOR = 1600
"""Samples of the loudest stretch by which a sound is looked for: 0.2 s."""


def _expand(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    level = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return level if code & 0x80 else -level


_LINEAR = tuple(_expand(code) for code in range(256))
_UP = sorted((level, code) for code, level in enumerate(_LINEAR))


def to_linear(audio: bytes) -> list[int]:
    """Samples of -32256 to 32256."""
    return [_LINEAR[code] for code in audio]


def from_linear(samples: Sequence[float]) -> bytes:
    """The nearest code of each sample."""
    codes = {}
    out = bytearray()
    for sample in samples:
        value = round(sample)
        if value not in codes:
            codes[value] = min(_UP, key=lambda one: abs(one[0] - value))[1]
        out.append(codes[value])
    return bytes(out)


def tone(name: str, seconds: float = 0.8) -> bytes:
    """A sound like no other, made from its name: three gliding tones; whole frames."""
    chance = random.Random(name)
    parts = [(chance.uniform(300, 1500), chance.uniform(-600, 600), chance.uniform(0, 6)) for _ in range(3)]
    count = int(seconds * RATE) // FRAME * FRAME
    times = [n / RATE for n in range(count)]
    return from_linear([2500 * sum(math.sin(2 * math.pi * (f + g * t) * t + p) for f, g, p in parts) for t in times])


def likeness(audio: bytes, sound: bytes) -> tuple[float, int]:
    """How much of `audio`, at its best place, is `sound`.

    Returns:
        Correlation from -1 to 1 (1: the same but for its level) and the place in samples; 0 and -1 when `audio`
        is shorter than `sound`.
    """
    heard, wanted = to_linear(audio), to_linear(sound)
    if len(heard) < len(wanted) or not wanted:
        return 0.0, -1
    size = min(_ANCHOR, len(wanted))
    loudest = max(range(0, len(wanted) - size + 1, FRAME), key=lambda at: sum(map(abs, wanted[at : at + size])))
    rough = _decimate(heard[loudest : len(heard) - (len(wanted) - loudest - size)])
    anchor = _decimate(wanted[loudest : loudest + size])
    places = sorted(range(len(rough) - len(anchor) + 1), key=lambda at: -_correlation(rough, anchor, at))[:3]
    fine = {
        at
        for place in places
        for at in range(place * _COARSE - _COARSE, place * _COARSE + _COARSE + 1)
        if 0 <= at <= len(heard) - len(wanted)
    }
    return max((_correlation(heard, wanted, at), at) for at in fine) if fine else (0.0, -1)


def _decimate(samples: list[int]) -> list[int]:
    return [sum(samples[at : at + _COARSE]) for at in range(0, len(samples) - _COARSE + 1, _COARSE)]


def _correlation(heard: list[int], wanted: list[int], at: int) -> float:
    part = heard[at : at + len(wanted)]
    power = math.sqrt(sum(map(mul, part, part)) * sum(map(mul, wanted, wanted)))
    return sum(map(mul, part, wanted)) / power if power else 0.0
