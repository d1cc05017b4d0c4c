"""How an attempt ended, written and read back."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from asterisk_plugin.core.attempt_end import AttemptEnd, Heard, Outcome, body_of, end_of

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
