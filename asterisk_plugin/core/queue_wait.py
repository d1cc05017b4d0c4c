"""One wait in a queue, read back from the evidence, and what may be said of it.

Rule 1: nothing is guessed. What the evidence does not show is None here, and is counted as not known.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

from asterisk_plugin.core.waiting import Left


@dataclass(frozen=True, slots=True)
class Told:
    """One announcement to somebody who waits.

    Args:
        at: When its first word was played (aware).
        waited_s: Seconds since the call joined; None when that was not known then.
        said: Names of the prompts; none: nothing was heard, and it counts for nothing.
        estimate_s: The expected wait behind it, in seconds; None when it could not be said.
        is_whole: Everything was played.
    """

    at: dt.datetime
    waited_s: float | None = None
    said: tuple[str, ...] = ()
    estimate_s: float | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """One call in one queue.

    Args:
        id: What names it, 32 hex characters.
        queue: Name of the queue.
        principal: For whom the call was taken; empty when nobody knows.
        joined_at: When it began (aware); None when no row says that it did.
        unanswered: Whether it waited unanswered; None when that is not known.
        told: Announcements, in any order.
        left_at: When it ended (aware); None when no row says that it did. With `Left.UNKNOWN`: when that was noticed.
        how: How it ended; None when no row says that it did.
        waited_s: Seconds from joining to the end; None when not known.
        charged_from: When the call was answered towards the network (aware); None: never while it waited.
        agent: Interface of the agent who took the call.
        called_back: Whether the gate let the call go out that the caller had wished; None when it was never due.
    """

    id: str
    queue: str
    principal: str = ""
    joined_at: dt.datetime | None = None
    unanswered: bool | None = None
    told: tuple[Told, ...] = ()
    left_at: dt.datetime | None = None
    how: Left | None = None
    waited_s: float | None = None
    charged_from: dt.datetime | None = None
    agent: str = ""
    called_back: bool | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a wait is measured by.

    Args:
        answered_in_under_s: An answer after less than so many seconds is in time. 180: Spain, Ley 10/2025 art. 10.3,
            95 % of calls "in under three minutes", to be kept from 28 December 2026.
        answered_share: That part of the calls is to be answered in time, 0 to 1; the same source.
        told_at_start_s: The first announcement begins at most so many seconds after joining: Germany, TKG § 115(2),
            "at the start of the first queue". A wait that ends sooner without a word is short, and counted apart.
        told_every_s: Longest time without an announcement. 60: Germany, Leitfaden verbraucherfreundliche
            Kundenbetreuung (2007, voluntary).
        charge_slack_s: The call may be answered so much before its agent is seen to take it and still count as
            free until then: two messages of one moment, seen one after the other.
    """

    answered_in_under_s: float = 180.0
    answered_share: float = 0.95
    told_at_start_s: float = 5.0
    told_every_s: float = 60.0
    charge_slack_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be said of one wait; None where the evidence does not tell.

    Args:
        in_time: An agent took the call in time. False for every other end that is known.
        left_before_limit: It ended in another way than an answer before an answer would have been late.
        told_at_start: The first announcement began soon enough.
        told_throughout: Never longer without an announcement than allowed. False as soon as one gap is known to be
            longer, though the end is not known.
        is_short: It ended before the first word was due, without one.
        longest_silence_s: Longest time without an announcement that is known.
        free: The caller was not charged while waiting.
        charged_s: Seconds of waiting that were charged.
    """

    in_time: bool | None
    left_before_limit: bool
    told_at_start: bool | None
    told_throughout: bool | None
    is_short: bool
    longest_silence_s: float | None
    free: bool | None
    charged_s: float | None


def has_ended(wait: Wait) -> bool:
    """Whether it is known how the wait ended."""
    return wait.how not in (None, Left.UNKNOWN)


def length_s(wait: Wait) -> float | None:
    """Seconds from joining to the end; None while it goes on, or when either is not known."""
    return wait.waited_s if has_ended(wait) and wait.joined_at is not None else None


def told_after_s(wait: Wait) -> list[float]:
    """When announcements began, in seconds after joining, in order; those whose moment is not known left out."""
    found = (waited_at_s(wait, told) for told in wait.told if told.said)
    return sorted(seconds for seconds in found if seconds is not None)


def waited_at_s(wait: Wait, told: Told) -> float | None:
    """How long somebody had waited when an announcement began, in seconds; None when that is not known."""
    if told.waited_s is not None:
        return told.waited_s
    return None if wait.joined_at is None else (told.at - wait.joined_at).total_seconds()


def judge(wait: Wait, limits: Limits) -> Judged:
    """Say what the evidence shows of one wait."""
    end_s = length_s(wait)
    # What began when the wait was over was not for somebody who waits.
    told = [seconds for seconds in told_after_s(wait) if end_s is None or seconds <= end_s]
    in_time = _in_time(wait, limits)
    is_short = end_s is not None and end_s <= limits.told_at_start_s and not told
    free, charged_s = _charge(wait, limits)
    at_start, throughout, silence_s = None, None, None
    if wait.joined_at is not None and not is_short:
        silence_s = _longest_gap_s([0.0, *told, *([] if end_s is None else [end_s])])
        if told or end_s is not None:
            at_start = bool(told) and told[0] <= limits.told_at_start_s
        throughout = _throughout(told, silence_s, end_s, limits)
    return Judged(
        in_time=in_time,
        left_before_limit=in_time is False
        and wait.how is not Left.ANSWERED
        and end_s is not None
        and end_s < limits.answered_in_under_s,
        told_at_start=at_start,
        told_throughout=throughout,
        is_short=is_short,
        longest_silence_s=silence_s,
        free=free,
        charged_s=charged_s,
    )


def _in_time(wait: Wait, limits: Limits) -> bool | None:
    if not has_ended(wait):
        return None
    if wait.how is not Left.ANSWERED:
        return False
    seconds = length_s(wait)
    return None if seconds is None else seconds < limits.answered_in_under_s


def _throughout(told: list[float], silence_s: float | None, end_s: float | None, limits: Limits) -> bool | None:
    if silence_s is not None and silence_s > limits.told_every_s:
        return False
    return None if end_s is None else bool(told)


def _longest_gap_s(moments: list[float]) -> float | None:
    return max((later - earlier for earlier, later in pairwise(moments)), default=None)


def _charge(wait: Wait, limits: Limits) -> tuple[bool | None, float | None]:
    if not has_ended(wait) or wait.left_at is None:
        return None, None
    if wait.charged_from is None:
        return True, 0.0
    since = wait.charged_from if wait.joined_at is None else max(wait.charged_from, wait.joined_at)
    charged_s = max(0.0, (wait.left_at - since).total_seconds())
    is_free = (wait.left_at - wait.charged_from).total_seconds() <= limits.charge_slack_s
    return is_free, 0.0 if is_free else charged_s
