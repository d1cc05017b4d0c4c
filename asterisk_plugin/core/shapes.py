"""How each parameter of a rulebook file is read: its name, its unit, the shape of an entry."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers

from asterisk_plugin.core.caller_id_parameters import (
    AbroadEffect,
    CallBack,
    FromAbroad,
    NumberClass,
    NumberOwner,
    Owner,
    PlanFor,
)
from asterisk_plugin.core.facts import LimitScope
from asterisk_plugin.core.fields import Fields, one_of
from asterisk_plugin.core.number import LineType
from asterisk_plugin.core.parameters import (
    Applies,
    ConsentNeed,
    CustomerExemption,
    CustomerTerm,
    LimitValue,
    Need,
    ObjectionOffer,
    ObjectionRight,
    Per,
    Requested,
    RingTime,
    Schedule,
    Span,
    SpecialDay,
    Window,
)
from asterisk_plugin.core.queue_shapes import read_announcement, read_answer_share, read_no_hang_up, read_numbers
from asterisk_plugin.core.rate_shapes import read_abandoned_rate, read_answer_limit, read_lock_out
from asterisk_plugin.core.site import Audience, DialMode, PrincipalKind, Purpose

SELECTION = ("purposes", "audiences", "dial_modes", "sectors")

_SPAN = re.compile(r"([1-9][0-9]{0,3}) (day|month|year)s?")
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_MONTHS = {"month": 1, "year": 12}
_NEEDS = {need.name.lower(): need for need in Need}
_LAST_MOMENT = dt.time.max
LONGEST_RING_S = 300
LONGEST_ROLL = 8784
"""Hours of a leap year: no law counts attempts over a longer rolling window."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a parameter must look like.

    Args:
        unit: What its file must say under `unit`.
        read: Reads one entry; the selection was read before.
    """

    unit: str
    read: Callable[[Fields, Applies], Any]


def read_entry(fields: Fields, shape: Shape) -> Any:
    """Read one entry of a value and refuse keys that do not belong to it."""
    applies = Applies(
        purposes=fields.choices("purposes", Purpose),
        audiences=fields.choices("audiences", Audience),
        dial_modes=fields.choices("dial_modes", DialMode),
        sectors=frozenset(fields.texts("sectors")),
    )
    entry = shape.read(fields, applies)
    fields.end()
    return entry


def _consent(fields: Fields, applies: Applies) -> ConsentNeed:
    needs = fields.text("needs")
    if needs and needs not in _NEEDS:
        fields.note("needs", needs, one_of(_NEEDS))
    return ConsentNeed(
        applies,
        needs=_NEEDS.get(needs, Need.EXPRESS),
        lifetime=_span(fields, "lifetime"),
        lifetime_when_unstated=_span(fields, "lifetime_when_unstated"),
    )


def _relationship(fields: Fields, applies: Applies) -> CustomerExemption:
    return CustomerExemption(
        applies,
        principal_kinds=fields.choices("principal_kinds", PrincipalKind, empty=False),
        same_product=fields.yes("same_product", default=True),
        running_only=fields.yes("running_only", default=False),
    )


def _relationship_term(fields: Fields, applies: Applies) -> CustomerTerm:
    return CustomerTerm(
        applies,
        after_contract_end=_span(fields, "after_contract_end"),
        after_last_purchase=_span(fields, "after_last_purchase"),
    )


def _objection(_fields: Fields, applies: Applies) -> ObjectionRight:
    return ObjectionRight(applies)


def _objection_offer(_fields: Fields, applies: Applies) -> ObjectionOffer:
    return ObjectionOffer(applies)


def _calling_hours(fields: Fields, applies: Applies) -> Schedule:
    return Schedule(
        applies,
        mon_fri=_windows(fields, "mon_fri"),
        sat=_windows(fields, "sat"),
        sun=_windows(fields, "sun"),
        holiday=_windows(fields, "holiday") if fields.has("holiday") else None,
        eve=_windows(fields, "eve") if fields.has("eve") else None,
        special=_special(fields),
        holiday_regions=fields.texts("holiday_regions"),
        requested=fields.choice("requested", Requested, Requested.NEVER),
    )


def _attempt_limit(fields: Fields, applies: Applies) -> LimitValue:
    name = fields.text("name")
    if name and not _NAME.fullmatch(name):
        fields.note("name", name, "must be 1 to 40 of `a-z`, `0-9` and `-`")
    per = fields.choice("per", Per)
    scope = fields.choice("scope", LimitScope)
    rolling = per in {Per.ROLLING_HOURS, Per.ROLLING_DAYS}
    if not rolling and fields.has("length"):
        fields.note("length", fields.raw("length"), "belongs to `rolling-hours` and `rolling-days` only")
    if per is Per.CAMPAIGN and scope is not LimitScope.CAMPAIGN:
        fields.note("scope", scope.value, "must be `campaign` when `per` is `campaign`")
    return LimitValue(
        applies,
        name=name,
        per=per,
        scope=scope,
        max_attempts=fields.whole("max", low=1, high=1000),
        length=fields.whole("length", low=1, high=LONGEST_ROLL) if rolling else 0,
    )


def _caller_id_owner(fields: Fields, applies: Applies) -> NumberOwner:
    plan = fields.texts("numbering_plan")
    for place, country in enumerate(plan):
        if country not in phonenumbers.SUPPORTED_REGIONS:
            fields.note(f"numbering_plan[{place}]", country, "must be an ISO 3166-1 country code, `DE`")
    return NumberOwner(
        applies,
        owner=fields.choice("owner", Owner),
        right_of_use=fields.yes("right_of_use", default=False),
        numbering_plan=frozenset(plan),
        plan_for=fields.choice("plan_for", PlanFor, PlanFor.ALL),
    )


def _caller_id_class(fields: Fields, applies: Applies) -> NumberClass:
    return NumberClass(
        applies,
        allowed_line_types=fields.choices("allowed_line_types", LineType),
        forbidden_line_types=fields.choices("forbidden_line_types", LineType),
        allowed_prefixes=_prefixes(fields, "allowed_prefixes"),
        forbidden_prefixes=_prefixes(fields, "forbidden_prefixes"),
    )


def _caller_id_from_abroad(fields: Fields, applies: Applies) -> FromAbroad:
    return FromAbroad(
        applies,
        effect=fields.choice("effect", AbroadEffect),
        exempt_line_types=fields.choices("exempt_line_types", LineType),
    )


def _call_back(fields: Fields, applies: Applies) -> CallBack:
    return CallBack(applies, reachable_for=_span(fields, "reachable_for"))


def _ring_time(fields: Fields, applies: Applies) -> RingTime:
    low = fields.whole("min_s", low=1, high=LONGEST_RING_S) if fields.has("min_s") else None
    high = fields.whole("max_s", low=1, high=LONGEST_RING_S) if fields.has("max_s") else None
    if low is not None and high is not None and high < low:
        fields.note("max_s", high, f"must not be below `min_s`, which is {low}")
    return RingTime(applies, min_s=low, max_s=high)


def _span(fields: Fields, name: str) -> Span | None:
    if not fields.has(name):
        return None
    text = fields.text(name)
    match = _SPAN.fullmatch(text)
    if match is None:
        if text:
            fields.note(name, text, "must be a number of days, months or years, `3 years`")
        return None
    count, unit = int(match[1]), match[2]
    return Span(months=count * _MONTHS[unit]) if unit in _MONTHS else Span(days=count)


def _prefixes(fields: Fields, name: str) -> tuple[str, ...]:
    prefixes = fields.texts(name)
    for place, prefix in enumerate(prefixes):
        if not _PREFIX.fullmatch(prefix):
            fields.note(f"{name}[{place}]", prefix, "must begin with `+` and a country calling code, `+49137`")
    return prefixes


def _windows(fields: Fields, name: str) -> tuple[Window, ...]:
    windows: list[Window] = []
    for place, pair in enumerate(fields.items(name)):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(end, dt.time) for end in pair):
            fields.note(f"{name}[{place}]", pair, "must be two local times, `[09:00:00, 20:00:00]`")
            continue
        start, end = pair
        if start.microsecond or end.microsecond:
            fields.note(f"{name}[{place}]", f"{start}-{end}", "must be in whole seconds")
        if start >= (end if end != dt.time.min else _LAST_MOMENT):
            fields.note(f"{name}[{place}]", f"{start}-{end}", "must end after it starts")
        elif windows and start < (windows[-1][1] if windows[-1][1] != dt.time.min else _LAST_MOMENT):
            fields.note(f"{name}[{place}]", f"{start}-{end}", "must not start before the window above ends")
        windows.append((start, end))
    return tuple(windows)


def _special(fields: Fields) -> tuple[SpecialDay, ...]:
    days = []
    for place, table in enumerate(fields.items("special")):
        own = Fields(table, key=f"{fields.path('special')}[{place}]", problems=fields.problems)
        until = own.raw("until", None)
        if until is not None and not isinstance(until, dt.time):
            own.note("until", until, "must be a local time, `18:30:00`, or not be given when the day is closed")
            until = None
        if until is not None and until.microsecond:
            own.note("until", until, "must be in whole seconds")
        month, day = own.whole("month", low=1, high=12), own.whole("day", low=1, high=31)
        if day > _longest(month):
            own.note("day", day, f"must be a day that month {month} has")
        days.append(SpecialDay(month, day, until, own.text("why")))
        own.end()
    return tuple(days)


def _longest(month: int) -> int:
    return 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31


SHAPES: Mapping[str, Shape] = {
    "consent": Shape("grounds", _consent),
    "relationship": Shape("principal kinds", _relationship),
    "relationship_term": Shape("duration", _relationship_term),
    "objection": Shape("grounds", _objection),
    "objection_offer": Shape("grounds", _objection_offer),
    "calling_hours": Shape("local time", _calling_hours),
    "attempt_limit": Shape("attempts", _attempt_limit),
    "caller_id_owner": Shape("party", _caller_id_owner),
    "caller_id_class": Shape("numbering plan", _caller_id_class),
    "caller_id_from_abroad": Shape("numbering plan", _caller_id_from_abroad),
    "call_back": Shape("duration", _call_back),
    "ring_time": Shape("seconds", _ring_time),
    "abandoned_rate": Shape("percent", read_abandoned_rate),
    "lock_out": Shape("duration", read_lock_out),
    "answer_limit": Shape("seconds", read_answer_limit),
    "queue_numbers": Shape("line types", read_numbers),
    "queue_announcement": Shape("seconds", read_announcement),
    "queue_no_hang_up": Shape("grounds", read_no_hang_up),
    "queue_answer_share": Shape("percent", read_answer_share),
}
"""Every parameter a rulebook may hold."""
