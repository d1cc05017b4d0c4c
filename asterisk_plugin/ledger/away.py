"""A ledger that is known to be away: nothing can be written down, so nobody is dialled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asterisk_plugin.errors import LedgerUnavailableError
    from asterisk_plugin.ports import Event, StoredEvent


class AwayLedger:
    """`ports.Ledger` when the real one cannot be opened.

    Args:
        error: What every method raises.
    """

    def __init__(self, error: LedgerUnavailableError) -> None:
        self._error = error

    def check(self) -> None:
        """Raise the error."""
        raise self._error

    def submit(self, event: Event, *, patient: bool = False) -> None:  # noqa: ARG002 - nothing is done with it
        """Raise the error."""
        raise self._error

    def read(self, *_: object, **__: object) -> AsyncIterator[StoredEvent]:
        """Raise the error."""
        raise self._error

    async def _fail(self, *_: object, **__: object) -> NoReturn:
        raise self._error

    append = wait_durable = head = find_by_person = find_events = _fail
