"""What AMI tells about one queue, as values: what `queue_state.step` takes in.

One event of AMI is one value here, with the moment handed to `step` beside it. Which event and which field
each comes from stands at each class; everything else in those events is not needed. A value of a wrong type
never gets here: the AMI adapter has checked it.

Wire: Asterisk 22, AMI events of app_queue (the same fields since Asterisk 16).
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass


class DeviceState(enum.IntEnum):
    """`Status` of a queue member."""

    UNKNOWN = 0  # app_queue rings such a member
    NOT_IN_USE = 1
    IN_USE = 2
    BUSY = 3
    INVALID = 4
    UNAVAILABLE = 5  # not registered: counts as not logged in
    RINGING = 6
    RING_IN_USE = 7
    ON_HOLD = 8


@dataclass(frozen=True, slots=True)
class Joined:
    """`QueueCallerJoin`: somebody begins to wait.

    Args:
        caller: `Uniqueid` of the channel.
        position: `Position`, 1 is next.
        count: `Count`, how many wait, this one included.
    """

    caller: str
    position: int
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """`QueueCallerLeave`: waits no longer, for whatever reason; comes beside `Connected` or `Abandoned` too.

    Args:
        caller: `Uniqueid`.
    """

    caller: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """`QueueCallerAbandon`: hung up while waiting. Also fed when somebody leaves by a key and gives the place up.

    Args:
        caller: `Uniqueid`.
        held_s: `HoldTime`.
    """

    caller: str
    held_s: float


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """How a member stands: `QueueMember`, `QueueMemberStatus`, `-Added`, `-Pause` and `-Ringinuse` carry all of it.

    Args:
        member: `Interface`.
        state: `Status`.
        paused: `Paused`.
        in_call: `InCall`: talks to somebody of this queue, or of another one with shared last calls.
        last_call_at: `LastCall`, end of the last call; None when it took none yet (0).
        last_pause_at: `LastPause`, begin of the last pause; None when there was none yet (0).
        logged_in_at: `LoginTime`; None when not told (0).
    """

    member: str
    state: DeviceState
    paused: bool = False
    in_call: bool = False
    last_call_at: dt.datetime | None = None
    last_pause_at: dt.datetime | None = None
    logged_in_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class MemberGone:
    """`QueueMemberRemoved`: logged off.

    Args:
        member: `Interface`.
    """

    member: str


@dataclass(frozen=True, slots=True)
class Connected:
    """`AgentConnect`: a member answered somebody who waited.

    Args:
        caller: `Uniqueid`.
        member: `Interface`.
        held_s: `HoldTime`, from joining to now.
    """

    caller: str
    member: str
    held_s: float


@dataclass(frozen=True, slots=True)
class Completed:
    """`AgentComplete`: that conversation ended (`Reason` caller, agent or transfer: the member is free in each).

    Args:
        member: `Interface`.
        talked_s: `TalkTime`.
    """

    member: str
    talked_s: float


@dataclass(frozen=True, slots=True)
class Waiter:
    """`QueueEntry` of `QueueStatus`: one who waits.

    Args:
        caller: `Uniqueid`.
        position: `Position`.
        waited_s: `Wait`.
    """

    caller: str
    position: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole answer to `QueueStatus` for one queue: what is not in it is gone.

    Args:
        members: `QueueMember`, any order.
        waiting: `QueueEntry`, any order.
        completed: `Completed` of `QueueParams`.
        mean_talk_s: `TalkTime` of `QueueParams`, Asterisk's own moving average.
    """

    members: tuple[MemberSeen, ...] = ()
    waiting: tuple[Waiter, ...] = ()
    completed: int = 0
    mean_talk_s: float = 0.0


QueueEvent = Joined | Left | Abandoned | MemberSeen | MemberGone | Connected | Completed | Snapshot
