"""The objection line, on fakes: what is heard, recorded, confirmed, written down and told to the dialplan."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asterisk_plugin.callflow.objection_line import ObjectionLine, objection
from asterisk_plugin.callflow.objections import Claim, Taken
from asterisk_plugin.core.site import LineMode, OtherNumber
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandRefusedError,
    LedgerUnavailableError,
    ReplyTimeoutError,
)
from asterisk_plugin.ports import EventKind
from tests.callflow.line_person import (
    FREEZE,
    HANG_UP,
    NOWHERE,
    REFUSE,
    TOKEN,
    Attempts,
    Person,
    Recorder,
    called,
)
from tests.fakes import FakeLedger, make_gate

BERLINER = "+493023125001"
OTHER = "030 23125 022"
LINDE = (BERLINER, "linde-de", TOKEN, "call-end")


def make_line(history: Attempts | None = None, ledger: FakeLedger | None = None) -> ObjectionLine:
    return ObjectionLine(make_gate(ledger=ledger), Recorder(), history, look_up_s=0.05)


async def talk(person: Person, line: ObjectionLine | None = None) -> ObjectionLine:
    """One whole call."""
    line = line or make_line()
    async with asyncio.timeout(30):
        await objection(line, person)
    return line


def written(line: ObjectionLine):
    """The one event that tells of the talk."""
    (event,) = line.gate.ledger.events
    assert event.kind is EventKind.OBJECTION_LINE
    return event


async def test_one_key_is_recorded_and_confirmed_with_a_reference():
    """Answered, in the campaign's language, who called for whom; and only then the dialplan is told."""
    person = called(*LINDE, does=["1"])
    line = await talk(person)
    (claim,) = line.objections.claims
    assert (claim.number, claim.scope, claim.channel, claim.certainty) == (BERLINER, "linde", "ivr", "called")
    assert (claim.attempt_id, claim.language, claim.path, claim.call) == (TOKEN, "de", "call-end", "1764000000.7")
    assert claim.at == line.gate.clock()
    assert claim.wording.endswith("[1]")
    assert person.order[0] == "answer"
    assert person.language == "de"
    assert person.heard[:5] == ["line-greeting", "you-were-called-by", "centre-centre", "on-behalf-of", "company-linde"]
    told = person.heard.index("recorded-company")
    assert [name[-1] for name in person.heard[told:] if name.startswith("digit-")] == list("001" + "1234567")
    assert person.set == {"RINGFENCE_OBJECTION_TAKEN": "yes", "RINGFENCE_OBJECTION": "RECORDED"}
    assert person.order.index("set RINGFENCE_OBJECTION_TAKEN") < person.order.index("say recorded-company")
    assert person.order[-1] == "set RINGFENCE_OBJECTION"


async def test_two_stops_everyone():
    """Whom this call centre calls for."""
    person = called(*LINDE, does=["2"])
    line = await talk(person)
    assert [claim.scope for claim in line.objections.claims] == ["*"]
    assert "recorded-everyone" in person.heard


async def test_who_presses_nothing_objects_to_nothing():
    """And hears a goodbye."""
    person = called(*LINDE)
    line = await talk(person)
    assert line.objections.claims == []
    assert person.set == {"RINGFENCE_OBJECTION": "NONE"}
    assert person.heard[-1] == "goodbye"


async def test_a_question_and_its_waiting_are_one_command():
    """Between two commands Asterisk loses keys."""
    person = called(*LINDE, does=["1"])
    await talk(person)
    questions = [message for message in person.messages if "goodbye" not in message[0]]
    assert questions
    assert all(keys == "0123456789*#" and wait_s == 6 for _, keys, wait_s in questions)


async def test_nothing_is_confirmed_that_is_on_no_disk():
    """The person is told so, with the number to call."""
    line = make_line()
    line.objections.error = NOWHERE
    person = called(*LINDE, does=["1"])
    await talk(person, line)
    assert not {"recorded-company", "recorded-everyone"} & set(person.heard)
    assert {"not-recorded", "goodbye"} <= set(person.heard)
    assert person.set == {"RINGFENCE_OBJECTION": "FAILED"}
    assert ("objection", NOWHERE) in line.gate.observer.faults
    assert written(line).body["objections"] == []


