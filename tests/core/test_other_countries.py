"""A made-up rulebook of everything that other countries' laws need loads and decides."""

import datetime as dt
from dataclasses import replace

import pytest
from core_cases import attempt, rulebook_of

from asterisk_plugin.core.engine import Hearing, decide, longest_window_s
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.queue_law import announce_every_s, find_queue_law, limits_of, queue_findings
from asterisk_plugin.core.site import CallCentre, Principal, Queue, Site
from asterisk_plugin.core.verdict import Decision

HEAD = 'description = "made up"\nunit = "{unit}"\nchecked_on = 2026-11-21\n'
VALUE = '[[{key}.values]]\nsince = {since}\nsource = "{source}"\nhref = ""\nconfidence = "seen"\nvalue = {value}\n'


def parameter(key: str, unit: str, *values: tuple[str, str]) -> str:
    """One parameter with (since, value) pairs; the source names its date."""
    text = f"[{key}]\n{HEAD.format(unit=unit)}"
    return text + "".join(
        VALUE.format(key=key, since=since, source=f"{key} {since}", value=value) for since, value in values
    )


BOOK = rulebook_of(
    'country = "ES"\nname = "Made-up Spain"\n[profiles]\nclub = "The Club"\n'
    + parameter(
        "all.consent",
        "grounds",
        (
            "2020-01-01",
            '[{ purposes = ["sales"], needs = "express", lifetime = "2 years" }, '
            '{ sectors = ["energy"], purposes = ["service"], needs = "express" }, '
            '{ purposes = ["service", "debt"], needs = "none" }]',
        ),
    )
    + parameter(
        "all.relationship",
        "principal kinds",
        ("2020-01-01", '[{ principal_kinds = ["press"] }]'),
        (
            "2026-08-11",
            '[{ principal_kinds = ["press", "company"], same_product = false, running_only = true }]',
        ),
    )
    + parameter("all.relationship_term", "duration", ("2020-01-01", '{ after_contract_end = "30 days" }'))
    + parameter(
        "all.calling_hours",
        "local time",
        (
            "2020-01-01",
            '{ purposes = ["sales"], mon_fri = [[10:00:00, 13:00:00], [14:00:00, 20:00:00]], '
            "sat = [[10:00:00, 19:00:00]], sun = [], holiday = [], eve = [[10:00:00, 12:00:00]], "
            'holiday_regions = ["CT"], '
            'requested = "slot" }',
        ),
    )
    + parameter(
        "all.attempt_limit",
        "attempts",
        (
            "2020-01-01",
            '[{ name = "month", per = "rolling-days", length = 30, max = 4, scope = "principal" }, '
            '{ name = "hours", per = "rolling-hours", length = 24, max = 3, scope = "campaign" }, '
            '{ name = "debt", purposes = ["debt"], per = "local-week", max = 7, scope = "number" }]',
        ),
    )
    + parameter(
        "all.caller_id_owner",
        "party",
        ("2020-01-01", '{ owner = "principal", numbering_plan = ["ES"] }'),
        ("2026-06-01", '{ owner = "call-centre" }'),
    )
    + parameter(
        "all.caller_id_class",
        "numbering plan",
        (
            "2026-10-17",
            '[{ purposes = ["sales"], allowed_prefixes = ["+34400"], allowed_line_types = ["fixed"] }, '
            '{ purposes = ["service"], forbidden_prefixes = ["+34400"] }]',
        ),
    )
    + parameter(
        "all.caller_id_from_abroad",
        "numbering plan",
        ("2026-03-07", '{ effect = "blocked", exempt_line_types = ["mobile"] }'),
    )
    + parameter("members.club.ring_time", "seconds", ("2020-01-01", '{ purposes = ["sales"], min_s = 20 }'))
    + parameter(
        "all.queue_numbers",
        "line types",
        (
            "2026-12-28",
            '[{ line_types = ["toll-free", "fixed", "mobile"] }, { sectors = ["energy"], line_types = ["toll-free"] }]',
        ),
    )
    + parameter(
        "members.club.queue_announcement", "seconds", ("2020-01-01", '{ told = ["expected-wait"], every_s = 30 }')
    )
    + parameter("all.queue_no_hang_up", "grounds", ("2026-12-28", "{}"))
    + parameter("all.queue_answer_share", "percent", ("2026-12-28", "{ percent = 95, within_s = 180 }"))
)

