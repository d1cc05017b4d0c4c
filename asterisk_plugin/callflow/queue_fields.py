"""AMI events of app_queue as the values that `core/queue_state.py` takes in.

What cannot be read is left out, and the next look at `QueueStatus` puts it right.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from asterisk_plugin.core import queue_events as events
from asterisk_plugin.core.queue_events import DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Fields = Mapping[str, str]

QUEUE_EVENTS = (
    "QueueCallerJoin",
    "QueueCallerLeave",
    "QueueCallerAbandon",
    "AgentConnect",
    "AgentComplete",
    "QueueMemberAdded",
    "QueueMemberRemoved",
    "QueueMemberStatus",
    "QueueMemberPause",
    "QueueMemberRinginuse",
    "UserEvent",
)
"""What the watch over queues needs; classes `agent` and `user`."""

_MEMBER = frozenset(
    ("QueueMember", "QueueMemberAdded", "QueueMemberStatus", "QueueMemberPause", "QueueMemberRinginuse")
)


def queue_event(fields: Fields) -> events.QueueEvent | None:
    """One event as a value; None for what says nothing about who waits or answers."""
    kind, caller = fields.get("Event", ""), fields.get("Uniqueid", "")
    if kind in _MEMBER:
        return member_seen(fields)
    match kind:
        case "QueueCallerJoin":
            return events.Joined(caller, _whole(fields, "Position"), _whole(fields, "Count"))
        case "QueueCallerLeave":
            return events.Left(caller)
        case "QueueCallerAbandon":
            return events.Abandoned(caller, _whole(fields, "HoldTime"))
        case "QueueMemberRemoved":
            return events.MemberGone(fields.get("Interface", ""))
        case "AgentConnect":
            return events.Connected(caller, fields.get("Interface", ""), _whole(fields, "HoldTime"))
        case "AgentComplete":
            return events.Completed(fields.get("Interface", ""), _whole(fields, "TalkTime"))
    return None


def member_seen(fields: Fields) -> events.MemberSeen:
    """A member as Asterisk shows it; `QueueMember` of a list names it `Location`."""
    return events.MemberSeen(
        fields.get("Interface") or fields.get("Location", ""),
        _state(fields),
        paused=fields.get("Paused") == "1",
        in_call=fields.get("InCall") == "1",
        last_call_at=_moment(fields, "LastCall"),
        last_pause_at=_moment(fields, "LastPause"),
        logged_in_at=_moment(fields, "LoginTime"),
    )


def snapshots(messages: Iterable[Fields]) -> dict[str, events.Snapshot]:
    """The answer to `QueueStatus`, by queue."""
    parts: dict[str, tuple[Fields, list[events.MemberSeen], list[events.Waiter]]] = {}
    for message in messages:
        queue = message.get("Queue", "")
        match message.get("Event"):
            case "QueueParams":
                parts[queue] = (message, [], [])
            case "QueueMember" if queue in parts:
                parts[queue][1].append(member_seen(message))
            case "QueueEntry" if queue in parts:
                waiter = events.Waiter(
                    message.get("Uniqueid", ""), _whole(message, "Position"), _whole(message, "Wait")
                )
                parts[queue][2].append(waiter)
    return {
        queue: events.Snapshot(
            tuple(members),
            tuple(waiting),
            completed=_whole(params, "Completed"),
            mean_talk_s=_whole(params, "TalkTime"),
        )
        for queue, (params, members, waiting) in parts.items()
    }


def _whole(fields: Fields, name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _moment(fields: Fields, name: str) -> dt.datetime | None:
    seconds = _whole(fields, name)
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds else None


def _state(fields: Fields) -> DeviceState:
    try:
        return DeviceState(_whole(fields, "Status"))
    except ValueError:
        return DeviceState.UNKNOWN
