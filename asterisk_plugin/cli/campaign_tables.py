"""The report of a campaign for people: tables and lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from asterisk_plugin.cli.fields import visible
from asterisk_plugin.cli.figures import length_cells, named, percent
from asterisk_plugin.cli.given import console, say
from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.campaign_tally import daily_share
from asterisk_plugin.core.campaign_windows import formula
from asterisk_plugin.core.figures import PERCENTILES

if TYPE_CHECKING:
    from asterisk_plugin.cli.campaign_report import Made
    from asterisk_plugin.core.campaign_report import CampaignReport
    from asterisk_plugin.core.campaign_windows import RateWindow

_SHARES = {
    "abandoned": "abandoned (the message was played), of live calls",
    "silent": "silent (nothing was played), of live calls",
    "lost": "abandoned or silent, of live calls",
    "abandoned_of_attempts": "abandoned, of all attempts",
    "lost_of_attempts": "abandoned or silent, of all attempts",
}


def show(made: Made) -> None:
    """Print the report."""
    report, out = made.tally.report(), console()
    campaign = made.asked.campaign
    count = f"{report.attempts:,} attempt{'' if report.attempts == 1 else 's'}"
    say(f"campaign {campaign.id} of {visible(campaign.principal.name)}, {made.asked.period.words}: {count}")
    if not report.attempts:
        return
    say(f"answered {report.answered:,}, by a person (live) {report.live:,}")
    for table in (_outcomes_table(report), _shares_table(report)):
        out.print(table)
    if report.windows:
        out.print(_windows_table(report))
    else:
        where = report.limits.country or "an unknown country"
        say(f"calls without an agent: no limit is in force for this campaign in {where}")
    out.print(_lengths_table(report))
    out.print(_days_table(report))
    out.print(_hours_table(report))
    for line in _notes(report):
        say(line)


def _outcomes_table(report: CampaignReport) -> Table:
    out = Table("outcome", "attempts", "of all", "of them not wholly seen")
    for outcome, count in report.outcomes.items():
        share = f"{count * 1000 // report.attempts / 10:.1f} %"
        unsure = report.unsure.get(outcome, 0)
        out.add_row(outcome, f"{count:,}", share, f"{unsure:,}" if unsure else "")
    return out


def _shares_table(report: CampaignReport) -> Table:
    out = Table("what", "share", "calls", "not known", "worst day")
    start = "answer" if report.limits.agent_from_answer else "greeting"
    words = {
        **_SHARES,
        "agent_in_time": f"agent within {report.limits.agent_within_s:g} s of the {start}, of live calls",
    }
    for name, what in words.items():
        share, worst = report.shares[name], report.worst.get(name)
        shown = "" if worst is None else f"{worst.day}: {percent(worst.share)} ({worst.share.yes:,})"
        known = f"{share.yes:,} of {share.yes + share.no:,}"
        out.add_row(what, percent(share), known, f"{share.unknown:,}" if share.unknown else "", shown)
    return out


def _windows_table(report: CampaignReport) -> Table:
    """Each limit with its formula, its worst window and its last one."""
    out = Table("limit", "formula", "at most", "windows", "over it", "worst", "last")
    by_limit: dict[str, list[RateWindow]] = {}
    for window in report.windows:
        by_limit.setdefault(window.limit.id, []).append(window)
    for name, windows in by_limit.items():
        value, over = windows[-1].limit.value, sum(not window.is_kept for window in windows)
        worst = max(windows, key=lambda window: (not window.is_kept, window.share or 0))
        out.add_row(
            name,
            formula(value),
            f"{value.max_share_percent} %",
            f"{len(windows):,}",
            Text(f"{over:,}" if over else "", style="bold red"),
            *(_window_words(window) for window in (worst, windows[-1])),
        )
    return out


def _window_words(window: RateWindow) -> str:
    """`2026-11-24: 3.3 % (13 of 393)`. Rounded up, so that what is over a limit does not look as if it were not."""
    first, last = window.limit.first_day, window.last_day
    days = f"{first}" if first == last else f"{first} to {last}"
    share = "–" if window.share is None else f"{math.ceil(round(window.share * 1000, 6)) / 10:.1f} %"
    return f"{days}: {share} ({window.abandoned:g} of {window.of:,}){'' if window.is_whole else ', in part'}"


def _lengths_table(report: CampaignReport) -> Table:
    out = Table("seconds", "calls", "mean", *(f"{percent} % up to" for percent in PERCENTILES), "longest")
    for name, lengths in report.lengths.items():
        if lengths.count:
            out.add_row(name, f"{lengths.count:,}", *length_cells(lengths, digits=1))
    return out


def _days_table(report: CampaignReport) -> Table:
    out = Table("day", "attempts", "live", "abandoned", "silent", "lost, of live", "lost, of attempts")
    for day, ended in report.days.items():
        by_outcome = {Outcome(outcome): count for outcome, count in ended.items()}
        lost, of_attempts = (daily_share(name, by_outcome) for name in ("lost", "lost_of_attempts"))
        counts = (sum(ended.values()), lost.yes + lost.no, ended.get("abandoned", 0), ended.get("silent", 0))
        out.add_row(day.isoformat(), *(f"{count:,}" for count in counts), percent(lost), percent(of_attempts))
    return out


def _hours_table(report: CampaignReport) -> Table:
    out = Table("hour of the day", "attempts", "live", "lost")
    for hour, one in enumerate(report.hours):
        if one.attempts:
            lost = Text(f"{one.lost:,}") if one.lost else Text("")
            out.add_row(f"{hour:02}:00 to {hour:02}:59", f"{one.attempts:,}", f"{one.live:,}", lost)
    return out


def _notes(report: CampaignReport) -> list[str]:
    limits = report.limits
    where = limits.ring_source or "the gate's own, the rulebook is silent"
    lines = [
        f"ring time, on the last day: {limits.ring_min_s} to {limits.ring_max_s} s ({where}; {limits.country})",
        f"agent within {limits.agent_within_s:g} s, on the last day ({limits.agent_source or 'the usual value'})",
        f"given up sooner: {len(report.named['rung_short']):,}; rang longer: {len(report.named['rung_long']):,}",
        f"message played: {report.messages:,}",
    ]
    if report.machines:
        causes = ", ".join(f"{why} {count:,}" for why, count in report.machines.items())
        lines.append(f"machines, by what showed them: {visible(causes)}")
    if report.unsure:
        count = sum(report.unsure.values())
        lines.append(f"not wholly seen: {count:,}; they are counted as the worst they can have been")
    lists = (
        ("abandoned", "abandoned"),
        ("silent", "silent"),
        (f"an agent came later than {limits.agent_within_s:g} s", "late_agent"),
        ("given up sooner than allowed", "rung_short"),
        ("rang longer than allowed", "rung_long"),
        ("not wholly seen", "unsure"),
    )
    return lines + [named(what, report.named[name]) for what, name in lists if report.named[name]]
