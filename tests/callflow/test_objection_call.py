"""Who is on the objection line: from what the dialplan says and from the ledger, in time or not at all."""

from __future__ import annotations

import time

import pytest

from asterisk_plugin.callflow.objection_call import Call, identify
from asterisk_plugin.errors import LedgerUnavailableError
from tests.callflow.line_person import TOKEN, Attempts, attempted, called
from tests.fakes import make_gate

BERLINER, PERSON = "+493023125001", "+31612345678"
SHOWN = "+31201234567"


async def who(*arguments: str, history: Attempts | None = None, look_up_s: float = 0.05) -> Call:
    return await identify(make_gate(), called(*arguments).request, history=history, look_up_s=look_up_s)


def number_of(call: Call) -> str:
    return call.number.e164 if call.number else ""


def campaign_of(call: Call) -> str:
    return call.campaign.id if call.campaign else ""


async def test_what_the_dialplan_knows_needs_no_ledger():
    """Number, campaign and token came with the call."""
    history = Attempts()
    call = await who(BERLINER, "linde-de", TOKEN, "agent", history=history)
    assert (number_of(call), campaign_of(call), call.attempt_id) == (BERLINER, "linde-de", TOKEN)
    assert (call.path, call.certainty, call.language, call.id) == ("agent", "called", "de", "1764000000.7")
    assert history.asked == []


@pytest.mark.parametrize("arguments", [(TOKEN,), (TOKEN, "", ""), ("", "", TOKEN, "queue")])
async def test_a_token_tells_number_and_campaign(arguments):
    """First or third argument."""
    history = Attempts(attempted(PERSON, "tulip-nl"))
    call = await who(*arguments, history=history)
    assert (number_of(call), campaign_of(call), call.attempt_id) == (PERSON, "tulip-nl", TOKEN)
    assert call.language == "nl"


async def test_only_an_allowed_attempt_of_that_very_token_counts():
    """A denied one was never called; a reference that looks alike is somebody else's."""
    denied = Attempts(attempted(PERSON, "tulip-nl", decision="DENY"))
    assert number_of(await who(TOKEN, history=denied)) == ""
    other = Attempts(attempted(PERSON, "tulip-nl", token="cd" * 16))
    assert number_of(await who(TOKEN, history=other)) == ""


@pytest.mark.parametrize("arguments", [(), ("",), ("", "", "", ""), ("x" * 50, "nosuch", "zz", "elsewhere")])
async def test_nothing_known_is_nothing_guessed(arguments):
    """The number is asked for then, and 1 counts for everyone."""
    call = await who(*arguments, history=Attempts())
    assert (call.number, call.campaign, call.attempt_id, call.path) == (None, None, "", "call-end")


async def test_who_calls_back_is_told_of_the_last_campaign_that_called():
    """Of those that there still are; by the number of the call, or else by the number that was called."""
    gate = make_gate()
    person = gate.tag(PERSON)
    history = Attempts(
        attempted(PERSON, "courant-nl", token="01" * 16, person=person, seq=1),
        attempted(PERSON, "tulip-nl", token="02" * 16, person=person, seq=2),
        attempted(PERSON, "linde-de", token="03" * 16, person=person, seq=3, decision="DENY"),
        attempted(PERSON, "gone", token="04" * 16, person=person, seq=4),
        attempted(BERLINER, "linde-de", token="05" * 16, person=gate.tag(BERLINER), seq=5),
    )
    call = await who(PERSON, "", SHOWN, "call-back", history=history)
    assert (number_of(call), call.certainty) == (PERSON, "caller-id")
    assert (campaign_of(call), call.attempt_id, call.language) == ("tulip-nl", "02" * 16, "nl")
    for number in ("+31699999999", ""):
        call = await who(number, "", SHOWN, "call-back", history=history)
        assert (campaign_of(call), call.attempt_id) == ("tulip-nl", "")
        assert call.number is None or call.certainty == "caller-id"


@pytest.mark.parametrize("text", [PERSON, "31612345678", "0031612345678"])
async def test_a_caller_id_is_read_in_every_form_that_networks_send(text):
    """The number that was called likewise."""
    assert number_of(await who(text, "", "31201234567", "call-back")) == PERSON
    assert campaign_of(await who(text, "", "0031201234567", "call-back")) == "tulip-nl"


@pytest.mark.parametrize("text", ["4915112345678", "015112345678", "+4915112345678"])
async def test_a_german_mobile_that_calls_back_is_not_taken_for_another_number(text):
    """Its digits without `+` are a number of the national plan too."""
    assert number_of(await who(text, "", "493023125100", "call-back")) == "+4915112345678"


async def test_who_calls_a_number_back_means_the_call_that_showed_it():
    """Another principal's newer call showed another number."""
    person = make_gate().tag(PERSON)
    history = Attempts(
        attempted(PERSON, "tulip-nl", token="01" * 16, person=person, seq=1),
        attempted(PERSON, "courant-nl", token="02" * 16, person=person, seq=2),
    )
    assert campaign_of(await who(PERSON, "", SHOWN, "call-back", history=history)) == "tulip-nl"
    assert campaign_of(await who(PERSON, "", "+31207654321", "call-back", history=history)) == "courant-nl"
    assert campaign_of(await who(PERSON, "", "+493099999999", "call-back", history=history)) == "courant-nl"


async def test_a_number_that_no_campaign_shows_is_nobodys():
    """Somebody sent the wrong calls here."""
    call = await who(PERSON, "", "+493099999999", "call-back")
    assert call.campaign is None
    assert call.language == next(iter(make_gate().site.campaigns.values())).language


async def test_a_ledger_that_is_slow_or_away_is_not_waited_for():
    """At most 0.3 s; the person is asked for the number instead."""
    slow, away = Attempts(), Attempts()
    slow.hangs, away.error = True, LedgerUnavailableError("away")
    for history in (slow, away):
        began = time.monotonic()
        token = await who(TOKEN, history=history)
        back = await who(PERSON, "", SHOWN, "call-back", history=history)
        assert time.monotonic() - began < 2
        assert token.number is None
        assert (number_of(back), campaign_of(back)) == (PERSON, "tulip-nl")
