"""The picture of a queue report. Only imported when one is drawn: matplotlib takes most of a second to load."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import MaxNLocator, PercentFormatter

from asterisk_plugin.cli.pictures import BLUE, GREEN, LEGEND, ORANGE, RED, nearly_longest, new_figure, nice_width_s
from asterisk_plugin.core.queue_report import GOOD_ESTIMATE
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from asterisk_plugin.core.queue_tally import Tally

    _Found = tuple[dt.datetime, Counter[bool | None]]

MOST_POINTS = 4000
"""Points of the cloud: more make one blot, and a picture of many megabytes."""

_BINS = 48


def draw(tally: Tally, file: Path, *, form: str, title: str) -> None:
    """Draw a report.

    Args:
        tally: What was counted.
        file: Where to; it is overwritten.
        form: `png`, `svg` or `pdf`.
        title: What it is about.

    Raises:
        InputError: No wait has an end, so there is nothing to draw.
        OSError: The file cannot be written.
    """
    if not any(tally.lengths_s.values()):
        raise InputError("no wait with a known length is recorded there: there is nothing to draw")
    waits = tally.report().waits
    with new_figure(file, form=form, title=f"{title}: {waits:,} wait{'' if waits == 1 else 's'}") as figure:
        axes = figure.subplot_mosaic([["lengths", "lengths"], ["time", "told"]])
        _draw_lengths(axes["lengths"], tally)
        _draw_over_time(axes["time"], tally)
        _draw_estimates(axes["told"], tally)


def _draw_lengths(axes: Axes, tally: Tally) -> None:
    """How long they waited, with the mark until which an answer is in time."""
    answered = tally.lengths_s.get(Left.ANSWERED, [])
    other = [seconds for how, some in tally.lengths_s.items() if how is not Left.ANSWERED for seconds in some]
    limit_s = tally.limits.answered_in_under_s
    shown_s = max(nearly_longest([*answered, *other]), 1.5 * limit_s)
    width_s = nice_width_s(shown_s, _BINS)
    # Whole bins up to the mark, so that none lies on both sides of it.
    width_s = limit_s / max(1, round(limit_s / width_s))
    edges = [place * width_s / 60 for place in range(math.ceil(shown_s / width_s) + 1)]
    beyond = sum(seconds / 60 > edges[-1] for some in (answered, other) for seconds in some)
    axes.hist(
        [[seconds / 60 for seconds in some] for some in (answered, other)],
        bins=edges,
        stacked=True,
        color=[BLUE, ORANGE],
        label=[f"answered by an agent ({len(answered):,})", f"ended in another way ({len(other):,})"],
        edgecolor="white",
        linewidth=0.4,
    )
    axes.axvline(limit_s / 60, color=RED, linewidth=1.5, label=f"{_minutes(limit_s)}: answered before is in time")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="minutes waited", ylabel=f"waits per {width_s:g} s", xlim=(0, edges[-1]))
    axes.set_title("How long callers waited" + (f" ({beyond:,} longer ones are not shown)" if beyond else ""))
    axes.legend(loc="best", **LEGEND)


def _draw_over_time(axes: Axes, tally: Tally) -> None:
    """The share answered in time, by hour in a short period, else by day."""
    hours = sorted(tally.by_hour)
    by_day = bool(hours) and hours[-1] - hours[0] > dt.timedelta(days=3)
    step, unit = (dt.timedelta(days=1), "day") if by_day else (dt.timedelta(hours=1), "hour")
    found: dict[dt.datetime, Counter[bool | None]] = defaultdict(Counter)
    for hour in hours:
        found[hour.replace(hour=0) if by_day else hour] += tally.by_hour[hour]
    wanted = tally.limits.answered_share
    axes.axhline(wanted, color=RED, linewidth=1.5)
    # No line through the night: nobody was there to be answered.
    for run in _unbroken([(when, one) for when, one in found.items() if one[True] + one[False]], step):
        shares = [one[True] / (one[True] + one[False]) for _, one in run]
        axes.plot([date2num(when) for when, _ in run], shares, color=BLUE, marker="o", markersize=4, linewidth=1)
    if hours:
        axes.set_xlim(date2num(hours[0] - step), date2num(hours[-1] + step))
    locator = AutoDateLocator(tz=dt.UTC, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=dt.UTC))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set(ylim=(-0.02, 1.03), ylabel="share of all waits", xlabel=f"{unit} of joining (UTC)")
    axes.set_title(
        f"Answered in under {_minutes(tally.limits.answered_in_under_s)}, per {unit} (red: {wanted * 100:g} %)"
    )
    axes.grid(axis="y", alpha=0.3)


def _unbroken(found: list[_Found], step: dt.timedelta) -> list[list[_Found]]:
    """Runs of moments that lie one step apart."""
    runs: list[list[_Found]] = []
    for one in found:
        if runs and one[0] - runs[-1][-1][0] <= step:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _draw_estimates(axes: Axes, tally: Tally) -> None:
    """What callers were told, against what it then took."""
    pairs = tally.estimates_s
    if not pairs:
        axes.set_axis_off()
        axes.set_title("Times told: none to compare")
        return
    shown = pairs[:: math.ceil(len(pairs) / MOST_POINTS)]
    most = max(nearly_longest([seconds for pair in pairs for seconds in pair]) / 60, 1.0)
    low, high = 1 - GOOD_ESTIMATE, 1 + GOOD_ESTIMATE
    band = f"within ±{GOOD_ESTIMATE * 100:g} %"
    axes.fill_between([0, most], [0, low * most], [0, high * most], color=GREEN, alpha=0.3, linewidth=0, label=band)
    axes.plot([0, most], [0, most], color="#444444", linewidth=1, label="it took as long as told")
    axes.scatter(
        [real_s / 60 for _, real_s in shown],
        [told_s / 60 for told_s, _ in shown],
        s=9,
        color=BLUE,
        alpha=0.35 if len(shown) > 300 else 0.7,
        linewidths=0,
        rasterized=True,
    )
    axes.set(xlim=(0, most), ylim=(0, most), xlabel="minutes that it then took", ylabel="minutes told")
    sample = f" ({len(shown):,} of {len(pairs):,} are shown)" if len(shown) < len(pairs) else f" ({len(pairs):,})"
    axes.set_title("Times told, and how long it took" + sample)
    axes.legend(loc="upper left", **LEGEND)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
