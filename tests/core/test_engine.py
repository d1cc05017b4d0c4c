"""How findings join, what a fault costs, and what nothing may stop."""

import dataclasses
import datetime as dt
import random
import time

import pytest
from core_cases import CONSENT, DE_NUMBER, ES_NUMBER, MORNING, NL_NUMBER, SHIPPED, attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core import engine
from asterisk_plugin.core.case import case_of
from asterisk_plugin.core.engine import RULES, Hearing, decide, longest_window_s, with_finding
from asterisk_plugin.core.rules.rule import Rule
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Verdict

SUNDAY = dt.datetime(2026, 10, 18, 10, tzinfo=dt.UTC)


def rules_of(verdict: Verdict, decision: Decision) -> set[str]:
    return {finding.rule for finding in verdict.findings if finding.decision is decision}


def test_an_allowed_attempt_says_what_was_checked():
    """Every rule that looked tells that it found its matter in order, each with a source."""
    verdict = decide(attempt(number=DE_NUMBER), MORNING)
    assert (verdict.decision, verdict.reason, verdict.cause, verdict.not_before) == (
        Decision.ALLOW,
        "",
        0,
        None,
    )
    expected = "number campaign rulebook objection consent caller-id attempt-limit calling-hours"
    assert rules_of(verdict, Decision.ALLOW) == set(expected.split())
    assert all(finding.source for finding in verdict.findings)
    assert verdict.rulebook_version == SHIPPED["DE"].version
    sentences = [each.sentence for each in verdict.findings]
    assert "the consent of 2026-05-01 covers this call" in sentences


@pytest.mark.parametrize(
    ("changes", "reason", "decision"),
    [
        ({"number": "+31"}, "number-invalid", Decision.DENY),
        ({"number": "+31900123456"}, "number-class", Decision.DENY),
        ({"no_campaign": True}, "campaign-unknown", Decision.DENY),
        ({"campaign": {"ends_on": dt.date(2026, 10, 19)}}, "campaign-unknown", Decision.DENY),
        ({"campaign": {"starts_on": dt.date(2026, 10, 21)}}, "campaign-unknown", Decision.DEFER),
        ({"number": ES_NUMBER}, "no-rulebook", Decision.DENY),
        ({"held": {"objections": [{}]}}, "objection", Decision.DENY),
        ({"held": {}}, "consent-missing", Decision.DENY),
        ({"calling_pres": 32}, "caller-id-withheld", Decision.DENY),
        ({"channel": "02076543210000"}, "caller-id-invalid", Decision.DENY),
        ({"asset": {"assigned_to": "other"}}, "caller-id-not-owned", Decision.DENY),
        ({"held": None}, "store-unavailable", Decision.DEFER),
    ],
)
def test_each_reason_decides_when_it_alone_stands_against_the_call(changes, reason, decision):
    """One thing wrong, one reason."""
    verdict = decide(attempt(**changes), MORNING)
    assert (verdict.reason, verdict.decision) == (reason, decision)


def test_the_causes_tell_rejected_invalid_and_later_apart():
    """Q.850 28 for what is no number, 21 for a denial, 42 for a deferral."""
    assert decide(attempt(number="+31"), MORNING).cause == 28
    assert decide(attempt(held={}), MORNING).cause == 21
    assert decide(attempt(SUNDAY), SUNDAY).cause == 42


def test_a_campaign_that_has_not_begun_waits_for_its_first_day_where_the_person_is():
    """Midnight in Amsterdam, not in UTC."""
    verdict = decide(attempt(campaign={"starts_on": dt.date(2026, 10, 22)}), MORNING)
    assert verdict.not_before == dt.datetime(2026, 10, 21, 22, tzinfo=dt.UTC)


