"""The objection line: what is heard and recorded for what is pressed."""

import dataclasses

import pytest
from objection_person import CALLED, MIDNIGHT, OTHER, OTHER_E164, call, offer

from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.objection_menu import (
    End,
    HungUp,
    Key,
    Listen,
    Offer,
    Phase,
    Record,
    Recorded,
    Say,
    Silence,
    start,
    step,
)
from asterisk_plugin.core.objection_state import MOST_EVENTS, MOST_OTHER_NUMBERS, MOST_REFUSALS
from asterisk_plugin.core.objection_tree import KEYS
from asterisk_plugin.core.prompts import OBJECTION_NAMES, PROMPT_NAMES, PROMPTS, QUEUE_NAMES, digit_prompts

NOW = MIDNIGHT
OWN = parse_number(CALLED, "DE")
ALL = "*"
NEVER = {"can_record": lambda _attempt: False}


def spoken(prompts):
    """The digits among prompts, as a text."""
    return "".join(prompt[-1] for prompt in prompts if prompt.startswith("digit-"))


# --- the first words


def test_it_says_who_called_and_for_whom_and_what_can_be_pressed():
    """In this order; every key cuts it."""
    _, (say, listen) = start(offer(timeout_s=4))
    assert say == Say(
        (
            *("line-greeting", "you-were-called-by", "centre-rufwerk", "on-behalf-of", "company-linde"),
            *("press-1-company", "press-2-everyone", "press-3-other-number", "press-9-repeat"),
        ),
        KEYS,
    )
    assert listen == Listen(4)


def test_a_company_that_calls_for_itself_is_named_once():
    """Nobody calls on behalf of themselves."""
    said = call("!", offer(centre_name="centre-linde")).said
    assert said[:3] == ["line-greeting", "you-were-called-by", "company-linde"]
    assert "on-behalf-of" not in said


def test_a_call_back_is_told_whose_number_it_is():
    """Whether we called this very person is not always known."""
    said = call("!", offer(path="call-back")).said
    assert said[1:3] == ["this-number-is-used-by", "centre-rufwerk"]
    assert "you-were-called-by" not in said


def test_a_person_is_offered_only_where_one_is():
    """Key 0 without anybody behind it is not an option."""
    assert "press-0-person" in call("!", offer(person_available=True)).said
    alone = call("0!")
    assert "press-0-person" not in alone.said
    assert alone.heard[1][0] == "not-an-option"


# --- one key press


@pytest.mark.parametrize(
    ("key", "scope", "prompt"), [("1", "linde", "recorded-company"), ("2", ALL, "recorded-everyone")]
)
def test_one_key_press_records_at_once(key, scope, prompt):
    """No second confirmation is asked; what was recorded is said with a reference and three digits."""
    done = call(key)
    assert done.records == [Record(scope, OWN, "called")]
    assert done.trace[0][1] == (done.records[0],)
    confirmation = done.heard[1]
    assert confirmation[0] == prompt
    at = confirmation.index("your-reference-is")
    assert confirmation[1:at] == ("number-ending-in", *digit_prompts(CALLED[-3:]))
    assert confirmation[at + 1 : at + 8] == digit_prompts("0000000")
    assert done.heard[2:] == [("goodbye",)]
    assert done.result == "RECORDED"


def test_nothing_is_confirmed_before_it_is_durable():
    """Between the key and the result nothing is said."""
    state, _ = start(offer())
    state, actions = step(state, Key("1"), NOW)
    assert actions == (Record("linde", OWN, "called"),)
    assert step(state, Key("9"), NOW)[1] == ()
    _, (say, _) = step(state, Recorded("1234567"), NOW)
    assert spoken(say.prompts) == CALLED[-3:] + "1234567"


def test_two_after_one_widens_to_everyone():
    """And the reference told is the new one."""
    done = call("1~2")
    assert done.durable == [(CALLED, "linde"), (CALLED, ALL)]
    assert spoken(done.heard[2]) == CALLED[-3:] + "0000001"
    assert "press-2-everyone" in done.heard[1]
    assert "press-2-everyone" not in done.heard[2]


