"""Asterisk's answers to commands, read into values: no socket, no clock.

The shapes are those of Asterisk 22.10 and are the same on 16: see the recordings in tests/ami.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Fields = Mapping[str, str]

_RULER = re.compile(r"-{4,}")
_VERSION = re.compile(r"(\d+)\.(\d+)")


def read_output(messages: Sequence[Fields]) -> list[str]:
    """The lines a CLI command printed; without it Asterisk had nothing to say."""
    return messages[0].get("Output", "").split("\n")


def read_manager_users(lines: Sequence[str]) -> tuple[str, ...]:
    """Names out of `manager show users`: what stands between its two rulers."""
    rulers = [at for at, line in enumerate(lines) if _RULER.fullmatch(line.strip())]
    if not rulers:
        return ()
    end = rulers[1] if len(rulers) > 1 else len(lines)
    return tuple(line.strip() for line in lines[rulers[0] + 1 : end] if line.strip())


def read_manager_user(lines: Sequence[str]) -> dict[str, frozenset[str]]:
    """Classes out of `manager show user NAME`.

    Returns:
        `read` and `write`: each the classes granted.
    """
    rights: dict[str, frozenset[str]] = {"read": frozenset(), "write": frozenset()}
    for line in lines:
        name, _, value = line.partition(":")
        match name.strip():
            case "read perm":
                rights["read"] = frozenset(part.strip() for part in value.split(",") if part.strip())
            case "write perm":
                rights["write"] = frozenset(part.strip() for part in value.split(",") if part.strip())
    return rights


def read_ari_users(lines: Sequence[str]) -> dict[str, bool]:
    """Users out of `ari show users`: name -> may only read."""
    users = {}
    for line in lines:
        words = line.split(None, 2)
        if len(words) == 3 and words[0] in ("Yes", "No"):
            users[words[2].strip()] = words[0] == "Yes"
    return users


def read_modules(lines: Sequence[str]) -> dict[str, bool]:
    """Modules out of `module show`: name without `.so` -> running."""
    modules = {}
    for line in lines:
        words = line.split()
        if words and words[0].endswith(".so"):
            modules[words[0].removesuffix(".so")] = "Not Running" not in line
    return modules


def read_sounds(lines: Sequence[str]) -> int:
    """How many files `core show sounds` names."""
    return sum(1 for line in lines if line.strip() and not line.startswith("Available audio files"))


def read_music_classes(lines: Sequence[str]) -> tuple[str, ...]:
    """Names out of `moh show classes`."""
    return tuple(line.removeprefix("Class: ").strip() for line in lines if line.startswith("Class: "))


def read_config(fields: Fields) -> list[tuple[str, str]]:
    """Key and value of every line in the answer to `GetConfig` for one category, in its order."""
    lines = sorted((name, text) for name, text in fields.items() if name.startswith("Line-"))
    pairs = [text.partition("=") for _, text in lines]
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def read_version(text: str) -> int:
    """The major version out of `22.10.1+dfsg` or `certified/18.9-cert4`; 0 when it names none."""
    found = _VERSION.search(text)
    return int(found.group(1)) if found else 0
