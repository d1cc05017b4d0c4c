"""A process that stood still has not waited."""

from __future__ import annotations

import asyncio
import time

import pytest

from asterisk_plugin.callflow.patience import within


async def test_what_comes_of_it() -> None:
    assert await within(asyncio.sleep(0.01, "done"), 1) == "done"
    with pytest.raises(ZeroDivisionError):
        await within(asyncio.to_thread(lambda: 1 / 0), 1)


async def test_too_long_is_too_long_and_the_work_is_cancelled() -> None:
    work = asyncio.create_task(asyncio.sleep(10))
    began_s = time.monotonic()
    with pytest.raises(TimeoutError, match=r"0\.1 s"):
        await within(work, 0.1)
    assert time.monotonic() - began_s < 5
    await asyncio.gather(work, return_exceptions=True)
    assert work.cancelled()


async def test_done_while_everything_stood_still_is_done() -> None:
    """The answer and the end of the time are there at once: a plain limit would take the end."""

    asyncio.get_running_loop().call_later(0.02, time.sleep, 0.3)
    assert await within(asyncio.to_thread(lambda: time.sleep(0.2) or "done"), 0.1) == "done"


async def test_work_that_stood_still_too_has_its_time() -> None:
    """A machine that stands still leaves the work where it was: it goes on, and so does the wait."""
    loop, answer = asyncio.get_running_loop(), asyncio.Event()

    async def works() -> str:
        time.sleep(0.3)  # noqa: ASYNC251 - nothing goes on, this neither
        loop.call_later(0.03, answer.set)
        await answer.wait()
        return "done"

    assert await within(works(), 0.1) == "done"


async def test_a_caller_who_is_cancelled_takes_the_work_along() -> None:
    work = asyncio.create_task(asyncio.sleep(10))
    caller = asyncio.create_task(within(work, 10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, work, return_exceptions=True)
    assert work.cancelled()
