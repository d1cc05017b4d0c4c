"""Builds every part from the configuration, starts and stops them in order.

The only module that knows everybody. A node is what every process that decides needs
(store, ledger, gate); the service is one node with everything around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.agi.sockets import Allowed
from asterisk_plugin.ami.client import CALL_EVENTS, AmiClient
from asterisk_plugin.audiosocket.server import SoundServer
from asterisk_plugin.callflow.answered import Listening, answered
from asterisk_plugin.callflow.attempts import ATTEMPT_EVENTS, Attempts
from asterisk_plugin.callflow.call_back import CallBack
from asterisk_plugin.callflow.gate import Gate, Observer, utc_now
from asterisk_plugin.callflow.leg_listener import LegListener
from asterisk_plugin.callflow.objection_line import ObjectionLine, objection
from asterisk_plugin.callflow.objection_replay import Replay
from asterisk_plugin.callflow.objections import Objections
from asterisk_plugin.callflow.outbound import attempt, warm_up
from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.callflow.pacing import pace
from asterisk_plugin.callflow.queue_announce import QueueDesk, queue, queue_wait
from asterisk_plugin.callflow.queue_fields import QUEUE_EVENTS
from asterisk_plugin.callflow.queue_watch import QueueWatch
from asterisk_plugin.callflow.releases import finish_releases
from asterisk_plugin.callflow.running_calls import RunningCalls
from asterisk_plugin.callflow.running_legs import has_objection, principal_of
from asterisk_plugin.callflow.trunk import trunk
from asterisk_plugin.callflow.trunk_legs import Passes
from asterisk_plugin.callflow.watchdog import Watchdog
from asterisk_plugin.core.answering import answer_limit_of
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.engine import is_emergency_number, longest_window_s
from asterisk_plugin.errors import LedgerUnavailableError, StoreError
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.ledger.away import AwayLedger
from asterisk_plugin.ledger.objection_spool import ObjectionSpool
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.store.objections import ObjectionStore
from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.redis_store import RedisStore
from asterisk_plugin.store.waits import Waits

if TYPE_CHECKING:
    import datetime as dt
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from asterisk_plugin.admin.observer import ServiceObserver
    from asterisk_plugin.callflow.hearing import Detector
    from asterisk_plugin.callflow.objection_call import History
    from asterisk_plugin.core.answering import AnswerLimit
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.ledger.sql import SqlLedger
    from asterisk_plugin.ports import Channel, Clock
    from asterisk_plugin.settings.load import Loaded
    from asterisk_plugin.settings.service import AgiSettings, AsteriskSettings, AudioSocketSettings, RingfenceFile

    P = ParamSpec("P")

_log = logging.getLogger("ringfence.app")


_SWITCH_S = 0.0001
_GC_FIRST = 20_000  # a decision makes some hundred objects, nearly all freed by their counts


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


def scripts(
    gate: Gate,
    objections: Objections | None = None,
    *,
    history: History | None = None,
    waits: Waits | None = None,
    listening: Listening | None = None,
) -> Mapping[str, Callable[[Channel], Awaitable[None]]]:
    """The scripts of the dialplan contract, by name.

    Args:
        gate: Decides.
        objections: Takes them; None where nothing can be recorded, and then there is no objection line.
        history: Where the objection line looks up what it was not told; None where nothing can be.
        waits: What is known of callers who wait in queues; None where nobody speaks to them.
        listening: What answered calls are listened to with; None where nobody does.
    """
    known: dict[str, Callable[[Channel], Awaitable[None]]] = {
        "attempt": partial(attempt, gate),
        "trunk": partial(trunk, gate),
        "outcome": partial(outcome, gate),
        "pace": partial(pace, gate),
    }
    if objections is not None:
        known["objection"] = partial(objection, ObjectionLine(gate, objections, history))
    if waits is not None:
        desk = QueueDesk(gate, waits, CallBack(gate))
        known |= {"queue": partial(queue, desk), "queue-wait": partial(queue_wait, desk)}
    if listening is not None:
        known["answered"] = partial(answered, listening)
    return known


def make_detector() -> Detector:
    """A detector for one call that is to be connected soon: it does not wait for the end of a long greeting."""
    from asterisk_plugin.detection.detector import Detector  # numpy: only who hears calls loads it

    return Detector()


def make_patient_detector() -> Detector:
    """A detector for one call that goes on: it waits for the end of the greeting."""
    from asterisk_plugin.detection.detector import Detector
    from asterisk_plugin.detection.findings import Settings

    return Detector(Settings(undecided_s=0))


async def start_sounds(
    settings: AudioSocketSettings, allowed: Sequence[str], *, worker: int | None = None
) -> SoundServer:
    """Listen for the sound of calls.

    Args:
        settings: Where.
        allowed: Who may connect: addresses, networks, machines.
        worker: Which of the workers this is, from 0; None for the service itself.

    Raises:
        StartupError: The port is taken.
    """
    from asterisk_plugin.detection.detector import warm_up as warm_up_hearing

    await asyncio.to_thread(warm_up_hearing)  # now, so that no call waits for it
    port = settings.port if worker is None or not settings.port else settings.port + 1 + worker
    peers = Allowed(allowed)
    await peers.look_up()
    sounds = SoundServer(settings.host, port, allows=peers.admits)
    await sounds.start()
    return sounds


def _limit_of(gate: Gate, campaign: Campaign, country: str, now: dt.datetime) -> AnswerLimit:
    """By the site in force, also after a reload."""
    return answer_limit_of(gate.site, campaign, country, now)


async def start_agi(
    node: Node,
    settings: AgiSettings,
    listener: socket.socket,
    on_event: Callable[[str], None],
    *,
    sounds: SoundServer | None = None,
    talk_address: str = "",
) -> AgiServer:
    """Answer FastAGI on an already bound socket, from the first call on at full speed.

    Args:
        node: This node.
        settings: How.
        listener: The socket.
        on_event: Told what to count.
        sounds: Where the sound of calls comes before they are connected; None: nobody listens.
        talk_address: Where it goes afterwards: to the process that follows the attempts; empty: there is none.
    """
    # The ledger's thread must not keep a decision waiting for the usual 5 ms of a thread switch.
    sys.setswitchinterval(_SWITCH_S)
    # What was loaded stays: the collector need not walk number plans and rulebooks again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_FIRST, 20, 50)
    warm_up(node.gate.site, node.gate.clock())
    listening = Listening(
        node.gate,
        sounds,
        make_detector if sounds else None,
        talk_address,
        limit_of=partial(_limit_of, node.gate),
    )
    known = scripts(node.gate, node.objections, history=node.ledger, waits=node.waits, listening=listening)
    server = AgiServer(known, settings, on_event=on_event)
    await server.start(listener)
    return server


@dataclass(slots=True)
class WatchedAsterisk:
    """One Asterisk and who listens to it over AMI.

    Args:
        client: The connection; somebody has to run it.
        watchdog: Ends what has not passed the gate.
        running: Ends what rings a person who objects.
        queues: Knows who waits in its queues.
        attempts: Knows how each attempt ends.
    """

    client: AmiClient
    watchdog: Watchdog
    running: RunningCalls
    queues: QueueWatch
    attempts: Attempts

    async def close(self) -> None:
        """Stop acting on events."""
        await self.attempts.close()
        await self.queues.close()
        await self.running.close()
        await self.watchdog.close()


def watch_asterisk(
    node: Node,
    settings: AsteriskSettings,
    on_event: Callable[[str], None],
    observer: ServiceObserver,
    *,
    sounds: SoundServer | None = None,
) -> WatchedAsterisk:
    """Put watchdog, running calls, queues and attempts behind one AMI connection.

    Args:
        node: This node.
        settings: The Asterisk.
        on_event: Told what to count.
        observer: Told what happens in the queues, and how attempts end.
        sounds: Where the sound of answered calls comes; None: nobody listens.
    """
    gate = node.gate

    def spares(number: str) -> bool:
        return is_emergency_number(number, gate.site)  # of the site in force, also after a reload

    watchdog = Watchdog(
        settings.name,
        trunks=settings.trunks,
        store=node.store,
        ledger=node.ledger,
        clock=gate.clock,
        passes=Passes() if gate.passed is None else gate.passed,
        spares=spares,
        on_event=on_event,
    )
    running = RunningCalls(
        settings.name,
        trunks=settings.trunks,
        tag=gate.tag,
        principal_of=partial(principal_of, gate),
        holds=partial(has_objection, gate),
        spares=spares,
        on_event=on_event,
    )
    queues = QueueWatch(settings.name, gate, node.waits, observer)
    attempts = Attempts(
        settings.name,
        gate,
        trunks=settings.trunks,
        listener=None if sounds is None else LegListener(sounds, make_patient_detector),
        limit_of=partial(_limit_of, gate),
        on_event=on_event,
        on_end=observer.attempt_ended,
    )
    client = AmiClient(
        settings,
        on_event=_each(watchdog.take, running.take, queues.take, attempts.take),
        on_up=_each(watchdog.up, running.up, queues.up, attempts.up),
        on_down=_each(watchdog.down, attempts.down),
        events=(*CALL_EVENTS, *QUEUE_EVENTS, *ATTEMPT_EVENTS),
    )
    for listener in (watchdog, running, queues, attempts):
        listener.attach(client)
    attempts.down()  # the wait for a connection is bounded from the start
    return WatchedAsterisk(client, watchdog, running, queues, attempts)


def _each(*listeners: Callable[P, None]) -> Callable[P, None]:
    """Several listeners as one; a fault of one does not keep it from the next."""

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        with contextlib.ExitStack() as stack:
            for listener in reversed(listeners):
                stack.callback(listener, *args, **kwargs)

    return tell


def use_uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop of every process of ours: uvloop, about twice as fast on small sessions."""
    import uvloop

    return uvloop.new_event_loop
