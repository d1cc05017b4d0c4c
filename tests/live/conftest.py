"""The live lab for every test here: two Asterisks for the session, a service for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.lab.fixtures import lab, service
from tests.lab.people import enter_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.service import ServiceProcess

__all__ = ["lab", "service"]


@pytest_asyncio.fixture(loop_scope="session")
async def gate(service: ServiceProcess, tmp_path: Path) -> ServiceProcess:
    """A running service whose records know the lab's people."""
    await enter_records(service, tmp_path)
    return service
