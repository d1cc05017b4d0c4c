"""What runs when a person objects, over what a real Asterisk 22.10 said: cut, told, or left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from fake_ami import fake_ami, recorded, settings_for

from asterisk_plugin.ami.client import AmiClient
from asterisk_plugin.callflow import running_calls
from asterisk_plugin.callflow.running_calls import RunningCalls
from asterisk_plugin.callflow.running_legs import e164_of
from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import ActionRefusedError, ManagerLostError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

LEG, LEG_ID = "PJSIP/carrier-00000058", "1795286296.136"
AGENT = "PJSIP/agent17-00000057"
DIALLED = "+20002"


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
        self.channels = [{"Response": "Success"}]

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        await asyncio.sleep(0)
        if name in self.faults:
            raise self.faults[name]
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
        self.store_fault: Exception | None = None
        self.calls = RunningCalls(
            "pbx",
            trunks=("PJSIP/carrier", "DAHDI/i1"),
            tag=tag,
            principal_of=lambda campaign: {"spring": "acme", "autumn": "other"}.get(campaign, ""),
            holds=self.holds,
            on_event=self.counted.append,
        )
        self.calls.attach(self.asterisk)

    async def holds(self, person: str, principal: str) -> bool:
        if self.store_fault:
            raise self.store_fault
        return bool({(person, principal), (person, "*")} & self.standing)

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
def site() -> Site:
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
    site.store_fault = StoreUnreachableError("away again")
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.sent == []
    site.store_fault = None
    site.calls.recheck()
    site.calls.recheck()
    await site.settle()
    assert site.asterisk.cut == [LEG]


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