@pytest.mark.parametrize("first_day", [True, False])
def test_a_campaign_runs_on_its_first_and_its_last_day(first_day):
    """Both days belong to it."""
    today = {"starts_on": MORNING.date()} if first_day else {"ends_on": MORNING.date()}
    assert decide(attempt(campaign=today), MORNING).reason == ""


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 2**9 - 1), st.integers(0, 24 * 14))
def test_the_order_of_rules_does_not_matter(rng: random.Random, broken: int, hours: int):
    """Any mixture of mistakes at any hour of two weeks gives the same verdict in every order."""
    now = dt.datetime(2026, 10, 17, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    mistakes = [
        ("held", {}),
        ("held", {"consents": [CONSENT], "objections": [{}]}),
        ("held", None),
        ("calling_pres", 32),
        ("asset", {"assigned_to": "other", "call_back_routed": False}),
        ("site", {"closed_days": [[now.date(), "*", "closed"]]}),
        ("campaign", {"ends_on": dt.date(2026, 10, 20)}),
        ("held", {"consents": [CONSENT], "used": {"day": 3, "week": 15}}),
        ("principal", {"memberships": ["de.branchenkodex"]}),
    ]
    changes = {key: value for place, (key, value) in enumerate(mistakes) if broken >> place & 1}
    facts = attempt(now, DE_NUMBER, **changes)
    shuffled = list(RULES)
    rng.shuffle(shuffled)
    one, other = decide(facts, now), decide(facts, now, rules=shuffled)
    assert set(one.findings) == set(other.findings)
    assert dataclasses.replace(one, findings=()) == dataclasses.replace(other, findings=())


def test_of_equal_findings_the_one_named_first_decides():
    """Objection before caller ID, whatever the order of the rules."""
    verdict = decide(attempt(held={"objections": [{}]}, calling_pres=32), MORNING)
    assert {"objection", "caller-id-withheld", "consent-missing"} == rules_of(verdict, Decision.DENY)
    assert verdict.reason == "objection"


def test_a_denial_outweighs_a_deferral_and_has_no_later_moment():
    """On a Sunday without consent: denied, though the hours alone would only defer."""
    verdict = decide(attempt(SUNDAY, held={}), SUNDAY)
    assert (verdict.decision, verdict.reason, verdict.not_before) == (Decision.DENY, "consent-missing", None)
    assert "calling-hours" in rules_of(verdict, Decision.DEFER)


def test_the_latest_of_several_waits_counts():
    """A campaign that starts on Thursday, asked for on Sunday, waits for Thursday."""
    verdict = decide(attempt(SUNDAY, campaign={"starts_on": dt.date(2026, 10, 22)}), SUNDAY)
    assert verdict.not_before == dt.datetime(2026, 10, 21, 22, tzinfo=dt.UTC)


def test_a_rule_that_raises_defers_and_is_named():
    """The others still speak; nothing about the error reaches the sentence."""

    def broken(_case):
        raise RuntimeError("secret detail")

    verdict = decide(attempt(), MORNING, rules=(*RULES, Rule("broken", broken)))
    assert (verdict.decision, verdict.reason) == (Decision.DEFER, "internal-error")
    assert verdict.faults == ("broken: RuntimeError: secret detail",)
    assert all("secret detail" not in finding.sentence for finding in verdict.findings)
    assert "consent" in rules_of(verdict, Decision.ALLOW)


def test_a_rule_that_raises_half_way_leaves_no_half_findings():
    """What a failing rule had already found is not to be trusted."""

    def broken(_case):
        yield Finding("half", Decision.ALLOW, "half")
        raise KeyError("x")

    verdict = decide(attempt(), MORNING, rules=(Rule("broken", broken), *RULES))
    assert "half" not in rules_of(verdict, Decision.ALLOW)
    assert verdict.reason == "internal-error"


def test_without_records_everything_unread_is_named():
    """A deferral that says what could not be checked, and why."""
    facts = dataclasses.replace(attempt(held=None), records_fault="no answer in 250 ms")
    verdict = decide(facts, MORNING)
    assert verdict.unchecked == (
        "abandoned-calls",
        "attempts",
        "consents",
        "ended-calls",
        "objections",
        "relationships",
    )
    assert any(finding.sentence.endswith("cannot be read: no answer in 250 ms") for finding in verdict.findings)


def test_a_store_that_is_away_does_not_hide_a_denial():
    """What is wrong without any record stays wrong."""
    assert decide(attempt(held=None, calling_pres=32), MORNING).reason == "caller-id-withheld"


def test_nobody_is_looked_up_for_a_number_that_is_none():
    """No records are missing when there is nobody to ask about."""
    verdict = decide(attempt(number="+31", held=None), MORNING)
    assert verdict.unchecked == ()
    assert "store-unavailable" not in rules_of(verdict, Decision.DEFER)


def test_a_limit_that_was_not_counted_defers():
    """A missing count is a missing fact."""
    facts = attempt(number=DE_NUMBER)
    facts = dataclasses.replace(facts, records=dataclasses.replace(facts.records, attempts=()))
    assert decide(facts, MORNING).reason == "store-unavailable"


@pytest.mark.parametrize("dialled", ["112", "999"])
def test_an_emergency_call_passes_whatever_is_wrong(dialled):
    """No campaign, no caller ID, no store, a Sunday night: it passes, with one finding."""
    night = dt.datetime(2026, 10, 18, 2, tzinfo=dt.UTC)
    site = {"emergency_extra": frozenset({"999"}), "rulebooks": {}}
    facts = attempt(night, dialled, no_campaign=True, calling_pres=32, held=None, site=site)
    for verdict in (decide(facts, night), Hearing(facts, night).preview()):
        assert (verdict.decision, verdict.reason) == (Decision.ALLOW, "")
        assert [finding.rule for finding in verdict.findings] == ["emergency"]
    failed = with_finding(verdict, Finding(Reason.EVIDENCE_UNAVAILABLE, Decision.DEFER, "the disk is full"))
    assert failed.decision is Decision.ALLOW
    assert failed.findings[-1].rule == "evidence-unavailable"


def test_a_later_finding_joins_as_if_a_rule_had_found_it():
    """A full disk turns an ALLOW into a DEFER, but a DENY stays what it was."""
    finding = Finding(Reason.EVIDENCE_UNAVAILABLE, Decision.DEFER, "the disk is full")
    deferred = with_finding(decide(attempt(), MORNING), finding)
    assert (deferred.decision, deferred.reason, deferred.cause) == (
        Decision.DEFER,
        "evidence-unavailable",
        42,
    )
    denied = with_finding(decide(attempt(held={}), MORNING), finding)
    assert (denied.decision, denied.reason, denied.cause) == (Decision.DENY, "consent-missing", 21)
    bare = with_finding(Verdict(Decision.ALLOW), finding)
    assert (bare.decision, bare.reason) == (Decision.DEFER, "evidence-unavailable")


def test_preview_denies_only_what_no_record_can_lift():
    """Hours that a wish of the person may open are open to a preview; withheld caller IDs are not."""
    assert Hearing(attempt(SUNDAY), SUNDAY).preview().decision is Decision.ALLOW
    closed = Hearing(attempt(SUNDAY, DE_NUMBER, campaign={"purpose": "survey"}), SUNDAY.replace(hour=3)).preview()
    assert (closed.decision, closed.reason) == (Decision.DEFER, "calling-hours")
    assert Hearing(attempt(calling_pres=32), MORNING).preview().reason == "caller-id-withheld"
    assert Hearing(attempt(held={}), MORNING).preview().decision is Decision.ALLOW


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 24 * 60), st.booleans(), st.booleans(), st.sampled_from(["sales", "service", "survey"]))
def test_what_preview_refuses_is_never_allowed(hours: int, withheld: bool, asked: bool, purpose: str):
    """For any hour of two months, with and without a wish that opens the hours."""
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    slot = {"callable_from": now - dt.timedelta(hours=1), "callable_until": now + dt.timedelta(hours=1)}
    consent = {"kind": "requested-call", "purpose": purpose, "given_at": now - dt.timedelta(days=2), **slot}
    facts = attempt(
        now,
        DE_NUMBER,
        calling_pres=32 * withheld,
        campaign={"purpose": purpose},
        held={"consents": [consent] if asked else []},
    )
    if Hearing(facts, now).preview().decision is not Decision.ALLOW:
        assert decide(facts, now).decision is not Decision.ALLOW


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 24 * 60), st.booleans(), st.sampled_from([NL_NUMBER, DE_NUMBER]))
def test_a_rule_that_needs_no_records_finds_the_same_without_them(hours: int, withheld: bool, number: str):
    """It is run once, before the look-up, and its findings are kept."""
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    facts = attempt(now, number, calling_pres=32 * withheld, held={"consents": [CONSENT]})
    for rule in RULES:
        if not rule.needs:
            with_records, without = case_of(facts, now), case_of(dataclasses.replace(facts, records=None), now)
            assert list(rule.check(with_records)) == list(rule.check(without)), rule.id


