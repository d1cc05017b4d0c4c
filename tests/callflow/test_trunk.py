"""The trunk leg on fakes: only a good token passes, and only with evidence on disk."""

from __future__ import annotations

import dataclasses

import pytest

from asterisk_plugin.callflow.outbound import attempt
from asterisk_plugin.callflow.releases import finish_releases
from asterisk_plugin.callflow.trunk import trunk
from asterisk_plugin.errors import LedgerUnavailableError, StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, Event, EventKind, Redeemed, Redemption
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, ScriptedChannel, attempt_channel, make_gate

TOKEN = "0123456789abcdef0123456789abcdef"
NUMBER = "+31612345678"
LEG = f"+31201234567|allowed_not_screened|{NUMBER}@carrier"


def leg(token: str = TOKEN, number: str = NUMBER, expressions: str = LEG) -> ScriptedChannel:
    """A trunk leg that asks whether it may dial."""
    request = AgiRequest("trunk", (token, number), channel="PJSIP/carrier-00000001", unique_id="1790000000.7")
    return ScriptedChannel(request, leg=f"pbx|{expressions}")


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
    store.redemption = Redeemed(Redemption.PASS, TOKEN, "tulip-nl", "tulip")
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_LANGUAGE": "nl", "RINGFENCE_TRUNK": "PASS"}
    assert call.order[-1] == "RINGFENCE_TRUNK"
    assert store.passed.keys() == {"1790000000.7/PJSIP/carrier-00000001"} == gate.passed
    (passed,) = store.passed.values()
    assert (passed.attempt_id, passed.campaign, passed.principal) == (TOKEN, "tulip-nl", "tulip")
    assert passed.person == gate.tag(NUMBER)
    (due,) = store.due.values()
    assert (due.unique_id, due.channel, due.asterisk) == ("1790000000.7", "PJSIP/carrier-00000001", "pbx")
    assert (due.leg, due.passed_at) == (passed, TUESDAY_11), "its end is to be written down, whoever sees it"
    assert store.redeemed_with == ["+31201234567"]
    assert ledger.events[-1].body["result"] == "pass"


async def test_no_end_is_due_of_a_leg_that_was_noted_and_then_refused(monkeypatch):
    """The store noted it and was slow to say so; it is asked again until it has forgotten."""
    monkeypatch.setattr("asterisk_plugin.callflow.releases._AGAIN_S", 0.0)
    store = FakeStore()
    store.redemption = Redeemed(Redemption.PASS, TOKEN, "tulip-nl", "tulip")
    note, drop, tried = store.note_due, store.drop_due, []

    async def slowly(due):
        await note(due)
        raise StoreUnreachableError("slow")

    async def again(attempt_id):
        tried.append(attempt_id)
        if len(tried) < 3:
            raise StoreUnreachableError("slow")
        await drop(attempt_id)

    store.note_due, store.drop_due = slowly, again
    call = leg()
    await trunk(make_gate(store, ledger_with_evidence()), call)
    await finish_releases()
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert (tried, store.due) == ([TOKEN] * 3, {})


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


@pytest.mark.parametrize(
    "peer",
    [
        "+31687654321@carrier",  # another number
        "31612345678901@carrier",  # a longer one that begins the same
        "carrier/sip:+4989999999@31.61.234.5678",  # the digits stand in the host
        "112@carrier",
    ],
)
async def test_a_leg_that_dials_another_number_than_it_says_is_refused(peer):
    """The argument is the token's number, but Dial() was given another one."""
    store, call = FakeStore(), leg(expressions=f"+31201234567|allowed|{peer}")
    await trunk(make_gate(store, ledger_with_evidence()), call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert not store.redeemed_with


@pytest.mark.parametrize("peer", ["+31612345678@c", "31612345678@c", "0031612345678@c", "c/sip:+31612345678@h", ""])
async def test_the_same_number_written_in_another_way_is_the_same(peer):
    """With +, without, with 00; and where the technology does not say."""
    call = leg(expressions=f"+31201234567|allowed|{peer}")
    await trunk(make_gate(FakeStore(), ledger_with_evidence()), call)
    assert call.set == {"RINGFENCE_TRUNK": "PASS"}


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


@pytest.mark.parametrize(("number", "peer"), [("112", "112@carrier"), ("0113", "0113@carrier")])
async def test_an_emergency_leg_passes_with_everything_away(number, peer):
    """No token, no store, no ledger; also for a number the admin listed that no numbering plan knows."""
    store, ledger = FakeStore(), FakeLedger()
    store.error = StoreUnreachableError("refused")
    ledger.error = LedgerUnavailableError("full")
    gate = make_gate(store, ledger)
    gate.site = dataclasses.replace(gate.site, emergency_extra=frozenset({"0113"}))
    call = leg("", number, f"|unavailable|{peer}")
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_TRUNK": "PASS"}


async def test_an_emergency_leg_is_written_down():
    """When the ledger is there."""
    ledger = FakeLedger()
    await trunk(make_gate(ledger=ledger), leg("", "112", "|unavailable|112@carrier"))
    assert [event.body["result"] for event in ledger.events] == ["pass"]


@pytest.mark.parametrize("peer", ["+31612345678@carrier", "carrier/sip:+31612345678@h;x=/112", "1120@carrier", ""])
async def test_a_leg_that_only_says_it_is_an_emergency_is_refused(peer):
    """What is really dialled counts."""
    store = FakeStore()
    call = leg("", "112", f"+31201234567|allowed|{peer}")
    await trunk(make_gate(store), call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
    assert not store.passed


async def test_a_denied_attempt_has_no_token_that_passes():
    """It was reserved, then denied, and its release failed: the token in the store opens nothing."""
    store, ledger = FakeStore(), FakeLedger()
    gate = make_gate(store, ledger)
    asked = attempt_channel(NUMBER, "tulip-nl")
    await attempt(gate, asked)
    assert asked.set["RINGFENCE_DECISION"] == "DENY"
    assert asked.set["RINGFENCE_TOKEN"] == ""
    call = leg(store.asked[0].token)
    await trunk(gate, call)
    assert call.set == {"RINGFENCE_TRUNK": "REFUSED"}
