"""The rulebook: is there one, and does it say what must be known?

Default deny: a country, a kind of call or a value about which nothing certain is known is
not free to call.
"""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.verdict import Decision, Finding, Reason


def check(case: Case) -> Iterator[Finding]:
    """Refuse countries without rulebook, kinds of call it is silent on, and values nobody confirmed.

    A rulebook that is silent on consent says nothing: free calls must be written down as
    `needs = "none"`.
    """
    called, campaign, rulebook = case.facts.called, case.facts.campaign, case.law.rulebook
    if not isinstance(called, PhoneNumber):
        return
    if rulebook is None:
        where = f"for {called.country}" if called.country else "for a number of no country"
        yield _deny(f"there is no rulebook {where}")
        return
    for name in dict.fromkeys(case.law.unconfirmed):
        yield _deny(f"the value of `{name}` is from memory and not accepted in `accepted_unchecked`")
    if campaign is None:
        return
    if case.law.consent:
        yield Finding("rulebook", Decision.ALLOW, f"rulebook {rulebook.version} of {rulebook.name}", HOUSE)
    else:
        kind = f"{campaign.dial_mode} {campaign.purpose} calls to a {campaign.audience}"
        yield _deny(f"the rulebook of {rulebook.name} does not say for today whether {kind} need consent")


def _deny(sentence: str) -> Finding:
    return Finding(Reason.NO_RULEBOOK, Decision.DENY, sentence, HOUSE)
