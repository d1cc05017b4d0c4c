"""Breaking one part of a running service, for real, and mending it again."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from typing import TYPE_CHECKING

import redis

from asterisk_plugin.core.person import person_tag
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.service import ServiceProcess


def valkey_pid(data_dir: Path) -> int:
    """Process id of a data directory's embedded Valkey."""
    return int((data_dir / "valkey" / "valkey.pid").read_text())


@contextlib.contextmanager
def frozen_store(service: ServiceProcess) -> Iterator[None]:
    """The store does not answer, but is there: SIGSTOP, then SIGCONT."""
    pid = valkey_pid(service.data_dir)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have been replaced while frozen
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def full_disk(service: ServiceProcess) -> Iterator[None]:
    """Every write of the service to a file fails, as on a full disk; the kernel says EFBIG."""
    soft, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (soft, hard))


def store_client(service: ServiceProcess) -> redis.Redis:
    """A plain client on the service's embedded store."""
    return redis.Redis.from_url(DataDir(service.data_dir).read_run()["store_url"])


def spoil_consents(service: ServiceProcess, number: str) -> None:
    """Write something unreadable over a number's consents, straight into the store."""
    tag = person_tag(DataDir(service.data_dir).secret(), number)
    with store_client(service) as client:
        client.hset(keys.consents(tag), "tulip|sales|energy", "{not json")
