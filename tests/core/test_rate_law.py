"""Lock-outs, abandoned shares, ring times and attempts as the shipped rulebooks of five countries have them."""

import dataclasses
import datetime as dt

import pytest
from core_cases import RULEBOOKS, attempt, rulebook_of, shipped

from asterisk_plugin.core import answering
from asterisk_plugin.core.case import case_of
from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.rate_parameters import AnswerLimit, CountedFrom, Then
from asterisk_plugin.core.verdict import Confidence, Decision
from asterisk_plugin.errors import ConfigError

FREE = """
[all.consent]
description = "made up: calls are free"
unit = "grounds"
checked_on = 2026-11-30
[[all.consent.values]]
since = 2000-01-01
source = "Made up"
href = ""
confidence = "seen"
value = { needs = "none" }
"""
NUMBERS = {
    "US": "+12125550123",
    "GB": "+442079460123",
    "IT": "+390612345678",
    "FR": "+33123456789",
    "CA": "+14165550123",
}
NOON = dt.datetime(2026, 11, 24, 17, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def opened(country: str):
    """The shipped rulebook, with consent made free, so that the other rules can be seen at work."""
    return rulebook_of((RULEBOOKS / f"{country.lower()}.toml").read_text() + FREE)


def judge(country: str, now=NOON, *, mode="predictive", agent="", ended=(), **changes):
    book = opened(country)
    site = {"rulebooks": {country: book}, "centre_country": country, "accepted_unchecked": frozenset(book.recall)}
    changes = {"site": site, "held": {"ended": ended}, "campaign": {"dial_mode": mode}} | changes
    return decide(attempt(now, NUMBERS[country], agent=agent, **changes), now)


@pytest.mark.parametrize("country", NUMBERS)
def test_a_rulebook_without_consent_lets_nobody_be_called(country):
    """What is shipped for these countries is not all of their law: denied, whatever else is in order."""
    book = shipped(country)
    accepted = frozenset(book.recall)
    site = {"rulebooks": {country: book}, "centre_country": country, "accepted_unchecked": accepted}
    verdict = decide(attempt(NOON, NUMBERS[country], site=site, agent="anna"), NOON)
    assert (verdict.decision, verdict.reason) == (Decision.DENY, "no-rulebook")


@pytest.mark.parametrize("country", NUMBERS)
def test_every_value_names_its_source_and_day(country):
    """And what is from memory is marked: Canada in whole."""
    book = shipped(country)
    for parameter in book.parameters.values():
        assert parameter.checked_on == dt.date(2026, 11, 30)
        assert all(value.source.text and value.note for value in parameter.values)
    confidences = {value.source.confidence for each in book.parameters.values() for value in each.values}
    assert (confidences == {Confidence.RECALL}) == (country == "CA")


@pytest.mark.parametrize(
    ("country", "pace", "reason"),
    [
        ("US", {"person": 33}, ""),
        ("US", {"person": 32}, "abandoned-rate"),
        ("US", {"person": 33, "no_answer": 500, "silent": 1}, "abandoned-rate"),
        ("CA", {"person": 19}, ""),
        ("CA", {"person": 18}, "abandoned-rate"),
        ("GB", {"person": 100_000}, "abandoned-rate"),
        ("IT", {"person": 34}, ""),
        ("IT", {"person": 33}, "abandoned-rate"),
        ("IT", {"person": 34, "abandoned": 9}, ""),
    ],
)
def test_each_country_has_a_formula_of_its_own(country, pace, reason):
    """1 of 34 live calls; 1 of 20; none; 1 silent one to 34 with an agent."""
    verdict = judge(country, pace=pace)
    assert verdict.reason == reason
    assert judge(country, agent="anna").reason == ""
    assert judge(country, mode="manual").reason == ""


def test_until_2017_the_united_kingdom_tolerated_three_percent():
    """An old attempt stays explainable."""
    last_day, first_day = (dt.datetime(2017, month, day, 12, tzinfo=dt.UTC) for month, day in ((2, 28), (3, 1)))
    assert judge("GB", last_day, pace={"person": 33}).reason == ""
    assert judge("GB", first_day, pace={"person": 33}).reason == "abandoned-rate"


def test_a_store_that_finds_no_room_is_believed():
    """Whatever its counts say: between two nodes only the store knows what is under way."""
    assert judge("US", pace={"person": 1000, "has_room": False}).reason == "abandoned-rate"


@pytest.mark.parametrize(
    ("country", "what", "after", "agent", "mode", "reason"),
    [
        ("GB", "abandoned", 72 * HOUR - dt.timedelta(seconds=1), "", "manual", ""),
        ("GB", "abandoned", 72 * HOUR - dt.timedelta(seconds=1), "", "predictive", "lock-out"),
        ("GB", "silent", 72 * HOUR - dt.timedelta(seconds=1), "anna", "predictive", ""),
        ("GB", "machine", 24 * HOUR - dt.timedelta(seconds=1), "", "predictive", "lock-out"),
        ("GB", "machine", 24 * HOUR - dt.timedelta(seconds=1), "anna", "predictive", ""),
        ("GB", "machine", 24 * HOUR - dt.timedelta(seconds=1), "", "preview", ""),
        ("IT", "silent", 5 * DAY, "anna", "predictive", "lock-out"),
        ("IT", "silent", 5 * DAY, "anna", "manual", "lock-out"),
        ("IT", "silent", 6 * DAY, "anna", "predictive", ""),
        ("IT", "silent", 60 * DAY, "", "predictive", "lock-out"),
        ("IT", "silent", 60 * DAY, "", "manual", ""),
        ("IT", "abandoned", HOUR, "anna", "predictive", ""),
        ("FR", "refusal", 60 * DAY, "anna", "manual", "lock-out"),
        ("FR", "refusal", 61 * DAY, "anna", "manual", ""),
        ("FR", "silent", HOUR, "anna", "manual", ""),
    ],
)
def test_a_number_is_left_alone(country, what, after, agent, mode, reason):
    """For hours or for full days, with or without a reserved agent, on both sides of the end."""
    ended = [{"what": what, "at": NOON - after}]
    assert judge(country, agent=agent, mode=mode, ended=ended, pace={"person": 10**6}).reason in {
        reason,
        reason or ("abandoned-rate" if country == "GB" else ""),
    }


@pytest.mark.parametrize(
    ("country", "what", "at", "not_before"),
    [
        ("GB", "abandoned", NOON - HOUR, NOON + 71 * HOUR),
        ("IT", "silent", NOON, dt.datetime(2026, 11, 29, 23, tzinfo=dt.UTC)),
        ("FR", "refusal", dt.datetime(2026, 11, 23, 23, tzinfo=dt.UTC), dt.datetime(2027, 1, 23, 23, tzinfo=dt.UTC)),
        (
            "FR",
            "refusal",
            dt.datetime(2026, 11, 23, 22, 59, tzinfo=dt.UTC),
            dt.datetime(2027, 1, 22, 23, tzinfo=dt.UTC),
        ),
    ],
)
def test_a_lock_says_when_it_ends(country, what, at, not_before):
    """Full days are those of the called person: a refusal before midnight in Paris ends a day earlier."""
    ended = [{"what": what, "at": at}]
    mode = "predictive" if country == "GB" else "manual"
    verdict = judge(country, mode=mode, ended=ended)
    locks = [each for each in verdict.findings if each.rule == "lock-out" and each.decision is Decision.DEFER]
    assert [each.not_before for each in locks] == [not_before]
    assert verdict.reason in {"lock-out", "abandoned-rate"}


def test_the_next_contact_in_italy_has_an_agent_until_the_person_was_reached():
    """No moment is named for a call without one."""
    silent = {"what": "silent", "at": NOON - 30 * DAY}
    verdict = judge("IT", ended=[silent], pace={"person": 100})
    assert (verdict.reason, verdict.not_before) == ("lock-out", None)
    reached = {"what": "person", "at": NOON - 20 * DAY}
    assert judge("IT", ended=[silent, reached], pace={"person": 100}).reason == ""
    earlier = {"what": "person", "at": NOON - 31 * DAY}
    assert judge("IT", ended=[silent, earlier], pace={"person": 100}).reason == "lock-out"


@pytest.mark.parametrize(
    ("country", "what", "principal", "reason"),
    [("FR", "refusal", "other", ""), ("IT", "silent", "other", "lock-out"), ("IT", "silent", "acme", "lock-out")],
)
def test_a_refusal_binds_one_principal_and_a_silent_call_everyone(country, what, principal, reason):
    """In every campaign of theirs."""
    ended = [{"what": what, "at": NOON - HOUR, "principal": principal, "campaign": "autumn"}]
    assert judge(country, mode="manual", ended=ended).reason == reason


def test_france_counts_four_attempts_in_thirty_days():
    """Of one principal, by all agencies."""
    assert judge("FR", mode="manual", held={"used": {"month": 3}}).reason == ""
    assert judge("FR", mode="manual", held={"used": {"month": 4}}).reason == "attempt-limit"


def law(country: str, mode="predictive"):
    book = opened(country)
    site = {"rulebooks": {country: book}, "accepted_unchecked": frozenset(book.recall)}
    return case_of(attempt(NOON, NUMBERS[country], site=site, campaign={"dial_mode": mode}), NOON).law


@pytest.mark.parametrize(
    ("country", "within_s", "counted_from", "then"),
    [
        ("US", 2, CountedFrom.GREETING_END, Then.MESSAGE),
        ("GB", 2, CountedFrom.ANSWER, Then.MESSAGE),
        ("IT", 3, CountedFrom.ANSWER, Then.END),
        ("CA", 2, CountedFrom.ANSWER, Then.MESSAGE),
    ],
)
def test_how_soon_an_agent_must_be_there(country, within_s, counted_from, then):
    """Who connects answered calls reads it from the law in force."""
    (entry,) = law(country).answer_limit
    value = entry.value
    assert isinstance(value, AnswerLimit)
    assert (value.within_s, value.counted_from, value.then) == (within_s, counted_from, then)


@pytest.mark.parametrize("country", ["US", "GB"])
def test_it_rings_fifteen_seconds_at_least(country):
    """Four rings take longer."""
    assert [entry.value.min_s for entry in law(country).ring_time] == [15]


@pytest.mark.parametrize(
    ("country", "old", "new", "key", "allowed"),
    [
        ("us", 'of = "live"', 'of = "calls"', "abandoned_rate.values[0].value.of", "must be one of `live`"),
        ("us", "length = 30", "length = 32", "value.length", "from 1 to 31"),
        ("us", ", length = 30", "", "value.length", "must be given"),
        ("us", 'per = "days"', 'per = "local-day"', "value.length", "belongs to `days` only"),
        ("us", 'name = "live"', 'name = "Live"', "value.name", "1 to 40"),
        ("us", "max_share_percent = 3", "max_share_percent = 51", "max_share_percent", "from 0 to 50"),
        ("us", '"abandoned", "silent"]', '"person"]', "value.counts", "nobody was left alone"),
        ("us", 'counts = ["abandoned", "silent"]', "counts = []", "value.counts", "not empty"),
        ("us", 'unit = "percent"', 'unit = "share"', "abandoned_rate.unit", "must be `percent`"),
        ("us", "within_s = 2", "within_s = 31", "answer_limit.values[0].value.within_s", "from 1 to 30"),
        ("us", 'then = "message"', 'then = "music"', "value.then", "`message`, `end`"),
        ("it", "days = 5", "days = 5, hours = 1", "lock_out.values[0].value.hours", "and not both"),
        ("it", "days = 5, ", "", "value.hours", "or `days` instead"),
        ("it", 'after = ["silent"]', 'after = ["busy"]', "value.after[0]", "`refusal`"),
        ("it", 'scope = "number"', 'scope = "person"', "value.scope", "must be one of"),
        ("it", "then_agent = true", 'then_agent = "yes"', "value.then_agent", "`true` or `false`"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(country, old, new, key, allowed):
    """Key and sentence, once."""
    text = (RULEBOOKS / f"{country}.toml").read_text()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        rulebook_of(text.replace(old, new))
    assert any(key in str(problem) and allowed in str(problem) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("country", "accepted", "limit"),
    [
        ("US", (), answering.AnswerLimit(2.0, from_answer=False, message=True)),
        ("IT", (), answering.AnswerLimit(3.0, from_answer=True, message=False)),
        ("GB", ("gb.all.answer_limit",), answering.AnswerLimit(2.0, from_answer=True, message=True)),
        ("GB", (), answering.AnswerLimit()),  # from memory, and nobody has accepted it: the house rule
        ("SE", (), answering.AnswerLimit()),
    ],
)
def test_how_long_a_person_may_be_without_an_agent(country, accepted, limit):
    """By the country that is called; two seconds after the greeting where no rulebook says it."""
    facts = attempt(number=NUMBERS["US"])
    books = {code: opened(code) for code in ("US", "IT", "GB")}
    site = dataclasses.replace(facts.site, rulebooks=books, accepted_unchecked=frozenset(accepted))
    assert answering.answer_limit_of(site, facts.campaign, country, NOON) == limit
