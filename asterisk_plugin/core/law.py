"""One country's legal numbers: dated values with their sources, and which are in force for a call.

Rule 1: a legal number stands in `config/rulebook/`, never in the code.
Rule 2: a value is never edited when the law changes; a new dated one is added, so that an
old attempt can still be explained.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from asterisk_plugin.core.caller_id_parameters import CallBack, FromAbroad, NumberClass, NumberOwner
from asterisk_plugin.core.parameters import (
    CallKind,
    ConsentNeed,
    CustomerExemption,
    CustomerTerm,
    LimitValue,
    ObjectionOffer,
    ObjectionRight,
    RingTime,
    Schedule,
)
from asterisk_plugin.core.rate_parameters import AbandonedRate, AnswerLimit, CountedFrom, LockOut
from asterisk_plugin.core.verdict import Confidence, Obligations, Source
from asterisk_plugin.errors import ParameterNotInForceError

EntryType = TypeVar("EntryType", covariant=True)


@dataclass(frozen=True, slots=True)
class DatedValue:
    """What a parameter says from one day on.

    Args:
        since: First day in force.
        entries: One shape of `core/parameters.py` each; None when the parameter was repealed.
        source: Where it stands.
        note: What a reader should know about it; empty when nothing.
    """

    since: dt.date
    entries: tuple[Any, ...] | None
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One legal number, as it changed over time.

    Args:
        name: Dotted, `nl.all.calling_hours`.
        shape: The last part of the name: which shape its entries have.
        profile: Membership that it binds, `nl.code-telemarketing`; empty when it binds everybody.
        description: What it is about.
        checked_on: Day on which a person last compared it with its source.
        values: By `since`, oldest first.
    """

    name: str
    shape: str
    profile: str
    description: str
    checked_on: dt.date
    values: tuple[DatedValue, ...]

    def on(self, day: dt.date) -> DatedValue:
        """The value in force on a day.

        Raises:
            ParameterNotInForceError: Not in force yet, or repealed.
        """
        value = self.find(day)
        if value is None:
            raise ParameterNotInForceError(self.name, day)
        return value

    def find(self, day: dt.date) -> DatedValue | None:
        """The value in force on a day, None when there is none."""
        for value in reversed(self.values):
            if value.since <= day:
                return None if value.entries is None else value
        return None


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of the cache below
class Rulebook:
    """One country's rulebook.

    Args:
        country: ISO 3166-1 alpha-2, upper case.
        name: The country's name in English.
        version: Country and hash of the file, `NL@1a2b3c4d5e6f`.
        profiles: Name of every membership profile, by id without country.
        parameters: By dotted name.
        recall: Dotted names of parameters with a value from memory that may still come into use:
            each must stand in `accepted_unchecked`, or calls to this country are denied while
            that value is in force.
    """

    country: str
    name: str
    version: str
    profiles: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    recall: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce(Generic[EntryType]):
    """One entry that is in force for a call.

    Args:
        name: Dotted name of its parameter.
        value: The entry.
        source: Where it stands.
        since: First day of the value it belongs to.
    """

    name: str
    value: EntryType
    source: Source
    since: dt.date


@dataclass(frozen=True, slots=True)
class Law:
    """Everything in force for one kind of call on some days: several entries bind together.

    Args:
        rulebook: Where it comes from; None when the country has none.
        unconfirmed: Dotted names of parameters left out because their value is from memory
            and the admin has not accepted that.
    """

    rulebook: Rulebook | None = None
    unconfirmed: tuple[str, ...] = ()
    consent: tuple[InForce[ConsentNeed], ...] = ()
    relationship: tuple[InForce[CustomerExemption], ...] = ()
    relationship_term: tuple[InForce[CustomerTerm], ...] = ()
    objection: tuple[InForce[ObjectionRight], ...] = ()
    objection_offer: tuple[InForce[ObjectionOffer], ...] = ()
    calling_hours: tuple[InForce[Schedule], ...] = ()
    attempt_limit: tuple[InForce[LimitValue], ...] = ()
    caller_id_owner: tuple[InForce[NumberOwner], ...] = ()
    caller_id_class: tuple[InForce[NumberClass], ...] = ()
    caller_id_from_abroad: tuple[InForce[FromAbroad], ...] = ()
    call_back: tuple[InForce[CallBack], ...] = ()
    ring_time: tuple[InForce[RingTime], ...] = ()
    abandoned_rate: tuple[InForce[AbandonedRate], ...] = ()
    lock_out: tuple[InForce[LockOut], ...] = ()
    answer_limit: tuple[InForce[AnswerLimit], ...] = ()


