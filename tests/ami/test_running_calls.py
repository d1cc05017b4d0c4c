"""What runs when a person objects, over what a real Asterisk 22.10 said: cut, told, or left alone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fake_ami import fake_ami, recorded, settings_for

from asterisk_plugin.ami.client import AmiClient
from asterisk_plugin.app.asterisks import watch_asterisk
from asterisk_plugin.callflow import running_calls
from asterisk_plugin.callflow.end_writer import EndWriter
from asterisk_plugin.callflow.running_calls import RunningCalls
from asterisk_plugin.callflow.running_legs import e164_of, has_objection
from asterisk_plugin.core.facts import Objection, PersonRecords
from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import (
    ActionRefusedError,
    ManagerLostError,
    StoreCorruptError,
    StoreNotReadyError,
    StoreUnreachableError,
)
from tests.fakes import TUESDAY_11, FakeStore, RecordingObserver, make_gate

if TYPE_CHECKING:
    from collections.abc import Mapping

LEG, LEG_ID = "PJSIP/carrier-00000058", "1795286296.136"
AGENT = "PJSIP/agent17-00000057"
DIALLED = "+20002"
OUT = {"ApplicationData": "(Outgoing Line)"}


def messages(name: str) -> list[dict[str, str]]:
    """A recording's messages as dictionaries."""
    blocks = recorded(name).decode().split("\r\n\r\n")
    return [dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line) for block in blocks if block]


GATED = messages("gated_dial")
BEGIN = next(e for e in GATED if e.get("DestChannel") == LEG and e["Event"] == "DialBegin")
RINGING = next(e for e in GATED if e.get("Event") == "Newstate" and e["Channel"] == LEG)
ANSWERED = {**RINGING, "ChannelState": "6"}
ENDED = next(e for e in GATED if e.get("Event") == "Hangup" and e["Channel"] == LEG)


def tag(number: str) -> str:
    return f"tag of {number}"


def objected(scope: str = "*", *, number: str = DIALLED, event_id: str = "e1") -> Objected:
    return Objected(event_id, tag(number), scope, "1234567")


class Asterisk:
    """A manager that remembers what it was asked."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.asked: list[str] = []
        self.values = {(LEG, "RINGFENCE_CAMPAIGN"): "spring", (LEG, "BRIDGEPEER"): AGENT}
        self.faults: dict[str, Exception] = {}
        self.time_outs: Counter[str] = Counter()
        """Of an action, or of a variable asked for: how often there is no answer before there is one."""
        self.channels = [{"Response": "Success"}]

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        await asyncio.sleep(0)
        if name in self.faults:
            raise self.faults[name]
        what = fields.get("Variable", name)
        if self.time_outs[what]:
            self.time_outs[what] -= 1
            raise ManagerLostError(f"no answer to `{what}` in time")
        if name == "CoreShowChannels":
            return self.channels
        if name == "Getvar":
            self.asked.append(fields["Variable"])
            return [{"Value": self.values.get((fields["Channel"], fields["Variable"]), "")}]
        self.sent.append((name, dict(fields)))
        return [{"Response": "Success"}]

    @property
    def cut(self) -> list[str]:
        return [fields["Channel"] for name, fields in self.sent if name == "Hangup"]


class Site:
    """Running calls with everything around them."""

    def __init__(self) -> None:
        self.asterisk = Asterisk()
        self.counted: list[str] = []
        self.standing: set[tuple[str, str]] = set()
        self.store_faults: list[Exception] = []
        self.looked_up: list[str] = []
        self.calls = RunningCalls(
            "pbx",
            trunks=("PJSIP/carrier", "DAHDI/i1"),
            tag=tag,
            principal_of=lambda campaign: {"spring": "acme", "autumn": "other"}.get(campaign, ""),
            holds=self.holds,
            spares={"112", "0049301234567"}.__contains__,
            on_event=self.counted.append,
        )
        self.calls.attach(self.asterisk)

    async def holds(self, person: str, principal: str) -> bool:
        self.looked_up.append(person)
        if self.store_faults:
            raise self.store_faults.pop(0)
        return any(who == person and (scope in (principal, "*") or not principal) for who, scope in self.standing)

    async def play(self, *events: Mapping[str, str] | Objected) -> None:
        for event in events:
            if isinstance(event, Objected):
                self.calls.objected(event)
            else:
                self.calls.take(event)
            await self.settle()

    async def settle(self) -> None:
        while self.calls._jobs:
            await asyncio.gather(*self.calls._jobs, return_exceptions=True)


@pytest.fixture
def site(monkeypatch) -> Site:
    monkeypatch.setattr(running_calls, "REPEAT_S", 0.001)
    return Site()


@pytest.mark.parametrize("scope", ["*", "acme"])
@pytest.mark.parametrize("before", [(BEGIN,), (BEGIN, RINGING)])
async def test_a_ringing_attempt_is_hung_up_with_cause_21(site, scope, before):
    """Whoever dialled it; only this channel, once."""
    await site.play(*before, objected(scope), objected(scope))
    assert site.asterisk.sent == [("Hangup", {"Channel": LEG, "Cause": "21"})]
    assert site.counted == ["objection-cut"]
    assert site.asterisk.asked == ["RINGFENCE_CAMPAIGN"] * (scope != "*")


async def test_an_objection_just_before_the_leg_dials_is_not_lost(site, monkeypatch):
    """Between the gate's last look and DialBegin; remembered for 30 s and no longer."""
    await site.play(objected(), BEGIN)
    assert site.asterisk.cut == [LEG]
    monkeypatch.setattr(running_calls, "REMEMBERED_S", -1.0)
    await site.play(ENDED, objected(event_id="e2"))
    monkeypatch.undo()
    site.calls._recent = {key: value for key, value in site.calls._recent.items() if key == "e2"}
    await site.play(BEGIN)
    assert site.asterisk.cut == [LEG]
    await site.play(objected(number="+99999999", event_id="e3"))
    assert "e2" not in site.calls._recent


