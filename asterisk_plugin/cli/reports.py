"""`ringfence report`: what came of something over time, from the evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path  # typer reads this type at run time
from typing import Annotated

import typer

from asterisk_plugin.cli.given import given, say, say_written

app = typer.Typer(help="Reports from the evidence: shares against limits over time.", no_args_is_help=True)


@app.callback()
def _reports() -> None:
    """Keeps `campaign` a command of its own while it is the only one."""


@app.command()
def campaign(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The campaign.")],
    since: Annotated[str, typer.Option(metavar="DAY", help="The first day (of the site); default: of all.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="The last day, the whole of it.")] = "",
    country: Annotated[
        str, typer.Option(metavar="CC", help="Whose limits; default: those of the campaign's first shown number.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a picture into this file: .png, .svg or .pdf.")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write what was counted, attempt by attempt; without numbers."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an evidence file that is there.")] = False,
) -> None:
    """Report how a campaign's attempts ended: abandoned and silent calls, ring times, how soon an agent was there.

    Of attempts that began in a period. What was not wholly seen counts as the worst it can be, and is told apart.
    """
    from asterisk_plugin.cli import campaign_report, campaign_tables

    loaded = given(ctx).load()
    asked = campaign_report.asked_for(loaded, name, since, until, country=country)
    made = asyncio.run(campaign_report.make(loaded, asked, plot=plot, evidence=evidence, force=force))
    if as_json:
        say(campaign_report.dumps(made))
    else:
        campaign_tables.show(made)
    say_written(plot, evidence, as_json=as_json)
