"""Whether every prompt is there, can be played, says what its text says, and is as loud as the others of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.audio.catalogue import is_site_prompt
from asterisk_plugin.audio.folders import folder_of, is_ours, read_made, sounds_in
from asterisk_plugin.audio.formats import read_sound
from asterisk_plugin.audio.levels import active_level_dbov, peak_dbov
from asterisk_plugin.audio.loudness import target_dbov
from asterisk_plugin.audio.shaping import SHAPE
from asterisk_plugin.audio.site import effective_sounds
from asterisk_plugin.audio.voices import NEURAL
from asterisk_plugin.core.prompts import PROMPT_NAMES, is_over_music
from asterisk_plugin.settings.explain import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from asterisk_plugin.audio.building import Wanted
    from asterisk_plugin.audio.folders import Made
    from asterisk_plugin.audio.site import SitePrompts

EVEN_DB = 0.5
"""How far a sound we made may be from the target: any two are then within one decibel."""

OWN_EVEN_DB = 6.0
"""How far a recording of the site's own may be before something is said about it."""

CLIPPED_DBOV = -0.05
"""A peak above this touches full scale: what was recorded was louder."""

SILENT_DBOV = -60.0
"""Below this nobody hears anything; A-law's smallest steps alone are at -72."""

_SHOWN_NAMES = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        language: Where.
        what: File or prompt name, and what is wrong with it, as one line.
        serious: The prompt is not heard, or not as it should be; else it is only worth knowing.
    """

    language: str
    what: str
    serious: bool = True

    def __str__(self) -> str:
        return f"{self.language}: {'' if self.serious else 'note: '}{self.what}"


def check_configured(prompts: SitePrompts, language: str) -> list[Finding]:
    """Look at what `install` would lay down for a language: the shipped sounds and the site's own."""
    made: dict[Path, Mapping[str, Made]] = {}
    files = effective_sounds(prompts.folders, language)
    for paths in files.values():
        for path in paths:
            if path.parent not in made:
                made[path.parent] = read_made(path.parent)
    return list(_findings(prompts, language, files, made))


def check_installed(prompts: SitePrompts, language: str, sounds: Path) -> list[Finding]:
    """Look at a folder of sounds as Asterisk has it."""
    folder = folder_of(sounds, language)
    made = read_made(folder)
    files = sounds_in(folder)
    found = [
        Finding(language, f"{paths[0].stem} is there as {_listed(paths)}: Asterisk may play any of them, remove some")
        for paths in files.values()
        if len(paths) > 1 and any(is_ours(path, made) for path in paths)
    ]
    return found + list(_findings(prompts, language, files, {folder: made}))


def _findings(
    prompts: SitePrompts,
    language: str,
    files: Mapping[str, Sequence[Path]],
    made: Mapping[Path, Mapping[str, Made]],
) -> Iterator[Finding]:
    texts = prompts.texts(language)
    if untold := [name for name in prompts.untold(language) if name not in files]:
        what = f"prompts/{language}.toml has no text for {_shortened(untold)}; people who wait in a queue need it"
        yield Finding(language, what, serious=language in prompts.queue_languages)
    missing = [name for name in texts if name not in files and not (prompts.is_example and is_site_prompt(name))]
    if missing:
        remedy = f"`ringfence prompts build{_site(missing)}` makes it"
        yield Finding(language, f"no sound for {_shortened(missing)}; {remedy}")
    wanted = prompts.wanted(language, texts)
    for name, paths in files.items():
        if name not in texts and name not in PROMPT_NAMES:
            if not is_site_prompt(name):
                yield Finding(language, f"{_listed(paths)} is no prompt: {did_you_mean(name, texts)}", serious=False)
            continue
        for path in paths:
            known = made.get(path.parent, {})
            ours = is_ours(path, known)
            if ours and not (name in wanted and _is_up_to_date(known[name], wanted[name])):
                yield Finding(language, f"{path.name} was made of another text or voice; build it again")
            yield from _sound_findings(language, path, ours=ours)


def _sound_findings(language: str, path: Path, *, ours: bool) -> Iterator[Finding]:
    sound = read_sound(path)
    if sound.fault:
        yield Finding(language, f"{path.name} {sound.fault}")
    if sound.fault or sound.samples is None:
        return
    level = active_level_dbov(sound.samples, sound.rate)
    over_music = is_over_music(path.stem)
    off_db = level - target_dbov(path.stem)
    if level < SILENT_DBOV:
        yield Finding(language, f"{path.name} is silent")
    elif abs(off_db) > (EVEN_DB if ours else OWN_EVEN_DB):
        word, others = "louder" if off_db > 0 else "softer", "prompts over music" if over_music else "prompts"
        hidden = "; it will be hard to hear there" if over_music and off_db < 0 else ""
        what = f"{path.name} is {abs(off_db):.1f} dB {word} than the other {others}{hidden}"
        yield Finding(language, what, serious=ours)
    if peak_dbov(sound.samples) > CLIPPED_DBOV:
        yield Finding(language, f"{path.name} touches full scale: it will sound distorted", serious=ours)


def _is_up_to_date(made: Made, wanted: Wanted) -> bool:
    """Whether the same would be made today; that another voice is installed by now is no fault."""
    if made.voice.startswith(NEURAL) or wanted.label.startswith(NEURAL):
        return (made.text, made.shape) == (wanted.text, SHAPE)
    return made.is_of(wanted.text, wanted.label)


def _site(names: Sequence[str]) -> str:
    return " --site" if any(is_site_prompt(name) for name in names) else ""


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(path.name for path in paths)


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
