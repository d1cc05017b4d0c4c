"""Waiting for a time in which this process was alive: one that stood still has not waited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

SLICES = 5
"""A wait is so many short ones, of which a standstill of any length takes one."""

Answer = TypeVar("Answer")


async def within(work: Awaitable[Answer], limit_s: float) -> Answer:
    """What comes of work that may take so long, of which a standstill of the machine or the process takes one slice.

    After a standstill a timer of asyncio's is due before the answer that came meanwhile is seen, so a plain time limit
    would call done work not done. What the work itself measures by the clock, it still does.

    Args:
        work: Cancelled when it takes longer, or when the caller is cancelled; what comes of it then is not told.
        limit_s: Seconds of life.

    Raises:
        TimeoutError: It took longer.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_looked_at)
    try:
        for _ in range(SLICES):
            done, _ = await asyncio.wait((task,), timeout=limit_s / SLICES)
            if done:
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError(f"no answer within {limit_s:g} s")


def _looked_at(task: asyncio.Future[Answer]) -> None:
    # Else asyncio complains of an error that nobody waits for any more.
    if not task.cancelled():
        task.exception()
