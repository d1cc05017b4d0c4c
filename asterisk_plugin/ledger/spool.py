"""What a long import is about to write, prepared without holding up anybody: sealed, and each event once.

SQLite keeps a database without a name in a file that is deleted as soon as it is open, so a process that
is killed leaves nothing behind.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.ledger.rows import Draft
from asterisk_plugin.ledger.seal import new_person_key, seal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_CREATE = """
CREATE TABLE drafts (
  place INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, at TEXT, person TEXT, body TEXT,
  plain BLOB, key BLOB, key_is_new INTEGER, sealed BLOB)
"""
_ADD = "INSERT OR IGNORE INTO drafts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = (
    "SELECT id, kind, at, person, body, plain, key, key_is_new, sealed FROM drafts"
    " WHERE place > ? ORDER BY place LIMIT ?"
)
_KEY_OF = "SELECT key FROM drafts WHERE person = ? AND key_is_new LIMIT 1"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft and its personal data, sealed already.

    Args:
        draft: The draft, with its personal data in plain.
        key: The person's key that sealed it; None when there is nothing to seal.
        key_is_new: The person had no key yet.
        sealed: The sealed data, None when there is nothing to seal.
    """

    draft: Draft
    key: bytes | None
    key_is_new: bool
    sealed: bytes | None


class Spool:
    """Drafts in the order they came, on disk when they are many."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(_CREATE)
        self._database.execute("CREATE INDEX of_person ON drafts (person)")
        self._database.execute("BEGIN")

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM drafts").fetchone()[0])

    def close(self) -> None:
        """Throw everything away."""
        self._database.close()

    def add(self, drafts: Sequence[Draft], *, known: Collection[str], keys: Mapping[str, bytes]) -> None:
        """Seal and keep drafts; of several with one id the first counts.

        Args:
            drafts: In order.
            known: Ids that are in the ledger already; left out.
            keys: Keys of those persons who have one.
        """
        fresh = [draft for draft in drafts if draft.id not in known]
        made: dict[str, bytes] = {}
        rows: list[tuple[object, ...]] = []
        for draft in fresh:
            if draft.sealed is None:
                rows.append((draft.id, draft.kind, draft.at, draft.person, draft.body, None, None, 0, None))
                continue
            key = keys.get(draft.person) or made.get(draft.person) or self._made_before(draft.person)
            if key is None:
                key = made[draft.person] = new_person_key()
            sealed = seal(key, draft.sealed, event_id=draft.id)
            key_is_new = draft.person not in keys
            rows.append(
                (draft.id, draft.kind, draft.at, draft.person, draft.body, draft.sealed, key, key_is_new, sealed)
            )
        self._database.executemany(_ADD, rows)

    def portions(self, rows: int) -> Iterator[list[Prepared]]:
        """Everything in order, so many at a time."""
        place = 0
        while found := self._database.execute(_READ, (place, rows)).fetchall():
            place += len(found)
            yield [
                Prepared(Draft(id_, kind, at, person, body, plain), key, bool(is_new), sealed)
                for id_, kind, at, person, body, plain, key, is_new, sealed in found
            ]

    def _made_before(self, person: str) -> bytes | None:
        row = self._database.execute(_KEY_OF, (person,)).fetchone()
        return None if row is None else row[0]