async def test_a_bug_in_recording_is_no_confirmation_either():
    """Whatever it is."""
    line = make_line()
    line.objections.error = ZeroDivisionError()
    person = called(*LINDE, does=["1"])
    await talk(person, line)
    assert person.set == {"RINGFENCE_OBJECTION": "FAILED"}
    assert "recorded-company" not in person.heard


async def test_keys_pressed_while_it_is_being_recorded_count():
    """1 and then at once 2: from this company, and then from everyone."""
    person = called(*LINDE, does=["1"], meanwhile=["", "2"])
    line = make_line()
    line.objections.may_take.clear()

    async def let_take() -> None:
        await line.objections.asked.wait()
        while person.meanwhile:  # noqa: ASYNC110 - the person presses at no event of ours
            await asyncio.sleep(0)
        line.objections.may_take.set()

    await asyncio.gather(talk(person, line), let_take())
    assert [claim.scope for claim in line.objections.claims] == ["linde", "*"]
    assert written(line).body["moves"] == ["object-company", "widen", "finish"]
    assert "recorded-everyone" in person.heard


@pytest.mark.parametrize("leaves", [HANG_UP, FREEZE])
async def test_who_hangs_up_after_the_key_has_objected(leaves):
    """While it is being recorded, before any confirmation; a frozen Asterisk is no different."""
    person = called(*LINDE, does=["1"], meanwhile=[leaves])
    line = make_line()
    with pytest.raises((ChannelHungUp, ReplyTimeoutError)):
        await talk(person, line)
    assert [claim.scope for claim in line.objections.claims] == ["linde"]
    event = written(line)
    assert event.body["result"] == "RECORDED"
    assert len(event.body["objections"]) == 1
    assert person.set == {}


@pytest.mark.parametrize("does", [[HANG_UP], ["9", HANG_UP], [FREEZE]])
async def test_who_hangs_up_without_a_key_has_not(does):
    """And the talk is written down all the same."""
    person, line = called(*LINDE, does=does), make_line()
    with pytest.raises((ChannelHungUp, ReplyTimeoutError)):
        await talk(person, line)
    assert line.objections.claims == []
    assert written(line).body["result"] == "NONE"


async def test_who_is_gone_before_the_greeting_is_noted():
    """The call ends between the dialplan and us."""
    person, line = called(*LINDE), make_line()
    person.gone = ChannelHungUp("gone")
    with pytest.raises(ChannelHungUp):
        await talk(person, line)
    assert written(line).body["said"] == []


async def test_a_number_entered_and_never_confirmed_counts_when_the_person_hangs_up():
    """In doubt it is an objection, with the certainty that it has."""
    keys = ["1", *filter(str.isdigit, OTHER), "#", HANG_UP]
    person, line = called("", "linde-de", "", "call-end", does=keys), make_line()
    with pytest.raises(ChannelHungUp):
        await talk(person, line)
    (claim,) = line.objections.claims
    assert (claim.number, claim.certainty) == ("+493023125022", "unconfirmed")


async def test_what_was_entered_is_sealed_and_never_clear():
    """Neither the digits pressed nor those read back; the whole of it is under the person's key."""
    digits = "".join(filter(str.isdigit, OTHER))
    person = called(*LINDE, does=["3", *digits, "#", "1"])
    line = await talk(person)
    assert [(claim.number, claim.certainty) for claim in line.objections.claims] == [("+493023125022", "entered")]
    event = written(line)
    assert event.body["moves"] == ["other-number", "complete", "confirm", "finish"]
    assert digits not in str(event.body)
    assert not [name for name in event.body["said"] if name.startswith("digit-")]
    assert event.person == line.gate.tag(BERLINER)
    assert event.sealed["number"] == BERLINER
    assert "[3] enter-number [0] [3] [0]" in event.sealed["wording"]


PRESSES = st.lists(
    st.one_of(
        st.sampled_from([[key] for key in ("", *"0123456789*#")]),
        st.integers(30_0000000, 30_9999999).map(lambda number: [*f"30{number}#1"]),
        st.integers(30_0000000, 30_9999999).map(lambda number: ["1", *f"0{number}", "", "#"]),
    ),
    max_size=12,
).map(lambda parts: [press for part in parts for press in part])


