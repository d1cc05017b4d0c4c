"""Looks objections up in the ledger, and writes what became of one: withdrawn, confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.callflow.records import id_of_content
from asterisk_plugin.callflow.withdrawal import objections_of, why_not, withdrawal_of, withdrawn
from asterisk_plugin.core.register import Confirmed, Entry, Wanted
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Mapping, Sequence

    from asterisk_plugin.ports import Clock, StoredEvent

ROWS_PER_STEP = 100
"""Rows read at a time: few, so that whoever waits for the same readers of the ledger waits shortly."""


class RegisterLedger(Protocol):
    """What is asked of the ledger here."""

    async def objections(self, *, before: int, most: int, reference: str = "") -> Sequence[StoredEvent]:
        """Objections before this seq (0: all), newest first, with their personal data."""
        ...

    async def objection_changes(self) -> Sequence[StoredEvent]:
        """Every withdrawal and confirmation, oldest first."""
        ...

    async def find_by_person(self, person: str) -> Sequence[StoredEvent]:
        """Every event about a person, oldest first."""
        ...

    async def find(self, name: str) -> Sequence[StoredEvent]:
        """Events with this id."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of the register.

    Args:
        entries: Newest first.
        before: Where the next page begins; 0 when there is none.
    """

    entries: tuple[Entry, ...]
    before: int = 0


class Register:
    """The register of one site.

    Args:
        ledger: Where it is.
        clock: The present moment.
    """

    def __init__(self, ledger: RegisterLedger, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def page(self, wanted: Wanted, *, before: int = 0, most: int = 50, most_rows: int | None = None) -> Page:
        """Entries that somebody asks for, newest first.

        Args:
            wanted: Which.
            before: Where to begin: the `before` of the page before; 0 for the newest.
            most: So many at most, at least one.
            most_rows: Look at so many rows at most, at least one; then a page may hold few entries, or none,
                and yet be followed by another. None for all.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        found: list[Entry] = []
        looked_at = 0
        async for entry in self._all(before):
            if wanted.matches(entry):
                if len(found) == most:
                    return Page(tuple(found), found[-1].row)
                found.append(entry)
            looked_at += 1
            if looked_at == most_rows:
                return Page(tuple(found), entry.row)
        return Page(tuple(found))

    async def entries(self, wanted: Wanted, *, before: int = 0) -> AsyncIterator[Entry]:
        """Every entry that somebody asks for, newest first; raises as `page`."""
        async for entry in self._all(before):
            if wanted.matches(entry):
                yield entry

    async def of_person(self, person: str) -> tuple[Entry, ...]:
        """A person's objections, newest first; raises as `page`.

        Args:
            person: `core.person.person_tag` of the number.
        """
        events = await self._ledger.find_by_person(person)
        changes = _by_objection(events)
        rows = reversed(objections_of(events))
        return tuple([await self._entry(stored, changes.get(stored.event.id, ()), events) for stored in rows])

    async def named(self, name: str) -> tuple[Entry, ...]:
        """Objections with this id or reference, newest first; raises as `page`.

        Two people may have been given the same reference: with the number it is one.
        """
        rows = objections_of(await self._ledger.find(name)) if len(name) == 32 else ()
        rows = rows or tuple(await self._ledger.objections(before=0, most=ROWS_PER_STEP, reference=name))
        if not rows:
            return ()
        changes = _by_objection(await self._ledger.objection_changes())
        return tuple([await self._entry(stored, changes.get(stored.event.id, ())) for stored in rows])

    async def withdrawals(self, person: str, objection: str, *, consent: str, by: str) -> tuple[Event, ...]:
        """What is to be recorded when a person takes objections back; writes nothing.

        Args:
            person: The person's tag.
            objection: Id of the one; empty for all that the consent can lift and that stand against its principal.
            consent: Id of the later consent; empty for the newest that serves.
            by: Who enters it.

        Returns:
            One event for each objection, at least one.

        Raises:
            InputError: There is no such objection, no such consent, or it cannot be withdrawn by it; says why.
            LedgerError: The ledger cannot be read.
        """
        events, now = await self._ledger.find_by_person(person), self._clock()
        asked = [one for one in objections_of(events) if objection in ("", one.event.id)]
        if not asked:
            raise InputError("this person has no such objection")
        given = _consent(events, consent, asked, now)
        principal = given.event.body["principal"]
        entries = {entry.id: entry for entry in await self.of_person(person)}
        standing = [
            one
            for one in asked
            if one.event.body["scope"] in (principal, EVERYONE) or objection
            if not any(gone.holds and gone.principal == principal for gone in entries[one.event.id].withdrawn)
        ]
        if not standing:
            raise InputError(f"no objection stands against calls for `{principal}`")
        return tuple(
            withdrawal_of(one.event, given, events, number=_sealed(given).get("number", ""), by=by, now=now)
            for one in standing
        )

    async def _all(self, before: int) -> AsyncIterator[Entry]:
        changes = _by_objection(await self._ledger.objection_changes())
        while True:
            rows = await self._ledger.objections(before=before, most=ROWS_PER_STEP)
            for stored in rows:
                yield await self._entry(stored, changes.get(stored.event.id, ()))
            if len(rows) < ROWS_PER_STEP:
                return
            before = rows[-1].seq

    async def _entry(
        self, stored: StoredEvent, changes: Sequence[StoredEvent], events: Sequence[StoredEvent] | None = None
    ) -> Entry:
        event, sealed = stored.event, _sealed(stored)
        gone = [change for change in changes if change.event.kind is EventKind.OBJECTION_WITHDRAWN]
        if gone and events is None:
            events = await self._ledger.find_by_person(event.person)
        texts = ("reference", "scope", "channel", "by", "certainty", "other_number", "attempt_id", "language", "path")
        return Entry(
            row=stored.seq,
            person=event.person,
            id=event.id,
            at=event.at,
            number=str(sealed.get("number") or ""),
            wording=str(sealed.get("wording") or ""),
            withdrawn=tuple(withdrawn(event, change.event, events or (), self._clock()) for change in gone),
            confirmed=tuple(
                Confirmed(change.event.at, str(change.event.body.get("by") or ""))
                for change in changes
                if change.event.kind is EventKind.OBJECTION_CONFIRMED
            ),
            **{name: str(event.body.get(name) or "") for name in texts},
        )


