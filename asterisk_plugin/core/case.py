"""One attempt as the rules see it: its facts and the law that is in force for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.calendar import ANYWHERE, local_days, usable_zones
from asterisk_plugin.core.law import NO_LAW, Law, law_in_force
from asterisk_plugin.core.number import PhoneNumber, UnusableNumber
from asterisk_plugin.core.parameters import CallKind
from asterisk_plugin.core.verdict import Source

if TYPE_CHECKING:
    from asterisk_plugin.core.facts import AttemptFacts
    from asterisk_plugin.core.site import Campaign, Site

HOUSE = Source("rule of this gate")
"""Source of what no law asks for, or no law of this country."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of a cache
class Case:
    """One attempt as the rules see it.

    Args:
        facts: Everything that was gathered.
        law: Everything in force for this kind of call; nothing when the country or campaign is not known.
        now: The moment of the attempt (aware).
        zones: Every zone the called person may be in.
        days: Today in those zones, earliest first.
    """

    facts: AttemptFacts
    law: Law
    now: dt.datetime
    zones: tuple[str, ...]
    days: tuple[dt.date, ...]


def case_of(facts: AttemptFacts, now: dt.datetime) -> Case:
    """Put facts and law together.

    Args:
        facts: Everything that was gathered.
        now: The moment of the attempt.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("`now` must be time-zone-aware")
    zones, days = where_and_when(facts.called, now)
    law = find_law(facts.called, campaign=facts.campaign, site=facts.site, days=days)
    return Case(facts, law, now, zones, days)


def where_and_when(
    called: PhoneNumber | UnusableNumber, now: dt.datetime
) -> tuple[tuple[str, ...], tuple[dt.date, ...]]:
    """Every zone the called person may be in, and today in each of them."""
    zones = usable_zones(called.time_zones) if isinstance(called, PhoneNumber) else ANYWHERE
    return zones, local_days(zones, now)


def find_law(
    called: PhoneNumber | UnusableNumber, *, campaign: Campaign | None, site: Site, days: tuple[dt.date, ...]
) -> Law:
    """What is in force for calls of a campaign to a number."""
    country = called.country if isinstance(called, PhoneNumber) else ""
    return law_of_country(country, campaign=campaign, site=site, days=days)


def law_of_country(country: str, *, campaign: Campaign | None, site: Site, days: tuple[dt.date, ...]) -> Law:
    """What is in force for calls of a campaign to a country; nothing where there is no rulebook.

    Args:
        country: ISO 3166-1 alpha-2, empty when it is not known.
        campaign: None when it is not known.
        site: The configuration.
        days: What holds on any of them binds.
    """
    rulebook = site.rulebooks.get(country)
    if rulebook is None:
        return NO_LAW
    if campaign is None:
        return Law(rulebook)
    kind = CallKind(campaign.purpose, campaign.audience, campaign.dial_mode, campaign.principal.sector)
    return law_in_force(
        rulebook,
        kind,
        memberships=campaign.principal.memberships,
        days=days,
        accepted=site.accepted_unchecked,
    )


def covers_product(recorded: str, wanted: str) -> bool:
    """Whether a record for one product group, or for `any`, covers a campaign's."""
    return recorded in {"any", wanted}
