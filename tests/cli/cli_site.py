"""A site for commands: a configuration folder, a data directory, and a store filled from its ledger."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.cli.main import app
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.ports import Event
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.store.embedded import EmbeddedValkey
from asterisk_plugin.store.redis_store import RedisStore

GIVEN = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
KEEP_S = 100 * 86400.0


@dataclass(frozen=True, slots=True)
class CliSite:
    """What one test's commands work on."""

    config: Path
    data: Path

    def run(self, *arguments: str, env: dict[str, str] | None = None):
        """Type a command; nothing of the machine's own environment reaches it."""
        clean = {f"RINGFENCE_{name}": None for name in ("CONFIG", "DATA_DIR", "STORE_URL", "LEDGER_URL")}
        line = ["--config", str(self.config), "--data-dir", str(self.data), *arguments]
        return CliRunner().invoke(app, line, env={**clean, **(env or {})})

    def tag(self, number: str) -> str:
        """The person tag of a number at this site."""
        return person_tag(DataDir(self.data).secret(), number)

    @contextlib.contextmanager
    def store(self, *events: Event) -> Iterator[str]:
        """A running store, filled from a ledger with these events; gives its address."""
        with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="rf-") as place:
            valkey = EmbeddedValkey(Path(place))
            url = runner.run(valkey.start())
            try:
                runner.run(self._fill(url, events))
                yield url
            finally:
                runner.run(valkey.stop())

    async def _fill(self, url: str, events: Sequence[Event]) -> None:
        directory = DataDir(self.data)
        directory.prepare()
        ledger = open_ledger(directory.ledger_url, secret=directory.secret())
        store = RedisStore(url, timeout_s=5, keep_attempts_s=KEEP_S * 20)
        await ledger.start()
        try:
            await ledger.append(events)
            await Projector(ledger, store.projection).catch_up()
        finally:
            await ledger.close()
            await store.close()


def new_site(folder: Path) -> CliSite:
    """A site with the shipped example campaigns."""
    config = folder / "config"
    config.mkdir()
    (config / "campaigns.toml").write_bytes(shipped("config", "campaigns.toml").read_bytes())
    return CliSite(config, folder / "data")
