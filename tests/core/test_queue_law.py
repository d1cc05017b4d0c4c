"""Queues held against the shipped rulebooks: which number may lead to one, what must be told, how often."""

import datetime as dt

import pytest
from core_cases import MORNING, RULEBOOKS, SHIPPED, attempt, rulebook_of

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.queue_law import (
    QUEUE_SHAPES,
    Standing,
    announce_every_s,
    country_of,
    find_queue_law,
    limits_of,
    queue_findings,
)
from asterisk_plugin.core.shapes import SHAPES
from asterisk_plugin.core.site import CallCentre, Principal, Queue, Site

DAY = dt.date(2026, 11, 21)
FREE, FIXED, MOBILE = "+498001234567", "+493023125012", "+4915112345678"
PREMIUM, SHARED, SHORT, PAGER = "+499001234567", "+4918051234567", "11833", "+4916412345"
GUIDE = "de.leitfaden-kundenbetreuung"
FROM_MEMORY = """
[all.queue_numbers]
description = "d"
unit = "line types"
checked_on = 2026-11-21
[[all.queue_numbers.values]]
since = 2020-01-01
source = "s"
href = ""
confidence = "recall"
"""
LAWFUL, UNSURE, UNLAWFUL = Standing.LAWFUL, Standing.UNSURE, Standing.UNLAWFUL


def queue_on(*numbers: str, country: str = "DE", memberships: tuple[str, ...] = (), **fields) -> Queue:
    """A queue that these numbers lead to; the carrier never ends a call unless told otherwise."""
    owner = Principal("linde", "Linde", "Linde", country, memberships=frozenset(memberships))
    fields = {"carrier_limit_s": 0} | fields
    return Queue("service", owner, numbers=tuple(parse_number(number, "DE") for number in numbers), **fields)


def site_with(**rulebooks) -> Site:
    return Site("DE", CallCentre("centre", "Centre", "DE"), rulebooks=rulebooks or SHIPPED)


SITE = site_with()


def judged(queue: Queue, site: Site = SITE, day: dt.date = DAY) -> list[tuple[str, Standing]]:
    return [(finding.rule, finding.standing) for finding in queue_findings(queue, site, day)]


def of_numbers(queue: Queue, day: dt.date = DAY) -> list[Standing]:
    return [standing for rule, standing in judged(queue, day=day) if rule == "queue_numbers"]


@pytest.mark.parametrize("number", [FREE, FIXED, MOBILE])
@pytest.mark.parametrize("unanswered", [True, False])
def test_free_geographic_and_mobile_numbers_may_always_lead_to_a_queue(number, unanswered):
    """TKG § 115(1) nos. 1 to 3: whatever waiting costs, and nothing need be told."""
    queue = queue_on(number, unanswered=unanswered, carrier_limit_s=120)
    (finding,) = queue_findings(queue, SITE, DAY)
    assert (finding.standing, finding.remedy) == (LAWFUL, "")
    assert finding.source is not None
    assert finding.source.text == "TKG § 115(1)"


@pytest.mark.parametrize("number", [PREMIUM, SHARED, SHORT, PAGER])
@pytest.mark.parametrize(
    ("unanswered", "fixed_price", "limit_s", "standing"),
    [
        (False, False, 0, UNLAWFUL),
        (False, False, 120, UNLAWFUL),
        (False, True, 120, LAWFUL),
        (True, True, 120, LAWFUL),
        (True, False, 0, LAWFUL),
        (True, False, 120, UNSURE),  # answered before the carrier ends it, and charged from then on
    ],
)
def test_any_other_number_only_where_waiting_is_free_or_the_price_is_fixed(
    number, unanswered, fixed_price, limit_s, standing
):
    """TKG § 115(1) nos. 4 and 5; then the wait and the price must be told at the start, § 115(2)."""
    queue = queue_on(number, unanswered=unanswered, fixed_price=fixed_price, carrier_limit_s=limit_s)
    may, told = queue_findings(queue, SITE, DAY)
    assert may.standing is standing
    assert bool(may.remedy) is (standing is not LAWFUL)
    is_told = unanswered or fixed_price
    assert (told.rule, told.standing) == ("queue_announcement", LAWFUL if is_told else UNSURE)
    assert ("the price is fixed" if fixed_price else "waiting is free") in told.sentence


def test_what_to_do_about_an_unlawful_number_is_said():
    """Both ways out that the law leaves."""
    finding, _ = queue_findings(queue_on(PREMIUM, unanswered=False), SITE, DAY)
    assert finding.sentence == "+499001234567 (premium) may lead to a queue only where waiting is fixed-price or free"
    assert finding.remedy.startswith("set `unanswered = true`, or set `fixed_price = true` if ")


