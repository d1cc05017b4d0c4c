"""Ledger, spool and store for the tests of objections: each may be away, refuse, or hang."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.objections import Claim, Objections
from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ports import StoredEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asterisk_plugin.core.objected import Objected
    from asterisk_plugin.ports import Event

SECRET = b"s" * 32
NUMBER = "+31201234567"
AT = dt.datetime(2026, 11, 24, 10, 0, tzinfo=dt.UTC)


def claim(**changes: str) -> Claim:
    """Key 1 on the objection line."""
    values = {"number": NUMBER, "scope": "acme", "channel": "ivr", "certainty": "called", "call": "1795286296.134"}
    return Claim(at=AT, **{**values, **changes})  # type: ignore[arg-type]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another task brings about."""
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0)


class Part:
    """Something that may be away or hang; keeps the order in which the parts were used."""

    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.error: Exception | None = None
        self.hangs = False

    async def work(self, what: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        self.order.append(what)


class Ledger(Part):
    """A ledger that takes one id once."""

    def __init__(self, order: list[str]) -> None:
        super().__init__(order)
        self.known_to_fail = False
        self.rows: dict[str, Event] = {}
        self.appended = 0

    def check(self) -> None:
        if self.known_to_fail:
            raise LedgerUnavailableError("the last write failed")

    async def append(self, events: Sequence[Event], *, timeout_s: float | None = None) -> int:
        self.appended += 1
        await self.work("ledger")
        for event in events:
            self.rows.setdefault(event.id, event)
        return list(self.rows).index(events[-1].id) + 1

    async def find_by_person(self, person: str) -> list[StoredEvent]:
        if self.error or self.hangs:
            await self.work("asked")
        return [
            StoredEvent(seq, event, "") for seq, event in enumerate(self.rows.values(), 1) if event.person == person
        ]


class Spool:
    """A spool in memory; blocks like the real one."""

    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.error: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.held: dict[str, Event] = {}
        self.unreadable: list[str] = []
        self.other_replays = False

    def waiting(self) -> bool:
        return bool(self.held or self.unreadable)

    def add(self, event: Event) -> None:
        self.goes_on.wait(5)
        if self.error:
            raise self.error
        self.order.append("spool")
        self.held[event.id] = event

    def prepare(self) -> None:
        if self.error:
            raise self.error
        self.order.append("prepared")

    def read(self) -> tuple[list[Event], list[str]]:
        if self.error:
            raise self.error
        return list(self.held.values()), self.unreadable

    def remove(self, event_id: str) -> None:
        if self.error:
            raise self.error
        self.order.append("removed")
        del self.held[event_id]

    @contextmanager
    def replaying(self) -> Iterator[bool]:
        yield not self.other_replays


class Store(Part):
    """A store that remembers what was put, with which row."""

    def __init__(self, order: list[str]) -> None:
        super().__init__(order)
        self.rows: dict[str, int] = {}
        self.puts = 0

    async def put(self, event: Event, seq: int = 0) -> None:
        self.puts += 1
        await self.work("store")
        self.rows[event.id] = seq


class Parts:
    """Everything that takes an objection, and what it said."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.ledger, self.spool, self.store = Ledger(self.order), Spool(self.order), Store(self.order)
        self.faults: list[str] = []
        self.objected: list[Objected] = []
        self.objections = Objections(
            ledger=self.ledger,
            spool=self.spool,
            store=self.store,
            secret=SECRET,
            on_fault=lambda _, exc: self.faults.append(str(exc)),
        )
        self.objections.on_objected = self.told

    def told(self, objected: Objected) -> None:
        self.order.append("told")
        self.objected.append(objected)
