"""`ringfence-agi objection`: the second try, with nothing else running."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.ledger.objection_spool import ObjectionSpool
from asterisk_plugin.ports import EventKind
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load
from tests.fakes import SITE_FOLDER
from tests.rim.agi_peer import Dialplan, request

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.ports import StoredEvent

BERLINER = "+493023125001"
PROGRAM = "from asterisk_plugin.cli.agi import main; main()"


def run(data_dir: Path, dialplan: Dialplan, *arguments: str) -> tuple[dict[str, str], int]:
    """Be Asterisk for one process AGI; returns the channel's variables and the exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "RINGFENCE_DATA_DIR": str(data_dir)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request(None, "objection", *arguments, uniqueid="1764000000.9"))
        process.stdin.flush()
        for line in process.stdout:
            with suppress(BrokenPipeError):
                process.stdin.write(dialplan.reply(line.decode().rstrip("\n")))
                process.stdin.flush()
        _, errors = process.communicate(timeout=30)
        print(errors.decode())
    return dialplan.variables, process.returncode


def recorded(data_dir: DataDir) -> list[StoredEvent]:
    """What the ledger holds."""

    async def read() -> list[StoredEvent]:
        ledger = open_ledger(data_dir.ledger_url, secret=data_dir.secret(), create=False)
        await ledger.start()
        try:
            return [event async for event in ledger.read()]
        finally:
            await ledger.close()

    return asyncio.run(read())


@pytest.fixture
def place(tmp_path: Path) -> DataDir:
    """A data directory in which a service has run."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.prepare()
    data_dir.secret()
    loaded = load(SITE_FOLDER, data_dir=data_dir.path, environment={})
    data_dir.write_active(loaded.active_texts, loaded.site.version)
    data_dir.write_run({"store_url": "redis://127.0.0.1:1"})  # it is gone, and its store with it
    return data_dir


def test_without_a_service_an_objection_is_recorded_and_confirmed(place: DataDir) -> None:
    """The store is not there either; asked twice about the same call, it is recorded once."""
    for _ in range(2):
        dialplan = Dialplan(presses=["1"])
        variables, code = run(place.path, dialplan, BERLINER, "linde-de", "", "call-end")
        assert code == 0
        assert (variables["RINGFENCE_OBJECTION_TAKEN"], variables["RINGFENCE_OBJECTION"]) == ("yes", "RECORDED")
        assert any("recorded-" in command for command in dialplan.commands)
    events = [stored.event for stored in recorded(place)]
    (objection,) = [event for event in events if event.kind is EventKind.OBJECTION]
    assert objection.body["channel"] == "ivr"
    assert len([event for event in events if event.kind is EventKind.OBJECTION_LINE]) == 2


def test_without_a_ledger_it_waits_in_the_spool(place: DataDir) -> None:
    """The file is no database: it cannot even be opened."""
    secret = place.secret()
    place.path.joinpath(place.ledger_url.rpartition("/")[2]).write_bytes(b"this is no database" * 100)
    variables, code = run(place.path, Dialplan(presses=["1"]), BERLINER, "linde-de", "", "call-end")
    assert (variables.get("RINGFENCE_OBJECTION"), code) == ("RECORDED", 0)
    events, unreadable = ObjectionSpool(place.spool, secret=secret).read()
    assert [event.kind for event in events] == [EventKind.OBJECTION]
    assert unreadable == []


def test_a_person_who_hangs_up_right_after_the_key_has_objected(place: DataDir) -> None:
    """Nobody is left to be told."""

    class Hasty(Dialplan):
        def reply(self, line: str) -> bytes:
            reply = super().reply(line)
            self.is_dead = self.is_dead or "READSTATUS" in line
            return reply

    variables, code = run(place.path, Hasty(presses=["1", "hang up"]), BERLINER, "linde-de", "", "call-end")
    assert (variables.get("RINGFENCE_OBJECTION", ""), code) in (("", 0), ("RECORDED", 0))
    assert [stored.event.kind for stored in recorded(place)].count(EventKind.OBJECTION) == 1
