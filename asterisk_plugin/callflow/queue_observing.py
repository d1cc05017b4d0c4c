"""Who is told what happens in the queues: metrics and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asterisk_plugin.core.waiting import Left


class QueueObserver(Protocol):
    """Is told of waits as they happen. Must not raise and must not wait."""

    def queue_joined(self, queue: str, *, wait: str) -> None:
        """Somebody began to wait.

        Args:
            queue: Name of the queue.
            wait: `queue_evidence.wait_id`.
        """
        ...

    def queue_told(self, queue: str, *, wait: str, is_known: bool) -> None:
        """Somebody who waits was told how long, or (`is_known` False) that it cannot be said."""
        ...

    def queue_left(self, queue: str, *, wait: str, how: Left, waited_s: float | None) -> None:
        """The waiting ended; `waited_s` in seconds since joining, None when not known."""
        ...

    def queue_waiting(self, queue: str, callers: int) -> None:
        """So many wait now. Only one process may say this of a queue: the one that watches its Asterisk."""
        ...
