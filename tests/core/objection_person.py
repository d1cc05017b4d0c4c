"""A person on the objection line, without Asterisk: presses keys, hears prompts, hangs up.

Presses are written one after another: a key pressed as soon as possible (it cuts what is being said),
`~1` the key 1 after having listened to the end, `+1` while recording is under way, `_` a silence, `!` hanging
up. Once they are used up the person says and does nothing any more.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.objection_menu import (
    End,
    HungUp,
    Key,
    Listen,
    NotRecorded,
    Offer,
    Phase,
    Record,
    Recorded,
    Say,
    Silence,
    State,
    start,
    step,
)

CALLED = "+4930901820"
OTHER = "030901821"
OTHER_E164 = "+4930901821"
MOST_ACTIONS = 3000
MOST_DURING = 50
"""Nobody presses more keys while one prompt is played."""
MIDNIGHT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
ANY_KEY = frozenset("0123456789*#ABCD")


def offer(number=CALLED, **changes) -> Offer:
    given = {
        "principal_id": "linde",
        "company_name": "company-linde",
        "centre_name": "centre-rufwerk",
        "home_country": "DE",
        "call_back": "+493023125010",
        "number": parse_number(number, "DE") if number else None,
        "certainty": "called",
        "person_available": False,
        "path": "call-end",
        "timeout_s": 6.0,
        "tries": 3,
    }
    return Offer(**given | changes)


def presses_of(text: str) -> list[str]:
    """`1~2+3_!` as single presses."""
    parts, marks = [], iter(text)
    for mark in marks:
        parts.append(mark + next(marks) if mark in "~+" else mark)
    return parts


@dataclass
class Call:
    """What happened on one call."""

    heard: list[tuple[str, ...]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    durable: list[tuple[str, str]] = field(default_factory=list)
    result: str = ""
    hung_up: bool = False
    steps: int = 0
    moved: list[tuple[Phase, str, Phase, bool]] = field(default_factory=list)
    """Phase, key or kind of event, phase, keys and time used up; a way made by typing ahead is left out."""
    trace: list[tuple[object, tuple]] = field(default_factory=list)
    """Every event with the actions it led to."""

    @property
    def said(self) -> list[str]:
        return [prompt for prompts in self.heard for prompt in prompts]


def call(
    presses: Iterable[str],
    the_offer: Offer | None = None,
    *,
    can_record: Callable[[int], bool] = lambda _attempt: True,
    seconds: float = 1.0,
) -> Call:
    """Let somebody press keys until the menu is over.

    Args:
        presses: What the person does, see above; a text or a list, endless if need be.
        the_offer: What is offered.
        can_record: Whether the nth attempt to record, from 0, is durable.
        seconds: Time that passes between two events.
    """
    left = iter(presses_of(presses) if isinstance(presses, str) else presses)
    person, line, now = _Person(left), Call(), MIDNIGHT
    state, actions = start(the_offer or offer())
    while not line.result:
        event = _carry_out(actions, person, line)
        if event is None:
            continue
        pending: list = [event]
        if isinstance(event, Recorded | NotRecorded):
            attempt = len(line.records) - 1
            pending = [*person.while_recording(), Recorded(f"{attempt:07}") if can_record(attempt) else NotRecorded()]
        typed = len(pending) > 1
        for each in pending:
            now += dt.timedelta(seconds=seconds)
            line.steps += 1
            assert line.steps < MOST_ACTIONS, "it does not end"
            line.hung_up |= isinstance(each, HungUp)
            if isinstance(each, Recorded):
                line.durable.append((line.records[-1].number.e164, line.records[-1].scope))
            before: State = state
            state, actions = step(state, each, now)
            if not typed and not before.typed:
                line.moved.append((before.phase, _name(each), state.phase, state.is_spent))
            line.trace.append((each, actions))
    return line


def _carry_out(actions, person, line):
    """The event that the actions lead to; `Recorded` stands for either result of a recording."""
    assert actions, "somebody is left waiting"
    for action in actions:
        match action:
            case Say(prompts, keys):
                line.heard.append(prompts)
                if event := person.during(keys):
                    return event
            case Listen():
                return person.after()
            case Record():
                line.records.append(action)
                return Recorded("")
            case End(result):
                line.result = result
                return None
    raise AssertionError(f"actions lead nowhere: {actions}")


class _Person:
    def __init__(self, presses):
        self.presses = presses
        self.ahead = None

    def _peek(self):
        if self.ahead is None:
            self.ahead = next(self.presses, "_")
        return self.ahead

    def _take(self):
        press, self.ahead = self._peek(), None
        return press

    def during(self, keys):
        """Keys that do not cut a prompt are lost, as they are in Asterisk."""
        for _ in range(MOST_DURING):
            press = self._peek()
            if press.startswith("~") or press == "_":
                return None
            self._take()
            key = press[-1]
            if key == "!":
                return HungUp()
            if key in keys:
                return Key(key)
        return None

    def after(self):
        key = self._take()[-1]
        return HungUp() if key == "!" else Silence() if key == "_" else Key(key)

    def while_recording(self):
        found = []
        while self._peek().startswith("+") and len(found) < 30:
            key = self._take()[-1]
            found.append(HungUp() if key == "!" else Key(key))
        return found


def _name(event):
    return event.key if isinstance(event, Key) else type(event).__name__


def again_and_again(presses):
    """Somebody who never stops."""
    return itertools.cycle(presses) if presses else iter(())
