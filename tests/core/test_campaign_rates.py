"""Abandoned shares: windows, formulas, and that the governor never lets a share pass its limit."""

import datetime as dt
import random

import pytest
from core_cases import SHIPPED
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.campaign_rates import (
    MOST_AT_ONCE,
    balance,
    campaign_limits,
    home_zone,
    left,
    may_overdial,
    rate_limits,
    rate_state,
    worst_cost,
)
from asterisk_plugin.core.facts import PaceFacts
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.parameters import Applies
from asterisk_plugin.core.rate_parameters import AbandonedRate, RateOf, RatePer
from asterisk_plugin.core.site import CallCentre, Campaign, DialMode, Principal, Purpose, Site
from asterisk_plugin.core.verdict import Source

LOST = frozenset({Outcome.ABANDONED, Outcome.SILENT})
NOW = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


def value(**changes) -> AbandonedRate:
    """3 % of live calls a day, unless told otherwise."""
    fields = {"name": "x", "counts": LOST, "of": RateOf.LIVE, "per": RatePer.DAY, "max_share_percent": 3} | changes
    return AbandonedRate(Applies(), **fields)


def campaign(**changes) -> Campaign:
    principal = Principal("acme", "Acme", "Acme", "DE", memberships=frozenset({"de.branchenkodex"}))
    return Campaign(**({"id": "spring", "principal": principal, "purpose": Purpose.SALES} | changes))


def limit(now=NOW, zone="Europe/Berlin", *, starts_on=None, **changes):
    entry = InForce("xx.all.abandoned_rate", value(**changes), Source("Act"), dt.date(2020, 1, 1))
    (found,) = rate_limits([entry], campaign=campaign(starts_on=starts_on), zone=zone, now=now)
    return found


@pytest.mark.parametrize(
    ("changes", "ended", "in_flight", "more"),
    [
        ({}, {}, 0, 0),  # nothing was earned yet
        ({}, {"person": 32}, 0, 0),
        ({}, {"person": 33}, 0, 1),  # 1 of 34 is below 3 %
        ({}, {"person": 65}, 0, 2),  # 2 of 67
        ({}, {"person": 65}, 1, 1),
        ({}, {"person": 65}, 3, 0),
        ({}, {"person": 97, "abandoned": 3}, 0, 0),  # exactly 3 %
        ({}, {"person": 98, "abandoned": 3, "no-answer": 900}, 0, 0),
        ({"of": RateOf.ATTEMPTS}, {"person": 97, "abandoned": 2, "no-answer": 900}, 0, 28),
        ({"of": RateOf.COMPLETED, "counts": {Outcome.SILENT}}, {"person": 100, "abandoned": 9}, 0, 3),
        ({"of": RateOf.COMPLETED, "counts": {Outcome.SILENT}}, {"person": 99}, 0, 2),
        ({"max_share_percent": 0}, {"person": 100_000}, 0, 0),
        ({"machine_error_percent": 10}, {"person": 97, "machine": 19}, 0, 1),
        ({"machine_error_percent": 10}, {"person": 97, "machine": 20}, 0, 0),
        ({}, {"person": 10_000_000}, 0, MOST_AT_ONCE),
        ({}, {"person": 1, "silent": 1}, 0, 0),
    ],
)
def test_how_many_may_start_without_an_agent(changes, ended, in_flight, more):
    """By hand: the share stays within the limit even when all of them are abandoned, and one more would pass it."""
    assert left(value(**changes), ended, in_flight) == more


RATES = st.builds(
    value,
    counts=st.sampled_from([LOST, frozenset({Outcome.SILENT}), LOST | {Outcome.DROPPED}]),
    of=st.sampled_from(RateOf),
    max_share_percent=st.integers(0, 50),
    machine_error_percent=st.integers(0, 100),
)


def keeps(rate: AbandonedRate, ended: dict[str, int]) -> bool:
    """The share itself, without the arithmetic of the governor."""
    counted = sum(100 * count for outcome, count in ended.items() if outcome in rate.counts)
    counted += rate.machine_error_percent * ended.get("machine", 0)
    of = {
        RateOf.LIVE: ("person", "silent", "abandoned"),
        RateOf.ATTEMPTS: tuple(Outcome),
        RateOf.COMPLETED: ("person",),
    }[rate.of]
    return counted <= rate.max_share_percent * sum(ended.get(outcome, 0) for outcome in of)


@settings(max_examples=300, deadline=None)
@given(RATES, st.integers(0, 3000), st.integers(0, 2**32), st.sampled_from(["worst", "any"]))
def test_whatever_becomes_of_the_calls_let_through_the_share_never_passes_the_limit(rate, history, seed, mood):
    """In any order, started and ended by turns, some forgotten while under way; agents' calls go well meanwhile."""
    rng = random.Random(seed)
    ended = {"person": history}
    worst = max(Outcome, key=lambda outcome: -balance(rate, {outcome.value: 1}))
    in_flight = 0
    for _ in range(300):
        if rng.random() < 0.6 and left(rate, ended, in_flight):
            in_flight += 1
        elif in_flight and rng.random() < 0.7:
            in_flight -= 1
            outcome = worst if mood == "worst" else rng.choice(list(Outcome))
            ended[outcome.value] = ended.get(outcome.value, 0) + 1
        elif rng.random() < 0.3:
            ended["person"] += 1
        assert keeps(rate, ended)
        assert balance(rate, ended) >= in_flight * worst_cost(rate)


