"""What the ends of a campaign's attempts are measured by.

Rule 1: how an attempt ended does not tell its country. The law is that of the country of the campaign's first shown
number, else of its principal, unless somebody names another.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.calendar import usable_zones
from asterisk_plugin.core.case import law_of_country
from asterisk_plugin.core.law import ring_bounds
from asterisk_plugin.core.number import PhoneNumber, example_number, parse_number

if TYPE_CHECKING:
    from asterisk_plugin.core.site import Campaign, Site


@functools.lru_cache(maxsize=64)
def home_zone(country: str) -> str:
    """The zone by whose days a site counts: of several in the country, that of the numbering plan's example.

    Args:
        country: The site's home country.
    """
    number = parse_number(example_number(country), country)
    zones = number.time_zones if isinstance(number, PhoneNumber) else ()
    return usable_zones(zones[:1])[0] if zones else "Etc/UTC"


@dataclass(frozen=True, slots=True)
class CampaignLimits:
    """What the ends of attempts are measured by on one day.

    Args:
        country: Whose law it is, ISO 3166-1 alpha-2.
        ring_min_s: Nobody is hung up on earlier while it rings.
        ring_max_s: It never rings longer.
        ring_source: Where that stands; empty when the rulebook is silent and the gate's own values count.
        agent_within_s: An agent is there so many seconds after the greeting. 2: 16 CFR 310.4(b)(4)(iii).
    """

    country: str = ""
    ring_min_s: int = 15
    ring_max_s: int = 40
    ring_source: str = ""
    agent_within_s: float = 2.0


def country_of_campaign(campaign: Campaign) -> str:
    """Whose law a campaign is measured by: ISO 3166-1 alpha-2."""
    shown = campaign.caller_ids[0].number.country if campaign.caller_ids else ""
    return shown or campaign.principal.country


def limits_of_campaign(site: Site, campaign: Campaign, at: dt.date, *, country: str = "") -> CampaignLimits:
    """What a campaign's attempts of one day are measured by.

    Args:
        site: The configuration.
        campaign: The campaign.
        at: The day.
        country: Whose law; empty: as `country_of_campaign` says.
    """
    country = country or country_of_campaign(campaign)
    law = law_of_country(country, campaign=campaign, site=site, days=(at,))
    low, high = ring_bounds(law)
    source = "; ".join(dict.fromkeys(entry.source.text for entry in law.ring_time))
    return CampaignLimits(country, low, high, source)
