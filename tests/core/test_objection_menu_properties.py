"""The objection line under random keys, silences, hang-ups and failures: what holds on every call.

What was wished is worked out from what the person heard last and pressed then, not from the menu's own state.
"""

import random
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from objection_person import CALLED, OTHER, again_and_again, call, offer

from asterisk_plugin.core import objection_tree as tree
from asterisk_plugin.core.objection_menu import End, HungUp, Key, Listen, NotRecorded, Record, Recorded, Say, draw
from asterisk_plugin.core.objection_state import MOST_EVENTS, MOST_OTHER_NUMBERS
from asterisk_plugin.core.objection_tree import Phase

EVERYONE = "*"
KEYS = st.sampled_from("0123456789*#A")
NUMBER = list(f"{OTHER}#")
ONE_PRESS = st.one_of(
    KEYS,
    KEYS.map(lambda key: f"~{key}"),
    KEYS.map(lambda key: f"+{key}"),
    st.sampled_from(["1", "2", "3", "~1", "~2", "~3", "_", "+1", "+2", "+!"]),
).map(lambda press: [press])
PRESSES = st.lists(st.one_of(ONE_PRESS, st.just(NUMBER), st.just([*"3", *NUMBER])), max_size=25).map(
    lambda parts: [press for part in parts for press in part]
)
OFFERS = st.builds(
    offer,
    number=st.sampled_from([CALLED, None]),
    person_available=st.booleans(),
    tries=st.integers(1, 4),
    path=st.sampled_from(["call-end", "call-back"]),
    call_back=st.sampled_from(["+493023125010", ""]),
)
OUTAGES = st.one_of(st.just(()), st.sets(st.integers(0, 8)))


@dataclass(frozen=True)
class Ended:
    """How the person's presses are followed: hanging up, saying nothing more, or over and over again."""

    how: str

    def after(self, presses):
        return again_and_again(presses) if self.how == "never" else [*presses, *self.how]


ENDED = st.sampled_from(["!", "", "never"]).map(Ended)


def wishes(line):
    """(scope) of every 1 and 2 that was pressed where they mean an objection, with whether digits were asked for."""
    found, asked = [], line.heard[0]
    for event, actions in line.trace:
        if isinstance(event, Key) and event.key in ("1", "2") and "enter-number" not in asked:
            found.append(EVERYONE if event.key == "2" else "linde")
        said = [action.prompts for action in actions if isinstance(action, Say)]
        asked = said[0] if said else asked
    return found


def covered(durable, scope):
    return any(held in (scope, EVERYONE) for _, held in durable)


def is_plain(presses):
    """No key is typed while recording: its meaning is another test's."""
    return not any(press.startswith("+") for press in presses)


@settings(max_examples=400, deadline=None)
@given(PRESSES, OFFERS, OUTAGES, ENDED, st.sampled_from([0.0, 1.0, 30.0]))
def test_it_always_ends(presses, the_offer, outages, ended, seconds):
    """After a bounded number of keys and silences, with exactly one result, said last."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages, seconds=seconds)
    assert line.result in {"RECORDED", "NONE", "FAILED", "PERSON"}
    assert line.steps <= MOST_EVENTS + 60
    ends = [action for _, actions in line.trace for action in actions if isinstance(action, End)]
    assert ends[-1].result == line.result


@settings(max_examples=600, deadline=None)
@given(PRESSES.filter(is_plain), OFFERS.filter(lambda made: made.number), ENDED)
@example(["3", *OTHER, "#", "2"], offer(), Ended("!"))
@example(["_", "_", "_", "2"], offer(), Ended(""))
def test_no_pressed_one_or_two_is_lost_when_the_number_is_known(presses, the_offer, ended):
    """Whatever comes before and after it: an objection as wide as the widest wish is durable."""
    line = call(ended.after(presses), the_offer)
    for scope in wishes(line):
        assert covered(line.durable, scope)
        assert line.result in {"RECORDED", "PERSON"}


@settings(max_examples=600, deadline=None)
@given(PRESSES.filter(is_plain), OFFERS.filter(lambda made: not made.number), ENDED)
@example(["2", *OTHER], offer(None), Ended("!"))
def test_no_pressed_one_or_two_is_lost_when_the_number_is_not_known(presses, the_offer, ended):
    """Recorded as soon as a complete number stands, else told and reported as failed."""
    line = call(ended.after(presses), the_offer)
    for scope in wishes(line):
        if line.durable:
            assert covered(line.durable, scope)
        elif line.result == "FAILED":
            assert line.hung_up or "not-recorded" in line.heard[-1]
        else:
            assert line.result == "PERSON"


@settings(max_examples=300, deadline=None)
@given(PRESSES.filter(is_plain), OFFERS, OUTAGES, ENDED)
def test_a_wish_that_cannot_be_recorded_is_never_hidden(presses, the_offer, outages, ended):
    """With nothing durable at the end, a pressed 1 or 2 ends as failed, and the person still there is told."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages)
    if wishes(line) and not line.durable:
        assert line.result in {"FAILED", "PERSON"}
    if line.result == "FAILED" and not line.hung_up:
        assert {"not-recorded", "last-not-recorded"} & set(line.said)
        assert ("please-call" in line.said) == bool(the_offer.call_back)


