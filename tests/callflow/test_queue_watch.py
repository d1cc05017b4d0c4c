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
        self.variables = {}
        self.error = None
        self.has_answered = asyncio.Event()

    async def send_action(self, name, fields, timeout_s):
        await asyncio.sleep(0)
        self.sent.append((name, dict(fields)))
        if self.error:
            raise self.error
        if name == "Getvar":
            return [{"Response": "Success", "Value": self.variables.get(fields["Variable"], "")}]
        if name == "CoreShowChannels":
            self.has_answered.set()
        answer = self.answers.get(name, [{"Response": "Success"}])
        return await answer() if callable(answer) else answer

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
        self.since = {}  # unique id: as the dialplan noted it

    def wait_of(self, who):
        return wait_id(SECRET, who["Uniqueid"], who["Channel"], self.since[who["Uniqueid"]])

    async def take(self, *events):
        for event in events:
            self.watch.take(event)
        for _ in range(10):
            await asyncio.sleep(0)

    async def looks(self, *entries, running=()):
        """The AMI connection is up; so many wait, and so many channels run."""
        shown = [{"Event": "QueueEntry", "Queue": "waiting-1", "Position": "1", "Wait": "0", **one} for one in entries]
        params = {"Event": "QueueParams", "Queue": "waiting-1", "Completed": "3", "TalkTime": "100"}
        self.manager.answers["QueueStatus"] = [{"Response": "Success"}, params, *shown]
        channels = [{"Event": "CoreShowChannel", "ChannelState": "4", **one} for one in (*entries, *running)]
        self.manager.answers["CoreShowChannels"] = [{"Response": "Success"}, *channels]
        self.watch.up()
        await self.take()

    async def settles(self):
        """Whatever was begun is done."""
        for _ in range(100):
            await asyncio.sleep(0)

    def later(self, seconds):
        self.now += dt.timedelta(seconds=seconds)

    async def joins(self, who, since, *, early="yes", position="1", joined="yes"):
        self.since[who["Uniqueid"]] = str(since)
        does = {"Event": "UserEvent", "UserEvent": "RingfenceQueue", "Do": "wait", "Queue": "waiting-1"}
        noted = {"Since": str(since), "Waited": "0.002", "Early": early, "Joined": joined, "ChannelState": "4"}
        await self.take(
            {**does, **who, **noted},
            {"Event": "QueueCallerJoin", "Queue": "waiting-1", **who, "Position": position, "Count": position},
        )

    async def does(self, what, who, **more):
        self.since[who["Uniqueid"]] = more.setdefault("Since", self.since.get(who["Uniqueid"], ""))
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


async def test_before_anybody_was_served_the_wait_is_not_known(scene):
    """Place and price are; a number is never made up."""
    await scene.looks()
    await scene.joins(FIRST, 1000.0)
    scene.later(1)
    await scene.announces(FIRST)
    known = scene.published.known[scene.wait_of(FIRST)]
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
    known = scene.published.known[scene.wait_of(SECOND)]
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
    before_s = scene.published.known[scene.wait_of(SECOND)]["estimate_s"]
    for number in range(20):
        who = {"Channel": f"PJSIP/carrier-2{number}", "Uniqueid": f"19.{number}"}
        await scene.joins(who, 2003.0 + number, position="3")
        await scene.take({"Event": "QueueCallerLeave", "Queue": "waiting-1", **who, "Position": "3"})
        await scene.does(key, who)
    await scene.announces(SECOND)
    after_s = scene.published.known[scene.wait_of(SECOND)]["estimate_s"]
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
    assert not scene.published.known[scene.wait_of(FIRST)]["free"]
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
    assert scene.published.places == {scene.wait_of(SECOND): 2}
    assert scene.left() == []


async def test_a_channel_that_waits_for_a_call_back_has_the_persons_place_and_is_no_wait(scene):
    """It was born later, and the dialplan says since when the person waits."""
    await scene.joins(FIRST, 1000.0)
    await scene.does("again", PLACEHOLDER, Since="999.0", Waited="30")
    assert scene.published.places == {scene.wait_of(PLACEHOLDER): 1}
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
    scene.manager.variables = {"RINGFENCE_QUEUE_SINCE": "970.5", "STRFTIME(,,%s.%3q)": "1260.5"}
    scene.since[SECOND["Uniqueid"]] = "970.5"
    await scene.looks({**SECOND, "Wait": "30"})  # back in the queue for 30 s
    assert [(left["how"], left["wait"]) for left in scene.left()] == [("unknown", scene.wait_of(FIRST))]
    joined = [event for event in scene.ledger.events if event.kind is EventKind.QUEUE_JOINED]
    waited = dt.timedelta(seconds=290)
    assert [(event.id, event.at) for event in joined] == [(scene.wait_of(SECOND), scene.now - waited)]
    assert scene.manager.volumes() == [(SECOND["Channel"], AS_IT_WAS)]
    await scene.announces(SECOND)
    known = scene.published.known[scene.wait_of(SECOND)]
    assert (known["waited_s"], known["free"]) == (pytest.approx(290), True)


