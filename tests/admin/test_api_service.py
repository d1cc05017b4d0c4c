"""The API of a whole service: real ledger, real store, real HTTP; Asterisk is a recording."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from typer.testing import CliRunner

from asterisk_plugin.admin.tokens import digest_of, new_token
from asterisk_plugin.cli.main import app
from asterisk_plugin.service import Service
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load
from tests.ami.fake_ami import FakeAmi, fake_ami

pytestmark = pytest.mark.store

AGENT, PERSON = "PJSIP/agent17-00000001", "PJSIP/carrier-00000002"
ANNE = "+31612345001"
TOKEN = new_token()
MARK = b"Response: Success\r\nActionID: ACTIONID\r\nVariable: RINGFENCE_CALLED\r\nValue: 31612345001\r\n\r\n"
DONE = b"Response: Success\r\nActionID: ACTIONID\r\nMessage: Redirect successful\r\n\r\n"


def _channels(*names: str) -> bytes:
    """Channels that share a bridge, as `CoreShowChannels` lists them."""
    head = "Response: Success\r\nActionID: ACTIONID\r\nEventList: start\r\nMessage: Channels will follow\r\n\r\n"
    each = (
        f"Event: CoreShowChannel\r\nActionID: ACTIONID\r\nChannel: {name}\r\nChannelState: 6\r\n"
        f"Uniqueid: 1.{place}\r\nLinkedid: 1.0\r\nApplication: \r\nApplicationData: \r\nBridgeId: b1\r\n\r\n"
        for place, name in enumerate(names)
    )
    end = "Event: CoreShowChannelsComplete\r\nActionID: ACTIONID\r\nEventList: Complete\r\nListItems: 2\r\n\r\n"
    return "".join((head, *each, end)).encode()


@dataclass
class Running:
    """A service and how to ask it."""

    service: Service
    config: Path
    data: Path
    ami: FakeAmi
    session: ClientSession

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = TOKEN, **headers: str):
        port = DataDir(self.data).read_run()["http_port"]
        sent = {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with self.session.request(method, f"http://127.0.0.1:{port}{path}", json=body, headers=sent) as answer:
            return answer.status, await answer.json()

    async def run(self, *arguments: str):
        line = ["--config", str(self.config), "--data-dir", str(self.data), *arguments]
        return await asyncio.to_thread(CliRunner().invoke, app, line)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        config = Path(name) / "config"
        config.mkdir()
        (config / "campaigns.toml").write_bytes(shipped("config", "campaigns.toml").read_bytes())
        async with fake_ami() as ami, ClientSession() as session:
            (config / "ringfence.toml").write_text(_settings(ami.port))
            service = Service(config, load(config, data_dir=Path(name) / "data"), workers=1)
            await service.start()
            try:
                yield Running(service, config, Path(name) / "data", ami, session)
            finally:
                await service.stop()


def _settings(ami_port: int) -> str:
    token = f'[[http.token]]\nname = "crm"\nsha256 = "{digest_of(TOKEN)}"\nmay = ["enter", "read", "transfer"]\n'
    asterisk = (
        f'[[asterisk]]\nname = "pbx"\nport = {ami_port}\nusername = "u"\nsecret = "s"\ntrunks = ["PJSIP/carrier"]\n'
    )
    sockets = "[agi]\nport = 0\n[audiosocket]\nport = 0\n[http]\nport = 0\n"
    return f"[service]\ndrain_s = 0\n{sockets}{token}{asterisk}"


async def test_an_objection_entered_over_http_decides_the_very_next_call(running):
    """On disk, in the store, in the register; the same request again changes nothing."""
    body = {"number": ANNE, "principal": "tulip", "wording": "never again", "by": "agent17"}
    status, first = await running.ask("POST", "/v1/objections", body, Idempotency_Key="7")
    assert (status, first["held"]) == (201, "ledger")
    assert (await running.ask("POST", "/v1/objections", body, Idempotency_Key="7"))[1]["id"] == first["id"]
    checked = await running.run("check", ANNE, "--campaign", "tulip-nl", "--json")
    assert json.loads(checked.stdout)["reason"] == "objection"
    for path in (f"/v1/objections/{first['reference']}", "/v1/objections?number=%2B31612345001", "/v1/objections"):
        (found,) = (await running.ask("GET", path))[1]["objections"]
        assert (found["number"], found["wording"], found["by"]) == (ANNE, "never again", "agent17 (crm)")
    assert (await running.ask("POST", "/v1/objections", body, Idempotency_Key="8"))[1]["id"] != first["id"]


async def test_a_call_is_sent_to_the_objection_line(running):
    """By the API, and by the command of this machine, whose token nobody had to set up."""
    running.ami.answers |= {"CoreShowChannels": _channels(AGENT, PERSON), "Redirect": DONE, "Getvar": MARK}
    await running.ami.wait_for("Login")
    status, sent = await running.ask("POST", "/v1/transfer", {"channel": AGENT})
    assert (status, sent) == (200, {"asterisk": "pbx", "channel": PERSON})
    said = await running.run("transfer", AGENT)
    assert said.exit_code == 0, said.stderr
    assert f"{PERSON} on pbx" in said.stdout
    for action in running.ami.named("Redirect"):
        assert (action["Channel"], action["Context"], action["Exten"]) == (PERSON, "ringfence-objection", "transfer")
    assert len(running.ami.named("Redirect")) == 2
    assert (await running.ask("POST", "/v1/transfer", {"channel": "PJSIP/nobody-1"}))[0] == 404
    assert (await running.run("transfer", "PJSIP/nobody-1")).exit_code == 2


async def test_the_token_of_this_machine_is_readable_by_its_owner_only(running):
    """And it is another one in every run."""
    file = running.data / "run.json"
    assert file.stat().st_mode & 0o077 == 0
    token = json.loads(file.read_text())["http_token"]
    assert (await running.ask("GET", "/v1/objections", token=token))[0] == 200
    assert TOKEN not in file.read_text()


async def test_a_token_is_taken_away_by_a_reload(running):
    """Without a restart; a change of the address still needs one."""
    assert (await running.ask("GET", "/v1/objections"))[0] == 200
    toml = running.config / "ringfence.toml"
    text = toml.read_text()
    toml.write_text(text.replace(digest_of(TOKEN), "0" * 64))
    await running.service.reload()
    assert (await running.ask("GET", "/v1/objections"))[0] == 401
    toml.write_text(text.replace("[http]\nport = 0", "[http]\nport = 1"))
    await running.service.reload()
    assert DataDir(running.data).read_run()["reload"]["ok"] is False


async def test_a_withdrawn_objection_is_seen_in_the_answer(running):
    """With whose consent."""
    _, entered = await running.ask("POST", "/v1/objections", {"number": ANNE, "everyone": True})
    about = ("--principal", "tulip", "--purpose", "sales", "--product", "any")
    assert (await running.run("consent", "add", ANNE, *about)).exit_code == 0
    assert (await running.run("objections", "withdraw", entered["reference"])).exit_code == 0
    ((found,),) = [(await running.ask("GET", "/v1/objections?state=in-part"))[1]["objections"]]
    assert found["withdrawn"][0]["principal"] == "tulip"
    checked = await running.run("check", ANNE, "--campaign", "tulip-nl", "--json")
    assert json.loads(checked.stdout)["reason"] != "objection"


async def test_a_key_used_again_after_a_withdrawal_blocks_again(running):
    """The old objection is lifted: to confirm it once more would promise what does not hold."""
    body = {"number": ANNE, "principal": "tulip", "wording": "never"}
    first = (await running.ask("POST", "/v1/objections", body, Idempotency_Key="7"))[1]
    again = (await running.ask("POST", "/v1/objections", body, Idempotency_Key="7"))[1]
    assert (again["id"], again["at"]) == (first["id"], first["at"])
    about = ("--principal", "tulip", "--purpose", "sales", "--product", "any")
    assert (await running.run("consent", "add", ANNE, *about)).exit_code == 0
    assert (await running.run("objections", "withdraw", first["reference"])).exit_code == 0
    checked = await running.run("check", ANNE, "--campaign", "tulip-nl", "--json")
    assert json.loads(checked.stdout)["reason"] != "objection"
    later = [(await running.ask("POST", "/v1/objections", body, Idempotency_Key="7"))[1] for _ in range(2)]
    assert later[0]["id"] == later[1]["id"] != first["id"]
    checked = await running.run("check", ANNE, "--campaign", "tulip-nl", "--json")
    assert json.loads(checked.stdout)["reason"] == "objection"
    other = (await running.ask("POST", "/v1/objections", {**body, "wording": "stop"}, Idempotency_Key="7"))[1]
    assert other["id"] not in (first["id"], later[0]["id"])
