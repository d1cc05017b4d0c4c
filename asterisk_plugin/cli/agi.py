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
from asterisk_plugin.app.node import objections_without_ledger, open_node
from asterisk_plugin.app.scripts import scripts
from asterisk_plugin.callflow.gate import Gate, Observer
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.cli.logs import set_up_logs
from asterisk_plugin.core.engine import is_emergency_number
from asterisk_plugin.errors import (
    ChannelHungUp,
    LedgerError,
    LedgerUnavailableError,
    RingfenceError,
    StartupError,
    StoreError,
    StoreNotReadyError,
    StoreUnreachableError,
)
from asterisk_plugin.ledger.away import AwayLedger
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import Loaded, load
from asterisk_plugin.store.away import AwayStore

if TYPE_CHECKING:
    from asterisk_plugin.app.node import Node
    from asterisk_plugin.callflow.objection_call import History
    from asterisk_plugin.callflow.objections import Objections
    from asterisk_plugin.ports import AgiRequest, Channel

_log = logging.getLogger("ringfence.agi")

_DECIDING = {"attempt": 0, "trunk": 1}
"""Scripts that need every record there is, and which argument is the number; the others must not wait for it."""


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
    try:
        node = await open_node(loaded, data_dir, store_url=store_url, observer=observer, alone=True)
    except (StartupError, LedgerError) as exc:
        # Nothing can be looked up or written down; an emergency call passes all the same.
        observer.fault("start", exc)
        gate = _dead_gate(loaded, observer, exc)
        if channel.request.script != "objection":
            await _run(channel, gate)
            return
        async with objections_without_ledger(
            loaded, data_dir, exc, store_url=store_url, observer=observer
        ) as objections:
            await _run(channel, gate, objections)
        return
    try:
        if channel.request.script in _DECIDING and not _is_emergency(channel.request, loaded):
            await _bring_up_to_date(node)
        await _run(channel, node.gate, node.objections, history=node.ledger)
    finally:
        await node.close()


def _is_emergency(request: AgiRequest, loaded: Loaded) -> bool:
    """Whether an emergency number is dialled, which waits for nothing."""
    place = _DECIDING[request.script]
    number = request.arguments[place] if len(request.arguments) > place else ""
    return is_emergency_number(number, loaded.site)


async def _run(
    channel: Channel, gate: Gate, objections: Objections | None = None, *, history: History | None = None
) -> None:
    known = scripts(gate, objections, history=history)
    script = known.get(channel.request.script)
    if script is None:
        raise RingfenceError(f"`{channel.request.script[:40]}` is no script; allowed: {', '.join(known)}")
    await script(channel)


def _dead_gate(loaded: Loaded, observer: Observer, why: Exception) -> Gate:
    """A gate without store and ledger: it denies or defers everything but emergency calls."""
    store, ledger = AwayStore(StoreUnreachableError(str(why))), AwayLedger(LedgerUnavailableError(str(why)))
    return Gate(site=loaded.site, store=store, ledger=ledger, secret=b"", observer=observer)


async def _bring_up_to_date(node: Node) -> None:
    """No service keeps the store in step now: what was recorded since counts too, or nobody is dialled."""
    try:
        projector = Projector(node.ledger, node.store.projection, identify=node.ledger.identity)
        await projector.catch_up(may_rebuild=False)
        if node.spool.waiting():
            await node.replay.once()
    except (StoreError, LedgerError) as exc:
        node.gate.store = AwayStore(StoreNotReadyError(str(exc)))


def _load() -> tuple[Loaded, DataDir]:
    """The configuration in force; the shipped one only where nothing was ever in force.

    Raises:
        StartupError: There is data of a site here, and the configuration it ran with is gone.
    """
    shipped = load(None)
    data_dir = DataDir(shipped.data_dir)
    if data_dir.active.is_dir():
        return load(data_dir.active.resolve(), data_dir=data_dir.path), data_dir
    if data_dir.is_used:
        raise StartupError(f"`{data_dir.active}` is missing; start the service once, it writes it")
    return shipped, data_dir
