"""`ringfence config`: is what I wrote right, and what is in force?"""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from asterisk_plugin.cli.boundary import problem_line
from asterisk_plugin.cli.given import complain, console, given, say
from asterisk_plugin.core.queue_law import announce_every_s
from asterisk_plugin.settings.files import dotted
from asterisk_plugin.settings.show import format_service
from asterisk_plugin.settings.toml_lines import KeyPath, key_lines, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asterisk_plugin.settings.load import Loaded

STALE_AFTER_DAYS = 365
"""Law changes; a value nobody has compared with its source for a year is no longer known to hold."""

app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)


@app.command("check")
def check_config(ctx: typer.Context) -> None:
    """Find every mistake in every file, in one go; exit code 2 when there is one."""
    loaded = given(ctx).load()
    for problem in loaded.warnings:
        complain(f"warning: {problem_line(problem)}")
    for stale in stale_values(loaded, dt.datetime.now(dt.UTC).date()):
        complain(f"warning: {stale}")
    _summary(loaded)


@app.command("show")
def show(
    ctx: typer.Context,
    service: Annotated[bool, typer.Option("--service", help="Only the settings, as TOML.")] = False,
) -> None:
    """Show what is in force: the service's settings, and who calls for whom with which numbers."""
    loaded = given(ctx).load()
    say(format_service(loaded.service, with_credentials=False).rstrip())
    if not service:
        _campaigns(loaded)


def stale_values(loaded: Loaded, today: dt.date) -> Iterator[str]:
    """Name every rulebook value whose source nobody has looked at for a year.

    Args:
        loaded: The configuration.
        today: The day to count from.
    """
    for name, text in sorted(loaded.texts.items()):
        if not name.startswith("rulebook/"):
            continue
        lines = key_lines(text)
        for path, checked_on in _checked_on(tomllib.loads(text), ()):
            if (today - checked_on).days > STALE_AFTER_DAYS:
                yield f"{name}:{line_of(lines, path)}: {dotted(path)}: last compared with its source on {checked_on}"


def _checked_on(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, dt.date]]:
    """Every `checked_on` in a rulebook, however deep."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key == "checked_on" and isinstance(inner, dt.date):
            yield (*path, key), inner
        else:
            yield from _checked_on(inner, (*path, key))


def _summary(loaded: Loaded) -> None:
    site = loaded.site
    where = "the defaults that come with the program" if loaded.is_shipped else str(loaded.directory)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("configuration", f"{where}, version {site.version}: in order")
    if loaded.is_shipped:
        table.add_row("", "its companies, numbers and campaigns are made up; give your own with --config")
    table.add_row("data", str(loaded.data_dir))
    table.add_row("call centre", f"{site.call_centre.name or site.call_centre.id}, {site.call_centre.country}")
    table.add_row("principals", _counted(loaded.principals))
    table.add_row("campaigns", _counted(site.campaigns))
    table.add_row("caller IDs", str(len(site.caller_ids)))
    table.add_row("queues", _counted(site.queues))
    table.add_row("rulebooks", ", ".join(book.version for book in site.rulebooks.values()) or "none: nobody is called")
    for book in site.rulebooks.values():
        for value in book.recall:
            state = (
                "accepted" if value in site.accepted_unchecked else "not used until gate.accepted_unchecked names it"
            )
            table.add_row("unverified", f"{value}: {state}")
    console().print(table)


def _counted(names: Any) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "none"


def _campaigns(loaded: Loaded) -> None:
    numbers = Table("caller ID", "assigned to", "right of use", "for", title="Caller IDs", title_justify="left")
    for asset in loaded.site.caller_ids.values():
        purposes = ", ".join(sorted(asset.purposes)) or "everything"
        numbers.add_row(asset.number.e164, asset.assigned_to, ", ".join(sorted(asset.right_of_use)), purposes)
    campaigns = Table(
        "campaign",
        "principal",
        "purpose",
        "mode",
        "audience",
        "product",
        "shows",
        title="Campaigns",
        title_justify="left",
    )
    for campaign in loaded.site.campaigns.values():
        campaigns.add_row(
            campaign.id,
            campaign.principal.name,
            campaign.purpose,
            campaign.dial_mode,
            campaign.audience,
            campaign.product,
            ", ".join(asset.number.e164 for asset in campaign.caller_ids),
        )
    out = console()
    out.print()
    out.print(numbers)
    out.print(campaigns)
    out.print(_queues(loaded))


def _queues(loaded: Loaded) -> Table:
    table = Table(
        "queue", "principal", "language", "numbers", "told every", "calls back", title="Queues", title_justify="left"
    )
    today = dt.datetime.now(dt.UTC).date()
    for queue in loaded.site.queues.values():
        table.add_row(
            queue.id,
            queue.principal.name,
            queue.language,
            ", ".join(number.e164 for number in queue.numbers) or "none given",
            f"{announce_every_s(queue, loaded.site, today)} s",
            queue.call_back.id if queue.call_back else "no",
        )
    return table
