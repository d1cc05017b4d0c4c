"""A real server for the store's tests, an in-memory ledger, and short ways to make queries and events."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.facts import AttemptLimit, LimitScope
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ports import Event, EventKind, LookUp, StoredEvent
from asterisk_plugin.store import keys
from asterisk_plugin.store.embedded_setup import server_binary
from asterisk_plugin.store.opening import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

NOW = dt.datetime(2026, 3, 4, 10, 0, tzinfo=dt.UTC)
KEEP_S = 30 * 86400.0
TIMEOUT_S = 10.0
"""Generous: these tests are about what is answered, not how fast; the fault tests set their own."""

PERSON = person_tag(b"s" * 32, "+31201234567")
OTHER_PERSON = person_tag(b"s" * 32, "+31207654321")
SHOWN = "+31880001111"
DAY_LIMIT = AttemptLimit("nl.day", LimitScope.NUMBER, NOW - dt.timedelta(hours=10), 1)


class Server:
    """One valkey-server, or what `RINGFENCE_TEST_SERVER` names, on a Unix socket or a port."""

    def __init__(self, directory: Path, *options: str, port: int = 0, persist: bool = False) -> None:
        self.directory = directory
        self.socket = directory / "s"
        self.port = port
        listen = ["--port", str(port), "--unixsocket", str(self.socket), "--dir", str(directory)]
        keep = ["--appendonly", "yes" if persist else "no", "--save", ""]
        program = os.environ.get("RINGFENCE_TEST_SERVER") or str(server_binary())
        self._command = [program, *listen, *keep, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        give_up_at = time.monotonic() + 20
        while not self._accepts():
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.kill()

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
            except OSError:
                return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ask(url: str, *command: Any) -> Any:
    """One plain command over a connection of its own."""
    client = open_client(url, timeout_s=TIMEOUT_S)
    try:
        return await client.execute(*command)
    finally:
        await client.close()


async def scopes_held(url: str, person: str = PERSON) -> list[str]:
    """Scopes of the objections that the store holds of a person, withdrawn ones too, in order."""
    names = await ask(url, "HKEYS", keys.objections(person))
    return [name.decode().partition("|")[0] for name in names]


async def until(holds: Callable[[], Awaitable[bool]], *, limit_s: float = 5) -> None:
    """Wait for what another task or process brings about."""
    async with asyncio.timeout(limit_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)


def query(**changes: Any) -> LookUp:
    """A look-up of PERSON by acme's campaign `spring`."""
    values: dict[str, Any] = {
        "person": PERSON,
        "principal": "acme",
        "campaign": "spring",
        "limits": (DAY_LIMIT,),
        "reserve": False,
        "attempt_id": "a" * 32,
        "token": "a" * 32,
        "shown": SHOWN,
        "token_lifetime_s": 10.0,
        "now": NOW,
    }
    return LookUp(**(values | changes))


def numbered(number: int) -> str:
    """32 hex characters."""
    return f"{number:032x}"


def event(kind: EventKind, body: dict[str, Any], *, person: str = PERSON, at: dt.datetime = NOW) -> Event:
    event_id = hashlib.sha256(f"{kind}{body}{person}{at}".encode()).hexdigest()[:32]
    return Event(event_id, kind, at, person, body)


def objection(scope: str = "acme", *, person: str = PERSON, reference: str = "R1", at: dt.datetime = NOW) -> Event:
    body = {"scope": scope, "channel": "cli", "reference": reference, "by": "x"}
    return event(EventKind.OBJECTION, body, person=person, at=at)


def objection_withdrawn(objection: Event, consent: Event, *, at: dt.datetime = NOW) -> Event:
    body = {"scope": objection.body["scope"], "objection": objection.id, "consent": consent.id, "by": "x"}
    return event(EventKind.OBJECTION_WITHDRAWN, body, person=objection.person, at=at)


def consent(principal: str = "acme", *, product: str = "energy", person: str = PERSON, **more: Any) -> Event:
    body = {
        "principal": principal,
        "purpose": "sales",
        "product": product,
        "kind": "express",
        "given_at": "2026-01-02T09:00:00+01:00",
        "expires_at": None,
        "callable_from": None,
        "callable_until": None,
        "channel": "cli",
        "reference": "",
        "by": "",
        **more,
    }
    return event(EventKind.CONSENT, body, person=person)


def withdrawal(principal: str = "acme", *, product: str = "energy", at: dt.datetime = NOW) -> Event:
    body = {"principal": principal, "purpose": "sales", "product": product, "at": at.isoformat()}
    return event(EventKind.CONSENT_WITHDRAWN, body, at=at)


def relationship(principal: str = "acme") -> Event:
    body = {
        "principal": principal,
        "product": "energy",
        "started_on": "2024-05-01",
        "ended_on": "2026-02-28",
        "last_purchase_on": None,
        "reference": "",
        "by": "",
    }
    return event(EventKind.RELATIONSHIP, body)


def attempt(
    number: int,
    *,
    at: dt.datetime = NOW,
    decision: str = "ALLOW",
    campaign: str = "spring",
    principal: str = "acme",
) -> Event:
    body = {
        "attempt_id": numbered(number),
        "decision": decision,
        "campaign": campaign,
        "principal": principal,
    }
    return event(EventKind.ATTEMPT, body, at=at)


@dataclass
class MemoryLedger:
    """A ledger in memory, chained like the real one."""

    rows: list[StoredEvent] = field(default_factory=list)
    away: bool = False
    seed: str = ""

    def submit(self, event: Event, *, patient: bool = False) -> None:
        before = self.rows[-1].hash if self.rows else "0" * 64
        digest = hashlib.sha256(f"{self.seed}{before}{event}".encode()).hexdigest()
        self.rows.append(StoredEvent(len(self.rows) + 1, event, digest))

    async def append(self, events: Sequence[Event]) -> int:
        for one in events:
            self.submit(one)
        return len(self.rows)

    async def wait_durable(self, event_id: str, timeout_s: float) -> None:
        assert any(row.event.id == event_id for row in self.rows)

    async def read(self, after: int = 0, *, unseal: bool = True) -> AsyncIterator[StoredEvent]:
        await self.head()
        for row in self.rows[after:]:
            yield row

    async def head(self) -> tuple[int, str]:
        await asyncio.sleep(0)
        if self.away:
            raise LedgerUnavailableError("the ledger is away")
        return (len(self.rows), self.rows[-1].hash) if self.rows else (0, "0" * 64)
