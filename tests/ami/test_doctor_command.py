"""`ringfence doctor` as a command, with real sockets, a real ledger and a real Valkey."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from asterisk_plugin.ami.findings import Check, State
from asterisk_plugin.cli.doctor import doctor
from asterisk_plugin.cli.given import Given
from asterisk_plugin.cli.site_checks import run_checks, shipped_contexts
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import Loaded, load
from asterisk_plugin.store.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from pathlib import Path


def run_doctor(loaded_from: Given, *arguments: str) -> tuple[int, str]:
    """The command's exit code and output."""
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, list(arguments), obj=loaded_from)
    return result.exit_code, result.output


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def with_settings(loaded: Loaded, **sections: dict[str, object]) -> Loaded:
    """The same configuration with some values of ringfence.toml changed."""
    from dataclasses import replace

    service = loaded.service
    changes = {name: getattr(service, name).model_copy(update=values) for name, values in sections.items()}
    return replace(loaded, service=service.model_copy(update=changes))


def test_a_site_that_never_ran_is_told_so_and_the_exit_code_is_1(tmp_path: Path):
    """No Asterisk configured, no service, no ledger: each named, nothing made."""
    code, output = run_doctor(Given(data_dir=tmp_path / "data"))
    assert code == 1
    for words in ("no [[asterisk]] is configured", "FastAGI does not answer", "there is no ledger yet"):
        assert words in output
    assert not (tmp_path / "data").exists()


def test_the_findings_can_be_read_by_a_machine(tmp_path: Path):
    """JSON with name, state, sentence, remedy."""
    code, output = run_doctor(Given(data_dir=tmp_path), "--json")
    assert code == 1
    assert {"name", "state", "sentence", "remedy"} == set(json.loads(output)[0])


async def test_a_running_site_is_in_order(tmp_path: Path):
    """FastAGI answers, the ledger opens, a real Valkey with its append-only file."""
    data_dir = DataDir(tmp_path)
    data_dir.prepare()
    open_ledger(data_dir.ledger_url, secret=data_dir.secret())
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    embedded = EmbeddedValkey(tmp_path)
    try:
        url = await embedded.start()
        port = server.sockets[0].getsockname()[1]
        loaded = with_settings(load(None, data_dir=tmp_path), agi={"port": port}, store={"url": url})
        checks = by_name(await run_checks(loaded))
    finally:
        await embedded.stop()
        server.close()
        await server.wait_closed()
    assert {name: checks[name].state for name in ("FastAGI", "store", "ledger", "disk")} == {
        "FastAGI": State.OK,
        "store": State.OK,
        "ledger": State.OK,
        "disk": State.OK,
    }


async def test_a_store_that_is_away_and_a_foreign_ledger_are_failures(tmp_path: Path):
    """Each with what was tried."""
    data_dir = DataDir(tmp_path)
    data_dir.prepare()
    open_ledger(data_dir.ledger_url, secret=secrets.token_bytes(32))
    data_dir.secret()
    loaded = with_settings(load(None, data_dir=tmp_path), store={"url": "redis://127.0.0.1:1"})
    checks = by_name(await run_checks(loaded))
    assert checks["store"].state is State.FAIL
    assert checks["ledger"].state is State.FAIL


async def test_an_asterisk_elsewhere_cannot_reach_a_fastagi_on_loopback(tmp_path: Path):
    """The configuration itself says that it cannot work."""
    from fake_ami import settings_for

    loaded = load(None, data_dir=tmp_path)
    far = settings_for(1, host="192.0.2.1", ping_timeout_s=0.05)
    from dataclasses import replace

    loaded = replace(loaded, service=loaded.service.model_copy(update={"asterisk": (far,)}))
    checks = by_name(await run_checks(loaded))
    assert checks["pbx: FastAGI"].state is State.FAIL
    assert checks["pbx: AMI"].state is State.FAIL


async def test_ports_that_other_machines_reach_are_warnings(tmp_path: Path):
    """FastAGI with who is answered, HTTP with what travels in clear; on loopback neither is spoken of."""
    loaded = load(None, data_dir=tmp_path)
    assert not {"FastAGI port", "HTTP port"} & by_name(await run_checks(loaded)).keys()
    everywhere = {"host": "0.0.0.0"}
    checks = by_name(await run_checks(with_settings(loaded, agi=everywhere, http=everywhere)))
    assert (checks["FastAGI port"].state, checks["HTTP port"].state) == (State.WARN, State.WARN)
    assert "answers 127.0.0.0/8, ::1" in checks["FastAGI port"].sentence
    assert "clear" in checks["HTTP port"].sentence


def test_the_contexts_of_our_dialplan_files_are_expected():
    """Those that a site may leave out are not."""
    contexts = shipped_contexts()
    assert {"ringfence-dial", "ringfence-trunk", "ringfence-outcome", "ringfence-carrier"} <= set(contexts)
    assert "ringfence-refused" not in contexts
    assert "applicationmap" not in contexts  # a section of features.conf


@pytest.mark.parametrize("state", ["ok", "warn"])
def test_warnings_do_not_fail_the_command(tmp_path: Path, monkeypatch, state):
    """Only what must be mended makes exit 1."""

    async def checks(*_: object, **__: object) -> list[Check]:
        return [Check("x", State(state), "sentence [with] brackets")]

    monkeypatch.setattr("asterisk_plugin.cli.site_checks.run_checks", checks)
    code, output = run_doctor(Given(data_dir=tmp_path))
    assert code == 0
    assert "sentence [with] brackets" in output
