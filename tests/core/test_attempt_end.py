"""How an attempt ended, written and read back."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.attempt_end import AttemptEnd, Heard, Outcome, Seen, body_of, end_of, outcome_of

AT = dt.datetime(2026, 11, 24, 10, 0, tzinfo=dt.UTC)


def ended(**values: object) -> AttemptEnd:
    known = {"attempt_id": "0" * 32, "campaign": "a", "principal": "b", "outcome": Outcome.PERSON, "began_at": AT}
    return AttemptEnd(**{**known, **values})


@pytest.mark.parametrize("outcome", Outcome)
def test_what_is_written_is_read_back(outcome: Outcome) -> None:
    end = ended(outcome=outcome, ring_s=4.5, agent_s=0.4, heard=Heard.NOT_SURE, is_sure=False, cause=16)
    assert end_of(json.loads(json.dumps(body_of(end)))) == end


def test_a_field_of_a_later_version_is_left_out() -> None:
    assert end_of({**body_of(ended()), "mood": "good"}) == ended()


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        end_of({**body_of(ended()), "outcome": "nobody"})


@pytest.mark.parametrize(
    ("agent_s", "greeting_s", "delay_s"), [(None, 1.0, None), (1.5, None, 1.5), (1.5, 1.0, 0.5), (0.5, 1.0, 0.0)]
)
def test_the_delay_counts_from_the_greeting(
    agent_s: float | None, greeting_s: float | None, delay_s: float | None
) -> None:
    assert ended(agent_s=agent_s, greeting_s=greeting_s).delay_s == delay_s


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (Seen(answered=True, agent=True), Outcome.PERSON),
        (Seen(answered=True, heard=Heard.MACHINE, agent=True), Outcome.MACHINE),
        (Seen(answered=True, message=True, overdue=True), Outcome.ABANDONED),
        (Seen(answered=True, message=True, heard=Heard.MACHINE), Outcome.MACHINE),
        (Seen(answered=True, overdue=True), Outcome.SILENT),
        (Seen(answered=True, overdue=False), Outcome.PERSON),  # hung up before an agent was due
        (Seen(answered=True, overdue=False, is_sure=False), Outcome.SILENT),
        (Seen(answered=False, is_sure=False), Outcome.SILENT),
        (Seen(answered=False, is_sure=False, agent=True, dial_status="BUSY"), Outcome.BUSY),
        (Seen(answered=False, dial_status="CANCEL", ring_s=14.6, ring_min_s=15), Outcome.NO_ANSWER),
        (Seen(answered=False, dial_status="CANCEL", ring_s=14.4, ring_min_s=15), Outcome.DROPPED),
        (Seen(answered=False, dial_status="CANCEL", ring_s=1, ring_min_s=15, cause=19), Outcome.NO_ANSWER),
        (Seen(answered=False, dial_status="CANCEL", ring_s=1, ring_min_s=15, cause=21), Outcome.REFUSED),
        (Seen(answered=False, cause=17), Outcome.BUSY),
        (Seen(answered=False, cause=20), Outcome.NO_ANSWER),
        (Seen(answered=False, dial_status="CHANUNAVAIL", cause=3), Outcome.FAILED),
        (Seen(answered=False, dial_status="NOANSWER", cause=1), Outcome.FAILED),
        (Seen(answered=False, dial_status="NOANSWER", cause=16), Outcome.NO_ANSWER),
    ],
)
def test_what_was_seen_comes_to_one_outcome(seen: Seen, outcome: Outcome) -> None:
    """Of what was not seen, the worst."""
    assert outcome_of(seen) is outcome


@pytest.mark.parametrize(
    ("limit", "greeting_s", "heard_s", "due_s"),
    [
        (AnswerLimit(), 0.9, 1.4, 2.9),  # from the end of the greeting
        (AnswerLimit(), None, 1.9, 3.9),  # nobody spoke: from when that was clear
        (AnswerLimit(from_answer=True), 0.9, 1.4, 2.0),
        (AnswerLimit(within_s=3.0, from_answer=True, message=False), None, 1.9, 3.0),
    ],
)
def test_an_agent_is_due_so_long_after_the_greeting(
    limit: AnswerLimit, greeting_s: float | None, heard_s: float, due_s: float
) -> None:
    assert limit.due_s(greeting_s, heard_s) == pytest.approx(due_s)
