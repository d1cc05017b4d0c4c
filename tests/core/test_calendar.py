"""Windows and days, across clock changes, midnights and zones."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.calendar import (
    ANYWHERE,
    Place,
    day_span,
    local_days,
    next_opening,
    usable_zones,
)
from asterisk_plugin.core.parameters import Applies, Schedule

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def place(zone=BERLIN, *, windows=((dt.time(9), dt.time(20)),), closed=None, last_dial_s=0, **days):
    schedule = Schedule(Applies(), **({"mon_fri": windows, "sat": windows, "sun": windows} | days))
    return Place(schedule, "DE", zone, closed or {}, last_dial_s)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25), (dt.date(2026, 6, 1), 24)]
)
def test_a_local_day_has_23_to_25_hours(day, hours):
    """The clocks change in Berlin on two of these days."""
    start, end = day_span(BERLIN, day)
    assert end - start == dt.timedelta(hours=hours)


def test_a_window_that_ends_at_midnight_reaches_the_next_day():
    """00:00 as an end is the end of the day."""
    night = place(windows=((dt.time(22), dt.time(0)),))
    assert night.is_open(utc(2026, 6, 1, 21, 59, 59))
    assert not night.is_open(utc(2026, 6, 1, 22))


def test_in_the_hour_that_comes_twice_the_stricter_reading_counts():
    """On 25 October 2026 02:30 comes twice in Berlin: windows open with the second, end with the first."""
    opens = place(windows=((dt.time(2, 30), dt.time(4)),))
    assert opens.opens(utc(2026, 10, 25)) == utc(2026, 10, 25, 1, 30)
    ends = place(windows=((dt.time(1), dt.time(2, 30)),))
    assert not ends.is_open(utc(2026, 10, 25, 0, 30))
    assert ends.is_open(utc(2026, 10, 25, 0, 29, 59))


def test_a_window_inside_the_hour_that_is_skipped_does_not_open():
    """On 29 March 2026 Berlin goes from 02:00 to 03:00."""
    skipped = place(windows=((dt.time(2, 10), dt.time(2, 50)),))
    assert skipped.opens(utc(2026, 3, 29)) == utc(2026, 3, 30, 0, 10)


def test_several_zones_must_all_be_open():
    """Nine to twenty in Berlin and New York meet from 15:00 to 20:00 in Berlin."""
    both = (place(), place(NEW_YORK))
    assert next_opening(both, utc(2026, 6, 1, 8)) == utc(2026, 6, 1, 13)
    assert next_opening(both, utc(2026, 6, 1, 18)) == utc(2026, 6, 2, 13)
    assert next_opening(both, utc(2026, 6, 1, 17, 59)) == utc(2026, 6, 1, 17, 59)


def test_windows_that_never_meet_have_no_opening():
    """None, and no endless search."""
    noon = ((dt.time(12), dt.time(13)),)
    assert next_opening((place(windows=noon), place(NEW_YORK, windows=noon)), utc(2026, 6, 1)) is None
    assert next_opening((place(windows=()),), utc(2026, 6, 1)) is None


def test_a_window_shorter_than_the_pause_before_its_end_never_opens():
    """Nobody could be rung in it."""
    assert place(windows=((dt.time(9), dt.time(9, 1)),), last_dial_s=60).opens(utc(2026, 6, 1)) is None


def test_holidays_eves_and_sundays_have_hours_of_their_own():
    """Labour Day 2026 is a Friday; its eve a Thursday; the eve of Whit Monday is a Sunday and stays one."""
    short = ((dt.time(10), dt.time(19)),)
    italian = place(holiday=(), eve=short, sun=())
    assert italian.window(utc(2026, 4, 30, 9)) == short[0]
    assert italian.window(utc(2026, 4, 29, 9)) == (dt.time(9), dt.time(20))
    assert italian.plan(dt.date(2026, 5, 1)).windows == ()
    assert "Labor Day" in italian.plan(dt.date(2026, 5, 1)).name
    assert italian.plan(dt.date(2026, 5, 24)).windows == ()


def test_regions_have_holidays_of_their_own():
    """Corpus Christi in Bavaria."""
    feast = dt.date(2026, 6, 4)
    assert place(holiday=()).plan(feast).windows
    assert not place(holiday=(), holiday_regions=("BY",)).plan(feast).windows


def test_a_day_the_admin_closed_is_closed_and_named():
    """With the admin's own words."""
    plan = place(closed={dt.date(2026, 6, 1): "works outing"}).plan(dt.date(2026, 6, 1))
    assert (plan.windows, plan.name) == ((), "works outing")


@pytest.mark.parametrize("names", [(), ("Etc/Unknown",), ("Europe/Berlin", "Nowhere/Land")])
def test_unknown_zones_are_taken_for_the_ends_of_the_world(names):
    """All other zones lie between them, so what is open in both is open anywhere."""
    assert usable_zones(names) == ANYWHERE
    assert len(local_days(ANYWHERE, utc(2026, 6, 1, 11))) == 2


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 60 * 24 * 700).map(lambda minutes: utc(2026, 1, 1) + dt.timedelta(minutes=minutes)),
    st.lists(st.sampled_from([BERLIN, NEW_YORK, "Atlantic/Canary", "Europe/Madrid"]), min_size=1, unique=True),
)
def test_the_next_opening_is_open_and_nothing_before_it_is(at, zones):
    """Compared with looking at the local clock every quarter of an hour."""
    places = tuple(place(zone, holiday=(), sun=(), last_dial_s=60) for zone in zones)
    opening = next_opening(places, at)
    assert opening is not None
    assert opening >= at
    assert all(each.is_open(opening) for each in places)

    def is_open_by_the_clock(moment: dt.datetime) -> bool:
        clocks = [moment.astimezone(zoneinfo.ZoneInfo(zone)) for zone in zones]
        return all(
            dt.time(9) <= clock.time() < dt.time(19, 59) and places[0].plan(clock.date()).windows for clock in clocks
        )

    moment = at
    while moment < opening:
        assert not is_open_by_the_clock(moment)
        moment += dt.timedelta(minutes=15)
    assert is_open_by_the_clock(opening)
