"""Abandoned shares of a campaign, and the governor: how many calls may be under way without a reserved agent.

A limit says that the abandoned calls of a window may be at most so many percent of others. In hundredths of a call,
each call that ends so costs `100` when it counts as abandoned and earns the percentage when it is one of those of
which the share is taken; a limit is kept as long as what was earned is not less than what it cost.

The governor lets another call through only while what is left covers the worst end of every call under way, this
one included. So no end, in whatever order, makes the share larger than the limit. Without history nothing is left:
a campaign begins with agents who are reserved.

Windows follow one another and do not slide. In a sliding one the good calls that leave it could lift the share of a
campaign that has stopped dialling.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.attempt_end import LIVE, Outcome
from asterisk_plugin.core.calendar import day_span, local_days, usable_zones
from asterisk_plugin.core.law import InForce, law_in_force
from asterisk_plugin.core.number import PhoneNumber, example_number, parse_number
from asterisk_plugin.core.parameters import CallKind
from asterisk_plugin.core.rate_parameters import AbandonedRate, RateOf, RatePer
from asterisk_plugin.core.site import DialMode
from asterisk_plugin.core.verdict import Source

if TYPE_CHECKING:
    from asterisk_plugin.core.facts import PaceFacts
    from asterisk_plugin.core.law import Law
    from asterisk_plugin.core.site import Campaign, Site

HUNDRED = 100

MOST_AT_ONCE = 1000
"""So many calls of a campaign at most are under way without an agent, whatever its limits leave."""

TURN = dt.timedelta(seconds=60)
"""Before the end of a window so long no call starts without an agent: one that is let through in this window may begin
to dial in the next, which has no history yet."""

DIALLED_BY_MACHINE = frozenset({DialMode.PROGRESSIVE, DialMode.PREDICTIVE, DialMode.RECORDED})
"""Dial modes in which a call may be answered without an agent; in the others the agent dials."""

_FIRST_WINDOW = dt.date(2001, 1, 1)
"""Where the windows of a campaign without a first day begin: any fixed day serves, this one is a Monday."""

_OF = {RateOf.LIVE: LIVE, RateOf.ATTEMPTS: frozenset(Outcome), RateOf.COMPLETED: frozenset({Outcome.PERSON})}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit with its window at some moment.

    Args:
        id: Where it stands in the rulebook, `us.all.abandoned_rate.live`.
        value: What it says.
        source: Where it stands.
        first_day: First day of the window, by the site's calendar.
        today: The day of the moment, by the same.
        starts_at: When the window began.
        ends_at: When the next one begins.
    """

    id: str
    value: AbandonedRate
    source: Source
    first_day: dt.date
    today: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the window until today."""
        count = (self.today - self.first_day).days + 1
        return tuple(self.first_day + dt.timedelta(days=day) for day in range(count))

    def is_turning(self, now: dt.datetime) -> bool:
        """Whether the window ends so soon that a call let through now may belong to the next."""
        return now >= self.ends_at - TURN


@dataclass(frozen=True, slots=True)
class RateState:
    """Where a campaign stands with one limit.

    Args:
        limit: The limit.
        abandoned: Calls that count as abandoned; estimated ones make it a fraction.
        of: Calls of which the share is taken.
        left: So many more calls may be under way without an agent, those under way taken off; not below 0.
    """

    limit: RateLimit
    abandoned: float
    of: int
    left: int

    @property
    def share_percent(self) -> float:
        """The share in percent; 0 without calls."""
        return HUNDRED * self.abandoned / self.of if self.of else HUNDRED * min(self.abandoned, 1.0)


def is_attended(campaign: Campaign, agent_id: str) -> bool:
    """Whether an agent is there for a call: reserved for it, or dialling it."""
    return bool(agent_id) or campaign.dial_mode not in DIALLED_BY_MACHINE


@functools.lru_cache(maxsize=64)
def home_zone(country: str) -> str:
    """The zone by whose days a site counts: of several in the country, that of the numbering plan's example.

    Args:
        country: The site's home country.
    """
    number = parse_number(example_number(country), country)
    zones = number.time_zones if isinstance(number, PhoneNumber) else ()
    return usable_zones(zones[:1])[0] if zones else "Etc/UTC"


def rate_limits(
    entries: Iterable[InForce[AbandonedRate]], *, campaign: Campaign, zone: str, now: dt.datetime
) -> tuple[RateLimit, ...]:
    """Every limit with its window.

    Args:
        entries: What is in force.
        campaign: Whose calls are counted.
        zone: By whose days, see `home_zone`.
        now: The moment (aware).
    """
    return tuple(_limit(entry, campaign, zone, now) for entry in entries)


def _limit(entry: InForce[AbandonedRate], campaign: Campaign, zone: str, now: dt.datetime) -> RateLimit:
    (today,) = local_days((zone,), now)
    first, following = _window(entry.value, campaign.starts_on or _FIRST_WINDOW, today)
    return RateLimit(
        id=f"{entry.name}.{entry.value.name}",
        value=entry.value,
        source=entry.source,
        first_day=first,
        today=today,
        starts_at=day_span(zone, first)[0],
        ends_at=day_span(zone, following)[0],
    )


def _window(value: AbandonedRate, start: dt.date, today: dt.date) -> tuple[dt.date, dt.date]:
    """First day of the window that a day lies in, and of the next one."""
    if value.per is RatePer.MONTH:
        first = today.replace(day=1)
        return first, (first + dt.timedelta(days=31)).replace(day=1)
    if value.per is RatePer.DAYS:
        first = start + dt.timedelta(days=(today - start).days // value.length * value.length)
        return first, first + dt.timedelta(days=value.length)
    return today, today + dt.timedelta(days=1)


def cost(value: AbandonedRate, outcome: Outcome) -> int:
    """What a call that ends so takes from what is left, in hundredths of a call; below 0 it adds.

    Args:
        value: The limit.
        outcome: How the call ended.
    """
    share = value.machine_error_percent if outcome is Outcome.MACHINE else 0
    counted = HUNDRED if outcome in value.counts else share
    return counted - (value.max_share_percent if outcome in _OF[value.of] else 0)


def worst_cost(value: AbandonedRate) -> int:
    """What a call may take at most, however it ends."""
    return max(cost(value, outcome) for outcome in Outcome)


def balance(value: AbandonedRate, ended: Mapping[str, int]) -> int:
    """What is left, in hundredths of a call; below 0 the limit is passed.

    Args:
        value: The limit.
        ended: How the calls of the window ended, by value of `Outcome`.
    """
    return -sum(cost(value, Outcome(outcome)) * count for outcome, count in ended.items())


def left(value: AbandonedRate, ended: Mapping[str, int], in_flight: int) -> int:
    """How many calls without an agent may be started now: however they and those under way end, the limit is kept.

    Args:
        value: The limit.
        ended: How the calls of the window ended, by value of `Outcome`.
        in_flight: Calls without an agent that are under way.
    """
    return max(0, min(balance(value, ended) // worst_cost(value), MOST_AT_ONCE) - in_flight)


def rate_state(limit: RateLimit, ended: Mapping[str, int], in_flight: int) -> RateState:
    """Where a campaign stands with a limit; arguments as `left` takes them."""
    value = limit.value
    certain = sum(count for outcome, count in ended.items() if outcome in value.counts)
    estimated = value.machine_error_percent * ended.get(Outcome.MACHINE, 0) / HUNDRED
    of = sum(count for outcome, count in ended.items() if Outcome(outcome) in _OF[value.of])
    return RateState(limit, certain + estimated, of, left(value, ended, in_flight))


def may_overdial(states: Iterable[RateState], pace: PaceFacts, now: dt.datetime) -> int:
    """How many calls without an agent may be started now, by every limit; `MOST_AT_ONCE` at most."""
    room = max(0, MOST_AT_ONCE - pace.in_flight)
    return min((0 if state.limit.is_turning(now) else state.left for state in states), default=room)


def campaign_limits(
    site: Site, campaign: Campaign, now: dt.datetime, *, country: str = ""
) -> tuple[RateLimit, ...] | None:
    """The limits of a campaign's calls, whatever numbers it calls.

    Args:
        site: Everything the admin configured.
        campaign: The campaign.
        now: The moment (aware).
        country: Only of calls to this one; empty: of every country to which it may call at all.

    Returns:
        None when it may call nowhere: no rulebook says whether it needs consent.
    """
    zone = home_zone(site.home_country)
    days = local_days((zone,), now)
    laws = [_law(site, each, campaign, days) for each in ([country] if country else site.rulebooks)]
    binding = [law for law in laws if law is not None and law.consent and not law.unconfirmed]
    if not binding:
        return None
    return tuple(
        limit for law in binding for limit in rate_limits(law.abandoned_rate, campaign=campaign, zone=zone, now=now)
    )


def _law(site: Site, country: str, campaign: Campaign, days: tuple[dt.date, ...]) -> Law | None:
    rulebook = site.rulebooks.get(country)
    if rulebook is None:
        return None
    kind = CallKind(campaign.purpose, campaign.audience, campaign.dial_mode, campaign.principal.sector)
    return law_in_force(
        rulebook, kind, memberships=campaign.principal.memberships, days=days, accepted=site.accepted_unchecked
    )
