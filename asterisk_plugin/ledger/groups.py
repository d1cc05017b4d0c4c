"""What the event loop hands to the writer thread."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from asterisk_plugin.ledger.rows import Draft


class Withdrawal(enum.Enum):
    """What came of taking a group back."""

    NOT_WRITTEN = enum.auto()  # and it will not be
    UNCERTAIN = enum.auto()  # its commit had begun; it will not be tried again
    WRITTEN = enum.auto()  # too late


@dataclass(slots=True, eq=False)
class Group:
    """Events that are written together or not at all.

    Args:
        drafts: The events.
        waiting: Futures of the event loop to be told the last seq.
        withdrawn: Nobody wants it any more.
        uncertain: A commit of it failed so that it may be on disk all the same.
        last_seq: Highest seq among its events, 0 until written.
    """

    drafts: tuple[Draft, ...]
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    withdrawn: bool = False
    uncertain: bool = False
    last_seq: int = 0