@settings(max_examples=150, deadline=None)
@given(PRESSES, PRESSES, st.booleans())
@example(["1"], [*"3030901821#1"], True)  # while it is being recorded
@example([*"30309", "", *"01821", "#"], [], True)  # a pause in mid-number: the rest are keys of a menu
@example([*"0309018212"], [], False)  # at the menu
def test_no_part_of_a_number_is_clear_however_it_was_entered(does, meanwhile, is_known):
    """Four digits in a row, wherever they were pressed, are nowhere in what anybody may read."""
    person = called(BERLINER if is_known else "", "linde-de", "", "call-end", does=does, meanwhile=meanwhile)
    person.request = dataclasses.replace(person.request, unique_id="call")
    line = ObjectionLine(make_gate(), NamelessRecorder(), None, look_up_s=0.05)
    asyncio.run(objection(line, person))
    pressed = [*(key for key in does if key.isdigit()), "-", *(key for key in meanwhile if key.isdigit())]
    runs = {"".join(pressed[at : at + 4]) for at in range(len(pressed) - 3)}
    clear = json.dumps(dict(written(line).body))
    assert [run for run in runs if run in clear] == []


class NamelessRecorder(Recorder):
    """An objection's id tells nothing, as in the ledger."""

    async def take(self, claim: Claim) -> Taken:
        return dataclasses.replace(await super().take(claim), event_id="objection")


@pytest.mark.parametrize("rule", list(OtherNumber))
async def test_an_objection_carries_the_admins_rule_for_a_number_less_well_known(rule):
    """Keyed in or only shown by the network; the number that we called needs none."""
    for arguments, does, expected in (
        (LINDE, ["1"], ("called", "")),
        (LINDE, [*"3030901821#1"], ("entered", rule.value)),
        ((BERLINER, "", "+493023125100", "call-back"), ["1"], ("caller-id", rule.value)),
        (("", "linde-de", "", "call-end"), [*"1030901821#", "", "", ""], ("unconfirmed", rule.value)),
    ):
        line = make_line()
        settings_of_line = dataclasses.replace(line.gate.site.objection_line, other_number=rule)
        line.gate.site = dataclasses.replace(line.gate.site, objection_line=settings_of_line)
        await talk(called(*arguments, does=does), line)
        (claim,) = line.objections.claims
        assert (claim.certainty, claim.other_number) == expected


async def test_the_talk_is_written_down_once_at_the_end():
    """Who, where from, what was said and pressed, what came of it."""
    line = await talk(called(*LINDE, does=["5", "1"]))
    body = written(line).body
    assert {name: body[name] for name in ("call", "path", "campaign", "principal", "attempt_id", "language")} == {
        "call": "1764000000.7",
        "path": "call-end",
        "campaign": "linde-de",
        "principal": "linde",
        "attempt_id": TOKEN,
        "language": "de",
    }
    assert (body["moves"], body["result"]) == (["wrong", "object-company", "finish"], "RECORDED")
    assert body["said"][:2] == ["line-greeting", "you-were-called-by"]
    assert "not-an-option" in body["said"]
    assert body["objections"] == [f"event-{BERLINER}-linde"]


async def test_without_the_ledger_the_line_works_all_the_same():
    """Objections have a spool; the account of the talk has not."""
    ledger = FakeLedger()
    ledger.error = LedgerUnavailableError("away")
    person = called(*LINDE, does=["1"])
    line = await talk(person, make_line(ledger=ledger))
    assert person.set["RINGFENCE_OBJECTION"] == "RECORDED"
    assert ledger.error in [error for _, error in line.gate.observer.faults]


async def test_of_somebody_unknown_only_the_clear_part_is_kept():
    """Nobody's key could seal it."""
    line = await talk(called("", "linde-de", "", "call-end"))
    assert (written(line).person, written(line).sealed) == ("", None)


async def test_a_fault_leaves_the_word_to_the_second_try():
    """The dialplan then asks the program, which begins anew; the evidence says that it broke off."""
    person, line = called(*LINDE, does=["1", REFUSE], refuses=CommandRefusedError("510")), make_line()
    with pytest.raises(CommandRefusedError):
        await talk(person, line)
    assert person.set == {"RINGFENCE_OBJECTION_TAKEN": "yes"}
    assert written(line).body["result"] == "BROKEN-OFF"


