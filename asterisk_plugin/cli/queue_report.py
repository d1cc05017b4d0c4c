"""What `ringfence queue report` does: reads the waits once, counts them, writes them out, says what came of it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from asterisk_plugin.callflow.queue_waits import read_waits
from asterisk_plugin.cli.exporting import counted, whole_file
from asterisk_plugin.cli.fields import visible
from asterisk_plugin.cli.figures import length_cells, named, percent
from asterisk_plugin.cli.given import console, say
from asterisk_plugin.cli.opened import keys_of_records, ledger_of
from asterisk_plugin.cli.period import Period, parse_period
from asterisk_plugin.cli.pictures import check_picture, hush
from asterisk_plugin.cli.queue_waits import COLUMNS, cells
from asterisk_plugin.core.figures import PERCENTILES
from asterisk_plugin.core.queue_law import limits_of
from asterisk_plugin.core.queue_report import GOOD_ESTIMATE, as_values
from asterisk_plugin.core.queue_tally import Tally
from asterisk_plugin.core.queue_wait import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from asterisk_plugin.core.figures import Share
    from asterisk_plugin.core.queue_report import Estimates, Report
    from asterisk_plugin.core.queue_wait import Wait
    from asterisk_plugin.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Args:
        queue: One queue, empty for all.
        period: Waits that began in these days.
        under_s: An answer after less than so many seconds is in time; None: as the rulebook says.
        every_s: Longest time without an announcement; None: as the rulebook says.
    """

    queue: str
    period: Period
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
    return Asked(queue, parse_period(since, until), under_s, every_s)


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
    check_picture(plot)
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
            period = asked.period
            async for wait in read_waits(ledger, queue=asked.queue, since=period.start, until=period.end):
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
        **asked.period.as_values(),
        "limits": dataclasses.asdict(made.all.limits),
        "all": as_values(made.all.report()),
        "queues": {queue: as_values(tally.report()) for queue, tally in sorted(made.queues.items())},
    }
    return json.dumps(values, indent=2)


def show(made: Made) -> None:
    """Print the report for people."""
    report, out = made.all.report(), console()
    count = f"{report.waits:,} wait{'' if report.waits == 1 else 's'}"
    say(f"{visible(made.asked.whose)}, {made.asked.period.words}: {count}")
    if not report.waits:
        return
    say(f"how they ended: {', '.join(f'{way} {count:,}' for way, count in report.ways.items())}")
    out.print(_shares_table(report))
    out.print(_lengths_table(report))
    if len(made.queues) > 1:
        out.print(_queues_table(made))
    for line in _notes(report):
        say(line)


def _count(made: Made, wait: Wait, table: csv.DictWriter[str] | None) -> None:
    if wait.queue not in made.queues:
        made.queues[wait.queue] = Tally(made.asked.limits_of(wait.queue, made.loaded))
    judged = made.queues[wait.queue].add(wait)
    made.all.add(wait, judged)
    if table is not None:
        table.writerow(cells(wait, judged))


def _draw(made: Made, file: Path, *, form: str) -> None:
    hush()
    from asterisk_plugin.cli.queue_plot import draw

    draw(made.all, file, form=form, title=f"{made.asked.whose}, {made.asked.period.words}")


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
        out.add_row(name, f"{lengths.count:,}", *length_cells(lengths))
    return out


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
    lists = (
        ("not told at the start", report.late_told),
        (f"once not told for more than {report.limits.told_every_s:g} s", report.not_told),
        ("charged while waiting", report.charged),
        ("how it ended is not known", report.unknown),
        ("no end in the evidence", report.open),
        ("no beginning in the evidence", report.not_begun),
    )
    return lines + [named(what, ids) for what, ids in lists if ids]


def _in_words(estimates: Estimates) -> str:
    if estimates.mean_error_s is None or estimates.bias_s is None or estimates.good is None:
        return "none to compare"
    way = "too long" if estimates.bias_s > 0 else "too short"
    off = f"off by {estimates.mean_error_s:,.0f} s on average ({abs(estimates.bias_s):,.0f} s {way})"
    return f"{estimates.count:,}, {off}, {estimates.good * 100:.1f} % within ±{GOOD_ESTIMATE * 100:g} %"
