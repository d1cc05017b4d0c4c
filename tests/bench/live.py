"""What a decision costs a call on a live Asterisk: one channel asks again and again, in turn."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from typing import TYPE_CHECKING

from tests.bench.load import number
from tests.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Mapping

ASKS = 300
ROUNDS = 5

# One channel runs an AGI session after the other, as a call would run one; the two events frame it.
DIALPLAN = """
[lab-bench]
exten => s,1,UserEvent(LabBench,Id: ${BENCH_ID},At: begin)
 same => n,Set(i=0)
 same => n(again),AGI(agi://127.0.0.1:${BENCH_PORT}/attempt,${BENCH_NUMBER},bench-nl)
 same => n,Set(i=$[${i} + 1])
 same => n,GotoIf($[${i} < ${BENCH_ASKS}]?again)
 same => n,UserEvent(LabBench,Id: ${BENCH_ID},At: end,Decision: ${RINGFENCE_DECISION})
 same => n,Hangup()
"""


async def session_ms(lab: Lab, port: int, index: int) -> float:
    """Milliseconds that one AGI session takes a channel, the mean of `ASKS` in a row.

    Raises:
        AssertionError: The last session did not say ALLOW.
    """
    name = uuid.uuid4().hex
    events = {
        at: lab.pbx.manager.expect(lambda e, at=at: e.get("Id") == name and e.get("At") == at)
        for at in ("begin", "end")
    }
    variables = {"BENCH_ID": name, "BENCH_PORT": port, "BENCH_NUMBER": number(index), "BENCH_ASKS": ASKS}
    await lab.pbx.ami(
        "Originate",
        {
            "Channel": "Local/s@lab-bench/n",
            "Application": "Wait",
            "Data": "60",
            "Async": "true",
            "Variable": [f"{key}={value}" for key, value in variables.items()],
        },
    )
    await asyncio.wait_for(events["begin"], 10)
    started_s = time.perf_counter()
    end = await asyncio.wait_for(events["end"], 60)
    assert end.get("Decision") == "ALLOW", end
    return (time.perf_counter() - started_s) / ASKS * 1000


async def measure(ports: Mapping[str, int]) -> dict[str, float]:
    """Median session time of each server on the live Asterisk, rounds alternating.

    Args:
        ports: FastAGI port by name.
    """
    lab = await Lab.start()
    try:
        await lab.pbx.add_dialplan(DIALPLAN)
        rounds: dict[str, list[float]] = {name: [] for name in ports}
        for turn in range(ROUNDS):
            for name, port in ports.items():
                rounds[name].append(await session_ms(lab, port, turn))
        return {name: statistics.median(values) for name, values in rounds.items()}
    finally:
        await lab.stop()
