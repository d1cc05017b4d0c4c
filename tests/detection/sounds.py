"""Sounds of the corpus that nobody speaks: tones, music, noise; and what a line and its codecs do to a sound."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from functools import cache
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asterisk_plugin.audio import companding

Sound: TypeAlias = NDArray[np.float64]
"""Samples of 8 kHz; 1 is full scale."""

RATE = 8000
FRAME = 160
NOTES_HZ = [440 * 2 ** (step / 12) for step in range(-21, 25)]


def silence(seconds: float) -> Sound:
    """Nothing."""
    return np.zeros(round(seconds * RATE))


def faded(sound: Sound, in_s: float = 0.004, out_s: float = 0.004) -> Sound:
    """Raised-cosine ramps at both ends."""
    sound = sound.copy()
    for seconds, backwards in ((in_s, False), (out_s, True)):
        count = min(len(sound), round(seconds * RATE))
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / max(1, count))
        view = sound[::-1] if backwards else sound
        view[:count] *= ramp
    return sound


def tone(
    hz: tuple[float, ...], seconds: float, *, in_s: float = 0.004, out_s: float = 0.004, phase: float = 0
) -> Sound:
    """One or more sines of equal strength, peak 1 at most."""
    at = np.arange(round(seconds * RATE)) / RATE
    whole = sum(np.sin(2 * np.pi * one * at + phase * index) for index, one in enumerate(hz, 1))
    return faded(np.asarray(whole) / len(hz), in_s, out_s)


def cadence(hz: tuple[float, ...], steps: tuple[float, ...], times: int) -> Sound:
    """A tone on and off: seconds on, seconds off, and so on."""
    once = [tone(hz, step) if index % 2 == 0 else silence(step) for index, step in enumerate(steps)]
    return np.concatenate(once * times)


def special_information() -> Sound:
    """The three tones before a network's announcement (ITU-T E.180: 950, 1400, 1800 Hz, 330 ms each)."""
    return np.concatenate([tone((hz,), 0.33, in_s=0.002, out_s=0.002) for hz in (950.0, 1400.0, 1800.0)])


def music(rng: Random, seconds: float) -> Sound:
    """Music as a telephone system plays it: chords, a tune and a bass of plucked, blown or pure notes."""
    beat, kind = rng.uniform(0.25, 0.6), rng.choice(("plucked", "blown", "pure", "full", "full"))
    root, whole = rng.randrange(0, 12), silence(seconds + 4)
    scale = [0, 2, 4, 5, 7, 9, 11]
    moment = 0.0
    while moment < seconds:
        base = rng.choice(scale)
        voices = [root + 24 + rng.choice(scale)] if kind in ("pure", "blown") and rng.random() < 0.7 else []
        voices = voices or [root + base + 12, root + base + 16, root + base + 19, root + 24 + rng.choice(scale)]
        length = beat * rng.choice((0.5, 1, 1, 2))
        for voice in voices:
            note = _note(rng, NOTES_HZ[voice % len(NOTES_HZ)], length * rng.uniform(0.9, 1.4), kind)
            start = round(moment * RATE)
            whole[start : start + len(note)] += note
        moment += length
    whole = whole[: round(seconds * RATE)]
    return whole / max(1e-9, float(np.max(np.abs(whole))))


def _note(rng: Random, hz: float, seconds: float, kind: str) -> Sound:
    partials = {
        "pure": (1.0,),
        "blown": (1, 0.3, 0.1),
        "plucked": (1, 0.6, 0.4, 0.25, 0.15),
        "full": (1, 0.7, 0.5, 0.4, 0.3),
    }
    at = np.arange(round(seconds * RATE)) / RATE
    wobble = 0.004 * np.sin(2 * np.pi * 5.5 * at) if kind == "blown" else 0.0
    shape = np.exp(-at * 4) if kind == "plucked" else 1.0
    parts = [
        strength * np.sin(2 * np.pi * hz * index * (at + wobble / 35) + rng.random() * 6)
        for index, strength in enumerate(partials[kind], 1)
        if hz * index < 3800
    ]
    return faded(np.asarray(sum(parts)) * shape, 0.01, 0.05)