async def test_other_numbers_and_other_principals_ring_on(site):
    """An objection against one company does not stop another's call."""
    await site.play(BEGIN, objected("other"), objected(number="+20003", event_id="e2"))
    assert site.asterisk.sent == []


async def test_a_leg_of_no_known_campaign_is_cut_whatever_the_scope(site):
    """A call too few is the safe side."""
    site.asterisk.values[LEG, "RINGFENCE_CAMPAIGN"] = "unheard-of"
    await site.play(BEGIN, objected("other"))
    assert site.asterisk.cut == [LEG]


async def test_a_conversation_is_told_to_its_agent_and_goes_on(site):
    """A variable for the dialplan, an event for the screen, a text for the telephone."""
    await site.play(BEGIN, RINGING, ANSWERED, objected(), objected())
    assert site.asterisk.sent == [
        ("Setvar", {"Channel": AGENT, "Variable": "RINGFENCE_OBJECTED", "Value": "1234567"}),
        ("UserEvent", {"UserEvent": "RingfenceObjection", "Channel": AGENT, "Reference": "1234567"}),
        ("SendText", {"Channel": AGENT, "Message": "This person does not want to be called any more"}),
    ]
    assert site.counted == ["objection-flagged"]


async def test_an_agent_behind_a_local_channel_is_found(site):
    """A dialer's call: the agent is bridged to the other half."""
    site.asterisk.values[LEG, "BRIDGEPEER"] = "Local/20002@out-00000017;2"
    site.asterisk.values["Local/20002@out-00000017;1", "BRIDGEPEER"] = AGENT
    await site.play(BEGIN, ANSWERED, objected())
    assert {fields["Channel"] for _, fields in site.asterisk.sent} == {AGENT}


async def test_the_call_that_leads_to_the_objection_line_is_left_alone(site):
    """Nobody talks to the person there; when an agent does again, the next objection is told."""
    site.asterisk.values[LEG, "BRIDGEPEER"] = ""
    await site.play(BEGIN, ANSWERED, objected())
    assert (site.asterisk.sent, site.counted) == ([], [])
    site.asterisk.values[LEG, "BRIDGEPEER"] = AGENT
    await site.play(objected(event_id="e2"))
    assert site.counted == ["objection-flagged"]


async def test_an_agent_is_told_as_far_as_asterisk_allows(site, caplog):
    """A user without the right `user`, a telephone without text: each named; all refused is an error."""
    site.asterisk.faults = {
        "UserEvent": ActionRefusedError("Permission denied"),
        "SendText": ActionRefusedError("Not supported"),
    }
    await site.play(BEGIN, ANSWERED, objected())
    assert site.counted == ["objection-flagged"]
    assert "by UserEvent: Permission denied" in caplog.text
    assert "by SendText: Not supported" in caplog.text
    site.asterisk.faults["Setvar"] = ActionRefusedError("No such channel")
    await site.play(ENDED, BEGIN, ANSWERED)
    await site.play(objected(event_id="e2"))
    assert site.counted[-1] == "objection-missed"