def confirmation_of(entry: Entry, *, secret: bytes, by: str, now: dt.datetime) -> Event:
    """An admin looked at an objection of lower certainty and found it right; the same one twice is recorded once.

    Args:
        entry: The objection.
        secret: The site's secret.
        by: Who looked.
        now: When (aware).
    """
    event_id = id_of_content(secret, EventKind.OBJECTION_CONFIRMED, {"objection": entry.id, "by": by})
    return Event(event_id, EventKind.OBJECTION_CONFIRMED, now, entry.person, {"objection": entry.id, "by": by})


def _by_objection(events: Sequence[StoredEvent]) -> Mapping[str, list[StoredEvent]]:
    found: dict[str, list[StoredEvent]] = {}
    for stored in events:
        if stored.event.kind in (EventKind.OBJECTION_WITHDRAWN, EventKind.OBJECTION_CONFIRMED):
            found.setdefault(stored.event.body["objection"], []).append(stored)
    return found


def _consent(
    events: Sequence[StoredEvent], name: str, objections: Sequence[StoredEvent], now: dt.datetime
) -> StoredEvent:
    """The consent that was named, else the newest by which one of the objections can be withdrawn."""
    consents = [one for one in events if one.event.kind is EventKind.CONSENT]
    if name:
        named = [one for one in consents if one.event.id == name]
        if not named:
            raise InputError(f"this person gave no consent `{name[:40]}`")
        return named[0]
    serving = [c for c in consents if any(not why_not(o.event, c, events, now) for o in objections)]
    principals = {c.event.body["principal"] for c in serving}
    if len(principals) > 1:
        raise InputError("the person gave later consents to several principals; name one with its id")
    if not serving:
        last = f": {why_not(objections[-1].event, consents[-1], events, now)}" if consents else ""
        raise InputError(f"the person gave no consent that could withdraw it{last}")
    return serving[-1]


def _sealed(stored: StoredEvent) -> Mapping[str, Any]:
    sealed = stored.event.sealed
    # Read back from the ledger it is a mapping, or nothing when the person's key is gone.
    return {} if sealed is None or isinstance(sealed, bytes) else sealed
