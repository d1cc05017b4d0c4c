"""What follows the events of one Asterisk: hears them at once, and does what takes time beside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.errors import ActionRefusedError, ManagerError

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

LOOK_TIMEOUT_S = 5.0
REPEAT_S = 0.5
"""Between two tries to learn something of Asterisk."""


class Manager(Protocol):
    """One Asterisk's manager interface."""

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> Sequence[Mapping[str, str]]:
        """Send one action at most once; returns the response, then the events of a list.

        Raises:
            ActionRefusedError: Asterisk refused.
            ManagerLostError: Not connected, or no answer in time.
        """
        ...


async def running_of(manager: Manager) -> dict[str, Mapping[str, str]]:
    """The running channels by unique id, their fields named as in `CoreShowChannel`.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    messages = await manager.send_action("CoreShowChannels", {}, LOOK_TIMEOUT_S)
    return {message["Uniqueid"]: message for message in messages if message.get("Uniqueid")}


class AmiListener:
    """Base of all that listens to one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        log: Where a fault in what was begun is told.
    """

    def __init__(self, name: str, log: logging.Logger) -> None:
        self._name = name
        self._log = log
        self._attached: Manager | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    def attach(self, manager: Manager) -> None:
        """Say who sends the actions; before the first event."""
        self._attached = manager

    async def close(self) -> None:
        """Stop; what was begun is given up."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    @property
    def _manager(self) -> Manager:
        assert self._attached is not None, "attach() comes before the first event"
        return self._attached

    async def _until_answered(self, look: Callable[[], Awaitable[None]], what: str) -> None:
        """Look until Asterisk answers; a refusal is its answer too.

        Args:
            look: Raises ManagerError when there is no answer.
            what: What cannot be seen meanwhile, for the log.
        """
        fault = ""
        while True:
            try:
                return await look()
            except ManagerError as exc:
                if str(exc) != fault:  # once, not at every try
                    fault = str(exc)
                    self._log.error("%s: %s cannot be seen: %s", self._name, what, exc)
                if isinstance(exc, ActionRefusedError):
                    return None
            await asyncio.sleep(REPEAT_S)

    def _start(self, job: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("%s: %s failed", self._name, type(self).__name__, exc_info=task.exception())
