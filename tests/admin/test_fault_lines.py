"""Faults in the log and in `/metrics`: a store that is away fails every call."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, generate_latest

from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.core.log_limit import LINES_PER_MINUTE
from asterisk_plugin.errors import LedgerUnavailableError, StoreTimeoutError


def test_a_flood_of_faults_is_counted_whole_and_logged_in_part(caplog, monkeypatch):
    """The same fault of another kind is still seen at once."""
    now_s = [600.0]
    monkeypatch.setattr("asterisk_plugin.admin.observer.time.monotonic", lambda: now_s[0])
    registry = CollectorRegistry()
    observer = ServiceObserver(registry)
    with caplog.at_level(logging.ERROR, logger="ringfence"):
        for _ in range(100):
            observer.fault("release", StoreTimeoutError("the store did not answer in time"))
        observer.fault("release", LedgerUnavailableError("the disk is full"))
        assert len(caplog.messages) == LINES_PER_MINUTE + 1
        assert "the disk is full" in caplog.messages[-1]
        now_s[0] += 60
        observer.fault("release", StoreTimeoutError("the store did not answer in time"))
    assert f"{100 - LINES_PER_MINUTE} more such lines were left out" in caplog.messages[-2]
    assert 'ringfence_faults_total{where="release"} 102.0' in generate_latest(registry).decode()
