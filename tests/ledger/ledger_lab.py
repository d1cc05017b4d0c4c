"""What the ledger's tests share: events, tampering, child processes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = b"the secret of the ledger's tests"
PERSON = "0123456789abcdef0123456789abcdef"
CHILD = Path(__file__).with_name("ledger_child.py")


def make_event(
    kind: EventKind = EventKind.ATTEMPT,
    *,
    event_id: str = "",
    person: str = PERSON,
    body: dict[str, Any] | None = None,
    sealed: dict[str, Any] | None = None,
) -> Event:
    """An event with a fresh id."""
    return Event(
        id=event_id or secrets.token_hex(16),
        kind=kind,
        at=dt.datetime(2026, 1, 15, 10, 0, tzinfo=dt.UTC),
        person=person,
        body={"decision": "allow"} if body is None else body,
        sealed=sealed,
    )


def make_objection(number: str = "+31201234567", *, event_id: str = "", wording: str = "[1]") -> Event:
    """An objection with a fresh id."""
    body = {"scope": "acme", "channel": "ivr", "reference": "1234567", "by": ""}
    sealed = {"number": number, "wording": wording}
    return make_event(EventKind.OBJECTION, event_id=event_id, body=body, sealed=sealed)


def tamper(url: str, *statements: str, **values: object) -> None:
    """Do to a ledger what only somebody with access to the database can."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            text = sa.text(statement)
            needed = {name: values[name] for name in text.compile().params}
            connection.execute(text, needed)
    engine.dispose()


def ask(url: str, statement: str) -> list[Any]:
    """Read behind the ledger's back."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(statement))]
    engine.dispose()
    return found


async def until(happened: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Wait for a state that nobody announces."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def start_child(url: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process that appends; it prints the id of every event that was reported durable.

    Its caller ends it: `with` waits for it, `kill` comes first.
    """
    # bufsize=0: what `readline` had read ahead, `communicate` would not give back.
    command = [sys.executable, str(CHILD), url, *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory, mounted at a new folder; skips the test where nothing can be mounted."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left; returns the file to remove."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    assert os.statvfs(disk).f_bavail == 0
    return ballast
