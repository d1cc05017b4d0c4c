"""Joins what the rules find into a verdict.

Rule 1: the worst finding wins, so the order of rules cannot matter.
Rule 2: outbound fails closed. A rule that raises, a fact that is missing, a country without
rulebook: not dialled.
Rule 3: an emergency call always passes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from asterisk_plugin.core.beforehand import look_beforehand
from asterisk_plugin.core.case import HOUSE
from asterisk_plugin.core.facts import shown_e164
from asterisk_plugin.core.number import LineType, PhoneNumber, parse_number
from asterisk_plugin.core.parameters import LimitValue
from asterisk_plugin.core.rules import (
    abandoned_rate,
    campaign,
    consent,
    coverage,
    hours,
    lock_out,
    number,
    objection,
    records,
    shown_number,
)
from asterisk_plugin.core.rules import (
    limits as attempt_limit,
)
from asterisk_plugin.core.rules.rule import Found, Rule
from asterisk_plugin.core.verdict import EMERGENCY, Decision, Finding, Obligations, Reason, Verdict

if TYPE_CHECKING:
    from asterisk_plugin.core.campaign_rates import RateLimit
    from asterisk_plugin.core.facts import AttemptFacts, AttemptLimit
    from asterisk_plugin.core.site import Campaign, Site

RULES: tuple[Rule, ...] = (
    Rule("number", number.check, of_number=True),
    Rule("campaign", campaign.check),
    Rule("coverage", coverage.check),
    Rule("objection", objection.check, needs=frozenset({"objections"})),
    Rule("consent", consent.check, needs=frozenset({"consents", "relationships"})),
    Rule("caller-id", shown_number.check),
    Rule(
        "attempt-limit",
        attempt_limit.check,
        needs=frozenset({"attempts"}),
        is_settled=lambda case: not case.law.attempt_limit,
    ),
    Rule(
        "lock-out",
        lock_out.check,
        needs=frozenset({"ended-calls"}),
        is_settled=lambda case: not case.law.lock_out,
    ),
    Rule(
        "abandoned-rate",
        abandoned_rate.check,
        needs=frozenset({"abandoned-calls"}),
        is_settled=lambda case: not case.law.abandoned_rate,
    ),
    Rule(
        "calling-hours",
        hours.check,
        needs=frozenset({"consents"}),
        preview=hours.preview,
        is_settled=hours.is_settled,
    ),
)

_RECORDS = Rule("records", records.check)
"""Finds something only while the records are missing."""

CAUSE_REJECTED, CAUSE_INVALID_FORMAT, CAUSE_TRY_LATER = 21, 28, 42
"""Q.850: call rejected; invalid number format; switching equipment congestion. The last is the
temporary one: dialers that see it keep the number and try again, as a DEFER asks for."""

OPEN_CAMPAIGN_S = 5 * 366 * 86_400
"""How long attempts of a campaign without dates count against its limit: as long as UWG § 7a asks
for the proof of consent to be kept."""

_PRECEDENCE = {reason.value: place for place, reason in enumerate(Reason)}
_DAY_S = 86_400


def decide(facts: AttemptFacts, now: dt.datetime, *, rules: Iterable[Rule] = RULES) -> Verdict:
    """Judge one attempt by every rule.

    Args:
        facts: Everything that was gathered; `records` None when the store could not be asked.
        now: The moment of the attempt (aware).
        rules: Every rule, in any order.

    Raises:
        ValueError: `now` has no time zone.
    """
    return Hearing(facts, now, rules=rules).decide(facts)


class Hearing:
    """One attempt in two steps: what can be judged before anything is looked up, and the rest.

    A rule that needs no records is run once, for both.

    Args:
        facts: Everything that is known so far; `records` is not read.
        now: The moment of the attempt (aware).
        rules: Every rule, in any order.

    Raises:
        ValueError: `now` has no time zone.
    """

    def __init__(self, facts: AttemptFacts, now: dt.datetime, *, rules: Iterable[Rule] = RULES) -> None:
        self._facts, self._now = facts, now
        self._emergency = is_emergency(facts)
        if self._emergency:
            return
        self._rules = tuple(rules)
        self._known = look_beforehand(facts, now, self._rules)
        case = self._known.case(facts, now)
        self._without_records = [
            rule.run(case) if rule.of_number else found
            for rule, found in zip(self._rules, self._known.found, strict=True)
        ]

    @property
    def limits(self) -> tuple[AttemptLimit, ...]:
        """Every limit that the attempts to this number must be counted against; none to an emergency number."""
        if self._emergency:
            return ()
        case = self._known.case(self._facts, self._now)
        return tuple(limit for _, limit in attempt_limit.attempt_limits(case))

    @property
    def slot_limits(self) -> tuple[RateLimit, ...]:
        """Every limit of abandoned calls that this one could pass; none when an agent is there."""
        if self._emergency:
            return ()
        return abandoned_rate.slot_limits(self._known.case(self._facts, self._now))

    def preview(self) -> Verdict:
        """Judge without records, in the attempt's favour where records could help.

        Returns:
            A decision other than ALLOW means that no record can make it one.
        """
        if self._emergency:
            return emergency_verdict(self._facts)
        return self._verdict(self._without_records, unchecked=())

    def decide(self, facts: AttemptFacts) -> Verdict:
        """Judge by every rule.

        Args:
            facts: The same facts with what was looked up; `records` None when the store could not be asked.
        """
        if self._emergency:
            return emergency_verdict(facts)
        case = self._known.case(facts, self._now)
        missing = _RECORDS.run(case)
        found = [missing]
        for rule, earlier in zip(self._rules, self._without_records, strict=True):
            is_final = earlier.is_settled or not rule.needs or facts.records is None
            found.append(earlier if is_final else rule.run(case))
        unchecked = {need for rule in self._rules for need in rule.needs} if missing.findings else ()
        return self._verdict(found, unchecked=tuple(sorted(unchecked)))

    def _verdict(self, found: Iterable[Found], *, unchecked: tuple[str, ...]) -> Verdict:
        findings: list[Finding] = []
        faults: list[str] = []
        for each in found:
            findings += each.findings
            if each.fault:
                faults.append(each.fault)
        decision, reason, not_before = _join(findings)
        rulebook = self._known.law.rulebook
        return Verdict(
            decision,
            reason=reason,
            findings=tuple(findings),
            obligations=self._known.obligations,
            unchecked=unchecked,
            faults=tuple(faults),
            not_before=not_before,
            rulebook_version=rulebook.version if rulebook else "",
            cause=_cause(decision, reason),
        )


def is_emergency(facts: AttemptFacts) -> bool:
    """Whether the number dialled is an emergency number, which always passes."""
    if isinstance(facts.called, PhoneNumber) and facts.called.line_type is LineType.EMERGENCY:
        return True
    return facts.dialled.strip() in facts.site.emergency_extra


def is_emergency_number(number: str, site: Site) -> bool:
    """Whether a number that a trunk leg dials is an emergency number.

    Args:
        number: As dialled, or the digits of a dial string.
        site: The configuration in force.
    """
    called = parse_number(number, site.home_country)
    if isinstance(called, PhoneNumber) and called.line_type is LineType.EMERGENCY:
        return True
    return number in site.emergency_extra


def with_finding(verdict: Verdict, finding: Finding) -> Verdict:
    """Join one more finding; an emergency call passes all the same.

    Args:
        verdict: What was decided so far.
        finding: What went wrong since.
    """
    findings = (*verdict.findings, finding)
    if any(each.rule == EMERGENCY for each in verdict.findings):
        return replace(verdict, findings=findings)
    decision, reason, not_before = _join(findings)
    if decision < verdict.decision:
        return replace(verdict, findings=findings)
    cause = _cause(decision, reason)
    return replace(verdict, findings=findings, decision=decision, reason=reason, not_before=not_before, cause=cause)


def longest_window_s(site: Site) -> int:
    """How many seconds attempts must be kept so that every limit of every rulebook can be counted.

    Args:
        site: Everything the admin configured.
    """
    values = [
        entry
        for rulebook in site.rulebooks.values()
        for parameter in rulebook.parameters.values()
        if parameter.shape == "attempt_limit"
        for value in parameter.values
        for entry in value.entries or ()
        if not parameter.profile or _has_members(site, parameter.profile)
    ]
    return max((_kept_s(value, site.campaigns.values()) for value in values), default=_DAY_S)


def _has_members(site: Site, profile: str) -> bool:
    return any(profile in campaign.principal.memberships for campaign in site.campaigns.values())


def _kept_s(value: LimitValue, campaigns: Iterable[Campaign]) -> int:
    if kept := attempt_limit.kept_s(value):
        return kept
    lengths = [
        OPEN_CAMPAIGN_S
        if each.starts_on is None or each.ends_on is None
        else ((each.ends_on - each.starts_on).days + 2) * _DAY_S
        for each in campaigns
    ]
    return max(lengths, default=_DAY_S)


def emergency_verdict(facts: AttemptFacts) -> Verdict:
    """The verdict on an emergency call: it passes, whatever is known."""
    finding = Finding(EMERGENCY, Decision.ALLOW, "an emergency call always passes", HOUSE)
    return Verdict(
        Decision.ALLOW,
        findings=(finding,),
        obligations=Obligations(show_number=shown_e164(facts)),
    )


def _join(findings: Sequence[Finding]) -> tuple[Decision, str, dt.datetime | None]:
    """The worst decision, the reason that decides, and the latest moment a DEFER waits for."""
    worst = max((finding.decision for finding in findings), default=Decision.ALLOW)
    if worst is Decision.ALLOW:
        return worst, "", None
    reasons = [finding.rule for finding in findings if finding.decision is worst]
    deciding = min(reasons, key=lambda rule: _PRECEDENCE.get(rule, len(_PRECEDENCE)))
    if worst is Decision.DENY:
        return worst, deciding, None
    return worst, deciding, max(_moments(findings), default=None)


def _moments(findings: Iterable[Finding]) -> Iterator[dt.datetime]:
    for finding in findings:
        if finding.decision is Decision.DEFER and finding.not_before is not None:
            yield finding.not_before


def _cause(decision: Decision, reason: str) -> int:
    if decision is Decision.ALLOW:
        return 0
    if reason == Reason.NUMBER_INVALID:
        return CAUSE_INVALID_FORMAT
    return CAUSE_REJECTED if decision is Decision.DENY else CAUSE_TRY_LATER
