"""`ringfence rebuild`: fill the store anew from the ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from asterisk_plugin.cli.given import given, say
from asterisk_plugin.cli.opened import keys_of_records, ledger_of, store_of

if TYPE_CHECKING:
    from asterisk_plugin.settings.load import Loaded


def rebuild(ctx: typer.Context) -> None:
    """Empty the store and fill it from the ledger; while it is being filled, nobody is dialled.

    The service does this by itself when the store is empty, incomplete or of another ledger. Do it
    by hand after a record in the store was found unreadable.
    """
    loaded = given(ctx).load()
    rows = asyncio.run(_rebuild(loaded))
    say(f"the store is filled from {rows} ledger rows")


async def _rebuild(loaded: Loaded) -> int:
    from asterisk_plugin.callflow.projector import Projector

    async with ledger_of(keys_of_records(loaded), create=False) as ledger, store_of(loaded) as store:
        await Projector(ledger, store.projection).rebuild()
        seq, _ = await ledger.head()
        return seq
