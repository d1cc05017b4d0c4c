"""What is done to a spoken sound: bands, levels, silence, and the line's own coding."""

from __future__ import annotations

import math
import random

import pytest

from asterisk_plugin.audio.companding import decode_alaw, decode_ulaw, encode_alaw
from asterisk_plugin.audio.levels import SILENCE_DBOV, active_level_dbov, peak_dbov
from asterisk_plugin.audio.shaping import (
    CEILING_DBOV,
    LEAD_S,
    LINE_RATE,
    TARGET_DBOV,
    for_the_line,
    high_pass,
    to_line_rate,
    trim,
)


def sine(hertz: float, *, rate: int = 8000, seconds: float = 1.0, size: float = 10000) -> list[float]:
    return [size * math.sin(2 * math.pi * hertz * n / rate) for n in range(round(rate * seconds))]


def gain_db(hertz: float, rate: int) -> float:
    """What the way to the line does to one tone, away from its ends."""
    made = high_pass(to_line_rate(sine(hertz, rate=rate), rate))[2000:6000]
    power = sum(sample * sample for sample in made) / len(made)
    return 10 * math.log10(power / (10000**2 / 2) + 1e-12)


def speech(seconds: float, *, size: float, seed: int = 1) -> list[float]:
    """Noise in syllables of 0.15 s with gaps of 0.05 s, 22050 a second: as uneven as speech."""
    chance = random.Random(seed)
    return [
        chance.gauss(0, 0.3) * size * max(0.0, math.sin(2 * math.pi * n / 22050 * 5)) ** 0.5
        for n in range(round(22050 * seconds))
    ]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_the_telephones_band_passes_and_the_rest_does_not(rate: int) -> None:
    """300 to 3400 Hz within half a decibel; hum, and above half the line's rate, gone."""
    for hertz in (300, 400, 1000, 2000, 3000, 3400):
        assert abs(gain_db(hertz, rate)) < 0.5, hertz
    for hertz in (50, 60, 100):
        assert gain_db(hertz, rate) < -20, hertz
    if rate > 8000:
        for hertz in (4000, 4500, 6000, 7000):
            assert gain_db(hertz, rate) < -55, hertz


def test_a_voice_slower_than_the_line_is_refused() -> None:
    """There is nothing to make the upper half of the band of."""
    with pytest.raises(ValueError, match="6000"):
        to_line_rate([0.0] * 100, 6000)


def test_a_tone_at_full_scale_has_the_level_of_a_sine() -> None:
    """3.01 dB below a constant signal of that size."""
    tone = sine(1000, seconds=4, size=32767)
    assert active_level_dbov(tone) == pytest.approx(-3.01, abs=0.05)
    assert peak_dbov(tone) == pytest.approx(0, abs=0.01)


def test_pauses_do_not_make_speech_softer() -> None:
    """P.56: only what is active is measured, and a quarter of a second after it."""
    tone = sine(1000, seconds=4, size=3000)
    paused = tone + [0.0] * 80000 + tone
    plain = 10 * math.log10(sum(s * s for s in paused) / len(paused) / 32768**2)
    assert active_level_dbov(paused) == pytest.approx(active_level_dbov(tone), abs=0.4)
    assert plain < active_level_dbov(tone) - 3


def test_half_the_size_is_six_decibels_less() -> None:
    """At any level above the quietest threshold."""
    loud = sine(700, seconds=2, size=20000)
    for halvings in range(1, 8):
        quiet = [sample / 2**halvings for sample in loud]
        assert active_level_dbov(loud) - active_level_dbov(quiet) == pytest.approx(6.02 * halvings, abs=0.05)


@pytest.mark.parametrize("samples", [[], [0] * 8000])
def test_silence_has_no_level(samples: list[int]) -> None:
    """And does not divide by nothing."""
    assert active_level_dbov(samples) == SILENCE_DBOV
    assert peak_dbov(samples) == SILENCE_DBOV
    assert for_the_line(samples, 8000, pause_s=0.1) == []


@pytest.mark.parametrize("size", [40, 800, 8000, 30000])
@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_loud_or_soft_long_or_short_it_comes_out_at_one_level(size: float, seconds: float) -> None:
    """Within half a decibel of the target, and never at full scale."""
    made = for_the_line(speech(seconds, size=size), 22050, pause_s=0.2)
    assert active_level_dbov(made) == pytest.approx(TARGET_DBOV, abs=0.5)
    assert peak_dbov(made) <= CEILING_DBOV + 0.01
    assert active_level_dbov(decode_alaw(encode_alaw(made))) == pytest.approx(TARGET_DBOV, abs=0.5)


def test_silence_around_the_words_is_as_long_as_wanted() -> None:
    """Whatever the voice put there."""
    spoken = [0.0] * 22050 + speech(1, size=8000) + [0.0] * 33075
    made = for_the_line(spoken, 22050, pause_s=0.3)
    first = next(n for n, sample in enumerate(made) if abs(sample) > 300)
    last = next(n for n, sample in enumerate(reversed(made)) if abs(sample) > 300)
    assert LEAD_S <= first / LINE_RATE < LEAD_S + 0.05
    assert 0.3 <= last / LINE_RATE < 0.4


def test_a_soft_end_of_a_word_is_not_cut_off() -> None:
    """A consonant 25 dB below the vowel before it is still part of the word."""
    word = sine(500, seconds=0.3, size=10000) + sine(2500, seconds=0.1, size=10000 / 10 ** (25 / 20))
    assert len(trim([0.0] * 4000 + word + [0.0] * 4000)) >= len(word)


def test_alaw_codes_have_the_values_of_g711() -> None:
    """The smallest, the largest and one in between; A-law has no zero."""
    assert decode_alaw(bytes([0xD5, 0x55, 0xAA, 0x2A, 0xC5])) == [8, -8, 32256, -32256, 264]
    assert decode_ulaw(bytes([0xFF, 0x7F, 0x80, 0x00])) == [0, 0, 32124, -32124]


def test_every_alaw_code_comes_back_as_itself() -> None:
    """So that a sound played and recorded on an A-law line has the same bytes."""
    codes = bytes(range(256))
    assert encode_alaw(decode_alaw(codes)) == codes


def test_encoding_is_nearly_exact_at_every_size() -> None:
    """A-law's steps are a thirty-second of the size, the error half of that; 8 around nothing."""
    for sample in range(-32256, 32257, 37):
        (back,) = decode_alaw(encode_alaw([sample]))
        assert abs(back - sample) <= max(8, abs(sample) / 32 + 1)


def test_what_is_beyond_the_line_becomes_its_largest_value() -> None:
    """And not the smallest of the other sign."""
    assert decode_alaw(encode_alaw([32767, -32768])) == [32256, -32256]
