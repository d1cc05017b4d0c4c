"""What `ringfence queue report` does: reads the waits once, counts them, writes them out, says what came of it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from asterisk_plugin.callflow.queue_waits import read_waits
from asterisk_plugin.cli.exporting import counted, whole_file
from asterisk_plugin.cli.fields import visible
from asterisk_plugin.cli.given import console, say
from asterisk_plugin.cli.moments import parse_day
from asterisk_plugin.cli.opened import keys_of_records, ledger_of
from asterisk_plugin.cli.queue_waits import COLUMNS, cells
from asterisk_plugin.core.queue_law import limits_of
from asterisk_plugin.core.queue_report import GOOD_ESTIMATE, Share, as_values
from asterisk_plugin.core.queue_tally import PERCENTILES, Tally
from asterisk_plugin.core.queue_wait import Limits
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.core.queue_report import Estimates, Lengths, Report
    from asterisk_plugin.core.queue_wait import Wait
    from asterisk_plugin.settings.load import Loaded

PICTURES = (".png", ".svg")

NAMED_AT_MOST = 5
"""Ids shown of each kind; JSON has them all."""

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Args:
        queue: One queue, empty for all.
        since: First day (UTC), None for all before.
        until: Last day, the whole of it.
        under_s: An answer after less than so many seconds is in time; None: as the rulebook says.
        every_s: Longest time without an announcement; None: as the rulebook says.
    """

    queue: str
    since: dt.date | None
    until: dt.date | None
    under_s: float | None = None
    every_s: float | None = None

    def limits_of(self, queue: str, loaded: Loaded) -> Limits:
        """What the waits of one queue are measured by; a queue that is configured no longer by the usual values."""
        settings = loaded.site.queues.get(queue)
        today = dt.datetime.now(dt.UTC).date()
        limits = Limits() if settings is None else limits_of(settings, loaded.site, today)
        return dataclasses.replace(
            limits,
            answered_in_under_s=self.under_s or limits.answered_in_under_s,
            told_every_s=self.every_s or limits.told_every_s,
        )

    @property
    def whose(self) -> str:
        """`queue support`, `all queues`."""
        return f"queue {self.queue}" if self.queue else "all queues"

    @property
    def when(self) -> str:
        """The period in words."""
        match self.since, self.until:
            case None, None:
                return "since recording began"
            case first, None:
                return f"from {first} on (UTC)"
            case None, last:
                return f"up to and with {last} (UTC)"
            case first, last:
                return f"{first} to {last}, whole days (UTC)"


@dataclass(frozen=True, slots=True)
class Made:
    """What was counted.

    Args:
        asked: What was asked for.
        loaded: The configuration.
        all: Every wait, each measured as its queue is.
        queues: The same by queue.
    """

    asked: Asked
    loaded: Loaded
    all: Tally
    queues: dict[str, Tally] = field(default_factory=dict)


def asked_for(queue: str, since: str, until: str, *, under_s: float | None, every_s: float | None) -> Asked:
    """Read what somebody typed; seconds as in `Asked`.

    Raises:
        InputError: A day is none, or they are the wrong way round.
    """
    first, last = (parse_day(text) if text else None for text in (since, until))
    if first and last and last < first:
        raise InputError("--until must not lie before --since")
    if last == dt.date.max:
        raise InputError(f"`{until}` is out of range")
    return Asked(queue, first, last, under_s, every_s)


async def make(loaded: Loaded, asked: Asked, *, plot: Path | None, waits: Path | None) -> Made:
    """Read the waits and count them; draw and write what is wanted.

    Args:
        loaded: The configuration.
        asked: What is asked for.
        plot: File of the picture.
        waits: File of the single waits.

    Raises:
        InputError: Nothing was ever recorded here, a file cannot be written, or there is nothing to draw.
        LedgerError: The ledger cannot be read.
    """
    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise InputError(f"`{plot}` is no picture that can be drawn; its name must end with {' or '.join(PICTURES)}")
    made = Made(asked, loaded, Tally(asked.limits_of(asked.queue, loaded)))
    keys = keys_of_records(loaded)
    with contextlib.ExitStack() as stack:
        # Both are opened before anything is read: whoever waited for a report should not be told then.
        picture = stack.enter_context(whole_file(plot)) if plot is not None else None
        table = None
        if waits is not None:
            out = stack.enter_context(stack.enter_context(whole_file(waits)).open("w", newline="", encoding="utf-8"))
            table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            table.writeheader()
        on_wait = stack.enter_context(counted("waits"))
        async with ledger_of(keys, create=False) as ledger:
            since, until = _start(asked.since), _start(asked.until and asked.until + _DAY)
            async for wait in read_waits(ledger, queue=asked.queue, since=since, until=until):
                _count(made, wait, table)
                on_wait()
        if plot is not None and picture is not None:
            _draw(made, picture, form=plot.suffix.lower().removeprefix("."))
    return made


def dumps(made: Made) -> str:
    """The report as JSON."""
    asked = made.asked
    values = {
        "queue": asked.queue or None,
        "since": None if asked.since is None else asked.since.isoformat(),
        "until": None if asked.until is None else asked.until.isoformat(),
        "limits": dataclasses.asdict(made.all.limits),
        "all": as_values(made.all.report()),
        "queues": {queue: as_values(tally.report()) for queue, tally in sorted(made.queues.items())},
    }
    return json.dumps(values, indent=2)


