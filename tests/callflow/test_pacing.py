"""Calls without a reserved agent: what the gate asks, gives back and says; what a dialer is told; refusals."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

import pytest

from asterisk_plugin.callflow.desk import Desk
from asterisk_plugin.callflow.evidence import replay
from asterisk_plugin.callflow.outbound import attempt
from asterisk_plugin.callflow.pacing import pace
from asterisk_plugin.core.campaign_rates import MOST_AT_ONCE
from asterisk_plugin.core.facts import Consent, Objection, PersonRecords
from asterisk_plugin.core.site import DialMode
from asterisk_plugin.errors import InputError, LedgerUnavailableError, StoreCorruptError, StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, EventKind
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, ScriptedChannel, make_gate

BERLINER = "+493023125001"
CAMPAIGN = "linde-de"
GIVEN = dt.datetime(2026, 10, 1, 10, 0, tzinfo=dt.UTC)
GOOD = {"person": 100}


def agreed() -> PersonRecords:
    return PersonRecords(consents=(Consent("linde", "sales", "any", GIVEN),))


def gate_of(store: FakeStore, ledger: FakeLedger | None = None, mode: DialMode = DialMode.PREDICTIVE):
    """A gate whose German campaign is dialled by a machine, for a member of the Branchenkodex."""
    gate = make_gate(store, ledger)
    campaign = dataclasses.replace(gate.site.campaigns[CAMPAIGN], dial_mode=mode)
    gate.site = dataclasses.replace(gate.site, campaigns={**gate.site.campaigns, CAMPAIGN: campaign})
    return gate


async def run(gate, *, agent="", **request):
    call = ScriptedChannel(AgiRequest("attempt", (BERLINER, CAMPAIGN, agent), caller_number="1001", **request))
    await attempt(gate, call)
    await asyncio.sleep(0.01)
    return call.set["RINGFENCE_DECISION"], call.set["RINGFENCE_REASON"]


async def test_a_call_without_an_agent_takes_a_place():
    """The two questions are asked at the same time, with the attempt's own id."""
    store, ledger = FakeStore(agreed()), FakeLedger()
    store.ended = GOOD
    assert await run(gate_of(store, ledger)) == ("ALLOW", "")
    (asked,) = store.paced
    assert asked.attempt_id == store.asked[0].attempt_id
    assert asked.lifetime_s == 40 + 10 + 300
    assert (asked.zone, [limit.id for limit in asked.limits]) == (
        "Europe/Berlin",
        ["de.members.branchenkodex.abandoned_rate.lost"],
    )
    assert (store.released, store.landed) == ([], [])
    assert ledger.events[0].sealed["facts"]["pace"]["counts"][0]["ended"] == GOOD


async def test_the_questions_do_not_wait_for_each_other():
    """One after the other would take twice as long."""
    store = FakeStore(agreed())
    store.ended = GOOD
    both = asyncio.Barrier(2)
    look_up, ask_pace = store.look_up, store.pace

    async def slow_look_up(query):
        await both.wait()
        return await look_up(query)

    async def slow_pace(query):
        await both.wait()
        return await ask_pace(query)

    store.look_up, store.pace = slow_look_up, slow_pace
    assert await run(gate_of(store)) == ("ALLOW", "")


@pytest.mark.parametrize(
    ("mode", "agent"), [(DialMode.PREDICTIVE, "anna"), (DialMode.MANUAL, ""), (DialMode.PREVIEW, "")]
)
async def test_where_an_agent_is_there_nothing_more_is_asked(mode, agent):
    """The single round trip stays as it was, also in a campaign that is over its limit."""
    store = FakeStore(agreed())
    store.ended = {"abandoned": 50}
    assert await run(gate_of(store, mode=mode), agent=agent) == ("ALLOW", "")
    assert store.paced == []


async def test_at_its_limit_a_campaign_waits_for_agents_and_gives_the_attempt_back():
    """Nothing stays counted of a call that is not made."""
    store, ledger = FakeStore(agreed()), FakeLedger()
    store.ended = {"person": 97, "abandoned": 3}
    assert await run(gate_of(store, ledger)) == ("DEFER", "abandoned-rate")
    assert (len(store.released), store.landed) == (1, [])


