"""What `/metrics` and the log show of how attempts ended."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.core.attempt_end import AttemptEnd, Outcome

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Observer

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


def ended(outcome: Outcome, **values: object) -> AttemptEnd:
    return AttemptEnd(attempt_id="a" * 32, campaign="c", principal="p", outcome=outcome, began_at=AT, **values)


def test_ends_are_counted():
    """By outcome; how long it rang; how soon an agent was there, in calls that a person answered."""
    registry = CollectorRegistry()
    observer: Observer = ServiceObserver(registry)
    observer.attempt_ended(ended(Outcome.PERSON, ring_s=12.0, agent_s=3.0, greeting_s=1.5))
    observer.attempt_ended(ended(Outcome.PERSON, ring_s=40.0, agent_s=2.5))
    observer.attempt_ended(ended(Outcome.MACHINE, ring_s=7.0, agent_s=0.5))
    observer.attempt_ended(ended(Outcome.BUSY))
    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'ringfence_attempt_ended_total{campaign="c",outcome="person"} 2.0',
        'ringfence_attempt_ended_total{campaign="c",outcome="machine"} 1.0',
        'ringfence_attempt_ended_total{campaign="c",outcome="busy"} 1.0',
        'ringfence_attempt_ring_seconds_count{campaign="c"} 3.0',
        'ringfence_attempt_ring_seconds_bucket{campaign="c",le="10.0"} 1.0',
        'ringfence_attempt_ring_seconds_bucket{campaign="c",le="40.0"} 3.0',
        'ringfence_attempt_agent_delay_seconds_count{campaign="c"} 2.0',
        'ringfence_attempt_agent_delay_seconds_bucket{campaign="c",le="2.0"} 1.0',
    ):
        assert line in lines


def test_each_end_is_one_line_in_the_log(caplog):
    with caplog.at_level("INFO", "ringfence"):
        ServiceObserver(CollectorRegistry()).attempt_ended(ended(Outcome.SILENT, ring_s=4.25, is_sure=False))
    assert [record.getMessage() for record in caplog.records] == [
        f"ended attempt={'a' * 32} campaign=c outcome=silent sure=False ring_s=4.25 agent_s=None heard= why="
        " heard_s=None cause=0"
    ]
