"""One FastAGI worker process; started by the service, never by hand."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.app.answering import start_sounds
from asterisk_plugin.app.event_loop import use_uvloop
from asterisk_plugin.app.node import apply_gate_settings, open_node
from asterisk_plugin.app.scripts import start_agi
from asterisk_plugin.cli.logs import set_up_logs
from asterisk_plugin.core.engine import longest_window_s
from asterisk_plugin.errors import RingfenceError, StoreError
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load

if TYPE_CHECKING:
    from asterisk_plugin.app.node import Node

_log = logging.getLogger("ringfence.worker")


async def run_worker(
    descriptor: int, data_dir: DataDir, store_url: str, place: int, talk_address: str, tell_ready: int
) -> None:
    """Answer FastAGI until SIGTERM, or until the service is gone."""
    loaded = load(data_dir.active.resolve(), data_dir=data_dir.path)
    set_up_logs(loaded.service.service.log_level)
    observer = ServiceObserver(CollectorRegistry(), mask_numbers=loaded.service.service.mask_numbers)
    url = store_url or loaded.service.store.url
    node = await open_node(loaded, data_dir, store_url=url, observer=observer)
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    try:
        await node.store.ping()  # now, so that no call waits for the first look at the store
    except StoreError as exc:
        _log.warning("store not there yet: %s", exc)
    sounds = await start_sounds(loaded.service.audiosocket, loaded.service.agi.allow_from, worker=place)
    server = await start_agi(node, loaded.service.agi, listener, observer.agi, sounds=sounds, talk_address=talk_address)
    os.close(tell_ready)  # the service waits for that
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the service, which ends us in order
    loop.add_signal_handler(signal.SIGHUP, _reload, node, data_dir)
    loop.add_reader(sys.stdin.fileno(), _service_gone, stop)
    await stop.wait()
    loop.remove_reader(sys.stdin.fileno())
    await server.stop(loaded.service.service.drain_s)
    await sounds.stop()
    await node.close()


def _service_gone(stop: asyncio.Event) -> None:
    """The service writes nothing to the pipe; readable means closed."""
    if not os.read(sys.stdin.fileno(), 1):
        stop.set()


def _reload(node: Node, data_dir: DataDir) -> None:
    """Take the configuration that the service just checked and put in force."""
    try:
        loaded = load(data_dir.active.resolve(), data_dir=data_dir.path)
    except RingfenceError as exc:
        _log.error("reload refused, the old rules stay: %s", exc)
        return
    apply_gate_settings(node.gate, loaded.service)
    node.gate.site = loaded.site
    node.store.keep_attempts_s = longest_window_s(loaded.site)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=use_uvloop()) as runner:
        descriptor, folder, store_url, place, talk_address, tell_ready = sys.argv[1:]
        where = DataDir(Path(folder)), store_url
        runner.run(run_worker(int(descriptor), *where, int(place), talk_address, int(tell_ready)))
