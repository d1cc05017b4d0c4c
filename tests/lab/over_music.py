"""Words over music: what a waiting caller heard, taken apart into the lab's tone and everything else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.lab.alaw import RATE, to_linear
from tests.lab.sound_folders import MUSIC_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.heard import Heard

    Samples = np.ndarray[Any, np.dtype[np.float32]]

FRAME = RATE // 20
"""50 ms: 22 whole periods of the tone."""

ALIKE = 0.5
"""Correlation from which on a stretch is this sound: others reach 0.3, the same one, mixed and turned down, 0.8."""

PIECE = RATE
"""A sound is looked for in pieces of a second, because a busy machine holds it up for a moment now and then."""

_EARLY, _STALL = RATE // 20, RATE * 3 // 2

SPOKEN = 120.0
"""Root mean square of a frame, linear, above which something is said: a-law noise of the tone is below 60."""

_LINEAR = np.array(to_linear(bytes(range(256))), dtype=np.float32)


@dataclass(frozen=True)
class OverMusic:
    """One call's sound.

    Args:
        heard: What arrived.
    """

    heard: Heard

    @cached_property
    def _frames(self) -> Samples:
        audio = np.frombuffer(self.heard.audio, dtype=np.uint8)
        return _LINEAR[audio[: len(audio) // FRAME * FRAME]].reshape(-1, FRAME)

    @cached_property
    def _parts(self) -> tuple[Samples, Samples]:
        """The tone's amplitude in each frame, and all samples without it."""
        times = 2 * np.pi * MUSIC_HZ / RATE * np.arange(FRAME)
        basis = np.stack((np.sin(times), np.cos(times))).astype(np.float32)
        weights = self._frames @ basis.T * np.float32(2 / FRAME)
        return np.hypot(weights[:, 0], weights[:, 1]), (self._frames - weights @ basis).reshape(-1)

    @property
    def music(self) -> Samples:
        """Amplitude of the tone, linear, for each 50 ms."""
        return self._parts[0]

    @cached_property
    def speech(self) -> Samples:
        """Root mean square of everything but the tone, linear, for each 50 ms."""
        return np.sqrt((self._parts[1].reshape(-1, FRAME) ** 2).mean(axis=1))

    def seconds_with_words(self) -> list[tuple[float, float]]:
        """Stretches in which something is said, begin and end in seconds; pauses below a second belong to them."""
        said: list[tuple[float, float]] = []
        for frame in np.flatnonzero(self.speech > SPOKEN):
            at_s = frame * FRAME / RATE
            if said and at_s - said[-1][1] < 1.0:
                said[-1] = (said[-1][0], at_s + FRAME / RATE)
            else:
                said.append((at_s, at_s + FRAME / RATE))
        return said

    def places(self, sound: Path) -> list[float]:
        """Where a whole sound was heard, in seconds from the beginning, each once.

        Args:
            sound: An `.alaw` file.
        """
        wanted = _LINEAR[np.frombuffer(sound.read_bytes(), dtype=np.uint8)]
        starts = range(0, len(wanted) - PIECE // 2, PIECE)
        pieces = [_likeness(self._parts[1], wanted[at : at + PIECE]) for at in starts]
        found: list[float] = []
        # A stall may lie within the first piece: then the second one tells where it begins.
        begins = [np.flatnonzero(piece > ALIKE) - number * PIECE for number, piece in enumerate(pieces[:2])]
        for place in np.unique(np.maximum(np.concatenate(begins), 0)):
            if found and place / RATE - found[-1] < len(wanted) / RATE / 2:
                continue
            if _follow(pieces, int(place)) > ALIKE:
                found.append(float(place / RATE))
        return found

    def at_s(self, place_s: float) -> float:
        """The moment, seconds since the epoch, at which a place was heard."""
        start, arrived_s = max(piece for piece in self.heard.pieces if piece[0] <= place_s * RATE)
        return arrived_s + place_s - start / RATE


def _follow(pieces: list[Samples], place: int) -> float:
    """Mean likeness of pieces that follow one another from a place on, each at once or a stall later."""
    found: list[float] = []
    for piece in pieces:
        near = piece[max(0, place - _EARLY) : place + _STALL]
        found.append(float(near.max(initial=0)))
        if found[-1] > ALIKE:
            place = max(0, place - _EARLY) + int(near.argmax())
        place += PIECE
    return float(np.mean(found))


def _likeness(audio: Samples, wanted: Samples) -> Samples:
    """Correlation of a sound with each stretch of audio that begins at a sample, -1 to 1."""
    if len(audio) < len(wanted):
        return np.zeros(0, dtype=np.float32)
    size = 1 << (len(audio) + len(wanted) - 1).bit_length()
    spectrum = np.fft.rfft(audio, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.fft.irfft(spectrum, size)[: len(audio) - len(wanted) + 1]
    energy = np.concatenate(([0.0], np.cumsum(audio.astype(np.float64) ** 2)))
    stretches = np.sqrt(np.maximum(energy[len(wanted) :] - energy[: -len(wanted)], 1.0))
    # A stretch without words is silence, not a weak likeness.
    quiet = stretches < SPOKEN / 2 * np.sqrt(len(wanted))
    likeness = products / (stretches * np.sqrt((wanted.astype(np.float64) ** 2).sum()))
    likeness[quiet] = 0
    result: Samples = likeness.astype(np.float32)
    return result
