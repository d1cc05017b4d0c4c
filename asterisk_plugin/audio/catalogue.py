"""What is said in each language: `prompts/<language>.toml`, the shipped files and the site's own on top.

A site's own file replaces single lines of a shipped one, or is a whole new language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from asterisk_plugin.core.prompts import OBJECTION_PROMPTS, PROMPT_NAMES, PROMPTS, centre_prompt, company_prompt
from asterisk_plugin.errors import ConfigError, ConfigProblem
from asterisk_plugin.settings.explain import check_shape, did_you_mean
from asterisk_plugin.settings.files import ConfigFile, read_config_file, shipped
from asterisk_plugin.settings.service import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from asterisk_plugin.settings.load import Loaded

FOLDER = "prompts"
NAME = "{name}"
MAX_CHARS = 400
"""Longest text: half a minute of speech."""

_OPTIONAL: dict[str, str | int | float] = {"kokoro": "", "kokoro_speed": 1.0, "piper": ""}
"""What a new language need not say of its voice."""

_SITE_PROMPT = re.compile(r"(company|centre)-[a-z0-9-]{1,40}")
_LANGUAGE = re.compile(r"[a-z]{2}")


class VoiceEntry(Section):
    """`[voice]`: who speaks, and how fast"""

    espeak: str | None = Field(None, description="a voice of espeak-ng, such as `nl` or `nl+f2`")
    words_per_minute: int | None = Field(None, ge=80, le=300)
    digit_words_per_minute: int | None = Field(None, ge=80, le=300)
    pitch: int | None = Field(None, ge=0, le=99)
    kokoro: str | None = Field(None, description="a speaker of Kokoro, such as `ff_siwis`, or two joined by `+`")
    kokoro_speed: float | None = Field(None, ge=0.5, le=1.5)
    piper: str | None = Field(None, description="how the file of a Piper voice begins, such as `nl_NL-`")


class SiteEntry(Section):
    """`[site]`: how the names of companies and of the call centre are said"""

    company: str | None = None
    centre: str | None = None


class CatalogueFile(Section):
    """One language"""

    language: str = Field(description="two small letters, ISO 639-1, such as `nl`")
    name: str | None = None
    voice: VoiceEntry = VoiceEntry()
    site: SiteEntry = SiteEntry()
    respell: dict[str, str] = Field(default_factory=dict)
    say: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """Who speaks a language, and how.

    Args:
        espeak: Voice of espeak-ng.
        words_per_minute: Of sentences.
        digit_words_per_minute: Of single digits.
        pitch: 0 to 99, 50 as the voice is made.
        kokoro: Speaker of Kokoro; empty when none is to be used.
        kokoro_speed: 1 as the speaker is made, less is slower.
        piper: How the file name of a Piper voice begins; empty when none is to be used.
        respell: Words that espeak-ng says wrongly, and how to write them for it; Kokoro reads them so as well.
    """

    espeak: str
    words_per_minute: int
    digit_words_per_minute: int
    pitch: int
    kokoro: str
    kokoro_speed: float
    piper: str
    respell: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything said in one language.

    Args:
        language: ISO 639-1, two small letters.
        name: Its own name for itself.
        voice: Who speaks it.
        company: How a company's name is said, with `{name}` for it.
        centre: How the call centre's name is said.
        texts: Every prompt of the objection line, those of the queues (a language of the site's own may lack some),
            and site prompts that are written out.
    """

    language: str
    name: str
    voice: VoiceSettings
    company: str
    centre: str
    texts: Mapping[str, str]


def load_catalogues(own: Path | None = None) -> dict[str, Catalogue]:
    """Read what is said in every language.

    Args:
        own: The site's own configuration directory; None for the shipped texts alone.

    Returns:
        By language, in alphabetical order.

    Raises:
        ConfigError: With every problem of every file.
    """
    problems: list[ConfigProblem] = []
    layers: dict[str, list[tuple[ConfigFile, CatalogueFile]]] = {}
    folders = [shipped("config", FOLDER), *([own / FOLDER] if own else [])]
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            if found := _read(path, problems):
                layers.setdefault(path.stem, []).append(found)
    catalogues = {language: _merge(files, problems) for language, files in sorted(layers.items())}
    if problems:
        raise ConfigError(problems)
    return {language: catalogue for language, catalogue in catalogues.items() if catalogue}