def test_limits_begin_at_local_midnight_and_last_25_hours_when_the_clocks_go_back():
    """Sunday 25 October 2026 in Berlin."""
    now = dt.datetime(2026, 10, 25, 12, tzinfo=dt.UTC)
    (day,) = Hearing(attempt(now, DE_NUMBER), now).limits
    assert day.id == "de.all.attempt_limit.day"
    assert day.since == dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
    assert day.renews_at == dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)


def test_with_several_zones_a_day_lasts_from_the_first_midnight_to_the_last():
    """The stricter reading: what may count, counts."""
    zones = ("Europe/Berlin", "America/New_York")
    (day,) = Hearing(attempt(MORNING, DE_NUMBER, zones=zones), MORNING).limits
    assert day.since == dt.datetime(2026, 10, 19, 22, tzinfo=dt.UTC)
    assert day.renews_at == dt.datetime(2026, 10, 21, 4, tzinfo=dt.UTC)


def test_members_are_counted_per_week_and_campaign_too():
    """Week from Monday; the campaign without beginning."""
    facts = attempt(number=DE_NUMBER, principal={"memberships": ["de.branchenkodex"]})
    found = {limit.id: limit for limit in Hearing(facts, MORNING).limits}
    week = found["de.members.branchenkodex.attempt_limit.week"]
    assert week.since == dt.datetime(2026, 10, 18, 22, tzinfo=dt.UTC)
    assert week.renews_at == dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)
    campaign = found["de.members.branchenkodex.attempt_limit.campaign"]
    assert (campaign.since, campaign.renews_at, campaign.max_attempts) == (None, None, 30)
    assert campaign.scope == "campaign"


