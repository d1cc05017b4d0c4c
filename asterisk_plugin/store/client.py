"""Speaking to the store: one interface over a single server, Sentinel and Cluster.

No call is ever repeated for the caller, with two exceptions that are safe because the server did
nothing: it did not know a script (NOSCRIPT), or it ran the call after its deadline (LATE).
redis-py's own retries are off: they turn "connection refused" into seconds.
"""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Any

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from asterisk_plugin.errors import StoreCorruptError, StoreNotReadyError, StoreTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio.connection import AbstractConnection

    from asterisk_plugin.store.address import Address
    from asterisk_plugin.store.scripts import Script

    Argument = str | bytes | int | float

SCAN_COUNT = 1000

_NOT_READY = {
    b"NOT-READY": "the store is not, or no longer, filled from the ledger",
    b"OTHER-LEDGER": "the store is filled from another ledger",
    b"TOO-SHORT": "the store keeps attempts for less time than the rules count, until it is filled anew",
    b"NOT-OURS": "the store is being built anew by another process, was emptied, or came back older than it was",
}
"""What a script says instead of deciding or writing."""


def by_name(script: Script, keys: Sequence[str], args: Sequence[Argument], deadline_ms: int) -> tuple[Argument, ...]:
    """The command that runs a script the server knows."""
    return ("EVALSHA", script.sha1, len(keys), *keys, deadline_ms, *args)


def by_text(script: Script, keys: Sequence[str], args: Sequence[Argument], deadline_ms: int) -> tuple[Argument, ...]:
    """The command that runs a script and makes the server know it."""
    return ("EVAL", script.text, len(keys), *keys, deadline_ms, *args)


def no_retry() -> Retry:
    """For redis-py: one attempt, no pause."""
    return Retry(NoBackoff(), 0)


class StoreClient(abc.ABC):
    """What the rest of this folder may ask of a store. Every method raises only StoreErrors.

    Args:
        address: Where the store is.
        timeout_s: Longest wait of a call that names no other.
    """

    is_cluster = False

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.connected_times = 0
        """Connections made so far: one more may lead to another server, or to the same one restarted."""

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Argument],
        *,
        timeout_s: float | None = None,
    ) -> list[Any]:
        """Run a script; one round trip.

        Args:
            script: Which one.
            keys: Its keys, all in one slot.
            args: Its arguments after the deadline, which is added here.
            timeout_s: Longest wait; None for the client's own.

        Returns:
            The reply without its status and clock.

        Raises:
            StoreNotReadyError: A marker that the script needs is not there, or not what it must be.
            StoreError: As the other methods.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + (self.timeout_s if timeout_s is None else timeout_s)
        # Twice: when the server's clock was set, its LATE reply teaches us the new offset.
        for _ in range(2):
            reply = await self._run_once(script, keys, args, give_up_at)
            if reply[0] == b"OK":
                return reply[2:]
            if reply[0] in _NOT_READY:
                raise StoreNotReadyError(_NOT_READY[reply[0]])
            if reply[0] == b"CORRUPT":
                raise StoreCorruptError(f"a record that `{script.name}` needs cannot be read")
        raise StoreTimeoutError("the store came to the call too late and did nothing")

    @abc.abstractmethod
    async def _run_once(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], give_up_at: float
    ) -> list[Any]: ...

    @abc.abstractmethod
    async def execute(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """One plain command's reply, undecoded; in a Cluster its second word is the key."""

    @abc.abstractmethod
    async def everywhere(self, *command: Argument) -> list[Any]:
        """One command's replies from every server that takes writes."""

    @abc.abstractmethod
    def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Every key that fits, in portions; a key may come twice."""

    @abc.abstractmethod
    async def connect(self) -> AbstractConnection:
        """A new connection outside the others, logged in: for whoever listens. The caller closes it.

        Raises:
            redis.exceptions.RedisError: As redis-py does.
            OSError: As a socket does.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Close every connection."""
