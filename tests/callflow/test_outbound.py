"""One attempt through the gate, on fakes: what is answered, counted, recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

import pytest

from asterisk_plugin.callflow.evidence import replay
from asterisk_plugin.callflow.outbound import attempt
from asterisk_plugin.core import engine
from asterisk_plugin.core.facts import AttemptCount, Consent, Objection, PersonRecords
from asterisk_plugin.core.verdict import Decision, Verdict
from asterisk_plugin.errors import (
    LedgerUnavailableError,
    StoreCorruptError,
    StoreNotReadyError,
    StoreTimeoutError,
    StoreUnreachableError,
)
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, attempt_channel, make_gate

PERSON = "+31612345678"
BERLINER = "+493023125001"


def consent(principal: str = "tulip", product: str = "energy") -> PersonRecords:
    """A person who agreed in October."""
    given_at = dt.datetime(2026, 10, 1, 10, 0, tzinfo=dt.UTC)
    return PersonRecords(consents=(Consent(principal, "sales", product, given_at),))


async def run(gate, number=PERSON, campaign="tulip-nl", **channel):
    """Ask for one attempt; returns the variables set."""
    call = attempt_channel(number, campaign, **channel)
    await attempt(gate, call)
    assert call.order[-1] == "RINGFENCE_DECISION", "the decision is set last of all"
    return call.set


async def test_a_person_who_agreed_may_be_called():
    """ALLOW sets everything the dialplan needs, and the attempt was reserved."""
    store, ledger = FakeStore(consent()), FakeLedger()
    values = await run(make_gate(store, ledger))
    assert values["RINGFENCE_DECISION"] == "ALLOW"
    assert values["RINGFENCE_REASON"] == ""
    assert values["RINGFENCE_NUMBER"] == PERSON
    assert values["RINGFENCE_CALLER_ID"] == "+31201234567"
    assert values["RINGFENCE_CAUSE"] == "0"
    assert len(values["RINGFENCE_TOKEN"]) == 32
    assert [query.reserve for query in store.asked] == [True]
    assert ledger.events[0].body["decision"] == "ALLOW"


async def test_the_store_is_asked_once_for_each_decision():
    """One round trip, also when another rule denies."""
    store = FakeStore(PersonRecords())
    await run(make_gate(store))
    assert len(store.asked) == 1


async def test_a_reservation_of_an_attempt_that_is_not_dialled_is_given_back():
    """No consent is found only after the look-up reserved: the count goes back."""
    store = FakeStore(PersonRecords())
    values = await run(make_gate(store))
    await asyncio.sleep(0)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DENY", "consent-missing")
    assert len(store.released) == 1


async def test_a_sunday_defers_and_gives_the_reservation_back():
    """Only the records can say that the call was asked for, so the hours are judged after the look-up."""
    store = FakeStore(consent())
    gate = make_gate(store)
    gate.clock = lambda: TUESDAY_11 - dt.timedelta(days=2)
    values = await run(gate)
    await asyncio.sleep(0)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "calling-hours")
    assert int(values["RINGFENCE_NOT_BEFORE"]) > gate.clock().timestamp()
    assert len(store.released) == 1


async def test_an_attempt_that_no_record_can_allow_is_not_reserved():
    """A hidden caller ID: the records are read for the findings, nothing is counted."""
    store = FakeStore(consent())
    values = await run(make_gate(store), pres=32)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DENY", "caller-id-withheld")
    assert [query.reserve for query in store.asked] == [False]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnreachableError("refused"), "store-unavailable"),
        (StoreTimeoutError("silent"), "store-unavailable"),
        (StoreNotReadyError("emptied"), "store-unavailable"),
        (StoreCorruptError("unreadable"), "internal-error"),
    ],
)
async def test_a_store_that_cannot_answer_means_not_dialled(error, reason):
    """DEFER with the reason that names the fault, never the reason of a rule."""
    store = FakeStore(consent())
    store.error = error
    values = await run(make_gate(store))
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", reason)


async def test_a_silent_store_is_answered_within_the_deadline():
    """DEFER, not silence."""
    store = FakeStore(consent())
    store.hangs = True
    async with asyncio.timeout(1):
        values = await run(make_gate(store))
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "store-unavailable")


async def test_without_evidence_nobody_is_dialled():
    """The ledger refuses: DEFER, and the reservation is given back."""
    store, ledger = FakeStore(consent()), FakeLedger()
    ledger.error = LedgerUnavailableError("the disk is full")
    values = await run(make_gate(store, ledger))
    await asyncio.sleep(0)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "evidence-unavailable")
    assert len(store.released) == 1


async def test_a_ledger_that_refuses_after_the_answer_is_reported_and_leaves_the_token_without_evidence():
    """The answer is on its way by then: the trunk leg waits for evidence in vain, and does not dial."""

    class Refusing(FakeLedger):
        def check(self):
            pass

    ledger = Refusing()
    ledger.error = LedgerUnavailableError("the disk is full")
    gate = make_gate(FakeStore(consent()), ledger)
    values = await run(gate)
    assert values["RINGFENCE_DECISION"] == "ALLOW"
    assert gate.observer.faults == [("evidence", ledger.error)]
    with pytest.raises(LedgerUnavailableError):
        await ledger.wait_durable(values["RINGFENCE_TOKEN"], 0)


async def test_nobody_is_dialled_while_something_is_held_back():
    """Objections that wait for the ledger: DEFER, and the reservation is given back."""
    store = FakeStore(consent())
    gate = make_gate(store)
    gate.hold = lambda: "2 objections wait for the ledger"
    values = await run(gate)
    await asyncio.sleep(0)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "evidence-unavailable")
    assert len(store.released) == 1


async def test_an_objection_that_leaves_the_spool_during_the_look_up_still_counts():
    """The store is asked just before the objection gets there, the spool looked at just after it is gone from it."""
    waiting = ["1 objection waits"]

    class Overtaken(FakeStore):
        async def look_up(self, query):
            found = await super().look_up(query)
            waiting.clear()
            return found

    gate = make_gate(Overtaken(consent()))
    gate.hold = lambda: "".join(waiting)
    values = await run(gate)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "evidence-unavailable")


async def test_emergency_passes_with_everything_gone():
    """Store and ledger away, campaign unknown, hidden caller ID: 112 is dialled."""
    store, ledger = FakeStore(), FakeLedger()
    store.hangs = True
    ledger.error = LedgerUnavailableError("the disk is full")
    values = await run(make_gate(store, ledger), "112", "no-such-campaign", pres=32)
    assert values["RINGFENCE_DECISION"] == "ALLOW"


@pytest.mark.parametrize("number", ["0113", "0301234567", "112"])
async def test_an_emergency_number_is_dialled_as_dialled_and_needs_no_token(number):
    """Also one that the admin listed and no numbering plan knows, or that is an ordinary number elsewhere."""
    gate = make_gate()
    gate.site = dataclasses.replace(gate.site, emergency_extra=frozenset({"0113", "0301234567"}))
    values = await run(gate, number, "no-such-campaign")
    assert values["RINGFENCE_DECISION"] == "ALLOW"
    assert values["RINGFENCE_NUMBER"] == number
    assert values["RINGFENCE_TOKEN"] == ""


async def test_a_fault_in_deciding_is_answered_and_not_dialled(monkeypatch):
    """An error of ours is DEFER internal-error, and the observer is told."""

    def broken(*args, **kwargs):
        raise KeyError("a bug")

    monkeypatch.setattr(engine, "Hearing", broken)
    gate = make_gate(FakeStore(consent()))
    values = await run(gate)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "internal-error")
    assert gate.observer.faults[0][0] == "attempt"


async def test_an_emergency_call_passes_a_fault_in_deciding(monkeypatch):
    """Whatever else is broken here."""
    gate = make_gate()
    monkeypatch.setattr(engine, "Hearing", None)
    monkeypatch.setattr("asterisk_plugin.callflow.outbound.choose_shown_number", None)
    values = await run(gate, "112")
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_NUMBER"]) == ("ALLOW", "112")
    assert gate.observer.faults[0][0] == "attempt"


@pytest.mark.parametrize(
    ("number", "campaign", "channel", "reason"),
    [
        ("12", "tulip-nl", {}, "number-invalid"),
        ("+31612345678;rm -rf", "tulip-nl", {}, "number-invalid"),
        ("", "tulip-nl", {}, "number-invalid"),
        ("+319001234", "tulip-nl", {}, "number-class"),
        ("+4790012345", "tulip-nl", {}, "no-rulebook"),
        (PERSON, "nobody", {}, "campaign-unknown"),
        (PERSON, "", {}, "campaign-unknown"),
        (BERLINER, "linde-de", {"pres": 32}, "caller-id-withheld"),
        (BERLINER, "linde-dialer", {"caller": ""}, "caller-id-withheld"),
        (BERLINER, "linde-dialer", {"caller": "99999999999999"}, "caller-id-invalid"),
        (BERLINER, "linde-dialer", {"caller": "+493023125999"}, "caller-id-not-owned"),
        (BERLINER, "linde-dialer", {"caller": "+499001234567"}, "caller-id-class"),
        (BERLINER, "linde-borrowed", {}, "caller-id-not-owned"),
    ],
)
async def test_each_fault_of_number_campaign_and_caller_id_has_its_own_reason(number, campaign, channel, reason):
    """DENY, with the reason of design."""
    store = FakeStore(consent("linde", "any"))
    values = await run(make_gate(store), number, campaign, **channel)
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DENY", reason)


async def test_an_objection_wins_over_consent():
    """Both stand in the records: DENY objection, and nothing is reserved."""
    given = consent()
    objection = Objection("tulip", dt.datetime(2026, 10, 2, tzinfo=dt.UTC))
    store = FakeStore(PersonRecords(objections=(objection,), consents=given.consents))
    values = await run(make_gate(store))
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DENY", "objection")


async def test_a_reached_attempt_limit_defers():
    """The third call of the day was made: not before tomorrow."""
    gate = make_gate()
    facts_limits = []
    store = FakeStore(consent("linde", "fashion"))
    gate.store = store
    await run(gate, BERLINER, "linde-de")
    facts_limits = store.asked[0].limits
    assert facts_limits, "Germany has attempt limits"
    used = tuple(AttemptCount(limit, limit.max_attempts if i == 0 else 0) for i, limit in enumerate(facts_limits))
    gate.store = FakeStore(PersonRecords(consents=store.records.consents, attempts=used))
    values = await run(gate, BERLINER, "linde-de")
    assert (values["RINGFENCE_DECISION"], values["RINGFENCE_REASON"]) == ("DEFER", "attempt-limit")


async def test_recorded_facts_replay_to_the_same_verdict():
    """The sealed facts, judged again with the same site, give the recorded verdict."""
    store, ledger = FakeStore(consent()), FakeLedger()
    gate = make_gate(store, ledger)
    await run(gate)
    event = ledger.events[0]
    again = replay(event.sealed, at=event.at, site=gate.site)
    assert isinstance(again, Verdict)
    assert again == gate.observer.verdicts[0]
    assert again.decision is Decision.ALLOW
    assert PERSON not in str(event.body), "no number outside the sealed part"
