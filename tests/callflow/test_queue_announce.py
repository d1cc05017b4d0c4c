"""The scripts `queue` and `queue-wait`, and the talk about a call-back, on fakes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from line_person import HANG_UP, Person

from asterisk_plugin.callflow.call_back import CallBack
from asterisk_plugin.callflow.queue_announce import QueueDesk, queue, queue_wait
from asterisk_plugin.callflow.queue_evidence import wait_id
from asterisk_plugin.core.facts import Objection, PersonRecords
from asterisk_plugin.core.number import LineType, PhoneNumber
from asterisk_plugin.core.site import AtLimit
from asterisk_plugin.errors import ChannelHungUp, LedgerUnavailableError, StoreUnreachableError
from asterisk_plugin.ports import AgiRequest, EventKind
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, make_gate

CALLER = "+493023125001"
CHANNEL, UNIQUE_ID = "PJSIP/carrier-00000001", "1795967868.1"
SINCE = "1795967868.123"
WAIT = wait_id(b"s" * 32, UNIQUE_ID, CHANNEL, SINCE)


class Waits:
    """What is known of the one caller."""

    def __init__(self):
        self.known = None
        self.place = None
        self.asked = []

    async def read(self, wait, *, within_s):
        self.asked.append(wait)
        return self.known

    async def read_place(self, wait, *, within_s):
        self.asked.append(wait)
        return self.place


@pytest.fixture
def desk():
    gate = make_gate(FakeStore(), FakeLedger())
    return QueueDesk(gate, Waits(), CallBack(gate))


def change(desk, **changes):
    """The queue of the test site, changed."""
    queues = {"waiting-1": replace(desk.gate.site.queues["waiting-1"], **changes)}
    desk.gate.site = replace(desk.gate.site, queues=queues)


def caller(what, *, does=(), number=CALLER, pres=0, queue="waiting-1", within_s="60", state="Ring"):
    request = AgiRequest(
        "queue",
        (queue, CHANNEL, what, "linde", SINCE, within_s),
        channel=CHANNEL,
        unique_id=UNIQUE_ID,
        caller_number=number,
        calling_pres=pres,
    )
    return Person(request, list(does), state=state)


def hook(**more):
    request = AgiRequest("queue-wait", ("waiting-1", CHANNEL, UNIQUE_ID, "0.41", SINCE), channel="Local/hook-1;1")
    return Person(request, **more)


async def test_a_caller_who_joins_is_told_how_to_wait_and_written_down(desk):
    """Unanswered, told before each minute is over, something done before the carrier ends it."""
    person = caller("join")
    await queue(desk, person)
    assert person.set == {
        "RINGFENCE_QUEUE_EVERY_S": "58",
        "RINGFENCE_QUEUE_EARLY": "yes",
        "RINGFENCE_QUEUE_LIMIT_S": "75",
        "RINGFENCE_QUEUE_SPARE_S": "45",
        "RINGFENCE_QUEUE_CAMPAIGN": "linde-service",
        "RINGFENCE_LANGUAGE": "de",
        "RINGFENCE_QUEUE": "WAIT",
    }
    assert person.order[-1] == "set RINGFENCE_QUEUE", "last of all"
    (event,) = desk.gate.ledger.events
    assert (event.id, event.kind, event.person) == (WAIT, EventKind.QUEUE_JOINED, desk.gate.tag(CALLER))
    assert event.sealed == {"number": CALLER}
    assert event.body == {"wait": WAIT, "queue": "waiting-1", "principal": "linde", "unanswered": True}


async def test_a_queue_that_nobody_configured_waits_as_the_dialplan_says(desk):
    """Fails open."""
    person = caller("join", queue="other")
    await queue(desk, person)
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}
    assert desk.gate.ledger.events[0].body["unanswered"] is None


@pytest.mark.parametrize(("number", "pres"), [(CALLER, 32), ("", 0), ("anonymous", 0)])
async def test_a_withheld_number_is_written_nowhere(desk, number, pres):
    """Also where the network passes it on."""
    await queue(desk, caller("join", number=number, pres=pres))
    (event,) = desk.gate.ledger.events
    assert (event.person, event.sealed) == ("", None)


async def test_a_ledger_that_is_away_keeps_nobody_from_waiting(desk):
    """The fault is told."""
    desk.gate.ledger.error = LedgerUnavailableError("the disk is full")
    person = caller("join")
    await queue(desk, person)
    assert person.set["RINGFENCE_QUEUE"] == "WAIT"
    assert [where for where, _ in desk.gate.observer.faults] == ["queue"]


@pytest.mark.parametrize(("place", "said"), [(3, "3"), (None, "")])
async def test_who_comes_back_is_told_the_place(desk, place, said):
    """Where it is known."""
    desk.waits.place = place
    person = caller("again")
    await queue(desk, person)
    assert person.set == {"RINGFENCE_QUEUE_POSITION": said, "RINGFENCE_QUEUE": "WAIT"}
    assert desk.waits.asked == [WAIT]


async def test_a_waiting_caller_hears_what_is_known(desk):
    """And it is written down with the estimate behind it."""
    desk.waits.known = {
        "phrase": "wait-about-3",
        "longer": False,
        "estimate_s": 171.42,
        "position": 2,
        "is_first": True,
        "nobody": False,
        "free": True,
        "waited_s": 0.4,
    }
    person = hook()
    await queue_wait(desk, person)
    said = ["wait-about-3", "wait-free", "wait-press-1-call-back", "wait-press-9-objection"]
    assert person.heard == said
    (event,) = desk.gate.ledger.events
    assert event.body == {
        "wait": WAIT,
        "queue": "waiting-1",
        "waited_s": 0.4,
        "said": said,
        "estimate_s": 171.4,
        "position": 2,
        "is_whole": True,
    }


async def test_with_nothing_known_the_caller_hears_so(desk):
    """Store away, or no AMI: what the dialplan counted tells that it is the first time."""
    person = hook()
    await queue_wait(desk, person)
    assert person.heard == ["wait-unknown", "wait-press-1-call-back", "wait-press-9-objection"]
    assert desk.gate.ledger.events[0].body["waited_s"] == 0.41


async def test_a_person_is_offered_where_there_is_one(desk):
    """Key 0 leads nowhere else."""
    person = hook(person="1")
    await queue_wait(desk, person)
    assert "wait-press-0-person" in person.heard


async def test_words_that_an_agent_cut_short_are_written_down_as_such(desk):
    """The caller was told so much at least."""
    person = hook(does=["", HANG_UP])
    with pytest.raises(ChannelHungUp):
        await queue_wait(desk, person)
    body = desk.gate.ledger.events[0].body
    assert (body["is_whole"], body["said"]) == (False, ["wait-unknown", "wait-press-1-call-back"])


async def test_words_before_which_the_caller_was_gone_were_not_told(desk):
    """Nothing was heard."""
    person = hook()
    person.gone = ChannelHungUp("the call was hung up")
    with pytest.raises(ChannelHungUp):
        await queue_wait(desk, person)
    body = desk.gate.ledger.events[0].body
    assert (body["is_whole"], body["said"]) == (False, [])


def wishes(desk):
    return [event for event in desk.gate.ledger.events if event.kind is EventKind.CONSENT]


async def test_a_call_back_is_agreed_with_one_key_and_recorded(desk):
    """The person's own wish is the consent: to one campaign, for a day."""
    person = caller("call-back", does=["1"])
    await queue(desk, person)
    assert person.heard == ["call-back-number-ending-in", "digit-0", "digit-0", "digit-1", "call-back-confirm"]
    assert person.set["RINGFENCE_QUEUE"] == "CALL-BACK"
    assert person.set["RINGFENCE_QUEUE_NUMBER"] == CALLER
    assert len(person.set["RINGFENCE_QUEUE_WISH"]) == 16
    assert person.order[-1] == "set RINGFENCE_QUEUE"
    (wish,) = wishes(desk)
    assert wish.person == desk.gate.tag(CALLER)
    assert (wish.body["kind"], wish.body["principal"], wish.body["purpose"]) == ("requested-call", "linde", "service")
    assert wish.body["callable_until"] == (TUESDAY_11 + dt.timedelta(days=1)).isoformat()
    assert wish.sealed["wording"].endswith("call-back-confirm [1]")


