"""Everything that a report counted, as one JSON file: the figures, then each attempt with its row of the ledger."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asterisk_plugin.ports import StoredEvent


@dataclass(slots=True)
class EvidenceFile:
    """Takes attempts as they come, and writes the figures before them when they are known. Holds none in memory.

    Args:
        file: Where to; it is overwritten.
        attempts: Where they lie until then.
        count: How many there are.
    """

    file: Path
    attempts: IO[str]
    count: int = 0

    def add(self, stored: StoredEvent) -> None:
        """Take one attempt: what the ledger says of its end, and where."""
        row = {"row": stored.seq, "hash": stored.hash, "ended_at": stored.event.at.isoformat(), **stored.event.body}
        self.attempts.write(f"{',' if self.count else ''}\n    {json.dumps(row)}")
        self.count += 1

    def finish(self, values: dict[str, Any]) -> None:
        """Write the file.

        Args:
            values: What stands before the attempts, JSON-able.

        Raises:
            OSError: It cannot be written.
        """
        self.attempts.seek(0)
        with self.file.open("w", encoding="utf-8") as out:
            out.write(json.dumps(values, indent=2).removesuffix("\n}"))
            out.write(',\n  "attempts": [')
            shutil.copyfileobj(self.attempts, out)
            out.write("\n  ]\n}\n" if self.count else "]\n}\n")


@contextlib.contextmanager
def evidence_file(file: Path) -> Iterator[EvidenceFile]:
    """An evidence file to fill.

    Raises:
        OSError: There is no room.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as attempts:
        yield EvidenceFile(file, attempts)
