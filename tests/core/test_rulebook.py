"""The rulebook file: what it may hold, what is refused, and what is in force on a day."""

import datetime as dt

import pytest
from core_cases import MORNING, SHIPPED, attempt, rulebook_of

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.parameters import Span
from asterisk_plugin.errors import ConfigError, ParameterNotInForceError

GOOD = """
country = "NL"
name = "the Netherlands"
[profiles]
club = "The Club"
[all.consent]
description = "d"
unit = "grounds"
checked_on = 2026-11-21
[[all.consent.values]]
since = 2020-01-01
source = "Act 1"
href = ""
confidence = "seen"
value = { needs = "none" }
[members.club.ring_time]
description = "d"
unit = "seconds"
checked_on = 2026-11-21
[[members.club.ring_time.values]]
since = 2020-01-01
source = "Code"
href = ""
confidence = "seen-official"
value = { min_s = 15, max_s = 40 }
"""
HOURS = """
[all.calling_hours]
description = "d"
unit = "local time"
checked_on = 2026-11-21
[[all.calling_hours.values]]
since = 2020-01-01
source = "Act 2"
href = ""
confidence = "seen"
value = { mon_fri = [[09:00:00, 20:00:00]] }
"""

QUEUES = """
[all.queue_numbers]
description = "d"
unit = "line types"
checked_on = 2026-11-21
[[all.queue_numbers.values]]
since = 2020-01-01
source = "Act 3"
href = ""
confidence = "seen"
value = { line_types = ["fixed"], otherwise = ["free"] }
[all.queue_announcement]
description = "d"
unit = "seconds"
checked_on = 2026-11-21
[[all.queue_announcement.values]]
since = 2020-01-01
source = "Act 3"
href = ""
confidence = "seen"
value = { told = ["expected-wait"], every_s = 60 }
[all.queue_no_hang_up]
description = "d"
unit = "grounds"
checked_on = 2026-11-21
[[all.queue_no_hang_up.values]]
since = 2020-01-01
source = "Act 3"
href = ""
confidence = "seen"
value = { sectors = ["energy"] }
[all.queue_answer_share]
description = "d"
unit = "percent"
checked_on = 2026-11-21
[[all.queue_answer_share.values]]
since = 2020-01-01
source = "Act 3"
href = ""
confidence = "seen"
value = { percent = 95, within_s = 180 }
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rulebook_of(text)
    return [f"{problem.key}: {problem.found} {problem.allowed}" for problem in caught.value.problems]


def test_the_good_file_of_these_tests_loads():
    """Else every refusal below could come from somewhere else."""
    assert list(rulebook_of(GOOD + HOURS + QUEUES).parameters) == [
        "nl.all.consent",
        "nl.all.calling_hours",
        "nl.all.queue_numbers",
        "nl.all.queue_announcement",
        "nl.all.queue_no_hang_up",
        "nl.all.queue_answer_share",
        "nl.members.club.ring_time",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ('country = "NL"', 'country = "nl"', "country", "in capitals"),
        ('country = "NL"', "", "country", "must be given"),
        ('name = "the Netherlands"', 'name = "x"\nflag = 1', "flag", "is not known here"),
        ("[all.consent]", "[all.consents]", "all.consents", "is not known here; must be one of"),
        ('unit = "grounds"', 'unit = "seconds"', "all.consent.unit", "must be `grounds`"),
        ("checked_on = 2026-11-21", "", "all.consent.checked_on", "must be given"),
        (
            "checked_on = 2026-11-21",
            "checked_on = 2026-11-21T10:00:00",
            "all.consent.checked_on",
            "must be a date",
        ),
        ('description = "d"', "", "all.consent.description", "must be given"),
        ("since = 2020-01-01", "", "all.consent.values[0].since", "must be given"),
        ('source = "Act 1"', "", "all.consent.values[0].source", "must be given"),
        (
            'source = "Act 1"',
            'source = " "',
            "all.consent.values[0].source",
            "must be a text that is not empty",
        ),
        ('href = ""', "", "all.consent.values[0].href", "must be given"),
        ('confidence = "seen"', 'confidence = "sure"', "all.consent.values[0].confidence", "must be one of"),
        ('confidence = "seen"', 'confidence = "house"', "all.consent.values[0].confidence", "must be one of"),
        ('value = { needs = "none" }', "", "all.consent.values[0].value", "must be given"),
        ('value = { needs = "none" }', "value = []", "all.consent.values[0].value", "must hold an entry"),
        ('value = { needs = "none" }', "value = 3", "all.consent.values[0].value", "must be a table"),
        ('needs = "none"', 'needs = "maybe"', "all.consent.values[0].value.needs", "must be one of `none`"),
        (
            'needs = "none"',
            'needs = "none", nedes = 1',
            "all.consent.values[0].value.nedes",
            "is not known here",
        ),
        (
            'needs = "none"',
            'needs = "none", purposes = ["fun"]',
            "value.purposes[0]",
            "must be one of `sales`",
        ),
        ('needs = "none"', 'needs = "none", lifetime = "soon"', "value.lifetime", "days, months or years"),
        ('value = { needs = "none" }', "repealed = true\nvalue = {}", "values[0].value", "must not be given"),
        ("[profiles]\nclub", "[profiles]\ncabal", "members.club", "must be one of `cabal`"),
        ("max_s = 40", "max_s = 10", "value.max_s", "must not be below `min_s`, which is 15"),
        ("max_s = 40", 'max_s = "40"', "value.max_s", "must be a whole number from 1 to 300"),
        ("max_s = 40", "max_s = true", "value.max_s", "must be a whole number from 1 to 300"),
        ("[[09:00:00, 20:00:00]]", "[[20:00:00, 09:00:00]]", "mon_fri[0]", "must end after it starts"),
        ("[[09:00:00, 20:00:00]]", '[["nine", "ten"]]', "mon_fri[0]", "must be two local times"),
        ("[[09:00:00, 20:00:00]]", "[[09:00:00, 20:00:00.5]]", "mon_fri[0]", "must be in whole seconds"),
        (
            "mon_fri = [[09:00:00, 20:00:00]]",
            'special = [{ month = 2, day = 3, until = 18:30:00.5, why = "w" }]',
            "special[0].until",
            "must be in whole seconds",
        ),
        ("20:00:00]]", "20:00:00], [19:00:00, 21:00:00]]", "mon_fri[1]", "must not start before"),
        (
            "mon_fri = [[09:00:00, 20:00:00]]",
            'special = [{ month = 2, day = 30, why = "w" }]',
            "special[0].day",
            "month 2 has",
        ),
        (
            "mon_fri = [[09:00:00, 20:00:00]]",
            'holiday = [], holiday_regions = ["ZZZ"]',
            "all.calling_hours",
            "holiday calendar",
        ),
        ('line_types = ["fixed"], ', "", "queue_numbers.values[0].value.line_types", "must be given"),
        ('line_types = ["fixed"]', 'line_types = ["landline"]', "value.line_types[0]", "must be one of `fixed`"),
        ('otherwise = ["free"]', 'otherwise = ["cheap"]', "value.otherwise[0]", "must be one of `free`, `fixed-price`"),
        ('otherwise = ["free"]', 'purposes = ["sales"]', "value.purposes", "who waits in a queue called us"),
        ('told = ["expected-wait"], ', "", "queue_announcement.values[0].value.told", "must be given"),
        ('told = ["expected-wait"]', 'told = ["time"]', "value.told[0]", "must be one of `expected-wait`, `price`"),
        ("every_s = 60", "at_start = false", "value.at_start", "must be `true`, unless `every_s` is given"),
        ("every_s = 60", "every_s = 9", "value.every_s", "must be a whole number from 10 to 3600"),
        ('sectors = ["energy"]', 'audiences = ["consumer"]', "queue_no_hang_up.values[0].value.audiences", "called us"),
        ("percent = 95", "percent = 101", "value.percent", "must be a whole number from 1 to 100"),
        ("within_s = 180", 'dial_modes = ["manual"]', "value.dial_modes", "called us"),
        ("within_s = 180", "within_s = 0", "value.within_s", "must be a whole number from 1 to 3600"),
    ],
)
def test_a_wrong_file_is_refused_with_key_and_what_is_allowed(old, new, key, allowed):
    """One mistake, one problem that names the key and what would be right."""
    text = GOOD + HOURS + QUEUES
    assert old in text
    found = problems_of(text.replace(old, new, 1))
    assert [problem for problem in found if key in problem.split(": ")[0] and allowed in problem], found


def test_every_problem_is_found_in_one_go():
    """Four mistakes in four places are four problems."""
    text = GOOD.replace('unit = "seconds"', 'unit = "s"').replace('source = "Act 1"\n', "").replace("min_s", "mins")
    text = text.replace('name = "the Netherlands"\n', "")
    keys = [problem.split(":")[0] for problem in problems_of(text)]
    assert keys == [
        "name",
        "all.consent.values[0].source",
        "members.club.ring_time.unit",
        "members.club.ring_time.values[0].value.mins",
    ]


def test_two_values_of_one_day_are_refused():
    """Which of them holds could not be told."""
    again = HOURS.partition("checked_on = 2026-11-21\n")[2]
    found = problems_of(GOOD + HOURS + again)
    assert found == [
        "all.calling_hours.values[1].since: `2020-01-01` must be another day: a value of that day is there"
    ]


def test_a_parameter_without_values_is_refused():
    """It would read as a law that says nothing."""
    head = '[all.objection]\ndescription = "d"\nunit = "grounds"\nchecked_on = 2026-11-21\n'
    assert "all.objection.values: nothing must be given" in problems_of(GOOD + head)


@pytest.mark.parametrize("broken", ["all = 3", "all.consent = 3", "all.consent.values = 3", "all.consent.values = [3]"])
def test_a_value_where_a_table_belongs_is_a_problem_and_no_crash(broken):
    """A typing error of any shape ends in a list of problems."""
    assert problems_of(f'country = "NL"\nname = "x"\n{broken}\n')


def test_a_member_profile_must_be_listed():
    """`profiles` gives it a name; without, memberships could not be checked."""
    assert any(
        "must be listed in `profiles`" in each
        for each in problems_of(GOOD.replace('[profiles]\nclub = "The Club"', ""))
    )


def test_the_value_in_force_is_the_newest_that_has_begun():
    """The day before the first value there is none; each value holds until the next."""
    parameter = SHIPPED["NL"].parameters["nl.all.relationship"]
    with pytest.raises(ParameterNotInForceError) as caught:
        parameter.on(dt.date(2021, 6, 30))
    assert (caught.value.parameter, caught.value.day) == ("nl.all.relationship", dt.date(2021, 6, 30))
    assert parameter.on(dt.date(2021, 7, 1)).since == dt.date(2021, 7, 1)
    assert parameter.on(dt.date(2026, 6, 30)).since == dt.date(2021, 7, 1)
    assert parameter.on(dt.date(2026, 7, 1)).since == dt.date(2026, 7, 1)


def test_values_may_stand_in_any_order():
    """The date counts, not the place in the file."""
    older = HOURS.replace("since = 2020-01-01", "since = 2019-01-01").partition("checked_on = 2026-11-21\n")[2]
    values = rulebook_of(GOOD + HOURS + older).parameters["nl.all.calling_hours"].values
    assert [value.since.year for value in values] == [2019, 2020]


def test_a_repealed_parameter_is_no_longer_in_force():
    """From its last day on the rulebook says nothing, and saying nothing on consent is not free to call."""
    end = (
        '[[all.consent.values]]\nsince = 2026-10-20\nsource = "Repeal"\nhref = ""\n'
        'confidence = "seen"\nrepealed = true\n'
    )
    book = rulebook_of(GOOD + end)
    parameter = book.parameters["nl.all.consent"]
    assert parameter.find(dt.date(2026, 10, 20)) is None
    assert parameter.on(dt.date(2026, 10, 19)).since.year == 2020
    site = {"rulebooks": {"NL": book}}
    assert decide(attempt(site=site), MORNING).reason == "no-rulebook"
    assert decide(attempt(MORNING - dt.timedelta(days=1), site=site), MORNING - dt.timedelta(days=1)).reason == ""


def test_the_version_names_country_and_text():
    """Twelve hex characters that change with any character of the file."""
    version = rulebook_of(GOOD).version
    assert version.startswith("NL@")
    assert len(version) == 15
    assert rulebook_of(GOOD + "# note\n").version != version


def test_a_value_from_memory_denies_until_the_admin_accepts_it():
    """Confidence `recall` is not good enough to dial on, nor is leaving the parameter out."""
    book = rulebook_of(GOOD + HOURS.replace('"seen"', '"recall"'))
    assert book.recall == ("nl.all.calling_hours",)
    site = {"rulebooks": {"NL": book}}
    verdict = decide(attempt(site=site), MORNING)
    assert verdict.reason == "no-rulebook"
    assert any("`nl.all.calling_hours` is from memory" in each.sentence for each in verdict.findings)
    accepted = decide(attempt(site=site | {"accepted_unchecked": frozenset(book.recall)}), MORNING)
    assert accepted.reason == ""
    hours = next(each for each in accepted.findings if each.rule == "calling-hours")
    assert hours.source is not None
    assert hours.source.confidence == "recall"


def test_the_shipped_rulebooks_hold_nothing_from_memory():
    """Every value was read somewhere, was checked by a day, and names its source."""
    for book in SHIPPED.values():
        assert book.recall == ()
        for parameter in book.parameters.values():
            assert parameter.checked_on >= dt.date(2026, 11, 21)
            assert all(value.source.text and value.source.checked_on for value in parameter.values)


@pytest.mark.parametrize(
    ("span", "day", "end"),
    [
        (Span(months=36), dt.date(2023, 6, 15), dt.date(2026, 6, 15)),
        (Span(months=36), dt.date(2020, 2, 29), dt.date(2023, 2, 28)),
        (Span(months=1), dt.date(2026, 1, 31), dt.date(2026, 2, 28)),
        (Span(months=6), dt.date(2026, 8, 31), dt.date(2027, 2, 28)),
        (Span(days=30), dt.date(2026, 1, 31), dt.date(2026, 3, 2)),
    ],
)
def test_a_span_goes_by_the_calendar(span, day, end):
    """Months keep the day where the month has it."""
    assert span.after(day) == end
