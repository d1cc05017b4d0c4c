"""What somebody who waits is told, and how it stays believable when they are told again.

The rule: what was said is a promise that counts down. As long as it could still come true (it lies between the
estimate's low and high end, eight of ten waits) it is kept, so the number told never rises and never flutters with
every change in the queue. Once it could not, the new estimate is told and becomes the promise; when that is longer
than the promise would say by now, `longer` says so, for the announcement to admit it. A promise that ran out while
the person still waits is never counted up again, as Asterisk's is: it lies below the low end and is replaced. When
it cannot be said any more (the last member logged off), that is said.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from asterisk_plugin.core.wait_estimate import WaitEstimate

UNKNOWN = "wait-unknown"
"""We cannot say yet how long it takes."""

UNDER_A_MINUTE = "wait-under-1"
MINUTES = tuple(f"wait-about-{minutes}" for minutes in range(1, 11))
OVER_TEN = "wait-over-10"

WAIT_PHRASES = (UNKNOWN, UNDER_A_MINUTE, *MINUTES, OVER_TEN)
"""Every phrase a language must have, the wait growing from the second on."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was told.

    Args:
        phrase: One of `WAIT_PHRASES`.
        due_at: When that says that their turn comes; None with `UNKNOWN`.
        longer: It takes longer than they were told before.
    """

    phrase: str
    due_at: dt.datetime | None
    longer: bool = False


def tell(estimate: WaitEstimate | None, before: Told | None, now: dt.datetime) -> Told:
    """What to tell somebody now.

    Args:
        estimate: How long they will still wait; None when it cannot be said.
        before: What they were told last; None the first time.
        now: The moment (aware).
    """
    if estimate is None:
        return Told(UNKNOWN, None)
    due_at = now + dt.timedelta(seconds=estimate.wait_s)
    if before is None or before.due_at is None:
        return Told(phrase_of(estimate.wait_s), due_at)
    left_s = (before.due_at - now).total_seconds()
    if estimate.low_s <= left_s <= estimate.high_s:
        return Told(phrase_of(left_s), before.due_at)
    phrase = phrase_of(estimate.wait_s)
    return Told(phrase, due_at, longer=WAIT_PHRASES.index(phrase) > WAIT_PHRASES.index(phrase_of(left_s)))


def phrase_of(wait_s: float) -> str:
    """The phrase for a wait: minutes rounded, below three quarters of a minute "less than a minute"."""
    if wait_s < 45:
        return UNDER_A_MINUTE
    minutes = max(1, int(wait_s / 60 + 0.5))
    return MINUTES[minutes - 1] if minutes <= len(MINUTES) else OVER_TEN
