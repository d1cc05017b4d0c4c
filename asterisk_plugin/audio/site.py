"""One site's prompts as a whole: which texts, which folders, which voices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.audio.building import Wanted, is_digit, recipe
from asterisk_plugin.audio.catalogue import Catalogue, load_catalogues, site_texts
from asterisk_plugin.audio.folders import SOUNDS, folder_of, is_ours, read_made, sounds_in
from asterisk_plugin.audio.loudness import loudness_of
from asterisk_plugin.audio.voices import PiperVoice, Voice, voice_of
from asterisk_plugin.core.prompts import PROMPTS
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.explain import did_you_mean
from asterisk_plugin.settings.files import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from asterisk_plugin.settings.load import Loaded

VOICES = "voices"
"""Folder of the site's configuration in which voices of Piper are looked for."""


@dataclass(frozen=True, slots=True)
class SitePrompts:
    """What a site's objection line and its queues say, and with what.

    Args:
        catalogues: By language.
        shipped_texts: The catalogues as they are shipped, for what a site says otherwise.
        names: By language, the names of companies and call centre: prompt name -> text.
        own_sounds: The site's own folder of sounds; the shipped one where no configuration is given.
        queue_languages: Those in which people wait in a queue.
        is_example: Its campaigns are the shipped ones, whose companies are made up.
        voice_folders: Where voices of Piper lie.
    """

    catalogues: Mapping[str, Catalogue]
    shipped_texts: Mapping[str, Catalogue]
    names: Mapping[str, Mapping[str, str]]
    own_sounds: Path
    queue_languages: frozenset[str] = frozenset()
    is_example: bool = False
    voice_folders: Sequence[Path] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of sounds, the later ones winning."""
        return tuple(dict.fromkeys((shipped_sounds(), self.own_sounds)))

    def choose(self, languages: Sequence[str]) -> list[str]:
        """The languages somebody named, all of them for none.

        Raises:
            InputError: There is one without a catalogue.
        """
        for language in languages:
            if language not in self.catalogues:
                raise InputError(f"there are no texts in `{language}`; {did_you_mean(language, self.catalogues)}")
        return [language for language in self.catalogues if not languages or language in languages]

    def texts(self, language: str) -> dict[str, str]:
        """Everything a language says, in the order in which it is heard, names last."""
        said = self.catalogues[language].texts
        return {**{name: said[name] for name, _ in PROMPTS if name in said}, **self.names.get(language, {})}

    def untold(self, language: str) -> list[str]:
        """Prompts of the queues that a language has no text for: one of the site's own may leave them out."""
        return [name for name, _ in PROMPTS if name not in self.catalogues[language].texts]

    def voice(self, language: str) -> Voice:
        """Who would speak a language; it is not said that the program is installed."""
        return voice_of(self.catalogues[language].voice, self.voice_folders)

    def wanted(self, language: str, texts: Mapping[str, str]) -> dict[str, Wanted]:
        """Texts of a language as sounds to be made."""
        voice, settings = self.voice(language), self.catalogues[language].voice
        return {
            name: Wanted(
                language, name, text, recipe(text, voice, digit=is_digit(name), settings=settings) + loudness_of(name)
            )
            for name, text in texts.items()
        }

    def own_texts(self, language: str) -> dict[str, str]:
        """Texts whose sounds belong into the site's own folder: not the same as shipped, or spoken otherwise."""
        known, own = self.shipped_texts.get(language), self.catalogues[language]
        other_voice = known is None or known.voice != own.voice or isinstance(self.voice(language), PiperVoice)
        return {
            name: own.texts[name]
            for name, _ in PROMPTS
            if name in own.texts and (known is None or other_voice or known.texts[name] != own.texts[name])
        }


def shipped_sounds() -> Path:
    """The folder of the sounds that come with the program."""
    return shipped("config", SOUNDS)


def site_prompts(loaded: Loaded, *, voice_folders: Sequence[Path] = ()) -> SitePrompts:
    """Put together what a site says.

    Args:
        loaded: The site's configuration.
        voice_folders: Where voices of Piper lie, beside the folder `voices` of the configuration.

    Raises:
        ConfigError: A catalogue cannot be used.
    """
    own = None if loaded.is_shipped else loaded.directory
    catalogues = load_catalogues(own)
    return SitePrompts(
        catalogues=catalogues,
        shipped_texts=load_catalogues(),
        names={language: site_texts(one, loaded) for language, one in catalogues.items()},
        own_sounds=own / SOUNDS if own else shipped_sounds(),
        queue_languages=frozenset(queue.language for queue in loaded.site.queues.values()),
        is_example=own is None,
        voice_folders=(*voice_folders, *([own / VOICES] if own else [])),
    )


def effective_sounds(folders: Sequence[Path], language: str) -> dict[str, list[Path]]:
    """The files that would be installed for each prompt name.

    A later folder's win over an earlier one's, and in one folder recordings of the site's own over
    what we made. A recording may lie there in several formats: Asterisk takes the one that suits the call.
    """
    found: dict[str, list[Path]] = {}
    for sounds in folders:
        folder = folder_of(sounds, language)
        made = read_made(folder)
        for name, paths in sounds_in(folder).items():
            found[name] = [path for path in paths if not is_ours(path, made)] or paths
    return found
