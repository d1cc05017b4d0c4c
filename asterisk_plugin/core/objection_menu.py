"""The objection line, pure: from what a person pressed to what is said and recorded.

Rule 1: a wish is recorded at once and asked about afterwards; whatever way the call ends, a pressed
1 or 2 has been recorded, or the person has been told that it could not be.
Rule 2: nothing is confirmed that `Recorded` has not reported.
Rule 3: every tuple of actions ends in `Listen`, `Record` or `End`; it is empty only in the answer to an
event that came while a `Record` was under way, whose result is then the next event.
Rule 4: it always ends. Keys and silences are counted, and once they are used up nothing is asked any more.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from asterisk_plugin.core import objection_moves as moves
from asterisk_plugin.core import objection_tree as tree
from asterisk_plugin.core.objection_state import (
    LONGEST_S,
    NOT_ENTERABLE,
    Action,
    Certainty,
    End,
    Event,
    HungUp,
    Key,
    Listen,
    NotRecorded,
    Offer,
    Record,
    Recorded,
    Say,
    Silence,
    State,
)
from asterisk_plugin.core.objection_tree import Phase, draw

__all__ = [
    "Action",
    "Certainty",
    "End",
    "Event",
    "HungUp",
    "Key",
    "Listen",
    "NotRecorded",
    "Offer",
    "Phase",
    "Record",
    "Recorded",
    "Say",
    "Silence",
    "State",
    "draw",
    "start",
    "step",
]


def start(offer: Offer) -> tuple[State, tuple[Action, ...]]:
    """Greet a person who has reached the line.

    Args:
        offer: What the person is offered. A number nobody is called on for a campaign counts as none.
    """
    if offer.number and offer.number.line_type in NOT_ENTERABLE:
        offer = replace(offer, number=None)
    return moves.ask(State(offer), Phase.MENU, tree.GREETING)


def step(state: State, event: Event, now: dt.datetime) -> tuple[State, tuple[Action, ...]]:
    """Take one event.

    Args:
        state: As returned by the step before.
        event: What happened. A result that no `Record` waits for is ignored.
        now: Aware moment of the event.

    Returns:
        The new state, and what to do, in order.
    """
    if state.phase is Phase.ENDED:
        return state, ()
    recording = state.phase is Phase.RECORDING
    match event:
        case Recorded(reference):
            return moves.recorded(state, reference) if recording else (state, ())
        case NotRecorded():
            return moves.not_recorded(state) if recording else (state, ())
        case HungUp():
            return moves.hung_up(state)
        case Key(key):
            state, key = _counted(state, now), key if len(key) == 1 else tree.OTHER
            return (_type_ahead(state, key), ()) if recording else moves.take(state, key)
        case Silence():
            return (state, ()) if recording else moves.take(_counted(state, now), tree.SILENCE)


def _counted(state: State, now: dt.datetime) -> State:
    ends_at = state.ends_at or now + dt.timedelta(seconds=LONGEST_S)
    left = max(state.events_left - 1, 0)
    return replace(state, events_left=left, ends_at=ends_at, is_spent=state.is_spent or not left or now >= ends_at)


def _type_ahead(state: State, key: str) -> State:
    """Keep a key that was pressed while a recording is under way, as long as keys are left."""
    if key not in tree.KEYS or (state.is_spent and key in state.typed):
        return state
    return replace(state, typed=state.typed + key)
