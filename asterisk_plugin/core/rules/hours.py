"""Calling hours, in every zone the called person may be in."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import replace

from asterisk_plugin.core.calendar import DAY_NAMES, Place, next_opening
from asterisk_plugin.core.case import Case
from asterisk_plugin.core.facts import Consent
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.parameters import Applies, Requested, Schedule
from asterisk_plugin.core.rules.consent import REQUESTED_CALL, standing_consents, waiting_consents
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Source

_WHOLE_DAY = ((dt.time.min, dt.time.min),)
_NO_HOURS = Schedule(Applies(), mon_fri=_WHOLE_DAY, sat=_WHOLE_DAY, sun=_WHOLE_DAY)
_CLOSED_DAY = Source("closed days of this call centre")


def check(case: Case) -> Iterator[Finding]:
    """Defer a call outside the calling hours until they open in every zone, or the slot asked for begins.

    The days that the admin closed are closed for every purpose, in countries without calling
    hours too.

    Law:
        DE: BNetzA yardstick to TKG § 123 and UWG § 7(1); Branchenkodex. NL: Code Telemarketing.
        Parameter: `calling_hours`.
    """
    bound = _places(case)
    closed = [(place, source) for place, source in bound if not place.is_open(case.now)]
    kept_out = [(place, source) for place, source in closed if not _is_opened(place, case)]
    if not kept_out:
        for place, source in bound:
            yield _in_order(place, source, case=case)
        return
    not_before = _not_before(case, tuple(place for place, _ in bound))
    for place, source in kept_out:
        yield Finding(Reason.CALLING_HOURS, Decision.DEFER, _why_closed(place, case), source, not_before)


def preview(case: Case) -> Iterator[Finding]:
    """Defer only where no wish of the person could open the hours: such wishes stand in the records."""
    places = _places(case)
    for place, source in places:
        if place.schedule.requested is Requested.NEVER and not place.is_open(case.now):
            not_before = next_opening(tuple(each for each, _ in places), case.now)
            yield Finding(Reason.CALLING_HOURS, Decision.DEFER, _why_closed(place, case), source, not_before)


def is_settled(case: Case) -> bool:
    """Open everywhere: no wish of the person can close the hours."""
    return all(place.is_open(case.now) for place, _ in _places(case))


def first_opening(case: Case, at: dt.datetime) -> dt.datetime:
    """The first moment, `at` or later, at which calls may ring; `at` itself when none is in sight."""
    return next_opening(tuple(place for place, _ in _places(case)), at) or at


def _places(case: Case) -> list[tuple[Place, Source]]:
    """Every schedule that binds, in every zone."""
    called, site = case.facts.called, case.facts.site
    if not isinstance(called, PhoneNumber) or case.facts.campaign is None:
        return []
    closed = _closed_days(case, called.country)
    if not case.law.calling_hours:
        # No hours in the rulebook: only the admin's closed days, and no last dial before midnight.
        places = [Place(_NO_HOURS, called.country, zone, closed, 0) for zone in case.zones] if closed else []
        return [(place, _CLOSED_DAY) for place in places]
    return [
        (Place(entry.value, called.country, zone, closed, site.last_dial_s), entry.source)
        for entry in case.law.calling_hours
        for zone in case.zones
    ]


def _closed_days(case: Case, country: str) -> Mapping[dt.date, str]:
    days = case.facts.site.closed_days
    return {closed.day: closed.reason for closed in days if closed.country in {"*", country}} if days else {}


def _is_opened(place: Place, case: Case) -> bool:
    """Whether a wish of the person opens closed hours now."""
    mode = place.schedule.requested
    if mode is Requested.NEVER:
        return False
    standing = standing_consents(case)
    if mode is Requested.EXPRESS:
        return bool(standing)
    if mode is Requested.CLOSED_DAYS and place.plan(_local(place, case).date()).windows:
        return False
    return any(_opens(consent, mode) for consent in standing)


def _opens(consent: Consent, mode: Requested) -> bool:
    """Whether a standing consent is a request that opens; a standing one is within its slot."""
    if consent.kind != REQUESTED_CALL:
        return False
    has_slot = consent.callable_from is not None and consent.callable_until is not None
    return has_slot or mode is Requested.REQUESTED


def _not_before(case: Case, places: tuple[Place, ...]) -> dt.datetime | None:
    """When the hours open again in every place, or a slot begins that the person asked for."""
    openings = [next_opening(places, case.now)]
    for consent in waiting_consents(case):
        assert consent.callable_from is not None
        then = replace(case, now=consent.callable_from)
        if all(place.is_open(then.now) or _is_opened(place, then) for place in places):
            openings.append(then.now)
    return min((moment for moment in openings if moment is not None), default=None)


def _local(place: Place, case: Case) -> dt.datetime:
    return case.now.astimezone(zoneinfo.ZoneInfo(place.zone))


def _why_closed(place: Place, case: Case) -> str:
    local = _local(place, case)
    plan = place.plan(local.date())
    where = f"in {place.zone} it is {DAY_NAMES[local.weekday()]} {local:%Y-%m-%d %H:%M}"
    if not plan.windows:
        return f"{where}, and no calls are made there on {plan.name}"
    windows = " and ".join(f"{start:%H:%M}-{end:%H:%M}" for _, _, (start, end) in plan.windows)
    last = f", the last dial {place.last_dial_s} s before the end" if place.last_dial_s else ""
    return f"{where}, and calls are made there on {plan.name} {windows}{last}"


def _in_order(place: Place, source: Source, *, case: Case) -> Finding:
    local, window = _local(place, case), place.window(case.now)
    where = f"in {place.zone} it is {local.hour:02}:{local.minute:02}"
    if window is None:
        sentence = f"{where}, outside the calling hours, and the person asked to be called now"
    else:
        start, end = (time.isoformat("minutes") for time in window)
        sentence = f"{where}, within {start}-{end}"
    return Finding("calling-hours", Decision.ALLOW, sentence, source)