def site_texts(catalogue: Catalogue, loaded: Loaded) -> dict[str, str]:
    """The names a site needs in a language: of the companies it is called for there, and of the call centre.

    Args:
        catalogue: The language.
        loaded: The site's configuration.

    Returns:
        Prompt name -> text; empty when no campaign speaks this language.
    """
    campaigns = [one for one in loaded.site.campaigns.values() if one.language == catalogue.language]
    if not campaigns:
        return {}
    centre = loaded.site.call_centre
    said = {centre_prompt(centre.id): catalogue.centre.replace(NAME, centre.name)}
    for campaign in campaigns:
        said[company_prompt(campaign.principal.id)] = catalogue.company.replace(NAME, campaign.principal.announced_name)
    return {name: catalogue.texts.get(name, text) for name, text in sorted(said.items())}


def is_site_prompt(name: str) -> bool:
    """Tell whether a prompt is the name of a company or a call centre."""
    return _SITE_PROMPT.fullmatch(name) is not None


def _read(path: Path, problems: list[ConfigProblem]) -> tuple[ConfigFile, CatalogueFile] | None:
    file = read_config_file(path, f"{FOLDER}/{path.name}")
    if isinstance(file, ConfigProblem):
        problems.append(file)
        return None
    shape, found = check_shape(file, CatalogueFile)
    problems += found
    if shape is None:
        return None
    problems += _content_problems(file, shape)
    return file, shape


def _content_problems(file: ConfigFile, shape: CatalogueFile) -> list[ConfigProblem]:
    found = []
    if not _LANGUAGE.fullmatch(shape.language) or shape.language != file.path.stem:
        allowed = f"must be two small letters, and the file be called after them: `{file.path.stem}.toml`"
        found.append(file.problem(("language",), f"`{shape.language}`", allowed))
    for key, text in (("company", shape.site.company), ("centre", shape.site.centre)):
        if text is not None and NAME not in text:
            found.append(file.problem(("site", key), f'`"{text}"`', f"must hold `{NAME}`, which stands for the name"))
    for name, text in shape.say.items():
        if name not in PROMPT_NAMES and not is_site_prompt(name):
            known = [one for one, _ in PROMPTS]
            found.append(file.problem(("say", name), "an unknown prompt", f"must be {did_you_mean(name, known)}"))
        if not text.strip() or len(text) > MAX_CHARS or not text.isprintable():
            allowed = f"must be 1 to {MAX_CHARS} characters on one line"
            found.append(file.problem(("say", name), f"{len(text)} characters", allowed))
    return found


def _merge(files: Sequence[tuple[ConfigFile, CatalogueFile]], problems: list[ConfigProblem]) -> Catalogue | None:
    """One language from its shipped file and the site's own; None when something is missing."""
    voice: dict[str, str | int | float] = {}
    site: dict[str, str] = {}
    texts: dict[str, str] = {}
    respell: dict[str, str] = {}
    name = ""
    for _, shape in files:
        voice |= shape.voice.model_dump(exclude_none=True)
        site |= shape.site.model_dump(exclude_none=True)
        texts |= shape.say
        respell |= shape.respell
        name = shape.name or name
    last = files[-1][0]
    missing_keys = [key for key in VoiceEntry.model_fields if key not in voice | _OPTIONAL]
    problems += [last.problem(("voice", key), "nothing", "must be given for a new language") for key in missing_keys]
    missing = [known for known, _ in OBJECTION_PROMPTS if known not in texts]
    if missing:
        problems.append(
            last.problem(
                ("say",), f"no text for {', '.join(missing)}", "must have one for every prompt of the objection line"
            )
        )
    if missing or missing_keys:
        return None
    settings = VoiceSettings(**(_OPTIONAL | voice), respell=respell)  # type: ignore[arg-type]  # typed by VoiceEntry
    language = files[0][1].language
    return Catalogue(language, name or language, settings, site.get("company", NAME), site.get("centre", NAME), texts)