def show(made: Made) -> None:
    """Print the report for people."""
    report, out = made.all.report(), console()
    say(f"{visible(made.asked.whose)}, {made.asked.when}: {report.waits:,} wait{'' if report.waits == 1 else 's'}")
    if not report.waits:
        return
    say(f"how they ended: {', '.join(f'{way} {count:,}' for way, count in report.ways.items())}")
    out.print(_shares_table(report))
    out.print(_lengths_table(report))
    if len(made.queues) > 1:
        out.print(_queues_table(made))
    for line in _notes(report):
        say(line)


def percent(share: Share) -> str:
    """A share in per cent. Cut, not rounded: `100.0 %` means all of them."""
    known = share.yes + share.no
    return f"{share.yes * 1000 // known / 10:.1f} %" if known else "–"


def _count(made: Made, wait: Wait, table: csv.DictWriter[str] | None) -> None:
    if wait.queue not in made.queues:
        made.queues[wait.queue] = Tally(made.asked.limits_of(wait.queue, made.loaded))
    judged = made.queues[wait.queue].add(wait)
    made.all.add(wait, judged)
    if table is not None:
        table.writerow(cells(wait, judged))


def _draw(made: Made, file: Path, *, form: str) -> None:
    # It says on standard error that it looks for fonts; nobody needs to know.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from asterisk_plugin.cli.queue_plot import draw

    draw(made.all, file, form=form, title=f"{made.asked.whose}, {made.asked.when}")


def _start(day: dt.date | None) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(), dt.UTC)


def _shares_table(report: Report) -> Table:
    limits = report.limits
    out = Table("what", "share", "waits", "not known", "asked for")
    rows: tuple[tuple[str, Share, float | None], ...] = (
        (f"answered in under {limits.answered_in_under_s:g} s, of all", report.in_time, limits.answered_share),
        ("… without those who left before that", report.in_time_of_patient, None),
        (f"told within {limits.told_at_start_s:g} s of joining", report.told_at_start, 1),
        (f"told at least every {limits.told_every_s:g} s", report.told_throughout, 1),
        ("not charged while waiting", report.free, None),
        ("hung up", report.abandoned, None),
    )
    for what, share, wanted in rows:
        known = share.yes + share.no
        met = share.of_known is None or wanted is None or share.of_known >= wanted
        out.add_row(
            what,
            Text(percent(share), style="" if met else "bold red"),
            f"{share.yes:,} of {known:,}",
            f"{share.unknown:,}" if share.unknown else "",
            "" if wanted is None else f"{wanted * 100:g} %" + ("" if met else ", missed"),
        )
    return out


def _lengths_table(report: Report) -> Table:
    out = Table("seconds waited", "waits", "mean", *(f"{percent} % up to" for percent in PERCENTILES), "longest")
    for name, lengths in report.lengths.items():
        out.add_row(name, f"{lengths.count:,}", *_seconds(lengths))
    return out


def _seconds(lengths: Lengths) -> list[str]:
    if lengths.mean_s is None or lengths.longest_s is None:
        return []
    return [f"{one:,.0f}" for one in (lengths.mean_s, *lengths.percentiles_s.values(), lengths.longest_s)]


def _queues_table(made: Made) -> Table:
    out = Table("queue", "waits", "in time", "told at the start", "told throughout", "hung up", "free", "95 % up to")
    for queue, tally in sorted(made.queues.items()):
        report = tally.report()
        shares = (report.in_time, report.told_at_start, report.told_throughout, report.abandoned, report.free)
        longest_s = report.lengths["all"].percentiles_s.get(95)
        last = "–" if longest_s is None else f"{longest_s:,.0f} s"
        out.add_row(Text(visible(queue)), f"{report.waits:,}", *map(percent, shares), last)
    return out


def _notes(report: Report) -> list[str]:
    told = report.announcements
    lines = [
        f"announcements: {told['all']:,}, of them {told['known']:,} with a time, {told['cut']:,} not played to the end",
        f"times told, against what it took (answered calls): {_in_words(report.estimates)}",
        f"the first time that each was told: {_in_words(report.first_estimates)}",
    ]
    if report.call_backs:
        lines.append(f"asked to be called back: {report.call_backs:,}, of them called: {report.called_back:,}")
    if report.short:
        lines.append(f"short: {report.short:,} ended within {report.limits.told_at_start_s:g} s, before the first word")
    if report.charged_s:
        lines.append(f"charged while waiting: {report.charged_s:,.0f} s in all")
    named = (
        ("not told at the start", report.late_told),
        (f"once not told for more than {report.limits.told_every_s:g} s", report.not_told),
        ("charged while waiting", report.charged),
        ("how it ended is not known", report.unknown),
        ("no end in the evidence", report.open),
        ("no beginning in the evidence", report.not_begun),
    )
    return lines + [_named(what, ids) for what, ids in named if ids]


def _named(what: str, ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - NAMED_AT_MOST:,} more (--json has all)" if len(ids) > NAMED_AT_MOST else ""
    return f"{what}: {', '.join(ids[:NAMED_AT_MOST])}{more}"


def _in_words(estimates: Estimates) -> str:
    if estimates.mean_error_s is None or estimates.bias_s is None or estimates.good is None:
        return "none to compare"
    way = "too long" if estimates.bias_s > 0 else "too short"
    off = f"off by {estimates.mean_error_s:,.0f} s on average ({abs(estimates.bias_s):,.0f} s {way})"
    return f"{estimates.count:,}, {off}, {estimates.good * 100:.1f} % within ±{GOOD_ESTIMATE * 100:g} %"
