"""The sounds that come with the program: all there, of today's texts, playable, even, small."""

from __future__ import annotations

import itertools

import pytest

from asterisk_plugin.audio.checking import check_configured
from asterisk_plugin.audio.companding import decode_alaw
from asterisk_plugin.audio.folders import folder_of, languages_in, read_made
from asterisk_plugin.audio.levels import active_level_dbov, peak_dbov
from asterisk_plugin.audio.loudness import OVER_MUSIC_DBOV
from asterisk_plugin.audio.shaping import TARGET_DBOV
from asterisk_plugin.audio.site import shipped_sounds, site_prompts
from asterisk_plugin.core.prompts import PROMPT_NAMES, PROMPTS, WAIT_PROMPTS, is_over_music
from asterisk_plugin.settings.load import load

LANGUAGES = ["de", "en", "es", "fr", "it", "nl", "sv"]


def sounds_of(language: str) -> dict[str, list[int]]:
    folder = folder_of(shipped_sounds(), language)
    return {path.stem: decode_alaw(path.read_bytes()) for path in folder.glob("*.alaw")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shipped_sound_says_todays_text(language: str) -> None:
    """Whoever edits a catalogue runs `ringfence prompts build`."""
    assert [str(one) for one in check_configured(site_prompts(load(None, environment={})), language)] == []
    assert set(sounds_of(language)) == set(read_made(folder_of(shipped_sounds(), language))) == PROMPT_NAMES


def test_all_languages_have_the_same_loudness() -> None:
    """Within one decibel, however short the word is, and louder over music; nothing touches full scale."""
    levels: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for language in LANGUAGES:
        for name, samples in sounds_of(language).items():
            levels[is_over_music(name)][f"{language} {name}"] = active_level_dbov(samples)
            assert peak_dbov(samples) < -1, (language, name)
    for over_music, target in ((True, OVER_MUSIC_DBOV), (False, TARGET_DBOV)):
        assert {name for name, level in levels[over_music].items() if abs(level - target) > 0.5} == set()
    assert {len(levels[True]), len(levels[False])} == {7 * len(WAIT_PROMPTS), 7 * (len(PROMPTS) - len(WAIT_PROMPTS))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sound_begins_or_ends_with_a_long_silence(language: str) -> None:
    """A menu of ten prompts must not be half silence; the gap between digits lets one write them down."""
    for name, samples in sounds_of(language).items():
        first = next(n for n, sample in enumerate(samples) if abs(sample) > 100) / 8000
        last = next(n for n, sample in enumerate(reversed(samples)) if abs(sample) > 100) / 8000
        assert first < 0.1, name
        assert 0.05 <= last < 0.5, name
        if name.startswith("digit-"):
            assert 0.35 < len(samples) / 8000 < 1.2, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_prompts_are_the_same_sound(language: str) -> None:
    """A voice that fell silent or said the same twice would be heard only by the person called."""
    sounds = {name: tuple(samples) for name, samples in sounds_of(language).items()}
    for one, other in itertools.combinations(sounds, 2):
        assert sounds[one] != sounds[other], (one, other)


def test_all_sounds_together_are_small() -> None:
    """They are in every download of the program."""
    assert languages_in(shipped_sounds()) == LANGUAGES
    assert sum(path.stat().st_size for path in shipped_sounds().rglob("*") if path.is_file()) <= 15_000_000