NUMBER = "+34912345678"
SOLD = "+34400123456"
TUESDAY = dt.datetime(2026, 10, 20, 9, tzinfo=dt.UTC)  # 11:00 in Madrid, 10:00 on the Canaries
GIVEN = {"given_at": dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)}


def judge(now=TUESDAY, number=NUMBER, *, shown=SOLD, owner="dialwell", **changes):
    changes["site"] = {"rulebooks": {"ES": BOOK}, "centre_country": "ES"} | changes.get("site", {})
    changes.setdefault("held", {"consents": [GIVEN]})
    return decide(attempt(now, number, asset={"number": shown, "assigned_to": owner}, **changes), now)


def test_a_call_that_keeps_all_of_it_is_allowed():
    """Two windows a day, a sales range, the call centre's own number, three counters."""
    verdict = judge()
    assert (verdict.decision, verdict.reason) == (Decision.ALLOW, "")


@pytest.mark.parametrize(
    ("day", "owner", "reason"),
    [
        (dt.datetime(2026, 5, 29, 9, tzinfo=dt.UTC), "acme", ""),
        (dt.datetime(2026, 5, 29, 9, tzinfo=dt.UTC), "dialwell", "caller-id-not-owned"),
        (dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC), "acme", "caller-id-not-owned"),
        (dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC), "dialwell", ""),
    ],
)
def test_who_must_own_the_number_changes_with_the_date(day, owner, reason):
    """The principal's as in France, then the call centre's as in Austria, where no right of use helps."""
    assert judge(day, owner=owner).reason == reason
    changes = {"right_of_use": ["dialwell"]}
    other = decide(
        attempt(
            day,
            NUMBER,
            asset={"number": SOLD, "assigned_to": owner} | changes,
            site={"rulebooks": {"ES": BOOK}, "centre_country": "ES"},
            held={"consents": [GIVEN]},
        ),
        day,
    )
    assert other.reason == reason


def test_a_foreign_number_is_of_the_wrong_plan_even_when_owned():
    """`plan_for` is everybody's unless the rulebook says otherwise."""
    day = dt.datetime(2026, 5, 29, 9, tzinfo=dt.UTC)
    assert judge(day, shown="+31207654321", owner="acme").reason == "caller-id-not-owned"


@pytest.mark.parametrize(
    ("day", "shown", "purpose", "reason"),
    [
        (dt.datetime(2026, 10, 16, 9, tzinfo=dt.UTC), "+34912111222", "sales", ""),
        (dt.datetime(2026, 10, 19, 9, tzinfo=dt.UTC), "+34912111222", "sales", "caller-id-class"),
        (TUESDAY, "+34612345679", "sales", "caller-id-class"),
        (TUESDAY, SOLD, "service", "caller-id-class"),
        (TUESDAY, "+34912111222", "service", ""),
    ],
)
def test_ranges_bind_by_purpose_and_date(day, shown, purpose, reason):
    """A range for sales that customer service must not use, from 17 October 2026."""
    assert judge(day, shown=shown, campaign={"purpose": purpose}).reason == reason


@pytest.mark.parametrize(("shown", "reason"), [("+34912111222", "caller-id-invalid"), ("+34612345679", "")])
def test_a_blocked_number_from_abroad_is_refused_but_not_a_roaming_one(shown, reason):
    """The networks would not let the call through."""
    assert judge(shown=shown, campaign={"purpose": "service", "trunk_country": "FR"}).reason == reason


@pytest.mark.parametrize(
    ("hour", "minute", "reason"),
    [
        (7, 59, "calling-hours"),
        (8, 0, ""),
        (10, 58, ""),
        (10, 59, "calling-hours"),
        (11, 30, "calling-hours"),
        (12, 0, ""),
    ],
)
def test_there_may_be_several_windows_a_day(hour, minute, reason):
    """10 to 13 and 14 to 20 in Madrid, with a minute before each end."""
    assert judge(TUESDAY.replace(hour=hour, minute=minute)).reason == reason


