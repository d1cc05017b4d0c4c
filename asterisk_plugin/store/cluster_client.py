"""A Cluster, through redis-py's own client: it knows which node holds which slot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import redis.exceptions
from redis.asyncio.cluster import ClusterNode, RedisCluster

from asterisk_plugin.errors import StoreUnreachableError
from asterisk_plugin.store.client import SCAN_COUNT, StoreClient, by_name, by_text, no_retry
from asterisk_plugin.store.faults import FOREIGN, translated
from asterisk_plugin.store.link import CONNECT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio.connection import AbstractConnection

    from asterisk_plugin.store.address import Address
    from asterisk_plugin.store.client import Argument
    from asterisk_plugin.store.scripts import Script


MIN_CONNECTIONS = 32
"""Each call in flight holds a connection here; fewer would make calls wait for each other."""


def _scan_reply(reply: Any) -> tuple[int, list[bytes]]:
    if isinstance(reply, dict):
        reply = next(iter(reply.values()))
    cursor, found = reply
    if isinstance(cursor, dict):
        cursor = next(iter(cursor.values()))
    return int(cursor), list(found)


class ClusterClient(StoreClient):
    """A Cluster: each call goes to the node that holds its slot."""

    is_cluster = True

    def __init__(self, address: Address, *, timeout_s: float, connections: int) -> None:
        super().__init__(address, timeout_s=timeout_s)
        self._connections = max(MIN_CONNECTIONS, connections)
        # redis-py refuses instead of waiting when a node's connections are all in use.
        self._free = asyncio.Semaphore(self._connections)
        self._cluster: RedisCluster | None = None
        self._offsets_ms: dict[str, float] = {}

    async def execute(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """See StoreClient."""
        cluster = self._opened()
        return await self._limited(cluster.execute_command(*command), timeout_s)

    async def everywhere(self, *command: Argument) -> list[Any]:
        """See StoreClient."""
        cluster = self._opened()
        await self._limited(cluster.initialize(), None)
        return [
            await self._limited(cluster.execute_command(*command, target_nodes=node), None)
            for node in cluster.get_primaries()
        ]

    async def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """See StoreClient."""
        cluster = self._opened()
        await self._limited(cluster.initialize(), None)
        for node in cluster.get_primaries():
            cursor: Any = 0
            while True:
                command = ("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
                # redis-py answers a SCAN to a named node with that node's own (cursor, keys).
                reply = await self._limited(cluster.execute_command(*command, target_nodes=node), None)
                cursor, found = _scan_reply(reply)
                if found:
                    yield found
                if cursor == 0:
                    break

    async def connect(self) -> AbstractConnection:
        """See StoreClient; to whichever node answers first: each passes on what is published at any."""
        cluster = self._opened()
        await self._limited(cluster.initialize(), CONNECT_LIMIT_S)
        fault: Exception = StoreUnreachableError("the Cluster has no node that takes writes")
        for node in cluster.get_primaries():
            options = {**self.address.options, "host": node.host, "port": node.port}
            connection = self.address.connection_class(
                **{**options, "protocol": 2, "decode_responses": False, "retry": no_retry(), "socket_timeout": None},
                socket_connect_timeout=CONNECT_LIMIT_S,
            )
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
            except FOREIGN as exc:
                fault = exc
                continue
            return connection
        raise fault

    async def close(self) -> None:
        """See StoreClient."""
        if self._cluster is not None:
            await self._cluster.aclose()
            self._cluster = None

    async def _run_once(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], give_up_at: float
    ) -> list[Any]:
        cluster = self._opened()
        loop = asyncio.get_running_loop()
        await self._limited(cluster.initialize(), give_up_at - loop.time())
        node = cluster.get_node_from_key(keys[0])
        if node is None:
            raise StoreUnreachableError("no node of the Cluster holds the slot of this number")
        deadline_ms = 0
        if script.guarded:
            deadline_ms = int(give_up_at * 1000 + await self._offset_ms(node, give_up_at - loop.time()))
        command = cluster.execute_command(*by_name(script, keys, args, deadline_ms))
        try:
            reply = await self._limited(command, give_up_at - loop.time())
        except redis.exceptions.NoScriptError:
            command = cluster.execute_command(*by_text(script, keys, args, deadline_ms))
            reply = await self._limited(command, give_up_at - loop.time())
        if reply[0] == b"LATE":
            self._offsets_ms.pop(node.name, None)
        return list(reply)

    async def _offset_ms(self, node: ClusterNode, timeout_s: float) -> float:
        if node.name not in self._offsets_ms:
            cluster = self._opened()
            reply = await self._limited(cluster.execute_command("TIME", target_nodes=node), timeout_s)
            seconds, micros = next(iter(reply.values())) if isinstance(reply, dict) else reply
            local_ms = asyncio.get_running_loop().time() * 1000
            self._offsets_ms[node.name] = int(seconds) * 1000 + int(micros) // 1000 - local_ms
        return self._offsets_ms[node.name]

    def _opened(self) -> RedisCluster:
        if self._cluster is None:
            self._cluster = RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in self.address.nodes],
                **self.address.options,
                protocol=2,
                retry=no_retry(),
                max_connections=self._connections,
                socket_timeout=CONNECT_LIMIT_S,
                socket_connect_timeout=CONNECT_LIMIT_S,
            )
        return self._cluster

    async def _limited(self, work: Any, timeout_s: float | None) -> Any:
        """Await a coroutine of redis-py's within a time limit and a number of connections."""
        try:
            async with asyncio.timeout(self.timeout_s if timeout_s is None else timeout_s), self._free:
                return await work
        except redis.exceptions.NoScriptError:
            raise
        except (*FOREIGN, redis.exceptions.RedisClusterException) as exc:
            raise translated(exc) from exc
