"""How a rulebook's values about what calls end in are read."""

from __future__ import annotations

import re

from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.facts import LimitScope
from asterisk_plugin.core.fields import Fields
from asterisk_plugin.core.parameters import Applies
from asterisk_plugin.core.rate_parameters import (
    AbandonedRate,
    After,
    AnswerLimit,
    CountedFrom,
    LockOut,
    RateOf,
    RatePer,
    Then,
)

LONGEST_WINDOW_DAYS = 31
"""The counts of a campaign's days are kept for a month: no law asks for a longer window."""

LONGEST_LOCK_DAYS = 730
LONGEST_ANSWER_S = 30
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_NOT_ABANDONED = (Outcome.PERSON, Outcome.MACHINE)


def read_abandoned_rate(fields: Fields, applies: Applies) -> AbandonedRate:
    """An entry of `abandoned_rate`."""
    name = fields.text("name")
    if name and not _NAME.fullmatch(name):
        fields.note("name", name, "must be 1 to 40 of `a-z`, `0-9` and `-`")
    counts = fields.choices("counts", Outcome, empty=False)
    for outcome in _NOT_ABANDONED:
        if outcome in counts:
            fields.note("counts", outcome.value, "must not hold `person` or `machine`: nobody was left alone there")
    per = fields.choice("per", RatePer)
    if per is not RatePer.DAYS and fields.has("length"):
        fields.note("length", fields.raw("length"), "belongs to `days` only")
    return AbandonedRate(
        applies,
        name=name,
        counts=counts,
        of=fields.choice("of", RateOf),
        per=per,
        max_share_percent=fields.whole("max_share_percent", low=0, high=50),
        length=fields.whole("length", low=1, high=LONGEST_WINDOW_DAYS) if per is RatePer.DAYS else 0,
        machine_error_percent=fields.whole("machine_error_percent", low=0, high=100, default=0),
    )


def read_lock_out(fields: Fields, applies: Applies) -> LockOut:
    """An entry of `lock_out`."""
    hours = fields.whole("hours", low=1, high=LONGEST_LOCK_DAYS * 24) if fields.has("hours") else 0
    days = fields.whole("days", low=1, high=LONGEST_LOCK_DAYS) if fields.has("days") else 0
    if bool(hours) == bool(days):
        fields.note("hours", hours or None, "must be given, or `days` instead, and not both")
    return LockOut(
        applies,
        after=fields.choices("after", After, empty=False),
        scope=fields.choice("scope", LimitScope),
        hours=hours,
        days=days,
        agent_lifts=fields.yes("agent_lifts", default=False),
        then_agent=fields.yes("then_agent", default=False),
    )


def read_answer_limit(fields: Fields, applies: Applies) -> AnswerLimit:
    """An entry of `answer_limit`."""
    return AnswerLimit(
        applies,
        within_s=fields.whole("within_s", low=1, high=LONGEST_ANSWER_S),
        counted_from=fields.choice("counted_from", CountedFrom),
        then=fields.choice("then", Then),
    )
