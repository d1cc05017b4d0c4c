"""The live lab for every test here: two Asterisks for the session, a service for each test."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.lab.fixtures import SITE, lab, service
from tests.lab.manager import ManagerFailed
from tests.lab.people import enter_records
from tests.lab.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from tests.lab.lab import Lab
    from tests.lab.subscribers import Subscribers

__all__ = ["lab", "service"]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def recorded(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose ledger knows the lab's people, entered once through the command line."""
    folder = tmp_path_factory.mktemp("recorded")
    enterer = ServiceProcess(None, folder / "ringfence", site=SITE, watchdog=False)
    await enter_records(enterer, folder)
    return enterer.data_dir


@pytest_asyncio.fixture(loop_scope="session")
async def gate(lab: Lab, recorded: Path, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A running service whose records know the lab's people."""
    running = ServiceProcess(lab, tmp_path / "ringfence", site=SITE)
    shutil.copytree(recorded, running.data_dir)
    await running.start()
    yield running
    await running.stop()
    await lab.clear()
    with contextlib.suppress(ManagerFailed):  # no test said what a subscriber does
        await lab.carrier.ami("DBDelTree", {"Family": "subscriber"})


@pytest_asyncio.fixture(loop_scope="session")
async def ears(lab: Lab) -> AsyncIterator[Subscribers]:
    """What everybody hears is taken down."""
    lab.people.listen()
    yield lab.people
    lab.people.stop_listening()
