"""What the evidence shows of waits, and what it does not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.figures import Share, lengths_of
from asterisk_plugin.core.queue_report import NAMED, SHARES, as_values
from asterisk_plugin.core.queue_tally import Tally, report_of
from asterisk_plugin.core.queue_wait import Limits, Told, Wait, judge
from asterisk_plugin.core.waiting import Left

AT = dt.datetime(2026, 11, 24, 23, 30, tzinfo=dt.UTC)
LIMITS = Limits()


def after(seconds: float) -> dt.datetime:
    return AT + dt.timedelta(seconds=seconds)


def told(*moments_s: float, estimate_s: float | None = 120.0) -> tuple[Told, ...]:
    return tuple(Told(after(one), one, ("wait-about", "minutes-2"), estimate_s) for one in moments_s)


def wait(waited_s: float | None = 100.0, *moments_s: float, how: Left | None = Left.ANSWERED, **more) -> Wait:
    """A wait that was told at these moments, and ended so."""
    left_at = None if how is None else after(waited_s or 0)
    made = Wait("a" * 32, "support", "tulip", AT, True, told(*moments_s), left_at, how, waited_s)
    return replace(made, **more)


@pytest.mark.parametrize(
    ("one", "in_time"),
    [
        (wait(179.99), True),
        (wait(180.0), False),  # the law says: under three minutes
        (wait(10, how=Left.ABANDONED), False),
        (wait(10, how=Left.CALL_BACK), False),
        (wait(10, how=Left.UNKNOWN), None),
        (wait(None, how=None), None),
        (wait(None), None),  # answered, but nobody knows after how long
        (wait(10, joined_at=None), None),
    ],
)
def test_answered_in_time(one: Wait, in_time: bool | None):
    """Only what the evidence shows."""
    assert judge(one, LIMITS).in_time is in_time


@pytest.mark.parametrize(
    ("one", "at_start", "throughout"),
    [
        (wait(30, 5.0), True, True),
        (wait(30, 5.01), False, True),
        (wait(30), False, False),  # not one word
        (wait(119, 1, 60), True, True),
        (wait(61, 1), True, True),
        (wait(61.1, 1), True, False),  # silence to the end
        (wait(130, 1, 61.5, 100), True, False),  # a gap between two
        (wait(130, 61, 100), False, False),  # nothing at first
        (wait(130, 100, 1, 50), True, True),  # in any order
        (wait(5.0), None, None),  # over before the first word was due
        (wait(None, 1, 50, how=None), True, None),  # it goes on: who knows
        (wait(None, 1, 80, how=None), True, False),  # but this is known already
        (wait(None, how=None), None, None),
        (wait(900, 1, how=Left.UNKNOWN), True, None),  # 900 s is when it was noticed
        (wait(61.9, 2, 62.5), True, True),  # begun when it was over
        (wait(4.0, 4.2), None, None),
        (wait(30, 1, joined_at=None), None, None),
    ],
)
def test_told(one: Wait, at_start: bool | None, throughout: bool | None):
    """At the start, and never longer without a word than allowed."""
    judged = judge(one, LIMITS)
    assert (judged.told_at_start, judged.told_throughout) == (at_start, throughout)


def test_an_announcement_without_a_word_is_none():
    """Nothing was heard."""
    silent = wait(30, told=(Told(after(1), 1.0, (), 60.0),))
    assert judge(silent, LIMITS).told_at_start is False
    assert report_of([silent]).announcements == {"all": 0, "known": 0, "cut": 0}


def test_a_moment_that_the_service_did_not_know_is_taken_from_the_rows():
    """Both rows say when they happened."""
    one = wait(30, told=(Told(after(3), None, ("x",)),))
    assert judge(one, LIMITS).told_at_start is True


@pytest.mark.parametrize(
    ("one", "free", "charged_s"),
    [
        (wait(100), True, 0),
        (wait(100, charged_from=after(100)), True, 0),
        (wait(100, charged_from=after(99)), True, 0),
        (wait(100, charged_from=after(60)), False, 40),
        (wait(100, charged_from=after(-20)), False, 100),  # answered before it joined
        (wait(100, charged_from=after(60), how=Left.ABANDONED), False, 40),
        (wait(100, charged_from=after(60), how=Left.UNKNOWN), None, None),
        (wait(100, how=None), None, None),
    ],
)
def test_free(one: Wait, free: bool | None, charged_s: float | None):
    """Until an agent took the call."""
    judged = judge(one, LIMITS)
    assert (judged.free, judged.charged_s) == (free, charged_s)


def test_the_report_counts_abandoned_waits_both_ways():
    """As not answered in time, and left out when they left before that."""
    waits = [wait(20), wait(200), wait(30, how=Left.ABANDONED), wait(300, how=Left.ABANDONED), wait(9, how=None)]
    report = report_of(waits)
    assert report.in_time == Share(1, 3, 1)
    assert report.in_time_of_patient == Share(1, 2, 1)
    assert report.abandoned == Share(2, 2, 1)
    assert report.in_time.of_known == 0.25
    assert report.in_time.at_least == 0.2
    assert report.ways == {"abandoned": 2, "answered": 2, "open": 1}


def test_the_report_names_who_was_not_served():
    """And who cannot be judged."""
    names = {
        "late": wait(30, 20.0),
        "silent": wait(90, 1.0),
        "charged": wait(90, 1, 50, charged_from=AT),
        "away": wait(None, 1, how=Left.UNKNOWN),
        "open": wait(None, 1, how=None),
        "begun": wait(30, 1, joined_at=None),
        "good": wait(90, 1, 50),
        "short": wait(3, how=Left.ABANDONED),
    }
    report = report_of(replace(one, id=name) for name, one in names.items())
    assert {name: getattr(report, name) for name in NAMED} == {
        "late_told": ("late",),
        "not_told": ("silent",),
        "charged": ("charged",),
        "unknown": ("away",),
        "open": ("open",),
        "not_begun": ("begun",),
    }
    assert report.short == 1
    assert report.told_throughout == Share(3, 1, 3)
    assert report.charged_s == 90


def test_estimates_are_compared_with_what_it_took():
    """Only of answered calls, only where a time was told."""
    good = wait(100, told=told(0, estimate_s=130.0) + told(50, estimate_s=100.0))  # off by 30 of 100, by 50 of 50
    unknown = wait(100, told=told(0, estimate_s=None))
    gone = wait(100, told=told(0, estimate_s=1000.0), how=Left.ABANDONED)
    report = report_of([good, unknown, gone])
    assert report.estimates.count == 2
    assert report.estimates.mean_error_s == 40
    assert report.estimates.bias_s == 40
    assert report.estimates.good == 0.5
    assert (report.first_estimates.count, report.first_estimates.good) == (1, 1)
    assert report.announcements == {"all": 4, "known": 3, "cut": 0}


def test_call_backs_that_were_asked_for_and_those_that_were_made():
    """Not yet due, and refused by the gate, is not made."""
    tally = Tally()
    for called_back in (True, False, None):
        tally.add(replace(wait(50, 1, how=Left.CALL_BACK), called_back=called_back))
    assert (tally.report().call_backs, tally.report().called_back) == (3, 1)


def test_lengths_are_nearest_ranks():
    """A value that was waited, not one between two."""
    lengths = lengths_of([float(one) for one in range(1, 11)])
    assert lengths.percentiles_s == {50: 5, 75: 8, 90: 9, 95: 10, 99: 10}
    assert (lengths.count, lengths.mean_s, lengths.longest_s) == (10, 5.5, 10)
    assert lengths_of([]).mean_s is None


def test_the_days_are_those_of_joining():
    """In UTC."""
    report = report_of([wait(20), wait(20, joined_at=AT + dt.timedelta(hours=1))])
    assert report.days == {dt.date(2026, 11, 24): Share(1), dt.date(2026, 11, 25): Share(1)}


def test_nothing_is_a_report_too():
    """No share of nothing."""
    report = report_of([])
    assert report.waits == 0
    assert all(getattr(report, name).of_known is None for name in SHARES)
    assert as_values(report)["shares"]["in_time"]["at_least"] is None


seconds = st.floats(0, 5000).map(lambda one: round(one, 2))
announcements = st.builds(
    lambda at_s, is_known, words: Told(
        after(at_s), at_s if is_known else None, words, at_s * 1.1 if is_known else None
    ),
    seconds,
    st.booleans(),
    st.sampled_from([(), ("a",), ("a", "b")]),
)
any_wait = st.builds(
    Wait,
    id=st.uuids().map(lambda one: one.hex),
    queue=st.sampled_from(["support", "sales"]),
    joined_at=st.none() | seconds.map(after),
    told=st.lists(announcements, max_size=5).map(tuple),
    left_at=st.none() | seconds.map(after),
    how=st.none() | st.sampled_from(Left),
    waited_s=st.none() | seconds,
    charged_from=st.none() | seconds.map(after),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a crowded machine is no fault
@given(st.lists(any_wait, max_size=8), st.randoms(use_true_random=False))
def test_shares_are_shares_and_order_does_not_matter(waits, random):
    """Whatever the evidence holds."""
    report = report_of(waits)
    for name in SHARES:
        share = getattr(report, name)
        if share.of_known is not None:
            assert 0 <= share.at_least <= share.of_known <= 1
    for name in ("in_time", "abandoned", "free"):
        share = getattr(report, name)
        assert share.yes + share.no + share.unknown == report.waits == len(waits)
    told_of = report.told_throughout
    assert told_of.yes + told_of.no + told_of.unknown + report.short == len(waits)
    assert sum(report.ways.values()) == len(waits)
    assert sum(one.answered + one.other for one in report.histogram) == report.lengths["all"].count
    assert report.estimates.good is None or 0 <= report.estimates.good <= 1
    shuffled = [replace(one, told=tuple(random.sample(one.told, len(one.told)))) for one in waits]
    random.shuffle(shuffled)
    assert report_of(shuffled) == report