async def test_a_call_that_another_rule_stops_gives_its_place_back():
    """No consent is found only when the place is taken; it is harmless, nobody is dialled."""
    store = FakeStore(PersonRecords(objections=(Objection("linde", GIVEN),)))
    store.ended = GOOD
    assert await run(gate_of(store)) == ("DENY", "objection")
    assert store.landed == [(store.paced[0].attempt_id, True)]
    assert store.released == []


async def test_a_call_that_no_record_can_allow_takes_no_place():
    """A hidden caller ID: only looked at."""
    store = FakeStore(agreed())
    store.ended = GOOD
    assert await run(gate_of(store), calling_pres=32) == ("DENY", "caller-id-withheld")
    assert [asked.attempt_id for asked in store.paced] == [""]
    assert store.landed == []


@pytest.mark.parametrize("which", ["pace", "look-up", "silent"])
async def test_without_an_answer_nobody_is_dialled_and_all_is_given_back(which):
    """One of the two may have been counted all the same."""
    store = FakeStore(agreed())
    store.ended = GOOD
    if which == "pace":
        store.pace_error = StoreUnreachableError("refused")
    elif which == "silent":

        async def hang(_query):
            await asyncio.Event().wait()

        store.pace = hang
    else:

        async def fail(_query):
            raise StoreUnreachableError("refused")

        store.look_up = fail
    assert await run(gate_of(store)) == ("DEFER", "store-unavailable")
    assert (len(store.released), [harmless for _, harmless in store.landed]) == (1, [True])


async def test_an_unreadable_record_gives_the_place_back():
    """The look-up has given back its own part."""
    store = FakeStore(agreed())
    store.ended = GOOD

    async def fail(_query):
        raise StoreCorruptError("unreadable")

    store.look_up = fail
    assert await run(gate_of(store)) == ("DEFER", "internal-error")
    assert (store.released, len(store.landed)) == ([], 1)


async def test_without_evidence_the_place_is_given_back():
    """The ledger refuses after the store has agreed."""
    store, ledger = FakeStore(agreed()), FakeLedger()
    store.ended = GOOD
    ledger.error = LedgerUnavailableError("full")
    assert await run(gate_of(store, ledger)) == ("DEFER", "evidence-unavailable")
    assert len(store.landed) == len(store.released) == 1


@pytest.mark.parametrize("ended", [GOOD, {"person": 97, "silent": 3}, {}])
async def test_the_evidence_gives_the_same_verdict_again(ended):
    """With what was counted; evidence from before there were counts can still be read."""
    store, ledger = FakeStore(agreed()), FakeLedger()
    store.ended = ended
    gate = gate_of(store, ledger)
    await run(gate)
    event = ledger.events[0]
    again = replay(event.sealed, at=event.at, site=gate.site)
    assert [str(finding.rule) for finding in again.findings] == event.body["rules"]
    assert (again.decision.name, again.reason) == (event.body["decision"], event.body["reason"])
    old = {**event.sealed["facts"]}
    del old["pace"]
    del old["records"]["ended"]
    assert replay({"facts": old}, at=event.at, site=gate.site).reason == "store-unavailable"


async def told(gate, *arguments):
    channel = ScriptedChannel(AgiRequest("pace", arguments))
    await pace(gate, channel)
    assert channel.order[-1] == "RINGFENCE_PACE", "the number is set last"
    return channel.set["RINGFENCE_PACE"], channel.set["RINGFENCE_PACE_REASON"]


async def test_a_dialer_is_told_how_many_calls_it_may_start():
    """Without counting any: the strictest limit, less those under way."""
    store = FakeStore()
    store.ended, store.in_flight = {"person": 200}, 2
    gate = gate_of(store)
    assert await told(gate, CAMPAIGN) == ("4", "")
    assert await told(gate, CAMPAIGN, "de") == ("4", "")
    assert [asked.attempt_id for asked in store.paced] == ["", ""]
    store.ended = {"person": 97, "abandoned": 3}
    assert await told(gate, CAMPAIGN) == ("0", "abandoned-rate")


@pytest.mark.parametrize(
    ("arguments", "number", "reason"),
    [
        (("nobody",), "0", "campaign-unknown"),
        ((), "0", "campaign-unknown"),
        ((CAMPAIGN, "US"), "0", "no-rulebook"),
        ((CAMPAIGN, "XX"), "0", "no-rulebook"),
        ((CAMPAIGN, "NL"), str(MOST_AT_ONCE), ""),
    ],
)
async def test_a_dialer_is_told_why_there_is_no_number(arguments, number, reason):
    """A country without such a limit leaves a thousand."""
    assert await told(gate_of(FakeStore()), *arguments) == (number, reason)


