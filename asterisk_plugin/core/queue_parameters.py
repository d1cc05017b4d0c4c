"""The shapes of a rulebook's values about waiting in a queue.

Of the kinds of call only the principal's sector selects among these: who calls in was not called.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from asterisk_plugin.core.number import LineType
from asterisk_plugin.core.parameters import Applies


class WaitingIs(enum.StrEnum):
    """What waiting costs the caller, where a law lets further numbers lead to a queue for it."""

    FREE = "free"
    FIXED_PRICE = "fixed-price"  # the call costs the same however long it lasts


class Told(enum.StrEnum):
    """What somebody who waits must be told."""

    EXPECTED_WAIT = "expected-wait"
    PRICE = "price"  # that waiting is free, or that the price is fixed


@dataclass(frozen=True, slots=True)
class QueueNumbers:
    """`queue_numbers`: which numbers may lead to a queue.

    Args:
        applies: To which queues.
        line_types: These may, whatever waiting costs.
        otherwise: Any other may where waiting is one of these; empty: none may.
    """

    applies: Applies
    line_types: frozenset[LineType]
    otherwise: frozenset[WaitingIs] = frozenset()


@dataclass(frozen=True, slots=True)
class QueueAnnouncement:
    """`queue_announcement`: what somebody who waits must be told, and when.

    Args:
        applies: To which queues.
        told: What.
        except_line_types: Not to somebody who called such a number.
        at_start: When the waiting begins.
        every_s: So many seconds at most from the start of the waiting, and from one announcement to the next; None
            when no time is stated.
    """

    applies: Applies
    told: frozenset[Told]
    except_line_types: frozenset[LineType] = frozenset()
    at_start: bool = False
    every_s: int | None = None


@dataclass(frozen=True, slots=True)
class QueueNoHangUp:
    """`queue_no_hang_up`: nobody may be hung up on because the wait is long; holds the source to show."""

    applies: Applies


@dataclass(frozen=True, slots=True)
class QueueAnswerShare:
    """`queue_answer_share`: how many calls must be answered in time.

    Args:
        applies: To which queues.
        percent: So many of a hundred.
        within_s: Seconds from the start of the waiting.
    """

    applies: Applies
    percent: int
    within_s: int