@settings(max_examples=200, deadline=None)
@given(RATES, st.integers(0, 5000))
def test_what_is_left_is_all_that_may_be_given_away(rate, history):
    """One more, and the worst end would pass the limit: the governor is not stingier than it must be."""
    ended = {"person": history}
    more = left(rate, ended, 0)
    worst = max(Outcome, key=lambda outcome: -balance(rate, {outcome.value: 1}))
    if more < MOST_AT_ONCE:
        assert keeps(rate, {"person": history, worst.value: more})
        assert not keeps(rate, {"person": history, worst.value: more + 1})


@pytest.mark.parametrize(
    ("per", "length", "now", "first", "ends_at"),
    [
        (RatePer.DAY, 0, NOW, dt.date(2026, 11, 24), dt.datetime(2026, 11, 24, 23, tzinfo=dt.UTC)),
        (
            RatePer.DAY,
            0,
            dt.datetime(2026, 11, 24, 22, 59, 59, tzinfo=dt.UTC),
            dt.date(2026, 11, 24),
            dt.datetime(2026, 11, 24, 23, tzinfo=dt.UTC),
        ),
        (
            RatePer.DAY,
            0,
            dt.datetime(2026, 11, 24, 23, tzinfo=dt.UTC),
            dt.date(2026, 11, 25),
            dt.datetime(2026, 11, 25, 23, tzinfo=dt.UTC),
        ),
        (RatePer.MONTH, 0, NOW, dt.date(2026, 11, 1), dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)),
        (
            RatePer.MONTH,
            0,
            dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC),
            dt.date(2026, 12, 1),
            dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC),
        ),
        (RatePer.DAYS, 30, NOW, dt.date(2026, 11, 1), dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)),
        (
            RatePer.DAYS,
            30,
            dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC),
            dt.date(2026, 12, 1),
            dt.datetime(2026, 12, 30, 23, tzinfo=dt.UTC),
        ),
    ],
)
def test_windows_follow_one_another(per, length, now, first, ends_at):
    """By the site's days; successive ones begin with the campaign, here on 2 October."""
    found = limit(now, starts_on=dt.date(2026, 10, 2), per=per, length=length)
    assert (found.first_day, found.ends_at) == (first, ends_at)
    assert found.days[0] == first
    assert found.days[-1] == found.today


def test_a_campaign_without_first_day_has_successive_windows_too():
    """From a fixed day on, so that they do not slide."""
    days = {limit(NOW + dt.timedelta(days=ahead), per=RatePer.DAYS, length=30).first_day for ahead in range(60)}
    assert len(days) == 3


@pytest.mark.parametrize(("before_s", "more"), [(61, 2), (60, 0), (1, 0)])
def test_no_call_is_let_through_so_late_that_it_may_belong_to_the_next_window(before_s, more):
    """It would be the first of a window that has earned nothing."""
    now = dt.datetime(2026, 11, 24, 23, tzinfo=dt.UTC) - dt.timedelta(seconds=before_s)
    state = rate_state(limit(now), {"person": 65}, 0)
    assert may_overdial([state], PaceFacts(0, (), has_room=True), now) == more


def test_the_strictest_limit_counts_and_none_leaves_a_thousand():
    """Calls under way are taken off."""
    strict, loose = limit(), limit(max_share_percent=10)
    states = [rate_state(each, {"person": 100}, 1) for each in (strict, loose)]
    assert [state.left for state in states] == [2, 10]
    pace = PaceFacts(1, (), has_room=True)
    assert may_overdial(states, pace, NOW) == 2
    assert may_overdial([], pace, NOW) == MOST_AT_ONCE - 1


def test_a_state_says_the_share():
    """With the estimated share of machines that were persons."""
    state = rate_state(limit(machine_error_percent=5), {"person": 95, "abandoned": 5, "machine": 40}, 0)
    assert (state.abandoned, state.of, state.share_percent) == (7.0, 100, 7.0)
    assert rate_state(limit(), {}, 0).share_percent == 0
    assert rate_state(limit(of=RateOf.COMPLETED), {"silent": 1}, 0).share_percent == 100


@pytest.mark.parametrize(("country", "zone"), [("DE", "Europe/Berlin"), ("NL", "Europe/Amsterdam"), ("XX", "Etc/UTC")])
def test_a_site_counts_by_the_days_of_its_country(country, zone):
    """UTC where that is not known."""
    assert home_zone(country) == zone


def test_a_campaign_has_the_limits_of_every_country_it_may_call():
    """None where it may call nowhere: then nothing says how many may be called either."""
    site = Site("DE", CallCentre("centre", "Centre", "DE"), rulebooks=SHIPPED)
    dialling = campaign(dial_mode=DialMode.PREDICTIVE)
    limits = campaign_limits(site, dialling, NOW)
    assert limits is not None
    assert [each.id for each in limits] == ["de.members.branchenkodex.abandoned_rate.lost"]
    assert campaign_limits(site, dialling, NOW, country="NL") == ()
    assert campaign_limits(site, dialling, NOW, country="US") is None
    assert campaign_limits(Site("DE", site.call_centre), dialling, NOW) is None
