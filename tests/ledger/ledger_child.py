"""A process that appends to a ledger: `ledger_child.py URL COUNT PARALLEL`.

Prints `open` when the ledger is open, then one line per event that was reported durable, at once. What is
refused or not durable in time is submitted again, under the same id, until it is durable. COUNT 0 never ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count

from ledger_lab import SECRET, make_event

from asterisk_plugin.errors import LedgerUnavailableError
from asterisk_plugin.ledger import LedgerLimits, SqlLedger, open_ledger


def say(word: str) -> None:
    """Straight to the pipe: a killed process has no buffers."""
    os.write(1, word.encode() + b"\n")


async def append_some(ledger: SqlLedger, how_many: int) -> None:
    """One caller that submits, waits until durable, and says so."""
    for number in range(how_many) if how_many else count():
        event = make_event(body={"process": os.getpid(), "number": number}, sealed={"number": "+31201234567"})
        refused = False
        while True:
            try:
                ledger.submit(event)
                await ledger.wait_durable(event.id, 20)
                break
            except LedgerUnavailableError as exc:
                if not refused:
                    say(f"refused {exc}")
                refused = True
                await asyncio.sleep(0.02)
        say(event.id)


async def main(url: str, how_many: int, parallel: int) -> None:
    """Open, append, close."""
    ledger = open_ledger(url, secret=SECRET, limits=LedgerLimits(lock_wait_s=20, stall_s=20))
    await ledger.start()
    say("open")
    await asyncio.gather(*(append_some(ledger, how_many) for _ in range(parallel)))
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
