"""What the ledger holds, for people to read: one person's records, one attempt, one objection."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from asterisk_plugin.cli.given import console, say
from asterisk_plugin.cli.opened import keys_of_records, ledger_of
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asterisk_plugin.core.number import PhoneNumber
    from asterisk_plugin.ports import StoredEvent
    from asterisk_plugin.settings.load import Loaded

ERASED = "erased"
"""Stands where personal data was: the person's key is gone, or the event never had any."""

_RECORDS = (
    *(EventKind.OBJECTION, EventKind.OBJECTION_WITHDRAWN, EventKind.OBJECTION_CONFIRMED),
    *(EventKind.CONSENT, EventKind.CONSENT_WITHDRAWN, EventKind.RELATIONSHIP),
    EventKind.REFUSAL,
)
_STEPS = (EventKind.ATTEMPT, EventKind.TRUNK, EventKind.OUTCOME)


def show(loaded: Loaded, number: PhoneNumber, *, as_json: bool) -> None:
    """Print what was recorded of a person, oldest first.

    Raises:
        InputError: Nothing was ever recorded here at all.
    """
    found = asyncio.run(_records_of(loaded, number))
    if as_json:
        say(dumps([as_values(stored) for stored in found]))
    elif not found:
        say(f"nothing is recorded of {number.e164}")
    else:
        console().print(table(found))


async def find(loaded: Loaded, name: str) -> tuple[StoredEvent, ...]:
    """Everything that belongs to an id or reference, oldest first.

    Args:
        loaded: The configuration.
        name: Id of an event, which for an attempt is its token as well; or what a person quotes of an objection.

    Returns:
        The event; of an attempt also what became of it on the trunk and at the end.
    """
    async with ledger_of(keys_of_records(loaded), create=False) as ledger:
        found = await ledger.find(name)
        if len(found) != 1 or found[0].event.kind not in _STEPS or not found[0].event.person:
            return found
        attempt = found[0].event.body.get("attempt_id")
        of_person = await ledger.find_by_person(found[0].event.person)
    return tuple(
        stored for stored in of_person if stored.event.kind in _STEPS and stored.event.body.get("attempt_id") == attempt
    )


def as_values(stored: StoredEvent) -> dict[str, Any]:
    """An event as JSON-able values; `sealed` is null when there is no personal data, or no longer."""
    event = stored.event
    return {
        "row": stored.seq,
        "id": event.id,
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        **{"body": dict(event.body), "sealed": None if event.sealed is None else dict(event.sealed)},
        "hash": stored.hash,
    }


def dumps(values: Any) -> str:
    """JSON for people and programs."""
    return json.dumps(values, indent=2, ensure_ascii=False)


def table(found: Iterable[StoredEvent]) -> Table:
    """One line for each event, and what it says without empty values."""
    out = Table("row", "when", "what", "says", "personal data")
    for stored in found:
        event = stored.event
        sealed = Text(ERASED, style="dim") if event.sealed is None and event.person else _said(event.sealed or {})
        when = f"{event.at:%Y-%m-%d %H:%M:%S} UTC"
        out.add_row(str(stored.seq), when, event.kind.value, _said({**event.body, "id": event.id}), sealed)
    return out


def findings_table(verdict: Mapping[str, Any]) -> Table:
    """The findings of a recorded verdict, as `check` shows them."""
    out = Table("rule", "finding", "what was found", "source")
    for finding in verdict.get("findings", ()):
        source = finding.get("source") or {}
        texts = (finding["rule"], finding["decision"], finding["sentence"], source.get("text", ""))
        out.add_row(*(Text(str(text)) for text in texts))
    return out


async def _records_of(loaded: Loaded, number: PhoneNumber) -> list[StoredEvent]:
    keys = keys_of_records(loaded)
    async with ledger_of(keys, create=False) as ledger:
        found = await ledger.find_by_person(keys.tag(number.e164))
    return [stored for stored in found if stored.event.kind in _RECORDS]


def _said(values: Mapping[str, Any]) -> Text:
    # A verdict and its facts have a table, or JSON, of their own.
    plain = {name: value for name, value in values.items() if value and not isinstance(value, dict)}
    return Text("\n".join(f"{name}: {_plain(value)}" for name, value in plain.items()))


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
