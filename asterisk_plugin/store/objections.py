"""An objection straight into the store, without waiting for the projector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.core.objected import Objected
from asterisk_plugin.errors import LedgerError
from asterisk_plugin.ports import StoredEvent
from asterisk_plugin.store import keys, scripts
from asterisk_plugin.store.announcements import CHANNEL, message_of
from asterisk_plugin.store.records import write_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asterisk_plugin.ports import Event
    from asterisk_plugin.store.client import StoreClient

ANY_LEDGER = "*"
NOT_IN_LEDGER = 0


class ObjectionStore:
    """Writes objections, and announces each in the same step.

    Args:
        client: Leads to the store.
        identify: Tells which ledger the store must be filled from (`SqlLedger.identity`); None: any will do.
    """

    def __init__(self, client: StoreClient, *, identify: Callable[[], Awaitable[str]] | None = None) -> None:
        self._client = client
        self._identify = identify
        self._ledger_id = ""

    async def put(self, event: Event, seq: int = NOT_IN_LEDGER) -> None:
        """Write it as the projection of its ledger row would, and announce it; twice changes nothing.

        Every decision after this knows of it.

        Args:
            event: Of kind objection.
            seq: Its ledger row's; 0 while the ledger has not taken it.

        Raises:
            StoreNotReadyError: The store is not filled from the ledger now: it was announced all the same.
            StoreError: The store cannot answer in time; it may have done it.
        """
        write = write_of(StoredEvent(seq, event, ""))
        assert write is not None, "an objection is always projected"
        await self._client.run(
            scripts.OBJECT,
            (keys.ready(keys.bucket_of(write.person)), write.key),
            (
                await self._ledger() if seq else ANY_LEDGER,
                CHANNEL,
                message_of(Objected.of(event.id, event.person, event.body)),
                write.name,
                write.number,
                write.value,
            ),
        )

    async def _ledger(self) -> str:
        # A ledger's first row never changes; an empty one may get any.
        if not self._ledger_id and self._identify is not None:
            try:
                self._ledger_id = await self._identify()
            except LedgerError:
                return ANY_LEDGER  # it has just taken the row; whoever decides asks for itself
        return self._ledger_id or ANY_LEDGER
