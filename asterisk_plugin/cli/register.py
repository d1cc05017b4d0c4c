"""What `ringfence objections` does: asks the register, prints, writes a file, records what became of one."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from asterisk_plugin.callflow.register import Register, confirmation_of
from asterisk_plugin.cli.exporting import counted, harmless, whole_file
from asterisk_plugin.cli.fields import unprintable, visible
from asterisk_plugin.cli.given import console, read_number
from asterisk_plugin.cli.opened import keys_of_records, ledger_of, put_in_force
from asterisk_plugin.core.register import Entry, Wanted, as_values
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from asterisk_plugin.cli.opened import Keys
    from asterisk_plugin.ledger import SqlLedger
    from asterisk_plugin.settings.load import Loaded

ERASED = "erased"

COLUMNS = (
    *("number", "scope", "at", "wording", "by", "reference", "id", "channel", "certainty", "language", "path"),
    *("attempt", "state", "to_review", "withdrawn_at", "withdrawn_for", "withdrawn_by", "consent", "confirmed_at"),
    "confirmed_by",
)
"""Columns of the CSV."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An objection as somebody names it.

    Args:
        name: Reference, id, or number.
        consent: Id of a consent, or empty.
        number: The person's number, or empty.
        by: Who asks.
    """

    name: str
    consent: str
    number: str
    by: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What came of a withdrawal.

    Args:
        entries: The objections that were withdrawn.
        still: Those of the same person that still stand against the same principal.
        principal: For whom they were withdrawn.
        consent: The consent that allowed it.
        why: Why it is not in force yet; empty when it is.
    """

    entries: tuple[Entry, ...]
    still: tuple[Entry, ...]
    principal: str
    consent: str
    why: str


async def newest(loaded: Loaded, wanted: Wanted, *, most: int) -> tuple[Sequence[Entry], bool]:
    """The newest objections that somebody asks for, and whether there are more.

    Raises:
        InputError: Nothing was ever recorded here.
        LedgerError: The ledger cannot be read.
    """
    async with _register(loaded) as (register, _, _):
        page = await register.page(wanted, most=most)
        return page.entries, page.before > 0


async def search(loaded: Loaded, what: str, country: str) -> Sequence[Entry]:
    """Objections by number, reference or id, else by words; raises as `newest`."""
    async with _register(loaded) as (register, _, keys):
        found = list(await register.named(what.lower()))
        with contextlib.suppress(InputError):
            known = {entry.id for entry in found}
            of_person = await register.of_person(keys.tag(read_number(what, country).e164))
            found += [entry for entry in of_person if entry.id not in known]
        if found or not what:
            return found
        return [entry async for entry in register.entries(Wanted(text=what))]


async def export(loaded: Loaded, wanted: Wanted, file: Path | None, form: str) -> int:
    """Write objections to a file, or to standard output; returns how many. Raises as `newest`."""
    async with _register(loaded) as (register, _, _):
        if file is None:
            return await _write(register.entries(wanted), sys.stdout, form, lambda: None)
        with (
            counted("objections") as on_entry,
            whole_file(file) as draft,
            draft.open("w", newline="", encoding="utf-8") as out,
        ):
            return await _write(register.entries(wanted), out, form, on_entry)


async def withdraw(loaded: Loaded, asked: Asked, country: str) -> Withdrawal:
    """Record that a person took objections back.

    Raises:
        InputError: There is no such objection, or no consent by which it could be withdrawn; says why.
        LedgerError: It cannot be recorded.
    """
    async with _register(loaded) as (register, ledger, keys):
        entry, person = await _find(register, asked, country, keys)
        events = await register.withdrawals(person, entry.id if entry else "", consent=asked.consent, by=asked.by)
        await ledger.append(events)
        why = await put_in_force(loaded, ledger)
        after = await register.of_person(person)
        consent = str(events[0].body["consent"])
        done = {event.body["objection"] for event in events}
        principal = next(w.principal for e in after if e.id in done for w in e.withdrawn if w.consent == consent)
        still = tuple(one for one in after if one.scope in (principal, EVERYONE) and not _is_lifted(one, principal))
        return Withdrawal(tuple(one for one in after if one.id in done), still, principal, consent, why)


