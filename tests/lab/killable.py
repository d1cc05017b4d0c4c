"""The parts beside the service that may be killed at any moment: a store and a database of our own."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from asterisk_plugin.store.embedded_setup import server_binary
from tests.lab.service import PATIENT

_READY_S = 30


class Killable(Protocol):
    """What the killer does to a part."""

    name: str

    async def start(self) -> None:
        """Start it and wait until it answers."""
        ...

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        ...


class Valkey:
    """A Valkey that keeps what it confirmed, on a Unix socket.

    Args:
        folder: Where its files go; its path must be short.
    """

    name = "store"

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "valkey.sock"
        options = {"port": "0", "unixsocket": self._socket, "dir": folder, "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "always", "maxmemory-policy": "noeviction"}
        self._command = [
            str(server_binary()),
            *(str(w) for name, value in options.items() for w in (f"--{name}", value)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `[store] url`."""
        return f"unix://{self._socket}"

    async def start(self) -> None:
        """See Killable."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - a moment, in a test
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(_READY_S):
            while not await self._answers():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """See Killable."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer.startswith(b"+PONG")  # not while it loads its file


def postgresql_programs() -> Path | None:
    """Folder of the newest PostgreSQL's programs, None when there is none on this machine."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


def postgresql_or_skip() -> Path:
    """The programs; skips the test where they are not: `make test` installs them only as root."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed (ringfence[postgresql])")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    return programs


class PostgreSql:
    """A PostgreSQL of our own behind a Unix socket; it refuses to run as root, so root runs it as somebody else.

    Args:
        programs: From `postgresql_programs`.
    """

    name = "database"

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="ringfence-pg-"))
        user = getpass.getuser()
        if os.geteuid() == 0:
            user = next((name for name in ("postgres", "nobody") if has_user(name)), "nobody")
            shutil.chown(self.folder, user)
        self._run_as = user if os.geteuid() == 0 else None
        subprocess.run(
            [programs / "initdb", "-D", self.folder / "data", "-A", "trust", "-U", "ringfence", "-N", "-E", "UTF8"],
            check=True, user=self._run_as, stdout=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its first database, for `[ledger] url`."""
        return f"postgresql+psycopg://ringfence@/postgres?host={self.folder}"

    async def start(self) -> None:
        """See Killable."""
        server = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses="]
        deadline_s = time.monotonic() + _READY_S
        while not await self._answers():
            # What is left of one that was killed may still hold its memory: then it starts a moment later.
            if self._process is None or self._process.poll() is not None:
                assert time.monotonic() < deadline_s, (self.folder / "log").read_text()
                with (self.folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(  # noqa: ASYNC220 - a moment, in a test
                        server, user=self._run_as, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
                    )
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """See Killable; its children too, as when the machine takes them."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it and remove its files."""
        await self._end(signal.SIGINT)  # "fast": does not wait for those who are still connected
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if how is signal.SIGKILL:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        await asyncio.to_thread(process.wait)

    async def _answers(self) -> bool:
        ask = [self._programs / "pg_isready", "-h", self.folder, "-q"]
        return (await asyncio.to_thread(subprocess.run, ask, check=False, cwd=self.folder)).returncode == 0


def has_user(name: str) -> bool:
    """Whether this machine knows a user of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Shared:
    """What several nodes share.

    Args:
        toml: For the ringfence.toml of each.
        ledger_url: Of the database.
    """

    toml: str
    ledger_url: str


@contextlib.asynccontextmanager
async def shared_by_nodes(folder: Path) -> AsyncIterator[Shared]:
    """A store, a ledger and a secret for several nodes; the test is skipped where there is no PostgreSQL.

    Args:
        folder: Where the secret goes.
    """
    programs = postgresql_or_skip()
    secret = folder / "secret"
    secret.write_text(secrets.token_hex(32))
    with tempfile.TemporaryDirectory(prefix="rf-") as short:  # Unix sockets have short paths
        store, database = Valkey(Path(short)), PostgreSql(programs)
        ledger = f'[ledger]\nurl = "{database.url}"\nsecret_file = "{secret}"\n'
        try:
            await asyncio.gather(store.start(), database.start())
            yield Shared(f'{PATIENT}url = "{store.url}"\n\n{ledger}', database.url)
        finally:
            await store.kill()
            await database.stop()
