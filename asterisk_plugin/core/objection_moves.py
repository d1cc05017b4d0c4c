"""What each move of the objection line does; `objection_menu.py` says when.

Rule 1: every move returns actions that end in `Listen`, `Record` or `End`.
Rule 2: whatever ends the call goes through `_finish`, `_person` or `hung_up`: they record what stands unconfirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from asterisk_plugin.core import objection_tree as tree
from asterisk_plugin.core.objection_state import (
    LONGEST_DIGITS,
    MOST_REFUSALS,
    Action,
    Certainty,
    End,
    Listen,
    Record,
    Say,
    State,
    Subject,
    Then,
    Told,
)
from asterisk_plugin.core.objection_tree import Move, Phase, Slot
from asterisk_plugin.core.objection_words import words_of
from asterisk_plugin.core.site import EVERYONE

Taken = tuple[State, tuple[Action, ...]]

_STILL_COUNT = frozenset({Move.OBJECT_COMPANY, Move.OBJECT_EVERYONE, Move.WIDEN, Move.CONFIRM, Move.CONFIRM_EVERYONE})
"""What is done even when events and time are used up: it says that somebody objects."""


def take(state: State, key: str) -> Taken:
    """Take one key, or `tree.SILENCE`, where somebody is listened to."""
    move = tree.edge_for(state.phase, key).move
    if state.is_spent and move not in _STILL_COUNT:
        return _finish(state)
    return _MOVES[move](state.noting(move), key)


# --- objecting


def _object_company(state: State, _key: str) -> Taken:
    return _object(state, state.offer.principal_id)


def _object_everyone(state: State, _key: str) -> Taken:
    return _object(state, EVERYONE)


def _object(state: State, pressed: str) -> Taken:
    wider = EVERYONE if EVERYONE in (pressed, state.wish) else pressed
    if state.wish and state.subject:  # it could not be recorded: once more
        return _record(state, state.subject, wider, Then.TELL)
    if state.told and (pressed == EVERYONE or not state.known):
        return _record(state, state.told.subject, pressed, Then.TELL)
    if state.known:
        return _record(state, state.known, pressed, Then.TELL)
    wishing = replace(state, wish=wider)
    return _finish(wishing) if state.is_spent else ask(_fresh(wishing), Phase.ENTER, ("no-number-known",))


def _other_number(state: State, _key: str) -> Taken:
    if not state.may_enter_another:
        return _finish(state)
    wish = state.wish or (state.told.scope if state.told else state.offer.principal_id)
    return ask(_fresh(replace(state, wish=wish)), Phase.ENTER)


def _confirm(state: State, _key: str) -> Taken:
    assert state.subject, "only a complete number is read back"
    return _record(state, state.subject, state.wish, Then.TELL)


def _confirm_everyone(state: State, _key: str) -> Taken:
    assert state.standing, "only a complete number is read back"
    return _record(state, state.standing, EVERYONE, Then.TELL)


def _record(state: State, subject: Subject, scope: str, then: Then) -> Taken:
    if state.covers(subject.number, scope):
        return _tell(replace(state, wish="", subject=None, digits=""), then)
    wishing = replace(state, subject=subject, wish=scope, then=then, digits="", failures=0)
    if state.refusals >= MOST_REFUSALS:
        return _tell(wishing, then)
    return replace(wishing, phase=Phase.RECORDING), (Record(scope, subject.number, subject.certainty),)


def recorded(state: State, reference: str) -> Taken:
    """Go on from the recording under way, which is durable under this reference."""
    assert state.subject, "something was recorded"
    told = Told(state.subject, state.wish, reference)
    held = state.recorded | {(told.subject.number.e164, told.scope)}
    return _typed_ahead(*_tell(replace(state, told=told, recorded=held, wish="", subject=None), state.then))


def not_recorded(state: State) -> Taken:
    """Go on from the recording under way, which failed."""
    refused = replace(state, refusals=state.refusals + 1)
    return _typed_ahead(*_tell(refused, state.then))


def _tell(state: State, then: Then) -> Taken:
    """Say how recording went, by where the call was going."""
    if then is Then.NOTHING:
        # Keys typed before the person hung up still count, so this is no end yet.
        return replace(state, phase=Phase.CLOSING if state.wish else Phase.TOLD), (End(state.result),)
    if then is Then.PERSON:
        return _to_person(state, (Slot.APOLOGY,) if state.wish else tree.CONFIRMATION)
    if state.wish:
        return _close(state)
    if then is Then.CLOSE or state.is_spent:
        return _close(state, tree.CONFIRMATION)
    return ask(state, Phase.TOLD)


def _typed_ahead(state: State, actions: tuple[Action, ...]) -> Taken:
    """Take the keys that were pressed while a recording was under way."""
    is_gone = state.then is Then.NOTHING
    while state.typed and state.phase not in (Phase.RECORDING, Phase.ENDED):
        key, state = state.typed[0], replace(state, typed=state.typed[1:])
        if key in tree.CUTS.get(state.phase, tree.KEYS):
            state, actions = take(state, key)
    if not is_gone:
        return state, actions
    if state.phase is Phase.RECORDING:
        return replace(state, then=Then.NOTHING), actions
    return hung_up(state)


# --- entering a number


def _digit(state: State, key: str) -> Taken:
    # One digit too many is kept, so that what is too long stays too long.
    digits = (state.digits + key)[: LONGEST_DIGITS + 1]
    return replace(state, digits=digits), (Listen(state.offer.timeout_s),)


def _start_again(state: State, _key: str) -> Taken:
    return ask(replace(state, digits="", subject=None), Phase.ENTER)


def _complete(state: State, key: str) -> Taken:
    subject = state.entered(Certainty.ENTERED)
    if subject and len(state.digits) <= LONGEST_DIGITS:
        return ask(replace(state, subject=subject, failures=0), Phase.CONFIRM)
    nobody = key == tree.SILENCE and not state.digits
    return _fail(replace(state, digits=""), "nobody-there" if nobody else "number-not-valid")


def _ignore(state: State, _key: str) -> Taken:
    return state, (Listen(state.offer.timeout_s),)


# --- what leads nowhere


def _wrong(state: State, _key: str) -> Taken:
    return _fail(state, "not-an-option")


def _nobody(state: State, _key: str) -> Taken:
    return _fail(state, "nobody-there")


def _fail(state: State, why: str) -> Taken:
    failed = replace(state, failures=state.failures + 1)
    if failed.failures >= state.offer.tries:
        return _finish(failed, (why,))
    return ask(failed, state.phase, (why,))


def _repeat(state: State, _key: str) -> Taken:
    if state.phase is Phase.MENU:
        return ask(state, Phase.MENU, tree.GREETING)
    if state.phase is Phase.TO_PERSON:
        return _to_person(state)
    if state.phase is Phase.CLOSING:
        return ask(state, Phase.TOLD) if state.told and not state.wish else _close(state)
    return ask(state, state.phase)


# --- ending


def _person(state: State, key: str) -> Taken:
    if not state.offer.person_available:
        return _wrong(state, key)
    if state.standing and state.wish:
        return _record(state, state.standing, state.wish, Then.PERSON)
    return _to_person(state)


def _to_person(state: State, first: tuple[str, ...] = ()) -> Taken:
    prompts = words_of(state, (*first, *tree.QUESTIONS[Phase.TO_PERSON]))
    going = replace(state, phase=Phase.TO_PERSON, failures=0)
    return going, (Say(prompts, tree.CUTS[Phase.TO_PERSON]), End("PERSON"))


def _goodbye(state: State, _key: str) -> Taken:
    return _finish(state)


def _finish(state: State, first: tuple[str, ...] = ()) -> Taken:
    """End politely; in doubt an unconfirmed number counts."""
    if state.standing and state.wish:
        return _record(state, state.standing, state.wish, Then.CLOSE)
    return _close(state, first)


def _close(state: State, first: tuple[str, ...] = ()) -> Taken:
    if state.phase is Phase.CLOSING and state.is_spent:
        return replace(state, phase=Phase.ENDED), (End(state.result),)
    closing = replace(state, phase=Phase.CLOSING, digits="", failures=0)
    prompts = words_of(closing, (*first, *tree.QUESTIONS[Phase.CLOSING]))
    return closing, (Say(prompts, tree.CUTS[Phase.CLOSING]), End(closing.result))


def hung_up(state: State) -> Taken:
    """End without a word; in doubt an unconfirmed number counts."""
    if state.phase is Phase.RECORDING:
        return replace(state, then=Then.NOTHING), ()
    if state.standing and state.wish:
        state, actions = _record(state, state.standing, state.wish, Then.NOTHING)
        if state.phase is Phase.RECORDING:
            return state, actions
    return replace(state, phase=Phase.ENDED), (End(state.result),)


# --- asking


def _fresh(state: State) -> State:
    return replace(state, digits="", subject=None, failures=0)


def ask(state: State, phase: Phase, first: tuple[str, ...] = ()) -> Taken:
    """Ask what is asked in a phase, after some other prompts and slots."""
    asking = replace(state, phase=phase)
    prompts = words_of(asking, (*first, *tree.QUESTIONS[phase]))
    return asking, (Say(prompts, tree.KEYS), Listen(state.offer.timeout_s))


_MOVES: Mapping[Move, Callable[[State, str], Taken]] = MappingProxyType(
    {
        Move.OBJECT_COMPANY: _object_company,
        Move.OBJECT_EVERYONE: _object_everyone,
        Move.WIDEN: _object_everyone,
        Move.OTHER_NUMBER: _other_number,
        Move.DIGIT: _digit,
        Move.START_AGAIN: _start_again,
        Move.COMPLETE: _complete,
        Move.CONFIRM: _confirm,
        Move.CONFIRM_EVERYONE: _confirm_everyone,
        Move.IGNORE: _ignore,
        Move.REPEAT: _repeat,
        Move.PERSON: _person,
        Move.WRONG: _wrong,
        Move.NOBODY: _nobody,
        Move.FINISH: _goodbye,
    }
)
