"""What `ringfence report campaign` does: reads the ends of attempts once, counts them, writes them out."""

from __future__ import annotations

import contextlib
import functools
import json
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.callflow.attempt_ends import read_attempt_ends
from asterisk_plugin.cli.campaign_evidence import evidence_file
from asterisk_plugin.cli.exporting import counted, whole_file
from asterisk_plugin.cli.opened import keys_of_records, ledger_of
from asterisk_plugin.cli.period import Period, parse_period
from asterisk_plugin.cli.pictures import check_picture, hush
from asterisk_plugin.core.campaign_law import country_of_campaign, limits_of_campaign
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.campaign_report import as_values
from asterisk_plugin.core.campaign_tally import Tally
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.explain import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Args:
        campaign: Whose attempts.
        period: Those that began in these days, of the site.
        country: Whose limits they are measured by, ISO 3166-1 alpha-2.
    """

    campaign: Campaign
    period: Period
    country: str


@dataclass(frozen=True, slots=True)
class Made:
    """What was counted.

    Args:
        asked: What was asked for.
        tally: Every attempt.
        head: Row and hash up to which the ledger was read.
    """

    asked: Asked
    tally: Tally
    head: tuple[int, str]

    def as_values(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        seq, digest = self.head
        return {
            "campaign": self.asked.campaign.id,
            "principal": self.asked.campaign.principal.id,
            **self.asked.period.as_values(),
            "zone": str(self.asked.period.zone),
            "ledger": {"row": seq, "hash": digest, "check": f"ringfence evidence verify --noted {seq}:{digest}"},
            "report": as_values(self.tally.report()),
        }


def asked_for(loaded: Loaded, name: str, since: str, until: str, *, country: str) -> Asked:
    """Read what somebody typed.

    Raises:
        InputError: There is no such campaign, no rulebook of that country, or a day is none.
    """
    campaign = loaded.site.campaigns.get(name)
    if campaign is None:
        raise InputError(f"there is no campaign `{name[:40]}`; {did_you_mean(name, loaded.site.campaigns)}")
    if country and country.upper() not in loaded.site.rulebooks:
        known = did_you_mean(country.upper(), loaded.site.rulebooks)
        raise InputError(f"there is no rulebook of `{country[:40]}`; {known}")
    zone = zoneinfo.ZoneInfo(home_zone(loaded.site.home_country))
    return Asked(campaign, parse_period(since, until, zone), country.upper() or country_of_campaign(campaign))


async def make(loaded: Loaded, asked: Asked, *, plot: Path | None, evidence: Path | None, force: bool) -> Made:
    """Read the ends and count them; draw and write what is wanted.

    Args:
        loaded: The configuration.
        asked: What is asked for.
        plot: File of the picture.
        evidence: File of everything that was counted.
        force: Write over an evidence file that is there.

    Raises:
        InputError: Nothing was ever recorded here, a file cannot be written, or there is nothing to draw.
        LedgerError: The ledger cannot be read.
    """
    check_picture(plot)
    limits_on = functools.partial(limits_of_campaign, loaded.site, asked.campaign, country=asked.country)
    period = asked.period
    tally = Tally(period.zone, limits_on, first=period.first, last=period.last)
    keys = keys_of_records(loaded)
    with contextlib.ExitStack() as stack:
        # Both are opened before anything is read: whoever waited for a report should not be told then.
        picture = None if plot is None else stack.enter_context(whole_file(plot))
        file = None
        if evidence is not None:
            draft = stack.enter_context(whole_file(evidence, may_replace=force))
            file = stack.enter_context(evidence_file(draft))
        on_end = stack.enter_context(counted("attempts"))
        async with ledger_of(keys, create=False) as ledger:
            head = await ledger.head()
            ends = read_attempt_ends(
                ledger, campaign=asked.campaign.id, since=period.start, until=period.end, last_seq=head[0]
            )
            async for stored, end in ends:
                tally.add(end)
                if file is not None:
                    file.add(stored)
                on_end()
        made = Made(asked, tally, head)
        if file is not None:
            file.finish(made.as_values())
        if plot is not None and picture is not None:
            _draw(made, picture, form=plot.suffix.lower().removeprefix("."))
    return made


def dumps(made: Made) -> str:
    """The report as JSON."""
    return json.dumps(made.as_values(), indent=2)


def _draw(made: Made, file: Path, *, form: str) -> None:
    hush()
    from asterisk_plugin.cli.campaign_plot import draw

    draw(made.tally, file, form=form, title=f"campaign {made.asked.campaign.id}, {made.asked.period.words}")