def test_a_mobile_number_that_may_be_on_the_canaries_waits_for_the_later_zone():
    """At 10:30 in Madrid it is 09:30 there."""
    at = TUESDAY.replace(hour=8, minute=30)
    verdict = judge(at, "+34612345678")
    assert verdict.reason == "calling-hours"
    assert verdict.not_before == TUESDAY
    assert judge(TUESDAY, "+34612345678").reason == ""


def test_between_the_windows_of_two_zones_the_common_opening_is_found():
    """At 12:59 in Madrid: its break, then the Canaries' break; both are open at 15:00 in Madrid."""
    verdict = judge(TUESDAY.replace(hour=10, minute=59), "+34612345678")
    assert verdict.not_before == TUESDAY.replace(hour=13)


def test_regional_holidays_and_eves_count():
    """11 September is Catalonia's day, a Friday in 2026; its eve closes at noon."""
    at = dt.datetime(2026, 9, 10, 10, 30, tzinfo=dt.UTC)
    assert judge(at).not_before == dt.datetime(2026, 9, 12, 8, tzinfo=dt.UTC)


def test_a_slot_asked_for_opens_the_hours_and_consent_without_one_does_not():
    """A precisely specified time, as in the new French law."""
    sunday = dt.datetime(2026, 10, 18, 9, tzinfo=dt.UTC)
    slot = {"callable_from": sunday, "callable_until": sunday + dt.timedelta(hours=1)}
    asked = {"kind": "requested-call", "given_at": sunday - dt.timedelta(days=1)}
    assert judge(sunday, held={"consents": [asked | slot]}).reason == ""
    assert judge(sunday, held={"consents": [asked]}).reason == "calling-hours"


def test_a_consent_lives_two_years_whatever_it_says():
    """The last second, and the first one too late."""
    given = {
        "given_at": dt.datetime(2024, 10, 20, 9, tzinfo=dt.UTC),
        "expires_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    }
    assert judge(TUESDAY - dt.timedelta(seconds=1), held={"consents": [given]}).reason == ""
    assert judge(TUESDAY, held={"consents": [given]}).reason == "consent-expired"


@pytest.mark.parametrize(
    ("day", "kind", "ended_on", "reason"),
    [
        (dt.datetime(2026, 8, 10, 9, tzinfo=dt.UTC), "press", dt.date(2026, 7, 11), ""),
        (dt.datetime(2026, 8, 10, 9, tzinfo=dt.UTC), "press", dt.date(2026, 7, 10), "relationship-expired"),
        (dt.datetime(2026, 8, 10, 9, tzinfo=dt.UTC), "company", None, "relationship-expired"),
        (dt.datetime(2026, 8, 11, 9, tzinfo=dt.UTC), "company", None, ""),
        (dt.datetime(2026, 8, 11, 9, tzinfo=dt.UTC), "company", dt.date(2026, 8, 11), ""),
        (dt.datetime(2026, 8, 12, 9, tzinfo=dt.UTC), "company", dt.date(2026, 8, 11), "relationship-expired"),
    ],
)
def test_exemptions_have_kinds_terms_and_dates(day, kind, ended_on, reason):
    """Thirty days after the contract for the press; then running contracts for companies too."""
    bond = {"started_on": dt.date(2020, 1, 1), "ended_on": ended_on}
    assert judge(day, principal={"kind": kind}, held={"relationships": [bond]}).reason == reason


def test_without_the_same_product_any_relationship_serves():
    """`same_product = false` in the later value, not in the earlier one."""
    bond = {"started_on": dt.date(2020, 1, 1), "product": "gas"}
    changes = {
        "principal": {"kind": "press"},
        "campaign": {"product": "books"},
        "held": {"relationships": [bond]},
    }
    assert judge(dt.datetime(2026, 8, 11, 9, tzinfo=dt.UTC), **changes).reason == ""
    assert judge(dt.datetime(2026, 8, 10, 9, tzinfo=dt.UTC), **changes).reason == "consent-missing"


def test_entries_bind_by_sector():
    """Energy sellers need consent for what others call service."""
    service = {"campaign": {"purpose": "service"}, "shown": "+34912111222", "held": {}}
    assert judge(**service).reason == ""
    assert judge(principal={"sector": "energy"}, **service).reason == "consent-missing"


def test_a_kind_of_call_on_which_the_rulebook_is_silent_is_not_free():
    """Surveys stand in no entry."""
    verdict = judge(campaign={"purpose": "survey"})
    assert verdict.reason == "no-rulebook"
    assert any("whether manual survey calls to a consumer need consent" in each.sentence for each in verdict.findings)


def test_rolling_limits_count_days_hours_and_weeks():
    """Thirty calendar days with today, 24 hours to the second, Monday to Sunday; each with its scope."""
    facts = attempt(TUESDAY, NUMBER, site={"rulebooks": {"ES": BOOK}}, campaign={"purpose": "debt"}, held={})
    found = {limit.id.rpartition(".")[2]: limit for limit in Hearing(facts, TUESDAY).limits}
    assert found["month"].since == dt.datetime(2026, 9, 20, 22, tzinfo=dt.UTC)
    assert (found["month"].scope, found["month"].window_s, found["month"].renews_at) == (
        "principal",
        30 * 86_400,
        None,
    )
    assert found["hours"].since == TUESDAY - dt.timedelta(hours=24)
    assert (found["hours"].scope, found["hours"].window_s) == ("campaign", 86_400)
    assert found["debt"].renews_at == dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)
    assert longest_window_s(facts.site) == 32 * 86_400


