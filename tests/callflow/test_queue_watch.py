"""The watch over queues: who waits, what they are to be told, how it ended; on events as Asterisk 22.10 sends them."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from asterisk_plugin.callflow.queue_evidence import wait_id
from asterisk_plugin.callflow.queue_watch import AS_IT_WAS, LOWERED, QueueWatch
from asterisk_plugin.errors import LedgerUnavailableError, ManagerLostError
from asterisk_plugin.ports import EventKind
from tests.fakes import TUESDAY_11, FakeLedger, make_gate

FIRST = {"Channel": "PJSIP/carrier-00000000", "Uniqueid": "1795967868.0"}
SECOND = {"Channel": "PJSIP/carrier-00000001", "Uniqueid": "1795967868.1"}
HOOK = {"Channel": "Local/hook@__func_periodic_hook_context__-00000000;1", "Uniqueid": "1795967868.2"}
PLACEHOLDER = {"Channel": "Local/1234567890123456@ringfence-call-back-00000002;2", "Uniqueid": "1795967868.9"}
AGENT = {"Event": "QueueMemberStatus", "Queue": "waiting-1", "Interface": "PJSIP/2001@desk", "Status": "1"}
SECRET = b"s" * 32


class Manager:
    """Remembers actions; answers lists as the test says."""

    def __init__(self):
        self.sent = []
        self.answers = {}
        self.error = None

    async def send_action(self, name, fields, timeout_s):
        await asyncio.sleep(0)
        self.sent.append((name, dict(fields)))
        if self.error:
            raise self.error
        return self.answers.get(name, [{"Response": "Success"}])

    def volumes(self):
        return [(fields["Channel"], fields["Value"]) for name, fields in self.sent if name == "Setvar"]


class Published:
    """What was handed on."""

    def __init__(self):
        self.known = {}
        self.places = {}

    async def publish(self, wait, known):
        self.known[wait] = known

    async def publish_place(self, wait, position):
        self.places[wait] = position


class Seen:
    """What the metrics were told."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda queue, *_, **__: self.calls.append((name, queue))


class Scene:
    """A watch and everything around it."""

    def __init__(self):
        self.ledger = FakeLedger()
        self.gate = make_gate(ledger=self.ledger)
        self.now = TUESDAY_11
        self.gate.clock = lambda: self.now
        self.manager, self.published, self.seen = Manager(), Published(), Seen()
        self.watch = QueueWatch("pbx", self.gate, self.published, self.seen)
        self.watch.attach(self.manager)

    async def take(self, *events):
        for event in events:
            self.watch.take(event)
        for _ in range(10):
            await asyncio.sleep(0)

    def later(self, seconds):
        self.now += dt.timedelta(seconds=seconds)

    async def joins(self, who, since, *, early="yes", position="1"):
        does = {"Event": "UserEvent", "UserEvent": "RingfenceQueue", "Do": "wait", "Queue": "waiting-1"}
        await self.take(
            {**does, **who, "Since": str(since), "Waited": "0.002", "Early": early, "ChannelState": "4"},
            {"Event": "QueueCallerJoin", "Queue": "waiting-1", **who, "Position": position, "Count": position},
        )

    async def does(self, what, who, **more):
        event = {"Event": "UserEvent", "UserEvent": "RingfenceQueue", "Do": what, "Queue": "waiting-1", **who, **more}
        await self.take(event)

    async def announces(self, who, hook=HOOK):
        of = {"Of": who["Channel"], "OfUniqueid": who["Uniqueid"], "Queue": "waiting-1"}
        await self.take({"Event": "UserEvent", "UserEvent": "RingfenceWait", **hook, **of})

    async def connects(self, who):
        event = {"Event": "AgentConnect", "Queue": "waiting-1", **who, "Interface": "PJSIP/2001@desk", "HoldTime": "9"}
        await self.take(event, {"Event": "QueueCallerLeave", "Queue": "waiting-1", **who, "Position": "1"})

    def left(self):
        return [event.body for event in self.ledger.events if event.kind is EventKind.QUEUE_LEFT]


@pytest.fixture
def scene():
    return Scene()


def wait_of(who):
    return wait_id(SECRET, who["Uniqueid"], who["Channel"])


async def test_before_anybody_was_served_the_wait_is_not_known(scene):
    """Place and price are; a number is never made up."""
    await scene.joins(FIRST, 1000.0)
    scene.later(1)
    await scene.announces(FIRST)
    known = scene.published.known[wait_of(FIRST)]
    assert (known["phrase"], known["estimate_s"], known["position"]) == ("wait-unknown", None, 1)
    assert (known["is_first"], known["nobody"], known["free"]) == (True, True, True)
    assert known["waited_s"] == pytest.approx(1.002)


