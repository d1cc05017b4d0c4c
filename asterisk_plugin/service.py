"""`ringfence serve`: one service from start to stop, and its reload.

Start: data directory, lock, FastAGI port, store, node, projection, workers or server, AMI,
HTTP. Stop in reverse: no new sessions, running ones may end, then the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from asterisk_plugin import __version__
from asterisk_plugin.admin.api import Api
from asterisk_plugin.admin.http import HttpServer, make_application
from asterisk_plugin.admin.observer import ServiceObserver
from asterisk_plugin.admin.parts import PartsCollector
from asterisk_plugin.admin.tokens import Tokens, new_token
from asterisk_plugin.agi.sockets import listen
from asterisk_plugin.app.answering import start_sounds
from asterisk_plugin.app.asterisks import watch_asterisk
from asterisk_plugin.app.node import apply_gate_settings, open_node
from asterisk_plugin.app.scripts import start_agi
from asterisk_plugin.callflow.desk import Desk
from asterisk_plugin.callflow.end_writer import EndWriter
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.callflow.records import configuration_event
from asterisk_plugin.callflow.register import Register
from asterisk_plugin.callflow.transfer import WatchedTrunks
from asterisk_plugin.callflow.trunk_legs import Passes
from asterisk_plugin.callflow.unseen_ends import UnseenEnds
from asterisk_plugin.core.campaign_rates import home_zone
from asterisk_plugin.core.engine import longest_window_s
from asterisk_plugin.errors import ConfigError, LedgerError, LedgerUnavailableError, RingfenceError, StoreError
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import Loaded, load
from asterisk_plugin.store.announcements import Announcements
from asterisk_plugin.store.embedded import EmbeddedValkey
from asterisk_plugin.workers import Workers

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine
    from pathlib import Path

    from asterisk_plugin.agi.server import AgiServer
    from asterisk_plugin.app.asterisks import WatchedAsterisk
    from asterisk_plugin.app.node import Node
    from asterisk_plugin.audiosocket.server import SoundServer
    from asterisk_plugin.core.objected import Objected

_log = logging.getLogger("ringfence.service")

_PING_PAUSE_S = 0.5
_RECORD_PAUSE_S = 1.0


class Service:
    """One running service.

    Args:
        config: Where the configuration is read from, also on reload; None for the shipped one.
        loaded: What was read.
        workers: Processes that answer FastAGI; 1 for this one.
    """

    def __init__(self, config: Path | None, loaded: Loaded, *, workers: int) -> None:
        self._worker_count = workers
        self._config = config
        self._loaded = loaded
        self._settings = loaded.service
        self._data_dir = DataDir(loaded.data_dir)
        self._registry = CollectorRegistry()
        self.observer = ServiceObserver(self._registry, mask_numbers=self._settings.service.mask_numbers)
        self.failed = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._store_state = "not asked yet"
        self._watched: list[WatchedAsterisk] = []
        # Read by the commands of this machine from run.json, and gone with this process.
        self._local_token = new_token()
        self._tokens = Tokens(self._settings.http.token, local=self._local_token)
        self._run: dict[str, Any] = {}
        self._node: Node | None = None
        self._agi: AgiServer | None = None
        self._workers: Workers | None = None
        self._projector: Projector | None = None

    async def start(self) -> None:
        """Start every part.

        Raises:
            StartupError: The data directory, a port or the ledger cannot be used.
        """
        started = False
        try:
            await self._start()
            started = True
        finally:
            if not started:
                await self._stop(drain_s=0)

    async def _start(self) -> None:
        self._data_dir.prepare()
        self._stack.callback(self._data_dir.lock().close)
        # From here on a signal sent to the process id in run.json reaches us.
        self._run = {"pid": os.getpid(), "store_url": self._data_dir.read_run().get("store_url", "")}
        self._data_dir.write_run(self._run)
        listener = listen(self._settings.agi)
        self._stack.callback(listener.close)
        store_url = await self._start_store()
        self._data_dir.write_active(self._loaded.active_texts, self._loaded.site.version)
        node = await self._start_node(store_url)
        self._spawn(self._record_configuration(node, self._loaded))
        self._projector = Projector(node.ledger, node.store.projection, poll_s=0.2, identify=node.ledger.identity)
        await self._first_projection(node, self._projector)
        await node.replay.first()
        self._spawn(self._projector.run())
        self._spawn(node.replay.run())
        self._spawn(self._watch_store(node))
        sounds = await start_sounds(self._settings.audiosocket, self._settings.agi.allow_from)
        self._stack.push_async_callback(sounds.stop)
        await self._start_agi(node, listener, store_url, sounds)
        self._start_ami(node, sounds)
        await self._start_http(node)
        self._write_run(listener, store_url)

    async def stop(self) -> None:
        """Stop taking calls, let running sessions end, then stop every part."""
        await self._stop(drain_s=self._settings.service.drain_s)

    async def _stop(self, *, drain_s: float) -> None:
        if self._agi is not None:
            await self._agi.stop(drain_s)
        if self._workers is not None:
            await self._workers.stop(drain_s)
        # While AMI is still there: nobody who talks must be left unable to hear us.
        await asyncio.gather(*(watched.attempts.leave() for watched in self._watched))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _start_store(self) -> str:
        """Start the embedded Valkey, unless the admin has a store."""
        if self._settings.store.url:
            return self._settings.store.url
        embedded = EmbeddedValkey(self._data_dir.path)
        url = await embedded.start()
        self._stack.push_async_callback(embedded.stop)
        self._spawn(embedded.watch())
        return url

    async def _start_node(self, store_url: str) -> Node:
        node = await open_node(self._loaded, self._data_dir, store_url=store_url, observer=self.observer)
        self._stack.push_async_callback(node.close)
        node.objections.on_objected = node.replay.on_objected = self._objected
        self._node = node
        return node

    async def _record_configuration(self, node: Node, loaded: Loaded) -> None:
        """Write down which rules hold from now on, so that every verdict can be replayed; until it is written."""
        event = configuration_event(loaded, node.gate.clock())
        while True:
            try:
                await node.ledger.append([event])
            except LedgerUnavailableError as exc:
                _log.warning("configuration not recorded yet: %s", exc)
                await asyncio.sleep(_RECORD_PAUSE_S)
            else:
                return

    @staticmethod
    async def _first_projection(node: Node, projector: Projector) -> None:
        """Bring the store up to date before the first call; a store that is away is waited for later."""
        try:
            await projector.catch_up()
            await node.store.ping()  # now, so that no call waits for the first look at the store
        except (StoreError, LedgerError) as exc:
            _log.warning("store not projected yet, nobody is dialled: %s", exc)

    async def _start_agi(self, node: Node, listener: socket.socket, store_url: str, sounds: SoundServer) -> None:
        talk_address = sounds.address if self._settings.asterisk else ""
        if self._worker_count == 1:
            if self._settings.asterisk:
                node.gate.passed = Passes()
            self._agi = await start_agi(
                node, self._settings.agi, listener, self.observer.agi, sounds=sounds, talk_address=talk_address
            )
            return
        # The admin's own store URL may hold a password: a worker reads it from the configuration, because
        # everybody on this machine can read its command line.
        embedded_url = "" if self._settings.store.url else store_url
        self._workers = Workers(self._worker_count, listener, self._data_dir, embedded_url, talk_address=talk_address)
        await self._workers.start()
        self._spawn(self._workers.watch())

    def _start_ami(self, node: Node, sounds: SoundServer) -> None:
        on_event = self.observer.watchdog
        writer = EndWriter(node.gate, on_event=on_event, on_end=self.observer.attempt_ended)
        for settings in self._settings.asterisk:
            watched = watch_asterisk(node, settings, on_event, self.observer, writer=writer, sounds=sounds)
            self._watched.append(watched)
            self._stack.push_async_callback(watched.close)
            self._spawn(watched.client.run())
        self._spawn(UnseenEnds(node.gate, writer, [each.attempts for each in self._watched]).run())
        if self._watched:
            heard = Announcements(node.store.client, on_objected=self._objected, on_subscribed=self._recheck_running)
            self._spawn(heard.run())

    def _objected(self, objected: Objected) -> None:
        """A person has objected, here or on another node."""
        for watched in self._watched:
            watched.running.objected(objected)

    def _recheck_running(self) -> None:
        """Announcements come in again: what was said meanwhile is looked up."""
        for watched in self._watched:
            watched.running.recheck()

    def _make_api(self, node: Node) -> Api:
        """What other programs may ask of this service."""
        desk = Desk(
            node.gate,
            node.objections,
            Register(node.ledger, clock=node.gate.clock),
            principals=lambda: self._loaded.principals,
            asterisks=lambda: [
                WatchedTrunks(settings.name, watched.client, settings.trunks)
                for settings, watched in zip(self._settings.asterisk, self._watched, strict=True)
            ],
        )
        return Api(desk, self._tokens, requests_per_s=self._settings.http.requests_per_s, clock=time.monotonic)

    async def _start_http(self, node: Node) -> None:
        registry = self._registry
        if self._workers is not None:  # the workers' counters are added up from their files
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(PartsCollector(self.parts))
        application = make_application(registry, self.parts, version=__version__, api=self._make_api(node))
        http = HttpServer(application, self._settings.http)
        await http.start()
        self._stack.push_async_callback(http.stop)
        self._run |= {"http_port": http.port, "http_token": self._local_token}

    def _write_run(self, listener: socket.socket, store_url: str) -> None:
        self._run |= {
            "agi_port": listener.getsockname()[1],
            "store_url": "" if self._settings.store.url else store_url,
            "site_version": self._loaded.site.version,
            "reload": {"at": time.time(), "ok": True, "problems": []},
        }
        self._data_dir.write_run(self._run)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that ends by an error takes the service with it: half a service looks ready and is not."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("a part of the service failed, stopping", exc_info=error)
            self.failed.set()

    async def _watch_store(self, node: Node) -> None:
        """Keep the store's state for `/readyz`."""
        while True:
            try:
                await node.store.ping()
            except StoreError as exc:
                self._store_state = str(exc)
            else:
                self._store_state = "ok"
            await asyncio.sleep(_PING_PAUSE_S)

    def parts(self) -> dict[str, str]:
        """The state of each part: `ok`, or what is wrong."""
        assert self._node is not None
        assert self._projector is not None
        states = {
            "agi": "ok" if self._agi or (self._workers and self._workers.all_up) else "no worker answers",
            "store": self._store_state,
            "ledger": "ok" if self._node.ledger.healthy else "the ledger cannot be written",
            "projection": "ok" if self._projector.ready else self._projector.fault or "under way",
            "objections": "ok" if not self._node.spool.waiting() else self._node.replay.fault or "under way",
        }
        for watched in self._watched:
            states[f"ami:{watched.client.name}"] = "ok" if watched.client.up else "not connected"
        return states

    async def reload(self) -> None:
        """Take new files, all or nothing: on any problem the old rules stay and the problems are named."""
        assert self._node is not None
        try:
            loaded = load(self._config, data_dir=self._data_dir.path)
            _refuse_restart_changes(self._settings, loaded)
            self._data_dir.write_active(loaded.active_texts, loaded.site.version)
        except RingfenceError as exc:
            problems = [str(p) for p in exc.problems] if isinstance(exc, ConfigError) else [str(exc)]
            _log.error("reload refused, the old rules stay: %s", "; ".join(problems))
            self._tell_reload(ok=False, problems=problems)
            return
        self._loaded, self._settings = loaded, loaded.service
        apply_gate_settings(self._node.gate, loaded.service)
        self._node.gate.site = loaded.site
        self._tokens.replace(loaded.service.http.token)
        self._node.store.keep_attempts_s = longest_window_s(loaded.site)
        self._node.store.projection.zone = home_zone(loaded.site.home_country)
        if self._workers is not None:
            self._workers.reload()
        self._spawn(self._record_configuration(self._node, loaded))
        _log.info("reload: configuration %s is in force", loaded.site.version)
        self._run["site_version"] = loaded.site.version
        self._tell_reload(ok=True, problems=[])

    def _tell_reload(self, *, ok: bool, problems: list[str]) -> None:
        """Say in run.json what came of a reload; a disk that is full must not end the service."""
        self._run["reload"] = {"at": time.time(), "ok": ok, "problems": problems}
        try:
            self._data_dir.write_run(self._run)
        except OSError as exc:
            _log.error("run.json cannot be written: %s", exc)


def _refuse_restart_changes(now: Any, loaded: Loaded) -> None:
    """A change that only a restart can make true is refused, not half taken."""
    fixed = ("service", "agi", "audiosocket", "http", "store", "ledger", "asterisk")
    # A token can be given and taken away at any moment.
    then = loaded.service.model_copy(update={"http": loaded.service.http.model_copy(update={"token": now.http.token})})
    changed = [f"[{name}]" for name in fixed if getattr(now, name) != getattr(then, name)]
    if changed:
        raise RingfenceError(f"{', '.join(changed)} of ringfence.toml changed, which needs a restart")
