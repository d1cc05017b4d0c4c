"""`ringfence-agi`: one script, one process, one answer.

The dialplan's second try when the service does not answer, and all there is for a site that
runs no service. Same core, same store, same ledger, same verdict; slower by the start of a
Python process. It reads the configuration that the service last put in force.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.agi.process import ProcessChannel
from asterisk_plugin.app import open_node, scripts
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.cli.logs import set_up_logs
from asterisk_plugin.errors import ChannelHungUp, RingfenceError
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import Loaded, load

if TYPE_CHECKING:
    from asterisk_plugin.ports import Channel

_log = logging.getLogger("ringfence.agi")


def main() -> None:
    """Answer one process AGI; exit code 2 when nothing could be answered."""
    set_up_logs("warning")
    try:
        asyncio.run(_answer(ProcessChannel()))
    except ChannelHungUp:
        return
    except RingfenceError as exc:  # no variable is set: the dialplan does not dial
        _log.error("%s", exc)
        sys.exit(2)


async def _answer(channel: Channel) -> None:
    loaded, data_dir = _load()
    observer = ServiceObserver(CollectorRegistry(), mask_numbers=loaded.service.service.mask_numbers)
    store_url = loaded.service.store.url or str(data_dir.read_run().get("store_url", ""))
    node = await open_node(loaded, data_dir, store_url=store_url, observer=observer)
    try:
        if channel.request.script != "outcome":
            # No service keeps the store in step now: what was recorded since counts too, or nobody is dialled.
            await Projector(node.ledger, node.store.projection).catch_up()
        script = scripts(node.gate).get(channel.request.script)
        if script is None:
            raise RingfenceError(f"`{channel.request.script[:40]}` is no script; allowed: attempt, trunk, outcome")
        await script(channel)
    finally:
        await node.close()


def _load() -> tuple[Loaded, DataDir]:
    """The configuration in force, or the shipped one's data directory when none ever was."""
    shipped = load(None)
    data_dir = DataDir(shipped.data_dir)
    loaded = load(data_dir.active, data_dir=data_dir.path) if data_dir.active.is_dir() else shipped
    return loaded, data_dir
