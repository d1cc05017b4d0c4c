"""`ringfence queue`: how those who called in were served, from the evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path  # typer reads this type at run time
from typing import Annotated

import typer

from asterisk_plugin.cli.given import given, say, say_written

app = typer.Typer(help="Queues: who waited, what they were told, what came of it.", no_args_is_help=True)

QueueOption = Annotated[str, typer.Option("--queue", metavar="ID", help="Only this queue.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def report(
    ctx: typer.Context,
    queue: QueueOption = "",
    since: Annotated[str, typer.Option(metavar="DAY", help="The first day (UTC); default: of all.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="The last day, the whole of it (UTC).")] = "",
    under: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="An answer in less is in time; default: the rulebook's, or 180."),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="Longest silence; default: the rulebook's, or 60."),
    ] = None,
    as_json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a picture into this file: .png, .svg or .pdf.")
    ] = None,
    waits: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write every single wait, as evidence; without numbers.")
    ] = None,
) -> None:
    """Report how callers were served: answered in time, told how long, charged or not; of waits that began in a period.

    An answer in time is asked of every call: whoever hung up or left by a key was not answered in time, however soon.
    What the evidence does not tell is counted as not known, never as in order.
    """
    from asterisk_plugin.cli import queue_report

    asked = queue_report.asked_for(queue, since, until, under_s=under, every_s=every)
    made = asyncio.run(queue_report.make(given(ctx).load(), asked, plot=plot, waits=waits))
    if as_json:
        say(queue_report.dumps(made))
    else:
        queue_report.show(made)
    say_written(plot, waits, as_json=as_json)


@app.command()
def waits(
    ctx: typer.Context,
    queue: QueueOption = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List single waits, the newest first."""
    from asterisk_plugin.cli import queue_waits

    found = asyncio.run(queue_waits.newest(given(ctx).load(), queue, most=limit))
    if as_json:
        say(queue_waits.dumps(found))
    elif found:
        queue_waits.show(found)
    else:
        say(f"no wait is recorded in queue `{queue}`" if queue else "no wait is recorded")
