"""What the tests of the rim share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.settings.service import AgiSettings
from tests.rim.agi_running import Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from asterisk_plugin.agi.server import Script


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the server's tests on both loops: uvloop is what the service runs on."""
    if item.path.name.startswith("test_agi_server"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """Starts FastAGI servers, and stops them after the test."""
    servers: list[AgiServer] = []

    async def start_server(scripts: Mapping[str, Script] | None = None, **settings: Any) -> Running:
        running = Running()
        values = {"port": 0, "header_timeout_s": 5, "reply_timeout_s": 5} | settings
        running.server = AgiServer(
            {"attempt": running.attempt, "wait": running.wait} | dict(scripts or {}),
            AgiSettings.model_validate(values),
            on_event=running.count,
        )
        await running.server.start()
        servers.append(running.server)
        return running

    yield start_server
    for server in servers:
        async with asyncio.timeout(30):
            await server.stop(0)
