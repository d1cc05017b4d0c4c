"""What can be said about an attempt before its number is looked up.

Most of it is the same for every number of one kind (country, line type, zones), so it is worked out once and
kept for the second in which it is true. No legal moment lies within a second: calling windows and the time of
the last dial are given in whole ones.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.case import Case, case_of
from asterisk_plugin.core.facts import AttemptFacts, ShownNumber, shown_e164
from asterisk_plugin.core.law import ring_bounds
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.rules.rule import Found, Rule
from asterisk_plugin.core.verdict import Obligations

if TYPE_CHECKING:
    from asterisk_plugin.core.law import Law
    from asterisk_plugin.core.site import Campaign, Site

_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What holds for every number of one kind, when one campaign calls and one number is shown.

    Args:
        law: Everything in force.
        zones: Every zone the called person may be in.
        days: Today in those zones, earliest first.
        obligations: What must be kept when the attempt is dialled.
        found: What each rule finds without records; nothing for those that read the number itself.
    """

    law: Law
    zones: tuple[str, ...]
    days: tuple[dt.date, ...]
    obligations: Obligations
    found: tuple[Found, ...]

    def case(self, facts: AttemptFacts, now: dt.datetime) -> Case:
        """One attempt of this kind as the rules see it."""
        return Case(facts, self.law, now, self.zones, self.days)


def look_beforehand(facts: AttemptFacts, now: dt.datetime, rules: tuple[Rule, ...]) -> Beforehand:
    """Judge by everything but the records and the digits of the number.

    Args:
        facts: Everything that is known; `records` is not read.
        now: The moment of the attempt (aware).
        rules: Every rule.

    Raises:
        ValueError: `now` has no time zone.
    """
    if facts.campaign is None or not isinstance(facts.called, PhoneNumber):
        return _judge(facts.with_records(None), now, rules)
    second = now.replace(microsecond=0)
    return _of_kind(facts.site, facts.campaign, facts.called.kind, facts.shown, second, rules)


@functools.lru_cache(maxsize=_KEPT)
def _of_kind(
    site: Site,
    campaign: Campaign,
    called: PhoneNumber,
    shown: ShownNumber,
    second: dt.datetime,
    rules: tuple[Rule, ...],
) -> Beforehand:
    facts = AttemptFacts(dialled="", called=called, campaign_id=campaign.id, campaign=campaign, shown=shown, site=site)
    return _judge(facts, second, rules)


def _judge(facts: AttemptFacts, now: dt.datetime, rules: tuple[Rule, ...]) -> Beforehand:
    case = case_of(facts, now)
    found = tuple(Found() if rule.of_number else rule.run(case) for rule in rules)
    return Beforehand(case.law, case.zones, case.days, _obligations(case), found)


def _obligations(case: Case) -> Obligations:
    """Ring time: the strictest of what binds, and of the campaign's wish within that."""
    low, high = ring_bounds(case.law)
    wanted = case.facts.campaign.ring_s if case.facts.campaign else 0
    ring_s = min(max(wanted, low), high) if wanted else high
    return Obligations(show_number=shown_e164(case.facts), ring_min_s=low, ring_max_s=ring_s)
