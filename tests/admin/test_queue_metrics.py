"""What `/metrics` shows of the queues, from one process and from several."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.core.waiting import Left

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.callflow.queue_observing import QueueObserver

WORKER = """
import sys
from prometheus_client import CollectorRegistry
from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.core.waiting import Left
observer = ServiceObserver(CollectorRegistry())
observer.queue_joined("support", wait="a")
observer.queue_left("support", wait="a", how=Left.ANSWERED, waited_s=float(sys.argv[1]))
if len(sys.argv) > 2:
    observer.queue_waiting("support", int(sys.argv[2]))
"""
SHOW = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def shown(registry: CollectorRegistry) -> list[str]:
    return generate_latest(registry).decode().splitlines()


def test_the_queues_are_counted():
    """Joined, told, left, how long, and how many wait."""
    registry = CollectorRegistry()
    observer: QueueObserver = ServiceObserver(registry)
    for wait in ("a", "b"):
        observer.queue_joined("support", wait=wait)
    observer.queue_told("support", wait="a", is_known=True)
    observer.queue_told("support", wait="b", is_known=False)
    observer.queue_left("support", wait="a", how=Left.ANSWERED, waited_s=179.9)
    observer.queue_left("support", wait="b", how=Left.UNKNOWN, waited_s=None)
    observer.queue_waiting("support", 7)
    observer.queue_waiting("support", 3)
    lines = shown(registry)
    for line in (
        'ringfence_queue_joined_total{queue="support"} 2.0',
        'ringfence_queue_told_total{known="yes",queue="support"} 1.0',
        'ringfence_queue_told_total{known="no",queue="support"} 1.0',
        'ringfence_queue_left_total{how="answered",queue="support"} 1.0',
        'ringfence_queue_left_total{how="unknown",queue="support"} 1.0',
        'ringfence_queue_wait_seconds_bucket{how="answered",le="120.0",queue="support"} 0.0',
        'ringfence_queue_wait_seconds_bucket{how="answered",le="180.0",queue="support"} 1.0',
        'ringfence_queue_waiting{queue="support"} 3.0',
    ):
        assert line in lines
    assert not [line for line in lines if "wait_seconds" in line and 'how="unknown"' in line]


def test_each_event_is_one_line_in_the_log(caplog):
    """With the id under which the evidence is found."""
    observer = ServiceObserver(CollectorRegistry())
    with caplog.at_level("INFO", "ringfence"):
        observer.queue_joined("support", wait="a")
        observer.queue_told("support", wait="a", is_known=True)
        observer.queue_left("support", wait="a", how=Left.ABANDONED, waited_s=None)
    assert [record.getMessage() for record in caplog.records] == [
        "queue joined wait=a queue=support",
        "queue left wait=a queue=support how=abandoned waited_s=-",
    ]


def test_workers_are_added_up(tmp_path: Path):
    """Counts of all, also of those that ended; how many wait is what was said last, not a sum."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=environment, check=True, capture_output=True
        )
        return done.stdout.decode()

    run(WORKER, "30", "9")
    run(WORKER, "100")
    run(WORKER, "200", "4")
    lines = run(SHOW).splitlines()
    for line in (
        'ringfence_queue_joined_total{queue="support"} 3.0',
        'ringfence_queue_left_total{how="answered",queue="support"} 3.0',
        'ringfence_queue_wait_seconds_sum{how="answered",queue="support"} 330.0',
        'ringfence_queue_wait_seconds_bucket{how="answered",le="180.0",queue="support"} 2.0',
        'ringfence_queue_waiting{queue="support"} 4.0',
    ):
        assert line in lines
