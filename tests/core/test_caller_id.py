"""Which number is shown, and what the channel may say about it."""

import dataclasses
import datetime as dt

import pytest
from core_cases import DE_CALLER_ID, DE_NUMBER, MORNING, NL_CALLER_ID, asset, attempt

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.facts import Presentation
from asterisk_plugin.core.number import LineType, PhoneNumber

OTHER = "+31201112233"


@pytest.mark.parametrize("channel", ["", "  ", "7", "100123", "agent1", "sip:agent", "agent17-sales"])
def test_without_a_public_number_on_the_channel_the_campaign_chooses(channel):
    """An agent's extension of up to six digits, or a telephone's SIP user, is not a caller ID."""
    shown = attempt(channel=channel).shown
    assert (shown.presentation, shown.number.e164) == (Presentation.SHOWN, NL_CALLER_ID)
    assert shown.asset is not None
    assert shown.trunk_country == "NL"


def test_unavailable_on_the_channel_does_not_matter_when_the_campaign_chooses():
    """A phone without caller ID is the usual case: 67."""
    assert decide(attempt(calling_pres=67), MORNING).reason == ""


@pytest.mark.parametrize("pres", [32, 33, 34, 35, 96])
def test_withheld_on_the_channel_stays_withheld(pres):
    """The gate does not show a number that somebody asked to hide; nor one marked in no known way."""
    facts = attempt(calling_pres=pres)
    assert facts.shown.presentation is Presentation.WITHHELD
    assert decide(facts, MORNING).reason == "caller-id-withheld"


@pytest.mark.parametrize("text", ["1001234", "+31 20", "020765432100000", "+", "12#34567"])
def test_what_is_no_number_is_told_as_invalid(text):
    """Seven digits that are no number, signs, fragments."""
    assert decide(attempt(channel=text), MORNING).reason == "caller-id-invalid"


@pytest.mark.parametrize("text", ["anonymous", "Anonymous", "restricted"])
def test_a_telephone_that_calls_itself_anonymous_withholds_its_number(text):
    """What a telephone with a hidden number sends as its SIP user (RFC 3323)."""
    facts = attempt(channel=text)
    assert facts.shown.presentation is Presentation.WITHHELD
    assert decide(facts, MORNING).reason == "caller-id-withheld"


@pytest.mark.parametrize("text", [NL_CALLER_ID, "0207654321", "0031 20 7654321"])
def test_a_public_number_on_the_channel_is_read_at_home_and_kept(text):
    """National and international writing of a number of the campaign."""
    facts = attempt(channel=text)
    assert facts.shown.text == text
    assert decide(facts, MORNING).obligations.show_number == NL_CALLER_ID
    assert decide(facts, MORNING).reason == ""


def test_a_public_number_that_is_not_ours_is_refused():
    """Nobody vouches for it."""
    verdict = decide(attempt(channel=OTHER), MORNING)
    assert verdict.reason == "caller-id-not-owned"
    assert "not among the numbers" in next(each.sentence for each in verdict.findings if each.rule == verdict.reason)


def test_a_number_of_ours_that_is_not_the_campaigns_is_refused_when_the_campaign_chooses():
    """And taken when the dialer chooses."""
    numbers = (asset(NL_CALLER_ID), asset(OTHER))
    changes = {"channel": OTHER, "caller_ids": numbers, "campaign_assets": numbers[:1]}
    assert decide(attempt(**changes), MORNING).reason == "caller-id-not-owned"
    free = attempt(**changes, campaign={"caller_id_from": "channel"})
    assert decide(free, MORNING).obligations.show_number == OTHER
    assert decide(free, MORNING).reason == ""