def test_attempts_are_kept_as_long_as_any_limit_looks_back():
    """Three days for a daily limit; as long as an open campaign for a member's; a day for none."""
    day = 86_400
    facts = attempt(number=DE_NUMBER)
    assert longest_window_s(facts.site) == 3 * day
    assert longest_window_s(dataclasses.replace(facts.site, rulebooks={})) == day
    member = attempt(number=DE_NUMBER, principal={"memberships": ["de.branchenkodex"]})
    site = dataclasses.replace(facts.site, campaigns={"spring": member.campaign})
    assert longest_window_s(site) == engine.OPEN_CAMPAIGN_S
    dated = dataclasses.replace(member.campaign, starts_on=dt.date(2026, 10, 1), ends_on=dt.date(2026, 10, 31))
    site = dataclasses.replace(facts.site, campaigns={"spring": dated})
    assert longest_window_s(site) == 32 * day


def test_a_moment_without_zone_is_refused():
    """Local time of the server is nobody's time."""
    with pytest.raises(ValueError, match="time-zone-aware"):
        decide(attempt(), MORNING.replace(tzinfo=None))


def test_the_same_facts_give_the_same_verdict_again():
    """Evidence is replayed: nothing but the arguments may count."""
    facts = attempt(number=DE_NUMBER, held={"consents": [CONSENT], "used": {"day": 1}})
    assert decide(facts, MORNING) == decide(facts, MORNING)


def test_a_decision_stays_far_below_its_deadline():
    """Not a benchmark: an accidental re-reading of calendars would be a hundred times slower."""
    facts = attempt()
    decide(facts, MORNING)
    started_s = time.perf_counter()
    for _ in range(200):
        Hearing(facts, MORNING).preview()
        decide(facts, MORNING)
    assert (time.perf_counter() - started_s) / 200 < 0.005


TWO_DAYS = dt.datetime(2026, 10, 20, 23, tzinfo=dt.UTC)  # Wednesday 01:00 in Berlin, Tuesday evening in New York
ZONES = ("Europe/Berlin", "America/New_York")


def test_while_it_is_two_days_at_once_the_limit_of_both_binds():
    """From Tuesday's midnight in Berlin to Wednesday's end in New York."""
    (day,) = Hearing(attempt(TWO_DAYS, DE_NUMBER, zones=ZONES), TWO_DAYS).limits
    assert day.since == dt.datetime(2026, 10, 19, 22, tzinfo=dt.UTC)
    assert day.renews_at == dt.datetime(2026, 10, 22, 4, tzinfo=dt.UTC)


def test_while_it_is_two_days_at_once_the_law_of_both_binds():
    """On the last evening of the customer exemption in one zone, it is over in the other."""
    now = dt.datetime(2026, 6, 30, 22, 30, tzinfo=dt.UTC)
    held = {"relationships": [{"started_on": dt.date(2024, 1, 1)}]}
    facts = attempt(now, zones=("Europe/London", "Europe/Amsterdam"), held=held)
    assert decide(facts, now).reason == "relationship-expired"


def test_a_campaign_waits_for_its_first_day_in_every_zone():
    """Midnight comes to New York last."""
    facts = attempt(number=DE_NUMBER, zones=ZONES, campaign={"starts_on": dt.date(2026, 10, 22)})
    start = next(each for each in decide(facts, MORNING).findings if each.rule == "campaign-unknown")
    assert start.not_before == dt.datetime(2026, 10, 22, 4, tzinfo=dt.UTC)


def test_an_expired_ground_is_told_once_and_not_as_missing_too():
    """What is missing and what has expired are different things to an admin."""
    expired = {"consents": [CONSENT | {"expires_at": MORNING}]}
    assert rules_of(decide(attempt(held=expired), MORNING), Decision.DENY) == {"consent-expired"}
    lapsed = {"relationships": [{"started_on": dt.date(2024, 1, 1)}]}
    assert rules_of(decide(attempt(held=lapsed), MORNING), Decision.DENY) == {"relationship-expired"}
    both = decide(attempt(held=expired | lapsed), MORNING)
    assert rules_of(both, Decision.DENY) == {"consent-expired", "relationship-expired"}
