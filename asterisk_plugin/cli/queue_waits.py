"""Single waits for people: a table, JSON, the cells of a CSV. Never a number: whoever must know it asks the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from asterisk_plugin.callflow.queue_waits import read_waits
from asterisk_plugin.cli.exporting import harmless
from asterisk_plugin.cli.fields import visible
from asterisk_plugin.cli.given import console
from asterisk_plugin.cli.opened import keys_of_records, ledger_of
from asterisk_plugin.core.queue_wait import Judged, Limits, Wait, judge, told_after_s, waited_at_s

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from asterisk_plugin.settings.load import Loaded

COLUMNS = (
    *("wait", "queue", "principal", "joined_at", "unanswered", "left", "left_at", "waited_s", "agent", "charged_from"),
    *("in_time", "told_at_start", "told_throughout", "longest_silence_s", "free", "told"),
)
"""Columns of the CSV."""


async def newest(loaded: Loaded, queue: str, *, most: int) -> Sequence[Wait]:
    """The newest waits, of one queue or (empty) of all.

    Raises:
        InputError: Nothing was ever recorded here.
        LedgerError: The ledger cannot be read.
    """
    found: list[Wait] = []
    async with ledger_of(keys_of_records(loaded), create=False) as ledger:
        async for wait in read_waits(ledger, queue=queue):
            found.append(wait)
            if len(found) == most:
                break
    return found


def show(found: Sequence[Wait]) -> None:
    """Print waits as a table, one a line."""
    out = Table("began", "queue", "waited", "how it ended", "told after", "charged", "wait")
    for wait in found:
        began = "not known" if wait.joined_at is None else f"{wait.joined_at:%Y-%m-%d %H:%M:%S} UTC"
        ended = "no end" if wait.how is None else wait.how.value
        told = " ".join(f"{seconds:.0f}" for seconds in told_after_s(wait))
        texts = (
            *(began, wait.queue, "" if wait.waited_s is None else f"{wait.waited_s:.0f} s"),
            *(f"{ended} by {wait.agent}" if wait.agent else ended, f"{told} s" if told else "nothing"),
            *(_charge(judge(wait, Limits())), wait.id),
        )
        out.add_row(*(Text(visible(text)) for text in texts))
    console().print(out)


def dumps(found: Sequence[Wait]) -> str:
    """Waits as JSON."""
    return json.dumps([as_values(wait, judge(wait, Limits())) for wait in found], indent=2)


def as_values(wait: Wait, judged: Judged) -> dict[str, Any]:
    """A wait as JSON-able values; null is what the evidence does not tell."""
    return {
        "wait": wait.id,
        "queue": wait.queue,
        "principal": wait.principal,
        "joined_at": _iso(wait.joined_at),
        "unanswered": wait.unanswered,
        "left": None if wait.how is None else wait.how.value,
        "left_at": _iso(wait.left_at),
        "waited_s": wait.waited_s,
        "agent": wait.agent,
        "charged_from": _iso(wait.charged_from),
        "in_time": judged.in_time,
        "told_at_start": judged.told_at_start,
        "told_throughout": judged.told_throughout,
        "longest_silence_s": None if judged.longest_silence_s is None else round(judged.longest_silence_s, 2),
        "free": judged.free,
        "told": [
            {"at": told.at.isoformat(), "waited_s": _rounded(waited_at_s(wait, told)), "said": list(told.said)}
            | {"estimate_s": told.estimate_s, "is_whole": told.is_whole}
            for told in wait.told
        ],
    }


def cells(wait: Wait, judged: Judged) -> dict[str, str]:
    """A wait as a line of CSV, by `COLUMNS`; moments with their zone, empty is what is not known.

    Announcements are one cell: `2.1 s: about-minutes 3 (180 s) | 59.8 s: ...`.
    """
    values = as_values(wait, judged)
    values["told"] = " | ".join(_in_words(told) for told in values["told"])
    # Names of queues, agents and prompts come from outside.
    return {name: harmless(_cell(values[name])) for name in COLUMNS}


def _in_words(told: dict[str, Any]) -> str:
    when = "?" if told["waited_s"] is None else f"{told['waited_s']} s"
    estimate = "not known" if told["estimate_s"] is None else f"{told['estimate_s']:g} s"
    return f"{when}: {' '.join(told['said'])} ({estimate}{'' if told['is_whole'] else ', cut short'})"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _charge(judged: Judged) -> str:
    return {True: "free", False: f"{judged.charged_s or 0:.0f} s", None: "not known"}[judged.free]


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
