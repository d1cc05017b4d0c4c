"""The watchdog over what a real Asterisk 22.10 said: who is hung up, who is left alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import TYPE_CHECKING

import pytest
from fake_ami import recorded

from asterisk_plugin.callflow.trunk_legs import Passes
from asterisk_plugin.callflow.watchdog import Watchdog
from asterisk_plugin.core.channels import leg_key
from asterisk_plugin.errors import (
    ActionRefusedError,
    LedgerUnavailableError,
    ManagerLostError,
    StoreUnreachableError,
)
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = dt.datetime(2026, 11, 24, 10, 0, tzinfo=dt.UTC)


def messages(name: str) -> list[dict[str, str]]:
    """A recording's messages as dictionaries."""
    blocks = recorded(name).decode().split("\r\n\r\n")
    return [dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line) for block in blocks if block]


class Asterisk:
    """A manager that remembers what it was asked and answers from recordings."""

    def __init__(self) -> None:
        self.hung_up: list[str] = []
        self.fault: Exception | None = None
        self.channels = [{"Response": "Success"}]
        self.values: dict[tuple[str, str], str] = {}
        self.held = asyncio.Event()
        self.held.set()

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        if name == "CoreShowChannels":
            await self.held.wait()
            return self.channels
        if name == "Getvar":
            return [{"Value": self.values.get((fields["Channel"], fields["Variable"]), "")}]
        assert name == "Hangup"
        assert fields["Cause"] == "21"
        self.hung_up.append(fields["Channel"])
        if self.fault:
            raise self.fault
        return [{"Response": "Success"}]


class Store:
    """Only what the watchdog asks."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.forgotten: list[str] = []
        self.error: Exception | None = None
        self.asked = 0

    async def has_passed(self, key: str) -> bool:
        self.asked += 1
        if self.error:
            raise self.error
        return key in self.passed

    async def forget_passed(self, key: str) -> None:
        self.forgotten.append(key)


class Ledger:
    """Keeps what is submitted, or refuses."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.error: Exception | None = None

    def submit(self, event: Event, *, patient: bool = False) -> None:
        if self.error:
            raise self.error
        self.events.append(event)


class Site:
    """A watchdog with everything around it."""

    def __init__(self) -> None:
        self.asterisk, self.store, self.ledger = Asterisk(), Store(), Ledger()
        self.passes = Passes()
        self.counted: list[str] = []
        self.watchdog = Watchdog(
            "pbx",
            trunks=("PJSIP/carrier", "DAHDI/i1", "IAX2/carrier"),
            store=self.store,
            ledger=self.ledger,
            clock=lambda: NOW,
            passes=self.passes,
            spares=lambda number: "112" in number,  # too generous: only a bare number may come here
            on_event=self.counted.append,
        )
        self.watchdog.attach(self.asterisk)

    def channel(self, unique_id: str) -> str:
        """Name of a running channel."""
        return next(e["Channel"] for e in self.asterisk.channels if e.get("Uniqueid") == unique_id)

    def key(self, unique_id: str) -> str:
        """What marks a running channel as let through."""
        return leg_key(unique_id, self.channel(unique_id))

    def says(self, unique_id: str, variable: str, value: str) -> None:
        """What a running channel answers to a Getvar."""
        self.asterisk.values[self.channel(unique_id), variable] = value

    async def settle(self) -> None:
        """Wait until every judgement has been made."""
        while self.watchdog._jobs:
            await asyncio.gather(*self.watchdog._jobs, return_exceptions=True)

    async def play(self, events: list[dict[str, str]]) -> None:
        for event in events:
            self.watchdog.take(event)
            await self.settle()


@pytest.fixture
def site() -> Site:
    return Site()


STRAIGHT = messages("originate_straight_to_trunk")
GATED = messages("gated_dial")
INCOMING = messages("incoming_from_trunk")
TRUNK_LEG = next(
    leg_key(e["DestUniqueid"], e["DestChannel"])
    for e in GATED
    if e["Event"] == "DialBegin" and "PJSIP" in e["DestChannel"]
)
STRAIGHT_LEG = next(e["DestUniqueid"] for e in STRAIGHT if e["Event"] == "DialBegin")


