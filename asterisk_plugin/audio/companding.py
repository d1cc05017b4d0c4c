"""G.711: eight bits a sample, as a telephone line carries it.

Encoding is the inverse of decoding: every value becomes the code whose decoded value is nearest, so
that a sound once encoded stays the same however often it is decoded and encoded again.
"""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FULL_SCALE = 32768
"""Samples are whole numbers of 16 bits: -32768 to 32767."""


def decode_alaw(data: bytes) -> list[int]:
    """Samples of A-law codes; ITU-T G.711, table 1, in steps of 16 bits."""
    return [_ALAW[code] for code in data]


def decode_ulaw(data: bytes) -> list[int]:
    """Samples of µ-law codes; ITU-T G.711, table 2, in steps of 16 bits."""
    return [_ULAW[code] for code in data]


def encode_alaw(samples: Iterable[int]) -> bytes:
    """Codes of the nearest values A-law has; beyond its range, of the outermost."""
    return bytes(map(_nearest_alaw, samples))


def _alaw_value(code: int) -> int:
    # Every second bit is inverted on the line, so that silence is no long row of equal bits.
    bits = code ^ 0x55
    segment, step = (bits >> 4) & 7, bits & 15
    size = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return size if bits & 0x80 else -size


def _ulaw_value(code: int) -> int:
    bits = code ^ 0xFF
    segment, step = (bits >> 4) & 7, bits & 15
    size = (((step << 3) + 0x84) << segment) - 0x84
    return -size if bits & 0x80 else size


def _nearest(values: list[int]) -> Callable[[int], int]:
    ranked = sorted(range(256), key=lambda code: values[code])
    borders = [(values[low] + values[high]) / 2 for low, high in itertools.pairwise(ranked)]

    def code_of(sample: int) -> int:
        return ranked[bisect.bisect_left(borders, sample)]

    return code_of


_ALAW = [_alaw_value(code) for code in range(256)]
_ULAW = [_ulaw_value(code) for code in range(256)]
_nearest_alaw = _nearest(_ALAW)