@pytest.mark.parametrize(
    ("name", "used", "oldest_at", "not_before"),
    [
        # 30 calendar days from 1 October: it leaves on 31 October, a Saturday, opening at ten in winter time.
        ("month", 4, dt.datetime(2026, 10, 1, 9, tzinfo=dt.UTC), dt.datetime(2026, 10, 31, 9, tzinfo=dt.UTC)),
        (
            "hours",
            3,
            dt.datetime(2026, 10, 19, 12, 30, tzinfo=dt.UTC),
            dt.datetime(2026, 10, 20, 12, 30, tzinfo=dt.UTC),
        ),
    ],
)
def test_a_rolling_limit_says_when_the_oldest_attempt_leaves_it(name, used, oldest_at, not_before):
    """Moved on to the next opening of the calling hours."""
    verdict = judge(held={"consents": [GIVEN], "used": {name: used}, "oldest_at": oldest_at})
    assert (verdict.reason, verdict.not_before) == ("attempt-limit", not_before)


def test_a_limit_reached_without_a_known_oldest_attempt_has_no_moment():
    """Better none than a wrong one."""
    verdict = judge(held={"consents": [GIVEN], "used": {"hours": 3}})
    assert (verdict.reason, verdict.not_before) == ("attempt-limit", None)


def test_ring_time_may_have_only_a_minimum_and_binds_members():
    """Without a longest time in the law the gate's own holds."""
    member = judge(principal={"memberships": ["es.club"]}).obligations
    assert (member.ring_min_s, member.ring_max_s) == (20, 40)
    other = judge(principal={"memberships": ["nl.club"]}).obligations
    assert (other.ring_min_s, other.ring_max_s) == (15, 40)
    assert judge(principal={"memberships": ["es.club"]}, campaign={"ring_s": 5}).obligations.ring_max_s == 20


def judge_variant(old: str, new: str, now=TUESDAY, **changes):
    """Decide with one passage of a small rulebook replaced."""
    text = (
        'country = "ES"\nname = "Made-up Spain"\n'
        + parameter("all.consent", "grounds", ("2020-01-01", '{ needs = "express" }'))
        + parameter("all.calling_hours", "local time", ("2020-01-01", '{ mon_fri = [], requested = "express" }'))
        + parameter("all.caller_id_class", "numbering plan", ("2020-01-01", '{ allowed_line_types = ["fixed"] }'))
        + parameter("all.ring_time", "seconds", ("2020-01-01", "[{ min_s = 50 }, { max_s = 45 }]"))
    )
    assert old in text
    site = {"rulebooks": {"ES": rulebook_of(text.replace(old, new))}, "centre_country": "ES"}
    changes = {"held": {"consents": [GIVEN]}, "asset": {"number": "+34912111222"}} | changes
    return decide(attempt(now, NUMBER, site=site, **changes), now)