def noise(rng: np.random.Generator, seconds: float, colour: str) -> Sound:
    """Noise of root mean square 1: `white`, `pink` (falls by 3 dB an octave), `street` (slowly swelling), `hum`."""
    count = round(seconds * RATE)
    base = rng.standard_normal(_fast(count))
    if colour == "hum":
        at = np.arange(len(base)) / RATE
        base = sum(np.sin(2 * np.pi * 50 * order * at + order) / order for order in range(1, 8)) + 0.3 * base
    elif colour != "white":
        spectrum = np.fft.rfft(base)
        base = np.fft.irfft(spectrum / np.sqrt(np.maximum(1.0, np.fft.rfftfreq(len(base), 1 / RATE) / 50)), len(base))
    base = base[:count]
    if colour == "street":
        knots = rng.uniform(0.3, 1.0, max(2, round(seconds / 1.5) + 2))
        base = base * np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    return np.asarray(base) / max(1e-9, float(np.sqrt(np.mean(np.square(base)))) if count else 1.0)


def resampled(sound: Sound, rate: int, wanted: int) -> Sound:
    """Another sample rate, by the spectrum of the whole sound."""
    if not len(sound) or rate == wanted:
        return sound
    divisor = math.gcd(rate, wanted)
    # Padded so that both lengths are whole and neither is a prime.
    blocks = -(-len(sound) // (rate // divisor * 32)) * 32
    count = blocks * (wanted // divisor)
    spectrum = np.fft.rfft(sound, blocks * (rate // divisor))
    kept = np.pad(spectrum, (0, max(0, count // 2 + 1 - len(spectrum))))[: count // 2 + 1]
    return np.fft.irfft(kept, count)[: round(len(sound) * wanted / rate)] * (wanted / rate)


def band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    """What a line lets through, with soft edges."""
    count = _fast(len(sound))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    gain = 1 / np.sqrt(1 + (low_hz / np.maximum(hz, 1)) ** 8) / np.sqrt(1 + (hz / high_hz) ** 24)
    return np.fft.irfft(np.fft.rfft(sound, count) * gain, count)[: len(sound)]


def _fast(count: int) -> int:
    """The next length whose spectrum is quickly computed."""
    return -(-count // 4096) * 4096


def levelled(sound: Sound, dbfs: float) -> Sound:
    """With this level where something sounds (frames less than 25 dB below the loudest), of a full-scale sine -3 dB."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.mean(np.square(frames), axis=1) if len(frames) else np.zeros(1)
    active = power[power > power.max() / 300]
    return sound * (10 ** (dbfs / 20) / np.sqrt(active.mean())) if len(active) else sound


def as_samples(sound: Sound) -> NDArray[np.int16]:
    """Signed 16 bits."""
    return np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)


def coded(samples: NDArray[np.int16], codec: str) -> NDArray[np.int16]:
    """What comes out behind a codec: `alaw`, `ulaw`, `gsm` (06.10, then A-law), `none`."""
    if codec == "gsm":
        return coded(through_gsm(samples), "alaw")
    return _companded(codec)[samples.astype(np.int32) + 32768] if codec in ("alaw", "ulaw") else samples


@cache
def _companded(codec: str) -> NDArray[np.int16]:
    every = np.arange(-32768, 32768)
    if codec == "alaw":
        return np.array(companding.decode_alaw(companding.encode_alaw(every.tolist())), np.int16)
    values = np.array(sorted(set(companding.decode_ulaw(bytes(range(256))))))
    return values[np.searchsorted((values[1:] + values[:-1]) / 2, every)].astype(np.int16)


@cache
def gsm_library() -> ctypes.CDLL | None:
    """libgsm (Debian: libgsm1), None where it is not installed."""
    name = ctypes.util.find_library("gsm")
    if not name:
        return None
    library = ctypes.CDLL(name)
    library.gsm_create.restype = ctypes.c_void_p
    return library


def through_gsm(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """GSM 06.10 full rate and back; as it is where libgsm is not installed."""
    library = gsm_library()
    if library is None:
        return samples
    coder, decoder = (ctypes.c_void_p(library.gsm_create()) for _ in range(2))
    count = len(samples) // FRAME * FRAME
    given, heard = np.ascontiguousarray(samples[:count]).copy(), np.zeros(count, np.int16)
    frame = ctypes.create_string_buffer(33)
    for at in range(0, count, FRAME):
        library.gsm_encode(coder, ctypes.c_void_p(given.ctypes.data + 2 * at), frame)
        library.gsm_decode(decoder, frame, ctypes.c_void_p(heard.ctypes.data + 2 * at))
    library.gsm_destroy(coder)
    library.gsm_destroy(decoder)
    return heard