@pytest.mark.parametrize("presses", ["11", "1~1", "22", "21", "1212", "1+1", "2+1+2"])
def test_pressing_again_records_nothing_twice(presses):
    """A reference is repeated, not replaced."""
    done = call(presses)
    assert len(done.records) == len(set(done.durable))
    assert done.result == "RECORDED"


def test_nine_repeats_who_called_before_and_the_reference_after():
    """It is not a failure, however often."""
    before = call("9999")
    assert before.heard[:5] == [before.heard[0]] * 5
    after = call("1999")
    assert after.heard[1:5] == [after.heard[1]] * 4


def test_the_certainty_of_a_shown_number_is_kept():
    """A call back is known by what the network shows."""
    assert call("1", offer(certainty="caller-id")).records[0].certainty == "caller-id"


def test_one_is_for_everyone_where_the_company_is_not_known():
    """Nobody can say which company it was, so none may call; and that is what is said."""
    done = call("1~2", offer(principal_id=ALL, company_name="a-company-unknown"))
    assert done.durable == [(CALLED, ALL)]
    assert done.heard[1][0] == "recorded-everyone"


def test_zero_leads_to_a_person():
    """After a word that it is so."""
    done = call("0", offer(person_available=True))
    assert done.heard[1] == ("connecting-person",)
    assert done.trace[-1][1][1:] == (End("PERSON"),)


def test_one_pressed_on_the_way_to_a_person_still_counts():
    """The last words can be cut by 1 and 2."""
    done = call("01", offer(person_available=True))
    assert done.durable == [(CALLED, "linde")]
    assert done.result == "RECORDED"


def test_zero_after_the_confirmation_leads_to_a_person():
    """The objection stays recorded."""
    done = call("1~0", offer(person_available=True))
    assert (done.result, done.durable) == ("PERSON", [(CALLED, "linde")])


# --- wrong keys, silence


@pytest.mark.parametrize(
    ("presses", "why"), [("456", "not-an-option"), ("#*7", "not-an-option"), ("___", "nobody-there")]
)
def test_three_failures_end_politely(presses, why):
    """What went wrong is said each time, then what can be pressed, at last goodbye."""
    done = call(presses)
    assert [prompts[0] for prompts in done.heard] == ["line-greeting", why, why, why]
    assert done.heard[1][1] == "press-1-company"
    assert done.heard[3] == (why, "goodbye")
    assert (done.result, done.records) == ("NONE", [])


def test_how_many_failures_is_configured():
    """One is enough when the site says so."""
    assert call("_", offer(tries=1)).heard[1] == ("nobody-there", "goodbye")


@pytest.mark.parametrize(("key", "scope"), [("1", "linde"), ("2", ALL)])
def test_a_one_or_two_pressed_into_the_goodbye_still_counts(key, scope):
    """Whoever was slow has objected all the same."""
    done = call(["_", "_", "_", key])
    assert done.durable == [(CALLED, scope)]
    assert done.result == "RECORDED"


def test_other_keys_do_not_cut_the_goodbye_short():
    """They would take away the chance to press 1, and the number to call."""
    done = call("4567*1")
    assert done.durable == [(CALLED, "linde")]


def test_nine_in_the_goodbye_gives_the_reference_again():
    """It is what whoever presses 9 there has missed."""
    done = call("1_9")
    assert "your-reference-is" in done.heard[3]


# --- another number


def test_another_number_is_read_back_and_recorded_when_confirmed():
    """Digit by digit as entered; with its lower certainty; two calls' worth of scopes stay possible."""
    done = call(f"3{OTHER}#~1")
    assert done.heard[1] == ("enter-number",)
    assert done.heard[2] == ("you-entered", *digit_prompts(OTHER), "press-1-confirm-3-again")
    assert done.records == [Record("linde", parse_number(OTHER_E164, "DE"), "entered")]
    assert spoken(done.heard[3]) == OTHER[-3:] + "0000000"


