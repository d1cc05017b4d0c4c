"""How a rulebook's values about waiting in a queue are read."""

from __future__ import annotations

from asterisk_plugin.core.fields import Fields
from asterisk_plugin.core.number import LineType
from asterisk_plugin.core.parameters import Applies
from asterisk_plugin.core.queue_parameters import (
    QueueAnnouncement,
    QueueAnswerShare,
    QueueNoHangUp,
    QueueNumbers,
    Told,
    WaitingIs,
)
from asterisk_plugin.core.waiting import SHORTEST_PERIOD_S

OF_CALLS = ("purposes", "audiences", "dial_modes")
"""Keys of a selection that nobody who calls in can have."""

LONGEST_S = 3600


def read_numbers(fields: Fields, applies: Applies) -> QueueNumbers:
    """An entry of `queue_numbers`."""
    _refuse_kinds_of_call(fields)
    return QueueNumbers(
        applies,
        line_types=fields.choices("line_types", LineType, empty=False),
        otherwise=fields.choices("otherwise", WaitingIs),
    )


def read_announcement(fields: Fields, applies: Applies) -> QueueAnnouncement:
    """An entry of `queue_announcement`."""
    _refuse_kinds_of_call(fields)
    at_start = fields.yes("at_start", default=False)
    if not at_start and not fields.has("every_s"):
        fields.note("at_start", at_start, "must be `true`, unless `every_s` is given")
    return QueueAnnouncement(
        applies,
        told=fields.choices("told", Told, empty=False),
        except_line_types=fields.choices("except_line_types", LineType),
        at_start=at_start,
        every_s=fields.whole("every_s", low=SHORTEST_PERIOD_S, high=LONGEST_S) if fields.has("every_s") else None,
    )


def read_no_hang_up(fields: Fields, applies: Applies) -> QueueNoHangUp:
    """An entry of `queue_no_hang_up`."""
    _refuse_kinds_of_call(fields)
    return QueueNoHangUp(applies)


def read_answer_share(fields: Fields, applies: Applies) -> QueueAnswerShare:
    """An entry of `queue_answer_share`."""
    _refuse_kinds_of_call(fields)
    return QueueAnswerShare(
        applies,
        percent=fields.whole("percent", low=1, high=100),
        within_s=fields.whole("within_s", low=1, high=LONGEST_S),
    )


def _refuse_kinds_of_call(fields: Fields) -> None:
    for name in OF_CALLS:
        if fields.has(name):
            fields.note(name, fields.raw(name), "belongs to calls that we make; who waits in a queue called us")
