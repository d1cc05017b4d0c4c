"""A process that writes to a spool, or replays it: `spool_child.py add|replay FOLDER URL`.

`add` prints the id of every objection that is on disk, at once, and never ends. `replay` brings what it finds
into the ledger, again and again, and never ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from ledger_lab import SECRET, make_objection

from asterisk_plugin.callflow.objection_replay import Replay
from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger import LedgerLimits, open_ledger
from asterisk_plugin.ledger.objection_spool import ObjectionSpool


class NoStore:
    """Takes everything."""

    async def put(self, event: object, seq: int = 0) -> None:
        """Nothing: this is about spool and ledger."""


def say(word: str) -> None:
    """Straight to the pipe: a killed process has no buffers."""
    os.write(1, word.encode() + b"\n")


def add(spool: ObjectionSpool) -> None:
    """Write for ever; each of a few numbers again and again."""
    say("open")
    while True:
        event = make_objection()
        try:
            spool.add(event)
        except LedgerUnavailableError as exc:
            say(f"refused {exc}")
        else:
            say(event.id)


async def replay(spool: ObjectionSpool, url: str) -> None:
    """Replay for ever."""
    ledger = open_ledger(url, secret=SECRET, limits=LedgerLimits(lock_wait_s=20, stall_s=20))
    await ledger.start()
    say("open")
    await Replay(spool, ledger=ledger, store=NoStore()).run()


if __name__ == "__main__":
    its_spool = ObjectionSpool(Path(sys.argv[2]), secret=SECRET)
    if sys.argv[1] == "add":
        add(its_spool)
    else:
        asyncio.run(replay(its_spool, sys.argv[3]))