def test_another_number_can_be_widened_to_everyone():
    """Key 2 is about the number just recorded."""
    assert call(f"3{OTHER}#1~2").durable == [(OTHER_E164, "linde"), (OTHER_E164, ALL)]


def test_the_number_that_was_called_is_as_certain_when_entered():
    """It is the same line."""
    assert call("3030901820#1").records[0].certainty == "called"


def test_silence_completes_a_number():
    """Whoever does not find the hash key is not sent away."""
    assert call([*f"3{OTHER}", "_", "~1"]).durable == [(OTHER_E164, "linde")]


def test_a_star_starts_the_number_again():
    """What was entered before it is forgotten."""
    done = call(f"30309*{OTHER}#1")
    assert done.durable == [(OTHER_E164, "linde")]
    assert done.heard[2] == ("enter-number",)


def test_three_or_star_at_the_read_back_enters_the_number_again():
    """The number that was wrong is not recorded, not even when the person hangs up then."""
    assert call(f"3030901822#3{OTHER}#1").durable == [(OTHER_E164, "linde")]
    assert call(f"3030901822#*{OTHER}#1").heard[3] == ("enter-number",)
    assert call("3030901822#3!").durable == []


def test_a_second_hash_at_the_end_of_a_number_is_no_mistake():
    """It is read back again."""
    done = call(f"3{OTHER}##1")
    assert "not-an-option" not in done.said
    assert done.durable == [(OTHER_E164, "linde")]


@pytest.mark.parametrize(
    "entered", ["#", "0#", "03090#", "112#", "110#", "11833#", "0" * 30 + "#", "0309018210309018210309018#"]
)
def test_what_is_no_number_is_asked_for_again(entered):
    """Nothing, too little, too much, emergency and short numbers."""
    done = call(f"3{entered}{OTHER}#1")
    assert done.heard[2] == ("number-not-valid", "enter-number")
    assert done.durable == [(OTHER_E164, "linde")]


def test_a_number_abroad_can_be_entered():
    """With the international prefix as dialled here."""
    assert call("300312055501 01#1".replace(" ", "")).durable == [("+31205550101", "linde")]


def test_a_number_that_is_never_complete_ends_with_the_number_to_call():
    """The wish was there, and nothing is pretended."""
    done = call("3030#030#030#")
    assert done.result == "FAILED"
    assert done.heard[-1] == (
        "number-not-valid",
        "not-recorded",
        "please-call",
        *digit_prompts("03023125010"),
        "goodbye",
    )


def test_another_number_after_the_first_is_recorded_too():
    """Two lines at home, one call."""
    done = call(f"1~3{OTHER}#1")
    assert done.durable == [(CALLED, "linde"), (OTHER_E164, "linde")]


def test_another_number_after_everyone_is_for_everyone():
    """The wish was said once."""
    assert call(f"2~3{OTHER}#1").durable == [(CALLED, ALL), (OTHER_E164, ALL)]


def test_a_second_number_that_fails_leaves_the_first_confirmed():
    """And says so."""
    done = call("1~3###")
    assert done.durable == [(CALLED, "linde")]
    assert done.result == "RECORDED"
    assert "last-not-recorded" in done.heard[-1]


def test_one_after_another_number_is_about_the_own_number():
    """It was not covered yet; in doubt it is an objection."""
    assert call(f"3{OTHER}#1~1").durable == [(OTHER_E164, "linde"), (CALLED, "linde")]


def test_only_so_many_other_numbers_are_taken_in_one_call():
    """Whoever wants to block a list is thanked and let go; nobody needs more than two other numbers of their own."""
    numbers = [f"030901825{digit}" for digit in range(5)]
    for known, own in ((CALLED, [(CALLED, ALL)]), (None, [])):
        presses = ("2~3" if known else "2") + "~3".join(f"{number}#1" for number in numbers)
        done = call(presses, offer(known))
        others = [(f"+49{number[1:]}", ALL) for number in numbers[:MOST_OTHER_NUMBERS]]
        assert done.durable == [*own, *others]
        assert done.result == "RECORDED"
        assert done.heard[-1] == ("goodbye",)


