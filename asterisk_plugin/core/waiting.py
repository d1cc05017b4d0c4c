"""What somebody who waits in a queue is told: names of phrases, not texts.

The wait is said in whole minutes, because nobody can promise seconds: `less than a minute`, `about N minutes`
up to ten, `more than ten minutes`; and what is not known is said to be not known.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.site import AtLimit

if TYPE_CHECKING:
    from asterisk_plugin.core.site import Queue

MOST_MINUTES = 10
"""Longest wait that is said in minutes; beyond it is `more than ten`."""

PERIOD_MARGIN_S = 2
"""The next announcement begins so many seconds early: from the start of one to the start of the next it is
never longer than what is asked for, on a busy machine too."""

SHORTEST_PERIOD_S = 10


class Left(enum.StrEnum):
    """How somebody left a queue."""

    ANSWERED = "answered"  # an agent took the call
    ABANDONED = "abandoned"  # the caller hung up
    CALL_BACK = "call-back"  # and keeps the place
    PERSON = "person"  # key 0
    OBJECTION = "objection"  # to the objection line
    UNKNOWN = "unknown"  # we were away when it happened


def period_s(announce_every_s: int) -> int:
    """Seconds between the starts of two announcements, so that none comes later than asked for.

    Args:
        announce_every_s: Longest time between two announcements.
    """
    return max(SHORTEST_PERIOD_S, announce_every_s - PERIOD_MARGIN_S)


CALL_BACK_LIMIT_S = 45
ANSWER_MARGIN_S = 10
"""So many seconds before the carrier's limit something is done: with a talk about a call-back, and without."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody who waits may choose.

    Args:
        call_back: To be called back, key 1.
        person: To speak to a person now, key 0.
        objection: To go to the objection line, key 9.
    """

    call_back: bool = False
    person: bool = False
    objection: bool = False


def wait_prompt(minutes: int | None) -> str:
    """Name of the prompt that says an expected wait.

    Args:
        minutes: Whole minutes, 0 for less than one; None when it cannot be said.
    """
    if minutes is None:
        return "wait-unknown"
    if minutes < 1:
        return "wait-under-1"
    return f"wait-about-{minutes}" if minutes <= MOST_MINUTES else "wait-over-10"


def announcement(
    minutes: int | None, *, is_first: bool, nobody: bool = False, free: bool = False, offer: Offer | None = None
) -> tuple[str, ...]:
    """What is said to somebody who waits: names of prompts in order.

    Args:
        minutes: The expected wait, see `wait_prompt`.
        is_first: At the start of the queue; later it is short, and the keys are said again.
        nobody: No agent is there.
        free: The wait is not charged.
        offer: What may be chosen.
    """
    offer = offer or Offer()
    return (
        *(() if is_first else ("wait-still",)),
        *(("wait-nobody",) if nobody else ()),
        wait_prompt(minutes),
        *(("wait-free",) if free and is_first else ()),
        *(("wait-press-1-call-back",) if offer.call_back else ()),
        *(("wait-press-0-person",) if offer.person else ()),
        *(("wait-press-9-objection",) if offer.objection and is_first else ()),
    )


def limit_s(queue: Queue) -> int:
    """Seconds after which something is done about a call that nobody has answered; 0: never.

    Args:
        queue: With the carrier's limit, and what is to be done before it.
    """
    if queue.carrier_limit_s == 0:
        return 0
    talks = queue.at_limit is AtLimit.CALL_BACK and queue.call_back is not None
    return max(ANSWER_MARGIN_S, queue.carrier_limit_s - (CALL_BACK_LIMIT_S if talks else ANSWER_MARGIN_S))