def test_the_law_is_dated():
    """In force since 1 December 2021; the day before, nothing is known here."""
    queue = queue_on(PREMIUM, unanswered=False)
    assert of_numbers(queue, dt.date(2021, 12, 1)) == [UNLAWFUL]
    assert judged(queue, day=dt.date(2021, 11, 30)) == [("queue_numbers", LAWFUL)]


def test_every_number_of_a_queue_is_judged():
    """One that may not spoils nothing for the other."""
    assert of_numbers(queue_on(FIXED, PREMIUM, unanswered=False)) == [LAWFUL, UNLAWFUL]


def test_the_voluntary_guide_binds_its_members_only():
    """Waiting is free at every number, and the wait is told every 60 s."""
    member = queue_on(FIXED, unanswered=False, memberships=(GUIDE,), announce_every_s=90)
    other = queue_on(FIXED, unanswered=False, announce_every_s=90)
    assert (of_numbers(member), of_numbers(other)) == ([LAWFUL, UNLAWFUL], [LAWFUL])
    assert announce_every_s(member, SITE, DAY) == 60
    assert announce_every_s(other, SITE, DAY) == 90
    assert limits_of(member, SITE, DAY).told_every_s == 60
    assert announce_every_s(queue_on(memberships=(GUIDE,), announce_every_s=90), SITE, DAY) == 60
    assert of_numbers(queue_on(FREE, unanswered=False, memberships=(GUIDE,))) == [LAWFUL, LAWFUL]


def test_the_shorter_of_configuration_and_law_holds():
    """Also before the guide, where only the configuration speaks."""
    member = queue_on(FIXED, memberships=(GUIDE,), announce_every_s=45)
    assert announce_every_s(member, SITE, DAY) == 45
    later = queue_on(FIXED, memberships=(GUIDE,), announce_every_s=90)
    assert announce_every_s(later, SITE, dt.date(2007, 12, 9)) == 90


def test_the_law_is_that_of_the_first_number_else_of_the_principal():
    """A number of no country is the principal's."""
    assert country_of(queue_on(FIXED, "+31205550103", country="NL").numbers, "NL") == "DE"
    assert country_of(queue_on("+31205550103", FIXED).numbers, "DE") == "NL"
    assert country_of((), "NL") == "NL"
    assert country_of(queue_on("+80012345678").numbers, "NL") == "NL"


def test_a_silent_rulebook_a_missing_one_and_a_missing_number_are_told_apart():
    """Nothing is passed off as checked."""
    (silent,) = queue_findings(queue_on("+319001234", unanswered=False), SITE, DAY)
    assert (silent.standing, silent.sentence) == (LAWFUL, "the rulebook of the Netherlands asks nothing of this queue")
    (missing,) = queue_findings(queue_on("+34912345678"), SITE, DAY)
    assert (missing.standing, missing.source) == (UNSURE, None)
    assert "there is no rulebook for ES" in missing.sentence
    (numberless,) = queue_findings(queue_on(), SITE, DAY)
    assert (numberless.standing, numberless.remedy) == (UNSURE, "give its `numbers`")


def test_a_value_from_memory_is_not_used_until_it_is_accepted():
    """It is named; and it never keeps a call of ours from being made."""
    text = f'country = "DE"\nname = "Germany"\n{FROM_MEMORY}value = {{ line_types = ["fixed"] }}\n'
    book = rulebook_of(text)
    queue = queue_on(PREMIUM)
    (finding,) = queue_findings(queue, site_with(DE=book), DAY)
    assert (finding.rule, finding.standing) == ("queue_numbers", UNSURE)
    assert "`de.all.queue_numbers` is from memory" in finding.sentence
    accepted = Site("DE", SITE.call_centre, rulebooks={"DE": book}, accepted_unchecked=frozenset(book.recall))
    assert [finding.standing for finding in queue_findings(queue, accepted, DAY)] == [UNLAWFUL]


def test_a_queue_value_from_memory_denies_no_call():
    """Unlike every other one: see `test_a_value_from_memory_denies_until_the_admin_accepts_it`."""
    book = rulebook_of(f"{(RULEBOOKS / 'nl.toml').read_text()}\n{FROM_MEMORY}value = {{ line_types = ['fixed'] }}\n")
    assert book.recall == ("nl.all.queue_numbers",)
    assert decide(attempt(site={"rulebooks": {"NL": book}}), MORNING).reason == ""


def test_every_shape_of_a_queue_is_read_by_the_queue_s_law():
    """A parameter that a rulebook may hold and nobody reads would be a promise without a check."""
    assert {name for name in SHAPES if name.startswith("queue_")} == QUEUE_SHAPES
    law = find_queue_law(queue_on(FIXED, memberships=(GUIDE,)), SITE, DAY)
    assert (len(law.queue_numbers), len(law.queue_announcement)) == (2, 2)
