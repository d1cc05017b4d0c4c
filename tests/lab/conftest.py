"""Fixtures of the lab's own tests: the live lab, and a FastAGI server that does as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.lab.fixtures import lab
from tests.lab.scripted_agi import ScriptedAgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.lab.lab import Lab

__all__ = ["agi", "lab"]


@pytest_asyncio.fixture(loop_scope="session")
async def agi(lab: Lab) -> AsyncIterator[ScriptedAgi]:
    """A scripted server at the place where the PBX looks for the service."""
    server = ScriptedAgi()
    await server.start(lab.fastagi[1])
    yield server
    await server.stop()
    for file in lab.pbx.agi_folder.iterdir():
        file.unlink()
    await lab.clear()