@pytest.mark.parametrize("key", ["", "7", "0"])
async def test_any_other_key_goes_on_waiting(desk, key):
    """Nothing is recorded."""
    person = caller("call-back", does=[key])
    await queue(desk, person)
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}
    assert person.heard[-1] == "call-back-back-to-queue"
    assert wishes(desk) == []


async def test_another_number_is_entered_and_read_back(desk):
    """All of it: the person has just said it."""
    person = caller("call-back", does=["3", "0", *"3023125007", "#", "1"])
    await queue(desk, person)
    assert person.set["RINGFENCE_QUEUE_NUMBER"] == "+493023125007"
    assert "you-entered" in person.heard


async def test_a_withheld_number_is_asked_for(desk):
    """Never guessed."""
    person = caller("call-back", pres=32, does=["0", *"3023125007", "#", "1"])
    await queue(desk, person)
    assert person.heard[:2] == ["no-number-known", "enter-number"]
    assert person.set["RINGFENCE_QUEUE_NUMBER"] == "+493023125007"


async def test_a_star_begins_the_number_anew(desk):
    """As the prompt says."""
    person = caller("call-back", pres=32, does=["0", "9", "9", "*", "0", *"3023125007", "#", "1"])
    await queue(desk, person)
    assert person.set["RINGFENCE_QUEUE_NUMBER"] == "+493023125007"


