"""The caller ID: shown, real, ours, and of the right party and class."""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.caller_id import CALLER_ID, wrong_with
from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.verdict import Decision, Finding


def check(case: Case) -> Iterator[Finding]:
    """Refuse a caller ID with which anything is wrong; see `core/caller_id.py`."""
    facts, law = case.facts, case.law
    found = tuple(
        wrong_with(
            facts.shown,
            campaign=facts.campaign,
            called=facts.called,
            site=facts.site,
            law=law,
            days=case.days,
        )
    )
    yield from found
    if not found and facts.campaign is not None and isinstance(facts.shown.number, PhoneNumber):
        source = law.caller_id_owner[0].source if law.caller_id_owner else HOUSE
        sentence = f"{facts.shown.number.e164} may be shown for {facts.campaign.principal.name}"
        yield Finding(CALLER_ID, Decision.ALLOW, sentence, source)