@settings(max_examples=400, deadline=None)
@given(PRESSES, OFFERS, OUTAGES, ENDED)
def test_nothing_is_confirmed_falsely(presses, the_offer, outages, ended):
    """A confirmation carries the reference and the last three digits of the last durable objection, no more."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages)
    held, records = None, []
    for event, actions in line.trace:
        if isinstance(event, Recorded):
            held = (event.reference, records[-1])
        for action in actions:
            if isinstance(action, Record):
                records.append(action)
            if isinstance(action, Say) and {"recorded-company", "recorded-everyone"} & set(action.prompts):
                assert held, "nothing is durable"
                reference, record = held
                at = action.prompts.index("number-ending-in")
                spoken = "".join(prompt.removeprefix("digit-") for prompt in action.prompts[at + 1 : at + 12])
                assert spoken == f"{record.number.e164[-3:]}your-reference-is{reference}"
                assert ("recorded-everyone" in action.prompts) == (record.scope == EVERYONE)


@settings(max_examples=300, deadline=None)
@given(PRESSES, OFFERS, OUTAGES, ENDED)
def test_nothing_is_recorded_that_nobody_asked_for(presses, the_offer, outages, ended):
    """No number but the person's own and one that was entered; nothing twice; nothing without 1, 2 or 3."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages)
    own = the_offer.number.e164 if the_offer.number else None
    pressed = [event.key for event, _ in line.trace if isinstance(event, Key)]
    assert len(line.durable) == len(set(line.durable))
    assert not line.records or {"1", "2", "3"} & set(pressed)
    for record in line.records:
        assert record.scope in {"linde", EVERYONE}
        assert record.number.e164 == own or record.certainty in {"entered", "unconfirmed"}
        if record.number.e164 == own:
            assert record.certainty == the_offer.certainty


MANY_NUMBERS = st.lists(
    st.one_of(
        ONE_PRESS,
        st.integers(0, 9).map(lambda digit: [*f"3030901825{digit}#"]),
        st.integers(0, 9).map(lambda digit: ["1", *(f"+{key}" for key in f"3030901825{digit}#1")]),
    ),
    max_size=30,
).map(lambda parts: [press for part in parts for press in part])


