"""The menu of the objection line as data: where one can be, what is asked there, where a key leads.

Rule 1: `objection_moves.take` looks every key up here and knows no key of its own, so what is drawn is
what happens; a test compares every transition taken with the ones listed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DIGITS = "0123456789"
KEYS = f"{DIGITS}*#"
"""Every key of a telephone; all of them cut a prompt short where something is asked."""

SILENCE, RECORDED, NOT_RECORDED, HUNG_UP = "silence", "recorded", "not recorded", "hung up"
OTHER = "other key"


class Phase(enum.StrEnum):
    """Where a person can be."""

    MENU = "menu"  # who called; 1, 2, 3, 9, 0
    ENTER = "enter number"
    CONFIRM = "confirm number"  # it is read back
    RECORDING = "recording"  # nothing is heard until it is known whether it is durable
    TOLD = "told"  # confirmation and reference
    TO_PERSON = "to person"
    CLOSING = "closing"  # the last words; 1 and 2 still count
    ENDED = "ended"


class Move(enum.StrEnum):
    """What a key or a silence does."""

    OBJECT_COMPANY = "object to the company"
    OBJECT_EVERYONE = "object to everyone"
    WIDEN = "widen to everyone"
    OTHER_NUMBER = "another number"
    DIGIT = "take a digit"
    START_AGAIN = "start again"
    COMPLETE = "number complete"
    CONFIRM = "confirm"
    CONFIRM_EVERYONE = "in doubt, everyone"
    IGNORE = "ignore"
    REPEAT = "repeat"
    PERSON = "to a person"
    WRONG = "not an option"
    NOBODY = "nobody there"
    FINISH = "goodbye"


class Slot(enum.StrEnum):
    """A place in a question that each call fills with prompts of its own."""

    GREETING = "which line this is, or why nobody talks"
    WHO = "who called for whom"
    PERSON = "0, where a person is there"
    ENTERED = "digits entered"
    RECORDED = "what was recorded"
    LAST_THREE = "last three digits"
    REFERENCE = "reference"
    WIDEN = "2, where it is not yet everyone"
    APOLOGY = "what was not recorded, and whom to call"


@dataclass(frozen=True, slots=True)
class Edge:
    """Where keys lead.

    Args:
        keys: Keys, each a character; or one of `SILENCE` and `OTHER`.
        move: What they do.
        to: Every phase it can lead to.
    """

    keys: str
    move: Move
    to: tuple[Phase, ...]


_OBJECTED = (Phase.RECORDING, Phase.ENTER, Phase.TOLD, Phase.CLOSING)
_FAILED = (Phase.CLOSING, Phase.RECORDING)
"""After the last failure: the end, after recording what stands unconfirmed."""

TREE: Mapping[Phase, tuple[Edge, ...]] = MappingProxyType(
    {
        Phase.MENU: (
            Edge("1", Move.OBJECT_COMPANY, (Phase.RECORDING, Phase.ENTER)),
            Edge("2", Move.OBJECT_EVERYONE, (Phase.RECORDING, Phase.ENTER)),
            Edge("3", Move.OTHER_NUMBER, (Phase.ENTER,)),
            Edge("9", Move.REPEAT, (Phase.MENU,)),
            Edge("0", Move.PERSON, (Phase.TO_PERSON, Phase.MENU, Phase.CLOSING)),
            Edge(OTHER, Move.WRONG, (Phase.MENU, Phase.CLOSING)),
            Edge(SILENCE, Move.NOBODY, (Phase.MENU, Phase.CLOSING)),
        ),
        Phase.ENTER: (
            Edge(DIGITS, Move.DIGIT, (Phase.ENTER,)),
            Edge("*", Move.START_AGAIN, (Phase.ENTER,)),
            Edge("#", Move.COMPLETE, (Phase.CONFIRM, Phase.ENTER, Phase.CLOSING)),
            # Four more tones exist, and no telephone has keys for them: noise on the line.
            Edge(OTHER, Move.IGNORE, (Phase.ENTER,)),
            Edge(SILENCE, Move.COMPLETE, (Phase.CONFIRM, Phase.ENTER, Phase.CLOSING)),
        ),
        Phase.CONFIRM: (
            Edge("1", Move.CONFIRM, (Phase.RECORDING, Phase.TOLD)),
            # It was not asked for, but nobody presses it who wants to be called; whoever mistyped presses 3.
            Edge("2", Move.CONFIRM_EVERYONE, (Phase.RECORDING, Phase.TOLD)),
            Edge("3*", Move.START_AGAIN, (Phase.ENTER,)),
            # Whoever ends a number with two hashes has done nothing wrong.
            Edge("9#", Move.REPEAT, (Phase.CONFIRM,)),
            Edge("0", Move.PERSON, (Phase.RECORDING, Phase.TO_PERSON, Phase.CONFIRM, Phase.CLOSING)),
            Edge(OTHER, Move.WRONG, (Phase.CONFIRM, *_FAILED)),
            Edge(SILENCE, Move.NOBODY, (Phase.CONFIRM, *_FAILED)),
        ),
        Phase.TOLD: (
            Edge("1", Move.OBJECT_COMPANY, (Phase.RECORDING, Phase.TOLD)),
            Edge("2", Move.WIDEN, (Phase.RECORDING, Phase.TOLD)),
            # After `MOST_OTHER_NUMBERS` of them the person is said goodbye to.
            Edge("3", Move.OTHER_NUMBER, (Phase.ENTER, Phase.CLOSING)),
            Edge("9", Move.REPEAT, (Phase.TOLD,)),
            Edge("0", Move.PERSON, (Phase.TO_PERSON, Phase.TOLD, Phase.CLOSING)),
            Edge(OTHER, Move.WRONG, (Phase.TOLD, Phase.CLOSING)),
            Edge(SILENCE, Move.FINISH, (Phase.CLOSING,)),
        ),
        Phase.TO_PERSON: (
            Edge("1", Move.OBJECT_COMPANY, _OBJECTED),
            Edge("2", Move.OBJECT_EVERYONE, _OBJECTED),
            Edge(OTHER, Move.REPEAT, (Phase.TO_PERSON,)),
            Edge(SILENCE, Move.REPEAT, (Phase.TO_PERSON,)),
        ),
        Phase.CLOSING: (
            Edge("1", Move.OBJECT_COMPANY, _OBJECTED),
            Edge("2", Move.OBJECT_EVERYONE, _OBJECTED),
            Edge("9", Move.REPEAT, (Phase.CLOSING, Phase.TOLD)),
            Edge(OTHER, Move.FINISH, (Phase.CLOSING,)),
            Edge(SILENCE, Move.FINISH, (Phase.CLOSING,)),
        ),
    }
)
"""Where a person is -> what keys do there."""

RESULTS: Mapping[str, tuple[Phase, ...]] = MappingProxyType(
    {
        RECORDED: (Phase.TOLD, Phase.CLOSING, Phase.TO_PERSON, Phase.ENDED),
        NOT_RECORDED: (Phase.CLOSING, Phase.TO_PERSON, Phase.ENDED),
    }
)
"""How a recording can end -> where that leads."""

CUTS: Mapping[Phase, str] = MappingProxyType({Phase.CLOSING: "129", Phase.TO_PERSON: "12"})
"""Keys that cut the last words; whoever hits another key then would otherwise not hear them."""

GREETING: tuple[str, ...] = (Slot.GREETING, Slot.WHO)
"""Said before the menu, at first and again after 9."""

CONFIRMATION: tuple[str, ...] = (
    *(Slot.RECORDED, "number-ending-in", Slot.LAST_THREE),
    *("your-reference-is", Slot.REFERENCE),
)
"""Said once an objection is durable."""

QUESTIONS: Mapping[Phase, tuple[str, ...]] = MappingProxyType(
    {
        Phase.MENU: (
            *("press-1-company", "press-2-everyone", "press-3-other-number"),
            *(Slot.PERSON, "press-9-repeat"),
        ),
        Phase.ENTER: ("enter-number",),
        Phase.CONFIRM: ("you-entered", Slot.ENTERED, "press-1-confirm-3-again"),
        Phase.TOLD: (*CONFIRMATION, "press-9-reference-again", Slot.WIDEN),
        Phase.TO_PERSON: ("connecting-person",),
        Phase.CLOSING: (Slot.APOLOGY, "goodbye"),
    }
)
"""Where a person is -> what is said there, prompts and slots in order."""


def edge_for(phase: Phase, key: str) -> Edge:
    """Where a key, or `SILENCE`, leads from a phase in which somebody is listened to."""
    edges = TREE[phase]
    for edge in edges:
        if key == edge.keys or (edge.keys not in (OTHER, SILENCE) and len(key) == 1 and key in edge.keys):
            return edge
    return next(edge for edge in edges if edge.keys == OTHER)


def draw() -> str:
    """The whole menu as a Mermaid state diagram, one arrow for every place a key can lead to."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{phase}" as {_name(phase)}' for phase in Phase if phase is not Phase.ENDED]
    lines += ["    [*] --> menu"]
    for phase, edges in TREE.items():
        lines += [
            f"    {_name(phase)} --> {_name(to)} : {_trigger(edge)} {edge.move}" for edge in edges for to in edge.to
        ]
    for result, phases in RESULTS.items():
        lines += [f"    {_name(Phase.RECORDING)} --> {_name(to)} : {result}" for to in phases]
    lines += [f"    {_name(phase)} --> [*] : {_ending(phase)}" for phase in (Phase.CLOSING, Phase.TO_PERSON)]
    for phase in (Phase.MENU, Phase.ENTER, Phase.CONFIRM, Phase.TOLD):
        lines.append(f"    {_name(phase)} --> [*] : {HUNG_UP}")
    for phase in (Phase.ENTER, Phase.CONFIRM):
        lines.append(f"    {_name(phase)} --> {_name(Phase.RECORDING)} : {HUNG_UP} with a complete number")
    return "\n".join(lines) + "\n"


def _name(phase: Phase) -> str:
    return "[*]" if phase is Phase.ENDED else phase.replace(" ", "_")


def _trigger(edge: Edge) -> str:
    if edge.keys in (OTHER, SILENCE):
        return f"{edge.keys},"
    # A hash begins an entity and a star a list in Mermaid; as words they are safe.
    spoken = {"#": "hash", "*": "star", DIGITS: "0-9"}
    return (spoken.get(edge.keys) or " or ".join(spoken.get(key, key) for key in edge.keys)) + ","


def _ending(phase: Phase) -> str:
    return "transferred, or hung up" if phase is Phase.TO_PERSON else "said to the end, or hung up"
