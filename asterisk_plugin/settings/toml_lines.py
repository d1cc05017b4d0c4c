"""Where a key stands in a TOML text: `("campaign", 2, "principal")` -> 31.

`tomllib` forgets lines, and an error message without a line is half a message. This reads only
what `tomllib` has accepted, so it needs to know statements, not values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyPath = tuple[str | int, ...]
"""Keys from the root of a file; an int is a place in an array, counted from 0."""

# A multi-line string may end in up to five quotes, of which the last three close it.
_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n]"
    r"|[^\"'\#\[\]{}\n]+",
    re.DOTALL,
)
_KEY = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)\s*(\.?)""")
_ERROR_LINE = re.compile(r"at line (\d+)")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Find the line of every key, table and table of an array in a valid TOML text.

    Args:
        text: A text that `tomllib.loads` accepts.

    Returns:
        1-based line by path. Keys inside an inline table or array are not listed: ask for them
        with `line_of`, which answers with the nearest key around them.
    """
    lines: dict[KeyPath, int] = {}
    tables_of_array: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in _statements(text):
        if statement.startswith("[["):
            *parents, name = _keys(statement[2:])
            array = (*_resolve((), parents, tables_of_array), name)
            tables_of_array[array] = tables_of_array.get(array, -1) + 1
            lines.setdefault(array, line)
            table = (*array, tables_of_array[array])
            lines[table] = line
        elif statement.startswith("["):
            table = _resolve((), _keys(statement[1:]), tables_of_array)
            _note(lines, table, line)
        else:
            _note(lines, table + tuple(_keys(statement)), line)
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Tell the line of a key, or of the nearest table around it; 0 when nothing around it is known."""
    for length in range(len(path), 0, -1):
        if line := lines.get(path[:length]):
            return line
    return 0


def line_of_error(message: str, text: str) -> int:
    """Tell the line that a message of `tomllib` speaks of.

    Args:
        message: Text of a `TOMLDecodeError`: `... (at line 3, column 7)` or `... (at end of document)`.
        text: What it was read from.
    """
    if found := _ERROR_LINE.search(message):
        return int(found[1])
    return max(1, len(text.splitlines()))


def _note(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], line)


def _resolve(start: KeyPath, keys: list[str], tables_of_array: dict[KeyPath, int]) -> KeyPath:
    """`[campaign.limits]` after two `[[campaign]]` belongs to the second of them."""
    path = start
    for key in keys:
        path = (*path, key)
        if path in tables_of_array:
            path = (*path, tables_of_array[path])
    return path


def _keys(text: str) -> list[str]:
    keys = []
    at = 0
    while found := _KEY.match(text, at):
        keys.append(found[1].strip("\"'"))
        at = found.end()
        if not found[2]:
            break
    return keys


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every header and every `key = value`, comments left out."""
    line, depth = 1, 0
    started, statement = 1, ""
    for piece in _PIECE.findall(text):
        if piece == "\n" and depth == 0:
            if statement.strip():
                yield started, statement.strip()
            statement = ""
        elif not piece.startswith("#"):
            if not statement.strip():
                started = line
            statement += piece
            depth += (piece in "[{") - (piece in "]}")
        line += piece.count("\n")
    if statement.strip():
        yield started, statement.strip()
