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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of an attempt, as far as its outcome depends on it.

    Args:
        answered: Somebody or something answered.
        heard: Who.
        agent: An agent was there, or none was needed.
        message: The message of an abandoned call was played.
        overdue: It lasted until an agent had to be there, or longer.
        dial_status: `DialStatus` of the DialEnd event.
        cause: Q.850 cause of the end.
        ring_s: How long it rang; None when it never did.
        ring_min_s: It had to ring so long.
        is_sure: Nothing was missed.
    """

    answered: bool
    heard: Heard = Heard.NOT_HEARD
    agent: bool = False
    message: bool = False
    overdue: bool = False
    dial_status: str = ""
    cause: int = 0
    ring_s: float | None = None
    ring_min_s: int = 0
    is_sure: bool = True


NORMAL_CLEARING, USER_BUSY, CALL_REJECTED = 16, 17, 21  # Q.850
NETWORK_ENDED = frozenset({18, 19, 20})
"""No user responding, no answer, subscriber absent: it was not us who gave up."""

UNANSWERED = frozenset({"BUSY", "CONGESTION", "CHANUNAVAIL", "NOANSWER"})
"""With these Dial() itself says that nobody answered; `CANCEL` also stands for a caller who left before it said so."""

RING_SLACK_S = 0.5
"""Ringing is told a moment after it began: no attempt counts as dropped for that."""


def outcome_of(seen: Seen) -> Outcome:
    """The outcome of an attempt; of what was not seen, the worst.

    A person who hangs up before an agent had to be there is no abandoned call (US 16 CFR 310.4(b)(4): abandoned is who
    is not connected within two seconds of the greeting).
    """
    if seen.answered:
        return _answered_outcome(seen)
    if not seen.is_sure and not seen.agent and seen.dial_status not in UNANSWERED:
        return Outcome.SILENT  # it may have been answered while nobody looked
    if seen.dial_status == "BUSY" or seen.cause == USER_BUSY:
        return Outcome.BUSY
    if seen.cause == CALL_REJECTED:
        return Outcome.REFUSED
    gave_up = seen.dial_status == "CANCEL" or seen.cause in NETWORK_ENDED | {0, NORMAL_CLEARING}
    if seen.ring_s is not None and gave_up and seen.dial_status in ("CANCEL", "NOANSWER", ""):
        too_soon = seen.ring_s < seen.ring_min_s - RING_SLACK_S and seen.cause not in NETWORK_ENDED
        return Outcome.DROPPED if too_soon else Outcome.NO_ANSWER
    # Of a number that does not exist DialEnd says NOANSWER too, seen on 22.10: the cause tells.
    is_plain = seen.dial_status == "NOANSWER" and seen.cause in (0, NORMAL_CLEARING)
    return Outcome.NO_ANSWER if is_plain or seen.cause in NETWORK_ENDED else Outcome.FAILED


def _answered_outcome(seen: Seen) -> Outcome:
    if seen.heard is Heard.MACHINE:
        return Outcome.MACHINE
    if seen.message:
        return Outcome.ABANDONED
    if seen.agent or (seen.is_sure and not seen.overdue):
        return Outcome.PERSON
    return Outcome.SILENT


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
