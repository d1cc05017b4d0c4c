"""Several processes that answer FastAGI on one port.

The service binds the port once and hands the listening socket to each worker, so the kernel
deals connections out and none is refused while a worker starts anew. A worker reads the
configuration in force from the data directory and ends when the service's pipe to it closes,
whatever killed the service.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from asterisk_plugin.settings.data_dir import DataDir

_log = logging.getLogger("ringfence.workers")

_RESTART_PAUSE_S = 0.5
_WATCH_PAUSE_S = 0.2
_READY_S = 30.0


class Workers:
    """The service's worker processes.

    Args:
        count: How many.
        listener: The bound FastAGI socket.
        data_dir: Where a worker finds its configuration.
        store_url: Where the embedded store listens; empty when the configuration names another store.
        talk_address: Where the sound of connected calls goes; empty: nobody listens to them.
    """

    def __init__(
        self, count: int, listener: socket.socket, data_dir: DataDir, store_url: str, *, talk_address: str = ""
    ) -> None:
        self._count = count
        self._listener = listener
        self._data_dir = data_dir
        self._store_url = store_url
        self._talk_address = talk_address
        self._processes: list[asyncio.subprocess.Process] = []
        self._stopping = False

    @property
    def all_up(self) -> bool:
        """Whether every worker runs."""
        return len(self._processes) == self._count and all(p.returncode is None for p in self._processes)

    async def start(self) -> None:
        """Start every worker; returns when each answers calls, or has ended."""
        self._processes = list(await asyncio.gather(*(self._start_one(place) for place in range(self._count))))

    async def _start_one(self, place: int) -> asyncio.subprocess.Process:
        descriptor = self._listener.fileno()
        ready, tell_ready = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "asterisk_plugin.cli.worker",
                str(descriptor),
                str(self._data_dir.path),
                self._store_url,
                str(place),
                self._talk_address,
                str(tell_ready),
                stdin=asyncio.subprocess.PIPE,  # closes when the service dies: the worker ends too
                pass_fds=(descriptor, tell_ready),
            )
        finally:
            os.close(tell_ready)
        await _until_closed(ready)
        return process

    async def watch(self) -> None:
        """Start a worker again that ended."""
        while not self._stopping:
            for index, process in enumerate(self._processes):
                if process.returncode is not None and not self._stopping:
                    _log.error("worker %d ended with %d, starting another", process.pid, process.returncode)
                    await asyncio.sleep(_RESTART_PAUSE_S)
                    self._processes[index] = await self._start_one(index)
            await asyncio.sleep(_WATCH_PAUSE_S)

    def reload(self) -> None:
        """Let every worker take the configuration in force."""
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    async def stop(self, drain_s: float) -> None:
        """Let running sessions end, then end the workers."""
        self._stopping = True
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
        try:
            async with asyncio.timeout(drain_s + 1):
                await asyncio.gather(*(process.wait() for process in self._processes))
        except TimeoutError:
            for process in self._processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def _until_closed(descriptor: int) -> None:
    """Wait until nobody holds the other end of a pipe any more, some time at most; closes this one."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        async with asyncio.timeout(_READY_S):
            await reader.read()
    except TimeoutError:
        _log.warning("a worker has not said within %g s that it is ready", _READY_S)
    finally:
        transport.close()
