"""The ground for the call: consent, or a customer relationship where the law lets it serve."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator, Sequence

from asterisk_plugin.core.calendar import local_days
from asterisk_plugin.core.case import Case, covers_product
from asterisk_plugin.core.facts import Consent, Relationship
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.parameters import ConsentNeed, Need, Span
from asterisk_plugin.core.site import DialMode
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Source

EXPRESS = "express"
REQUESTED_CALL = "requested-call"


def check(case: Case) -> Iterator[Finding]:
    """Refuse a call without the ground that the rulebook asks for.

    Law:
        DE: UWG § 7(2) nos. 1 and 2. NL: Tw art. 11.7. Parameters: `consent`, `relationship`,
        `relationship_term`.
    """
    campaign = case.facts.campaign
    if campaign is None or not case.law.consent:
        return
    strictest = max(case.law.consent, key=lambda entry: entry.value.needs)
    if strictest.value.needs is Need.NONE:
        sentence = f"{campaign.purpose} calls to a {campaign.audience} need no consent"
        yield Finding("consent", Decision.ALLOW, sentence, strictest.source)
    elif (standing := _newest(standing_consents(case))) is not None:
        sentence = f"{_name(standing, case)} covers this call"
        yield Finding("consent", Decision.ALLOW, sentence, strictest.source)
    elif strictest.value.needs is Need.PRESUMED:
        yield _presumed(campaign.presumed_interest, strictest)
    else:
        yield from _without_consent(case, strictest)


@functools.lru_cache(maxsize=1)  # two rules ask about the same attempt, one after the other
def standing_consents(case: Case) -> tuple[Consent, ...]:
    """Every consent that covers this call now: given, not withdrawn, not expired, within its slot."""
    return tuple(consent for consent in _covering(case) if _holds(consent, case))


def waiting_consents(case: Case) -> tuple[Consent, ...]:
    """Every consent that will cover this call when its slot begins."""
    return tuple(consent for consent in _covering(case) if _opens_later(consent, case))


def _presumed(interest: str, entry: InForce[ConsentNeed]) -> Finding:
    if interest:
        return Finding("consent", Decision.ALLOW, f"consent is presumed: {interest}", entry.source)
    sentence = "nothing says why the company's consent may be presumed, and it gave none"
    return Finding(Reason.CONSENT_MISSING, Decision.DENY, sentence, entry.source)


def _without_consent(case: Case, entry: InForce[ConsentNeed]) -> Iterator[Finding]:
    """Look for a relationship instead; else say which ground was there and why it does not serve."""
    exempt, lapsed = _relationships(case)
    if exempt is not None:
        yield exempt
        return
    covering = _covering(case)
    later = [consent.callable_from for consent in waiting_consents(case)]
    expired = [consent for consent in covering if _has_expired(consent, case)]
    withdrawn = [consent for consent in covering if consent.revoked_at and consent.revoked_at <= case.now]
    if later:
        not_before = min(moment for moment in later if moment is not None)
        sentence = f"the person asked to be called from {_local(not_before, case)} on"
        yield Finding(Reason.CONSENT_MISSING, Decision.DEFER, sentence, entry.source, not_before)
        return
    if (newest := _newest(expired)) is not None:
        sentence = f"{_name(newest, case)} has expired"
        yield Finding(Reason.CONSENT_EXPIRED, Decision.DENY, sentence, entry.source)
    if lapsed is not None:
        yield lapsed
    if (newest := _newest(withdrawn)) is not None:
        sentence = f"{_name(newest, case)} was withdrawn"
        yield Finding(Reason.CONSENT_MISSING, Decision.DENY, sentence, entry.source)
    elif newest is None and not expired and lapsed is None:
        yield Finding(Reason.CONSENT_MISSING, Decision.DENY, _missing(case), entry.source)


def _missing(case: Case) -> str:
    campaign = case.facts.campaign
    assert campaign is not None
    product = "" if campaign.product == "any" else f" about {campaign.product}"
    return f"no consent to {campaign.purpose} calls{product} of {campaign.principal.name} is recorded"


def _covering(case: Case) -> list[Consent]:
    """Consents to this principal, purpose and product that were given before now, whatever became of them."""
    campaign, records = case.facts.campaign, case.facts.records
    if campaign is None or records is None:
        return []
    kinds = {EXPRESS} if campaign.dial_mode is DialMode.RECORDED else {EXPRESS, REQUESTED_CALL}
    return [
        consent
        for consent in records.consents
        if consent.principal == campaign.principal.id
        and consent.purpose == campaign.purpose
        and covers_product(consent.product, campaign.product)
        and consent.given_at <= case.now
        and consent.kind in kinds
    ]


def _holds(consent: Consent, case: Case) -> bool:
    if consent.revoked_at is not None and consent.revoked_at <= case.now:
        return False
    return not _has_expired(consent, case) and not _opens_later(consent, case)


def _opens_later(consent: Consent, case: Case) -> bool:
    """Whether the person asked to be called later than now."""
    if consent.callable_from is None or consent.callable_from <= case.now:
        return False
    return not (consent.revoked_at and consent.revoked_at <= case.now) and not _has_expired(consent, case)


def _has_expired(consent: Consent, case: Case) -> bool:
    ends = [end for end in (consent.expires_at, consent.callable_until) if end is not None]
    for entry in case.law.consent:
        spans = [entry.value.lifetime]
        if consent.expires_at is None:
            spans.append(entry.value.lifetime_when_unstated)
        ends += [_after(consent.given_at, span, case) for span in spans if span is not None]
    return any(end <= case.now for end in ends)


def _after(moment: dt.datetime, span: Span, case: Case) -> dt.datetime:
    """The same local time when the span is over, in the zone where that comes first."""
    ends = []
    for zone in case.zones:
        local = moment.astimezone(zoneinfo.ZoneInfo(zone))
        ends.append(dt.datetime.combine(span.after(local.date()), local.timetz()))
    return min(ends)


def _relationships(case: Case) -> tuple[Finding | None, Finding | None]:
    """The finding of a relationship that serves as ground, else of one that no longer does."""
    campaign, records = case.facts.campaign, case.facts.records
    if campaign is None or records is None or not case.law.relationship:
        return None, None
    lapsed = None
    for relationship in records.relationships:
        if relationship.principal != campaign.principal.id or relationship.started_on > case.days[0]:
            continue
        if not _same_product(relationship, case):
            continue
        if (why := _why_lapsed(relationship, case)) is None:
            entry = case.law.relationship[0]
            sentence = f"a customer of {campaign.principal.name} since {relationship.started_on} may be called"
            return Finding("relationship", Decision.ALLOW, sentence, entry.source), None
        lapsed = why
    return None, lapsed


def _same_product(relationship: Relationship, case: Case) -> bool:
    assert case.facts.campaign is not None
    wanted = case.facts.campaign.product
    return covers_product(relationship.product, wanted) or not any(
        entry.value.same_product for entry in case.law.relationship
    )


def _why_lapsed(relationship: Relationship, case: Case) -> Finding | None:
    """Why a relationship does not serve as ground, None when it does."""
    assert case.facts.campaign is not None
    principal, today = case.facts.campaign.principal, case.days[-1]
    for entry in case.law.relationship:
        if principal.kind not in entry.value.principal_kinds:
            sentence = f"since {entry.since} a {principal.kind} may not call its customers without consent"
            return Finding(Reason.RELATIONSHIP_EXPIRED, Decision.DENY, sentence, entry.source)
        ended_on = relationship.ended_on
        if entry.value.running_only and ended_on is not None and ended_on < today:
            sentence = f"the contract ended on {ended_on}; only running ones serve"
            return Finding(Reason.RELATIONSHIP_EXPIRED, Decision.DENY, sentence, entry.source)
    last_day, source = _last_day(relationship, case)
    if last_day is None or today <= last_day:
        return None
    sentence = f"the customer relationship served as ground until {last_day}"
    return Finding(Reason.RELATIONSHIP_EXPIRED, Decision.DENY, sentence, source or case.law.relationship[0].source)


def _last_day(relationship: Relationship, case: Case) -> tuple[dt.date | None, Source | None]:
    """The last day on which a relationship serves, None while it runs; and which source says so.

    A relationship without an end but with a day of the last purchase is taken for a purchase,
    not for a running contract: the stricter reading. Without a term in the rulebook it serves
    only while it runs.
    """
    if not case.law.relationship_term:
        return relationship.ended_on, None
    found: list[tuple[dt.date, Source]] = []
    for entry in case.law.relationship_term:
        days = []
        if relationship.ended_on is not None:
            term = entry.value.after_contract_end
            days.append(term.after(relationship.ended_on) if term else relationship.ended_on)
        if relationship.last_purchase_on is not None and entry.value.after_last_purchase is not None:
            days.append(entry.value.after_last_purchase.after(relationship.last_purchase_on))
        if days:
            found.append((max(days), entry.source))
    return min(found, key=lambda pair: pair[0]) if found else (None, None)


def _newest(consents: Sequence[Consent]) -> Consent | None:
    return max(consents, key=lambda consent: consent.given_at, default=None)


def _name(consent: Consent, case: Case) -> str:
    reference = f" ({consent.reference})" if consent.reference else ""
    return f"the consent of {local_days(case.zones, consent.given_at)[0]}{reference}"


def _local(moment: dt.datetime, case: Case) -> str:
    local = moment.astimezone(zoneinfo.ZoneInfo(case.zones[0]))
    return f"{local:%Y-%m-%d %H:%M} ({case.zones[0]})"
