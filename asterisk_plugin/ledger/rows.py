"""Events into columns and back."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ledger.seal import unseal
from asterisk_plugin.ports import Event, EventKind, StoredEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.ledger.chain import Row

_is_event_id = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch
_is_person = re.compile(r"(?:[0-9a-f]{32})?", re.ASCII).fullmatch

# ASCII only: PostgreSQL refuses a NUL and SQLite a lone surrogate; escaped, both pass.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Draft:
    """An event ready to be written; its place in the chain is not known yet.

    Args:
        id: 32 hex characters.
        kind: `ports.EventKind` as text.
        at: As in `chain.Row`.
        person: Tag of the number, or empty.
        body: Canonical JSON.
        sealed: JSON that is not encrypted yet, or None.
    """

    id: str
    kind: str
    at: str
    person: str
    body: str
    sealed: bytes | None


def canonical_json(values: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no blanks, ASCII only.

    Raises:
        ValueError: A value that JSON has no form for.
    """
    try:
        return _encode(dict(values))
    except TypeError as exc:
        raise ValueError(str(exc)) from exc


def moment_text(moment: dt.datetime) -> str:
    """An aware moment as `chain.Row.at` holds it: always of one length, so that texts sort as moments do."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def draft_of(event: Event) -> Draft:
    """Turn an event into columns.

    What no database could take is refused here: one such event in a group would hold up all the others.

    Raises:
        ValueError: An id or person that is not 32 lower-case hex characters, a moment without a time zone,
            values that JSON has no form for, or personal data of nobody.
    """
    if not _is_event_id(event.id):
        raise ValueError(f"event id `{event.id}` is not 32 lower-case hex characters")
    if not _is_person(event.person):
        raise ValueError(f"person `{event.person}` is neither empty nor 32 lower-case hex characters")
    if event.at.tzinfo is None:
        raise ValueError(f"`{event.at}` has no time zone")
    if (event.sealed is not None or event.sealed_json is not None) and not event.person:
        raise ValueError(f"event `{event.id}` has personal data but no person whose key could seal it")
    return Draft(
        id=event.id,
        kind=EventKind(event.kind).value,
        at=moment_text(event.at),
        person=event.person,
        body=canonical_json(event.body),
        sealed=_sealable(event),
    )


def _sealable(event: Event) -> bytes | None:
    if event.sealed is None:
        return event.sealed_json
    return canonical_json(event.sealed).encode()


def stored_event(row: Row, key: bytes | None) -> StoredEvent:
    """Turn a row back into an event.

    Args:
        row: As read.
        key: The person's key, None when it is gone.

    Raises:
        LedgerBrokenError: The columns hold what no version of this program wrote.
    """
    try:
        event = Event(
            id=row.id,
            kind=EventKind(row.kind),
            at=dt.datetime.fromisoformat(row.at),
            person=row.person,
            body=json.loads(row.body),
            sealed=unseal(key, row.sealed, event_id=row.id),
        )
    except (ValueError, TypeError, AttributeError) as exc:
        raise LedgerBrokenError(row.seq, f"edited: cannot be read ({exc})") from exc
    return StoredEvent(seq=row.seq, event=event, hash=row.hash)
