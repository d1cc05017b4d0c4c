"""What has to happen between the answer and the agent: who is listened to, and how long a person may wait."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.case import law_of_country
from asterisk_plugin.core.law import strictest_answer_limit
from asterisk_plugin.core.rate_parameters import CountedFrom, Then
from asterisk_plugin.core.site import DialMode, OnMachine

if TYPE_CHECKING:
    import datetime as dt

    from asterisk_plugin.core.site import Campaign, Site

BY_HAND = frozenset({DialMode.MANUAL, DialMode.PREVIEW})
"""Dial modes in which an agent is on the line when the call is answered."""

AGENT_WITHIN_S = 2.0
"""House rule where no rulebook says less: the shortest time of any country known (US 16 CFR 310.4(b)(4), UK Ofcom)."""


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """How long a person who has answered may be without an agent.

    Args:
        within_s: Seconds until something has to happen.
        from_answer: They count from the answer; else from the end of the greeting.
        message: The message of an abandoned call is played then; else the call is ended.
    """

    within_s: float = AGENT_WITHIN_S
    from_answer: bool = False
    message: bool = True

    def due_s(self, greeting_s: float | None, heard_s: float) -> float:
        """When it is due, in seconds since the answer.

        Args:
            greeting_s: End of the greeting since the answer; None when nobody spoke: then the moment counts at which it
                was clear that nobody would.
            heard_s: When it was clear that a person answered, since the answer.
        """
        begin_s = 0.0 if self.from_answer else heard_s if greeting_s is None else greeting_s
        return begin_s + self.within_s


def is_listened_first(campaign: Campaign) -> bool:
    """Whether a call of this campaign is connected only once it is clear who answered."""
    return campaign.dial_mode not in BY_HAND and campaign.on_machine is not OnMachine.OFF


def is_amd_machine(status: str, cause: str) -> bool:
    """Whether what `app_amd` found is a machine; all it is not sure of is a person.

    Args:
        status: `AMDSTATUS`; `NOTSURE`, `HANGUP` and an empty one are people.
        cause: `AMDCAUSE`. It calls a person who answers in silence a machine (`INITIALSILENCE`): that is a person.
    """
    return status == "MACHINE" and not cause.startswith("INITIALSILENCE")


def answer_limit_of(site: Site, campaign: Campaign, country: str, now: dt.datetime) -> AnswerLimit:
    """How long a person of a country may be without an agent in a campaign; the strictest of what binds.

    Args:
        site: The configuration.
        campaign: The campaign.
        country: Of the called number, ISO 3166-1 alpha-2.
        now: Aware moment.

    Law:
        US: 16 CFR 310.4(b)(4); UK: Ofcom; IT: Garante no. 83/2014. Parameter: `answer_limit`; the house rule elsewhere.
    """
    day = now.astimezone(zoneinfo.ZoneInfo(home_zone(site.home_country))).date()
    asked = strictest_answer_limit(law_of_country(country, campaign=campaign, site=site, days=(day,)))
    if asked is None:
        return AnswerLimit()
    return AnswerLimit(
        within_s=float(asked.value.within_s),
        from_answer=asked.value.counted_from is CountedFrom.ANSWER,
        message=asked.value.then is Then.MESSAGE,
    )
