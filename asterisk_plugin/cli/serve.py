"""`ringfence serve` and `ringfence reload`."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

from asterisk_plugin.cli.logs import set_up_logs
from asterisk_plugin.errors import StartupError
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import Loaded, load

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.service import Service

_RELOAD_WAIT_S = 10.0


def serve(config: Path | None, loaded: Loaded, *, workers: int | None = None) -> None:
    """Run the service until SIGTERM or SIGINT.

    Args:
        config: Where the configuration came from, for reloads.
        loaded: What was read.
        workers: Processes that answer FastAGI; None for what is configured.

    Raises:
        StartupError: It cannot be started.
    """
    set_up_logs(loaded.service.service.log_level)
    workers = workers or loaded.service.service.workers
    if workers > 1:
        _share_metrics(loaded.data_dir)
    from asterisk_plugin.app.event_loop import use_uvloop  # after the metrics' environment is set

    with asyncio.Runner(loop_factory=use_uvloop()) as runner:
        runner.run(_serve(config, loaded, workers=workers))


async def _serve(config: Path | None, loaded: Loaded, *, workers: int) -> None:
    from asterisk_plugin.service import Service

    service = Service(config, loaded, workers=workers)
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before anything is started: a signal that comes meanwhile is kept, not deadly.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    await service.start()
    logging.getLogger("ringfence.service").info("ready on data directory %s", loaded.data_dir)
    reloading = loop.create_task(_reload_when_asked(service, reload))
    await _first_of(stop, service.failed)
    reloading.cancel()
    await service.stop()
    if service.failed.is_set():
        raise StartupError("a part of the service failed and cannot go on; the log above says which")


async def _reload_when_asked(service: Service, asked: asyncio.Event) -> None:
    """One reload at a time; several signals meanwhile are one more."""
    while True:
        await asked.wait()
        asked.clear()
        await service.reload()


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _share_metrics(data_dir: Path) -> None:
    """Let prometheus-client add up the workers' counters; it reads this when first imported."""
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def reload(config: Path | None, data_dir: Path) -> None:
    """Check the files, then let the running service take them and wait until it says it did.

    Args:
        config: Where the configuration is.
        data_dir: The running service's.

    Raises:
        ConfigError: The files have problems; the service was not asked.
        StartupError: No service runs there, or it refused or did not answer.
    """
    load(config)
    directory = DataDir(data_dir)
    run = directory.read_run()
    if not directory.is_running() or "pid" not in run:
        raise StartupError(f"no service runs on data directory `{data_dir}`")
    before = run.get("reload", {}).get("at")
    os.kill(int(run["pid"]), signal.SIGHUP)
    deadline_s = time.monotonic() + _RELOAD_WAIT_S
    while (result := directory.read_run().get("reload", {})).get("at") == before:
        if time.monotonic() > deadline_s:
            raise StartupError(f"the service did not answer within {_RELOAD_WAIT_S:.0f} s")
        time.sleep(0.05)
    if not result.get("ok"):
        raise StartupError("the service refused, the old rules stay: " + "; ".join(result.get("problems", [])))
    sys.stdout.write(f"configuration {directory.read_run().get('site_version')} is in force\n")
