"""`ringfence objection-line`: the whole menu as a drawing, and what each campaign's people reach and hear."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from asterisk_plugin.cli.boundary import FOUND_PROBLEMS
from asterisk_plugin.cli.given import complain, console, given, say
from asterisk_plugin.core.site import LineMode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from asterisk_plugin.core.site import Campaign, Site

app = typer.Typer(help='The objection line, the IVR for "never again".', no_args_is_help=True)


@app.command()
def draw() -> None:
    """Print the whole menu as a Mermaid state diagram."""
    from asterisk_plugin.core.objection_menu import draw as drawn

    say(drawn().rstrip())


@app.command()
def check(ctx: typer.Context) -> None:
    """Show when each campaign's calls reach the line; exit code 1 when people there would be left helpless."""
    # Imported late, as sounds need more than a command that only draws.
    from asterisk_plugin.audio.catalogue import load_catalogues
    from asterisk_plugin.core.objection_offer import call_back_number

    loaded = given(ctx).load()
    site, now = loaded.site, dt.datetime.now(dt.UTC)
    table = Table("campaign", "calls lead there", "language", "told when not recorded", title_justify="left")
    for campaign in site.campaigns.values():
        number = call_back_number(campaign, site=site)
        table.add_row(campaign.id, when_reached(campaign, site=site, now=now), campaign.language, number or "nothing")
    console().print(table)
    problems = list(problems_of(site, languages=load_catalogues(loaded.directory)))
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(FOUND_PROBLEMS)


def when_reached(campaign: Campaign, *, site: Site, now: dt.datetime) -> str:
    """When calls of a campaign lead to the line, in words: its own setting and what laws add.

    Args:
        campaign: The campaign.
        site: The configuration.
        now: Aware moment: laws change.
    """
    from asterisk_plugin.core.objection_offer import offer_duties

    duties = offer_duties(campaign, site=site, now=now)
    if campaign.objection_line is LineMode.ALWAYS or not duties:
        return campaign.objection_line
    laws = ", ".join(f"{country} ({source.text})" for country, source in duties.items())
    return f"{campaign.objection_line}; always in {laws}"


def problems_of(site: Site, *, languages: Collection[str]) -> Iterator[str]:
    """What would leave a person on the line helpless.

    Args:
        site: The configuration.
        languages: Those that there are prompts in, ISO 639-1.
    """
    from asterisk_plugin.core.objection_offer import call_back_number

    for campaign in site.campaigns.values():
        if campaign.language not in languages:
            yield (
                f"campaign `{campaign.id}`: there are no prompts in `{campaign.language}`,"
                f" only in {', '.join(sorted(languages))}; add prompts/{campaign.language}.toml"
            )
        if not call_back_number(campaign, site=site):
            yield (
                f"campaign `{campaign.id}`: there is no number to tell when nothing could be recorded;"
                " give objection_line.call_back, or a caller ID with call_back_routed = true"
            )
