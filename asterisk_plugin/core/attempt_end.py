"""How an attempt ended: one of nine outcomes, when what happened, and how sure that is.

It is written as one `attempt-ended` event of the ledger for each leg that was let through to a trunk; rates, lock-outs
and reports are made of these alone. Times are those at which AMI told of them.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(enum.StrEnum):
    """How an attempt ended."""

    PERSON = "person"  # answered by a person, and an agent was there
    MACHINE = "machine"  # answered by a machine
    BUSY = "busy"
    NO_ANSWER = "no-answer"  # it rang as long as it had to
    FAILED = "failed"  # it never reached anybody
    DROPPED = "dropped"  # we hung up while it rang, sooner than allowed
    SILENT = "silent"  # answered by a person, and neither an agent nor the message came
    ABANDONED = "abandoned"  # answered by a person, no agent in time, and the message was played
    REFUSED = "refused"  # the called side declined the call


LIVE = frozenset({Outcome.PERSON, Outcome.SILENT, Outcome.ABANDONED})
"""Outcomes of calls that a person answered."""


class Heard(enum.StrEnum):
    """Who answered, as far as it was heard."""

    NOT_HEARD = ""  # nobody listened, or nothing came of it: a person
    PERSON = "person"
    NOT_SURE = "not-sure"  # a person, too
    MACHINE = "machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How one attempt ended.

    Args:
        attempt_id: The token it was let through with, 32 hex characters.
        campaign: Id of the campaign.
        principal: Id of the principal.
        agent: An agent was reserved for it when it was decided: the gate was given one.
        outcome: How it ended.
        is_sure: Everything was seen. False: part of it happened while AMI was away; the worst is taken.
        began_at: When it began to dial (aware).
        ring_s: From the first ringing to the answer or the end; None when it never rang.
        answer_s: From the beginning to the answer; None when nobody answered.
        greeting_s: From the answer to the end of the called side's greeting; None when it was not heard.
        agent_s: From the answer to the agent; None when none came.
        message_s: From the answer to the message of an abandoned call; None when it was not played.
        talk_s: From the answer to the end; None when nobody answered.
        heard: Who answered.
        heard_why: What showed it, an id of `detection.findings.Why` or a cause of app_amd; empty when nothing did.
        heard_s: From the answer to that; None when nothing showed it.
        cause: Q.850 cause of the end; 0 when none was told.
        dial_status: `DialStatus` of the DialEnd event; empty when none was seen.
        asterisk: Name of the Asterisk in the settings.
    """

    attempt_id: str
    campaign: str
    principal: str
    outcome: Outcome
    began_at: dt.datetime
    agent: bool = False
    is_sure: bool = True
    ring_s: float | None = None
    answer_s: float | None = None
    greeting_s: float | None = None
    agent_s: float | None = None
    message_s: float | None = None
    talk_s: float | None = None
    heard: Heard = Heard.NOT_HEARD
    heard_why: str = ""
    heard_s: float | None = None
    cause: int = 0
    dial_status: str = ""
    asterisk: str = ""

    @property
    def is_live(self) -> bool:
        """A person answered."""
        return self.outcome in LIVE

    @property
    def delay_s(self) -> float | None:
        """From the end of the greeting to the agent; from the answer when no greeting was heard. None: no agent."""
        return None if self.agent_s is None else max(0.0, self.agent_s - (self.greeting_s or 0.0))


def body_of(end: AttemptEnd) -> dict[str, Any]:
    """The body of the `attempt-ended` event: JSON-able, without personal data."""
    return {**asdict(end), "outcome": end.outcome.value, "heard": end.heard.value, "began_at": end.began_at.isoformat()}


def end_of(body: Mapping[str, Any]) -> AttemptEnd:
    """Read the body of an `attempt-ended` event; fields of a later version are left out.

    Raises:
        KeyError: A field without default is missing.
        ValueError: A value is none of those allowed.
    """
    known = {field.name: body[field.name] for field in fields(AttemptEnd) if field.name in body}
    known["outcome"] = Outcome(body["outcome"])
    known["heard"] = Heard(body.get("heard", ""))
    known["began_at"] = dt.datetime.fromisoformat(body["began_at"])
    return AttemptEnd(**known)