def test_one_other_number_widened_and_the_own_one_count_once():
    """What is counted is other people's telephones."""
    done = call(f"3{OTHER}#12~3030901820#1~3030901825#1~3")
    assert {number for number, _ in done.durable} == {OTHER_E164, CALLED, "+4930901825"}
    assert done.heard[-1] == ("goodbye",)


# --- what was asked for


def test_the_moves_are_noted_without_a_digit_of_any_number():
    """They are evidence that anybody may read."""
    moves = moves_of(f"93{OTHER}#1_")
    assert moves == ("repeat", "other-number", "complete", "confirm", "finish")
    assert moves_of("12") == ("object-company", "widen")
    assert moves_of("0") == ("person",)


def moves_of(presses):
    state, _ = start(offer())
    for press in presses:
        state, actions = step(state, Silence() if press == "_" else Key(press), NOW)
        if isinstance(actions[-1], Record):
            state, _ = step(state, Recorded("1234567"), NOW)
    return state.moves


def test_an_offer_decides_nothing_by_itself():
    """The defaults are the site's, in one place."""
    assert all(field.default is dataclasses.MISSING for field in dataclasses.fields(Offer))


# --- no number known


@pytest.mark.parametrize(("key", "scope"), [("1", "linde"), ("2", ALL)])
def test_an_unknown_number_is_asked_for_and_not_guessed(key, scope):
    """The wish is kept until the number is there."""
    done = call(f"{key}{OTHER}#~1", offer(None))
    assert done.heard[1] == ("no-number-known", "enter-number")
    assert done.durable == [(OTHER_E164, scope)]


def test_a_shown_emergency_number_counts_as_no_number():
    """A call back that shows 112 is no person's line."""
    assert call("1", offer("112")).heard[1] == ("no-number-known", "enter-number")


@pytest.mark.parametrize("ending", ["!", "___", "444", "#!", "+!"])
def test_an_unconfirmed_number_counts_in_doubt(ending):
    """Hang-up, silence or wrong keys at the read-back: the pressed 2 is not lost."""
    done = call(f"2{OTHER}#{ending}", offer(None))
    assert done.records == [Record(ALL, parse_number(OTHER_E164, "DE"), "unconfirmed")]
    assert done.result == "RECORDED"


@pytest.mark.parametrize("start_with", ["1", "3"])
def test_hanging_up_after_the_last_digit_counts_too(start_with):
    """The hash key was never asked for by any telephone before."""
    done = call(f"{start_with}{OTHER}!", offer(None))
    assert done.records == [Record("linde", parse_number(OTHER_E164, "DE"), "unconfirmed")]


def test_hanging_up_in_half_a_number_records_nothing():
    """It would be somebody else's, and the result says that a wish was lost."""
    done = call("103090!", offer(None))
    assert (done.records, done.result) == ([], "FAILED")


def test_an_unconfirmed_number_is_confirmed_with_the_last_words():
    """The person hears the reference without being asked anything more."""
    done = call(f"1{OTHER}#___", offer(None))
    assert done.heard[-1][-1] == "goodbye"
    assert spoken(done.heard[-1]) == OTHER[-3:] + "0000000"
    assert "press-9-reference-again" not in done.heard[-1]


def test_two_at_the_read_back_is_not_lost():
    """It is no answer there; in doubt it counts, for everyone, as unconfirmed."""
    done = call(f"3{OTHER}#2~1")
    assert done.records[0] == Record(ALL, parse_number(OTHER_E164, "DE"), "unconfirmed")
    assert done.heard[3][0] == "recorded-everyone"


def test_zero_at_the_read_back_records_before_it_leads_to_a_person():
    """Nobody knows whether the person calls back to it."""
    done = call(f"1{OTHER}#0", offer(None, person_available=True))
    assert done.records[0].certainty == "unconfirmed"
    assert (done.result, done.heard[-1][0], done.heard[-1][-1]) == ("PERSON", "recorded-company", "connecting-person")


