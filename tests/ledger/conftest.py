"""A ledger in every database it can live in."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from ledger_lab import SECRET

from asterisk_plugin.ledger import LedgerLimits, SqlLedger, open_ledger
from tests.lab.killable import has_user, postgresql_or_skip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL of our own, behind a Unix socket."""
    programs = postgresql_or_skip()
    folder = Path(tempfile.mkdtemp(prefix="ringfence-pg-"))
    user = getpass.getuser()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = next((name for name in ("postgres", "nobody") if has_user(name)), "nobody")
        shutil.chown(folder, user)
    run_as = user if os.geteuid() == 0 else None
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-A", "trust", "-U", "ringfence", "-N", "-E", "UTF8"],
        check=True, user=run_as, stdout=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    server = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server, user=run_as, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(programs, folder)
        yield f"postgresql+psycopg://ringfence@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)  # "fast": does not wait for those who are still connected
        process.wait(30)
        shutil.rmtree(folder)


def _wait_until_ready(programs: Path, folder: Path) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run([programs / "pg_isready", "-h", folder, "-q"], check=False, cwd=folder).returncode:
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite ledger that is not there yet."""
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """URL of an empty PostgreSQL database of this test's own."""
    name = f"t{secrets.token_hex(6)}"
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgresql_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """URL of an empty ledger, once in each kind of database."""
    found = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(found, str)
    return found


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[SqlLedger]]:
    """Opens and starts a ledger, and closes it afterwards."""

    @asynccontextmanager
    async def run(url: str, **limits: float) -> AsyncIterator[SqlLedger]:
        ledger = open_ledger(url, secret=SECRET, limits=LedgerLimits(**limits))  # type: ignore[arg-type]
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.close()

    return run
