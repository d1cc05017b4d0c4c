"""`ringfence object`, `consent`, `relationship`: what people said, into the ledger.

Rule 1: the ledger first. What is recorded is durable before anything is said about it; the store follows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path  # typer reads this type at run time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asterisk_plugin.cli.given import given, read_number, read_principal, say
from asterisk_plugin.cli.import_file import columns_help
from asterisk_plugin.cli.import_rows import CONSENT_COLUMNS, RELATIONSHIP_COLUMNS
from asterisk_plugin.cli.opened import hold_until_in_force, keys_to_write, ledger_of, put_in_force
from asterisk_plugin.core.site import EVERYONE, Purpose
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    from asterisk_plugin.cli.fields import Desk
    from asterisk_plugin.ports import Event
    from asterisk_plugin.settings.load import Loaded

consent = typer.Typer(help="Permissions to call.", no_args_is_help=True)
relationship = typer.Typer(help="Who is, or was, a customer.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="The person's number, national or international.")]
Country = Annotated[
    str, typer.Option(metavar="CC", help="Where numbers in national form belong; default: the site's home country.")
]
By = Annotated[str, typer.Option(metavar="WHO", help="Who enters it.")]
File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8; comma, semicolon or tab; with a header.")]

Principal = Annotated[str, typer.Option(metavar="ID", help="The principal's id.")]
PurposeOption = Annotated[str, typer.Option(help=f"One of {', '.join(Purpose)}.")]


def object_(
    ctx: typer.Context,
    number: Number,
    principal: Annotated[str, typer.Option(metavar="ID", help="Against calls for this principal.")] = "",
    everyone: Annotated[bool, typer.Option("--everyone", help="Against calls for every principal.")] = False,
    by: By = "",
    channel: Annotated[
        Literal["cli", "agent"], typer.Option(help="How it was received: by an agent on the phone, or otherwise.")
    ] = "cli",
    wording: Annotated[str, typer.Option(metavar="TEXT", help="What the person said.")] = "",
    country: Country = "",
) -> None:
    """Record that a person does not want to be called; prints the reference they can quote.

    It holds from the next decision on, also for calls that are allowed but not dialled yet, and has no end date.
    """
    from asterisk_plugin.cli.import_rows import objection_of, take

    loaded = given(ctx).load()
    scope = scope_of(loaded, principal, everyone=everyone)
    if not scope:
        raise InputError("say whom the objection is against: --principal ID, or --everyone")
    desk = desk_of(loaded, country=country, channel=channel, by=by)
    event = take(objection_of, {"number": number, "scope": scope, "wording": wording}, desk)
    event = replace(event, body={**event.body, "certainty": "stated"})
    why = record(desk, event)
    assert isinstance(event.sealed, dict)
    whom = "anyone" if scope == EVERYONE else loaded.principals[scope].name
    say(f"{event.body['reference']}  {event.sealed['number']} is not to be called for {whom} any more")
    say_when(why)


@consent.command("add")
def add_consent(
    ctx: typer.Context,
    number: Number,
    principal: Principal,
    purpose: PurposeOption,
    product: Annotated[str, typer.Option(help="Product group of the campaigns it covers; `any` for all.")],
    given_at: Annotated[str, typer.Option(metavar="TIME", help="When it was given; default: now.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="Until when, if the person or the wording says so.")
    ] = "",
    kind: Annotated[
        Literal["express", "requested-call"], typer.Option(help="Requested-call: the person asked to be called.")
    ] = "express",
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Requested call: not before.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Requested call: not after.")] = "",
    name: Annotated[str, typer.Option(metavar="TEXT", help="Who gave it.")] = "",
    address: Annotated[str, typer.Option(metavar="TEXT", help="Where they live.")] = "",
    wording: Annotated[str, typer.Option(metavar="TEXT", help="What exactly they agreed to.")] = "",
    proof: Annotated[str, typer.Option(metavar="TEXT", help="Where the proof is: a recording, a form, a log.")] = "",
    by: By = "",
    country: Country = "",
) -> None:
    """Record that a person allows calls. Times: 2026-11-24 or 2026-11-24T11:00, where the person is."""
    from asterisk_plugin.cli.import_rows import consent_of, take

    desk = desk_of(given(ctx).load(), country=country, channel="cli", by=by)
    values = {"number": number, "principal": principal, "purpose": purpose, "product": product, "kind": kind}
    values |= {"given_at": given_at or desk.now.isoformat(), "expires_at": expires}
    values |= {"callable_from": start, "callable_until": until}
    values |= {"name": name, "address": address, "wording": wording, "proof": proof}
    event = take(consent_of, values, desk)
    why = record(desk, event)
    say(f"{event.id}  consent to {purpose} calls for {principal}, {product}")
    say_when(why)


@consent.command("withdraw")
def withdraw_consent(
    ctx: typer.Context,
    number: Number,
    principal: Principal,
    purpose: PurposeOption,
    product: Annotated[str, typer.Option(help="Only for this product group; default: all of them.")] = "any",
    by: By = "",
    country: Country = "",
) -> None:
    """Record that a person takes a permission back; it ends every consent given before."""
    from asterisk_plugin.cli.import_rows import take, withdrawal_of

    desk = desk_of(given(ctx).load(), country=country, channel="cli", by=by)
    values = {"number": number, "principal": principal, "purpose": purpose, "product": product}
    event = take(withdrawal_of, values, desk)
    why = record(desk, event)
    say(f"{event.id}  no consent to {purpose} calls for {principal} any more ({product})")
    say_when(why)


@consent.command("show")
def show_consent(
    ctx: typer.Context,
    number: Number,
    country: Country = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was recorded of a person: consents, relationships, objections; oldest first."""
    from asterisk_plugin.cli.history import show

    loaded = given(ctx).load()
    show(loaded, read_number(number, country_of(country) or loaded.site.home_country), as_json=as_json)


