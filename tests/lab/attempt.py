"""One call through the PBX's dialplan, while it runs and as it ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.manager import Message


def read_attempt(event: Message, *, took_s: float) -> Attempt:
    """Read the PBX's LabAttempt event."""
    names = {
        "decision": "Decision",
        "reason": "Reason",
        "cause": "Cause",
        "number": "Number",
        "caller_id": "CallerId",
        "token": "Token",
        "ring_s": "RingS",
        "not_before": "NotBefore",
        "answered_by": "AnsweredBy",
        "dial_status": "DialStatus",
        "hangup_cause": "HangupCause",
        "answered_s": "AnsweredTime",
        "caller_after": "CallerAfter",
    }
    values = {field: event.get(header, "") for field, header in names.items()}
    return Attempt(**values, returned=event.get("Returned") == "yes", took_s=took_s)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call as the PBX's dialplan saw it end. Empty text: never set.

    Args:
        decision: RINGFENCE_DECISION.
        reason: RINGFENCE_REASON.
        cause: RINGFENCE_CAUSE.
        number: RINGFENCE_NUMBER.
        caller_id: RINGFENCE_CALLER_ID.
        token: RINGFENCE_TOKEN.
        ring_s: RINGFENCE_RING_S.
        not_before: RINGFENCE_NOT_BEFORE.
        answered_by: RINGFENCE_ANSWERED_BY.
        dial_status: DIALSTATUS.
        hangup_cause: HANGUPCAUSE.
        answered_s: ANSWEREDTIME.
        returned: ringfence-dial came back to its caller.
        caller_after: CALLERID(num) when it was over.
        took_s: Seconds from Originate to the end.
    """

    decision: str
    reason: str
    cause: str
    number: str
    caller_id: str
    token: str
    ring_s: str
    not_before: str
    answered_by: str
    dial_status: str
    hangup_cause: str
    answered_s: str
    returned: bool
    caller_after: str
    took_s: float


class RunningAttempt:
    """An attempt that was started and may still run.

    Args:
        id: Its id.
        channel: Name of the Local channel at the agent's side; hang it up to be the agent who hangs up.
        outcome: The event that tells how it ended.
    """

    def __init__(self, id_: str, outcome: asyncio.Future[Message]) -> None:
        self.id = id_
        self._outcome = outcome
        self._began = time.monotonic()

    @property
    def is_over(self) -> bool:
        """It has ended."""
        return self._outcome.done()

    async def ended(self, timeout_s: float = 30) -> Attempt:
        """Wait for the end.

        Raises:
            TimeoutError: It still runs.
        """
        event = await asyncio.wait_for(asyncio.shield(self._outcome), timeout_s)
        return read_attempt(event, took_s=time.monotonic() - self._began)
