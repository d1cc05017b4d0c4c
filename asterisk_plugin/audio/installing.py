"""Laying sounds where Asterisk looks for them, without ever losing a recording that somebody put there.

Beside the sounds of a language lies `installed.json`: the checksum of every file laid down. A file
that is not in it, or was changed since, belongs to the site: it stays, and its prompt is left alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.audio.folders import (
    checksum,
    folder_of,
    is_ours,
    read_made,
    remove,
    sounds_in,
    write_file,
    write_made,
)
from asterisk_plugin.audio.formats import read_sound
from asterisk_plugin.audio.site import effective_sounds
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from asterisk_plugin.audio.folders import Made

INSTALLED = "installed.json"


@dataclass(slots=True)
class Installation:
    """What became of the sounds of one or more languages.

    Args:
        copied: How many files were laid down.
        kept: Files found there that belong to the site, and stayed.
        removed: Files of an earlier installation, in another format than now.
        refused: Recordings Asterisk could not play, with the reason; what is shipped is laid down instead.
    """

    copied: int = 0
    kept: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)


def install(folders: Sequence[Path], languages: Sequence[str], target: Path) -> Installation:
    """Lay the sounds of some languages down.

    Args:
        folders: Where they come from, the later ones winning.
        languages: Which.
        target: Asterisk's folder of sounds, `/usr/share/asterisk/sounds`.

    Raises:
        InputError: A file cannot be read or written.
    """
    done = Installation()
    for language in languages:
        _install_language(folders, language, folder_of(target, language), done)
    return done


def _install_language(folders: Sequence[Path], language: str, target: Path, done: Installation) -> None:
    installed, made = _read_installed(target), read_made(target)
    present = sounds_in(target)
    for name, paths in _playable(folders, language, done).items():
        there = present.get(name, [])
        own = [path for path in there if installed.get(path.name) != checksum(path)]
        done.kept += own
        if own:
            continue
        made.pop(name, None)
        for path in paths:
            data = _read(path)
            write_file(target / path.name, data)
            installed[path.name] = checksum(target / path.name)
            made |= _made_of(path)
            done.copied += 1
        stale = [path for path in there if path.name not in {path.name for path in paths}]
        remove(stale)
        done.removed += stale
        for path in stale:
            installed.pop(path.name, None)
    write_made(target, made)
    write_file(target / INSTALLED, (json.dumps(installed, indent=1, sort_keys=True) + "\n").encode())


def _playable(folders: Sequence[Path], language: str, done: Installation) -> Mapping[str, Sequence[Path]]:
    """What is to be laid down; for a recording that cannot be played, what an earlier folder has."""
    chosen: dict[str, Sequence[Path]] = {}
    for index in range(len(folders)):
        for name, paths in effective_sounds(folders[index : index + 1], language).items():
            faults = [(path, read_sound(path).fault) for path in paths]
            done.refused += [(path, fault) for path, fault in faults if fault]
            if good := [path for path, fault in faults if not fault]:
                chosen[name] = good
    return chosen


def _made_of(path: Path) -> dict[str, Made]:
    made = read_made(path.parent)
    return {path.stem: made[path.stem]} if is_ours(path, made) else {}


def _read_installed(folder: Path) -> dict[str, str]:
    path = folder / INSTALLED
    try:
        found = json.loads(path.read_text())
        return {str(name): str(sum_) for name, sum_ in found.items()}
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InputError(f"`{path}` cannot be read: {exc.strerror}") from exc
    except (ValueError, AttributeError) as exc:
        raise InputError(f"`{path}` cannot be used: remove it, and all sounds beside it that are not your own") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"`{path}` cannot be read: {exc.strerror}") from exc
