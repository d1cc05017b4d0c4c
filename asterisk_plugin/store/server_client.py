"""One server, or the master that Sentinel names, over a few pipelined connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis
import redis.exceptions
from redis.asyncio.sentinel import Sentinel

from asterisk_plugin.errors import StartupError, StoreTimeoutError
from asterisk_plugin.store import scripts
from asterisk_plugin.store.address import Address, Kind
from asterisk_plugin.store.client import SCAN_COUNT, StoreClient, by_name, by_text, no_retry
from asterisk_plugin.store.faults import FOREIGN, translated
from asterisk_plugin.store.link import CONNECT_LIMIT_S, Lane, Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio.connection import AbstractConnection

    from asterisk_plugin.store.client import Argument
    from asterisk_plugin.store.scripts import Script

FULL = 64
"""Calls that wait on one connection before the next is used. Fewer, fuller connections are faster:
one carried 17,500 look-ups a second for 10 callers where four in turn carried 10,200."""


def _pack(command: Sequence[Argument]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
    return packed


class ServerClient(StoreClient):
    """One server, named directly or by Sentinel, over a few pipelined connections."""

    def __init__(self, address: Address, *, timeout_s: float, connections: int) -> None:
        super().__init__(address, timeout_s=timeout_s)
        # A script that is loaded runs late, too, when a server thaws: a release must (see scripts.py).
        prepare = [_pack(("SCRIPT", "LOAD", script.text)) for script in scripts.ALL]
        self._lanes = [Lane(self.connect, prepare=prepare, on_link=self._linked) for _ in range(connections)]
        self._sentinel: Sentinel | None = None

    def _linked(self) -> None:
        self.connected_times += 1

    async def execute(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """See StoreClient."""
        give_up_at = asyncio.get_running_loop().time() + (self.timeout_s if timeout_s is None else timeout_s)
        link = await self._link(give_up_at)
        return await self._call(link, _pack(command), give_up_at)

    async def everywhere(self, *command: Argument) -> list[Any]:
        """See StoreClient."""
        return [await self.execute(*command)]

    async def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """See StoreClient."""
        cursor: Any = 0
        while True:
            cursor, found = await self.execute("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
            if found:
                yield found
            if int(cursor) == 0:
                return

    async def close(self) -> None:
        """See StoreClient."""
        for lane in self._lanes:
            await lane.close()
        if self._sentinel is not None:
            for node in self._sentinel.sentinels:
                await node.aclose()

    async def _run_once(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], give_up_at: float
    ) -> list[Any]:
        link = await self._link(give_up_at)
        deadline_ms = int(give_up_at * 1000 + link.server_offset_ms) if script.guarded else 0
        try:
            reply = await self._call(link, _pack(by_name(script, keys, args, deadline_ms)), give_up_at)
        except redis.exceptions.NoScriptError:
            reply = await self._call(link, _pack(by_text(script, keys, args, deadline_ms)), give_up_at)
        link.note_clock(reply[1], late=reply[0] == b"LATE")
        return list(reply)

    async def _link(self, give_up_at: float) -> Link:
        lane = next((lane for lane in self._lanes if lane.waiting < FULL), None)
        if lane is None:
            lane = min(self._lanes, key=lambda lane: lane.waiting)
        return await lane.link(timeout_s=give_up_at - asyncio.get_running_loop().time())

    @staticmethod
    async def _call(link: Link, packed: bytes, give_up_at: float) -> Any:
        timeout_s = give_up_at - asyncio.get_running_loop().time()
        if timeout_s <= 0:
            raise StoreTimeoutError("the store did not answer in time")
        try:
            return await link.call(packed, timeout_s=timeout_s)
        except redis.exceptions.NoScriptError:
            raise
        except redis.exceptions.ReadOnlyError as exc:
            # This server has become a replica: ask anew who the master is.
            link.usable = False
            raise translated(exc) from exc
        except FOREIGN as exc:
            raise translated(exc) from exc

    async def connect(self) -> AbstractConnection:
        """See StoreClient."""
        options = dict(self.address.options)
        if self.address.kind is Kind.SENTINEL:
            options["host"], options["port"] = await self._master()
        try:
            connection = self.address.connection_class(
                **{
                    **options,
                    "protocol": 2,
                    "decode_responses": False,
                    "retry": no_retry(),
                    # Time limits are the link's: each call has its own.
                    "socket_timeout": None,
                    "socket_connect_timeout": CONNECT_LIMIT_S,
                }
            )
        except TypeError as exc:
            raise StartupError(f"the store's address `{self.address.shown}` has an unknown option") from exc
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection

    async def _master(self) -> tuple[str, int]:
        if self._sentinel is None:
            self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
                list(self.address.nodes),
                sentinel_kwargs={
                    **self.address.sentinel_options,
                    "socket_timeout": CONNECT_LIMIT_S / 3,
                    "socket_connect_timeout": CONNECT_LIMIT_S / 3,
                    "retry": no_retry(),
                },
            )
        host, port = await self._sentinel.discover_master(self.address.master)
        return str(host), int(port)
