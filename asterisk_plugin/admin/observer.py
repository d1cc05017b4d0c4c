"""What the gate did and what happened in the queues, as metrics and as one log line each.

Numbers are masked in the log unless the settings say otherwise: logs travel further than
the ledger does.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from asterisk_plugin.core.log_limit import LogLimit

if TYPE_CHECKING:
    from asterisk_plugin.core.attempt_end import AttemptEnd
    from asterisk_plugin.core.verdict import Verdict
    from asterisk_plugin.core.waiting import Left

_log = logging.getLogger("ringfence")

_SHOWN_DIGITS = 3

# Finest around the target (30 ms) and the deadline (300 ms).
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)

# Spain's three minutes and the announcements' one are bounds.
_WAIT_BUCKETS_S = (5, 15, 30, 60, 90, 120, 180, 240, 300, 600, 900, 1800, 3600)

# At least 15 s, at most 40 s; an agent within 2 s.
_RING_BUCKETS_S = (2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 60)
_DELAY_BUCKETS_S = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0)


def masked(number: str) -> str:
    """A number of which only the last three digits can be read: `+31•••••••678`."""
    if len(number) <= 2 * _SHOWN_DIGITS:
        return number
    return number[:3] + "•" * (len(number) - 3 - _SHOWN_DIGITS) + number[-_SHOWN_DIGITS:]


class ServiceObserver:
    """Counts for `/metrics` and writes the log. Never raises, never waits.

    Args:
        registry: Where the metrics are registered.
        mask_numbers: Hide all but the last digits in the log.
    """

    def __init__(self, registry: CollectorRegistry, *, mask_numbers: bool = True) -> None:
        self._mask_numbers = mask_numbers
        self._decisions = Counter("ringfence_decisions", "Attempts decided", ["decision", "reason"], registry=registry)
        self._decision_s = Histogram(
            "ringfence_decision_seconds",
            "Time from the request to the answered decision",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._trunk = Counter("ringfence_trunk_legs", "Trunk legs judged", ["result"], registry=registry)
        self._outcomes = Counter("ringfence_outcomes", "Attempts ended", ["dial_status"], registry=registry)
        self._sessions = Counter("ringfence_agi_sessions", "FastAGI connections", ["event"], registry=registry)
        self._faults = Counter("ringfence_faults", "Faults of our own", ["where"], registry=registry)
        self._watchdog = Counter("ringfence_watchdog", "What the AMI watchdog saw", ["event"], registry=registry)
        # What is counted for each call, found by its labels once.
        self._count_decision = functools.cache(lambda *labels: self._decisions.labels(*labels).inc)
        self._count_session = functools.cache(lambda event: self._sessions.labels(event).inc)
        self._fault_lines: defaultdict[tuple[str, type], LogLimit] = defaultdict(LogLimit)
        self._queues = _QueueMetrics(registry)
        self._ends = _EndMetrics(registry)

    def _number(self, number: str) -> str:
        return masked(number) if self._mask_numbers else number

    def attempt(self, verdict: Verdict, *, number: str, campaign: str, attempt_id: str, duration_s: float) -> None:
        """One attempt was decided."""
        self._count_decision(verdict.decision.name, verdict.reason)()
        self._decision_s.observe(duration_s)
        if not _log.isEnabledFor(logging.INFO):
            return
        _log.info(
            "attempt id=%s number=%s campaign=%s decision=%s reason=%s rules=%s duration_ms=%.1f",
            attempt_id,
            self._number(number) or "-",
            campaign or "-",
            verdict.decision.name,
            verdict.reason or "-",
            ",".join(finding.rule for finding in verdict.findings if finding.decision) or "-",
            duration_s * 1000,
        )

    def trunk(self, result: str, *, number: str, channel: str, duration_s: float) -> None:
        """One trunk leg was judged; refusals are worth a warning."""
        self._trunk.labels(result).inc()
        level = logging.INFO if result == "pass" else logging.WARNING
        _log.log(
            level,
            "trunk channel=%s number=%s result=%s duration_ms=%.1f",
            channel,
            self._number(number) or "-",
            result,
            duration_s * 1000,
        )

    def outcome(self, *, attempt_id: str, dial_status: str, hangup_cause: int, answered_s: int) -> None:
        """One attempt ended."""
        self._outcomes.labels(dial_status or "none").inc()
        _log.info(
            "outcome id=%s dial_status=%s hangup_cause=%d answered_s=%d",
            attempt_id,
            dial_status or "-",
            hangup_cause,
            answered_s,
        )

    def attempt_ended(self, end: AttemptEnd) -> None:
        """An attempt has ended for the person called."""
        self._ends.ended.labels(end.campaign, end.outcome.value).inc()
        if end.ring_s is not None:
            self._ends.ring_s.labels(end.campaign).observe(end.ring_s)
        if end.is_live and end.delay_s is not None:
            self._ends.delay_s.labels(end.campaign).observe(end.delay_s)
        _log.info(
            "ended attempt=%s campaign=%s outcome=%s sure=%s ring_s=%s agent_s=%s heard=%s why=%s heard_s=%s cause=%d",
            end.attempt_id,
            end.campaign,
            end.outcome.value,
            end.is_sure,
            end.ring_s,
            end.agent_s,
            end.heard.value,
            end.heard_why,
            end.heard_s,
            end.cause,
        )

    def fault(self, where: str, error: Exception) -> None:
        """Something of ours failed; with a traceback unless it is an error we know, and not logged too often."""
        self._faults.labels(where).inc()
        is_written, left_out = self._fault_lines[where, type(error)].take(time.monotonic())
        if left_out:
            _log.error("fault where=%s %d more such lines were left out", where, left_out)
        if not is_written:
            return
        known = type(error).__module__.startswith("asterisk_plugin")
        _log.error("fault where=%s error=%s", where, error, exc_info=None if known else error)

    def queue_joined(self, queue: str, *, wait: str) -> None:
        """Somebody began to wait in a queue."""
        self._queues.joined.labels(queue).inc()
        _log.info("queue joined wait=%s queue=%s", wait, queue)

    def queue_told(self, queue: str, *, wait: str, is_known: bool) -> None:
        """Somebody who waits was told how long, or that it cannot be said."""
        known = "yes" if is_known else "no"
        self._queues.told.labels(queue, known).inc()
        _log.debug("queue told wait=%s queue=%s known=%s", wait, queue, known)

    def queue_left(self, queue: str, *, wait: str, how: Left, waited_s: float | None) -> None:
        """The waiting ended."""
        self._queues.left.labels(queue, how.value).inc()
        if waited_s is not None:
            self._queues.wait_s.labels(queue, how.value).observe(waited_s)
        shown = "-" if waited_s is None else f"{waited_s:.1f}"
        _log.info("queue left wait=%s queue=%s how=%s waited_s=%s", wait, queue, how.value, shown)

    def queue_waiting(self, queue: str, callers: int) -> None:
        """So many wait now; said by the one process that watches that Asterisk."""
        self._queues.waiting.labels(queue).set(callers)

    def agi(self, event: str) -> None:
        """Something happened to a FastAGI connection (`AgiServer`'s `on_event`)."""
        self._count_session(event)()

    def watchdog(self, event: str) -> None:
        """The watchdog saw something (`Watchdog`'s `on_event`)."""
        self._watchdog.labels(event).inc()


class _EndMetrics:
    """How attempts ended, by campaign."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter(
            "ringfence_attempt_ended",
            "Attempts ended, as they did for the person called",
            ["campaign", "outcome"],
            registry=registry,
        )
        self.ring_s = Histogram(
            "ringfence_attempt_ring_seconds",
            "Time from the first ringing to the answer or the end",
            ["campaign"],
            buckets=_RING_BUCKETS_S,
            registry=registry,
        )
        self.delay_s = Histogram(
            "ringfence_attempt_agent_delay_seconds",
            "Live calls: time from the end of the greeting, or the answer where none was heard, to the agent",
            ["campaign"],
            buckets=_DELAY_BUCKETS_S,
            registry=registry,
        )


class _QueueMetrics:
    """Counters and gauges of the queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.joined = Counter("ringfence_queue_joined", "Waits begun", ["queue"], registry=registry)
        self.told = Counter(
            "ringfence_queue_told", "Announcements; known: a time could be said", ["queue", "known"], registry=registry
        )
        self.left = Counter("ringfence_queue_left", "Waits ended", ["queue", "how"], registry=registry)
        self.wait_s = Histogram(
            "ringfence_queue_wait_seconds",
            "Time from joining to the end of the wait",
            ["queue", "how"],
            buckets=_WAIT_BUCKETS_S,
            registry=registry,
        )
        # Of several processes one watches AMI and sets it; what a dead predecessor set is older and does not count.
        self.waiting = Gauge(
            "ringfence_queue_waiting",
            "Callers who wait now",
            ["queue"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
