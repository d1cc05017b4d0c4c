"""Waits, read back from the ledger: one value each, as they come, with little held at a time.

Rows are read newest first: when the row that begins a wait comes, all its others have been seen.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.core.queue_wait import Told, Wait
from asterisk_plugin.core.verdict import Decision
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import LedgerBrokenError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from asterisk_plugin.ports import Event, StoredEvent

LONGEST = dt.timedelta(days=1)
"""So far beyond a period the rows of waits are looked for that stand with one foot in it."""


class WaitLedger(Protocol):
    """What is asked of the ledger here."""

    def queue_events(self, *, before: dt.datetime | None = None) -> AsyncIterator[StoredEvent]:
        """What happened in queues before a moment (None: all), newest first by its moment."""
        ...


@dataclass(slots=True)
class _Rows:
    """Rows of one wait, as far as they were read."""

    queue: str
    first_at: dt.datetime
    told: list[Told] = field(default_factory=list)
    left: dict[str, Any] = field(default_factory=dict)


async def read_waits(
    ledger: WaitLedger, *, queue: str = "", since: dt.datetime | None = None, until: dt.datetime | None = None
) -> AsyncIterator[Wait]:
    """Every wait that began in a period, newest first; then those that have no beginning.

    Args:
        ledger: Where they are.
        queue: Only those in this queue; empty for all.
        since: Begun at or after this moment (aware).
        until: Begun before this moment (aware). A wait that ended more than `LONGEST` after it shows no end.

    Yields:
        Waits. One without `joined_at` was told something, or left, in the period, and no row within `LONGEST`
        before says that it began.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    unbegun: dict[str, _Rows] = {}
    called_back: dict[str, bool] = {}
    async for stored in ledger.queue_events(before=None if until is None else until + LONGEST):
        at, is_before = stored.event.at, since is not None and stored.event.at < since
        if since is not None and is_before and (not unbegun or at < since - LONGEST):
            break
        if stored.event.kind is EventKind.QUEUE_CALLED_BACK:
            called_back[str(stored.event.body.get("wish"))] = stored.event.body.get("decision") == Decision.ALLOW
            continue
        name, of_queue = _names(stored)
        if queue not in ("", of_queue):
            continue
        if stored.event.kind is EventKind.QUEUE_JOINED:
            rows = unbegun.pop(name, None)
            if not is_before and (until is None or at < until):
                yield _wait(stored, name, rows or _Rows(of_queue, at))
        elif not is_before:
            _add(unbegun.setdefault(name, _Rows(of_queue, at)), stored, called_back)
    for name, rows in unbegun.items():
        if until is None or rows.first_at < until:
            yield _wait(None, name, rows)


def _names(stored: StoredEvent) -> tuple[str, str]:
    """Which wait a row is about, and in which queue."""
    body = stored.event.body
    try:
        return str(body["wait"]), str(body["queue"])
    except KeyError as exc:
        raise _unreadable(stored, exc) from exc


def _add(rows: _Rows, stored: StoredEvent, called_back: Mapping[str, bool]) -> None:
    rows.first_at = stored.event.at  # they come newest first
    try:
        if stored.event.kind is EventKind.QUEUE_LEFT:
            rows.left = _left(stored.event) | {"called_back": called_back.get(stored.event.body.get("wish") or "")}
        else:
            rows.told.append(_told(stored.event))
    except (KeyError, TypeError, ValueError) as exc:
        raise _unreadable(stored, exc) from exc


def _wait(joined: StoredEvent | None, name: str, rows: _Rows) -> Wait:
    begun: dict[str, Any] = {}
    if joined is not None:
        body = joined.event.body
        begun = {
            "principal": str(body.get("principal") or ""),
            "joined_at": joined.event.at,
            "unanswered": body.get("unanswered"),
        }
    return Wait(name, rows.queue, told=tuple(reversed(rows.told)), **begun, **rows.left)


def _told(event: Event) -> Told:
    body = event.body
    return Told(
        at=event.at,
        waited_s=_seconds(body["waited_s"]),
        said=tuple(body["said"]),
        estimate_s=_seconds(body["estimate_s"]),
        is_whole=bool(body["is_whole"]),
    )


def _left(event: Event) -> dict[str, Any]:
    body = event.body
    charged_from = body["charged_from"]
    return {
        "left_at": event.at,
        "how": Left(body["how"]),
        "waited_s": _seconds(body["waited_s"]),
        "charged_from": None if charged_from is None else dt.datetime.fromisoformat(charged_from),
        "agent": str(body.get("agent") or ""),
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)


def _unreadable(stored: StoredEvent, exc: Exception) -> LedgerBrokenError:
    return LedgerBrokenError(stored.seq, f"edited, or of a newer version: no row about a queue ({exc!r})")
