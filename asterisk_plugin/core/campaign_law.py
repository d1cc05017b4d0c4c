"""What the ends of a campaign's attempts are measured by.

Rule 1: how an attempt ended does not tell its country. The law is that of the country of the campaign's first shown
number, else of its principal, unless somebody names another.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.answering import AGENT_WITHIN_S
from asterisk_plugin.core.campaign_rates import RateLimit, home_zone, rate_limits
from asterisk_plugin.core.case import law_of_country
from asterisk_plugin.core.law import ring_bounds, strictest_answer_limit
from asterisk_plugin.core.rate_parameters import CountedFrom

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asterisk_plugin.core.law import InForce
    from asterisk_plugin.core.site import Campaign, Site


@dataclass(frozen=True, slots=True)
class CampaignLimits:
    """What the ends of attempts are measured by on one day.

    Args:
        country: Whose law it is, ISO 3166-1 alpha-2.
        ring_min_s: Nobody is hung up on earlier while it rings.
        ring_max_s: It never rings longer.
        ring_source: Where that stands; empty when the rulebook is silent and the gate's own values count.
        agent_within_s: An agent is there so many seconds after the greeting. 2: 16 CFR 310.4(b)(4)(iii).
        agent_from_answer: They are counted from the answer, also where a greeting was heard.
        agent_source: Where that stands; empty when the rulebook is silent and the usual value counts.
        rates: How many calls may be without an agent, each with its window.
    """

    country: str = ""
    ring_min_s: int = 15
    ring_max_s: int = 40
    ring_source: str = ""
    agent_within_s: float = AGENT_WITHIN_S
    agent_from_answer: bool = False
    agent_source: str = ""
    rates: tuple[RateLimit, ...] = ()


def country_of_campaign(campaign: Campaign) -> str:
    """Whose law a campaign is measured by: ISO 3166-1 alpha-2."""
    shown = campaign.caller_ids[0].number.country if campaign.caller_ids else ""
    return shown or campaign.principal.country


def limits_of_campaign(site: Site, campaign: Campaign, at: dt.date, *, country: str = "") -> CampaignLimits:
    """What a campaign's attempts of one day are measured by.

    Args:
        site: The configuration.
        campaign: The campaign.
        at: The day, of the site.
        country: Whose law; empty: as `country_of_campaign` says.
    """
    country, zone = country or country_of_campaign(campaign), home_zone(site.home_country)
    law = law_of_country(country, campaign=campaign, site=site, days=(at,))
    low, high = ring_bounds(law)
    noon = dt.datetime.combine(at, dt.time(12), zoneinfo.ZoneInfo(zone))
    asked = strictest_answer_limit(law)
    return CampaignLimits(
        country,
        ring_min_s=low,
        ring_max_s=high,
        ring_source=_sources(law.ring_time),
        agent_within_s=AGENT_WITHIN_S if asked is None else asked.value.within_s,
        agent_from_answer=asked is not None and asked.value.counted_from is CountedFrom.ANSWER,
        agent_source="" if asked is None else asked.source.text,
        rates=rate_limits(law.abandoned_rate, campaign=campaign, zone=zone, now=noon),
    )


def _sources(entries: Iterable[InForce[object]]) -> str:
    return "; ".join(dict.fromkeys(entry.source.text for entry in entries))