def test_any_consent_may_open_the_hours():
    """As in France until August 2026; without consent, and without that exception, they stay closed."""
    assert judge_variant("express", "express").reason == ""
    assert judge_variant('requested = "express"', 'requested = "slot"').reason == "calling-hours"


def test_only_some_line_types_may_be_allowed():
    """A mobile number where only fixed ones may be shown."""
    assert judge_variant("express", "express", asset={"number": "+34612345679"}).reason == "caller-id-class"
    allowed = judge_variant('["fixed"]', '["mobile"]', asset={"number": "+34612345679"})
    assert allowed.reason == ""


def test_of_a_shortest_ring_above_the_longest_the_shortest_holds():
    """Two codes that contradict each other: hanging up too early is the worse one."""
    obligations = judge_variant("express", "express").obligations
    assert (obligations.ring_min_s, obligations.ring_max_s) == (50, 50)


YEAR_END = dt.date(2026, 12, 28)


def waiting(*numbers: str, sector: str = "", memberships: tuple[str, ...] = ()) -> tuple[Queue, Site]:
    """A queue of that principal, and a site with the made-up rulebook."""
    owner = Principal("acme", "Acme", "Acme", "ES", sector=sector, memberships=frozenset(memberships))
    queue = Queue("service", owner, numbers=tuple(parse_number(number, "ES") for number in numbers))
    return queue, Site("ES", CallCentre("centre", "Centre", "ES"), rulebooks={"ES": BOOK})


def standings(queue: Queue, site: Site, day: dt.date) -> list[tuple[str, str]]:
    return [(finding.rule, finding.standing.value) for finding in queue_findings(queue, site, day)]


def test_nobody_may_be_hung_up_on_from_a_day_on():
    """From 28 December 2026; the day before, the rulebook is silent."""
    queue, site = waiting("+34912345678")
    assert standings(queue, site, YEAR_END) == [("queue_numbers", "lawful"), ("queue_no_hang_up", "lawful")]
    (silent,) = queue_findings(queue, site, YEAR_END - dt.timedelta(days=1))
    assert silent.sentence == "the rulebook of Made-up Spain asks nothing of this queue"


def test_a_share_must_be_answered_in_time_from_a_day_on():
    """95 of 100 within three minutes."""
    queue, site = waiting("+34912345678")
    (share,) = find_queue_law(queue, site, YEAR_END).queue_answer_share
    assert (share.value.percent, share.value.within_s) == (95, 180)
    assert share.source.text == "all.queue_answer_share 2026-12-28"
    limits = limits_of(queue, site, YEAR_END)
    assert (limits.answered_in_under_s, limits.answered_share) == (180, 0.95)
    assert find_queue_law(queue, site, YEAR_END - dt.timedelta(days=1)).queue_answer_share == ()


@pytest.mark.parametrize(
    ("number", "sector", "standing"),
    [
        ("+34900123456", "energy", "lawful"),
        ("+34912345678", "energy", "unlawful"),
        ("+34912345678", "shoes", "lawful"),
        ("+34901123456", "shoes", "unlawful"),  # not even when waiting is free
    ],
)
def test_which_number_may_lead_to_a_queue_goes_by_sector(number, sector, standing):
    """Basic services need a free number; nobody may use one that costs more than a plain call."""
    queue, site = waiting(number, sector=sector)
    found = {
        finding.standing.value for finding in queue_findings(queue, site, YEAR_END) if finding.rule == "queue_numbers"
    }
    assert ("unlawful" in found) is (standing == "unlawful")


def test_a_code_may_ask_for_announcements_of_its_members():
    """Oftener than is configured; of nobody else."""
    queue, site = waiting("+34912345678", memberships=("es.club",))
    assert announce_every_s(queue, site, YEAR_END) == 30
    assert announce_every_s(replace(queue, announce_every_s=20), site, YEAR_END) == 20
    assert announce_every_s(*waiting("+34912345678"), YEAR_END) == 60
