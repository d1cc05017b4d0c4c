"""Whether the objection line is offered on a call: what the campaign says, unless the law says more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from asterisk_plugin.core.calendar import ANYWHERE, local_days
from asterisk_plugin.core.law import law_in_force
from asterisk_plugin.core.parameters import CallKind
from asterisk_plugin.core.site import Campaign, LineMode, Site
from asterisk_plugin.core.verdict import Source

CALLED_BACK = "call-back"
WAITING = "waiting"
ABANDONED = "abandoned"
"""Of somebody who answered and got no agent in time: the message of an abandoned call comes first."""

CALLED_US = frozenset({CALLED_BACK, WAITING})
"""Paths of somebody who called us: back, or to wait in a queue; the network tells the number."""

CHOSEN = frozenset({"agent", "transfer", ABANDONED}) | CALLED_US
"""Paths on which somebody chose the line: the agent, the API, the law, or the person who called."""


def line_mode(campaign: Campaign, country: str, *, site: Site, now: dt.datetime) -> LineMode:
    """When calls of a campaign to a country lead to the objection line.

    Args:
        campaign: The campaign.
        country: ISO 3166-1 alpha-2 of the person's number; empty when it is not known, and then the
            strictest law of the site's rulebooks holds.
        site: The configuration.
        now: Aware moment.

    Law:
        NL: Tw art. 11.7. Parameter: `objection_offer`.
    """
    if campaign.objection_line is LineMode.ALWAYS:
        return LineMode.ALWAYS
    duties = offer_duties(campaign, site=site, now=now)
    return LineMode.ALWAYS if (country in duties if country else duties) else campaign.objection_line


def is_line_open(campaign: Campaign, country: str, path: str, *, site: Site, now: dt.datetime) -> bool:
    """Whether a person who got there by a path is offered the objection line.

    Who was sent there on purpose, or called back, is always heard: a person who wants to object is never
    hung up on. A campaign's mode is about the calls that would end there by themselves.

    Args:
        campaign: The campaign.
        country: ISO 3166-1 alpha-2 of the person's number, empty when it is not known.
        path: `call-end`, `queue`, `agent`, `transfer`, `abandoned`, `call-back` or `waiting`.
        site: The configuration.
        now: Aware moment.

    Law:
        IT: AGCOM 60/18/CIR, 156/18/CIR, the number shown must answer around the clock; NL: Tw art. 11.7.
    """
    return path in CHOSEN or line_mode(campaign, country, site=site, now=now) is LineMode.ALWAYS


def offer_duties(campaign: Campaign, *, site: Site, now: dt.datetime) -> Mapping[str, Source]:
    """Countries whose law wants the objection offered in every call of a campaign, each with the source.

    Args:
        campaign: The campaign.
        site: The configuration.
        now: Aware moment; what holds anywhere on that day binds.
    """
    kind = CallKind(campaign.purpose, campaign.audience, campaign.dial_mode, campaign.principal.sector)
    duties = {}
    for country, rulebook in site.rulebooks.items():
        law = law_in_force(
            rulebook,
            kind,
            memberships=campaign.principal.memberships,
            days=local_days(ANYWHERE, now),
            accepted=site.accepted_unchecked,
        )
        if law.objection_offer:
            duties[country] = law.objection_offer[0].source
    return duties


def call_back_number(campaign: Campaign | None, *, site: Site) -> str:
    """The number to call for whoever's objection could not be recorded, E.164; empty when there is none.

    Args:
        campaign: The person's campaign, None when it is not known.
        site: The configuration: its own number comes first.
    """
    if site.objection_line.call_back or campaign is None:
        return site.objection_line.call_back
    routed = [asset for asset in campaign.caller_ids if asset.call_back_routed]
    return routed[0].number.e164 if routed else ""
