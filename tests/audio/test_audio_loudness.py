"""Speech made louder for what is heard over music: at its level, within full scale, and still the same sound."""

from __future__ import annotations

import functools
import math
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.audio.building import is_digit, pause_after_s, sound_of
from asterisk_plugin.audio.companding import decode_alaw, encode_alaw
from asterisk_plugin.audio.folders import folder_of
from asterisk_plugin.audio.levels import active_level_dbov, peak_dbov
from asterisk_plugin.audio.loudness import OVER_MUSIC_DBOV, loudness_of, over_music, target_dbov
from asterisk_plugin.audio.shaping import CEILING_DBOV, TARGET_DBOV, for_the_line
from asterisk_plugin.audio.site import shipped_sounds, site_prompts
from asterisk_plugin.settings.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence

LANGUAGES = ["de", "en", "es", "fr", "it", "nl", "sv"]
FRAME = 80
"""10 ms: within it a gain that changes slowly is one number."""

LIKE_DB = 23.0
"""What is not the same sound lies so far below it: 26 to 36 dB for these prompts, 13 to 21 when they are cut off."""


def shipped(language: str, name: str) -> list[int]:
    return decode_alaw((folder_of(shipped_sounds(), language) / f"{name}.alaw").read_bytes())


@functools.lru_cache
def pair(language: str, name: str) -> tuple[list[int], list[int]]:
    """A shipped prompt that is not heard over music, as it is and made louder."""
    plain = shipped(language, name)
    return plain, over_music(plain)


def likeness_db(plain: Sequence[float], made: Sequence[float]) -> float:
    """How far below a sound lies what is no louder or softer copy of the other, each 10 ms by itself."""
    power = rest = 0.0
    for start in range(0, len(plain) - FRAME, FRAME):
        one, other = plain[start : start + FRAME], made[start : start + FRAME]
        gain = sum(map(float.__mul__, map(float, one), map(float, other))) / max(1.0, sum(float(s) * s for s in one))
        power += sum(float(sample) * sample for sample in other)
        rest += sum((b - gain * a) ** 2 for a, b in zip(one, other, strict=True))
    return 10 * math.log10(power / max(rest, 1e-9))


def noise_in_syllables(seconds: float, *, size: float) -> list[int]:
    """Fit for the line, of uneven syllables."""
    chance = random.Random(3)
    spoken = [
        chance.gauss(0, 0.3) * size * max(0.0, math.sin(math.tau * n / 8000 * 2.5)) ** 0.5 * (1 + (n // 1600) % 3)
        for n in range(round(8000 * seconds))
    ]
    return for_the_line(spoken, 8000, pause_s=0.35)


@pytest.mark.parametrize("seconds", [0.5, 3])
@pytest.mark.parametrize("size", [300, 5000])
def test_whatever_is_fit_for_the_line_comes_out_at_the_level_over_music(seconds: float, size: float) -> None:
    """And nothing at full scale, also once it is A-law."""
    made = over_music(noise_in_syllables(seconds, size=size))
    assert active_level_dbov(made) == pytest.approx(OVER_MUSIC_DBOV, abs=0.1)
    assert peak_dbov(made) <= CEILING_DBOV + 0.01
    heard = decode_alaw(encode_alaw(made))
    assert active_level_dbov(heard) == pytest.approx(OVER_MUSIC_DBOV, abs=0.2)
    assert peak_dbov(heard) <= -1


@pytest.mark.parametrize("samples", [[], [0] * 4000])
def test_silence_stays_silence(samples: list[int]) -> None:
    """It has no level to bring up."""
    assert over_music(samples) == samples


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["nobody-there", "press-1-company"])
def test_real_speech_gets_louder_and_stays_the_same_sound(language: str, name: str) -> None:
    """In every 10 ms it is the former sound times a number: nothing is clipped."""
    plain, made = pair(language, name)
    assert len(made) == len(plain)
    assert active_level_dbov(plain) == pytest.approx(TARGET_DBOV, abs=0.5)
    assert active_level_dbov(made) == pytest.approx(OVER_MUSIC_DBOV, abs=0.1)
    assert peak_dbov(made) <= CEILING_DBOV + 0.01
    assert likeness_db(plain, made) > LIKE_DB


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_clipped_would_be_noticed(language: str) -> None:
    """The same prompts turned up as far and cut at the same ceiling are no longer the same sound."""
    plain = shipped(language, "nobody-there")
    ceiling, gain = 32768 * 10 ** (CEILING_DBOV / 20), 10 ** ((OVER_MUSIC_DBOV - TARGET_DBOV + 6) / 20)
    assert likeness_db(plain, [max(-ceiling, min(ceiling, sample * gain)) for sample in plain]) < LIKE_DB


def test_another_prompt_is_not_taken_for_the_same() -> None:
    """So that likeness says something."""
    plain, _ = pair("nl", "goodbye")
    _, made = pair("nl", "nobody-there")
    size = min(len(plain), len(made))
    assert likeness_db(plain[:size], made[:size]) < 6


def test_only_what_is_heard_over_music_is_louder() -> None:
    """By its name; and a sound made otherwise is made anew."""
    assert {target_dbov(name) for name in ("wait-free", "wait-about-3")} == {OVER_MUSIC_DBOV}
    assert {target_dbov(name) for name in ("goodbye", "call-back-confirm", "company-wait")} == {TARGET_DBOV}
    assert loudness_of("wait-free")
    assert loudness_of("goodbye") == ""


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng speaks the prompts and is not installed")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_sounds_say_what_the_voice_says(language: str) -> None:
    """Compared with what the voice gives for the text of today, before it is made louder."""
    prompts = site_prompts(load(None, environment={}))
    voice, names = prompts.voice(language), ("please-call", "wait-free")
    wanted = prompts.wanted(language, {name: prompts.texts(language)[name] for name in names})
    if decode_alaw(sound_of(wanted["please-call"], voice)) != shipped(language, "please-call"):
        pytest.skip("the voice installed here is not the one that spoke the shipped sounds")
    one = wanted["wait-free"]
    spoken = voice.speak(one.text, digit=is_digit(one.name))
    plain = for_the_line(spoken.samples, spoken.rate, pause_s=pause_after_s(one.name, one.text))
    assert likeness_db(plain, shipped(language, "wait-free")) > LIKE_DB