async def test_a_dialer_is_told_nothing_while_nothing_can_be_dialled():
    """Store or ledger away, or an objection that waits: 0, never a guess."""
    store, ledger = FakeStore(), FakeLedger()
    store.ended = GOOD
    gate = gate_of(store, ledger)
    gate.hold = lambda: "objections wait"
    assert await told(gate, CAMPAIGN) == ("0", "evidence-unavailable")
    gate.hold = None
    ledger.error = LedgerUnavailableError("full")
    assert await told(gate, CAMPAIGN) == ("0", "evidence-unavailable")
    store.pace_error = StoreUnreachableError("refused")
    assert await told(gate, CAMPAIGN) == ("0", "store-unavailable")
    store.pace = None
    assert await told(gate, CAMPAIGN) == ("0", "internal-error")


def desk_of(gate) -> Desk:
    return Desk(gate, None, None, principals=dict, asterisks=tuple)


async def test_the_api_says_where_a_campaign_stands():
    """Each limit with its numbers and its window."""
    store = FakeStore()
    store.ended, store.in_flight = {"person": 90, "no-answer": 8, "abandoned": 1, "silent": 1}, 1
    values = await desk_of(gate_of(store)).pace(CAMPAIGN, {})
    assert values == {
        "campaign": CAMPAIGN,
        "at": TUESDAY_11.isoformat(),
        "may_overdial": 0,
        "reason": "abandoned-rate",
        "in_flight": 1,
        "limits": [
            {
                "id": "de.members.branchenkodex.abandoned_rate.lost",
                "source": "Branchenkodex of DDV and CCV 2015",
                "numerator": 2.0,
                "denominator": 100,
                "of": "attempts",
                "share_percent": 2.0,
                "max_share_percent": 3,
                "may_overdial": 0,
                "window_start": "2026-11-23T23:00:00+00:00",
                "window_end": "2026-11-24T23:00:00+00:00",
            }
        ],
    }
    assert await desk_of(gate_of(store)).pace("nobody", {}) is None
    for asked, why in (({"country": "xx"}, "no rulebook"), ({"land": "DE"}, "is unknown")):
        with pytest.raises(InputError, match=why):
            await desk_of(gate_of(store)).pace(CAMPAIGN, asked)


async def test_a_refusal_is_in_the_ledger_before_it_is_confirmed():
    """With the campaign's principal, and the number sealed; the same request once."""
    ledger = FakeLedger()
    desk = desk_of(gate_of(FakeStore(), ledger))
    values = {"number": "030 23125001", "campaign": CAMPAIGN, "by": "Anna"}
    found = await desk.refuse(values, token="crm", key="")
    (event,) = ledger.events
    assert (event.kind, event.at, event.sealed) == (EventKind.REFUSAL, TUESDAY_11, {"number": BERLINER})
    assert event.body == {"principal": "linde", "campaign": CAMPAIGN, "channel": "http", "by": "Anna (crm)"}
    assert found == {
        "id": event.id,
        "number": BERLINER,
        "principal": "linde",
        "campaign": CAMPAIGN,
        "at": TUESDAY_11.isoformat(),
    }
    again = [(await desk.refuse(values, token="crm", key="k"))["id"] for _ in range(2)]
    assert again[0] == again[1] != event.id
    ledger.error = LedgerUnavailableError("full")
    with pytest.raises(LedgerUnavailableError):
        await desk.refuse(values, token="crm", key="")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"campaign": "nobody"}, "there is no campaign `nobody`"),
        ({"campaign": ""}, "`campaign` is missing"),
        ({"number": ""}, "`number` is missing"),
        ({"number": "110"}, "cannot be used"),
        ({"at": "2026-11-25T11:00:00+01:00"}, "in the future"),
        ({"wording": "no"}, "`wording` is unknown"),
    ],
)
async def test_a_refusal_that_cannot_be_used_is_refused(change, why):
    """By name."""
    gate = gate_of(FakeStore())
    with pytest.raises(InputError, match=why):
        await desk_of(gate).refuse({"number": BERLINER, "campaign": CAMPAIGN} | change, token="crm", key="")
    assert gate.ledger.events == []
