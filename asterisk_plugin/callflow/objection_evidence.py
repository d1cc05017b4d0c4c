"""One talk with the objection line as evidence: what was said, what was pressed, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.records import new_id
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from asterisk_plugin.callflow.objection_call import Call

BROKEN_OFF = "BROKEN-OFF"
"""Result of a talk that did not come to an end: the service stopped, or Asterisk refused something."""

_DIGITS = "digits"


@dataclass(slots=True)
class Heard:
    """What was said and pressed, growing; pressed keys could be a telephone number wherever they were pressed.

    Args:
        said: Prompts in order; spoken digits, which could be a telephone number, only as `digits`.
        wording: Both together and in full; to be sealed.
    """

    said: list[str] = field(default_factory=list)
    wording: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What was said, with each key in brackets where it was pressed: `... press-1-company [1]`."""
        return " ".join(self.wording)

    def say(self, prompts: Sequence[str]) -> None:
        """Note what is said; a key may cut it."""
        self.wording += prompts
        for prompt in prompts:
            name = _DIGITS if prompt.startswith("digit-") else prompt
            if name != _DIGITS or self.said[-1:] != [_DIGITS]:
                self.said.append(name)

    def press(self, key: str) -> None:
        """Note a key."""
        self.wording.append(f"[{key}]")


def line_event(
    call: Call,
    heard: Heard,
    *,
    moves: Sequence[str],
    at: dt.datetime,
    person: str,
    number: str,
    result: str,
    objections: Sequence[str],
) -> Event:
    """The ledger event of one talk.

    Args:
        call: Who was on the line.
        heard: What was said and pressed.
        moves: What was asked for, without a digit of any number: `objection_state.State.moves`.
        at: When it was over (aware).
        person: Tag of the number; empty when none is known, then only the clear part is kept.
        number: E.164, or empty.
        result: `RECORDED`, `NONE`, `FAILED`, `PERSON` or `BROKEN_OFF`.
        objections: Event ids of what was recorded.
    """
    body = {
        "call": call.id,
        "path": call.path,
        "campaign": call.campaign.id if call.campaign else "",
        "principal": call.campaign.principal.id if call.campaign else "",
        "attempt_id": call.attempt_id,
        "language": call.language,
        "said": heard.said,
        "moves": list(moves),
        "result": result,
        "objections": list(dict.fromkeys(objections)),
    }
    sealed = {"number": number, "wording": heard.text} if person else None
    return Event(new_id(), EventKind.OBJECTION_LINE, at, person=person, body=body, sealed=sealed)
