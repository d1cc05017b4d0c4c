"""Outcomes: recorded once a token, nonsense refused."""

from __future__ import annotations

from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.ports import AgiRequest
from tests.fakes import FakeLedger, ScriptedChannel, make_gate

TOKEN = "0123456789abcdef0123456789abcdef"


def ended(*arguments: str) -> ScriptedChannel:
    """A channel that reports how its attempt ended."""
    return ScriptedChannel(AgiRequest("outcome", arguments))


async def test_an_outcome_is_recorded_with_its_numbers():
    """What the dialplan said stands in the ledger."""
    ledger = FakeLedger()
    await outcome(make_gate(ledger=ledger), ended(TOKEN, "ANSWER", "16", "42"))
    assert ledger.events[0].body == {
        "attempt_id": TOKEN,
        "dial_status": "ANSWER",
        "hangup_cause": 16,
        "answered_s": 42,
    }


async def test_an_outcome_told_twice_is_one_event():
    """The event's id comes from the token."""
    ledger = FakeLedger()
    gate = make_gate(ledger=ledger)
    await outcome(gate, ended(TOKEN, "BUSY", "17", ""))
    await outcome(gate, ended(TOKEN, "BUSY", "17", ""))
    assert len({event.id for event in ledger.events}) == 1


async def test_nonsense_is_refused_and_told():
    """No token, no dial status, no arguments at all."""
    ledger = FakeLedger()
    gate = make_gate(ledger=ledger)
    for arguments in ((), ("x", "ANSWER", "16", "1"), (TOKEN, "$(reboot)", "16", "1")):
        await outcome(gate, ended(*arguments))
    assert not ledger.events
    assert len(gate.observer.faults) == 3


async def test_numbers_that_are_none_count_as_zero():
    """A Q.850 cause of `-1` or `abc` is not stored as such."""
    ledger = FakeLedger()
    await outcome(make_gate(ledger=ledger), ended(TOKEN, "CANCEL", "-1", "abc"))
    assert ledger.events[0].body["hangup_cause"] == 0
    assert ledger.events[0].body["answered_s"] == 0