@settings(max_examples=400, deadline=None)
@given(MANY_NUMBERS, OFFERS, OUTAGES, ENDED)
@example([*"".join(f"3030901825{digit}#1" for digit in range(3))], offer(), (), Ended("!"))
def test_nobody_can_stop_calls_to_a_list_of_numbers(presses, the_offer, outages, ended):
    """Whatever is pressed, and however recording goes; the person's own known number is not counted."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages)
    own = {the_offer.number.e164} if the_offer.number else set()
    assert len({record.number.e164 for record in line.records} - own) <= MOST_OTHER_NUMBERS


@settings(max_examples=300, deadline=None)
@given(st.lists(KEYS, max_size=25), OFFERS, st.sampled_from(["1", "2"]))
def test_keys_typed_while_recording_mean_what_they_mean_after_it(keys, the_offer, first):
    """Whether recording took long cannot change what is recorded."""
    opening = [first] if the_offer.number else [first, *NUMBER, "1"]
    # Once the menu is saying its last words, only some keys cut them, and which is heard depends on the moment.
    during = call([*opening, *(f"+{key}" for key in keys)], the_offer)
    after = call([*opening, *keys], the_offer)
    assert during.durable == after.durable
    assert during.result == after.result


@settings(max_examples=300, deadline=None)
@given(PRESSES, OFFERS, OUTAGES, ENDED)
def test_nobody_is_left_waiting(presses, the_offer, outages, ended):
    """Actions end in Listen, Record or End; they are empty only while a recording is under way."""
    line = call(ended.after(presses), the_offer, can_record=lambda n: n not in outages)
    is_recording = False
    for event, actions in line.trace:
        if not actions:
            assert is_recording
            assert isinstance(event, Key | HungUp)
            continue
        assert isinstance(actions[-1], Listen | Record | End)
        assert all(isinstance(action, Say) or action is actions[-1] for action in actions[:-1] if len(actions) < 3)
        if isinstance(event, Recorded | NotRecorded):
            is_recording = False
        is_recording = is_recording or isinstance(actions[-1], Record)


@settings(max_examples=300, deadline=None)
@given(PRESSES, OFFERS, ENDED)
def test_nothing_is_said_to_whoever_hung_up(presses, the_offer, ended):
    """After hanging up comes at most a recording, then the end."""
    line = call(ended.after(presses), the_offer)
    gone = False
    for event, actions in line.trace:
        gone = gone or isinstance(event, HungUp)
        assert not gone or all(isinstance(action, Record | End) for action in actions)


def walked():
    """Every transition taken on many random calls: (phase, key, phase)."""
    chance, taken = random.Random(3), set()
    words = [
        *"0123456789*#A",
        "_",
        "~1",
        "~2",
        "~3",
        "~0",
        "!",
        "1",
        "2",
        "3",
        OTHER,
        f"{OTHER}#",
        f"3{OTHER}#",
        f"3{OTHER}#1",
    ]
    for _ in range(6000):
        presses = [mark for _ in range(chance.randrange(1, 14)) for mark in parts(chance.choice(words))]
        rare = chance.random()  # what hardly ever happens by chance alone
        if rare < 0.1:  # the same number twice
            presses = [*f"3{OTHER}#13{OTHER}#", *presses]
        elif rare < 0.12:  # one number more than are taken
            presses = [*"".join(f"3030901825{digit}#1" for digit in range(3)), *presses]
        number = chance.choice([CALLED, None])
        line = call(
            presses,
            offer(number, person_available=chance.random() < 0.6, tries=chance.randrange(1, 4)),
            can_record=lambda _: chance.random() < 0.7,
            seconds=chance.choice([0, 0, 60]),
        )
        taken.update(line.moved)
    return taken


def parts(word):
    return [word] if word.startswith("~") else list(word)


@pytest.fixture(scope="module")
def taken():
    return walked()


def edge_of(phase, name):
    return tree.edge_for(phase, tree.SILENCE if name == "Silence" else name)


def test_every_transition_taken_is_drawn(taken):
    """What is drawn is what happens; once keys or time are used up, anything may lead to the end."""
    for phase, name, to, is_spent in taken:
        if name in ("Recorded", "NotRecorded"):
            allowed = tree.RESULTS[tree.RECORDED if name == "Recorded" else tree.NOT_RECORDED]
        elif name == "HungUp":
            allowed = (Phase.ENDED, Phase.RECORDING) if phase in (Phase.ENTER, Phase.CONFIRM) else (Phase.ENDED,)
        else:
            allowed = edge_of(phase, name).to
        ways_out = (Phase.RECORDING, Phase.CLOSING, Phase.ENDED) if is_spent else ()
        assert to in (*allowed, *ways_out), f"{phase} --{name}--> {to}"


def test_every_transition_drawn_is_taken(taken):
    """An arrow that nobody can follow would be a lie."""
    followed = {(phase, edge_of(phase, name), to) for phase, name, to, _ in taken if phase in tree.TREE}
    for phase, edges in tree.TREE.items():
        for edge in edges:
            if phase in tree.CUTS and edge.keys in (tree.OTHER, tree.SILENCE):
                continue  # nobody is listened to there: a test by itself hands them over
            for to in edge.to:
                assert (phase, edge, to) in followed, f"{phase} --{edge.keys}--> {to}"
    for name, listed in (("Recorded", tree.RECORDED), ("NotRecorded", tree.NOT_RECORDED)):
        assert {to for _, event, to, _ in taken if event == name} == set(tree.RESULTS[listed])


def test_the_drawing_holds_every_phase_and_every_edge():
    """One line for each arrow; Mermaid reads a hash as an entity and a colon as the end of a name."""
    lines = draw().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert sum(len(edge.to) for edges in tree.TREE.values() for edge in edges) <= len(lines)
    for phase in Phase:
        if phase is not Phase.ENDED:
            assert any(line.strip() == f'state "{phase}" as {phase.replace(" ", "_")}' for line in lines)
    assert "#" not in draw()
    assert "    menu --> recording : 1, object to the company" in lines
    assert all(line.count(":") <= 1 for line in lines)
