"""A verdict as evidence: what is written down, and how it is replayed.

The clear body holds no personal data; the number, the records and every sentence are
sealed under the person's key. Replaying the sealed facts with the configuration of that
moment must give the same verdict: `decide(facts, now) == verdict`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.facts import AttemptFacts, PaceFacts, PersonRecords, ShownNumber
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.verdict import DECISION_NAMES, Obligations, Source, Verdict
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.core.site import Site


@dataclass(slots=True)
class _Finding:
    rule: str
    decision: str
    sentence: str
    source: Source | None
    not_before: dt.datetime | None


@dataclass(slots=True)
class _Verdict:
    decision: str
    reason: str
    findings: list[_Finding]
    obligations: Obligations
    unchecked: tuple[str, ...]
    faults: tuple[str, ...]
    not_before: dt.datetime | None
    rulebook_version: str
    cause: int


@dataclass(slots=True)
class _Facts:
    dialled: str
    campaign: str
    agent: str
    shown: ShownNumber
    records: PersonRecords | None
    records_fault: str
    pace: PaceFacts | None


@dataclass(slots=True)
class _Sealed:
    number: str
    facts: _Facts
    verdict: _Verdict


# What is written down, in the order of its keys. Typed for pydantic, which writes a shape it knows at half the cost.

_RECORDS = TypeAdapter(PersonRecords)
_PACE: TypeAdapter[PaceFacts | None] = TypeAdapter(PaceFacts | None)
_SHOWN = TypeAdapter(ShownNumber)
_VERDICT = TypeAdapter(_Verdict)
_SEALED = TypeAdapter(_Sealed)


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON-able values; decisions by name, times as ISO 8601."""
    values: dict[str, Any] = _VERDICT.dump_python(_verdict(verdict), mode="json")
    return values


def _verdict(verdict: Verdict) -> _Verdict:
    """A verdict with its decisions by name."""
    return _Verdict(
        decision=DECISION_NAMES[verdict.decision],
        reason=verdict.reason,
        findings=[
            _Finding(f.rule, DECISION_NAMES[f.decision], f.sentence, f.source, f.not_before) for f in verdict.findings
        ],
        obligations=verdict.obligations,
        unchecked=verdict.unchecked,
        faults=verdict.faults,
        not_before=verdict.not_before,
        rulebook_version=verdict.rulebook_version,
        cause=verdict.cause,
    )


def _facts(facts: AttemptFacts) -> _Facts:
    """The facts of an attempt without the site, which is recorded once."""
    return _Facts(
        dialled=facts.dialled,
        campaign=facts.campaign_id,
        agent=facts.agent_id,
        shown=facts.shown,
        records=facts.records,
        records_fault=facts.records_fault,
        pace=facts.pace,
    )


def facts_from_json(data: Mapping[str, Any], site: Site) -> AttemptFacts:
    """Read recorded facts back, to be judged again.

    Args:
        data: The `facts` of an attempt event's sealed part.
        site: The configuration that was in force.

    Raises:
        pydantic.ValidationError: `data` is not such a record.
    """
    records = data["records"]
    return AttemptFacts(
        dialled=data["dialled"],
        called=parse_number(data["dialled"], site.home_country),
        campaign_id=data["campaign"],
        campaign=site.campaigns.get(data["campaign"]),
        agent_id=data["agent"],
        shown=_SHOWN.validate_python(data["shown"]),
        site=site,
        records=None if records is None else _RECORDS.validate_python(records),
        records_fault=data["records_fault"],
        pace=_PACE.validate_python(data.get("pace")),  # evidence of earlier versions has none
    )


def replay(sealed: Mapping[str, Any], *, at: dt.datetime, site: Site) -> Verdict:
    """Judge recorded facts again.

    Args:
        sealed: The sealed part of an attempt event.
        at: The moment of the attempt.
        site: The configuration that was in force.
    """
    return decide(facts_from_json(sealed["facts"], site), at)


def attempt_event(facts: AttemptFacts, verdict: Verdict, *, attempt_id: str, person: str, at: dt.datetime) -> Event:
    """The ledger event of one decided attempt.

    Args:
        facts: What was known.
        verdict: What was decided.
        attempt_id: 32 hex characters; also the event's id and the attempt's token.
        person: Tag of the called number; empty when the number cannot be read.
        at: When it was decided.
    """
    campaign = facts.campaign
    body = {
        "attempt_id": attempt_id,
        "decision": DECISION_NAMES[verdict.decision],
        "reason": verdict.reason,
        "rules": [finding.rule for finding in verdict.findings],
        "campaign": campaign.id if campaign else facts.campaign_id[:40],
        "principal": campaign.principal.id if campaign else "",
        "agent": facts.agent_id,
        "rulebook_version": verdict.rulebook_version,
        "site_version": facts.site.version,
        "unchecked": list(verdict.unchecked),
        "faults": list(verdict.faults),
    }
    number = facts.called.e164 if isinstance(facts.called, PhoneNumber) else ""
    if not person:  # nobody's key: what is no number is nobody's number
        return Event(attempt_id, EventKind.ATTEMPT, at, body=body)
    # Straight to bytes: a decision makes no larger value, and a busy gate makes many of them.
    sealed = _SEALED.dump_json(_Sealed(number, _facts(facts), _verdict(verdict)))
    return Event(attempt_id, EventKind.ATTEMPT, at, person=person, body=body, sealed_json=sealed)
