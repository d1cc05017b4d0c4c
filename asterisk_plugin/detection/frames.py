"""Frames of 20 ms and what can be told of each: how loud, and which one or two tones hold its energy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160
"""Samples of 20 ms, what one RTP packet of G.711 holds."""

FRAME_S = FRAME / RATE
QUIETEST_DB = -90.0
"""Nothing a 16-bit sample can hold is quieter; digital silence counts as this."""

HEARD_DB = -56.0
"""Quieter frames are not looked at for tones: a beep there would be below the noise of most lines."""

Floats: TypeAlias = NDArray[np.float32]

_WINDOW = 2 * FRAME
_SIZE = 512
BIN_HZ = RATE / _SIZE
_HANN = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
_LOW, _HIGH = round(250 / BIN_HZ), round(3600 / BIN_HZ)
"""The telephone's band, without mains hum."""

_REACH = 4
"""Bins on each side of a peak that belong to it: half the main lobe of the window, 62 Hz."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame is like, together with the one before it.

    Args:
        end_s: Since the answer.
        level_db: Root mean square of its 20 ms, full scale 0.
        power: In the telephone's band, of 40 ms; 0 where it was too quiet to look.
        hz: The strongest component, then the second.
        shares: What part of the power lies within 62 Hz of the first, and of either.
        balance: Second to first, 0 to 1.
    """

    end_s: float
    level_db: float
    power: float = 0.0
    hz: tuple[float, float] = (0.0, 0.0)
    shares: tuple[float, float] = (0.0, 0.0)
    balance: float = 0.0


class Frames:
    """Cuts what comes in into frames; remembers what is left over."""

    def __init__(self) -> None:
        self._rest = b""
        self._window: Floats = np.zeros(_WINDOW, np.float32)
        self._count = 0

    @property
    def heard_s(self) -> float:
        """Seconds of whole frames so far."""
        return self._count * FRAME_S

    def take(self, samples: bytes) -> Iterator[Frame]:
        """Every frame that is now complete.

        Args:
            samples: Signed, 16 bits, little-endian, 8 kHz; any number of bytes.
        """
        data = self._rest + samples
        whole = len(data) // (2 * FRAME) * (2 * FRAME)
        self._rest = data[whole:]
        for start in range(0, whole, 2 * FRAME):
            yield self._frame(np.frombuffer(data, "<i2", FRAME, start))

    def _frame(self, samples: NDArray[np.int16]) -> Frame:
        window = self._window
        window[:FRAME] = window[FRAME:]
        window[FRAME:] = samples
        window[FRAME:] *= 1 / 32768
        fresh = window[FRAME:]
        # Without what is constant: some gateways send an offset that is no sound.
        square = float(fresh @ fresh) / FRAME - (float(fresh.sum()) / FRAME) ** 2
        self._count += 1
        end_s = self._count * FRAME_S
        level_db = 10 * math.log10(square) if square > 1e-9 else QUIETEST_DB
        return spectrum(window, end_s, level_db) if level_db > HEARD_DB else Frame(end_s, level_db)


def spectrum(window: Floats, end_s: float, level_db: float) -> Frame:
    """Find the two strongest components of 40 ms, and how much of the power they hold."""
    lines = np.fft.rfft(window * _HANN, _SIZE)[_LOW - _REACH : _HIGH + _REACH]
    power = (lines.real**2 + lines.imag**2).astype(np.float32)
    total = float(power.sum()) + 1e-12
    first = int(power.argmax())
    strength, hz = _peak(power, first)
    one = strength / total
    power[max(0, first - _REACH - 1) : first + _REACH + 2] = 0
    second = int(power.argmax())
    other, other_hz = _peak(power, second)
    both = one + other / total
    return Frame(end_s, level_db, total, (hz, other_hz), (one, both), min(1.0, other / max(strength, 1e-12)))


def _peak(power: Floats, at: int) -> tuple[float, float]:
    """Power and frequency of a component; a parabola through the logarithms finds what lies between two bins."""
    strength = float(power[max(0, at - _REACH) : at + _REACH + 1].sum())
    if not 0 < at < len(power) - 1:
        return strength, (_LOW - _REACH + at) * BIN_HZ
    left, middle, right = (math.log(float(value) + 1e-20) for value in power[at - 1 : at + 2])
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return strength, (_LOW - _REACH + at + max(-0.5, min(0.5, shift))) * BIN_HZ
