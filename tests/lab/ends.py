"""The ends of attempts as they stand in a ledger."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from asterisk_plugin.core.attempt_end import AttemptEnd, end_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDS = sa.text("SELECT body FROM events WHERE kind = 'attempt-ended'")


def read_ends(url: str, attempt_id: str = "") -> list[AttemptEnd]:
    """Every end in a ledger, one for each row.

    Args:
        url: The ledger's.
        attempt_id: Only of this attempt; empty for all.
    """
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            bodies = [row[0] for row in connection.execute(_ENDS)]
    finally:
        engine.dispose()
    ends = [end_of(json.loads(body) if isinstance(body, (str, bytes)) else body) for body in bodies]
    return [end for end in ends if attempt_id in ("", end.attempt_id)]


async def until_ended(url: str, attempt_ids: Sequence[str], *, timeout_s: float = 40) -> list[AttemptEnd]:
    """Wait until each of these attempts has an end, and show that each has just one.

    Raises:
        AssertionError: One has none in time, or several.
    """
    give_up_s = time.monotonic() + timeout_s
    while True:
        found = await asyncio.to_thread(read_ends, url)
        ends = [[end for end in found if end.attempt_id == each] for each in attempt_ids]
        if all(ends) or time.monotonic() > give_up_s:
            break
        await asyncio.sleep(0.2)  # a row is no event
    assert {each: len(has) for each, has in zip(attempt_ids, ends, strict=True)} == dict.fromkeys(attempt_ids, 1)
    return [each for (each,) in ends]
