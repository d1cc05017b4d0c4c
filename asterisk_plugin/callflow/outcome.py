"""How an attempt ended, as the dialplan saw it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from asterisk_plugin.errors import InputError, LedgerUnavailableError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.ports import Channel

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
    event_id = uuid.uuid5(_NAMESPACE, token).hex  # told twice, recorded once
    try:
        gate.ledger.submit(Event(event_id, EventKind.OUTCOME, gate.clock(), body=body))
    except LedgerUnavailableError as exc:
        gate.observer.fault("outcome", exc)
    gate.observer.outcome(attempt_id=token, dial_status=dial_status, hangup_cause=hangup_cause, answered_s=answered_s)


def _whole(text: str) -> int:
    """A non-negative whole number; 0 for whatever is none (an unanswered call has no seconds)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
