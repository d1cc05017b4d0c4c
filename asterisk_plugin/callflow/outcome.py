"""How an attempt ended, as the dialplan saw it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.errors import InputError, LedgerUnavailableError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.ports import Channel, Ledger

# Every value app_dial gives DIALSTATUS, and empty for a leg that never dialled.
DIAL_STATUSES = frozenset(
    [
        "ANSWER",
        "BUSY",
        "NOANSWER",
        "CANCEL",
        "CONGESTION",
        "CHANUNAVAIL",
        "DONTCALL",
        "TORTURE",
        "INVALIDARGS",
    ]
) | {""}

_TOKEN = re.compile(r"[0-9a-f]{32}")
_NAMESPACE = uuid.UUID("6f0a2a0e-5d0f-4b55-9a0b-1c2b8e6d4a11")


@dataclass(frozen=True, slots=True)
class Told:
    """How the dialplan saw an attempt end.

    Args:
        at: When it told (aware).
        dial_status: `DIALSTATUS`; `CANCEL` also when the caller was gone before Dial() said anything.
        cause: Q.850 cause, 0 when there was none.
        answered_s: So long it talked, in whole seconds.
    """

    at: dt.datetime
    dial_status: str
    cause: int
    answered_s: int


async def outcomes_told(ledger: Ledger, attempt_ids: Collection[str]) -> dict[str, Told]:
    """What the dialplan told of these attempts, by their ids; those of which it told nothing are left out.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    found = await ledger.find_events([_outcome_id(each) for each in attempt_ids]) if attempt_ids else ()
    return {stored.event.body["attempt_id"]: _told_by(stored.event) for stored in found}


def _told_by(event: Event) -> Told:
    body = event.body
    return Told(event.at, body.get("dial_status", ""), body.get("hangup_cause", 0), body.get("answered_s", 0))


def _outcome_id(token: str) -> str:
    """Told twice, recorded once."""
    return uuid.uuid5(_NAMESPACE, token).hex


async def outcome(gate: Gate, channel: Channel) -> None:
    """The `outcome` script: record how an attempt ended, once per token.

    Args:
        gate: This node's gate.
        channel: Arguments: token, `DIALSTATUS`, `HANGUPCAUSE` (Q.850), answered seconds.
    """
    token, dial_status, cause, answered, *_ = (*channel.request.arguments, "", "", "", "")
    if not _TOKEN.fullmatch(token) or dial_status not in DIAL_STATUSES:
        gate.observer.fault("outcome", InputError(f"`{token[:40]}` `{dial_status[:20]}` is no token and dial status"))
        return
    hangup_cause, answered_s = _whole(cause), _whole(answered)
    body = {
        "attempt_id": token,
        "dial_status": dial_status,
        "hangup_cause": hangup_cause,
        "answered_s": answered_s,
    }
    try:
        gate.ledger.submit(Event(_outcome_id(token), EventKind.OUTCOME, gate.clock(), body=body))
    except LedgerUnavailableError as exc:
        gate.observer.fault("outcome", exc)
    gate.observer.outcome(attempt_id=token, dial_status=dial_status, hangup_cause=hangup_cause, answered_s=answered_s)


def _whole(text: str) -> int:
    """A non-negative whole number; 0 for whatever is none (an unanswered call has no seconds)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
