"""Lock-outs: a number is left alone for some time after a call that ended badly, or after a refusal."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator

from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.calendar import day_span, local_days
from asterisk_plugin.core.campaign_rates import is_attended
from asterisk_plugin.core.case import Case
from asterisk_plugin.core.facts import EndedCall, LimitScope
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.rate_parameters import After, LockOut
from asterisk_plugin.core.rules.hours import first_opening
from asterisk_plugin.core.verdict import Decision, Finding, Reason

_NAMES = {
    After.SILENT: "a silent call",
    After.ABANDONED: "an abandoned call",
    After.MACHINE: "a call that a machine answered",
    After.REFUSAL: "a refusal",
}


def check(case: Case) -> Iterator[Finding]:
    """Defer a call to a number that is locked until the lock ends; or to one that needs a reserved agent.

    Law:
        FR: C. conso D.223-9. GB: Ofcom's statement on persistent misuse. IT: Garante no. 83/2014.
        Parameter: `lock_out`.
    """
    records, campaign = case.facts.records, case.facts.campaign
    if records is None or campaign is None:
        return
    attended = is_attended(campaign, case.facts.agent_id)
    for entry in case.law.lock_out:
        value = entry.value
        ended = [call for call in records.ended if _is_in_scope(call, value.scope, case)]
        last = _newest(call for call in ended if call.what in set(value.after))
        if last is None:
            names = " and ".join(_NAMES[after] for after in After if after in value.after)
            yield Finding("lock-out", Decision.ALLOW, f"no lock-out after {names}", entry.source)
        else:
            reached = _newest(call for call in ended if call.what == Outcome.PERSON and call.at > last.at)
            yield _judge(case, entry, last, was_reached=reached is not None, attended=attended)


def _judge(case: Case, entry: InForce[LockOut], last: EndedCall, *, was_reached: bool, attended: bool) -> Finding:
    value, ends_at = entry.value, _ends(case, entry.value, last)
    what = f"{_NAMES[After(last.what)]} on {local_days(case.zones, last.at)[0]}"
    if case.now < ends_at:
        if value.agent_lifts and attended:
            return Finding("lock-out", Decision.ALLOW, f"there was {what}, and an agent is reserved", entry.source)
        span = f"{value.hours} hours" if value.hours else f"{value.days} full days"
        unless = ", unless an agent is reserved" if value.agent_lifts else ""
        sentence = f"there was {what}: the number is left alone for {span}{unless}"
        not_before = first_opening(case, ends_at)
        return Finding(Reason.LOCK_OUT, Decision.DEFER, sentence, entry.source, not_before)
    if value.then_agent and not was_reached and not attended:
        sentence = f"there was {what}: until the person was reached, only with a reserved agent"
        return Finding(Reason.LOCK_OUT, Decision.DEFER, sentence, entry.source)
    return Finding("lock-out", Decision.ALLOW, f"the lock-out after {what} is over", entry.source)


def _is_in_scope(call: EndedCall, scope: LimitScope, case: Case) -> bool:
    campaign = case.facts.campaign
    assert campaign is not None
    if scope is LimitScope.NUMBER:
        return True
    if call.principal != campaign.principal.id:
        return False
    return scope is LimitScope.PRINCIPAL or call.campaign == campaign.id


def _newest(calls: Iterable[EndedCall]) -> EndedCall | None:
    return max(calls, key=lambda call: call.at, default=None)


def _ends(case: Case, value: LockOut, last: EndedCall) -> dt.datetime:
    """When the lock is over; full days are counted from the next day on, where that comes last."""
    if value.hours:
        return last.at + dt.timedelta(hours=value.hours)
    return max(
        day_span(zone, last.at.astimezone(zoneinfo.ZoneInfo(zone)).date() + dt.timedelta(days=value.days + 1))[0]
        for zone in case.zones
    )
