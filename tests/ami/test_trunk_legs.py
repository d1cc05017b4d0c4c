"""A leg on a trunk: which trunk, which number, and the marks of those that passed."""

from __future__ import annotations

import pytest

from asterisk_plugin.callflow.trunk_legs import Passes, dialled_number, trunk_of, uri_number


@pytest.mark.parametrize(
    ("channel", "trunk"),
    [
        ("PJSIP/carrier-0000001a", "PJSIP/carrier"),
        ("PJSIP/carrier-2-0000001a", ""),
        ("PJSIP/carrier2-0000001a", ""),
        ("PJSIP/agent-0000001a", ""),
        ("Local/1@carrier-00000001;2", ""),
        ("DAHDI/i1/5551234-1", "DAHDI/i1"),
        ("DAHDI/i11/5551234-1", ""),
        ("", ""),
    ],
)
def test_a_channel_belongs_to_the_trunk_it_is_named_after(channel, trunk):
    """Up to the last dash; an endpoint whose name only begins alike is another one."""
    assert trunk_of(channel, ("PJSIP/carrier", "DAHDI/i1")) == trunk


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        ("PJSIP/carrier-1", "112@carrier"),
        ("PJSIP/carrier-1", "112@carrier/sip:gateway@192.0.2.1"),
        ("PJSIP/carrier-1", "carrier/sip:112@192.0.2.1"),
        ("PJSIP/carrier-1", "carrier/sips:112@192.0.2.1;user=phone"),
        ("PJSIP/carrier-1", "carrier/tel:112"),
        ("SIP/carrier-1", "112@carrier"),
        ("SIP/carrier-1", "carrier/112"),
        ("IAX2/carrier-1", "carrier/112@out/r"),
        ("DAHDI/i1/112-1", "g1/112"),
        ("DAHDI/i1/112-1", "g1/112/m"),
    ],
)
def test_the_dialled_number_is_read_from_every_form_of_a_dial_string(channel, text):
    """So that an emergency call is known as one on every technology."""
    assert dialled_number(text, channel.partition("/")[0]) == "112"


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        ("PJSIP/carrier-1", "carrier/sip:+49301234567@h;x=/112"),
        ("PJSIP/carrier-1", "carrier/sip:+49301234567/112@h"),
        ("PJSIP/carrier-1", "carrier/sip:112/+49301234567@h"),
        ("PJSIP/carrier-1", "carrier/sip:112;rn=+49301234567@h"),
        ("PJSIP/carrier-1", "+49301234567@carrier/sip:112@h"),
        ("PJSIP/carrier-1", "carrier/112"),  # an address of record, not a number
        ("SIP/carrier-1", "112@carrier/+49301234567"),
        ("IAX2/carrier-1", "112@carrier/+49301234567"),
        ("IAX2/carrier-1", "112@carrier"),  # the account, not a number
        ("DAHDI/i1/301234567-1", "g1/+49301234567/112"),
        ("PJSIP/carrier-1", "carrier"),
        ("PJSIP/carrier-1", "carrier/sip:112x@h"),
    ],
)
def test_112_elsewhere_in_a_dial_string_is_not_the_number_dialled(channel, text):
    """Whoever originates writes the string; what is not certain equals no number, and is not empty."""
    found = dialled_number(text, channel.partition("/")[0])
    assert found in ("+49301234567", text)


@pytest.mark.parametrize("uri", ["sip:112@h", "<sip:112@h:5060>", "sips:112@h", "tel:112", "SIP:112@h;x=1"])
def test_the_number_in_a_uri_is_its_whole_user_part(uri):
    """In the forms that a channel driver writes."""
    assert uri_number(uri) == "112"


@pytest.mark.parametrize("uri", ["", "sip:112", "sip:112;x@h", "sip:1/112@h", "sip:a@112", "112@h"])
def test_a_uri_whose_user_part_is_more_or_less_than_a_number_has_none(uri):
    """Not certain is no number."""
    assert uri_number(uri) == ""


def test_marks_nobody_takes_away_do_not_pile_up():
    """The oldest go; one that is set again is new."""
    passes = Passes(most=3)
    for key in ("a", "b", "c", "a", "d"):
        passes.add(key)
    assert list(passes) == ["c", "a", "d"]
    passes.discard("a")
    passes.discard("a")
    assert (len(passes), "a" in passes) == (2, False)