async def test_a_service_that_stops_in_the_middle_lets_the_recording_finish():
    """The second try goes on with the person."""
    person, line = called(*LINDE, does=["1"], meanwhile=[""] * 1000), make_line()
    line.objections.may_take.clear()
    task = asyncio.ensure_future(objection(line, person))
    await line.objections.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "RINGFENCE_OBJECTION" not in person.set
    assert written(line).body["result"] == "BROKEN-OFF"


async def test_key_0_leads_to_a_person_where_the_site_has_one():
    """The site's dialplan says so."""
    there = called(*LINDE, does=["0"], person="1")
    await talk(there)
    assert there.set == {"RINGFENCE_OBJECTION": "PERSON"}
    assert "press-0-person" in there.heard
    nobody = called(*LINDE, does=["0"])
    await talk(nobody)
    assert nobody.set == {"RINGFENCE_OBJECTION": "NONE"}
    assert "press-0-person" not in nobody.heard


async def test_names_without_a_sound_are_replaced():
    """Asterisk is asked: it may run on another machine."""
    person = called(*LINDE, sounds=frozenset())
    await talk(person)
    assert person.heard[1:5] == ["you-were-called-by", "a-centre-unknown", "on-behalf-of", "a-company-unknown"]


async def test_an_asterisk_without_prompts_is_complained_about():
    """The person hears nothing; a key counts all the same."""
    person = called(*LINDE, does=["1"], has_prompts=False)
    line = await talk(person)
    assert person.set["RINGFENCE_OBJECTION"] == "RECORDED"
    assert "has no prompts in `de`" in str(line.gate.observer.faults[0][1])
    assert make_line().gate.observer.faults == []


@pytest.mark.parametrize(
    ("mode", "paths"),
    [
        (LineMode.ALWAYS, {"call-end", "queue", "agent", "transfer", "call-back"}),
        (LineMode.OFFERED, {"agent", "transfer", "call-back"}),
        (LineMode.NEVER, {"agent", "transfer", "call-back"}),
    ],
)
async def test_a_campaign_says_when_its_calls_lead_there(mode, paths):
    """Else the dialplan goes on, and the call is not even answered."""
    for path in ("call-end", "queue", "agent", "transfer", "call-back"):
        line = with_mode(mode, "linde-de")
        person = called(BERLINER, "linde-de", "+493023125100" if path == "call-back" else TOKEN, path)
        await talk(person, line)
        if path in paths:
            assert person.set == {"RINGFENCE_OBJECTION": "NONE"}
        else:
            assert person.set == {"RINGFENCE_OBJECTION": "SKIPPED"}
            assert (person.heard, person.order) == ([], ["set RINGFENCE_OBJECTION"])


async def test_where_the_law_wants_it_in_every_call_a_campaign_cannot_do_without():
    """In the Netherlands; and of a number that is not known the strictest law is taken."""
    for number in ("+31612345678", ""):
        person = called(number, "tulip-nl", "", "call-end")
        await talk(person, with_mode(LineMode.NEVER, "tulip-nl"))
        assert person.set == {"RINGFENCE_OBJECTION": "NONE"}


async def test_who_cannot_be_recorded_is_told_the_sites_number_or_the_campaigns():
    """As dialled in the home country."""
    for number, digits in (("+4930225544", "030225544"), ("", "03023125100")):
        line = make_line()
        settings = dataclasses.replace(line.gate.site.objection_line, call_back=number)
        line.gate.site = dataclasses.replace(line.gate.site, objection_line=settings)
        line.objections.error = NOWHERE
        person = called(*LINDE, does=["1"])
        await talk(person, line)
        after = person.heard[person.heard.index("please-call") + 1 :]
        assert "".join(name[-1] for name in after if name.startswith("digit-")) == digits


def with_mode(mode: LineMode, campaign_id: str) -> ObjectionLine:
    line = make_line()
    site = line.gate.site
    campaign = dataclasses.replace(site.campaigns[campaign_id], objection_line=mode)
    line.gate.site = dataclasses.replace(site, campaigns={campaign_id: campaign})
    return line
