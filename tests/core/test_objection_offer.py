"""When the objection line is offered: what the campaign says, and what a law says whatever it says."""

import dataclasses
import datetime as dt

import pytest

from asterisk_plugin.core.objection_offer import call_back_number, is_line_open, line_mode, offer_duties
from asterisk_plugin.core.site import Audience, LineMode, LineSettings, Purpose
from asterisk_plugin.settings.load import load

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
SITE = load(None, environment={}).site
PATHS = ("call-end", "queue", "agent", "transfer", "call-back")


def campaign(mode, **changes):
    return dataclasses.replace(SITE.campaigns["tulip-nl"], objection_line=LineMode(mode), **changes)


@pytest.mark.parametrize("mode", LineMode)
def test_where_the_law_wants_it_in_every_call_it_is_always_there(mode):
    """The Netherlands, by the number that is called, not by the campaign's language."""
    for path in PATHS:
        assert is_line_open(campaign(mode), "NL", path, site=SITE, now=NOW)


@pytest.mark.parametrize(
    ("mode", "open_paths"),
    [("always", PATHS), ("offered", ("agent", "transfer", "call-back")), ("never", ("agent", "transfer", "call-back"))],
)
def test_elsewhere_the_campaign_decides(mode, open_paths):
    """Germany, and a country that no rulebook is here for."""
    for country in ("DE", "AT"):
        found = [path for path in PATHS if is_line_open(campaign(mode), country, path, site=SITE, now=NOW)]
        assert tuple(found) == open_paths


def test_a_number_that_is_not_known_gets_the_strictest_law():
    """It may be one of those people."""
    assert line_mode(campaign("never"), "", site=SITE, now=NOW) is LineMode.ALWAYS
    only_german = dataclasses.replace(SITE, rulebooks={"DE": SITE.rulebooks["DE"]})
    assert line_mode(campaign("never"), "", site=only_german, now=NOW) is LineMode.NEVER


@pytest.mark.parametrize(
    ("changes", "is_bound"),
    [
        ({}, True),
        ({"audience": Audience.SOLE_TRADER}, True),
        ({"purpose": Purpose.CHARITY}, True),
        ({"audience": Audience.COMPANY}, False),
        ({"purpose": Purpose.SURVEY}, False),
    ],
)
def test_the_duty_is_for_the_calls_the_law_speaks_of(changes, is_bound):
    """Sales, charity and politics to people."""
    duties = offer_duties(campaign("never", **changes), site=SITE, now=NOW)
    assert list(duties) == (["NL"] if is_bound else [])
    if is_bound:
        assert duties["NL"].text == "Tw art. 11.7"


def test_the_duty_begins_on_its_day_anywhere_on_earth():
    """1 July 2021; what holds in any zone binds."""
    first = dt.datetime(2021, 6, 30, 10, 0, tzinfo=dt.UTC)
    assert offer_duties(campaign("never"), site=SITE, now=first)
    assert not offer_duties(campaign("never"), site=SITE, now=first - dt.timedelta(seconds=1))


def test_the_number_to_call_is_the_sites_or_the_campaigns():
    """In this order, and none that nobody answers."""
    mine = campaign("always")
    assert call_back_number(mine, site=SITE) == "+31205550101"
    assert call_back_number(None, site=SITE) == ""
    unrouted = dataclasses.replace(mine.caller_ids[0], call_back_routed=False)
    assert call_back_number(dataclasses.replace(mine, caller_ids=(unrouted,)), site=SITE) == ""
    with_own = dataclasses.replace(SITE, objection_line=LineSettings(call_back="+4930901820"))
    assert call_back_number(mine, site=with_own) == call_back_number(None, site=with_own) == "+4930901820"
