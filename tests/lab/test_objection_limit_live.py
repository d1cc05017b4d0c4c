"""The second try of the objection line is a process: no more of them at a time than the machine can bear."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.lab.line_calls import NOT_RECORDED, THANKS, Line, install_line, line, set_global, talking

if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.scripted_agi import ScriptedAgi

__all__ = ["line"]

pytestmark = [pytest.mark.live, pytest.mark.alone, pytest.mark.asyncio(loop_scope="session")]


async def test_one_process_too_many_is_not_begun_and_its_place_comes_free(
    lab: Lab, agi: ScriptedAgi, line: Line
) -> None:
    """Who comes then hears the sorry sentence at once; who comes after an end gets a process again."""
    told = install_line(lab, wait_s=3)
    first, second, third = (f"+4930902500{place}" for place in range(3))
    calls = {number: await talking(lab, number) for number in (first, second, third)}
    await agi.stop()
    await set_global(lab, "RINGFENCE_OBJECTION_PROCESSES", "1")
    try:
        await lab.hang_up(calls[first])
        async with asyncio.timeout(10):
            while not told.exists() or first not in told.read_text():  # noqa: ASYNC110 - a file is no event
                await asyncio.sleep(0.02)
        await lab.hang_up(calls[second])
        await lab.until_heard(second, NOT_RECORDED)
        async with asyncio.timeout(10):
            while "RECORDED" not in [result for _, result in line.results]:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)
        await lab.hang_up(calls[third])
        await lab.until_heard(third, THANKS)
        await lab.pbx.until_idle()
    finally:
        await set_global(lab, "RINGFENCE_OBJECTION_PROCESSES", "")
    asked = [entry.split()[1] for entry in told.read_text().splitlines() if entry.startswith("objection ")]
    assert asked == [first, third]
    assert sorted(result for _, result in line.results) == ["FAILED", "RECORDED", "RECORDED"]
