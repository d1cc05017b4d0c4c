"""Fixtures for tests on the live lab: `from tests.lab.fixtures import lab, service` in a conftest.py.

One lab for the whole session (it starts in a second); a service and its data are new for every test.
Tests that use them need `@pytest.mark.asyncio(loop_scope="session")`, because the lab's connections
belong to the session's event loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.lab.lab import Lab
from tests.lab.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

SITE = Path(__file__).parents[1] / "site"


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """Two live Asterisks; their files stay when a test failed."""
    running = await Lab.start()
    yield running
    failed = request.session.testsfailed > 0
    if failed:
        print(f"\nthe lab's logs: {running.pbx.folder} {running.carrier.folder}")
    await running.stop(keep_files=failed)


@pytest_asyncio.fixture(loop_scope="session")
async def service(lab: Lab, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A running service on the lab's FastAGI port, with the tests' own site and an empty data directory."""
    running = ServiceProcess(lab, tmp_path / "ringfence", site=SITE)
    await running.start()
    yield running
    await running.stop()
    await lab.clear()
