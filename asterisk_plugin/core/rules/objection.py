"""The person's wish not to be called: it has no end date and wins over everything."""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.calendar import local_days
from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.core.verdict import Decision, Finding, Reason


def check(case: Case) -> Iterator[Finding]:
    """Refuse whom an objection protects, against this principal or against everyone.

    Law:
        DE: UWG § 7(1) sentence 2. NL: Tw art. 11.7. Parameter: `objection`, which only holds the
        source: an objection is honoured for every purpose and in every country.
    """
    facts = case.facts
    if facts.records is None or facts.campaign is None:
        return
    source = case.law.objection[0].source if case.law.objection else HOUSE
    scopes = {facts.campaign.principal.id, EVERYONE}
    standing = [objection for objection in facts.records.objections if objection.scope in scopes]
    for objection in standing:
        against = "everyone" if objection.scope == EVERYONE else facts.campaign.principal.name
        reference = f" (reference {objection.reference})" if objection.reference else ""
        received_on = local_days(case.zones, objection.at)[0]
        sentence = f"the person objected to calls of {against} on {received_on}{reference}"
        yield Finding(Reason.OBJECTION, Decision.DENY, sentence, source)
    if not standing:
        yield Finding("objection", Decision.ALLOW, "no objection is recorded", source)