async def test_a_leg_whose_dial_string_names_no_number_is_asked(site):
    """What ringfence-trunk wrote on it."""
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    await site.play({**BEGIN, "DialString": "carrier"}, objected(number="+20003"), objected(event_id="e2"))
    assert site.asterisk.cut == [LEG]


async def test_a_leg_that_has_ended_is_not_hung_up(site):
    """Nor one that is no trunk's."""
    local = next(e for e in GATED if e["Event"] == "DialBegin" and e is not BEGIN)
    await site.play(BEGIN, ENDED, local, objected())
    assert site.asterisk.sent == []


async def test_a_hang_up_that_did_not_arrive_is_made_when_asterisk_is_back(site):
    """The connection was lost just then; the store still knows of the objection."""
    site.asterisk.faults["Hangup"] = ManagerLostError("not connected")
    await site.play(BEGIN, objected())
    assert site.counted == ["objection-missed"]
    site.asterisk.faults.clear()
    site.standing = {(tag(DIALLED), "acme")}
    site.asterisk.channels = [{}, {"Channel": LEG, "Uniqueid": LEG_ID, "ChannelState": "5"}]
    site.calls.up()
    await site.settle()
    assert site.asterisk.cut == [LEG]


async def test_a_leg_that_hung_up_by_itself_is_no_fault(site):
    """The usual race."""
    site.asterisk.faults["Hangup"] = ActionRefusedError("No such channel")
    await site.play(BEGIN, objected())
    assert site.counted == []


async def test_legs_that_run_when_we_connect_are_learnt(site):
    """Ringing ones that somebody objected to meanwhile are cut, incoming and answered ones never."""
    site.asterisk.channels = messages("core_show_channels")
    ringing, answered, incoming = "PJSIP/carrier-0000005b", "PJSIP/carrier-0000005c", "PJSIP/carrier-0000005e"
    for channel in (ringing, answered):
        site.asterisk.values[channel, "RINGFENCE_CALLED"] = DIALLED
        site.asterisk.values[channel, "RINGFENCE_CAMPAIGN"] = "spring"
    site.asterisk.values[incoming, "PJSIP_HEADER(read,Call-ID)"] = "abc"
    site.asterisk.values[incoming, "CHANNEL(pjsip,remote_uri)"] = "<sip:20002@carrier>"
    site.asterisk.values[answered, "BRIDGEPEER"] = site.asterisk.values[incoming, "BRIDGEPEER"] = AGENT
    site.standing = {(tag(DIALLED), "*")}
    site.calls.up()
    await site.settle()
    assert site.asterisk.cut == [ringing]
    assert site.counted.count("objection-flagged") == 1


async def test_what_was_not_announced_is_looked_up_when_announcements_come_again(site):
    """The store was restarted: each leg is asked about; one nobody objected to rings on."""
    await site.play(BEGIN)
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.sent == []
    site.standing = {(tag(DIALLED), "*")}
    site.calls.recheck()
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.cut == [LEG]


async def test_a_leg_that_begins_to_dial_right_after_is_looked_up_too(site):
    """The gate let it out before the objection; nobody says which one it was."""
    site.standing = {(tag(DIALLED), "*")}
    site.calls.recheck()
    await site.play(BEGIN)
    await site.settle()
    assert site.asterisk.cut == [LEG]


def begin(place: int, number: str) -> dict[str, str]:
    """A DialBegin of a leg of its own."""
    ids = {"DestChannel": f"PJSIP/carrier-{place:08x}", "DestUniqueid": f"1795286296.{place}"}
    return {**BEGIN, **ids, "DialString": f"{number}@carrier"}


async def test_a_store_that_is_not_ready_yet_is_asked_until_it_is(site, caplog):
    """It says so for a while after it came back; told in the log once."""
    await site.play(begin(1, "+20001"), begin(2, "+20002"))
    site.standing = {(tag("+20001"), "*"), (tag("+20002"), "acme")}
    site.asterisk.values["PJSIP/carrier-00000002", "RINGFENCE_CAMPAIGN"] = "spring"
    site.store_faults = [StoreNotReadyError("being filled")] * 5
    site.calls.recheck()
    await site.settle()
    assert sorted(site.asterisk.cut) == ["PJSIP/carrier-00000001", "PJSIP/carrier-00000002"]
    assert caplog.text.count("being filled") == 1
    assert site.asterisk.asked.count("RINGFENCE_CAMPAIGN") == 2, "Asterisk is not asked again while the store is away"
    await site.play(begin(3, "+20001"))
    site.store_faults = [StoreNotReadyError("once more")] * 2
    site.calls.recheck()
    await site.settle()
    assert len(site.asterisk.cut) == 3