async def served(scene):
    """Eight conversations of five minutes with one agent, and a ninth that goes on."""
    await scene.take({**AGENT})
    for number in range(8):
        who = {"Channel": f"PJSIP/carrier-1{number}", "Uniqueid": f"17.{number}"}
        await scene.joins(who, 100.0 + number)
        await scene.connects(who)
        scene.later(300)
        await scene.take(
            {"Event": "AgentComplete", "Queue": "waiting-1", **who, "Interface": "PJSIP/2001@desk", "TalkTime": "300"}
        )
    await scene.joins({"Channel": "PJSIP/x", "Uniqueid": "18.0"}, 2000.0)
    await scene.connects({"Channel": "PJSIP/x", "Uniqueid": "18.0"})


async def test_with_a_history_the_wait_is_told(scene):
    """Conversations of five minutes, one agent: the second of two waits minutes, not seconds."""
    await served(scene)
    await scene.joins(FIRST, 2001.0)
    await scene.joins(SECOND, 2002.0, position="2")
    await scene.announces(SECOND)
    known = scene.published.known[wait_of(SECOND)]
    assert known["phrase"] in {f"wait-about-{minutes}" for minutes in (7, 8, 9, 10)} | {"wait-over-10"}
    assert 400 < known["estimate_s"] < 700
    assert not known["nobody"]
    assert known["position"] == 2


@pytest.mark.parametrize(("key", "is_shorter"), [("person", True), ("objection", True), ("call-back", False)])
async def test_whoever_gives_the_place_up_by_a_key_shortens_the_wait_of_others(scene, key, is_shorter):
    """As whoever hangs up, of whom Asterisk tells; who is called back keeps the place."""
    await served(scene)
    await scene.joins(FIRST, 2001.0)
    await scene.joins(SECOND, 2002.0, position="2")
    await scene.announces(SECOND)
    before_s = scene.published.known[wait_of(SECOND)]["estimate_s"]
    for number in range(20):
        who = {"Channel": f"PJSIP/carrier-2{number}", "Uniqueid": f"19.{number}"}
        await scene.joins(who, 2003.0 + number, position="3")
        await scene.take({"Event": "QueueCallerLeave", "Queue": "waiting-1", **who, "Position": "3"})
        await scene.does(key, who)
    await scene.announces(SECOND)
    after_s = scene.published.known[wait_of(SECOND)]["estimate_s"]
    assert (after_s < before_s) is is_shorter


async def test_the_music_goes_down_while_words_are_said_and_up_after_them(scene):
    """Up when the channel that spoke has ended, for whatever reason."""
    await scene.joins(FIRST, 1000.0)
    await scene.announces(FIRST)
    assert scene.manager.volumes() == [(FIRST["Channel"], LOWERED)]
    await scene.take({"Event": "Hangup", **HOOK})
    assert scene.manager.volumes()[1:] == [(FIRST["Channel"], AS_IT_WAS)]


async def test_nothing_is_said_to_somebody_who_talks_to_an_agent(scene):
    """A hook that was begun just before."""
    await scene.joins(FIRST, 1000.0)
    await scene.connects(FIRST)
    await scene.announces(FIRST)
    assert scene.published.known == {}
    assert scene.manager.volumes() == []


async def test_an_answered_wait_is_written_down_once(scene):
    """With the agent, how long it took, and that nothing was charged before."""
    await scene.joins(FIRST, 1000.0)
    scene.later(42)
    await scene.connects(FIRST)
    await scene.take({"Event": "Newstate", **FIRST, "ChannelState": "6"})
    await scene.does("done", FIRST)
    await scene.take({"Event": "Hangup", **FIRST})
    (left,) = scene.left()
    assert (left["how"], left["agent"], left["queue"]) == ("answered", "PJSIP/2001@desk", "waiting-1")
    assert left["waited_s"] == pytest.approx(42, abs=0.01)
    assert dt.datetime.fromisoformat(left["charged_from"]) == scene.now


async def test_a_call_that_was_answered_before_says_since_when_it_is_charged(scene):
    """At the carrier's limit, say."""
    await scene.joins(FIRST, 1000.0)
    scene.later(110)
    charged = scene.now
    await scene.take({"Event": "Newstate", **FIRST, "ChannelState": "6"})
    scene.later(50)
    await scene.announces(FIRST)
    assert not scene.published.known[wait_of(FIRST)]["free"]
    await scene.connects(FIRST)
    assert dt.datetime.fromisoformat(scene.left()[0]["charged_from"]) == charged


@pytest.mark.parametrize("how", ["call-back", "person", "objection"])
async def test_who_presses_a_key_has_left_that_way(scene, how):
    """Not abandoned, though the channel hangs up."""
    await scene.joins(FIRST, 1000.0)
    await scene.does(how, FIRST)
    await scene.take({"Event": "Hangup", **FIRST})
    assert [left["how"] for left in scene.left()] == [how]