@relationship.command("add")
def add_relationship(
    ctx: typer.Context,
    number: Number,
    principal: Principal,
    product: Annotated[str, typer.Option(help="Product group bought.")],
    started_on: Annotated[str, typer.Option(metavar="DATE", help="First day as a customer.")],
    ended_on: Annotated[str, typer.Option(metavar="DATE", help="Last day of the contract, once it ended.")] = "",
    last_purchase_on: Annotated[str, typer.Option(metavar="DATE", help="Day of the last purchase.")] = "",
    by: By = "",
    country: Country = "",
) -> None:
    """Record that a person is, or was, a customer. Dates: 2026-11-24."""
    from asterisk_plugin.cli.import_rows import relationship_of, take

    desk = desk_of(given(ctx).load(), country=country, channel="cli", by=by)
    values = {"number": number, "principal": principal, "product": product}
    values |= {"started_on": started_on, "ended_on": ended_on, "last_purchase_on": last_purchase_on}
    event = take(relationship_of, values, desk)
    why = record(desk, event)
    say(f"{event.id}  customer of {principal}, {product}")
    say_when(why)


@consent.command("import", epilog=columns_help(CONSENT_COLUMNS))
def import_consents(ctx: typer.Context, file: File, by: By = "", country: Country = "") -> None:
    """Import consents: every line, or none when one is wrong; a repeated file adds nothing."""
    from asterisk_plugin.cli.import_rows import consent_of
    from asterisk_plugin.cli.imports import Kind, import_file

    desk = desk_of(given(ctx).load(), country=country, channel="import", by=by, repeatable=True)
    import_file(file, Kind("consents", CONSENT_COLUMNS, consent_of), desk)


@relationship.command("import", epilog=columns_help(RELATIONSHIP_COLUMNS))
def import_relationships(ctx: typer.Context, file: File, by: By = "", country: Country = "") -> None:
    """Import customer relationships: every line, or none when one is wrong; a repeated file adds nothing."""
    from asterisk_plugin.cli.import_rows import relationship_of
    from asterisk_plugin.cli.imports import Kind, import_file

    desk = desk_of(given(ctx).load(), country=country, channel="import", by=by, repeatable=True)
    import_file(file, Kind("relationships", RELATIONSHIP_COLUMNS, relationship_of), desk)


def scope_of(loaded: Loaded, principal: str, *, everyone: bool) -> str:
    """Whom an objection is against, by the options of a command; empty when they do not say.

    Raises:
        InputError: Both were given, or there is no such principal.
    """
    if principal and everyone:
        raise InputError("--principal and --everyone exclude each other")
    if everyone:
        return EVERYONE
    return read_principal(loaded, principal).id if principal else ""


def desk_of(
    loaded: Loaded, *, country: str, channel: str, by: str = "", repeatable: bool = False, scope: str = ""
) -> Desk:
    """Where a command takes records in; makes the data directory on first use."""
    from asterisk_plugin.cli.fields import Desk

    return Desk(
        loaded=loaded,
        keys=keys_to_write(loaded),
        country=country_of(country) or loaded.site.home_country,
        now=dt.datetime.now(dt.UTC),
        channel=channel,
        repeatable=repeatable,
        scope=scope,
        by=by,
    )


def country_of(text: str) -> str:
    """A country somebody typed, in capitals; empty for none.

    Raises:
        InputError: It is none.
    """
    import phonenumbers

    code = text.strip().upper()
    if code and code not in phonenumbers.SUPPORTED_REGIONS:
        raise InputError(f"`{text[:40]}` is no country; two letters such as NL or DE are")
    return code


def record(desk: Desk, event: Event) -> str:
    """Write an event; returns why it is not in force yet, empty when it is."""

    async def write() -> str:
        async with ledger_of(desk.keys, create=True) as ledger:
            seq = await ledger.append([event])
            if event.kind is not EventKind.OBJECTION:
                return await put_in_force(desk.loaded, ledger)
            why = await put_in_force(desk.loaded, ledger, objection=(event, seq))
            if why:
                await asyncio.to_thread(hold_until_in_force, desk.loaded, desk.keys, event)
            return why

    return asyncio.run(write())


def say_when(why: str) -> None:
    """Tell whether what was recorded counts already."""
    say("recorded, in force now" if not why else f"recorded; takes effect when a service is up with its store ({why})")