async def test_who_did_not_come_through_ringfence_is_not_ours(scene):
    """Counted in the queue, never written down."""
    await scene.looks(SECOND)
    assert scene.ledger.events == []


async def test_who_was_answered_while_nobody_listened_is_charged(scene):
    """The channel's state says so; for how long is not known, so since the beginning."""
    scene.manager.variables = {"RINGFENCE_QUEUE_SINCE": "970.5", "STRFTIME(,,%s.%3q)": "1000.5"}
    scene.since[SECOND["Uniqueid"]] = "970.5"
    await scene.joins(FIRST, 1000.0)
    await scene.looks({**FIRST, "ChannelState": "6"}, {**SECOND, "ChannelState": "6"})
    for who in (FIRST, SECOND):
        await scene.announces(who)
        assert not scene.published.known[scene.wait_of(who)]["free"]


async def test_an_answer_that_was_missed_is_no_giving_up(scene):
    """Who is no longer in the queue and still there may talk to an agent: how it ended is not known."""
    await scene.joins(FIRST, 1000.0)
    await scene.looks(running=[{**FIRST, "Application": "Queue", "ChannelState": "6"}])
    scene.later(300)
    await scene.take({"Event": "Hangup", **FIRST})
    assert [left["how"] for left in scene.left()] == ["unknown"]


async def test_who_shows_up_again_was_not_lost(scene):
    """Somebody in a talk about a call-back is no entry of the queue either."""
    await scene.joins(FIRST, 1000.0)
    await scene.looks(running=[FIRST])
    await scene.does("again", FIRST)
    await scene.take({"Event": "Hangup", **FIRST})
    assert [left["how"] for left in scene.left()] == ["abandoned"]


async def test_whoever_was_left_quiet_by_a_killed_service_is_loud_again(scene):
    """Also who talks to an agent by now; nothing of it is written down."""
    scene.manager.variables = {"RINGFENCE_QUEUE_SINCE": "970.5", "STRFTIME(,,%s.%3q)": "1000.5"}
    await scene.looks(running=[{**FIRST, "Application": "Queue"}, {**SECOND, "Application": "Dial"}])
    assert scene.manager.volumes() == [(FIRST["Channel"], AS_IT_WAS)]
    assert scene.ledger.events == []


async def test_who_joins_while_it_looks_is_not_taken_for_gone(scene):
    """The list of channels was made a moment before."""

    async def late():
        await scene.joins(FIRST, 1000.0)
        return [{"Response": "Success"}]

    scene.manager.answers = {"CoreShowChannels": late}
    scene.watch.up()
    await scene.take()
    await scene.connects(FIRST)
    assert [left["how"] for left in scene.left()] == ["answered"]


async def test_who_leaves_while_it_looks_does_not_come_back(scene):
    """A ghost at the head would make every wait behind it longer."""
    await scene.joins(FIRST, 1000.0)
    await scene.joins(SECOND, 1001.0, position="2")

    async def late():
        await scene.connects(FIRST)
        return [{"Response": "Success"}, *({"Event": "CoreShowChannel", **who} for who in (FIRST, SECOND))]

    entries = [{"Event": "QueueEntry", "Queue": "waiting-1", **who, "Position": "1"} for who in (FIRST, SECOND)]
    params = {"Event": "QueueParams", "Queue": "waiting-1"}
    scene.manager.answers = {"QueueStatus": [{"Response": "Success"}, params, *entries], "CoreShowChannels": late}
    scene.watch.up()
    await scene.take()
    await scene.announces(SECOND)
    assert scene.published.known[scene.wait_of(SECOND)]["position"] == 1


async def test_who_joins_while_it_looks_can_still_give_up(scene):
    """The list of those who wait was made a moment before; nothing about them is in doubt."""

    async def late():
        await scene.joins(FIRST, 1000.0)
        return [{"Response": "Success"}]

    scene.manager.answers = {
        "QueueStatus": late,
        "CoreShowChannels": [{"Response": "Success"}, {"Event": "CoreShowChannel", **FIRST}],
    }
    scene.watch.up()
    await scene.settles()
    await scene.take({"Event": "Hangup", **FIRST})
    assert [left["how"] for left in scene.left()] == ["abandoned"]


