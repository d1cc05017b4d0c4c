"""Builds every part from the configuration, starts and stops them in order.

The only module that knows everybody. A node is what every process that decides needs
(store, ledger, gate); the service is one node with everything around it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.callflow.gate import Gate, Observer, utc_now
from asterisk_plugin.callflow.outbound import attempt, finish_releases, warm_up
from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.callflow.trunk import trunk
from asterisk_plugin.core.engine import longest_window_s
from asterisk_plugin.errors import StoreError
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.store.redis_store import RedisStore

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    from asterisk_plugin.ledger.sql import SqlLedger
    from asterisk_plugin.ports import Channel, Clock
    from asterisk_plugin.settings.load import Loaded
    from asterisk_plugin.settings.service import AgiSettings, RingfenceFile

_log = logging.getLogger("ringfence.app")


_SWITCH_S = 0.0005
_GC_FIRST = 20_000  # a decision makes some hundred objects, nearly all freed by their counts


@dataclass(slots=True)
class Node:
    """What every deciding process needs.

    Args:
        ledger: The evidence.
        store: The look-ups.
        gate: Both together with the site and the clock.
    """

    ledger: SqlLedger
    store: RedisStore
    gate: Gate

    async def close(self) -> None:
        """Give back what is to be given back, write what waits, then let go of store and ledger."""
        await finish_releases()
        await self.store.close()
        await self.ledger.close()


async def open_node(
    loaded: Loaded, data_dir: DataDir, *, store_url: str, observer: Observer, clock: Clock = utc_now
) -> Node:
    """Open the ledger and the store and put the gate between them.

    Args:
        loaded: The configuration.
        data_dir: Where the secret and the embedded ledger are.
        store_url: Where the store listens.
        observer: Who is told what the gate does.
        clock: The present moment.

    Returns:
        A node that can decide; a store that is away makes it answer DEFER, not fail here.

    Raises:
        StartupError: Secret or ledger cannot be used.
    """
    settings = loaded.service
    secret = data_dir.secret(settings.ledger.secret_file)
    ledger = open_ledger(settings.ledger.url or data_dir.ledger_url, secret=secret)
    await ledger.start()
    store = RedisStore(
        store_url,
        timeout_s=settings.store.timeout_ms / 1000,
        connections=settings.store.connections,
        keep_attempts_s=longest_window_s(loaded.site),
        identify=ledger.identity,
    )
    try:
        await store.connect()
    except StoreError as exc:
        _log.warning("store not reachable yet: %s", exc)
    gate = Gate(site=loaded.site, store=store, ledger=ledger, secret=secret, observer=observer, clock=clock)
    apply_gate_settings(gate, settings)
    return Node(ledger, store, gate)


def apply_gate_settings(gate: Gate, settings: RingfenceFile) -> None:
    """Give a gate its times; also on reload."""
    gate.deadline_s = settings.gate.deadline_ms / 1000
    gate.token_lifetime_s = settings.gate.token_lifetime_s
    gate.evidence_wait_s = settings.gate.evidence_wait_ms / 1000


def scripts(gate: Gate) -> Mapping[str, Callable[[Channel], Awaitable[None]]]:
    """The scripts of the dialplan contract, by name."""
    return {
        "attempt": partial(attempt, gate),
        "trunk": partial(trunk, gate),
        "outcome": partial(outcome, gate),
    }


async def start_agi(
    gate: Gate, settings: AgiSettings, listener: socket.socket, on_event: Callable[[str], None]
) -> AgiServer:
    """Answer FastAGI on an already bound socket, from the first call on at full speed."""
    # The ledger's thread must not keep a decision waiting for the usual 5 ms of a thread switch.
    sys.setswitchinterval(_SWITCH_S)
    # What was loaded stays: the collector need not walk number plans and rulebooks again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_FIRST, 20, 50)
    warm_up(gate.site, gate.clock())
    server = AgiServer(scripts(gate), settings, on_event=on_event)
    await server.start(listener)
    return server


def use_uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop of every process of ours: uvloop, about twice as fast on small sessions."""
    import uvloop

    return uvloop.new_event_loop
