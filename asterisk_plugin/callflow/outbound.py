"""One attempt through the gate: gather facts, decide, record, answer.

The order is what makes it safe: nothing is answered ALLOW before the store was asked, the
attempt counted and the evidence accepted; and whatever goes wrong on the way ends in a
DEFER with its own reason, within the deadline.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.answered import unheard_action
from asterisk_plugin.callflow.deciding import decide_with_store
from asterisk_plugin.callflow.evidence import attempt_event
from asterisk_plugin.callflow.records import new_secret_id
from asterisk_plugin.callflow.releases import release_later
from asterisk_plugin.core import engine
from asterisk_plugin.core.caller_id import choose_shown_number
from asterisk_plugin.core.facts import AttemptFacts, PersonRecords, Presentation, ShownNumber
from asterisk_plugin.core.number import PhoneNumber, example_number, parse_number
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Verdict
from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ports import AgiRequest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.site import Site
    from asterisk_plugin.ports import Channel

MAX_ID_CHARS = 40
"""Longest campaign or agent id taken from the dialplan; configured ids are no longer."""


_NOT_CHOSEN = ShownNumber(Presentation.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decided attempt.

    Args:
        id: 32 hex characters: attempt id, event id and, for an ALLOW, the token in one.
        person: Tag of the called number, empty when it cannot be read.
        facts: What was known.
        verdict: What was decided.
        at: When.
    """

    id: str
    person: str
    facts: AttemptFacts
    verdict: Verdict
    at: dt.datetime


async def attempt(gate: Gate, channel: Channel) -> None:
    """The `attempt` script: decide one attempt and tell the dialplan.

    Args:
        gate: This node's gate.
        channel: The calling channel; arguments: number as dialled, campaign id, agent id (optional).

    Raises:
        ChannelHungUp: The caller went away; a reservation made for it expires with the attempt's count.
    """
    started_s = time.monotonic()
    made = await decide_attempt(gate, channel.request)
    finish = _Once(partial(_finish, gate, made, duration_s=time.monotonic() - started_s))
    # Runs while Asterisk takes the answer, which by then is on its way.
    asyncio.get_running_loop().call_soon(finish)
    try:
        await channel.set_variables(variables(made), last=True)
    finally:
        finish()


async def decide_attempt(gate: Gate, request: AgiRequest) -> Attempt:
    """Decide one attempt; never raises, except when cancelled. The caller records it.

    Args:
        gate: This node's gate.
        request: Arguments and caller ID as the channel has them.
    """
    attempt_id, now = new_secret_id(), gate.clock()
    facts: AttemptFacts | None = None
    person = ""
    # Before the look-up as well as after it: an objection that waits now may get into the store, and so out
    # of the spool, just after the store was asked.
    held = gate.held()
    try:
        facts = first_facts(gate.site, request, now)
        person = gate.tag(facts.called.e164) if isinstance(facts.called, PhoneNumber) else ""
        facts, verdict = await decide_with_store(gate, facts, person=person, attempt_id=attempt_id, now=now)
    except Exception as exc:  # noqa: BLE001 - the boundary: a fault of ours must be answered, not dialled
        gate.observer.fault("attempt", exc)
        facts = facts or _facts(gate.site, request, None)
        is_emergency = engine.is_emergency(facts)
        verdict = engine.emergency_verdict(facts) if is_emergency else _internal_error(type(exc).__name__)
    verdict = _recordable(gate, facts, verdict, held=held)
    if verdict.decision is Decision.ALLOW:
        return Attempt(attempt_id, person, facts, verdict, now)
    counted, flying = (
        facts.records is not None and facts.records.reserved,
        facts.pace is not None and facts.pace.reserved,
    )
    if counted or flying:
        release_later(gate, facts, attempt_id, counted=counted, slot=flying)
    # INVARIANT: only an ALLOW is recorded under the id that the store holds as token. The trunk leg waits
    # for an event of that id, so the token of an attempt that was reserved and then denied opens nothing,
    # even when its release failed.
    return Attempt(new_secret_id(), person, facts, verdict, now)


def first_facts(site: Site, request: AgiRequest, now: dt.datetime) -> AttemptFacts:
    """Everything that is known without asking the store.

    Args:
        site: The configuration in force.
        request: Arguments: number as dialled, campaign id, agent id; and the channel's caller ID.
        now: The moment of the attempt.
    """
    return _facts(site, request, now)