async def test_who_hangs_up_has_abandoned(scene):
    """And was never charged."""
    await scene.joins(FIRST, 1000.0)
    await scene.take(
        {"Event": "QueueCallerAbandon", "Queue": "waiting-1", **FIRST, "HoldTime": "5"},
        {"Event": "Hangup", **FIRST},
    )
    assert [(left["how"], left["charged_from"]) for left in scene.left()] == [("abandoned", None)]


async def test_who_comes_back_has_the_place_before(scene):
    """Behind who came earlier, ahead of who came later; a stranger counts by when it joined."""
    stranger = {"Channel": "PJSIP/other-1", "Uniqueid": "9.9"}
    await scene.joins(FIRST, 1000.0)
    await scene.joins(SECOND, 1001.0, position="2")
    await scene.joins({"Channel": "PJSIP/third", "Uniqueid": "3.3"}, 1002.0, position="3")
    scene.later(5)
    await scene.take({"Event": "QueueCallerJoin", "Queue": "waiting-1", **stranger, "Position": "4", "Count": "4"})
    await scene.take({"Event": "QueueCallerLeave", "Queue": "waiting-1", **SECOND, "Position": "2"})
    await scene.does("outside", SECOND)
    await scene.does("again", SECOND)
    assert scene.published.places == {wait_of(SECOND): 2}
    assert scene.left() == []


async def test_a_channel_that_waits_for_a_call_back_has_the_persons_place_and_is_no_wait(scene):
    """It was born later, and the dialplan says since when the person waits."""
    await scene.joins(FIRST, 1000.0)
    await scene.does("again", PLACEHOLDER, Since="999.0", Waited="30")
    assert scene.published.places == {wait_of(PLACEHOLDER): 1}
    await scene.take({"Event": "Hangup", **PLACEHOLDER})
    assert scene.left() == []
    assert scene.seen.calls.count(("queue_joined", "waiting-1")) == 1


async def test_a_ledger_that_is_away_stops_nobody(scene):
    """The fault is told."""
    scene.ledger.error = LedgerUnavailableError("the disk is full")
    await scene.joins(FIRST, 1000.0)
    await scene.connects(FIRST)
    assert scene.gate.observer.faults == [("queue", scene.ledger.error)]


async def test_after_a_lost_connection_it_knows_who_waits(scene):
    """Who came meanwhile is found with the time waited; who went is `unknown`; loud again whoever was left quiet."""
    await scene.joins(FIRST, 1000.0)
    entry = {"Event": "QueueEntry", "Queue": "waiting-1", **SECOND, "Position": "1", "Wait": "30"}
    params = {"Event": "QueueParams", "Queue": "waiting-1", "Completed": "3", "TalkTime": "100"}
    scene.manager.answers = {
        "QueueStatus": [{"Response": "Success"}, params, entry],
        "CoreShowChannels": [{"Response": "Success"}, {"Event": "CoreShowChannel", **SECOND}],
        "Getvar": [{"Response": "Success", "Value": "970.5"}],
    }
    scene.watch.up()
    await scene.take()
    assert [(left["how"], left["wait"]) for left in scene.left()] == [("unknown", wait_of(FIRST))]
    joined = [event for event in scene.ledger.events if event.kind is EventKind.QUEUE_JOINED]
    assert [(event.id, event.at) for event in joined] == [(wait_of(SECOND), scene.now - dt.timedelta(seconds=30))]
    assert scene.manager.volumes() == [(SECOND["Channel"], AS_IT_WAS)]
    await scene.announces(SECOND)
    assert scene.published.known[wait_of(SECOND)]["waited_s"] == pytest.approx(30)


async def test_who_did_not_come_through_ringfence_is_not_ours(scene):
    """Counted in the queue, never written down."""
    entry = {"Event": "QueueEntry", "Queue": "waiting-1", **SECOND, "Position": "1", "Wait": "30"}
    params = {"Event": "QueueParams", "Queue": "waiting-1"}
    scene.manager.answers = {
        "QueueStatus": [{"Response": "Success"}, params, entry],
        "Getvar": [{"Response": "Success", "Value": ""}],
    }
    scene.watch.up()
    await scene.take()
    assert scene.ledger.events == []


async def test_a_manager_that_does_not_answer_changes_nothing(scene):
    """Callers wait on."""
    scene.manager.error = ManagerLostError("no answer")
    scene.watch.up()
    await scene.joins(FIRST, 1000.0)
    await scene.announces(FIRST)
    await scene.connects(FIRST)
    assert [left["how"] for left in scene.left()] == ["answered"]
    await scene.watch.close()


@pytest.mark.parametrize("since", ["", "soon", "nan", "1e400"])
async def test_a_moment_that_is_none_is_behind_all_others(scene, since):
    """Nobody gets ahead by it."""
    await scene.joins(FIRST, 1000.0)
    await scene.joins(SECOND, 1001.0, position="2")
    await scene.does("again", PLACEHOLDER, Since=since, Waited=since)
    assert scene.published.places == {wait_of(PLACEHOLDER): 3}
