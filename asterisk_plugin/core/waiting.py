"""What somebody who waits in a queue is told beside the expected wait (`wait_told.py`): names of prompts, no texts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.site import AtLimit

if TYPE_CHECKING:
    from asterisk_plugin.core.site import Queue

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
ANSWER_MARGIN_S = 20
"""So many seconds before the carrier's limit something is done: with a talk about a call-back, and without. app_queue
looks at its time-out for the head caller only after each `retry` (5 s by default), and "from now on it is charged"
takes up to 7 s to say."""

SOONEST_S = 10


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


def announcement(
    phrase: str,
    *,
    is_first: bool,
    longer: bool = False,
    nobody: bool = False,
    free: bool = False,
    fixed_price: bool = False,
    offer: Offer | None = None,
) -> tuple[str, ...]:
    """What is said to somebody who waits: names of prompts in order.

    Args:
        phrase: The expected wait, one of `wait_told.WAIT_PHRASES`.
        is_first: At the start of the queue; later it is short, and the keys are said again.
        longer: It takes longer than was said before.
        nobody: No agent is there.
        free: The wait is not charged.
        fixed_price: The price of the call does not depend on the wait; said instead.
        offer: What may be chosen.
    """
    offer = offer or Offer()
    price = "wait-fixed-price" if fixed_price else "wait-free" if free else ""
    return (
        *(() if is_first else ("wait-still",)),
        *(("wait-longer",) if longer else ()),
        *(("wait-nobody",) if nobody else ()),
        phrase,
        *((price,) if price and is_first else ()),
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
    return max(SOONEST_S, queue.carrier_limit_s - (CALL_BACK_LIMIT_S if talks else ANSWER_MARGIN_S))


def spare_s(queue: Queue) -> int:
    """Seconds from there to the carrier's own limit; 0 where it has none."""
    return queue.carrier_limit_s - limit_s(queue) if queue.carrier_limit_s else 0
