"""Ends of attempts, read back from the ledger as they come."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.core.attempt_end import AttemptEnd, end_of
from asterisk_plugin.errors import LedgerBrokenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asterisk_plugin.ports import StoredEvent

LONGEST = dt.timedelta(days=1)
"""So long after a period the ends of attempts are looked for that began in it."""


class EndLedger(Protocol):
    """What is asked of the ledger here."""

    def attempt_ends(self, *, before: dt.datetime | None = None) -> AsyncIterator[StoredEvent]:
        """Events of ends before a moment (None: all), newest first by their moment."""
        ...


async def read_attempt_ends(
    ledger: EndLedger,
    *,
    campaign: str,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    last_seq: int | None = None,
) -> AsyncIterator[tuple[StoredEvent, AttemptEnd]]:
    """Every end of a campaign's attempts that began in a period, the newest ends first.

    Args:
        ledger: Where they are.
        campaign: Id of the campaign.
        since: Begun at or after this moment (aware).
        until: Begun before this moment (aware). An attempt that ended more than `LONGEST` after it is left out.
        last_seq: Only rows up to this one; None: all.

    Yields:
        The row, and what it says.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    async for stored in ledger.attempt_ends(before=None if until is None else until + LONGEST):
        if since is not None and stored.event.at < since:
            break  # it ended before, so it began before
        if last_seq is not None and stored.seq > last_seq:
            continue
        try:
            end = end_of(stored.event.body)
        except (KeyError, TypeError, ValueError) as exc:
            raise LedgerBrokenError(
                stored.seq, f"edited, or of a newer version: no end of an attempt ({exc!r})"
            ) from exc
        is_in_period = (since is None or end.began_at >= since) and (until is None or end.began_at < until)
        if end.campaign == campaign and is_in_period:
            yield stored, end