async def test_words_that_begin_while_it_looks_keep_the_music_down(scene):
    """The channel that speaks is younger than the list of channels."""
    await scene.joins(FIRST, 1000.0)

    async def late():
        await scene.announces(FIRST)
        return [{"Response": "Success"}, {"Event": "CoreShowChannel", **FIRST}]

    scene.manager.answers = {"CoreShowChannels": late}
    scene.watch.up()
    await scene.settles()
    assert scene.manager.volumes() == [(FIRST["Channel"], LOWERED)]


async def test_a_look_in_between_touches_nobodys_sound(scene):
    """Only the first one on a connection puts right what an earlier service left; with many callers it is much work."""
    await scene.joins(FIRST, 1000.0)
    await scene.looks(FIRST)
    sent = len(scene.manager.volumes())
    await scene.take({"Event": "QueueCallerJoin", "Queue": "waiting-1", **SECOND, "Position": "9", "Count": "9"})
    await scene.settles()
    assert [name for name, _ in scene.manager.sent].count("QueueStatus") == 2
    assert len(scene.manager.volumes()) == sent


async def test_a_count_that_does_not_fit_makes_it_look_again(scene):
    """An event was missed: the next one tells."""
    event = {"Event": "QueueCallerJoin", "Queue": "waiting-1", **FIRST, "Position": "3", "Count": "3"}
    await scene.take(event)
    assert [name for name, _ in scene.manager.sent][:1] == ["QueueStatus"]


async def test_it_looks_until_asterisk_answers(scene, monkeypatch):
    """Or nobody would be told anything for as long as the connection lasts."""
    monkeypatch.setattr("asterisk_plugin.callflow.ami_listener.REPEAT_S", 0.001)
    await scene.joins(FIRST, 1000.0)
    await scene.announces(FIRST)
    assert not scene.published.known[scene.wait_of(FIRST)]["nobody"], "it is not known whether anybody is there"
    scene.manager.error = ManagerLostError("no answer")
    scene.watch.up()
    await scene.take()
    scene.manager.answers["CoreShowChannels"] = [{"Response": "Success"}, {"Event": "CoreShowChannel", **FIRST}]
    scene.manager.error = None
    async with asyncio.timeout(30):
        await scene.manager.has_answered.wait()
    await scene.take()
    await scene.announces(FIRST)
    assert scene.published.known[scene.wait_of(FIRST)]["nobody"]


async def test_a_call_that_waits_again_is_another_wait(scene):
    """An agent sends the caller on to another queue: joined, told and ended on its own."""
    await scene.joins(FIRST, 1000.0)
    first = scene.wait_of(FIRST)
    await scene.connects(FIRST)
    scene.later(60)
    await scene.joins(FIRST, 1060.0)
    second = scene.wait_of(FIRST)
    await scene.announces(FIRST)
    assert (second != first, set(scene.published.known)) == (True, {second})
    await scene.connects(FIRST)
    assert [(left["wait"], left["how"]) for left in scene.left()] == [(first, "answered"), (second, "answered")]


@pytest.mark.parametrize(("joined", "rows"), [("yes", 0), ("no", 1)])
async def test_whose_joining_no_script_wrote_down_is_written_down(scene, joined, rows):
    """The service was away when the caller came."""
    await scene.joins(FIRST, 1000.0, joined=joined)
    assert len([one for one in scene.ledger.events if one.kind is EventKind.QUEUE_JOINED]) == rows


async def test_a_wish_and_what_came_of_it_are_written_down(scene):
    """Under the wish's name, which the end of the wait carries."""
    await scene.joins(FIRST, 1000.0)
    await scene.does("call-back", FIRST, Wish="1234567890123456")
    event = {"Event": "UserEvent", "UserEvent": "RingfenceCallBack", "Id": "1234567890123456", "Queue": "waiting-1"}
    await scene.take({**event, "Decision": "ALLOW", "Reason": "", "DialStatus": "ANSWER", **PLACEHOLDER})
    assert scene.left()[0]["wish"] == "1234567890123456"
    (called,) = [one for one in scene.ledger.events if one.kind is EventKind.QUEUE_CALLED_BACK]
    assert (called.body["wish"], called.body["decision"]) == ("1234567890123456", "ALLOW")


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
    assert scene.published.places == {scene.wait_of(PLACEHOLDER): 3}
