"""A number as a network or a person gives it: with `+`, national, or international without either."""

from __future__ import annotations

import phonenumbers
import pytest

from asterisk_plugin.core.number import PhoneNumber, UnusableNumber, parse_received

MOBILE, FIXED = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE


@pytest.mark.parametrize("country", ["AT", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "SE"])
@pytest.mark.parametrize("kind", [MOBILE, FIXED])
@pytest.mark.parametrize("form", ["+", "international without +", "national"])
def test_every_form_of_a_home_number_is_the_same_number(country, kind, form):
    """A person who calls back is never taken for somebody else."""
    example = phonenumbers.example_number_for_type(country, kind)
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    text = {"+": e164, "international without +": e164[1:], "national": national}[form]
    number = parse_received(text, country)
    assert isinstance(number, PhoneNumber)
    assert number.e164 == e164


@pytest.mark.parametrize(
    ("text", "country", "e164"),
    [
        ("4915112345678", "DE", "+4915112345678"),  # nationally a valid number too
        ("492211234567", "DE", "+492211234567"),
        ("468123456", "SE", "+468123456"),
        ("31612345678", "DE", "+31612345678"),
        ("301234567", "DE", "+49301234567"),  # no such number in Greece
        ("0031612345678", "DE", "+31612345678"),
        ("112", "DE", "112"),
    ],
)
def test_digits_without_a_trunk_prefix_are_international_where_that_is_a_number(text, country, e164):
    """A country with a trunk prefix writes its own numbers with it."""
    assert parse_received(text, country).e164 == e164


@pytest.mark.parametrize("text", ["", "anonymous", "12", "+", "++49", "4915112345678x"])
def test_what_is_no_number_is_none(text):
    """Nothing is guessed."""
    assert isinstance(parse_received(text, "DE"), UnusableNumber)
