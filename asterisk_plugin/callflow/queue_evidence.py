"""A caller's wait as evidence: joined, told what and when, left how.

One wait is one call in one queue, however often it left and took its place again; a call that an agent sends on to
another queue waits anew. Its id is made of the channel and the moment the dialplan noted, so that every process, and a
service that was away meanwhile, finds the same one. An event that is handed in
twice is recorded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.callflow.records import id_of_content, new_id
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt

    from asterisk_plugin.core.waiting import Left


def wait_id(secret: bytes, unique_id: str, channel: str, since: str) -> str:
    """What names one wait: 32 hex characters.

    Args:
        secret: The site's secret.
        unique_id: Asterisk's unique id of the waiting channel. Of several Asterisks each needs a `systemname` of its
            own in asterisk.conf, which is part of it.
        channel: That channel's name.
        since: When it began to wait, as the dialplan noted it (`RINGFENCE_QUEUE_SINCE`).
    """
    content = {"unique_id": unique_id, "channel": channel, "since": since}
    return id_of_content(secret, EventKind.QUEUE_JOINED, content)


def joined_event(
    wait: str,
    *,
    queue: str,
    principal: str,
    at: dt.datetime,
    person: str = "",
    number: str = "",
    unanswered: bool | None = None,
) -> Event:
    """Somebody began to wait.

    Args:
        wait: See `wait_id`; also the event's id.
        queue: Name of the queue.
        principal: For whom the call is taken; empty when nobody knows.
        at: When (aware).
        person: Tag of the caller's number, empty when withheld.
        number: The caller's number, E.164.
        unanswered: Whether the call waits unanswered, free for the caller; None when that is not known.
    """
    body = {"wait": wait, "queue": queue, "principal": principal, "unanswered": unanswered}
    return Event(wait, EventKind.QUEUE_JOINED, at, person, body, {"number": number} if number else None)


def told_event(
    wait: str,
    *,
    queue: str,
    at: dt.datetime,
    waited_s: float | None,
    said: tuple[str, ...],
    estimate_s: float | None,
    position: int | None,
    is_whole: bool,
) -> Event:
    """Somebody who waits was told something.

    Args:
        wait: See `wait_id`.
        queue: Name of the queue.
        at: When the first word was played (aware).
        waited_s: Seconds since the call joined, as far as known.
        said: Names of the prompts.
        estimate_s: The expected wait behind it, in seconds; None when it could not be said.
        position: Place in the queue, 1 for the head; None when not known.
        is_whole: Everything was played; False when the caller or an agent cut it short.
    """
    body = {
        "wait": wait,
        "queue": queue,
        "waited_s": None if waited_s is None else round(waited_s, 2),
        "said": list(said),
        "estimate_s": None if estimate_s is None else round(estimate_s, 1),
        "position": position,
        "is_whole": is_whole,
    }
    return Event(new_id(), EventKind.QUEUE_TOLD, at, body=body)


def left_event(
    wait: str,
    *,
    secret: bytes,
    queue: str,
    at: dt.datetime,
    how: Left,
    waited_s: float | None,
    charged_from: dt.datetime | None,
    agent: str = "",
    wish: str = "",
) -> Event:
    """The waiting ended.

    Args:
        wait: See `wait_id`.
        secret: The site's secret.
        queue: Name of the queue.
        at: When (aware).
        how: How.
        waited_s: Seconds from the first joining to now; None when not known.
        charged_from: When the call was answered towards the network, so that the caller is charged from then on; None:
            it never was.
        agent: Interface of the agent who took the call.
        wish: What names the wish to be called back, see `called_back_event`.
    """
    body = {
        "wait": wait,
        "queue": queue,
        "how": how.value,
        "waited_s": None if waited_s is None else round(waited_s, 2),
        "charged_from": None if charged_from is None else charged_from.isoformat(),
        "agent": agent,
        "wish": wish,
    }
    return Event(id_of_content(secret, EventKind.QUEUE_LEFT, {"wait": wait}), EventKind.QUEUE_LEFT, at, body=body)


def called_back_event(
    wish: str, *, secret: bytes, queue: str, at: dt.datetime, decision: str, reason: str, dial_status: str
) -> Event:
    """Somebody who wished to be called back was due: an agent took the place, and the gate decided.

    Args:
        wish: What names it in the dialplan.
        secret: The site's secret.
        queue: Name of the queue; empty when the dialplan did not say.
        at: When the call ended, or was not made (aware).
        decision: Of the gate; empty when it could not be asked.
        reason: Why not.
        dial_status: `DIALSTATUS` of the call.
    """
    body = {"wish": wish, "queue": queue, "decision": decision, "reason": reason, "dial_status": dial_status}
    name = id_of_content(secret, EventKind.QUEUE_CALLED_BACK, {"wish": wish})
    return Event(name, EventKind.QUEUE_CALLED_BACK, at, body=body)
