"""From key press to effect: on disk, in force, ringing call hung up; on this node and on another.

Run by hand: `PYTHONPATH=. python tests/store/bench_objection.py [objections]`. Real SQLite with its fsync, real Valkey;
the Asterisks are stand-ins that note when a Hangup reaches them. Alone; beside 100 attempts a second in the same
process; and beside as many as 20 callers get out of it, which is more than one process should be given.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from store_lab import Server

from asterisk_plugin.app.node import open_node
from asterisk_plugin.callflow.objections import Claim
from asterisk_plugin.callflow.outbound import attempt
from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.callflow.records import configuration_event
from asterisk_plugin.callflow.running_calls import RunningCalls
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load
from asterisk_plugin.store.announcements import Announcements
from tests.fakes import SITE_FOLDER, TUESDAY_11, RecordingObserver, attempt_channel

CALLERS = 20
ATTEMPTS_A_SECOND = 100


class Asterisk:
    """Notes when a leg is hung up; answers at once."""

    def __init__(self) -> None:
        self.hung_up: dict[str, asyncio.Future[float]] = {}

    def will_hang_up(self, channel: str) -> asyncio.Future[float]:
        """When this channel is hung up."""
        self.hung_up[channel] = asyncio.get_running_loop().create_future()
        return self.hung_up[channel]

    async def send_action(self, name, fields, timeout_s):
        if name == "Hangup":
            self.hung_up[fields["Channel"]].set_result(time.perf_counter())
        return [{"Value": "linde-b2b"}]


async def node_on(directory: DataDir, url: str):
    loaded = load(SITE_FOLDER, data_dir=directory.path)
    return await open_node(loaded, directory, store_url=url, observer=RecordingObserver(), clock=lambda: TUESDAY_11)


def watched(node):
    """Running calls of a stand-in Asterisk, every number ringing."""
    asterisk = Asterisk()

    async def holds(person, principal):
        return False

    calls = RunningCalls(
        "pbx",
        trunks=("PJSIP/carrier",),
        tag=node.gate.tag,
        principal_of=lambda _: "linde",
        holds=holds,
        spares=lambda _: False,
        on_event=lambda _: None,
    )
    calls.attach(asterisk)
    return asterisk, calls


async def measure(node, places, ours, theirs):
    """Milliseconds from `take` to: confirmed, our Hangup, the other node's Hangup."""
    took = []
    for place in places:
        number, channel = f"+493023125{place:03}", f"PJSIP/carrier-{place:08x}"
        for _, calls in (ours, theirs):
            begin = {"DestChannel": channel, "DestUniqueid": f"{place}", "DialString": f"{number}@carrier"}
            calls.take({"Event": "DialBegin", **begin})
        claim = Claim(
            number=number, scope="linde", at=TUESDAY_11, channel="ivr", certainty="called", call=f"call-{place}"
        )
        cut = [asterisk.will_hang_up(channel) for asterisk, _ in (ours, theirs)]
        pressed = time.perf_counter()
        await node.objections.take(claim)
        confirmed = time.perf_counter()
        ends = (confirmed, *await asyncio.gather(*cut))
        took.append([(end - pressed) * 1000 for end in ends])
        await asyncio.sleep(0.01)
    return took


async def decide(node, decided: list[int], place: int, pause_s: float) -> None:
    """One caller."""
    while True:
        await attempt(node.gate, attempt_channel(f"+493023125{980 + place}", "linde-b2b"))
        decided[place] += 1
        await asyncio.sleep(pause_s)


def show(title, took):
    for name, values in zip(("confirmed", "cut here", "cut there"), zip(*took, strict=True), strict=True):
        ordered = sorted(values)
        p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        print(f"{title:>14}  {name:>10}  p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  longest {ordered[-1]:6.2f} ms")


async def main(objections: int) -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as name, tempfile.TemporaryDirectory(dir=".") as data:
        server = Server(Path(name), persist=True)
        server.start()
        directory = DataDir(Path(data))
        node, other = await node_on(directory, server.url), await node_on(directory, server.url)
        await node.ledger.append([configuration_event(load(SITE_FOLDER), TUESDAY_11)])
        await Projector(node.ledger, node.store.projection).catch_up()
        ours, theirs = watched(node), watched(other)
        node.objections.on_objected = ours[1].objected
        subscribed = asyncio.Event()
        listener = Announcements(other.store.client, on_objected=theirs[1].objected, on_subscribed=subscribed.set).run()
        tasks = [asyncio.create_task(listener)]
        await subscribed.wait()
        show("alone", await measure(node, range(objections), ours, theirs))

        for title, callers, pause_s in (("100/s", 1, 1 / ATTEMPTS_A_SECOND), ("as many as go", CALLERS, 0)):
            load_tasks, decided = [], [0] * callers
            for place in range(callers):
                load_tasks.append(asyncio.create_task(decide(node, decided, place, pause_s)))
            started, places = time.perf_counter(), range(objections, 2 * objections)
            objections += len(places)
            show(title, await measure(node, places, ours, theirs))
            print(f"{'':>14}{sum(decided) / (time.perf_counter() - started):.0f} decisions a second")
            for task in load_tasks:
                task.cancel()
            await asyncio.gather(*load_tasks, return_exceptions=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await node.close()
        await other.close()
        server.stop()


if __name__ == "__main__":
    logging.disable()
    sys.setswitchinterval(0.0005)  # as in a service
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
