"""One Asterisk process with folders, ports and a log of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.manager import Manager, ManagerFailed, Message
from tests.lab.ports import die_with_parent, end_process, free_rtp_ports, free_tcp_port, free_udp_port
from tests.lab.sound_folders import link_data, link_prompts, write_music, write_silence, write_voices
from tests.lab.wire_record import MARKER, Invite, SipMessage, invites_in, invites_out, read_capture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.provision import AsteriskProgram

TEMPLATES = Path(__file__).parent / "etc"
_START_S = 60
_SECRET = "lab-only"
_MARKER_HOST = "127.0.0.4"


def fill_templates(folders: Sequence[Path], target: Path, values: Mapping[str, str]) -> None:
    """Write every `*.conf` (and `*.conf.sample`) of some folders into one, later folders winning.

    Args:
        folders: Where the templates are.
        target: Where the configuration goes.
        values: What stands for each `@NAME@`.
    """
    for folder in folders:
        for file in sorted(folder.glob("*.conf*")):
            text = file.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            (target / file.name).write_text(text)


class AsteriskFailed(Exception):
    """This Asterisk did not start, or died; holds the end of its log."""


class Asterisk:
    """One instance.

    Args:
        program: What to run.
        name: Folder of its configuration below `etc/`: `pbx` or `carrier`.
        host: Loopback address all its sockets are bound to.
        dialplan: Folders whose `*.conf` join its configuration.
    """

    def __init__(self, program: AsteriskProgram, name: str, host: str, dialplan: Sequence[Path] = ()) -> None:
        self.program = program
        self.name = name
        self.host = host
        self.sip_port = free_udp_port(host)
        self.ami_port = free_tcp_port(host)
        self.secret = _SECRET
        # Unix sockets have short paths: no deep folders.
        self.folder = Path(tempfile.mkdtemp(prefix=f"rf-{name}-"))
        self.manager = Manager(host, self.ami_port, "lab", _SECRET)
        self.started_in_s = 0.0
        self._dialplan = tuple(dialplan)
        self._process: asyncio.subprocess.Process | None = None
        self._sip: list[SipMessage] = []
        self._sip_lock = asyncio.Lock()
        self._captures = 0
        self.rtp_ports = (0, 0)

    @property
    def etc(self) -> Path:
        """Its configuration folder."""
        return self.folder / "etc"

    @property
    def agi_folder(self) -> Path:
        """Where `AGI(name)` looks for programs."""
        return self.folder / "agi"

    @property
    def capture(self) -> Path:
        """The capture file being written (pcap); earlier ones are beside it."""
        return self.folder / "log" / f"sip-{self._captures:04d}.pcap"

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    def write_configuration(self, values: Mapping[str, str]) -> None:
        """Fill the templates in.

        Args:
            values: What stands for each `@NAME@` besides this instance's own.
        """
        for name in ("etc", "agi", "lib", "spool", "run", "log", "sounds"):
            (self.folder / name).mkdir(exist_ok=True)
        first, last = self.rtp_ports = free_rtp_ports()
        own = {
            "DIR": str(self.folder),
            "ETC": str(self.etc),
            "MODULES": str(self.program.modules),
            "DATA": str(self.folder / "data"),
            "HOST": self.host,
            "SIP": str(self.sip_port),
            "AMI": str(self.ami_port),
            "SECRET": _SECRET,
            "RTP_FIRST": str(first),
            "RTP_LAST": str(last),
            # Networks send continuous audio, PBXs do not.
            "TRANSMIT_SILENCE": "yes" if self.name == "carrier" else "no",
        }
        fill_templates((TEMPLATES / "both", *self._dialplan, TEMPLATES / self.name), self.etc, {**own, **values})
        link_data(self.program.data, self.folder / "data")
        link_prompts(self.folder / "data" / "sounds")
        write_silence(self.folder / "sounds" / "silence.wav")
        write_music(self.folder / "music" / "tone.wav")
        write_voices(self.folder)

    async def start(self) -> None:
        """Start it and wait until it is fully booted and its SIP traffic is recorded.

        Raises:
            AsteriskFailed: It did not come up.
        """
        began = time.monotonic()
        with (self.folder / "log" / "console").open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self.program.command,
                "-C",
                str(self.etc / "asterisk.conf"),
                "-f",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self.folder,
                preexec_fn=die_with_parent(),
            )
        try:
            await asyncio.wait_for(self._until_booted(), _START_S)
        except TimeoutError:
            await self.stop()
            raise AsteriskFailed(f"{self.name} did not boot in {_START_S} s:\n{self.log_tail()}") from None
        await self.cli("pjsip set logger on")
        await self.cli("pjsip set logger verbose off")
        await self._record_sip()
        self.started_in_s = time.monotonic() - began

    async def _until_booted(self) -> None:
        assert self._process is not None
        while True:
            if self._process.returncode is not None:
                raise AsteriskFailed(f"{self.name} ended at once:\n{self.log_tail()}")
            with contextlib.suppress(OSError, ManagerFailed, TimeoutError):
                await self.manager.connect()
                break
            await asyncio.sleep(0.02)  # its AMI socket announces itself by no event we could await
        await self.cli("core waitfullybooted")

    async def stop(self) -> None:
        """End it; its files stay until `remove`."""
        await self.manager.close()
        if self._process is not None:
            await end_process(self._process)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone; `start` begins anew."""
        assert self._process is not None
        await self.manager.close()
        self._process.kill()
        await self._process.wait()

    def remove(self) -> None:
        """Delete its files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def ami(self, action: str, fields: Mapping[str, str | Sequence[str]] | None = None) -> Message:
        """Send one AMI action as the lab's own user."""
        return await self.manager.action(action, fields)

    async def cli(self, command: str) -> str:
        """Run one console command and return what it prints.

        Raises:
            ManagerFailed: Asterisk refused it.
        """
        return (await self.manager.action("Command", {"Command": command})).get("Output", "")

    async def channels(self) -> list[str]:
        """Names of the channels that exist now."""
        return list(await self.channel_fields())

    async def channel_fields(self) -> dict[str, list[str]]:
        """What `core show channels concise` tells of each channel that exists now, by name; field 12 is its bridge."""
        lines = (await self.cli("core show channels concise")).splitlines()
        # By name, for Asterisk tells of a channel twice whose state changes while it counts them.
        return {fields[0]: fields for line in lines if len(fields := line.split("!")) > 1}

    async def until_idle(self, timeout_s: float = 10) -> None:
        """Wait until it has no channel.

        Raises:
            TimeoutError: Some channel stays.
        """
        async with asyncio.timeout(timeout_s):
            while await self.channels():  # noqa: ASYNC110 - no event tells that a channel's thread has ended
                await asyncio.sleep(0.02)

    async def add_dialplan(self, text: str) -> None:
        """Replace what tests add to the dialplan, and load it."""
        (self.etc / "lab-extra.conf").write_text(text)
        await self.cli("dialplan reload")

    def add_sound(self, name: str, audio: bytes, language: str = "en") -> bytes:
        """Put an a-law sound, `folder/name`, among the others of a language; returns it."""
        file = self.folder / "data" / "sounds" / language / f"{name}.alaw"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link to what is shipped
        file.write_bytes(audio)
        return audio

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of its log and console."""
        parts = []
        for name in ("console", "full"):
            file = self.folder / "log" / name
            if file.exists():
                parts += [f"--- {self.name} {name}", *file.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)

    async def sip_messages(self) -> list[SipMessage]:
        """Every SIP datagram so far, for certain.

        A request of our own is sent to the same socket and answered: what came before it has been
        read and recorded before it, since a UDP socket and its one reader keep the order. Then a
        new capture file is begun, because Asterisk writes the old one out only when it closes it.

        Raises:
            TimeoutError: This Asterisk no longer reads its socket.
        """
        async with self._sip_lock:
            await asyncio.to_thread(_send_marker, self.host, self.sip_port)
            finished = self.capture
            await self._record_sip()
            self._sip += read_capture(await asyncio.to_thread(finished.read_bytes))
            return list(self._sip)

    async def _record_sip(self) -> None:
        self._captures += 1
        await self.cli(f"pjsip set logger pcap {self.capture}")

    async def invites(self) -> list[Invite]:
        """Every call that reached its SIP socket so far, in order."""
        return invites_in(await self.sip_messages())

    async def calls_out(self) -> list[Invite]:
        """Every call that its SIP socket has made so far, in order."""
        return invites_out(await self.sip_messages())


def _send_marker(host: str, port: int) -> None:
    """Send an OPTIONS and wait for any answer to it."""
    call_id = f"{MARKER}{uuid.uuid4().hex}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((_MARKER_HOST, 0))
        sock.settimeout(5)
        here = f"{_MARKER_HOST}:{sock.getsockname()[1]}"
        sock.sendto(
            (
                f"OPTIONS sip:{host}:{port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{call_id}\r\n"
                f"Max-Forwards: 1\r\nFrom: <sip:marker@{here}>;tag=1\r\nTo: <sip:{host}>\r\n"
                f"Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            (host, port),
        )
        sock.recv(4096)