@pytest.mark.parametrize(
    ("channel", "pres", "reason"),
    [
        ("", 0, "caller-id-withheld"),
        (NL_CALLER_ID, 67, "caller-id-withheld"),
        (NL_CALLER_ID, 32, "caller-id-withheld"),
        ("1001", 0, "caller-id-invalid"),
        (OTHER, 0, "caller-id-not-owned"),
        (NL_CALLER_ID, 3, ""),
    ],
)
def test_when_the_dialer_chooses_its_number_is_only_checked(channel, pres, reason):
    """Absent is hidden, because such a call leaves as anonymous."""
    facts = attempt(channel=channel, calling_pres=pres, campaign={"caller_id_from": "channel"})
    assert decide(facts, MORNING).reason == reason


def test_the_first_number_in_order_for_the_destination_is_shown():
    """For a German number through a German trunk: the Dutch one by right of use is passed over."""
    numbers = (
        asset(NL_CALLER_ID, assigned_to="acme", right_of_use=["dialwell"]),
        asset(DE_CALLER_ID, valid_until=dt.date(2026, 10, 19)),
        asset("+4930111222"),
    )
    facts = attempt(number=DE_NUMBER, caller_ids=numbers)
    assert facts.shown.number.e164 == "+4930111222"
    assert attempt(caller_ids=numbers).shown.number.e164 == NL_CALLER_ID


def test_when_no_number_is_in_order_the_first_one_explains_itself():
    """The verdict can say what is wrong."""
    numbers = (asset(OTHER, valid_from=dt.date(2027, 1, 1)), asset(NL_CALLER_ID, purposes=["survey"]))
    facts = attempt(caller_ids=numbers)
    verdict = decide(facts, MORNING)
    assert verdict.reason == "caller-id-not-owned"
    assert any(f"{OTHER} may be shown from 2027-01-01 on" == each.sentence for each in verdict.findings)


def test_a_campaign_without_numbers_has_nothing_to_show():
    """Unavailable, which counts as hidden."""
    facts = attempt(caller_ids=())
    assert facts.shown.presentation is Presentation.UNAVAILABLE
    assert decide(facts, MORNING).reason == "caller-id-withheld"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"valid_from": dt.date(2026, 10, 20)}, ""),
        ({"valid_from": dt.date(2026, 10, 21)}, "caller-id-not-owned"),
        ({"valid_until": dt.date(2026, 10, 20)}, ""),
        ({"valid_until": dt.date(2026, 10, 19)}, "caller-id-not-owned"),
        ({"purposes": ["sales", "survey"]}, ""),
        ({"purposes": ["survey"]}, "caller-id-not-owned"),
        ({"assigned_to": "other", "right_of_use": ["dialwell"]}, ""),
    ],
)
def test_what_our_record_of_the_number_says_counts(fields, reason):
    """First and last day belong to it; no purposes means every purpose."""
    assert decide(attempt(asset=fields), MORNING).reason == reason


def test_without_a_campaign_the_channels_number_stands():
    """The verdict is campaign-unknown all the same."""
    facts = attempt(channel=NL_CALLER_ID, no_campaign=True)
    assert facts.shown.number.e164 == NL_CALLER_ID
    assert decide(facts, MORNING).reason == "campaign-unknown"


def test_a_foreign_trunk_of_the_campaign_counts_before_the_call_centres_country():
    """A German campaign of a Dutch centre through a German trunk."""
    facts = attempt(number=DE_NUMBER, site={"centre_country": "NL"}, campaign={"trunk_country": "DE"})
    assert facts.shown.trunk_country == "DE"
    assert decide(facts, MORNING).reason == ""


@pytest.mark.parametrize("digits", ["112", "1850"])
def test_a_short_number_is_no_caller_id(digits):
    """Nobody abroad, or on another network, could call it back."""
    facts = attempt(channel=digits, campaign={"caller_id_from": "channel"})
    number = PhoneNumber(digits, "NL", LineType.EMERGENCY if digits == "112" else LineType.SHORT)
    facts = dataclasses.replace(facts, shown=dataclasses.replace(facts.shown, number=number))
    found = [each.sentence for each in decide(facts, MORNING).findings if each.rule == "caller-id-invalid"]
    assert found == [f"the caller ID {digits} is a number that nobody can be called back on"]