def until(events: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    """The events up to and with the last of that name."""
    last = max(at for at, event in enumerate(events) if event["Event"] == name)
    return events[: last + 1]


async def test_an_originate_straight_to_the_trunk_is_hung_up_and_recorded(site, caplog):
    """Hung up at DialBegin with cause 21, counted, one log line, one ledger event with how long it lived."""
    await site.play(STRAIGHT)
    (channel,) = site.asterisk.hung_up
    assert channel.startswith("PJSIP/carrier-")
    assert site.counted == ["untokened"]
    (event,) = site.ledger.events
    assert event.kind is EventKind.UNTOKENED
    assert event.at == NOW
    assert event.sealed is None
    assert {**event.body, "lived_ms": 0} == {
        "asterisk": "pbx",
        "channel": channel,
        "unique_id": STRAIGHT_LEG,
        "lived_ms": 0,
        "action": "hung-up",
    }
    assert event.body["lived_ms"] >= 0
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


async def test_nothing_is_judged_before_dial_begin(site):
    """Newchannel comes before the pre-dial routine, which may still let the leg pass."""
    dial_begin = next(at for at, event in enumerate(STRAIGHT) if event["Event"] == "DialBegin")
    await site.play(STRAIGHT[:dial_begin])
    assert site.asterisk.hung_up == []
    await site.play(STRAIGHT[dial_begin : dial_begin + 1])
    assert len(site.asterisk.hung_up) == 1


async def test_a_leg_that_passed_here_lives_and_is_forgotten_at_its_end(site):
    """The trunk script put its unique id among the passes: no question to the store."""
    site.passes.add(TRUNK_LEG)
    await site.play(GATED)
    assert site.asterisk.hung_up == []
    assert site.store.asked == 0
    assert set(site.passes) == set()
    assert site.store.forgotten == [TRUNK_LEG]
    assert site.ledger.events == []


async def test_a_leg_that_another_process_let_through_lives(site):
    """The store knows it."""
    site.store.passed.add(TRUNK_LEG)
    await site.play(GATED)
    assert site.asterisk.hung_up == []
    assert site.store.forgotten == [TRUNK_LEG]


async def test_a_dial_without_the_routine_is_hung_up_on_the_trunk_leg_only(site):
    """The Local channels of the same call are not touched."""
    await site.play(GATED)
    assert len(site.asterisk.hung_up) == 1
    assert site.asterisk.hung_up[0].startswith("PJSIP/carrier-")


async def test_a_call_that_comes_in_from_the_trunk_is_not_touched(site):
    """Its channel has the trunk's name; nobody asks the store about it."""
    await site.play(INCOMING)
    assert site.asterisk.hung_up == []
    assert site.store.asked == 0
    assert site.store.forgotten == []


async def test_a_ringing_outgoing_leg_without_dial_begin_is_judged_too(site):
    """A way of dialling that announces nothing is seen when the far end answers the INVITE."""
    await site.play([event for event in STRAIGHT if event["Event"] != "DialBegin"])
    assert len(site.asterisk.hung_up) == 1


async def test_a_caller_id_of_112_does_not_spare_a_leg_without_dial_begin(site):
    """Whoever originates chooses it; the channel driver knows what was dialled."""
    events = [{**e, "CallerIDNum": "112", "Exten": "112"} for e in STRAIGHT if e["Event"] != "DialBegin"]
    await site.play(events)
    assert len(site.asterisk.hung_up) == 1


async def test_an_emergency_call_without_dial_begin_is_spared_by_what_its_driver_says(site):
    """The connection was lost just when DialBegin came."""
    channel = next(e["Channel"] for e in STRAIGHT if e["Event"] == "Newchannel" and "PJSIP" in e["Channel"])
    site.asterisk.values[channel, "CHANNEL(pjsip,remote_uri)"] = "sip:112@192.0.2.1"
    await site.play([event for event in STRAIGHT if event["Event"] != "DialBegin"])
    assert site.asterisk.hung_up == []


@pytest.mark.parametrize("text", ["carrier/sip:+49301234567@h;x=/112", "carrier/sip:112;rn=+49301234567@h"])
async def test_112_elsewhere_in_a_dial_string_spares_nothing(site, text):
    """A parameter of the URI is not what is called, and a user part with one is not certainly 112."""
    await site.play([{**e, **({"DialString": text} if "DialString" in e else {})} for e in STRAIGHT])
    assert len(site.asterisk.hung_up) == 1


async def test_a_channel_name_with_a_number_in_it_is_hung_up_by_it_and_written_down_without(site, caplog):
    """DAHDI names its channels after the person called; ledger and log must not have that in clear."""
    channel = "DAHDI/i1/301234567-1"
    begin = {"Event": "DialBegin", "DestChannel": channel, "DestUniqueid": "17.1", "DialString": "i1/301234567"}
    site.asterisk.fault = ManagerLostError("no answer")
    site.store.error = StoreUnreachableError("gone")
    site.ledger.error = LedgerUnavailableError("disk full")
    await site.play([begin, {"Event": "Hangup", "Channel": channel, "Uniqueid": "17.1"}])
    site.ledger.error = None
    await site.play([{**begin, "DestUniqueid": "17.2"}, {"Event": "Hangup", "Channel": channel, "Uniqueid": "17.2"}])
    assert site.asterisk.hung_up == [channel, channel]
    assert [event.body["channel"] for event in site.ledger.events] == ["DAHDI/i1-1"]
    assert "DAHDI/i1-1" in caplog.text
    assert "301234567" not in caplog.text


async def test_a_running_dahdi_leg_that_dials_an_emergency_number_is_spared(site):
    """The driver names the channel after the number."""
    for unique_id, number in (("17.1", "112"), ("17.2", "301234567")):
        channel = f"DAHDI/i1/{number}-1"
        await site.play(
            [
                {"Event": "Newchannel", "Channel": channel, "Uniqueid": unique_id, "ChannelState": "0"},
                {"Event": "Newstate", "Channel": channel, "Uniqueid": unique_id, "ChannelState": "6"},
            ]
        )
    assert site.asterisk.hung_up == ["DAHDI/i1/301234567-1"]


async def test_store_away_and_nobody_knows_the_leg_it_is_hung_up(site):
    """Outbound fails closed."""
    site.store.error = StoreUnreachableError("gone")
    await site.play(STRAIGHT)
    assert len(site.asterisk.hung_up) == 1
    assert site.counted == ["store-away", "untokened"]


async def test_store_away_and_the_leg_passed_here_it_lives(site):
    """This process let it through, so it knows."""
    site.store.error = StoreUnreachableError("gone")
    site.passes.add(TRUNK_LEG)
    await site.play(until(GATED, "DialBegin"))
    assert site.asterisk.hung_up == []


async def test_a_fault_of_ours_does_not_let_a_leg_live(site):
    """An exception nobody expected is as good as a store that is away."""
    site.store.error = ZeroDivisionError()
    await site.play(STRAIGHT)
    assert len(site.asterisk.hung_up) == 1


async def test_a_store_that_hangs_does_not_let_a_leg_live(site, monkeypatch):
    """The watchdog has a limit of its own."""
    monkeypatch.setattr("asterisk_plugin.callflow.watchdog.STORE_WAIT_S", 0.01)

    async def never(unique_id: str) -> bool:
        await asyncio.Event().wait()
        return True

    site.store.has_passed = never
    await site.play(STRAIGHT)
    assert len(site.asterisk.hung_up) == 1


async def test_an_emergency_call_is_never_hung_up(site):
    """The dialplan lets it pass without asking anybody, so no token can be known."""
    site.store.error = StoreUnreachableError("gone")
    await site.play([{**e, **({"DialString": "112@carrier"} if "DialString" in e else {})} for e in STRAIGHT])
    assert site.asterisk.hung_up == []
    assert site.counted == []


async def test_a_ledger_that_refuses_does_not_stop_the_hang_up(site):
    """Counted as unrecorded; the log line remains."""
    site.ledger.error = LedgerUnavailableError("disk full")
    await site.play(STRAIGHT)
    assert len(site.asterisk.hung_up) == 1
    assert site.counted == ["untokened", "unrecorded"]


async def test_a_hang_up_without_an_answer_is_not_sent_again_until_the_connection_is_back(site):
    """Then the channel, if it still runs, is judged anew."""
    site.asterisk.fault = ManagerLostError("no answer")
    await site.play(until(STRAIGHT, "DialBegin"))
    assert len(site.asterisk.hung_up) == 1
    assert site.counted == ["untokened", "hangup-failed"]
    await site.play([event for event in STRAIGHT if event["Event"] == "Newstate"])
    assert len(site.asterisk.hung_up) == 1
    site.watchdog.down()
    site.asterisk.fault = None
    leg = next(event for event in STRAIGHT if event["Event"] == "DialBegin")
    site.asterisk.channels = [
        {"Response": "Success"},
        {
            "Event": "CoreShowChannel",
            "Channel": leg["DestChannel"],
            "Uniqueid": leg["DestUniqueid"],
            "ChannelState": "5",
            "ApplicationData": "(Outgoing Line)",
        },
    ]
    site.watchdog.up()
    await site.settle()
    assert len(site.asterisk.hung_up) == 2
    await site.play([event for event in STRAIGHT if event["Event"] == "Hangup"])
    assert site.counted.count("untokened") == 1
    assert [event.body["action"] for event in site.ledger.events] == ["hung-up"]


async def test_a_leg_that_ended_by_itself_is_recorded_as_gone(site):
    """Its Hangup overtook ours: it had no token all the same."""
    site.asterisk.fault = ActionRefusedError("AMI refused `Hangup`: No such channel")
    for event in STRAIGHT:  # without a pause: the Hangup event is taken before the verdict
        site.watchdog.take(event)
    await site.settle()
    assert [event.body["action"] for event in site.ledger.events] == ["already-gone"]


async def test_the_same_untokened_call_seen_by_two_services_is_one_event(site):
    """Both submit the same event id, which the ledger records once."""
    other = Site()
    await site.play(STRAIGHT)
    await other.play(STRAIGHT)
    assert site.ledger.events[0].id == other.ledger.events[0].id


def running() -> dict[str, str]:
    """Unique ids of the trunk channels of the recorded list, by what they are."""
    legs = {}
    for event in messages("core_show_channels"):
        if event.get("Channel", "").startswith("PJSIP/"):
            outgoing = event["ApplicationData"] == "(Outgoing Line)"
            way = "dialled" if outgoing else event["Exten"]
            legs[f"{way} {event['ChannelStateDesc']} {event['Application']}"] = event["Uniqueid"]
    return legs


RUNNING = running()
ANSWERED_DIAL = RUNNING["dialled Up AppDial"]
RINGING_DIAL = RUNNING["dialled Ringing AppDial"]
RINGING_ORIGINATE = RUNNING["dialled Ringing AppDial2"]
ANSWERED_ORIGINATE = RUNNING["s Up Wait"]
OURS = {ANSWERED_DIAL, RINGING_DIAL, RINGING_ORIGINATE, ANSWERED_ORIGINATE}
INCOMING_ANSWERED = RUNNING["555123 Up Wait"]


@pytest.fixture
def busy(site) -> Site:
    """An Asterisk with the five recorded trunk channels running, one of them incoming."""
    site.asterisk.channels = messages("core_show_channels")
    site.says(INCOMING_ANSWERED, "PJSIP_HEADER(read,Call-ID)", "48250ffd")
    site.says(INCOMING_ANSWERED, "CALLERID(dnid)", "555123")
    return site


def ended(site: Site) -> set[str]:
    names = {e["Channel"]: e["Uniqueid"] for e in site.asterisk.channels if "Channel" in e}
    return {names[channel] for channel in site.asterisk.hung_up}


async def test_a_reconnect_judges_every_running_leg_that_we_dialled(busy):
    """Ringing or answered, Dial() or originate; the call that came in is left alone."""
    busy.watchdog.up()
    await busy.settle()
    assert ended(busy) == OURS


async def test_a_reconnect_leaves_the_legs_alone_that_passed(busy):
    """The store has their marks, also those of a service that was restarted."""
    busy.store.passed |= {busy.key(leg) for leg in OURS}
    busy.watchdog.up()
    await busy.settle()
    assert busy.asterisk.hung_up == []


async def test_a_leg_of_another_asterisk_with_the_same_unique_id_does_not_speak_for_one(busy):
    """Without a system name two Asterisks number their calls alike; their channels are named apart."""
    others = {leg_key(leg, "PJSIP/carrier-0000ffff") for leg in OURS}
    busy.store.passed |= others
    for mark in others:
        busy.passes.add(mark)
    busy.watchdog.up()
    await busy.settle()
    assert ended(busy) == OURS
    assert set(busy.passes) == others


async def test_a_reconnect_spares_what_really_dials_an_emergency_number(busy):
    """The dialplan lets it through without asking anybody: no mark; what the channel driver says is proof."""
    for leg in OURS:
        busy.says(leg, "CHANNEL(pjsip,remote_uri)", "sip:112@192.0.2.1")
    busy.watchdog.up()
    await busy.settle()
    assert busy.asterisk.hung_up == []


async def test_a_reconnect_does_not_believe_what_an_originator_chose(busy):
    """Caller ID and extension say 112, and the INVITE went to somebody else."""
    for event in busy.asterisk.channels:
        event |= {"Exten": "112", "CallerIDNum": "112", "ConnectedLineNum": "112"}
    for leg in OURS:
        busy.says(leg, "CHANNEL(pjsip,remote_uri)", "sip:+49301234567@192.0.2.1;x=/112")
    busy.watchdog.up()
    await busy.settle()
    assert ended(busy) == OURS


async def test_a_reconnect_with_the_store_away_ends_only_what_is_not_answered(busy):
    """Two people who talk are not cut off because the store cannot say; what still rings is."""
    busy.store.error = StoreUnreachableError("gone")
    busy.watchdog.up()
    await busy.settle()
    assert ended(busy) == {RINGING_DIAL, RINGING_ORIGINATE}


async def test_an_answered_leg_that_nobody_could_judge_is_judged_when_the_store_is_back(busy):
    """At the next re-sync."""
    busy.store.error = StoreUnreachableError("gone")
    busy.watchdog.up()
    await busy.settle()
    busy.store.error = None
    busy.watchdog.up()
    await busy.settle()
    assert {ANSWERED_DIAL, ANSWERED_ORIGINATE} <= ended(busy)


async def test_a_leg_that_ended_while_the_list_came_is_not_judged(busy):
    """Its mark is gone already, so it would be recorded as untokened though it had passed."""
    busy.store.passed = {busy.key(leg) for leg in OURS - {ANSWERED_DIAL}}
    busy.asterisk.held.clear()
    busy.watchdog.up()
    await asyncio.sleep(0)
    busy.watchdog.take({"Event": "Hangup", "Channel": busy.channel(ANSWERED_DIAL), "Uniqueid": ANSWERED_DIAL})
    busy.asterisk.held.set()
    await busy.settle()
    assert busy.asterisk.hung_up == []
    assert busy.ledger.events == []


async def test_a_leg_that_ended_while_we_were_away_is_recorded_and_forgotten(site):
    """No Hangup event was heard; the list of running channels does not have it any more."""
    await site.play(until(STRAIGHT, "DialBegin"))
    site.watchdog.down()
    assert site.ledger.events == []
    site.watchdog.up()
    await site.settle()
    assert [event.body["unique_id"] for event in site.ledger.events] == [STRAIGHT_LEG]
    assert site.watchdog._legs == {}


async def test_closing_records_what_was_hung_up_and_keeps_the_marks_of_calls_that_go_on(site):
    """A service that restarts must find them, or it would end its own calls."""
    site.passes.add(TRUNK_LEG)
    await site.play(until(GATED, "DialBegin"))
    await site.play(until(STRAIGHT, "DialBegin"))
    await site.watchdog.close()
    await site.settle()
    assert [event.body["unique_id"] for event in site.ledger.events] == [STRAIGHT_LEG]
    assert site.store.forgotten == []


async def test_running_channels_that_cannot_be_listed_are_counted(site):
    """The AMI user lacks `reporting`."""

    async def refuse(name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        raise ActionRefusedError("AMI refused `CoreShowChannels`: Permission denied")

    site.asterisk.send_action = refuse
    site.watchdog.up()
    await site.settle()
    assert site.counted == ["resync-failed"]
