"""What somebody who waits in a queue is told: names of phrases, not texts.

The wait is said in whole minutes, because nobody can promise seconds: `less than a minute`, `about N minutes`
up to ten, `more than ten minutes`; and what is not known is said to be not known.
"""

from __future__ import annotations

import enum

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