# --- not recorded


def test_what_cannot_be_recorded_is_said_with_the_number_to_call():
    """As dialled in the country of the site, never with a confirmation."""
    done = call("1", **NEVER)
    assert done.heard[1] == ("not-recorded", "please-call", *digit_prompts("03023125010"), "goodbye")
    assert not {"recorded-company", "your-reference-is"} & set(done.said)
    assert done.result == "FAILED"


@pytest.mark.parametrize(
    ("call_back", "digits"), [("+31205550101", "0031205550101"), ("0800 123", "0800123"), ("", "")]
)
def test_the_number_to_call_is_said_as_dialled(call_back, digits):
    """From abroad with the prefix of the site's country; without one, nothing is promised."""
    prompts = call("1", offer(call_back=call_back), **NEVER).heard[1]
    assert spoken(prompts) == digits
    assert ("please-call" in prompts) == bool(digits)


def test_a_failed_widening_leaves_the_first_confirmed():
    """The person hears that the first objection stays."""
    done = call("1~2", can_record=lambda attempt: attempt == 0)
    assert done.heard[2][0] == "last-not-recorded"
    assert (done.result, done.durable) == ("FAILED", [(CALLED, "linde")])


def test_one_pressed_again_tries_again():
    """The trouble may be over by then."""
    done = call("11", can_record=lambda attempt: attempt == 1)
    assert done.durable == [(CALLED, "linde")]
    assert done.result == "RECORDED"


def test_trying_again_keeps_the_wider_wish_and_the_number():
    """What failed is what is tried."""
    done = call(f"2{OTHER}#11", offer(None), can_record=lambda attempt: attempt == 1)
    assert done.durable == [(OTHER_E164, ALL)]


def test_recording_is_tried_only_so_often():
    """Each try takes seconds."""
    assert len(call("1" * 50, **NEVER).records) == MOST_REFUSALS


def test_hanging_up_while_it_fails_ends_as_failed():
    """Nobody is there to be told."""
    done = call("1+!", **NEVER)
    assert (done.result, len(done.heard)) == ("FAILED", 1)


# --- keys ahead of the prompts


def test_a_whole_way_can_be_typed_ahead():
    """Whoever knows the menu need not listen."""
    done = call(f"13{OTHER}#12")
    assert done.durable == [(CALLED, "linde"), (OTHER_E164, "linde"), (OTHER_E164, ALL)]


def test_keys_typed_while_recording_are_taken_after_it():
    """Digits too."""
    done = call(["1", *(f"+{key}" for key in f"3{OTHER}#1")])
    assert done.durable == [(CALLED, "linde"), (OTHER_E164, "linde")]


def test_a_two_typed_while_recording_counts_for_whoever_hangs_up_then():
    """The last key is not lost with the line."""
    done = call("1+2+!")
    assert done.durable == [(CALLED, "linde"), (CALLED, ALL)]
    assert len(done.heard) == 1
    assert done.result == "RECORDED"


def test_digits_of_a_number_are_no_ones_and_twos():
    """A number full of them, entered and given up, is no objection by itself."""
    assert call("31212***!").records == []


# --- hang-up, bounds


@pytest.mark.parametrize("presses", ["!", "_!", "4!", "9!", "3!", "303!", "3*!"])
def test_hanging_up_early_records_nothing(presses):
    """Nothing was asked for."""
    assert call(presses).records == []


def test_hanging_up_after_the_key_keeps_the_objection():
    """With or without hearing that it is recorded."""
    assert call("1!").result == call("1+!").result == "RECORDED"


@pytest.mark.parametrize("press", ["9", "*", "#", "5", "A", "3*", "30#", "1", "2"])
def test_it_ends_for_whoever_never_stops(press):
    """One key for ever; the line is free again after a bounded number of keys."""
    done = call(press * 3000)
    assert done.steps <= MOST_EVENTS + 20
    assert done.result


