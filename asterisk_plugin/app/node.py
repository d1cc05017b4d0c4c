"""A node: what every process that decides needs, built from the configuration: store, ledger, gate."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.gate import Gate, Observer, utc_now
from asterisk_plugin.callflow.objection_replay import Replay
from asterisk_plugin.callflow.objections import Objections
from asterisk_plugin.callflow.releases import finish_releases
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.engine import longest_window_s
from asterisk_plugin.errors import LedgerUnavailableError, StoreError
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.ledger.away import AwayLedger
from asterisk_plugin.ledger.objection_spool import ObjectionSpool
from asterisk_plugin.store.objections import ObjectionStore
from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.redis_store import RedisStore
from asterisk_plugin.store.waits import Waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asterisk_plugin.ledger.sql import SqlLedger
    from asterisk_plugin.ports import Clock
    from asterisk_plugin.settings.data_dir import DataDir
    from asterisk_plugin.settings.load import Loaded
    from asterisk_plugin.settings.service import RingfenceFile

_log = logging.getLogger("ringfence.app")


@dataclass(slots=True)
class Node:
    """What every deciding process needs.

    Args:
        ledger: The evidence.
        store: The look-ups.
        gate: Both together with the site and the clock.
        objections: Takes them.
        spool: Where they wait for ledger and store.
        replay: Brings them there; one process of a data directory runs it.
        waits: What is known of callers who wait in queues.
    """

    ledger: SqlLedger
    store: RedisStore
    gate: Gate
    objections: Objections
    spool: ObjectionSpool
    replay: Replay
    waits: Waits

    async def close(self) -> None:
        """Give back what is to be given back, write what waits, then let go of store and ledger."""
        await self.objections.close()
        await finish_releases()
        await self.store.close()
        await self.ledger.close()


async def open_node(
    loaded: Loaded,
    data_dir: DataDir,
    *,
    store_url: str,
    observer: Observer,
    clock: Clock = utc_now,
    alone: bool = False,
) -> Node:
    """Open the ledger and the store and put the gate between them.

    Args:
        loaded: The configuration.
        data_dir: Where the secret and the embedded ledger are.
        store_url: Where the store listens.
        observer: Who is told what the gate does.
        clock: The present moment.
        alone: No service runs beside it that keeps the store in step.

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
        zone=home_zone(loaded.site.home_country),
        identify=ledger.identity,
        head=None if alone else ledger.head,
    )
    try:
        await store.connect()
    except StoreError as exc:
        _log.warning("store not reachable yet: %s", exc)
    gate = Gate(site=loaded.site, store=store, ledger=ledger, secret=secret, observer=observer, clock=clock)
    apply_gate_settings(gate, settings)
    spool = ObjectionSpool(data_dir.spool, secret=secret)
    straight = ObjectionStore(store.client, identify=ledger.identity)
    objections = Objections(ledger=ledger, spool=spool, store=straight, secret=secret, on_fault=observer.fault)
    gate.hold = objections.hold
    replay = Replay(spool, ledger=ledger, store=straight)
    return Node(ledger, store, gate, objections, spool, replay, Waits(store.client))


@contextlib.asynccontextmanager
async def objections_without_ledger(
    loaded: Loaded, data_dir: DataDir, why: Exception, *, store_url: str, observer: Observer
) -> AsyncIterator[Objections]:
    """Take objections although the ledger cannot be opened: into the spool, and into the store if it is there.

    Args:
        loaded: The configuration.
        data_dir: Where the secret and the spool are.
        why: What opening the ledger said.
        store_url: Where the store listens; empty when that is not known.
        observer: Who is told what is away.

    Raises:
        StartupError: The secret cannot be read: nothing can be recorded.
    """
    settings = loaded.service
    secret = data_dir.secret(settings.ledger.secret_file)
    # Without an address: a port on which nobody listens.
    client = open_client(store_url or "redis://127.0.0.1:1", timeout_s=settings.store.timeout_ms / 1000)
    objections = Objections(
        ledger=AwayLedger(LedgerUnavailableError(str(why))),
        spool=ObjectionSpool(data_dir.spool, secret=secret),
        store=ObjectionStore(client),
        secret=secret,
        on_fault=observer.fault,
    )
    try:
        yield objections
    finally:
        await objections.close()
        await client.close()


def apply_gate_settings(gate: Gate, settings: RingfenceFile) -> None:
    """Give a gate its times; also on reload."""
    gate.deadline_s = settings.gate.deadline_ms / 1000
    gate.token_lifetime_s = settings.gate.token_lifetime_s
    gate.evidence_wait_s = settings.gate.evidence_wait_ms / 1000