async def test_a_store_that_stays_away_is_asked_no_longer_than_legs_run(site, monkeypatch):
    """One leg's look-up after each pause shows that it is away; nobody asks when nobody is left."""
    pauses, sleep = [], asyncio.sleep

    async def counted(delay_s):
        pauses.extend([delay_s] * (delay_s == running_calls.REPEAT_S))
        await sleep(delay_s)

    monkeypatch.setattr(asyncio, "sleep", counted)
    await site.play(begin(1, "+20001"), begin(2, "+20002"))
    real = site.holds

    async def away(person, principal):
        await real(person, principal)
        if len(site.looked_up) == 4:
            site.calls.take({**ENDED, "Uniqueid": "1795286296.1"})
        if len(site.looked_up) == 7:
            site.calls.take({**ENDED, "Uniqueid": "1795286296.2"})
        raise StoreUnreachableError("away")

    site.calls._holds = away
    site.calls.recheck()
    await site.settle()
    assert len(site.looked_up) == 7
    assert len(pauses) == 6, "before each look-up but the first leg's and the second's, and to see that both ended"
    assert site.asterisk.sent == []


async def test_a_record_that_cannot_be_read_keeps_no_other_leg_waiting(site):
    """Each time another leg is asked about first."""
    await site.play(begin(1, "+20001"), begin(2, "+20002"))
    site.standing = {(tag("+20002"), "*")}
    real, site.store_faults = site.holds, [StoreNotReadyError("being filled")] * 2

    async def holds(person, principal):
        held = await real(person, principal)
        if person != tag("+20001"):
            return held
        if site.asterisk.cut:
            site.calls.take({**ENDED, "Uniqueid": "1795286296.1"})
        raise StoreCorruptError("cannot be read")

    site.calls._holds = holds
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.cut == ["PJSIP/carrier-00000002"]


async def test_a_list_of_channels_that_does_not_come_is_asked_for_again(site, caplog):
    """Only then are the legs known that ran before; told in the log once."""
    site.asterisk.channels = [{}, {"Channel": LEG, "Uniqueid": LEG_ID, "ChannelState": "5", **OUT}]
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    site.asterisk.time_outs["CoreShowChannels"] = 3
    site.standing = {(tag(DIALLED), "*")}
    site.calls.up()
    await site.settle()
    assert site.asterisk.cut == [LEG]
    assert caplog.text.count("running calls cannot be seen") == 1


async def test_a_refused_list_of_channels_is_not_asked_for_again(site):
    """Asking again changes no rights."""
    site.asterisk.faults["CoreShowChannels"] = ActionRefusedError("Permission denied")
    site.calls.up()
    async with asyncio.timeout(2):
        await site.settle()


async def test_a_new_connection_ends_the_waiting_for_the_last_ones_list(site):
    """One list at a time."""
    site.asterisk.channels = [{}, {"Channel": LEG, "Uniqueid": LEG_ID, "ChannelState": "5", **OUT}]
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    lists, real = [], site.asterisk.send_action

    async def first_never(name, fields, timeout_s):
        if name == "CoreShowChannels":
            lists.append(name)
            if len(lists) == 1:
                await asyncio.Event().wait()
        return await real(name, fields, timeout_s)

    site.asterisk.send_action = first_never
    site.calls.up()
    await asyncio.sleep(0)
    site.calls.up()
    async with asyncio.timeout(2):
        await site.settle()
    assert len(lists) == 2
    assert LEG_ID in site.calls._legs
    assert site.calls._gone is None, "ends are not collected for ever"


async def test_two_objections_at_once_wait_for_one_answer(site):
    """The leg's number is asked for once, and neither objection is dropped meanwhile."""
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    await site.play({**BEGIN, "DialString": "carrier"})
    site.calls.objected(objected(number="+20003", event_id="e1"))
    site.calls.objected(objected(event_id="e2"))
    await site.settle()
    assert site.asterisk.cut == [LEG]
    assert site.asterisk.asked.count("RINGFENCE_CALLED") == 1


