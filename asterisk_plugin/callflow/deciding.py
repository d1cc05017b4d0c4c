"""What a decision asks of the store, within its deadline; what was reserved for nothing is given back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.releases import release_later
from asterisk_plugin.core import engine
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.facts import AttemptFacts, PaceFacts, PersonRecords, shown_e164
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Verdict
from asterisk_plugin.errors import StoreCorruptError, StoreError
from asterisk_plugin.ports import CallTerms, LookUp, PaceQuery

if TYPE_CHECKING:
    import datetime as dt

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.facts import AttemptLimit

FLIGHT_SLACK_S = 300.0
"""A call of which nothing is heard holds its place so many seconds longer than it can ring."""


async def decide_with_store(
    gate: Gate, facts: AttemptFacts, *, person: str, attempt_id: str, now: dt.datetime
) -> tuple[AttemptFacts, Verdict]:
    """Ask the store within the deadline, then let core judge.

    Args:
        gate: This node's gate.
        facts: Everything that is known without the store.
        person: Tag of the called number, empty when it cannot be read.
        attempt_id: Also the token.
        now: The moment of the attempt.

    Returns:
        What is known now, and the verdict. What was reserved is given back here only when that is not known; for a
        verdict other than ALLOW the caller does.
    """
    if not isinstance(facts.called, PhoneNumber) or facts.campaign is None or engine.is_emergency(facts):
        return facts, engine.decide(facts, now)  # nobody to look up, for nobody, or no time to lose
    hearing = engine.Hearing(facts, now)
    preview = hearing.preview()
    query = look_up_query(
        facts,
        now,
        limits=hearing.limits,
        person=person,
        reserve=preview.decision is Decision.ALLOW,
        attempt_id=attempt_id,
        token_lifetime_s=gate.token_lifetime_s,
        ring_min_s=preview.obligations.ring_min_s,
    )
    reserved_id = attempt_id if query.reserve else ""
    slot = slot_query(hearing, facts, attempt_id=reserved_id, token_lifetime_s=gate.token_lifetime_s)
    try:
        async with asyncio.timeout(gate.deadline_s):
            records, pace = await _ask(gate, query, slot)
    except StoreCorruptError as exc:
        gate.observer.fault("store", exc)
        facts = facts.with_records(None, fault=str(exc))
        if query.reserve:
            release_later(gate, facts, attempt_id, counted=False, slot=slot is not None)
        finding = Finding(Reason.INTERNAL_ERROR, Decision.DEFER, "a record of this number cannot be read")
        return facts, engine.with_finding(preview, finding)
    except (StoreError, TimeoutError) as exc:
        facts = facts.with_records(None, fault=str(exc) or "the store did not answer in time")
        if query.reserve:  # it may have been counted all the same: try to undo, a count too many is safe
            release_later(gate, facts, attempt_id, slot=slot is not None)
        return facts, hearing.decide(facts)
    facts = facts.with_records(records, pace=pace)
    return facts, hearing.decide(facts)


async def _ask(gate: Gate, query: LookUp, slot: PaceQuery | None) -> tuple[PersonRecords, PaceFacts | None]:
    """Ask the store, for a call without a reserved agent in two questions at the same time.

    Raises:
        StoreError: One of the two was not answered; the other may have reserved something.
    """
    if slot is None:
        return await gate.store.look_up(query), None
    answers = await asyncio.gather(gate.store.look_up(query), gate.store.pace(slot), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    records, pace = answers
    assert isinstance(records, PersonRecords)
    assert isinstance(pace, PaceFacts)
    return records, pace


def slot_query(
    hearing: engine.Hearing, facts: AttemptFacts, *, attempt_id: str, token_lifetime_s: float
) -> PaceQuery | None:
    """What is asked of the store before a call without a reserved agent; None when an agent is there, or no limit.

    Args:
        hearing: Of the attempt.
        facts: With a known campaign.
        attempt_id: Count it as under way if there is room; empty: only look.
        token_lifetime_s: Seconds after which its token is gone.
    """
    limits = hearing.slot_limits
    if not limits:
        return None
    assert facts.campaign is not None
    ring_s = hearing.preview().obligations.ring_max_s
    return PaceQuery(
        campaign=facts.campaign.id,
        limits=limits,
        zone=home_zone(facts.site.home_country),
        attempt_id=attempt_id,
        lifetime_s=ring_s + token_lifetime_s + FLIGHT_SLACK_S,
    )


def look_up_query(
    facts: AttemptFacts,
    now: dt.datetime,
    *,
    limits: tuple[AttemptLimit, ...],
    person: str,
    reserve: bool,
    attempt_id: str,
    token_lifetime_s: float,
    ring_min_s: int = 0,
) -> LookUp:
    """The one question a decision asks of the store.

    Args:
        facts: With a readable number and a known campaign.
        now: The moment of the attempt.
        limits: Every limit that the attempts must be counted against.
        person: Tag of the called number.
        reserve: Count the attempt and issue its token in the same step.
        attempt_id: Also the token; empty when nothing is reserved.
        token_lifetime_s: Seconds after which the token is gone.
        ring_min_s: Never hang up before so many seconds of ringing.
    """
    assert facts.campaign is not None
    return LookUp(
        person=person,
        principal=facts.campaign.principal.id,
        campaign=facts.campaign.id,
        limits=limits,
        reserve=reserve,
        attempt_id=attempt_id,
        token=attempt_id,
        shown=shown_e164(facts),
        token_lifetime_s=token_lifetime_s,
        now=now,
        terms=CallTerms(
            agent=bool(facts.agent_id),
            country=facts.called.country if isinstance(facts.called, PhoneNumber) else "",
            ring_min_s=ring_min_s,
        ),
    )
