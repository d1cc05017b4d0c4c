from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from store_lab import KEEP_S, NOW, TIMEOUT_S, MemoryLedger, Server, ask

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.redis_store import RedisStore


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for a Unix socket's name."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that do it no harm."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        server = Server(Path(name))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def url(shared_server: Server) -> str:
    """Address of an empty store."""
    await ask(shared_server.url, "FLUSHALL")
    return shared_server.url


@pytest.fixture
def own_server(short_path: Path) -> Iterator[Server]:
    """A server that the test may freeze and kill."""
    server = Server(short_path, persist=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ledger() -> MemoryLedger:
    """An empty ledger."""
    return MemoryLedger()


@pytest.fixture
async def projection(url: str) -> AsyncIterator[Projection]:
    """The projection into the empty store; its clock stands at NOW."""
    made = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    yield made
    await made.close()


@pytest.fixture
def projector(ledger: MemoryLedger, projection: Projection) -> Projector:
    """Drives the projection from the ledger."""
    return Projector(ledger, projection, poll_s=0.01)


@pytest.fixture
async def store(url: str, projector: Projector) -> AsyncIterator[RedisStore]:
    """A store that is in step with the empty ledger."""
    await projector.catch_up()
    made = RedisStore(url, timeout_s=TIMEOUT_S, connections=2, keep_attempts_s=KEEP_S)
    yield made
    await made.close()