async def test_a_number_that_could_not_be_asked_for_is_asked_for_again(site):
    """The answer did not come, for anybody who waited for it."""
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    site.asterisk.time_outs["RINGFENCE_CALLED"] = 1
    await site.play({**BEGIN, "DialString": "carrier"})
    site.calls.objected(objected(event_id="e1"))
    site.calls.objected(objected(event_id="e2"))
    await site.settle()
    assert (site.asterisk.cut, site.counted) == ([], ["objection-missed"] * 2)
    site.standing = {(tag(DIALLED), "*")}
    site.asterisk.time_outs["RINGFENCE_CALLED"] = 2
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.cut == [LEG]


async def test_an_agent_who_could_not_be_told_is_told_when_asterisk_is_back(site):
    """The connection was lost just then; the store still knows of the objection."""
    site.asterisk.faults = dict.fromkeys(("Setvar", "UserEvent", "SendText"), ManagerLostError("lost"))
    await site.play(BEGIN, ANSWERED, objected())
    assert site.counted == ["objection-missed"]
    site.asterisk.faults.clear()
    site.standing = {(tag(DIALLED), "*")}
    site.calls.recheck()
    await site.settle()
    assert [name for name, _ in site.asterisk.sent] == ["Setvar", "UserEvent", "SendText"]
    assert site.counted == ["objection-missed", "objection-flagged"]


async def test_everybody_in_a_conference_is_told(site):
    """A supervisor beside the agent, one of them behind a Local channel."""
    supervisor = "PJSIP/supervisor-00000060"
    site.asterisk.values[LEG, "BRIDGEPEER"] = f"{supervisor},Local/20002@out-00000017;2"
    site.asterisk.values["Local/20002@out-00000017;1", "BRIDGEPEER"] = f"{AGENT},{supervisor}"
    await site.play(BEGIN, ANSWERED, objected())
    told = [fields["Channel"] for name, fields in site.asterisk.sent if name == "Setvar"]
    assert sorted(told) == [AGENT, supervisor]
    assert site.counted == ["objection-flagged"]


async def test_one_of_two_agents_who_could_not_be_told_is_told_later(site):
    """Being told twice does the other no harm."""
    site.asterisk.values[LEG, "BRIDGEPEER"] = f"{AGENT},PJSIP/agent18-00000061"
    real = site.asterisk.send_action

    async def half(name, fields, timeout_s):
        if fields.get("Channel") == AGENT and name != "Getvar":
            raise ManagerLostError("no answer")
        return await real(name, fields, timeout_s)

    site.asterisk.send_action = half
    await site.play(BEGIN, ANSWERED, objected())
    assert sorted(site.counted) == ["objection-flagged", "objection-missed"]
    site.asterisk.send_action = real
    await site.play(objected(event_id="e2"))
    assert AGENT in {fields["Channel"] for _, fields in site.asterisk.sent}


@pytest.mark.parametrize("by_announcement", [True, False])
async def test_a_campaign_that_is_not_told_in_time_is_asked_for_once_more(site, by_announcement):
    """A call for another company is not cut because Asterisk was slow."""
    site.asterisk.time_outs["RINGFENCE_CAMPAIGN"] = 1
    site.standing = {(tag(DIALLED), "other")}
    await site.play(BEGIN, *([objected("other")] * by_announcement))
    site.calls.recheck()
    await site.settle()
    assert (site.asterisk.cut, site.counted) == ([], [])


@pytest.mark.parametrize("time_outs", [0, 2])
@pytest.mark.parametrize("by_announcement", [True, False])
async def test_for_a_campaign_nobody_knows_every_objection_counts(site, by_announcement, time_outs, caplog):
    """Whether it was announced or looked up; what Asterisk did not tell twice is written down."""
    del site.asterisk.values[LEG, "RINGFENCE_CAMPAIGN"]
    site.asterisk.time_outs["RINGFENCE_CAMPAIGN"] = time_outs
    site.standing = {(tag(DIALLED), "other")}
    await site.play(BEGIN)
    if by_announcement:
        site.calls.objected(objected("other"))
    else:
        site.calls.recheck()
    await site.settle()
    assert site.asterisk.cut == [LEG]
    assert ("every objection counts" in caplog.text) == bool(time_outs)


async def test_a_principal_nobody_knows_is_looked_up_as_everybody():
    """The store finds objections by principal only."""

    class Store(FakeStore):
        async def look_up(self, query):
            await super().look_up(query)
            held = (Objection("courant", TUESDAY_11),) * (query.principal == "courant")
            return PersonRecords(objections=held)

    store = Store()
    gate = make_gate(store)
    assert not await has_objection(gate, "tag", "linde")
    assert [query.principal for query in store.asked] == ["linde"]
    assert await has_objection(gate, "tag", "")
    gate.site = dataclasses.replace(gate.site, campaigns={})
    assert not await has_objection(gate, "tag", "")
    assert store.asked[-1].principal == "", "an objection against everybody is found all the same"


