"""Dates and times as people write them."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from asterisk_plugin.cli.moments import parse_day, parse_moment, zone_of
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.errors import InputError

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "end_of_day", "expected"),
    [
        ("2026-11-24", False, "2026-11-23T23:00"),
        ("2026-11-24", True, "2026-11-24T23:00"),
        ("2026-03-29", True, "2026-03-29T22:00"),  # the day on which the clocks go forward
        ("2026-11-24T11:00", True, "2026-11-24T10:00"),
        ("2026-07-01T11:00", False, "2026-07-01T09:00"),
        ("2026-11-24T11:00+05:00", False, "2026-11-24T06:00"),
        (" 2026-11-24T11:00Z ", False, "2026-11-24T11:00"),
    ],
)
def test_a_moment_is_read_where_the_number_is(text, end_of_day, expected):
    """A date alone is a whole day there; a zone in the text is kept."""
    moment = parse_moment(text, BERLIN, end_of_day=end_of_day)
    assert moment == dt.datetime.fromisoformat(expected).replace(tzinfo=dt.UTC)
    assert moment.tzinfo is dt.UTC


@pytest.mark.parametrize("text", ["", "tomorrow", "24.11.2026", "2026-13-01", "2026-11-24T25:00", "9999-12-31"])
def test_what_is_no_moment_is_refused(text):
    """With what is allowed; also where the calendar ends."""
    with pytest.raises(InputError, match="2026-11-24T11:00"):
        parse_moment(text, BERLIN, end_of_day=True)


def test_a_day_is_read():
    """ISO 8601 only: 03/04 is April to some."""
    assert parse_day(" 2026-11-24 ") == dt.date(2026, 11, 24)
    with pytest.raises(InputError, match="a date such as 2026-11-24"):
        parse_day("03/04/2026")


def test_a_number_without_a_zone_is_in_utc():
    """Emergency and short numbers have none."""
    assert zone_of(None) is dt.UTC
    assert zone_of(parse_number("112", "DE")) is dt.UTC
    assert str(zone_of(parse_number("+31612345678", "DE"))) == "Europe/Amsterdam"