NO_LAW = Law()

CALL_SHAPES = frozenset(field.name for field in fields(Law)) - {"rulebook", "unconfirmed"}
"""Parameters about calls that we make. Those about queues are read by `core/queue_law.py`."""


def ring_bounds(law: Law) -> tuple[int, int]:
    """Shortest and longest time that a call may ring, in seconds: the strictest of what binds, else the gate's own."""
    house, times = Obligations(), [entry.value for entry in law.ring_time]
    low = max((time.min_s for time in times if time.min_s is not None), default=house.ring_min_s)
    high = min((time.max_s for time in times if time.max_s is not None), default=house.ring_max_s)
    return low, max(low, high)


def strictest_answer_limit(law: Law) -> InForce[AnswerLimit] | None:
    """Of the limits that bind, the one due first: from the answer before from the greeting; None: there is none."""
    return min(
        law.answer_limit,
        key=lambda limit: (limit.value.within_s, limit.value.counted_from is not CountedFrom.ANSWER),
        default=None,
    )


@functools.lru_cache(maxsize=4096)
def law_in_force(
    rulebook: Rulebook,
    kind: CallKind,
    *,
    memberships: frozenset[str],
    days: tuple[dt.date, ...],
    accepted: frozenset[str],
) -> Law:
    """Everything that binds one kind of call.

    Args:
        rulebook: Of the called person's country.
        kind: What kind of call.
        memberships: Profiles that bind the principal, with country.
        days: Today in every zone the person may be in; what holds on any of them binds.
        accepted: Dotted names of values from memory that the admin accepted.
    """
    found, unconfirmed = entries_in_force(
        rulebook, kind, shapes=CALL_SHAPES, memberships=memberships, days=days, accepted=accepted
    )
    return Law(rulebook, unconfirmed, **found)


def entries_in_force(
    rulebook: Rulebook,
    kind: CallKind,
    *,
    shapes: frozenset[str],
    memberships: frozenset[str],
    days: tuple[dt.date, ...],
    accepted: frozenset[str],
) -> tuple[dict[str, tuple[InForce[Any], ...]], tuple[str, ...]]:
    """Every entry of some parameters that binds one kind of call, as in `law_in_force`.

    Args:
        rulebook: Where they stand.
        kind: What kind of call.
        shapes: Which parameters, by the last part of their names.
        memberships: Profiles that bind the principal, with country.
        days: What holds on any of them binds.
        accepted: Dotted names of values from memory that the admin accepted.

    Returns:
        Entries by shape, and the names of parameters left out because their value is from memory.
    """
    found: dict[str, list[InForce[Any]]] = {}
    unconfirmed = []
    for parameter in rulebook.parameters.values():
        if parameter.shape not in shapes or (parameter.profile and parameter.profile not in memberships):
            continue
        values = {value.since: value for day in days if (value := parameter.find(day)) is not None}
        for value in values.values():
            if value.source.confidence is Confidence.RECALL and parameter.name not in accepted:
                unconfirmed.append(parameter.name)
                continue
            found.setdefault(parameter.shape, []).extend(
                InForce(parameter.name, entry, value.source, value.since)
                for entry in value.entries or ()
                if entry.applies.covers(kind)
            )
    return {shape: tuple(entries) for shape, entries in found.items()}, tuple(unconfirmed)
