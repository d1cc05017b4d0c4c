"""A verdict as evidence: what is written down, and how it is replayed.

The clear body holds no personal data; the number, the records and every sentence are
sealed under the person's key. Replaying the sealed facts with the configuration of that
moment must give the same verdict: `decide(facts, now) == verdict`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.facts import AttemptFacts, PersonRecords, ShownNumber
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.verdict import Verdict
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.core.site import Site

_RECORDS = TypeAdapter(PersonRecords)
_SHOWN = TypeAdapter(ShownNumber)
_VERDICT = TypeAdapter(Verdict)


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON-able values; decisions by name, times as ISO 8601."""
    data: dict[str, Any] = _VERDICT.dump_python(verdict, mode="json")
    data["decision"] = verdict.decision.name
    for finding, raw in zip(verdict.findings, data["findings"], strict=True):
        raw["decision"] = finding.decision.name
    return data


def facts_to_json(facts: AttemptFacts) -> dict[str, Any]:
    """The facts of an attempt as JSON-able values, without the site (it is recorded once)."""
    return {
        "dialled": facts.dialled,
        "campaign": facts.campaign_id,
        "agent": facts.agent_id,
        "shown": _SHOWN.dump_python(facts.shown, mode="json"),
        "records": None if facts.records is None else _RECORDS.dump_python(facts.records, mode="json"),
        "records_fault": facts.records_fault,
    }


def facts_from_json(data: Mapping[str, Any], site: Site) -> AttemptFacts:
    """Read recorded facts back, to be judged again.

    Args:
        data: What `facts_to_json` gave.
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
        "decision": verdict.decision.name,
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
    sealed = {"number": number, "facts": facts_to_json(facts), "verdict": verdict_to_json(verdict)}
    if not person:  # nobody's key: what is no number is nobody's number
        return Event(attempt_id, EventKind.ATTEMPT, at, body=body)
    return Event(attempt_id, EventKind.ATTEMPT, at, person=person, body=body, sealed=sealed)


def without_records(facts: AttemptFacts, why: str) -> AttemptFacts:
    """The same facts when the store could not say anything."""
    return replace(facts, records=None, records_fault=why)
