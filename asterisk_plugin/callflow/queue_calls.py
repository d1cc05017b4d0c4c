"""One caller who waits, as the watch over the queues knows it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.queue_evidence import wait_id
from asterisk_plugin.callflow.running_legs import read_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.wait_told import Told

CALL_BACK = "@ringfence-call-back"
"""In the name of a channel that waits in place of somebody who is to be called back."""

_SINCE, _NOW = "RINGFENCE_QUEUE_SINCE", "STRFTIME(,,%s.%3q)"

LONGEST_S = 24 * 3600
"""Nobody waits for longer; whoever says so is not believed."""


@dataclass(slots=True)
class WaitingCall:
    """Changes as events come.

    Args:
        unique_id: Of the channel.
        channel: Its name.
        queue: Where it waits.
        wait: Id of the wait.
        since: Since when (aware), by our clock.
        order: The same by Asterisk's clock, seconds since the epoch: who came earlier has the better place.
        early: It waits unanswered.
        charged_from: When it was answered towards the network; None while it was not.
        noted: `order` as the dialplan wrote it.
        times_told: How many announcements there were.
        told: What was told last.
        ended: The waiting is over, and written down.
        is_lost: It was not in the queue when it was looked for: how it ends cannot be told.
    """

    unique_id: str
    channel: str
    queue: str
    wait: str
    since: dt.datetime
    order: float
    early: bool = False
    charged_from: dt.datetime | None = None
    noted: str = ""
    times_told: int = 0
    told: Told | None = None
    ended: bool = False
    is_lost: bool = False

    @classmethod
    def of(cls, gate: Gate, fields: Mapping[str, str]) -> WaitingCall:
        """A caller whom an event tells of: `Channel`, `Uniqueid`, `Queue`, `Since` (epoch), `Waited` (seconds)."""
        unique_id, channel, since = fields.get("Uniqueid", ""), fields.get("Channel", ""), fields.get("Since", "")
        return cls(
            unique_id,
            channel,
            fields.get("Queue", ""),
            wait_id(gate.secret, unique_id, channel, since),
            since=gate.clock() - dt.timedelta(seconds=seconds_of(fields.get("Waited", "")) or 0),
            order=_epoch_of(since),
            early=fields.get("Early", "yes") != "no",
            noted=since,
        )

    @property
    def is_placeholder(self) -> bool:
        """Nobody waits there: the person is to be called back."""
        return CALL_BACK in self.channel


async def noted_of(manager: Manager, channel: str) -> dict[str, str]:
    """Since when a channel waits, as the dialplan noted it, and how long that is by Asterisk's clock.

    Returns:
        `Since` and `Waited` as in the dialplan's own events; empty when it does not wait through us, or is gone.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    since = await read_value(manager, channel, _SINCE)
    now = await read_value(manager, channel, _NOW) if since else ""
    try:
        return {"Since": since, "Waited": f"{float(now) - float(since):.3f}"}
    except ValueError:
        return {}


def seconds_of(text: str) -> float | None:
    """Seconds that Asterisk counted; None when they cannot be that."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < LONGEST_S else None


def _epoch_of(text: str) -> float:
    try:
        epoch_s = float(text)
    except ValueError:
        epoch_s = math.inf
    return epoch_s if math.isfinite(epoch_s) else math.inf  # behind all whose moment is known
