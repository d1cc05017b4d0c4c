"""How ends of attempts are counted, and what they are measured by."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.attempt_end import AttemptEnd, Outcome
from asterisk_plugin.core.campaign_law import CampaignLimits, country_of_campaign, limits_of_campaign
from asterisk_plugin.core.campaign_rates import home_zone, rate_limits
from asterisk_plugin.core.campaign_report import DAILY_SHARES, NAMED, CampaignReport, Hour, as_values
from asterisk_plugin.core.campaign_tally import Tally, is_in_time
from asterisk_plugin.core.campaign_windows import RateWindow, formula, window_values
from asterisk_plugin.core.figures import Share
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.parameters import Applies
from asterisk_plugin.core.rate_parameters import AbandonedRate, RateOf, RatePer
from asterisk_plugin.core.verdict import Source
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
LIMITS = CampaignLimits()


def ended(outcome: Outcome = Outcome.PERSON, number: int = 0, **values: object) -> AttemptEnd:
    known = {"attempt_id": f"{number:032x}", "campaign": "a", "principal": "b", "outcome": outcome, "began_at": AT}
    return AttemptEnd(**{**known, **values})


def report_of(*ends: AttemptEnd, limits: CampaignLimits = LIMITS) -> CampaignReport:
    tally = Tally(BERLIN, lambda _: limits)
    for end in ends:
        tally.add(end)
    return tally.report()


def test_shares_have_their_own_denominators():
    """Of calls that a person answered, and of all attempts."""
    outcomes = [Outcome.PERSON] * 6 + [Outcome.ABANDONED] * 3 + [Outcome.SILENT] + [Outcome.NO_ANSWER] * 8
    report = report_of(*map(ended, [*outcomes, Outcome.MACHINE, Outcome.BUSY]))
    assert (report.attempts, report.answered, report.live) == (20, 11, 10)
    assert report.shares["abandoned"] == Share(3, 7)
    assert report.shares["silent"] == Share(1, 9)
    assert report.shares["lost"] == Share(4, 6)
    assert report.shares["abandoned_of_attempts"] == Share(3, 17)
    assert report.shares["lost_of_attempts"] == Share(4, 16)


def test_a_day_is_one_of_the_site():
    """23:30 UTC is the next day in Berlin, and half past midnight there."""
    late = AT.replace(hour=23, minute=30)
    report = report_of(ended(began_at=late), ended(Outcome.SILENT, began_at=AT))
    assert report.days == {dt.date(2026, 11, 24): {"silent": 1}, dt.date(2026, 11, 25): {"person": 1}}
    assert report.hours[0] == Hour(1, 1, 0)
    assert report.hours[11] == Hour(1, 1, 1)


def test_the_worst_day_is_that_of_the_largest_share_not_of_most_calls():
    """And the first of several; a day without any is none."""
    days = [AT + dt.timedelta(days=day) for day in range(3)]
    few = [ended(Outcome.ABANDONED, began_at=days[1]), ended(began_at=days[1])]
    again = [ended(Outcome.ABANDONED, began_at=days[2]), ended(began_at=days[2])]
    many = [ended(Outcome.ABANDONED, began_at=days[0])] * 2 + [ended(began_at=days[0])] * 8
    report = report_of(*again, *many, *few)
    assert report.worst["abandoned"].day == days[1].date()
    assert report.worst["abandoned"].share == Share(1, 1)
    assert "silent" not in report.worst


@pytest.mark.parametrize(
    ("outcome", "ring_s", "name"),
    [
        (Outcome.NO_ANSWER, 14.9, "rung_short"),
        (Outcome.DROPPED, 3.0, "rung_short"),
        (Outcome.NO_ANSWER, 14.96, None),  # what is told is good to a tenth
        (Outcome.NO_ANSWER, 15.0, None),
        (Outcome.NO_ANSWER, None, None),  # it never rang
        (Outcome.PERSON, 3.0, None),  # the person ended it
        (Outcome.BUSY, 3.0, None),
        (Outcome.REFUSED, 3.0, None),
        (Outcome.NO_ANSWER, 40.04, None),
        (Outcome.NO_ANSWER, 40.1, "rung_long"),
        (Outcome.PERSON, 41.0, "rung_long"),  # it should not have rung any more
    ],
)
def test_ring_times_against_the_limits(outcome: Outcome, ring_s: float | None, name: str | None):
    """Only what we did counts as given up."""
    named = report_of(ended(outcome, ring_s=ring_s)).named
    assert [one for one in ("rung_short", "rung_long") if named[one]] == ([name] if name else [])


def test_each_day_is_measured_by_what_was_in_force_on_it():
    """A new law does not make old calls bad."""
    change = dt.date(2026, 11, 25)
    tally = Tally(BERLIN, lambda day: replace(LIMITS, ring_min_s=20 if day >= change else 15))
    for number in range(2):
        tally.add(ended(Outcome.NO_ANSWER, number, ring_s=17.0, began_at=AT + dt.timedelta(days=number)))
    assert tally.report().named["rung_short"] == (f"{1:032x}",)
    assert tally.report().limits.ring_min_s == 20


@pytest.mark.parametrize(
    ("end", "in_time"),
    [
        (ended(agent_s=3.0, greeting_s=1.0), True),
        (ended(agent_s=3.1, greeting_s=1.0), False),
        (ended(agent_s=2.1), False),  # no greeting was heard: from the answer
        (ended(), None),  # an agent was there, nobody saw when
        (ended(Outcome.SILENT), False),
        (ended(Outcome.ABANDONED, message_s=1.9), False),
        (ended(Outcome.MACHINE, agent_s=0.1), None),
        (ended(Outcome.BUSY), None),
    ],
)
def test_an_agent_in_time(end: AttemptEnd, in_time: bool | None):
    """After the greeting; of calls that a person answered."""
    assert is_in_time(end, LIMITS) is in_time
    share = report_of(end).shares["agent_in_time"]
    expected = Share(in_time is True, in_time is False, in_time is None) if end.is_live else Share()
    assert share == expected


def test_what_was_not_wholly_seen_is_told_apart():
    """It counts as it was written, and is named."""
    report = report_of(ended(Outcome.SILENT, 1, is_sure=False), ended(Outcome.SILENT, 2), ended(number=3))
    assert report.unsure == {"silent": 1}
    assert report.shares["silent"] == Share(2, 1)
    assert report.named["unsure"] == (f"{1:032x}",)


def test_machines_are_counted_by_what_showed_them():
    """And those of which nobody says it."""
    ends = [ended(Outcome.MACHINE, heard_why=why) for why in ("beep", "beep", "repeats", "")]
    assert report_of(*ends, ended(heard_why="short-greeting")).machines == {"beep": 2, "not told": 1, "repeats": 1}


SOME_S = st.none() | st.floats(0, 90, allow_nan=False)
ENDS = st.lists(
    st.builds(
        ended,
        st.sampled_from(Outcome),
        st.integers(0, 2**32),
        began_at=st.integers(0, 30 * 86_400).map(lambda seconds: AT + dt.timedelta(seconds=seconds)),
        is_sure=st.booleans(),
        ring_s=SOME_S,
        answer_s=SOME_S,
        greeting_s=SOME_S,
        agent_s=SOME_S,
        message_s=SOME_S,
    ),
    max_size=40,
)


@settings(deadline=None)
@given(ENDS)
def test_sums_agree(ends: list[AttemptEnd]):
    """Days, hours, outcomes, shares and histograms are of the same attempts; and all of it is JSON."""
    report = report_of(*ends)
    live = sum(end.is_live for end in ends)
    assert report.attempts == sum(report.outcomes.values()) == len(ends)
    assert report.attempts == sum(sum(day.values()) for day in report.days.values())
    assert report.attempts == sum(hour.attempts for hour in report.hours)
    assert report.live == live == sum(hour.live for hour in report.hours)
    for name in DAILY_SHARES:
        share = report.shares[name]
        assert share.yes + share.no == (report.attempts if name.endswith("attempts") else live)
    in_time = report.shares["agent_in_time"]
    assert in_time.yes + in_time.no + in_time.unknown == live
    lost = report.shares["lost"].yes
    assert lost == sum(hour.lost for hour in report.hours) == len(report.named["abandoned"] + report.named["silent"])
    assert sum(sum(one.counts.values()) for one in report.rings) == sum(end.ring_s is not None for end in ends)
    agents = sum(end.is_live and end.agent_s is not None for end in ends)
    assert sum(sum(one.counts.values()) for one in report.delays) == agents
    assert sum(report.unsure.values()) == len(report.named["unsure"])
    assert report.named.keys() == set(NAMED)
    assert json.loads(json.dumps(as_values(report), allow_nan=False))["attempts"] == len(ends)


@settings(deadline=None)
@given(ENDS, st.randoms())
def test_the_order_does_not_matter(ends: list[AttemptEnd], random):
    """The ledger is read backwards."""
    shuffled = list(ends)
    random.shuffle(shuffled)
    assert as_values(report_of(*shuffled)) == as_values(report_of(*ends))


def rate(share_percent: int = 3, per: RatePer = RatePer.DAY, **values: object) -> InForce[AbandonedRate]:
    lost = frozenset({Outcome.ABANDONED, Outcome.SILENT})
    known = {"counts": lost, "of": RateOf.LIVE, "per": per, "max_share_percent": share_percent}
    value = AbandonedRate(Applies(), "live", **{**known, **values})
    return InForce("xx.all.abandoned_rate", value, Source("a law"), dt.date(2000, 1, 1))


def windows_with(entry: InForce[AbandonedRate], *ends: AttemptEnd, first=None, last=None) -> list[RateWindow]:
    """What a campaign that began on 20 November comes to."""
    campaign = replace(load(shipped("config")).site.campaigns["linde-de"], starts_on=dt.date(2026, 11, 20))

    def limits_on(day: dt.date) -> CampaignLimits:
        noon = dt.datetime.combine(day, dt.time(12), BERLIN)
        return replace(LIMITS, rates=rate_limits([entry], campaign=campaign, zone="Europe/Berlin", now=noon))

    tally = Tally(BERLIN, limits_on, first=first, last=last)
    for end in ends:
        tally.add(end)
    return list(tally.windows)


def days_of_calls(*days: tuple[int, int, int]) -> list[AttemptEnd]:
    """(days after 24 November, persons, abandoned)."""
    return [
        ended(outcome, began_at=AT + dt.timedelta(days=day))
        for day, persons, abandoned in days
        for outcome in [Outcome.PERSON] * persons + [Outcome.ABANDONED] * abandoned
    ]


def test_a_limit_of_each_day_has_a_window_of_each_day():
    """The very share is kept, one call more is not."""
    found = windows_with(rate(), *days_of_calls((0, 97, 3), (1, 96, 4)))
    assert [(one.limit.first_day, one.last_day) for one in found] == [(dt.date(2026, 11, day),) * 2 for day in (24, 25)]
    assert [(one.abandoned, one.of, one.share, one.is_kept) for one in found] == [
        (3, 100, 0.03, True),
        (4, 100, 0.04, False),
    ]


def test_windows_of_days_begin_with_the_campaign():
    """What is bad on one day may be good in ten; and a window that reaches beyond what was asked for is in part."""
    ends = days_of_calls((0, 90, 10), (5, 400, 0), (6, 1, 1))
    first, second = windows_with(rate(per=RatePer.DAYS, length=10), *ends)
    assert (first.limit.first_day, first.last_day) == (dt.date(2026, 11, 20), dt.date(2026, 11, 29))
    assert (first.abandoned, first.of, first.is_kept, first.is_whole) == (10, 500, True, True)
    assert (second.abandoned, second.of, second.is_kept) == (1, 2, False)
    asked = {"first": dt.date(2026, 11, 20), "last": dt.date(2026, 12, 8)}
    assert [one.is_whole for one in windows_with(rate(per=RatePer.DAYS, length=10), *ends, **asked)] == [True, False]
    to_the_end = {**asked, "last": dt.date(2026, 12, 9)}
    assert [one.is_whole for one in windows_with(rate(per=RatePer.DAYS, length=10), *ends, **to_the_end)] == [True] * 2
    asked["first"] = dt.date(2026, 11, 21)
    assert [one.is_whole for one in windows_with(rate(per=RatePer.DAYS, length=10), *ends, **asked)] == [False, False]


def test_a_month_and_estimated_errors():
    """A window may have no call of those of which the share is taken."""
    machines = [ended(Outcome.MACHINE)] * 50
    (window,) = windows_with(rate(0, RatePer.MONTH, machine_error_percent=2), *machines)
    assert (window.limit.first_day, window.last_day) == (dt.date(2026, 11, 1), dt.date(2026, 11, 30))
    assert (window.abandoned, window.of, window.share, window.is_kept) == (1, 0, None, False)
    assert formula(window.limit.value) == "abandoned or silent or 2 % of the machines, of live calls, each month"
    assert window_values(window)["share"] is None


def test_an_agent_counted_from_the_answer():
    """Where the law says so, a greeting does not help."""
    limits = replace(LIMITS, agent_within_s=3, agent_from_answer=True)
    late, soon = ended(agent_s=3.5, greeting_s=1.0), ended(agent_s=2.9, greeting_s=1.0)
    assert is_in_time(late, limits) is False
    assert is_in_time(soon, limits) is True
    assert report_of(late, limits=limits).lengths["answer to agent"].longest_s == 3.5


def test_limits_are_those_of_the_first_shown_number_or_of_whom_it_is_said():
    """The code of conduct binds the sales calls of its member, from the day on which it was in force."""
    site = load(shipped("config")).site
    sales, service = site.campaigns["linde-de"], site.campaigns["linde-call-back"]
    day = dt.date(2026, 11, 24)
    assert country_of_campaign(sales) == "DE"
    found = limits_of_campaign(site, sales, day)
    assert (found.country, found.ring_min_s, found.ring_max_s) == ("DE", 15, 40)
    assert found.ring_source == "Branchenkodex of DDV and CCV 2015"
    assert limits_of_campaign(site, sales, dt.date(2014, 12, 31)).ring_source == ""
    assert limits_of_campaign(site, service, day).ring_source == ""
    assert limits_of_campaign(site, sales, day, country="NL").country == "NL"
    assert [limit.id for limit in found.rates] == ["de.members.branchenkodex.abandoned_rate.lost"]
    italian = limits_of_campaign(site, sales, day, country="IT")
    assert (italian.agent_within_s, italian.agent_from_answer) == (3, True)
    unshown = replace(sales, caller_ids=(), principal=replace(sales.principal, country="AT"))
    assert limits_of_campaign(site, unshown, day).country == "AT"


@pytest.mark.parametrize(("country", "zone"), [("DE", "Europe/Berlin"), ("NL", "Europe/Amsterdam"), ("", "Etc/UTC")])
def test_a_site_counts_by_the_days_of_its_country(country: str, zone: str):
    assert home_zone(country) == zone
