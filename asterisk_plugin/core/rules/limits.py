"""Attempt limits: so many attempts in a window of the called person's time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from asterisk_plugin.core.calendar import day_span
from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.facts import AttemptCount, AttemptLimit
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.parameters import LimitValue, Per
from asterisk_plugin.core.rules.hours import first_opening
from asterisk_plugin.core.verdict import Decision, Finding, Reason

_DAY, _WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
_HOUR_S, _DAY_S = 3600, 86_400
_NAMES = {Per.DAY: "today", Per.WEEK: "this week", Per.CAMPAIGN: "in this campaign"}


def check(case: Case) -> Iterator[Finding]:
    """Defer until a window ends, or deny when it ends with the campaign.

    Law:
        DE: BNetzA yardstick to TKG § 123 and UWG § 7(1); Branchenkodex. Parameter: `attempt_limit`.
    """
    records = case.facts.records
    if records is None:
        return
    counts = {count.limit.id: count for count in records.attempts}
    for entry, limit in attempt_limits(case):
        count = counts.get(limit.id)
        if count is None:
            sentence = f"the attempts that `{limit.id}` limits were not counted"
            yield Finding(Reason.STORE_UNAVAILABLE, Decision.DEFER, sentence, HOUSE)
        elif count.used >= limit.max_attempts:
            yield _reached(case, entry, count=count, limit=limit)
        else:
            sentence = f"attempt {count.used + 1} of {limit.max_attempts} {_window_name(entry.value)}"
            yield Finding("attempt-limit", Decision.ALLOW, sentence, entry.source)


def attempt_limits(case: Case) -> Iterator[tuple[InForce[LimitValue], AttemptLimit]]:
    """Every limit that binds, with its window at this moment; with several zones the longest one."""
    for entry in case.law.attempt_limit:
        value = entry.value
        since, renews_at = _window(case, value)
        yield (
            entry,
            AttemptLimit(
                id=f"{entry.name}.{value.name}",
                scope=value.scope,
                since=since,
                max_attempts=value.max_attempts,
                renews_at=renews_at,
                window_s=_rolling_s(value),
            ),
        )


def kept_s(value: LimitValue) -> int:
    """How many seconds back a limit may look, at most; 0 for a campaign's, which has no fixed length."""
    if value.per is Per.CAMPAIGN:
        return 0
    if value.per is Per.ROLLING_HOURS:
        return _rolling_s(value)
    days = {Per.DAY: 1, Per.WEEK: 7}.get(value.per, value.length)
    return (days + 2) * _DAY_S  # a day more for zones apart, and one for a day of 25 hours


def _window(case: Case, value: LimitValue) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Start of the window, None for all time; and when it ends by itself, None when it does not."""
    if value.per is Per.CAMPAIGN:
        return None, None
    if value.per is Per.ROLLING_HOURS:
        return case.now - dt.timedelta(hours=value.length), None
    if value.per is Per.ROLLING_DAYS:
        return _starts(case, case.days[0] - (value.length - 1) * _DAY), None
    if value.per is Per.WEEK:
        mondays = [day - day.weekday() * _DAY for day in case.days]
        return _starts(case, mondays[0]), _ends(case, mondays[-1] + _WEEK)
    return _starts(case, case.days[0]), _ends(case, case.days[-1] + _DAY)


def _starts(case: Case, day: dt.date) -> dt.datetime:
    return min(day_span(zone, day)[0] for zone in case.zones)


def _ends(case: Case, day: dt.date) -> dt.datetime:
    return max(day_span(zone, day)[0] for zone in case.zones)


def _rolling_s(value: LimitValue) -> int:
    if value.per is Per.ROLLING_HOURS:
        return value.length * _HOUR_S
    return value.length * _DAY_S if value.per is Per.ROLLING_DAYS else 0


def _reached(case: Case, entry: InForce[LimitValue], *, count: AttemptCount, limit: AttemptLimit) -> Finding:
    most = f"at most {limit.max_attempts} may be made {_window_name(entry.value)}"
    sentence = f"{count.used} attempts were made and {most}"
    if entry.value.per is Per.CAMPAIGN:
        return Finding(Reason.ATTEMPT_LIMIT, Decision.DENY, sentence, entry.source)
    ends_at = limit.renews_at or _oldest_leaves(case, entry.value, count)
    not_before = None if ends_at is None else first_opening(case, ends_at)
    return Finding(Reason.ATTEMPT_LIMIT, Decision.DEFER, sentence, entry.source, not_before)


def _oldest_leaves(case: Case, value: LimitValue, count: AttemptCount) -> dt.datetime | None:
    """When the oldest attempt leaves a rolling window."""
    if count.oldest_at is None:
        return None
    if value.per is Per.ROLLING_HOURS:
        return count.oldest_at + dt.timedelta(hours=value.length)
    made_on = [count.oldest_at.astimezone(dt.UTC).date() + shift * _DAY for shift in (-1, 0, 1)]
    return max(
        day_span(zone, day + value.length * _DAY)[0]
        for zone in case.zones
        for day in made_on
        if day_span(zone, day)[0] <= count.oldest_at < day_span(zone, day)[1]
    )


def _window_name(value: LimitValue) -> str:
    unit = "hours" if value.per is Per.ROLLING_HOURS else "days"
    return _NAMES.get(value.per) or f"in {value.length} {unit}"
