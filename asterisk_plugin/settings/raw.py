"""Reads raw tables of a configuration file, and finds what entries of one kind say wrongly of each other.

Rule 1: what has the wrong shape reads as if it were not there: the models report it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from asterisk_plugin.settings.explain import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from asterisk_plugin.errors import ConfigProblem
    from asterisk_plugin.settings.files import ConfigFile
    from asterisk_plugin.settings.service import Section


def duplicates(file: ConfigFile, array: str, key: str, same: Callable[[str], str] = str) -> Iterator[ConfigProblem]:
    """Find entries with the name of an earlier one.

    Args:
        file: What was read.
        array: The array of tables, `campaign`.
        key: Where the name stands.
        same: Makes one text of names that are the same; they are compared as they stand without it.
    """
    seen: dict[str, int] = {}
    for place, entry in entries(file, array):
        value = text_of(entry, key)
        first = seen.setdefault(same(value), place)
        if value and first != place:
            yield file.problem(
                (array, place, key), shown(value), f"must be another name: {array}[{first}] has this one"
            )


def unknown_in_list(
    file: ConfigFile, path: tuple[str | int, ...], entry: dict[str, Any], key: str, known: Collection[str]
) -> Iterator[ConfigProblem]:
    """Find texts of a list that are none of those known."""
    for index, value in enumerate(texts_of(entry, key)):
        if value not in known:
            yield file.problem((*path, key, index), shown(value), f"must be {did_you_mean(value, known)}")


def dates_in_order(
    file: ConfigFile, path: tuple[str | int, ...], entry: dict[str, Any], keys: tuple[str, str]
) -> Iterator[ConfigProblem]:
    """Find an end before its beginning; `keys` names both."""
    first, last = (_date(entry.get(key)) for key in keys)
    if first and last and last < first:
        yield file.problem((*path, keys[1]), shown(last), f"must not be before {keys[0]}, which is {first}")


def entries(file: ConfigFile, array: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every table of an array, with its place."""
    tables = file.tables.get(array, [])
    if isinstance(tables, list):
        yield from ((place, entry) for place, entry in enumerate(tables) if isinstance(entry, dict))


def text_of(entry: dict[str, Any], key: str) -> str:
    """A text; empty when there is none."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def texts_of(entry: dict[str, Any], key: str) -> list[str]:
    """A list of texts; empty when there is none."""
    values = entry.get(key)
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else []


def _date(value: Any) -> dt.date | None:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, dt.date) and not isinstance(value, dt.datetime) else None


def setting(tables: dict[str, Any], table: str, key: str, kind: type, section: type[Section] | None = None) -> Any:
    """A value of a table, else the model's default, else None; None too when it has another type."""
    default = section.model_fields[key].default if section else None
    entry = tables.get(table, {})
    value = entry.get(key, default) if isinstance(entry, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
