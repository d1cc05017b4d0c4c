"""`ringfence serve` as a site runs it, at a time of our choosing, against the lab's PBX."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import clock
from tests.lab.ports import die_with_parent, end_process, free_tcp_port

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Mapping

    from tests.lab.lab import Lab

_BIN = Path(sys.executable).parent
_READY_S = 60
RULEBOOKS = Path(__file__).parents[2] / "config" / "rulebook"
_HOST = "127.0.0.1"

PATIENT = "[gate]\ndeadline_ms = 5000\nevidence_wait_ms = 4500\n\n[store]\ntimeout_ms = 4500\n"
"""Text of ringfence.toml, the last table open: on a busy small machine calls are not deferred for that alone."""


@contextlib.asynccontextmanager
async def patient_dialplan(lab: Lab) -> AsyncIterator[None]:
    """The PBX's dialplan waits 15 s for the service, not 3: on a busy machine legs are not refused for that alone."""
    await lab.pbx.ami("Setvar", {"Variable": "RINGFENCE_WAIT_S", "Value": "15"})
    try:
        yield
    finally:
        await lab.pbx.ami("Setvar", {"Variable": "RINGFENCE_WAIT_S", "Value": ""})


class ServiceFailed(Exception):
    """The service did not become ready, or ended; holds what it printed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended.

    Args:
        code: Exit code.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str


class ServiceProcess:
    """One service with its own configuration and data directory; may be started again after it ended.

    Args:
        lab: The lab it serves; None when only the command line is wanted.
        folder: Where configuration, data and log go; kept.
        site: Folder or file with the site's configuration: its files are copied over the service's own.
        toml: Further text of ringfence.toml: tables this class does not write.
        moment: When it is for the service; default the next working Tuesday, 11:00 in Berlin.
        watchdog: Connect to the lab's PBX over AMI.
        fastagi_port: Where it answers FastAGI; 0 for the port at which the lab's PBX looks for it.
        ami_port: Where it looks for the PBX's AMI; 0 for the PBX's own port.
    """

    def __init__(
        self,
        lab: Lab | None,
        folder: Path,
        *,
        site: Path | None = None,
        toml: str = "",
        moment: dt.datetime | None = None,
        watchdog: bool = True,
        fastagi_port: int = 0,
        ami_port: int = 0,
    ) -> None:
        self.config = folder / "config"
        self.data_dir = folder / "data"
        self.log = folder / "service.log"
        self.http_port = free_tcp_port(_HOST)
        self.fastagi_port = fastagi_port or (lab.fastagi[1] if lab is not None else free_tcp_port(_HOST))
        self._ami_port = ami_port
        self.env = {
            **os.environ,
            "RINGFENCE_CONFIG": str(self.config),
            "RINGFENCE_DATA_DIR": str(self.data_dir),
            **clock.at(moment or clock.next_working_tuesday()),
        }
        self._process: asyncio.subprocess.Process | None = None
        self.config.mkdir(parents=True)
        if site is not None:
            _copy(site, self.config)
            _write_rulebooks(self.config)
        (self.config / "ringfence.toml").write_text(self._toml(lab if watchdog else None) + toml)
        if lab is not None and not fastagi_port:
            ours = {key: value for key, value in self.env.items() if os.environ.get(key) != value}
            lab.install_agi("ringfence-agi", [str(_BIN / "ringfence-agi")], ours)

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, or before it was started."""
        return self._process.returncode if self._process is not None else None

    async def start(self) -> None:
        """Start it and wait until `/readyz` says yes.

        Raises:
            ServiceFailed: It ended, or was not ready in time.
        """
        await self.launch()
        assert self._process is not None
        deadline_s = time.monotonic() + _READY_S
        while (await self.ready())[0] != 200:
            if self._process.returncode is not None:
                raise ServiceFailed(f"the service ended with {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline_s:
                await self.stop()
                raise ServiceFailed(f"the service was not ready in {_READY_S} s:\n{self.log_tail()}")
            await asyncio.sleep(0.02)  # a port that begins to listen is no event

    async def launch(self) -> None:
        """Start it and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(_BIN / "ringfence"),
                "serve",
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )

    async def stop(self, *, patience_s: float = 10) -> int:
        """SIGTERM, after `patience_s` SIGKILL; returns the exit code.

        A service that was killed leaves its embedded store behind, for its successor; that ends here too.
        """
        code = 0 if self._process is None else await end_process(self._process, patience_s=patience_s)
        self._end_orphaned_store()
        return code

    def _end_orphaned_store(self) -> None:
        folder = self.data_dir / "valkey"
        with contextlib.suppress(OSError, ValueError):  # no store of its own, or gone already
            pid = int((folder / "valkey.pid").read_text())
            if Path(f"/proc/{pid}/cwd").readlink() == folder.resolve():  # the id may be another's by now
                os.kill(pid, signal.SIGKILL)

    async def kill(self) -> None:
        """SIGKILL, as when the machine takes it, and wait until it is gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGHUP makes it read its files again."""
        assert self._process is not None
        self._process.send_signal(number)

    async def reload(self) -> Finished:
        """`ringfence reload`."""
        return await self.run("reload")

    async def run(self, *arguments: str, stdin: bytes = b"", timeout_s: float = 60) -> Finished:
        """Run `ringfence ARGUMENTS...` with the service's configuration, data and clock."""
        process = await asyncio.create_subprocess_exec(
            str(_BIN / "ringfence"),
            *arguments,
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), timeout_s)
        except TimeoutError:
            await end_process(process)
            raise
        return Finished(process.returncode or 0, out.decode(), err.decode())

    async def get(self, path: str) -> tuple[int, str]:
        """GET from its HTTP port: status (0 when nobody answers) and body."""
        return await self._request(f"GET {path} HTTP/1.0\r\nHost: {_HOST}\r\n\r\n")

    async def post(self, path: str, values: Mapping[str, object]) -> tuple[int, Any]:
        """POST JSON with the token of this machine's commands: status (0 when nobody answers) and parsed answer."""
        token, body = json.loads((self.data_dir / "run.json").read_text())["http_token"], json.dumps(values)
        head = (
            f"POST {path} HTTP/1.0",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        status, answer = await self._request("\r\n".join((*head, "", body)))
        return status, json.loads(answer or "null")

    async def _request(self, text: str) -> tuple[int, str]:
        try:
            reader, writer = await asyncio.open_connection(_HOST, self.http_port)
        except OSError:
            return 0, ""
        try:
            writer.write(text.encode())
            answer = (await asyncio.wait_for(reader.read(), 5)).decode("utf-8", "replace")
        except (OSError, TimeoutError):
            return 0, ""
        finally:
            writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        words = head.split(" ", 2)
        return (int(words[1]) if len(words) > 1 else 0), body

    async def ready(self) -> tuple[int, Any]:
        """Status and parsed body of `/readyz`; (0, None) when nobody answers."""
        status, body = await self.get("/readyz")
        try:
            return status, json.loads(body)
        except ValueError:
            return status, None

    async def until_ready(self, *, ready: bool = True, timeout_s: float = 20) -> None:
        """Wait until `/readyz` says yes, or no.

        Raises:
            TimeoutError: It does not.
        """
        async with asyncio.timeout(timeout_s):
            while ((await self.ready())[0] == 200) is not ready:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)

    def decisions(self) -> int:
        """How many attempts it has decided, by its log."""
        return self.log.read_text(errors="replace").count(" INFO ringfence attempt id=")

    async def until_decisions(self, count: int, timeout_s: float = 10) -> None:
        """Wait until it has decided so many attempts.

        Raises:
            TimeoutError: It has not.
        """
        async with asyncio.timeout(timeout_s):
            while self.decisions() < count:  # noqa: ASYNC110 - a log line is no event
                await asyncio.sleep(0.02)

    def log_tail(self, lines: int = 60) -> str:
        """The end of what it printed."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(["--- service", *text.splitlines()[-lines:]])

    def _toml(self, lab: Lab | None) -> str:
        text = (
            f'[agi]\nhost = "{_HOST}"\nport = {self.fastagi_port}\n\n'
            f"[audiosocket]\nport = 0\n\n"
            f'[http]\nhost = "{_HOST}"\nport = {self.http_port}\n\n'
        )
        if lab is not None:
            text += (
                f'[[asterisk]]\nname = "pbx"\nhost = "{lab.pbx.host}"\nport = {self._ami_port or lab.pbx.ami_port}\n'
                f'username = "ringfence"\nsecret = "{lab.pbx.secret}"\ntrunks = ["PJSIP/carrier"]\n\n'
            )
        return text


HOUSE_RULES = """
# A rule of this lab alone, so that it can be seen at work in a country that may be called.
[all.lock_out]
description = "How long a person is left alone who does not want an offer now"
unit = "duration"
checked_on = 2026-11-30

[[all.lock_out.values]]
since = 2026-01-01
source = "House rule of the lab"
href = ""
confidence = "seen"
value = { after = ["refusal"], days = 30, scope = "principal", agent_lifts = false }
"""


def _write_rulebooks(config: Path) -> None:
    """The shipped rulebooks, the German one with the house's own rule."""
    (config / "rulebook").mkdir(exist_ok=True)
    for file in RULEBOOKS.glob("*.toml"):
        own = HOUSE_RULES if file.name == "de.toml" else ""
        (config / "rulebook" / file.name).write_text(file.read_text() + own)


def _copy(site: Path, config: Path) -> None:
    if site.is_dir():
        shutil.copytree(site, config, dirs_exist_ok=True)
    else:
        shutil.copy(site, config / site.name)
