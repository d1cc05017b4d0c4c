"""Abandoned share: a campaign at its limit dials only with an agent already reserved."""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.campaign_rates import (
    DIALLED_BY_MACHINE,
    RateLimit,
    RateState,
    home_zone,
    is_attended,
    rate_limits,
    rate_state,
)
from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.facts import PaceFacts
from asterisk_plugin.core.verdict import Decision, Finding, Reason


def check(case: Case) -> Iterator[Finding]:
    """Defer a call without a reserved agent unless its worst end, and that of all under way, keeps every limit.

    When such a call may be tried again is not known: with an agent at once, without one when others have ended well.

    Law:
        US: 16 CFR 310.4(b)(4), 47 CFR 64.1200(a)(7). GB: Communications Act 2003 ss. 128-131. IT: Garante no. 83/2014.
        DE: Branchenkodex. Parameter: `abandoned_rate`.
    """
    campaign, pace = case.facts.campaign, case.facts.pace
    if campaign is None or not case.law.abandoned_rate or campaign.dial_mode not in DIALLED_BY_MACHINE:
        return
    if is_attended(campaign, case.facts.agent_id):
        sentence = f"the agent {case.facts.agent_id} is reserved"
        yield Finding("abandoned-rate", Decision.ALLOW, sentence, case.law.abandoned_rate[0].source)
        return
    counts = {} if pace is None else {count.limit: count for count in pace.counts}
    for limit in slot_limits(case):
        count = counts.get(limit.id)
        if pace is None or count is None or count.first_day != limit.first_day:
            sentence = f"the calls whose share `{limit.id}` limits were not counted"
            yield Finding(Reason.STORE_UNAVAILABLE, Decision.DEFER, sentence, HOUSE)
        else:
            yield _judge(case, rate_state(limit, count.ended, pace.in_flight), pace)


def slot_limits(case: Case) -> tuple[RateLimit, ...]:
    """The limits that a call without a reserved agent must keep; none where an agent is there."""
    campaign = case.facts.campaign
    if campaign is None or not case.law.abandoned_rate or is_attended(campaign, case.facts.agent_id):
        return ()
    zone = home_zone(case.facts.site.home_country)
    return rate_limits(case.law.abandoned_rate, campaign=campaign, zone=zone, now=case.now)


def _judge(case: Case, state: RateState, pace: PaceFacts) -> Finding:
    value = state.limit.value
    found = f"{state.abandoned:g} of {state.of} {value.of} calls since {state.limit.first_day} were abandoned"
    most = f"at most {value.max_share_percent} % may be"
    if state.limit.is_turning(case.now):
        sentence = f"a new window begins at {state.limit.ends_at.isoformat()}: until then only with a reserved agent"
        return Finding(Reason.ABANDONED_RATE, Decision.DEFER, sentence, state.limit.source)
    if state.left and pace.has_room:
        sentence = f"{found}, {pace.in_flight} are under way without an agent, and {most}: {state.left} more may start"
        return Finding("abandoned-rate", Decision.ALLOW, sentence, state.limit.source)
    sentence = f"{found}, {pace.in_flight} are under way without an agent, and {most}: only with a reserved agent"
    return Finding(Reason.ABANDONED_RATE, Decision.DEFER, sentence, state.limit.source)