async def test_a_number_that_is_none_is_asked_for_again_and_then_left(desk):
    """The caller keeps the place."""
    person = caller("call-back", pres=32, does=["1", "1", "#", "1", "2", "#", "1", "3", "#"])
    await queue(desk, person)
    assert person.heard.count("number-not-valid") == 2
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}


async def test_who_has_objected_is_not_promised_a_call(desk):
    """The gate would refuse it: an objection wins over a consent."""
    desk.gate.store.records = PersonRecords(objections=(Objection("linde", TUESDAY_11),))
    person = caller("call-back", does=["1"])
    await queue(desk, person)
    assert person.heard[-1] == "call-back-not-possible"
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}
    assert wishes(desk) == []
    assert not any(query.reserve for query in desk.gate.store.asked), "asking counts no attempt"


async def test_with_the_store_away_the_wish_is_noted(desk):
    """Whether the call may be made is decided when it is due."""
    desk.gate.store.error = StoreUnreachableError("gone")
    person = caller("call-back", does=["1"])
    await queue(desk, person)
    assert person.set["RINGFENCE_QUEUE"] == "CALL-BACK"


async def test_a_wish_that_cannot_be_recorded_is_not_promised(desk):
    """Said, and the place kept."""
    desk.gate.ledger.error = LedgerUnavailableError("the disk is full")
    person = caller("call-back", does=["1"])
    await queue(desk, person)
    assert person.heard[-1] == "call-back-not-recorded"
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}


async def test_at_the_carriers_limit_a_call_back_is_offered_first(desk):
    """Taken with one key; the rest is as if it had been asked for."""
    person = caller("limit", does=["1", "1"])
    await queue(desk, person)
    assert person.heard[0] == "call-back-offer"
    assert person.set["RINGFENCE_QUEUE"] == "CALL-BACK"
    assert "charged-soon" not in person.heard


async def test_who_does_not_take_it_hears_that_the_call_will_be_charged(desk):
    """Before it is answered."""
    person = caller("limit", does=[""])
    await queue(desk, person)
    assert person.heard == ["call-back-offer", "charged-soon"]
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}


async def test_where_the_site_only_answers_nothing_is_offered(desk):
    """`at_limit = "answer"`."""
    change(desk, at_limit=AtLimit.ANSWER)
    person = caller("limit")
    await queue(desk, person)
    assert person.heard == ["charged-soon"]


async def test_a_key_without_a_call_back_leads_back(desk):
    """No campaign calls back: the caller keeps the place."""
    change(desk, call_back=None)
    person = caller("call-back", does=["1"])
    await queue(desk, person)
    assert (person.heard, person.set) == ([], {"RINGFENCE_QUEUE": "WAIT"})


async def test_who_hangs_up_in_the_talk_has_wished_nothing(desk):
    """Only a confirmed number is called."""
    person = caller("call-back", does=[HANG_UP])
    with pytest.raises(ChannelHungUp):
        await queue(desk, person)
    assert wishes(desk) == []


@pytest.mark.parametrize("number", ["112", "110"])
async def test_an_emergency_number_is_called_back_by_nobody(desk, number):
    """It would pass every rule of the gate."""
    person = caller("call-back", pres=32, does=[*number, "#", "1"])
    await queue(desk, person)
    assert "number-not-valid" in person.heard
    assert person.set == {"RINGFENCE_QUEUE": "WAIT"}
    number = PhoneNumber("+49112", "DE", LineType.EMERGENCY, ())
    assert not await desk.call_back.is_possible(number, desk.gate.site.campaigns["linde-service"])


async def test_a_talk_that_might_outlast_the_carriers_patience_is_answered_first(desk):
    """Said before, and the dialplan's limit goes with it."""
    person = caller("call-back", does=["", "1"], within_s="12")
    await queue(desk, person)
    assert person.order[:4] == ["say charged-soon", "answer", "limit 180", "say call-back-number-ending-in"]
    assert person.set["RINGFENCE_QUEUE"] == "CALL-BACK"


async def test_a_talk_that_fits_is_free(desk):
    """Nothing is answered."""
    person = caller("call-back", does=["1"], within_s="30")
    await queue(desk, person)
    assert not {"answer", "say charged-soon"} & set(person.order)


async def test_who_is_charged_already_is_not_told_that_it_begins(desk):
    """Answered at the carrier's limit some time ago."""
    person = caller("call-back", does=["1"], within_s="12", state="Up")
    await queue(desk, person)
    assert "charged-soon" not in person.heard
