"""What every command is given: where the configuration is, where the data is; and how it speaks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.explain import did_you_mean
from asterisk_plugin.settings.load import Loaded, load

if TYPE_CHECKING:
    import typer

    from asterisk_plugin.core.site import Principal

PIPED_WIDTH = 200
"""Columns of a table that nobody looks at directly: wide enough not to break sentences."""


@dataclass(frozen=True, slots=True)
class Given:
    """The options that stand before the command.

    Args:
        config: Configuration directory or ringfence.toml; None for the shipped defaults.
        data_dir: In place of the configured one; None to use that.
        debug: Show where an internal error happened.
    """

    config: Path | None = None
    data_dir: Path | None = None
    debug: bool = False

    def load(self) -> Loaded:
        """Read the configuration.

        Raises:
            ConfigError: With every problem of every file.
        """
        return load(self.config, data_dir=self.data_dir)


def given(ctx: typer.Context) -> Given:
    """The options that stand before the command."""
    found = ctx.find_object(Given)
    return found if found is not None else Given()


def console() -> Console:
    """Standard output, with colours and the terminal's width where there is one."""
    return Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)


def say(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(text + "\n")


def say_written(*files: Path | None, as_json: bool) -> None:
    """Name the files that were written; not where JSON is: programs read what is on standard output then."""
    for file in files:
        if file is not None and not as_json:
            say(f"{file}: written")


def read_number(text: str, country: str) -> PhoneNumber:
    """Read a number somebody typed.

    Args:
        text: National or international form.
        country: Where a national form belongs.

    Raises:
        InputError: It is no number that a person could have.
    """
    number = parse_number(text, country)
    if isinstance(number, PhoneNumber) and number.time_zones:
        return number
    why = number.why if not isinstance(number, PhoneNumber) else "it is nobody's own number"
    raise InputError(f"`{text[:40]}` cannot be used: {why}")


def read_principal(loaded: Loaded, principal_id: str) -> Principal:
    """Find a principal somebody named.

    Raises:
        InputError: There is none of that name.
    """
    if principal_id in loaded.principals:
        return loaded.principals[principal_id]
    raise InputError(f"there is no principal `{principal_id}`; {did_you_mean(principal_id, loaded.principals)}")