@pytest.mark.parametrize("dial_string", ["112@carrier", "carrier/sip:112@192.0.2.1", "0049301234567@carrier"])
async def test_an_emergency_call_is_never_hung_up(site, dial_string):
    """Objected to before, while it dials, and in the store; not told either."""
    numbers = ("+112", "+49301234567")
    site.standing = {(tag(number), "*") for number in numbers}
    before = [objected(number=number, event_id=f"a{number}") for number in numbers]
    meanwhile = [objected(number=number, event_id=f"b{number}") for number in numbers]
    await site.play(*before, {**BEGIN, "DialString": dial_string}, *meanwhile)
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.sent == []


@pytest.mark.parametrize("number", ["112", "0049301234567"])
@pytest.mark.parametrize("variable", ["CHANNEL(pjsip,remote_uri)", "RINGFENCE_CALLED"])
async def test_an_emergency_call_found_running_is_never_hung_up(site, variable, number):
    """Its channel driver says what it dials, or the trunk script that let it pass."""
    site.asterisk.channels = [{}, {"Channel": LEG, "Uniqueid": LEG_ID, "ChannelState": "5", **OUT}]
    site.asterisk.values[LEG, "RINGFENCE_CALLED"] = DIALLED
    site.asterisk.values[LEG, variable] = f"sip:{number}@192.0.2.1" if variable.startswith("CHANNEL") else number
    site.standing = {(tag(e164), "*") for e164 in (DIALLED, "+112", "+49301234567")}
    site.calls.up()
    await site.settle()
    assert "RINGFENCE_CALLED" in site.asterisk.asked
    assert site.asterisk.sent == []


async def test_the_service_knows_the_sites_own_emergency_numbers():
    """Those of `gate.emergency_extra` too, after a reload as well."""
    gate = make_gate()
    node = SimpleNamespace(gate=gate, store=gate.store, ledger=gate.ledger, waits=None)
    told, observer = (lambda _: None), RecordingObserver()
    writer = EndWriter(gate, on_event=told, on_end=observer.attempt_ended)
    watched = watch_asterisk(node, settings_for(1), told, observer, writer=writer)
    assert watched.running._spares("112")
    assert not watched.running._spares("0049301234567")
    gate.site = dataclasses.replace(gate.site, emergency_extra=frozenset({"0049301234567"}))
    assert watched.running._spares("0049301234567")


async def test_a_leg_that_begins_while_the_list_is_on_its_way_stays_known(site):
    """It is not in the list, and rings."""
    list_asked, list_comes = asyncio.Event(), asyncio.Event()
    real = site.asterisk.send_action

    async def slowly(name, fields, timeout_s):
        if name == "CoreShowChannels":
            list_asked.set()
            await list_comes.wait()
        return await real(name, fields, timeout_s)

    site.asterisk.send_action = slowly
    site.calls.up()
    await list_asked.wait()
    site.calls.take(BEGIN)
    list_comes.set()
    await site.settle()
    await site.play(objected())
    assert site.asterisk.cut == [LEG]


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("+31201234567", "+31201234567"),
        ("31201234567", "+31201234567"),
        ("0031201234567", "+31201234567"),
        ("", ""),
        ("carrier", ""),
        ("+0031", "+0031"),
        ("٣١٢٠", ""),
    ],
)
def test_a_dialled_number_is_read_as_the_trunk_script_lets_it_pass(dialled, number):
    """Nothing else reaches a trunk."""
    assert e164_of(dialled) == number


async def test_over_a_real_connection():
    """Events as Asterisk sends them in, Hangup out."""
    async with fake_ami() as peer:
        calls = Site().calls
        up, began = asyncio.Event(), asyncio.Event()

        def take(event):
            calls.take(event)
            began.set()

        client = AmiClient(settings_for(peer.port), on_event=take, on_up=up.set)
        calls.attach(client)
        task = asyncio.create_task(client.run())
        await up.wait()
        begun = "".join(f"{name}: {value}\r\n" for name, value in BEGIN.items()) + "\r\n"
        await peer.send(begun.encode())
        await began.wait()
        calls.objected(objected())
        (action,) = await peer.wait_for("Hangup")
        assert (action["Channel"], action["Cause"]) == (LEG, "21")
        await calls.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
