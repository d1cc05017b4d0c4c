"""The trunk leg on fakes: only a good token passes, and only with evidence on disk."""

from __future__ import annotations

import pytest

from asterisk_plugin.callflow.trunk import trunk
from asterisk_plugin.errors import StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, Event, EventKind, Redeemed, Redemption
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, ScriptedChannel, make_gate

TOKEN = "0123456789abcdef0123456789abcdef"
NUMBER = "+31612345678"
LEG = f"+31201234567|allowed_not_screened|carrier/{NUMBER}"


def leg(token: str = TOKEN, number: str = NUMBER, expressions: str = LEG) -> ScriptedChannel:
    """A trunk leg that asks whether it may dial."""
    request = AgiRequest("trunk", (token, number), channel="PJSIP/carrier-00000001", unique_id="1790000000.7")
    return ScriptedChannel(request, leg=expressions)


def ledger_with_evidence() -> FakeLedger:
    """The attempt's evidence is on disk."""
    ledger = FakeLedger()
    ledger.events.append(Event(TOKEN, EventKind.ATTEMPT, TUESDAY_11))
    return ledger


async def test_a_good_token_passes_and_the_watchdog_knows():
    """PASS, marked for every node, recorded."""
    store, ledger = FakeStore(), ledger_with_evidence()
    gate, call = make_gate(store, ledger), leg()
    gate.passed = set()
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_TRUNK": "PASS"}
    assert store.passed == {"1790000000.7"} == gate.passed
    assert store.redeemed_with == ["+31201234567"]
    assert ledger.events[-1].body["result"] == "pass"


@pytest.mark.parametrize("result", [r for r in Redemption if r is not Redemption.PASS])
async def test_whatever_is_not_a_pass_is_refused_and_recorded(result):
    """The dialplan sees REFUSED; the ledger says why."""
    store, ledger = FakeStore(), ledger_with_evidence()
    store.redemption = Redeemed(result)
    call = leg()
    await trunk(make_gate(store, ledger), call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert ledger.events[-1].body["result"] == result
    assert not store.passed


@pytest.mark.parametrize("token", ["", "x", TOKEN.upper(), TOKEN + "0", "../" + TOKEN])
async def test_what_is_no_token_is_refused_without_asking(token):
    """Nothing odd reaches the store."""
    store, call = FakeStore(), leg(token)
    await trunk(make_gate(store, ledger_with_evidence()), call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert not store.redeemed_with


@pytest.mark.parametrize("leg_text", ["+31201234567|prohib_passed_screen|", "|unavailable|", "garbage", ""])
async def test_a_hidden_caller_id_is_never_handed_to_the_store_as_shown(leg_text):
    """The caller ID that the leg hides counts as none."""
    store, call = FakeStore(), leg(expressions=leg_text)
    await trunk(make_gate(store, ledger_with_evidence()), call)
    assert store.redeemed_with == [""]


async def test_a_leg_that_dials_another_number_than_it_says_is_refused():
    """The argument is the token's number, but Dial() was given another one."""
    store, call = FakeStore(), leg(expressions="+31201234567|allowed|carrier/+31687654321")
    await trunk(make_gate(store, ledger_with_evidence()), call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert not store.redeemed_with


async def test_no_evidence_on_disk_means_no_invite():
    """The token is not even used up."""
    store, call = FakeStore(), leg()
    gate = make_gate(store, FakeLedger())
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert gate.observer.trunks == ["evidence-unavailable"]
    assert not store.redeemed_with


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_a_store_that_is_away_lets_no_leg_pass(how):
    """Refused, within the deadline."""
    store, call = FakeStore(), leg()
    store.hangs = how == "silent"
    store.error = None if store.hangs else StoreUnreachableError("refused")
    gate = make_gate(store, ledger_with_evidence())
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert gate.observer.trunks == ["store-unavailable"]


async def test_an_emergency_leg_passes_with_the_store_away():
    """No token needed, no store needed."""
    store, call = FakeStore(), leg("", "112")
    store.error = StoreUnreachableError("refused")
    await trunk(make_gate(store), call)
    assert call.set == {"RINGFENCE_TRUNK": "PASS"}
