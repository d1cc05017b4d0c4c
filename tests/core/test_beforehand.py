"""What is kept for a second never shows: every number is judged as if it were the first."""

import datetime as dt
from dataclasses import replace

from core_cases import CONSENT, DE_NUMBER, MORNING, NL_NUMBER, attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core import beforehand
from asterisk_plugin.core.case import case_of
from asterisk_plugin.core.engine import RULES, Hearing, decide
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.verdict import Decision

OTHERS = {NL_NUMBER: "+31207654399", DE_NUMBER: "+4930987654"}
"""Another number of the same kind."""


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 60 * 24 * 60),
    st.sampled_from([NL_NUMBER, DE_NUMBER]),
    st.booleans(),
    st.sampled_from(["sales", "service"]),
    st.sampled_from(["", "1001", "+31207654321", "anonymous"]),
)
def test_a_verdict_does_not_depend_on_who_was_called_before(
    minutes: int, number: str, withheld: bool, purpose: str, channel: str
):
    """With and without what another number of the kind left behind in the same second: the same, to the last word."""
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    changes = {"calling_pres": 32 * withheld, "campaign": {"purpose": purpose}, "channel": channel}
    facts = attempt(now, number, held={"consents": [CONSENT]}, **changes)
    beforehand._of_kind.cache_clear()
    alone = decide(facts, now)
    beforehand._of_kind.cache_clear()
    other = attempt(now, OTHERS[number], held=None, **changes)
    decide(type(other)(**{**_fields(other), "site": facts.site, "campaign": facts.campaign}), now)
    after_another = decide(facts, now.replace(microsecond=999_999))
    assert beforehand._of_kind.cache_info().hits == 1
    assert after_another == alone


def _fields(facts):
    return {name: getattr(facts, name) for name in facts.__dataclass_fields__}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60 * 24), st.booleans(), st.sampled_from([NL_NUMBER, DE_NUMBER]))
def test_only_a_rule_that_says_so_reads_the_digits(hours: int, withheld: bool, number: str):
    """All others find the same without them, also in their preview; the one that says so does not."""
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    facts = attempt(now, number, calling_pres=32 * withheld, held=None)
    blank = attempt(now, number, calling_pres=32 * withheld, held=None)
    blank = type(blank)(**{**_fields(facts), "called": facts.called.kind, "dialled": ""})
    for rule in RULES:
        assert (rule.run(case_of(facts, now)) == rule.run(case_of(blank, now))) is not rule.of_number, rule.id


def test_numbers_of_one_kind_share_country_line_type_and_zones():
    """And nothing else: no digit is left."""
    kind = parse_number(NL_NUMBER, "NL").kind
    assert kind is parse_number(OTHERS[NL_NUMBER], "NL").kind
    assert kind.e164 == ""
    assert (kind.country, kind.line_type) == ("NL", "fixed")
    assert kind != parse_number("+31612345678", "NL").kind


def test_what_is_kept_is_exact_to_the_microsecond():
    """German hours that no wish can open end at 20:00; with the last dial 90 s before, 19:58:30 is too late."""
    minute = dt.datetime(2026, 10, 20, 17, 58, tzinfo=dt.UTC)  # 19:58 in Berlin
    facts = attempt(minute, DE_NUMBER, campaign={"purpose": "survey"}, site={"last_dial_s": 90})

    def preview(second: int, micros: int) -> Decision:
        return Hearing(facts, minute.replace(second=second, microsecond=micros)).preview().decision

    assert [preview(0, 0), preview(29, 0), preview(29, 999_999)] == [Decision.ALLOW] * 3
    assert [preview(30, 0), preview(30, 1)] == [Decision.DEFER] * 2


def test_another_site_is_judged_anew():
    """A reload swaps the site: nothing of the old one may be left."""
    assert decide(attempt(), MORNING).decision is Decision.ALLOW
    closed = {"closed_days": [(MORNING.date(), "NL", "mourning")]}
    assert decide(attempt(site=closed), MORNING).reason == "calling-hours"
    assert decide(attempt(site={"never_call": frozenset({"fixed"})}), MORNING).reason == "number-class"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 60 * 24 * 60),
    st.sampled_from([NL_NUMBER, DE_NUMBER]),
    st.sampled_from(["sales", "survey"]),
    st.booleans(),
)
def test_what_no_record_can_change_is_what_would_be_found_with_them(
    minutes: int, number: str, purpose: str, consents: bool
):
    """The same, to the last word, as when every rule that needs records is run with them."""
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    asked = {
        "kind": "requested-call",
        "given_at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        "callable_from": dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
        "callable_until": dt.datetime(2026, 7, 1, tzinfo=dt.UTC),
    }
    facts = attempt(now, number, held={"consents": [asked] * consents}, campaign={"purpose": purpose})
    unsettled = [replace(rule, is_settled=lambda _: False) for rule in RULES]
    assert decide(facts, now) == decide(facts, now, rules=unsettled)


def test_open_hours_are_judged_without_records():
    """Closed ones are not: the person may have asked to be called."""
    open_now = attempt(MORNING, NL_NUMBER, held=None)
    at_night = MORNING.replace(hour=2)
    closed_now = attempt(at_night, NL_NUMBER, held=None)
    rule = next(rule for rule in RULES if rule.id == "calling-hours")
    assert rule.run(case_of(open_now, MORNING)).is_settled
    assert not rule.run(case_of(closed_now, at_night)).is_settled
