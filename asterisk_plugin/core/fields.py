"""Reads typed values out of TOML tables and notes every problem, instead of stopping at the first."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable
from typing import Any, TypeVar

from asterisk_plugin.errors import ConfigProblem

Choice = TypeVar("Choice", bound=enum.Enum)

_MISSING = object()


def one_of(names: Iterable[object]) -> str:
    """What is allowed, for a message."""
    return "must be one of " + ", ".join(f"`{name}`" for name in names)


class Problems:
    """Everything wrong with one file.

    Args:
        file: The file's path, as the admin knows it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[ConfigProblem] = []

    def note(self, key: str, found: object, allowed: str) -> None:
        """Add one problem.

        Args:
            key: Dotted key, `all.consent.values[0].since`.
            found: What stands there; None when it is missing.
            allowed: What would be right.
        """
        self.found.append(ConfigProblem(self.file, key, "nothing" if found is None else f"`{found}`", allowed))


class Fields:
    """One table being read. Ask for each key once, then call `end`.

    A key that is missing or wrong is noted and read as a harmless value: the file is
    refused in the end, and reading on finds the other problems.

    Args:
        table: What TOML gave at `key`; need not be a table.
        key: Dotted key of the table.
        problems: Where problems go.
    """

    def __init__(self, table: object, *, key: str, problems: Problems) -> None:
        self.key = key
        self.problems = problems
        self._asked: set[str] = set()
        self._table: dict[str, Any] = table if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            problems.note(key, table, "must be a table")

    def path(self, name: str) -> str:
        """Dotted key of one of its keys."""
        return f"{self.key}.{name}" if self.key else name

    def note(self, name: str, found: object, allowed: str) -> None:
        """Note a problem with one of its keys."""
        self.problems.note(self.path(name), found, allowed)

    def has(self, name: str) -> bool:
        """Whether the key is there."""
        return name in self._table

    def raw(self, name: str, default: object = _MISSING) -> Any:
        """Whatever stands at a key; a missing key without default is noted and reads as None."""
        self._asked.add(name)
        value = self._table.get(name, default)
        if value is _MISSING:
            self.note(name, None, "must be given")
            return None
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty unless that is the default."""
        value = self.raw(name, _MISSING if default is None else default)
        if isinstance(value, str) and (value.strip() or default == ""):
            return value
        if value is not None:
            self.note(name, value, "must be a text that is not empty")
        return ""

    def whole(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        value = self.raw(name, _MISSING if default is None else default)
        if isinstance(value, int) and not isinstance(value, bool) and (low <= value <= high or value == default):
            return value
        if value is not None:
            self.note(name, value, f"must be a whole number from {low} to {high}")
        return low

    def yes(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.raw(name, default)
        if not isinstance(value, bool):
            self.note(name, value, "must be `true` or `false`")
            return default
        return value

    def day(self, name: str) -> dt.date:
        """A date without a time."""
        value = self.raw(name)
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
        if value is not None:
            self.note(name, value, "must be a date, `2026-07-01`")
        return dt.date.max

    def choice(self, name: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        """One value of an enumeration, by its value."""
        value = self.raw(name, _MISSING if default is None else default.value)
        return self._choose(self.path(name), value, kind) or default or next(iter(kind))

    def choices(self, name: str, kind: type[Choice], *, empty: bool = True) -> frozenset[Choice]:
        """A list of values of an enumeration; must be given when `empty` is false."""
        values = self.items(name, empty=empty)
        chosen = [self._choose(f"{self.path(name)}[{place}]", value, kind) for place, value in enumerate(values)]
        return frozenset(choice for choice in chosen if choice is not None)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; missing reads as none."""
        values = self.items(name)
        for place, value in enumerate(values):
            if not isinstance(value, str) or not value:
                self.note(f"{name}[{place}]", value, "must be a text that is not empty")
        return tuple(str(value) for value in values)

    def items(self, name: str, *, empty: bool = True) -> list[Any]:
        """A list of anything; missing reads as none if it may be `empty`."""
        value = self.raw(name, [] if empty else _MISSING)
        if isinstance(value, list) and (value or empty):
            return value
        if value is not None:
            self.note(name, value, "must be a list" if empty else "must be a list that is not empty")
        return []

    def end(self, *also: str) -> None:
        """Note every key that was not asked for; `also` names keys that are read elsewhere."""
        for name, value in self._table.items():
            if name not in self._asked and name not in also:
                shown = "a table" if isinstance(value, dict | list) else value
                self.note(name, shown, f"is not known here; {one_of(sorted(self._asked | {*also}))}")

    def _choose(self, path: str, value: object, kind: type[Choice]) -> Choice | None:
        for member in kind:
            if member.value == value and type(value) is not bool:
                return member
        if value is not None:
            self.problems.note(path, value, one_of(member.value for member in kind))
        return None
