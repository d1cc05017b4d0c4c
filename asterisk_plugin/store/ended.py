"""How calls ended: ledger rows to what is written about the number and about its campaign, and back to facts. Pure.

A campaign's calls are counted by the site's days. A row may be applied twice, by two processes and in any order, so
each block of rows has a key with a bit for each that was counted.
"""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from asterisk_plugin.core.attempt_end import Outcome, end_of
from asterisk_plugin.core.facts import EndedCall
from asterisk_plugin.core.rate_parameters import After
from asterisk_plugin.errors import LedgerBrokenError, StoreCorruptError
from asterisk_plugin.ports import EventKind
from asterisk_plugin.store import keys
from asterisk_plugin.store.records import epoch_ms, moment_of, write_of
from asterisk_plugin.store.writes import Count, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asterisk_plugin.core.attempt_end import AttemptEnd
    from asterisk_plugin.ports import StoredEvent

LOCKING = frozenset({Outcome.SILENT, Outcome.ABANDONED, Outcome.MACHINE, Outcome.PERSON})
"""Ends that are remembered of each number: those that may lock it, and the one that unlocks it."""


def writes_of(stored: StoredEvent, zone: str) -> tuple[Write | Count, ...]:
    """The writes that a ledger row asks for; none when it concerns no decision.

    Args:
        stored: The row.
        zone: By whose days the campaigns' calls are counted.

    Raises:
        LedgerBrokenError: The row should say something about a person or campaign and cannot be understood.
    """
    kind = stored.event.kind
    if kind not in {EventKind.ATTEMPT_ENDED, EventKind.REFUSAL}:
        write = write_of(stored)
        return () if write is None else (write,)
    try:
        return _ended(stored, zone) if kind is EventKind.ATTEMPT_ENDED else _refused(stored)
    except (KeyError, ValueError, TypeError, AttributeError, zoneinfo.ZoneInfoNotFoundError) as exc:
        raise LedgerBrokenError(stored.seq, f"its {kind.value} cannot be understood: {exc!r}") from exc


def _ended(stored: StoredEvent, zone: str) -> tuple[Write | Count, ...]:
    end = end_of(stored.event.body)
    if not end.campaign:  # an emergency call
        return ()
    count = Count(end.campaign, _day_key(end, zone), end.outcome, stored.seq, end.attempt_id, epoch_ms(end.began_at))
    if end.outcome not in LOCKING or not stored.event.person:
        return (count,)
    return count, _latest(stored, end.outcome, end.principal, end.campaign)


def _day_key(end: AttemptEnd, zone: str) -> str:
    if end.began_at.tzinfo is None:
        raise ValueError("`began_at` has no time zone")
    return keys.campaign_day(end.campaign, zone, end.began_at.astimezone(zoneinfo.ZoneInfo(zone)).date().isoformat())


def _refused(stored: StoredEvent) -> tuple[Write, ...]:
    body = stored.event.body
    return (_latest(stored, After.REFUSAL, body["principal"], body.get("campaign") or ""),)


def _latest(stored: StoredEvent, what: str, principal: str, campaign: str) -> Write:
    """By the moment and not by the row: one that was written down late does not hide a later call."""
    person = stored.event.person
    if len(person) < 2 or not principal or "|" in principal:
        raise ValueError("person or principal is missing")
    return Write(person, keys.ended(person), False, f"{what}|{principal}|{campaign}", epoch_ms(stored.event.at))


def read_ended(flat: Sequence[bytes]) -> tuple[EndedCall, ...]:
    """How calls to a number ended, from (field, epoch ms, ...).

    Raises:
        StoreCorruptError: A record that cannot be read.
    """
    found = []
    for name, raw in zip(flat[::2], flat[1::2], strict=True):
        try:
            what, principal, campaign = name.decode().split("|", 2)
            found.append(EndedCall(what, principal, campaign, moment_of(int(raw))))
        except (ValueError, OverflowError, OSError) as exc:
            raise StoreCorruptError(f"how a call ended cannot be read: {exc!r}") from exc
    return tuple(sorted(found, key=lambda call: (call.at, call.what, call.principal, call.campaign)))
