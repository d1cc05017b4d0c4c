"""A process that takes objections, as a worker does: `objection_child.py DATA_DIR STORE_URL FIRST`.

Prints the place of each person who would have heard the confirmation, at once: 17 is +493023125017. Begins with
the person before FIRST, in the same call: a second try. Never ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from asterisk_plugin.app.node import open_node
from asterisk_plugin.callflow.objections import Claim
from asterisk_plugin.errors import NotRecordedError
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.load import load
from tests.fakes import SITE_FOLDER, TUESDAY_11, RecordingObserver


def number_of(place: int) -> str:
    """A number of the range set aside for fiction."""
    return f"+493023125{place:03}"


def say(word: str) -> None:
    """Straight to the pipe: a killed process has no buffers."""
    os.write(1, word.encode() + b"\n")


async def take_objections(data_dir: Path, store_url: str, first: int) -> None:
    """One person after the other."""
    loaded = load(SITE_FOLDER, data_dir=data_dir)
    node = await open_node(loaded, DataDir(data_dir), store_url=store_url, observer=RecordingObserver())
    say("open")
    for place in count(max(0, first - 1)):
        claim = Claim(
            number=number_of(place),
            scope="linde",
            at=TUESDAY_11,
            channel="ivr",
            certainty="called",
            call=f"call-{place}",
        )
        try:
            await node.objections.take(claim)
        except NotRecordedError:
            continue
        say(str(place))
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(take_objections(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
