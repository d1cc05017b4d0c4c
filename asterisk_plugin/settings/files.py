"""Reading configuration files: where they are, what they say, and at which line.

Rule 1: a file that cannot be used becomes problems, never an exception of its own; the caller
collects the problems of all files and raises them together.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asterisk_plugin.errors import ConfigProblem
from asterisk_plugin.settings.toml_lines import KeyPath, key_lines, line_of, line_of_error

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped(*parts: str) -> Path:
    """Find a file or folder that comes with the program.

    Args:
        parts: `"config", "ringfence.toml"` or `"dialplan"`.

    Returns:
        Its path: in an installed package beside the code, in a checkout at the top. It is not
        said that it exists.
    """
    installed = _PACKAGE / "_shipped"
    root = installed if installed.is_dir() else _PACKAGE.parent
    return root.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file that could be read.

    Args:
        name: As it is called in problems and in the evidence: `rulebook/nl.toml`.
        path: Where it is.
        text: What it holds.
        tables: The same, parsed.
        lines: Line of every key.
    """

    name: str
    path: Path
    text: str
    tables: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)

    def problem(self, path: KeyPath, found: str, allowed: str) -> ConfigProblem:
        """Say what is wrong at a key of this file."""
        return ConfigProblem(str(self.path), dotted(path), found, allowed, line_of(self.lines, path))


def dotted(path: KeyPath) -> str:
    """Write a path as a person would: `campaign[2].principal`, counted from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_config_file(path: Path, name: str) -> ConfigFile | ConfigProblem:
    """Read and parse one TOML file.

    Args:
        path: Where it is.
        name: As it shall be called in the evidence.

    Returns:
        The file, or the one problem that makes it unusable as a whole.
    """
    where = str(path)
    try:
        data = path.read_bytes()
    except OSError as exc:
        return ConfigProblem(where, "", (exc.strerror or "no answer").lower(), "must be a file that this user can read")
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        return ConfigProblem(where, "", f"the byte 0x{data[exc.start]:02x}", "must be text in UTF-8", line)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        message = str(exc)
        return ConfigProblem(where, "", message.split(" (at ")[0].lower(), "must be TOML", line_of_error(message, text))
    except RecursionError:
        return ConfigProblem(where, "", "values nested too deep to be read", "must be TOML as in the shipped file")
    return ConfigFile(name, path, text, tables, key_lines(text.replace("\r\n", "\n")))
