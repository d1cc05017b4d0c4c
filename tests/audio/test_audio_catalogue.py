"""What is said in each language: complete, and a site's own words on top of the shipped ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.audio.catalogue import load_catalogues, site_texts
from asterisk_plugin.audio.checking import check_configured
from asterisk_plugin.audio.site import site_prompts
from asterisk_plugin.audio.voices import spelled
from asterisk_plugin.core.prompts import LONGEST_ABOUT_MIN, OBJECTION_NAMES, PROMPT_NAMES, QUEUE_NAMES
from asterisk_plugin.errors import ConfigError
from asterisk_plugin.settings.load import load

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ["de", "en", "es", "fr", "it", "nl", "sv"]
KEYS = {
    "press-0-person": 0,
    "press-1-company": 1,
    "press-2-everyone": 2,
    "press-3-other-number": 3,
    "press-9-repeat": 9,
    "wait-press-1-call-back": 1,
    "wait-press-0-person": 0,
    "wait-press-9-objection": 9,
}
WHOLE = """
language = "{language}"
[voice]
espeak = "pl"
words_per_minute = 150
digit_words_per_minute = 130
pitch = 50
[say]
"""


def own(folder: Path, name: str, text: str) -> Path:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / name).write_text(text)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_catalogues(folder)
    return [f"{one.key} {one.found} {one.allowed}" for one in caught.value.problems]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_every_prompt_in_its_own_words(language: str) -> None:
    """None left out, none left in another language."""
    catalogues = load_catalogues()
    assert list(catalogues) == LANGUAGES
    assert set(catalogues[language].texts) == PROMPT_NAMES
    for other in set(LANGUAGES) - {language}:
        same = {n for n, text in catalogues[language].texts.items() if catalogues[other].texts[n] == text}
        assert {name for name in same if not name.startswith("digit-")} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_key_to_press_is_said_last_and_as_the_digit_is_said(language: str) -> None:
    """One hears what for, then which key: and the word is the one that names it elsewhere."""
    texts = load_catalogues()[language].texts
    for name, key in KEYS.items():
        assert texts[name].lower().rstrip(".").endswith(texts[f"digit-{key}"].lower()), texts[name]
    assert len({texts[f"digit-{digit}"] for digit in range(10)}) == 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_wait_is_said_with_its_own_number(language: str) -> None:
    """One sentence that differs in the number alone; `one minute` may be built otherwise than several."""
    texts = load_catalogues()[language].texts
    waits = [texts[f"wait-about-{minutes}"].split() for minutes in range(1, LONGEST_ABOUT_MIN + 1)]
    for minutes, words in enumerate(waits[1:], start=2):
        differ = [(one, two) for one, two in zip(waits[1], words, strict=True) if one != two]
        number = texts["digit-" + str(minutes)] if minutes < 10 else words[-2]
        assert differ in ([], [(texts["digit-2"], number)]), words
        assert number in words
    ten, one = waits[9][-2], waits[0][-2]
    assert ten in texts["wait-over-10"].split()
    assert one in texts["wait-under-1"].split()
    assert len({" ".join(words) for words in waits}) == 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_goes_before_a_name_or_digits_does_not_end_a_sentence(language: str) -> None:
    """The voice falls at a full stop, and a pause follows."""
    texts = load_catalogues()[language].texts
    parts = {"you-were-called-by", "this-number-is-used-by", "on-behalf-of", "you-entered", "number-ending-in"}
    parts |= {"your-reference-is", "call-back-number-ending-in", "please-call", "reach-us-at", "a-centre-unknown"} | {
        f"digit-{digit}" for digit in range(10)
    }
    for name, text in texts.items():
        assert text.endswith((".", "?")) == (name not in parts), f"{name}: {text}"


def test_a_sites_own_file_replaces_single_lines(tmp_path: Path) -> None:
    """The rest stays as it is shipped."""
    own(
        tmp_path, "nl.toml", 'language = "nl"\n[voice]\npitch = 60\n[say]\ngoodbye = "Dag."\ncompany-linde = "Linde."\n'
    )
    shipped, mine = load_catalogues()["nl"], load_catalogues(tmp_path)["nl"]
    assert mine.texts["goodbye"] == "Dag."
    assert mine.texts["company-linde"] == "Linde."
    assert (mine.voice.pitch, mine.voice.espeak) == (60, shipped.voice.espeak)
    assert mine.texts["please-call"] == shipped.texts["please-call"]


def test_a_site_can_add_a_language(tmp_path: Path) -> None:
    """It must then say everything, and who speaks."""
    lines = "".join(f'{name} = "słowo."\n' for name in sorted(PROMPT_NAMES))
    own(tmp_path, "pl.toml", WHOLE.format(language="pl") + lines)
    assert load_catalogues(tmp_path)["pl"].voice.espeak == "pl"
    own(tmp_path, "pl.toml", WHOLE.format(language="pl") + lines.replace('goodbye = "słowo."\n', ""))
    assert problems(tmp_path) == ["say no text for goodbye must have one for every prompt of the objection line"]


def test_a_language_of_ones_own_may_leave_out_what_queues_say(tmp_path: Path) -> None:
    """It serves the objection line all the same; the check says what is missing."""
    lines = "".join(f'{name} = "słowo."\n' for name in sorted(OBJECTION_NAMES))
    own(tmp_path, "pl.toml", WHOLE.format(language="pl") + lines + 'wait-free = "Czekanie nic nie kosztuje."\n')
    prompts = dataclasses.replace(
        site_prompts(load(None, environment={})), catalogues=load_catalogues(tmp_path), own_sounds=tmp_path / "sounds"
    )
    assert set(prompts.texts("pl")) == OBJECTION_NAMES | {"wait-free"}
    assert set(prompts.untold("pl")) == QUEUE_NAMES - {"wait-free"}
    assert set(prompts.own_texts("pl")) == OBJECTION_NAMES | {"wait-free"}
    for queues, serious in ((frozenset(), False), (frozenset({"pl"}), True)):
        found = check_configured(dataclasses.replace(prompts, queue_languages=queues), "pl")
        (told,) = [one for one in found if "no text for" in one.what]
        assert told.serious is serious
        assert told.what.startswith("prompts/pl.toml has no text for wait-still, wait-longer, wait-under-1, ")
    recording = tmp_path / "sounds" / "pl" / "ringfence" / "wait-still.alaw"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"\xd5" * 8000)
    found = check_configured(prompts, "pl")
    assert not any("wait-still" in one.what and "no text" in one.what for one in found)
    assert any(one.what == "wait-still.alaw is silent" for one in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('language = "de"\n', "must be two small letters"),
        ('language = "nl"\n[say]\ngoodby = "Dag."\n', "did you mean `goodbye`?"),
        ('language = "nl"\n[say]\ngoodbye = " "\n', "1 to 400 characters"),
        ('language = "nl"\n[say]\ngoodbye = "a\\nb"\n', "on one line"),
        ('language = "nl"\n[site]\ncompany = "ons bedrijf"\n', "`{name}`"),
        ('language = "nl"\n[voice]\npitch = 100\n', "from 0 to 99"),
        ('language = "nl"\n[vioce]\n', "did you mean `voice`?"),
        ("language = nl\n", "must be TOML"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    """In the words of every other configuration file."""
    assert any(said in problem for problem in problems(own(tmp_path, "nl.toml", text)))


def test_names_are_needed_where_a_campaign_speaks_the_language() -> None:
    """And nowhere else; the announced name, not the legal one."""
    catalogues, loaded = load_catalogues(), load(None, environment={})
    assert site_texts(catalogues["de"], loaded) == {
        "centre-rufwerk": "Rufwerk Dialog GmbH",
        "company-linde": "Linde Versand.",
    }
    assert set(site_texts(catalogues["nl"], loaded)) == {"centre-rufwerk", "company-tulip", "company-courant"}
    assert site_texts(catalogues["sv"], loaded) == {}


def test_words_are_spelled_otherwise_for_the_voice_only_as_whole_words() -> None:
    """And a company's name cannot make the voice speak in signs."""
    respell = {"call": "kol", "callcenter": "[[k'Ol]]"}
    assert spelled("Het callcenter, de call en callen.", respell) == "Het [[k'Ol]], de kol en callen."
    assert spelled("Bedrijf [[x]] BV", {}) == "Bedrijf [x] BV"
