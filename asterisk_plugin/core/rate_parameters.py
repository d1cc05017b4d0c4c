"""The shapes of a rulebook's values about what calls end in: abandoned shares, lock-outs, answers without an agent."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.facts import LimitScope
from asterisk_plugin.core.parameters import Applies


class RateOf(enum.StrEnum):
    """The calls of which a share is taken."""

    LIVE = "live"  # a person answered
    ATTEMPTS = "attempts"  # every one, however it ended
    COMPLETED = "completed"  # a person answered and an agent was there


class RatePer(enum.StrEnum):
    """The window of a share. Windows follow one another and never slide."""

    DAY = "local-day"  # of the site
    MONTH = "calendar-month"
    DAYS = "days"  # so many, the first ones from the first day of the campaign


@dataclass(frozen=True, slots=True)
class AbandonedRate:
    """`abandoned_rate`: how many of a campaign's calls may be abandoned.

    Args:
        applies: To which calls.
        name: Unique in its parameter; the last part of the limit's id.
        counts: Outcomes that count as abandoned.
        of: Of which calls the share is taken.
        per: The window.
        max_share_percent: The share may not be larger; 0: none may be abandoned.
        length: Days of a window of `days`, 0 otherwise.
        machine_error_percent: So many of a hundred calls that were taken for a machine's count as abandoned too.
    """

    applies: Applies
    name: str
    counts: frozenset[Outcome]
    of: RateOf
    per: RatePer
    max_share_percent: int
    length: int = 0
    machine_error_percent: int = 0


class After(enum.StrEnum):
    """What a number is left alone after."""

    SILENT = Outcome.SILENT.value
    ABANDONED = Outcome.ABANDONED.value
    MACHINE = Outcome.MACHINE.value
    REFUSAL = "refusal"  # the person does not want this principal's offer now


@dataclass(frozen=True, slots=True)
class LockOut:
    """`lock_out`: how long a number is left alone after a call that ended in some way.

    Args:
        applies: To which calls.
        after: Ends of a call that lock the number.
        scope: Whose calls count.
        hours: So long, to the second; 0 when it is told in days.
        days: So many full days of the called person's, after the day of the call; 0 when it is told in hours.
        agent_lifts: A call for which an agent is reserved may be made all the same.
        then_agent: Afterwards an agent must be reserved until a person was reached.
    """

    applies: Applies
    after: frozenset[After]
    scope: LimitScope
    hours: int = 0
    days: int = 0
    agent_lifts: bool = False
    then_agent: bool = False


class CountedFrom(enum.StrEnum):
    """From when the seconds until an agent are counted."""

    GREETING_END = "greeting-end"  # the person has finished the greeting; the answer where none was heard
    ANSWER = "answer"


class Then(enum.StrEnum):
    """What must happen when no agent was there in time."""

    MESSAGE = "message"  # a recorded one that says who called
    END = "end"


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """`answer_limit`: how soon an agent must be there when a person has answered, and what happens without one.

    Args:
        applies: To which calls.
        within_s: Seconds.
        counted_from: From when.
        then: What happens.
    """

    applies: Applies
    within_s: int
    counted_from: CountedFrom
    then: Then
