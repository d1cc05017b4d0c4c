"""A sound like speech that needs no synthesiser: syllables with a moving pitch, resonances and hisses."""

from __future__ import annotations

import numpy as np

from tests.detection.sounds import RATE, Sound, as_samples, coded, faded, noise, silence

SPEECH_DB = -24.0


def speech(seconds: float, seed: int = 0) -> Sound:
    """Syllable after syllable, level about -24 dB."""
    rng = np.random.default_rng(seed)
    parts: list[Sound] = []
    pitch = rng.uniform(95, 230)
    while sum(map(len, parts)) < seconds * RATE:
        parts.append(_syllable(rng, pitch * rng.uniform(0.8, 1.25), rng.uniform(0.1, 0.26)))
        parts.append(silence(rng.uniform(0.01, 0.07)))
        if rng.random() < 0.3:
            parts.append(faded(noise(rng, rng.uniform(0.05, 0.1), "white") * 0.1, 0.01, 0.01))
    sound = np.concatenate(parts)[: round(seconds * RATE)]
    return sound / np.sqrt(np.mean(np.square(sound))) * 10 ** (SPEECH_DB / 20)


def _syllable(rng: np.random.Generator, pitch: float, seconds: float) -> Sound:
    at = np.arange(round(seconds * RATE)) / RATE
    moving = pitch * (1 + rng.uniform(-0.25, 0.25) * at / seconds + 0.01 * np.sin(2 * np.pi * 6 * at))
    turned = 2 * np.pi * np.cumsum(moving) / RATE
    resonances = rng.uniform(280, 800), rng.uniform(900, 2300)
    whole = np.zeros(len(at))
    for order in range(1, int(3600 / pitch)):
        strength = sum(1 / (1 + ((order * pitch - hz) / 120) ** 2) for hz in resonances) + 0.1 / order
        whole += strength * np.sin(order * turned + rng.random())
    return faded(whole, 0.02, 0.04)


def line(*parts: Sound, codec: str = "alaw", noise_db: float | None = -65.0, seed: int = 1) -> bytes:
    """Parts one after the other, as they arrive from a line with that much noise."""
    sound = np.concatenate(parts)
    if noise_db is not None:
        sound = sound + noise(np.random.default_rng(seed), len(sound) / RATE + 1, "white")[: len(sound)] * 10 ** (
            noise_db / 20
        )
    return coded(as_samples(sound), codec).astype("<i2").tobytes()
