"""Where sounds lie, and what is known of those we made: `<sounds>/<language>/ringfence/`.

Beside the sounds of a language lies `made.json`: of each sound we made, the text, the voice and the
checksum. A file that is not in it, or was changed since, is a recording of the site's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.audio.shaping import SHAPE
from asterisk_plugin.core.prompts import FOLDER
from asterisk_plugin.errors import InputError, StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MADE = "made.json"
SOUNDS = "sounds"
MADE_SUFFIX = ".alaw"
"""Of what we make: the line's own coding in Europe, so that nothing is transcoded."""

_HIDDEN = (".", MADE)


@dataclass(frozen=True, slots=True)
class Made:
    """How one sound was made.

    Args:
        text: What it says.
        voice: The voice's label.
        shape: `shaping.SHAPE` of then.
        sha256: Of the file.
    """

    text: str
    voice: str
    shape: int
    sha256: str

    def is_of(self, text: str, voice: str) -> bool:
        """Tell whether the same would be made today."""
        return (self.text, self.voice, self.shape) == (text, voice, SHAPE)


def folder_of(sounds: Path, language: str) -> Path:
    """Where the prompts of a language lie."""
    return sounds / language / FOLDER


def languages_in(sounds: Path) -> list[str]:
    """The languages that have prompts there."""
    return sorted(path.parent.name for path in sounds.glob(f"*/{FOLDER}") if path.is_dir())


def sounds_in(folder: Path) -> dict[str, list[Path]]:
    """Every file that has the place of a sound, by prompt name; several formats of one name are several files.

    Raises:
        StartupError: The folder cannot be read.
    """
    found: dict[str, list[Path]] = {}
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as exc:
        raise StartupError(f"`{folder}` cannot be read: {exc.strerror}") from exc
    for path in paths:
        if not path.name.startswith(_HIDDEN) and path.suffix != ".json":
            found.setdefault(path.stem, []).append(path)
    return found


def read_made(folder: Path) -> dict[str, Made]:
    """What is known of the sounds we made there, by prompt name; empty when nothing is.

    Raises:
        InputError: The record cannot be read.
    """
    path = folder / MADE
    try:
        entries = json.loads(path.read_text())
        return {str(name): Made(**entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InputError(f"`{path}` cannot be read: {exc.strerror}") from exc
    except (ValueError, TypeError, AttributeError) as exc:
        raise InputError(f"`{path}` cannot be used: remove it and build the prompts again") from exc


def write_made(folder: Path, made: Mapping[str, Made]) -> None:
    """Keep what is known of the sounds made there."""
    entries = {name: asdict(entry) for name, entry in sorted(made.items())}
    write_file(folder / MADE, (json.dumps(entries, ensure_ascii=False, indent=1) + "\n").encode())


def is_ours(path: Path, made: Mapping[str, Made]) -> bool:
    """Tell whether a sound is one we made and nobody changed since."""
    entry = made.get(path.stem)
    return entry is not None and path.suffix == MADE_SUFFIX and entry.sha256 == checksum(path)


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise InputError(f"`{path}` cannot be read: {exc.strerror}") from exc


def write_file(path: Path, data: bytes) -> None:
    """Write a file that others may read, whole or not at all: Asterisk may be playing the one before.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(handle, 0o644)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as exc:
        raise InputError(f"`{path}` cannot be written: {exc.strerror}") from exc


def remove(paths: Iterable[Path]) -> None:
    """Remove files; one that is gone already is as well."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise InputError(f"`{path}` cannot be removed: {exc.strerror}") from exc