def test_it_ends_after_its_longest_time():
    """Somebody, or something, that presses 9 once a minute."""
    assert call("9" * 100, seconds=60).steps <= 7


def test_a_one_is_recorded_even_when_time_is_up():
    """Nothing is asked any more, but it was pressed."""
    done = call("991", seconds=200)
    assert done.durable == [(CALLED, "linde")]
    assert done.heard[-1][-1] == "goodbye"


def test_a_two_at_the_read_back_counts_even_when_time_is_up():
    """The number is recorded for everyone, unconfirmed."""
    done = call(f"3{OTHER}#2", seconds=25)
    assert (done.durable, done.records[0].certainty) == ([(OTHER_E164, ALL)], "unconfirmed")


@pytest.mark.parametrize("key", ["", "A", "d", "11", "0123456789", "silence", "٣", "other key"])
def test_what_is_no_key_is_not_an_option(key):
    """Tones beyond the twelve keys, and whatever else a channel might hand over."""
    state, _ = start(offer())
    assert step(state, Key(key), NOW)[1][0].prompts[0] == "not-an-option"
    state, _ = step(state, Key("3"), NOW)
    assert step(state, Key(key), NOW)[0].digits == ""


def test_a_result_that_nobody_waits_for_is_ignored():
    """And so is every event after the end."""
    state, _ = start(offer())
    assert step(state, Recorded("1"), NOW) == (state, ())
    ended, _ = step(state, HungUp(), NOW)
    assert ended.phase is Phase.ENDED
    assert step(ended, Key("1"), NOW) == (ended, ())


@pytest.mark.parametrize(("opening", "phase"), [("0", Phase.TO_PERSON), ("444", Phase.CLOSING)])
def test_the_last_words_are_said_again_to_whoever_hands_over_another_key(opening, phase):
    """Such a key cuts nothing; a channel that delivers it all the same must not end the call."""
    state, _ = start(offer(person_available=True))
    for key in opening:
        state, actions = step(state, Key(key), NOW)
    assert state.phase is phase
    for event in (Key("5"), Silence()):
        state, again = step(state, event, NOW)
        assert (state.phase, again[0].keys, again[-1]) == (phase, actions[0].keys, actions[-1])


# --- prompts


def test_every_prompt_of_the_catalogue_is_named_once():
    """A name is a file."""
    assert len(PROMPT_NAMES) == len(PROMPTS)
    assert OBJECTION_NAMES | QUEUE_NAMES == PROMPT_NAMES
    assert not OBJECTION_NAMES & QUEUE_NAMES


def test_every_prompt_said_is_in_the_catalogue_and_every_one_there_is_said():
    """Except the two that stand for names without a sound, which the caller of the menu chooses."""
    said = {
        *call("4__").said,
        *call(f"1~2~3{OTHER}#_", offer(person_available=True)).said,
        *call("1###", offer(None, path="call-back")).said,
        *call("1~3###").said,
        *call("0", offer(person_available=True)).said,
        *call("1", offer(call_back="0123456789"), **NEVER).said,
        *call("1", offer(call_back="0123456789", path="abandoned")).said,
    }
    own = {"company-linde", "centre-rufwerk"}
    assert said - own <= OBJECTION_NAMES
    assert said >= OBJECTION_NAMES - {"a-company-unknown", "a-centre-unknown"}


def test_the_message_of_an_abandoned_call_says_who_called_for_whom_and_a_number_and_takes_the_key():
    """No agent was there in time: no advertising, and one key is enough."""
    said = call("1", offer(call_back="+493012345", path="abandoned")).said
    assert said[0] == "abandoned-no-agent"
    assert said.index("you-were-called-by") < said.index("company-linde") < said.index("reach-us-at")
    number = said[said.index("reach-us-at") + 1 : said.index("press-1-company")]
    assert "".join(name.removeprefix("digit-") for name in number) == "03012345"
    assert "recorded-company" in said


def test_without_a_number_to_call_none_is_announced():
    """Half a sentence would be worse."""
    assert "reach-us-at" not in call("1", offer(call_back="", path="abandoned")).said
