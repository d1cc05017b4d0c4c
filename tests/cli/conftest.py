"""Somebody who keeps records with the commands, alone or beside a store."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_keeping import Desk

from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.store.embedded import EmbeddedValkey


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def desk_with_store() -> Iterator[Desk]:
    """A desk beside an embedded Valkey whose service is away, filled from the ledger."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        desk = Desk(Path(name))
        DataDir(desk.data_dir).prepare()
        server = EmbeddedValkey(desk.data_dir)
        DataDir(desk.data_dir).write_run({"store_url": asyncio.run(server.start())})
        try:
            assert desk.run("object", "+31612345999", "--everyone").code == 0
            assert desk.run("rebuild").code == 0
            yield desk
        finally:
            asyncio.run(server.stop())
