"""The campaign: is there one, and does it run?"""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.calendar import day_span
from asterisk_plugin.core.case import Case
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Source

_CAMPAIGNS = Source("campaigns of this call centre")


def check(case: Case) -> Iterator[Finding]:
    """Refuse a campaign that is not known or over; defer one that has not begun where the person is."""
    campaign = case.facts.campaign
    if campaign is None:
        sentence = f"there is no campaign `{case.facts.campaign_id}`"
        yield Finding(Reason.CAMPAIGN_UNKNOWN, Decision.DENY, sentence, _CAMPAIGNS)
    elif campaign.ends_on and case.days[-1] > campaign.ends_on:
        sentence = f"the campaign {campaign.id} ended on {campaign.ends_on}"
        yield Finding(Reason.CAMPAIGN_UNKNOWN, Decision.DENY, sentence, _CAMPAIGNS)
    elif campaign.starts_on and case.days[0] < campaign.starts_on:
        sentence = f"the campaign {campaign.id} starts on {campaign.starts_on}"
        not_before = max(day_span(zone, campaign.starts_on)[0] for zone in case.zones)
        yield Finding(Reason.CAMPAIGN_UNKNOWN, Decision.DEFER, sentence, _CAMPAIGNS, not_before)
    else:
        sentence = f"{campaign.id} is a {campaign.purpose} campaign for {campaign.principal.name}"
        yield Finding("campaign", Decision.ALLOW, sentence, _CAMPAIGNS)
