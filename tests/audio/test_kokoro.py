"""Kokoro: what it is asked to say, and what is told when it cannot."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from asterisk_plugin.audio import kokoro
from asterisk_plugin.audio.catalogue import load_catalogues
from asterisk_plugin.audio.kokoro import Speaker
from asterisk_plugin.audio.levels import active_level_dbov
from asterisk_plugin.errors import StartupError
from asterisk_plugin.settings.files import shipped

SIWIS = Speaker("ff_siwis", 0.9, "fr-fr")
TELLS = """#!{python}
# Stands for espeak-ng: tells the letters themselves, in which the marks of a sentence must not be.
import sys
text = sys.stdin.read()
if any(word[-1] in ".,:;!?" for word in text.split()) or "unspeakable" in text:
    sys.exit(1)
print(" " + text.replace("x", "(en)t^ʃ(fr)"))
"""


@pytest.fixture
def espeak(tmp_path: Path) -> str:
    program = tmp_path / "espeak-ng"
    program.write_text(TELLS.format(python=sys.executable))
    program.chmod(0o755)
    return str(program)


def test_the_marks_of_a_sentence_reach_the_voice(espeak: str) -> None:
    """espeak-ng leaves them out, and without them nothing pauses or falls."""
    assert kokoro.sounds_of("ab, cd. Ef: gh", "fr", espeak=espeak) == "ab, cd. Ef: ɡh"
    assert kokoro.sounds_of("[[a:b]] c.", "fr", espeak=espeak) == "[[a:b]] c."
    assert kokoro.sounds_of("ax!!", "fr", espeak=espeak) == "aʧ!"


def test_a_language_has_signs_of_its_own() -> None:
    """English diphthongs, for one; in other languages the same two vowels are written one by one."""
    assert kokoro.in_signs("ɹa^ɪt pɹˈe^ɪ", "en") == "ɹIt pɹˈA"
    assert kokoro.in_signs("ɹa^ɪt", "fr") == "ɹaɪt"


@pytest.mark.parametrize("sound", ["ʏ", "ʉ", "ɵ", "ɧ", "ɭ", "g"])
def test_a_sound_the_model_does_not_know_is_not_swallowed(sound: str) -> None:
    """It is spoken as the nearest one."""
    assert len(kokoro._numbers(kokoro.in_signs(sound, "fr"))) == 1


def test_what_cannot_be_told_or_is_too_long_is_named(espeak: str) -> None:
    """One line, with the text."""
    with pytest.raises(StartupError, match="did not tell the sounds of `unspeakable`"):
        kokoro.speak("unspeakable.", SIWIS, espeak=espeak)
    with pytest.raises(StartupError, match="it has 600 sounds, 1 to 510 can be"):
        kokoro.speak("a" * 600, SIWIS, espeak=espeak)
    with pytest.raises(StartupError, match="it has 0 sounds"):
        kokoro.speak("...", SIWIS, espeak=espeak)
    with pytest.raises(StartupError, match="cannot be run"):
        kokoro.speak("a", SIWIS, espeak="/nowhere/espeak-ng")


def test_every_speaker_of_a_catalogue_is_shipped() -> None:
    """And none that nobody uses: each is a quarter of a megabyte in every download."""
    used = {name for one in load_catalogues().values() for name in one.voice.kokoro.split("+") if name}
    files = {path.stem: path for path in shipped("config", "kokoro").glob("*.f16")}
    assert used == set(files)
    assert {path.stat().st_size for path in files.values()} == {510 * 256 * 2}


needs_kokoro = pytest.mark.skipif(
    not kokoro.is_installed() or not shutil.which("espeak-ng"), reason="needs the extra `kokoro` and espeak-ng"
)


@needs_kokoro
def test_a_slower_speaker_says_the_same_longer() -> None:
    """With the real model: a second or two of speech that is not silence, and is longer at a lower speed."""
    said = kokoro.speak("Tapez sur une touche.", SIWIS, espeak="espeak-ng")
    slow = kokoro.speak("Tapez sur une touche.", Speaker("ff_siwis", 0.7, "fr-fr"), espeak="espeak-ng")
    assert 1.0 < len(said) / kokoro.RATE < 4.0
    assert len(slow) > 1.1 * len(said)
    assert active_level_dbov([float(value) for value in said]) > -40


@needs_kokoro
def test_an_unknown_speaker_is_told_with_those_there_are(espeak: str) -> None:
    with pytest.raises(StartupError, match=r"no speaker `ff_nobody`; there are .*`ff_siwis`"):
        kokoro.speak("a", Speaker("ff_nobody", 1.0, "fr"), espeak=espeak)