async def confirm(loaded: Loaded, asked: Asked, country: str) -> Entry:
    """Record that somebody looked at an objection; raises as `withdraw`."""
    async with _register(loaded) as (register, ledger, keys):
        entry, _ = await _find(register, asked, country, keys)
        if entry is None:
            raise InputError("name one objection by its reference or id")
        now = dt.datetime.now(dt.UTC)
        await ledger.append([confirmation_of(entry, secret=keys.secret, by=asked.by, now=now)])
        return entry


def show(entries: Sequence[Entry]) -> None:
    """Print entries as a table."""
    out = Table("reference", "number", "against", "when", "came by", "state", "wording")
    for entry in entries:
        came = ", ".join(filter(None, (entry.channel, entry.path, entry.certainty, entry.by)))
        texts = (
            *(entry.reference, entry.number or ERASED, _whom(entry.scope), f"{entry.at:%Y-%m-%d %H:%M} UTC", came),
            *(_state(entry), entry.wording),
        )
        out.add_row(*(Text(visible(text)) for text in texts))
    console().print(out)


def dumps(values: Any) -> str:
    """JSON for people and programs; nothing in it steers a terminal."""
    return _dumped(values, indent=2)


def _dumped(values: Any, *, indent: int | None = None) -> str:
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    for one in set(unprintable(text)):
        text = text.replace(one, json.dumps(one)[1:-1])
    return text


@contextlib.asynccontextmanager
async def _register(loaded: Loaded) -> AsyncIterator[tuple[Register, SqlLedger, Keys]]:
    keys = keys_of_records(loaded)
    async with ledger_of(keys, create=False) as ledger:
        yield Register(ledger, clock=lambda: dt.datetime.now(dt.UTC)), ledger, keys


async def _find(register: Register, asked: Asked, country: str, keys: Keys) -> tuple[Entry | None, str]:
    """The one objection that is meant, None for all of a person; and the person's tag."""
    tag = keys.tag(read_number(asked.number, country).e164) if asked.number else ""
    found = [entry for entry in await register.named(asked.name.lower()) if tag in ("", entry.person)]
    if len(found) > 1:
        raise InputError(f"{len(found)} people have the reference `{asked.name}`; add --number")
    if found:
        return found[0], found[0].person
    try:
        person = keys.tag(read_number(asked.name, country).e164)
    except InputError:
        person = ""
    if not person or not await register.of_person(person):
        raise InputError(f"there is no objection `{asked.name[:40]}`")
    return None, person


def _is_lifted(entry: Entry, principal: str) -> bool:
    return any(one.holds and one.principal == principal for one in entry.withdrawn)


def _whom(scope: str) -> str:
    return "everyone" if scope == EVERYONE else scope


def _state(entry: Entry) -> str:
    lifted = sorted({one.principal for one in entry.withdrawn if one.holds})
    state = f"{entry.state.value} ({', '.join(lifted)})" if lifted else entry.state.value
    return f"{state}, to review" if entry.to_review else state


async def _write(entries: AsyncIterator[Entry], out: IO[str], form: str, on_entry: Callable[[], None]) -> int:
    rows = 0
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n") if form == "csv" else None
    if table is not None:
        table.writeheader()
    async for entry in entries:
        if table is not None:
            table.writerow(_cells(entry))
        else:
            out.write(_dumped(as_values(entry)) + "\n")
        rows += 1
        on_entry()
    return rows


def _cells(entry: Entry) -> dict[str, str]:
    values = {name: str(value) for name, value in as_values(entry).items() if not isinstance(value, list)}
    gone = entry.withdrawn[-1] if entry.withdrawn else None
    looked = entry.confirmed[-1] if entry.confirmed else None
    values |= {
        "withdrawn_at": gone.at.isoformat() if gone else "",
        "withdrawn_for": ",".join(sorted({one.principal for one in entry.withdrawn if one.holds})),
        "withdrawn_by": gone.by if gone else "",
        "consent": gone.consent if gone else "",
        "confirmed_at": looked.at.isoformat() if looked else "",
        "confirmed_by": looked.by if looked else "",
    }
    texts = {name: values.get(name, "") for name in COLUMNS}
    # What a stranger said must not become a formula in somebody's spreadsheet; a number's own + is ours.
    return {name: text if name == "number" else harmless(text) for name, text in texts.items()}
