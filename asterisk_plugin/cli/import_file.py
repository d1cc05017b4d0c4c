"""CSV files as people export them: any size, one line at a time, every mistake by its line.

Comma, semicolon or tab; UTF-8 with or without a byte order mark; a header line that names the columns, in any
order and under any of the names listed for them.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from asterisk_plugin.settings.explain import choices, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_LINE_BYTES = 64 * 1024
"""Longest line; a record with wording and proof has some hundred bytes, a file that is no CSV has no lines."""

MAX_PROBLEMS = 20
"""So many bad lines are named; the rest is counted."""

_DELIMITERS = (",", ";", "\t")
_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an import file.

    Args:
        name: Its own name.
        aliases: Other names it may have in a file.
        required: The file must have it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = False


def columns_help(columns: tuple[Column, ...]) -> str:
    """Every column with the other names it may have, for the help of a command."""
    lines = []
    for column in columns:
        note = "required" if column.required else "optional"
        also = f"; also {', '.join(column.aliases)}" if column.aliases else ""
        lines.append(f"{column.name} ({note}{also})")
    return "Columns: " + " · ".join(lines)


class Problems:
    """Bad lines: the first ones in words, all of them in number."""

    def __init__(self) -> None:
        self.first: list[tuple[int, str]] = []
        self.total = 0
        self._last_line = 0

    def add(self, line: int, what: str) -> None:
        """Note what is wrong with a line; of one line all problems are kept, it counts once."""
        self.total += line != self._last_line
        self._last_line = line
        if self.total <= MAX_PROBLEMS:
            self.first.append((line, what))


class CsvFile:
    """An open import file, read once from its beginning.

    Args:
        file: Open for reading bytes.
        columns: What may stand in it.
        problems: Where its mistakes go.
        on_bytes: Called with the number of bytes read so far.
    """

    def __init__(
        self,
        file: IO[bytes],
        columns: tuple[Column, ...],
        *,
        problems: Problems,
        on_bytes: Callable[[int], None] = lambda _read: None,
    ) -> None:
        self._file = file
        self._columns = columns
        self._problems = problems
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()
        self._read_bytes = 0
        self._line = 0

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes read so far; of the file once `rows` is at its end."""
        return self._digest.hexdigest()

    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Read every record.

        Yields:
            Line on which the record begins, and its fields by their column's own name, without blanks around
            them. Records that cannot be read are noted as problems and left out.
        """
        lines = self._lines()
        header = next(lines, "")
        delimiter = max(_DELIMITERS, key=header.count)
        names = self._header(next(csv.reader([header], delimiter=delimiter), []))
        if not names:
            return
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            begins_on = self._line + 1
            try:
                fields = next(reader, None)
            except csv.Error as exc:
                # Behind a quote that was never closed nothing can be told apart any more.
                self._problems.add(begins_on, f"cannot be read as CSV from here on: {exc}")
                return
            if fields is None:
                return
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(names):
                self._problems.add(begins_on, f"has {len(fields)} field(s), the header names {len(names)}")
                continue
            yield begins_on, {name: field.strip() for name, field in zip(names, fields, strict=True)}

    def _lines(self) -> Iterator[str]:
        while raw := self._file.readline(MAX_LINE_BYTES):
            self._line += 1
            self._read_bytes += len(raw)
            self._digest.update(raw)
            self._on_bytes(self._read_bytes)
            if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
                self._problems.add(self._line, f"has more than {MAX_LINE_BYTES} bytes; is this a CSV file?")
                return
            if self._line == 1:
                if raw.startswith(_OTHER_BOMS):
                    self._problems.add(1, "the file is UTF-16; save it as UTF-8")
                    return
                raw = raw.removeprefix(_BOM)
            try:
                yield raw.decode()
            except UnicodeDecodeError as exc:
                bad = raw[exc.start : exc.start + 1].hex()
                self._problems.add(self._line, f"byte {exc.start + 1} (0x{bad}) is no UTF-8; save the file as UTF-8")
                yield raw.decode(errors="replace")

    def _header(self, found: list[str]) -> list[str]:
        """The columns' own names in the file's order; empty when the header cannot be used."""
        if not found:
            if not self._problems.total:
                self._problems.add(1, f"there is no header; the columns are {choices([c.name for c in self._columns])}")
            return []
        known = {alias: column.name for column in self._columns for alias in (column.name, *column.aliases)}
        names = []
        for text in found:
            name = "_".join(text.strip().lower().replace("-", " ").replace("_", " ").split())
            if name not in known:
                allowed = did_you_mean(name, [column.name for column in self._columns])
                self._problems.add(1, f"unknown column `{text.strip()[:40]}`; known are {allowed}")
            elif known[name] in names:
                self._problems.add(1, f"column `{known[name]}` is there twice")
            else:
                names.append(known[name])
        for column in self._columns:
            if column.required and column.name not in names:
                self._problems.add(1, f"column `{column.name}` is missing")
        return [] if self._problems.total else names