def _facts(site: Site, request: AgiRequest, now: dt.datetime | None) -> AttemptFacts:
    """What the dialplan said; a caller ID is chosen only when `now` is given."""
    dialled, campaign_id, agent_id, *_ = (*request.arguments, "", "", "")
    called, campaign = parse_number(dialled, site.home_country), site.campaigns.get(campaign_id)
    shown = _NOT_CHOSEN
    if now is not None:
        shown = choose_shown_number(
            channel_text=request.caller_number,
            calling_pres=request.calling_pres,
            campaign=campaign,
            called=called,
            site=site,
            now=now,
        )
    return AttemptFacts(
        dialled=dialled[:MAX_ID_CHARS],
        called=called,
        campaign_id=campaign_id[:MAX_ID_CHARS],
        campaign=campaign,
        agent_id=agent_id[:MAX_ID_CHARS],
        shown=shown,
        site=site,
    )


def warm_up(site: Site, now: dt.datetime) -> None:
    """Judge one example number of each country, so that the first real call does not wait for it.

    Number metadata, holidays and time zones are read on first use: some 100 ms in all.
    """
    for country, campaign in itertools.product(site.rulebooks, site.campaigns):
        number = example_number(country)
        request = AgiRequest("attempt", (number, campaign))
        facts = first_facts(site, request, now).with_records(PersonRecords())
        verdict = engine.decide(facts, now)
        attempt_event(facts, verdict, attempt_id="", person="warm-up", at=now)


def variables(made: Attempt) -> Mapping[str, str]:
    """The channel variables of the dialplan contract, DECISION last of all.

    An emergency call has its digits as NUMBER and no TOKEN: the trunk leg knows it by the number.
    """
    verdict, called = made.verdict, made.facts.called
    emergency = engine.is_emergency(made.facts)
    allowed = verdict.decision is Decision.ALLOW
    number = called.e164 if isinstance(called, PhoneNumber) else ""
    not_before = "" if verdict.not_before is None else str(int(verdict.not_before.timestamp()))
    values = {
        "RINGFENCE_NUMBER": "".join(filter(str.isdigit, made.facts.dialled)) if emergency else number,
        "RINGFENCE_CALLER_ID": verdict.obligations.show_number if allowed else "",
        "RINGFENCE_TOKEN": made.id if allowed and not emergency else "",
        "RINGFENCE_RING_S": str(verdict.obligations.ring_max_s),
        "RINGFENCE_REASON": verdict.reason,
        "RINGFENCE_NOT_BEFORE": not_before,
        "RINGFENCE_CAUSE": str(verdict.cause),
        "RINGFENCE_LISTEN": unheard_action(made.facts.campaign) if allowed and not emergency else "",
    }
    return {**values, "RINGFENCE_DECISION": verdict.decision.name}


def _internal_error(kind: str) -> Verdict:
    """The verdict when deciding itself failed; says only what kind of error, never its text."""
    finding = Finding(
        Reason.INTERNAL_ERROR, Decision.DEFER, f"the decision failed with {kind}; the log has the details"
    )
    return engine.with_finding(Verdict(Decision.ALLOW), finding)


def _recordable(gate: Gate, facts: AttemptFacts, verdict: Verdict, *, held: str) -> Verdict:
    """The verdict, unless evidence cannot be written now, or something stood against dialling when it was begun."""
    why = held
    try:
        gate.check_recordable()
    except LedgerUnavailableError as exc:
        why = why or str(exc)
    if not why or engine.is_emergency(facts):
        return verdict
    sentence = f"the verdict cannot be written down: {why}"
    return engine.with_finding(verdict, Finding(Reason.EVIDENCE_UNAVAILABLE, Decision.DEFER, sentence))


def _finish(gate: Gate, made: Attempt, *, duration_s: float) -> None:
    """Hand the evidence to the ledger, and tell the observer.

    Were the ledger to refuse it after all, the trunk leg would wait for it in vain and not dial.
    """
    called = made.facts.called
    number = called.e164 if isinstance(called, PhoneNumber) else ""
    try:
        event = attempt_event(made.facts, made.verdict, attempt_id=made.id, person=made.person, at=made.at)
        gate.ledger.submit(event)
    except Exception as exc:  # noqa: BLE001 - the boundary: the caller is answered, and nobody is dialled
        gate.observer.fault("evidence", exc)
    gate.observer.attempt(
        made.verdict,
        number=number,
        campaign=made.facts.campaign_id,
        attempt_id=made.id,
        duration_s=duration_s,
    )


class _Once:
    """Work that is done when it is called first."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    def __call__(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()
