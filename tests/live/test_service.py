"""The service as an admin runs it: refusals in one line, reload all or nothing, drain, workers."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import pytest

from tests.lab import faults, people
from tests.lab.fixtures import SITE
from tests.lab.service import ServiceProcess

pytestmark = [pytest.mark.live, pytest.mark.paired, pytest.mark.asyncio(loop_scope="session")]


async def test_a_second_service_on_the_same_data_is_refused(gate, tmp_path):
    """One clear line, exit code 2, and the first one goes on."""
    second = await gate.run("serve")
    assert second.code == 2
    assert "another service runs on data directory" in second.err
    assert "Traceback" not in second.err
    assert (await gate.ready())[0] == 200


async def test_a_taken_port_is_one_clear_line(gate, tmp_path):
    """FastAGI and HTTP ports, each named."""
    for section in ("agi", "http"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = ServiceProcess(None, tmp_path / section, site=SITE, watchdog=False)
            toml = other.config / "ringfence.toml"
            old = str(other.fastagi_port if section == "agi" else other.http_port)
            toml.write_text(toml.read_text().replace(old, str(taken.getsockname()[1])))
            refused = await other.run("serve")
        await other.stop()
        assert refused.code == 2
        assert f"{section}.port" in refused.err
        assert "Traceback" not in refused.err


async def test_an_unreadable_file_is_one_clear_line(gate, tmp_path):
    """A configuration with a typo never starts."""
    other = ServiceProcess(None, tmp_path / "typo", site=SITE, toml="\n[gate]\ndeadline = 3\n", watchdog=False)
    refused = await other.run("serve")
    assert refused.code == 2
    assert "deadline" in refused.err
    assert "Traceback" not in refused.err


async def test_reload_takes_new_rules(lab, gate):
    """A campaign added while the service runs."""
    assert (await lab.dial(people.AGREED_NL, "added", caller_id="1001")).reason == "campaign-unknown"
    campaigns = gate.config / "campaigns.toml"
    text = campaigns.read_text()
    added = text[text.index('[[campaign]]\nid = "tulip-nl"') : text.index('[[campaign]]\nid = "linde-de"')]
    campaigns.write_text(text + "\n" + added.replace('"tulip-nl"', '"added"'))
    assert (await gate.reload()).code == 0
    assert (await lab.dial(people.AGREED_NL, "added", caller_id="1001")).decision == "ALLOW"


async def test_a_bad_file_is_refused_and_the_old_rules_stay(lab, gate):
    """Both through `ringfence reload` and through a bare SIGHUP."""
    campaigns = gate.config / "campaigns.toml"
    campaigns.write_text(campaigns.read_text() + '\n[[campaign]]\nid = "broken"\nprincipal = "nobody"\n')
    refused = await gate.reload()
    assert refused.code == 2
    assert "nobody" in refused.err
    gate.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while "reload refused" not in gate.log_tail():  # noqa: ASYNC110 - a log line is no event
            await asyncio.sleep(0.02)
    assert (await lab.dial(people.AGREED_NL, "tulip-nl", caller_id="1001")).decision == "ALLOW"


async def test_sigterm_lets_running_sessions_end(gate):
    """A decision under way (the store is frozen) is answered while the service stops; it exits with 0."""
    with faults.frozen_store(gate):
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.fastagi_port)
        lines = ("network_script: attempt", "callerid: 1001", "callingpres: 0")
        arguments = (f"arg_1: {people.AGREED_NL}", "arg_2: tulip-nl")
        writer.write("".join(f"agi_{line}\n" for line in (*lines, *arguments)).encode() + b"\n")
        await asyncio.sleep(0.1)  # now the decision waits for the store
        gate.send_signal(signal.SIGTERM)
        answer = await asyncio.wait_for(reader.readline(), 30)
        writer.write(b"200 result=1\n")
        assert b"RINGFENCE_DECISION=DEFER" in answer
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
    assert await gate.stop() == 0


async def test_several_workers_answer_and_reload(lab, tmp_path):
    """`workers = 2`: calls pass, a worker killed is replaced, the watchdog knows the workers' legs."""
    service = ServiceProcess(lab, tmp_path / "ringfence", site=SITE, toml="\n[service]\nworkers = 2\n")
    try:
        await people.enter_records(service, tmp_path)
        await service.start()
        for _ in range(3):
            since_s = time.time()
            attempt = await lab.dial(people.AGREED_NL, "tulip-nl", caller_id="1001")
            assert attempt.decision == "ALLOW", f"{attempt.reason}: {service.log_tail()}"
            (invite,) = await lab.invites(people.AGREED_NL, since_s=since_s)
            assert invite.answered_at_s is not None
        _, metrics = await service.get("/metrics")
        assert 'ringfence_decisions_total{decision="ALLOW",reason=""} 3.0' in metrics
        assert (await service.reload()).code == 0
    finally:
        await service.stop()


async def test_every_verdict_can_be_shown_and_the_chain_verifies(lab, gate):
    """What the carrier saw stands in the ledger."""
    attempt = await lab.dial(people.AGREED_NL, "tulip-nl", caller_id="1001")
    assert (await gate.run("evidence", "verify")).code == 0
    said = await gate.run("evidence", "show", attempt.token)
    assert said.code == 0
    assert "ALLOW" in said.out
