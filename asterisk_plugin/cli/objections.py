"""`ringfence objections`: the register: list, search, export, import; withdrawn and confirmed ones."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path  # typer reads this type at run time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asterisk_plugin.cli.given import given, say
from asterisk_plugin.cli.import_file import columns_help
from asterisk_plugin.cli.import_rows import OBJECTION_COLUMNS
from asterisk_plugin.cli.records import By, Country, File, country_of, desk_of, say_when, scope_of
from asterisk_plugin.core.register import State, Wanted, as_values
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from asterisk_plugin.settings.load import Loaded

app = typer.Typer(help="Objections: who does not want to be called.", no_args_is_help=True)

Principal = Annotated[str, typer.Option(metavar="ID", help="Only those against this principal.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="Only those against every principal.")]
Channel = Annotated[
    Literal["", "ivr", "agent", "http", "cli", "import"], typer.Option(help="Only those that came this way.")
]
EnteredBy = Annotated[str, typer.Option(metavar="WHO", help="Only those that WHO entered.")]
Since = Annotated[str, typer.Option(metavar="TIME", help="Only those made at or after TIME (UTC).")]
Until = Annotated[str, typer.Option(metavar="TIME", help="Only those made before TIME (UTC).")]
StateOption = Annotated[Literal["", "stands", "in-part", "withdrawn"], typer.Option(help="Only those that hold so.")]
Review = Annotated[
    bool, typer.Option("--review", help="Only those for a number that the person keyed in and nobody has confirmed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_objections(
    ctx: typer.Context,
    principal: Principal = "",
    everyone: Everyone = False,
    channel: Channel = "",
    by: EnteredBy = "",
    since: Since = "",
    until: Until = "",
    state: StateOption = "",
    review: Review = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List objections, the newest first."""
    from asterisk_plugin.cli import register

    loaded = given(ctx).load()
    wanted = _wanted(
        loaded,
        principal,
        everyone=everyone,
        channel=channel,
        by=by,
        since=since,
        until=until,
        state=state,
        review=review,
    )
    entries, more = asyncio.run(register.newest(loaded, wanted, most=limit))
    if as_json:
        say(register.dumps([as_values(entry) for entry in entries]))
        return
    register.show(entries)
    if more:
        say(f"these are the newest {len(entries)}; --limit shows more, `objections export` writes all")


@app.command()
def search(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="A number, a reference, an id, or words that were said.")],
    country: Country = "",
    as_json: AsJson = False,
) -> None:
    """Find objections by number, by reference or id, else by part of the wording or of who entered them."""
    from asterisk_plugin.cli import register

    loaded = given(ctx).load()
    home = country_of(country) or loaded.site.home_country
    entries = asyncio.run(register.search(loaded, what.strip(), home))
    if as_json:
        say(register.dumps([as_values(entry) for entry in entries]))
    elif entries:
        register.show(entries)
    else:
        say(f"no objection is found for `{what[:40]}`")


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; none: standard output.")] = None,
    form: Annotated[
        Literal["csv", "jsonl"], typer.Option("--format", help="CSV for spreadsheets, or a JSON object a line.")
    ] = "csv",
    principal: Principal = "",
    everyone: Everyone = False,
    channel: Channel = "",
    by: EnteredBy = "",
    since: Since = "",
    until: Until = "",
    state: StateOption = "",
    review: Review = False,
) -> None:
    """Write objections out, all of them or some; the file is readable by you only, and whole or not there."""
    from asterisk_plugin.cli import register

    loaded = given(ctx).load()
    wanted = _wanted(
        loaded,
        principal,
        everyone=everyone,
        channel=channel,
        by=by,
        since=since,
        until=until,
        state=state,
        review=review,
    )
    rows = asyncio.run(register.export(loaded, wanted, file, form))
    if file is not None:
        say(f"{file}: {rows} objections")


@app.command()
def withdraw(
    ctx: typer.Context,
    objection: Annotated[
        str, typer.Argument(help="Its reference or id; or the person's number for all that the consent reaches.")
    ],
    consent: Annotated[
        str, typer.Option(metavar="ID", help="The later consent, as `consent show` names it; default: the newest.")
    ] = "",
    number: Annotated[str, typer.Option(help="The person's number, when two people have the same reference.")] = "",
    by: By = "",
    country: Country = "",
) -> None:
    """Record that a person took an objection back, by a consent of their own that came later.

    It then no longer stands against calls for the principal that the consent was given to, and against nobody
    else's. It stands again once that consent is taken back or over. Nothing is deleted.
    """
    from asterisk_plugin.cli import register

    loaded = given(ctx).load()
    home = country_of(country) or loaded.site.home_country
    asked = register.Asked(objection.strip(), consent.strip().lower(), number, by)
    done = asyncio.run(register.withdraw(loaded, asked, home))
    for entry in done.entries:
        say(f"{entry.reference}  withdrawn for calls for {done.principal}, by consent {done.consent}")
    for entry in done.still:
        say(f"{entry.reference}  of {entry.at:%Y-%m-%d} still stands against calls for {done.principal}")
    say_when(done.why)


@app.command()
def confirm(
    ctx: typer.Context,
    objection: Annotated[str, typer.Argument(help="Its reference or id.")],
    number: Annotated[str, typer.Option(help="The number, when two people have the same reference.")] = "",
    by: By = "",
    country: Country = "",
) -> None:
    """Note that you have looked at an objection for a number that the person keyed in; it blocks in any case."""
    from asterisk_plugin.cli import register

    loaded = given(ctx).load()
    home = country_of(country) or loaded.site.home_country
    entry = asyncio.run(register.confirm(loaded, register.Asked(objection.strip(), "", number, by), home))
    say(f"{entry.reference}  {entry.number}  confirmed")


@app.command("import", epilog=columns_help(OBJECTION_COLUMNS))
def import_objections(
    ctx: typer.Context,
    file: File,
    principal: Annotated[str, typer.Option(metavar="ID", help="Whom lines without a scope are against.")] = "",
    everyone: Annotated[bool, typer.Option("--everyone", help="Lines without a scope are against everyone.")] = False,
    by: By = "",
    country: Country = "",
) -> None:
    """Import objections: every line, or none when one is wrong; a repeated file adds nothing."""
    from asterisk_plugin.cli.import_rows import objection_of
    from asterisk_plugin.cli.imports import Kind, import_file

    loaded = given(ctx).load()
    scope = scope_of(loaded, principal, everyone=everyone)
    desk = desk_of(loaded, country=country, channel="import", by=by, repeatable=True, scope=scope)
    import_file(file, Kind("objections", OBJECTION_COLUMNS, objection_of), desk)


def _wanted(
    loaded: Loaded,
    principal: str,
    *,
    everyone: bool,
    channel: str,
    by: str,
    since: str,
    until: str,
    state: str,
    review: bool,
) -> Wanted:
    from asterisk_plugin.cli.moments import parse_moment

    first = parse_moment(since, dt.UTC) if since else None
    last = parse_moment(until, dt.UTC) if until else None
    if first and last and last <= first:
        raise InputError("--until must lie after --since")
    return Wanted(
        scope=scope_of(loaded, principal, everyone=everyone),
        channel=channel,
        by=by,
        state=State(state) if state else None,
        since=first,
        until=last,
        to_review=review,
    )
