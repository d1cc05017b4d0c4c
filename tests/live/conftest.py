"""The live lab for every test here: two Asterisks for the session, a service for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.fixtures import lab, service
from tests.lab.people import enter_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.service import ServiceProcess

__all__ = ["lab", "service"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is live and shares the session's event loop with the lab."""
    for item in items:
        if "tests/live/" in item.path.as_posix():
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"))


@pytest_asyncio.fixture(loop_scope="session")
async def gate(service: ServiceProcess, tmp_path: Path) -> ServiceProcess:
    """A running service whose records know the lab's people."""
    await enter_records(service, tmp_path)
    return service
