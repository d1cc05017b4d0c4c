"""The picture of a campaign's report. Only imported when one is drawn: matplotlib takes most of a second to load."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter, DayLocator, date2num
from matplotlib.ticker import MaxNLocator, PercentFormatter

from asterisk_plugin.cli.pictures import BLUE, GREEN, LEGEND, ORANGE, RED, nearly_longest, new_figure
from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.campaign_tally import daily_share
from asterisk_plugin.core.campaign_windows import formula
from asterisk_plugin.core.rate_parameters import RatePer
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from asterisk_plugin.core.campaign_tally import Tally
    from asterisk_plugin.core.campaign_windows import RateWindow

_BINS = 60
GREY, VIOLET = "#b5b5b5", "#6d4c9f"
_LINES = {
    "abandoned": ("abandoned, of live calls", ORANGE, "o"),
    "silent": ("silent, of live calls", VIOLET, "s"),
    "abandoned_of_attempts": ("abandoned, of all attempts", "#999999", "^"),
}
_COLOURS = {
    Outcome.PERSON: BLUE,
    Outcome.MACHINE: "#8fb8de",
    Outcome.NO_ANSWER: "#d9d9d9",
    Outcome.BUSY: GREY,
    Outcome.REFUSED: "#8c8c8c",
    Outcome.FAILED: "#5f5f5f",
    Outcome.DROPPED: GREEN,
    Outcome.ABANDONED: ORANGE,
    Outcome.SILENT: VIOLET,
}
"""In the order in which they are stacked, the worst on top."""


def draw(tally: Tally, file: Path, *, form: str, title: str) -> None:
    """Draw a report.

    Args:
        tally: What was counted.
        file: Where to; it is overwritten.
        form: `png`, `svg` or `pdf`.
        title: What it is about.

    Raises:
        InputError: No attempt was counted, so there is nothing to draw.
        OSError: The file cannot be written.
    """
    count = tally.attempts
    if not count:
        raise InputError("no attempt of that campaign ended in that period: there is nothing to draw")
    title = f"{title}: {count:,} attempt{'' if count == 1 else 's'}"
    with new_figure(file, form=form, title=title, size=(13, 10.5)) as figure:
        axes = figure.subplot_mosaic([["shares", "outcomes"], ["rings", "delays"]])
        _draw_shares(axes["shares"], tally)
        _draw_outcomes(axes["outcomes"], tally)
        _draw_rings(axes["rings"], tally)
        _draw_delays(axes["delays"], tally)


def _draw_shares(axes: Axes, tally: Tally) -> None:
    """Abandoned and silent calls, day by day."""
    most = 0.0
    for name, (label, colour, marker) in _LINES.items():
        found = [(day, share) for day in sorted(tally.by_day) if (share := _part(name, tally.by_day[day])) is not None]
        most = max([most, *(share for _, share in found)])
        _draw_runs(axes, found, label=label, color=colour, marker=marker, markersize=4, linewidth=1.2)
    most = max([most, *_draw_limits(axes, tally)])
    _name_days(axes, tally)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    top = max(0.01, 1.1 * most)
    axes.set(ylabel="share of the day's calls", ylim=(-0.03 * top, top))  # a limit of none must be seen
    axes.set_title("Calls without an agent, by day")
    axes.grid(axis="y", alpha=0.3)
    if axes.get_lines():
        _name_below(axes, columns=2)


def _draw_limits(axes: Axes, tally: Tally) -> list[float]:
    """The share that counts for each limit, in black, under its limit in red; gives how high they reach."""
    by_limit: dict[str, list[RateWindow]] = {}
    for window in tally.windows:
        by_limit.setdefault(window.limit.id, []).append(window)
    for windows in by_limit.values():
        value = windows[-1].limit.value
        starts = [date2num(window.limit.first_day) - 0.5 for window in windows]
        # Days without attempts have no window: the limit goes on all the same.
        ends = [*starts[1:], date2num(windows[-1].last_day) + 0.5]
        limits = [window.limit.value.max_share_percent / 100 for window in windows]
        words = formula(value)
        axes.hlines(
            limits, starts, ends, color=RED, linewidth=1.5, label=f"at most {value.max_share_percent} % {words}"
        )
        if value.per is RatePer.DAY:
            found = [(window.limit.first_day, window.share) for window in windows if window.share is not None]
            _draw_runs(axes, found, label=words, color="black", marker="D", markersize=5, linewidth=1.8)
        else:
            shares = [math.nan if window.share is None else window.share for window in windows]
            axes.hlines(shares, starts, ends, color="black", linewidth=2, label=words)
    return [height for one in tally.windows for height in (one.share or 0, one.limit.value.max_share_percent / 100)]


def _draw_runs(axes: Axes, found: Sequence[tuple[dt.date, float]], *, label: str, **style: Any) -> None:
    """A line through the days; it is broken where nobody was called for long."""
    for place, run in enumerate(_unbroken(found)):
        days, shares = zip(*run, strict=True)
        axes.plot([date2num(day) for day in days], shares, label=None if place else label, **style)


def _draw_outcomes(axes: Axes, tally: Tally) -> None:
    """How the attempts of each day ended."""
    days = sorted(tally.by_day)
    total = sum(tally.by_day.values(), Counter[Outcome]())
    below = [0] * len(days)
    for outcome, colour in _COLOURS.items():
        if not total[outcome]:
            continue
        counts = [tally.by_day[day][outcome] for day in days]
        places = [date2num(day) for day in days]
        label = f"{outcome.value} ({total[outcome]:,})"
        axes.bar(places, counts, bottom=below, width=0.8, color=colour, label=label, linewidth=0)
        below = [low + count for low, count in zip(below, counts, strict=True)]
    _name_days(axes, tally)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylabel="attempts per day", ylim=(0, 1.05 * max(below)))
    axes.set_title("How attempts ended, by day")
    _name_below(axes, columns=3)


def _draw_rings(axes: Axes, tally: Tally) -> None:
    """How long it rang, with the shortest and the longest time allowed."""
    limits = tally.limits
    # Whole seconds, so that no bar lies on both sides of a limit; what is told of ringing is good to a tenth.
    _draw_bars(axes, tally.rings_s, (BLUE, GREY), mark_s=limits.ring_max_s, width_s=1, slack_s=0.05)
    axes.axvline(limits.ring_min_s, color=RED, linewidth=1.5, linestyle="--", label=f"at least {limits.ring_min_s} s")
    axes.axvline(limits.ring_max_s, color=RED, linewidth=1.5, label=f"at most {limits.ring_max_s} s")
    axes.set(xlabel="seconds it rang" + axes.get_xlabel())
    axes.set_title("How long it rang")
    _name_below(axes, columns=2)


def _draw_delays(axes: Axes, tally: Tally) -> None:
    """How soon an agent was there, with the time until which one is there in time."""
    within_s = tally.limits.agent_within_s
    _draw_bars(axes, tally.delays_s, (BLUE, GREEN), mark_s=within_s, width_s=within_s / 20, slack_s=0)
    axes.axvline(within_s, color=RED, linewidth=1.5, label=f"at most {within_s:g} s")
    axes.set(xlabel="seconds until an agent was there" + axes.get_xlabel())
    axes.set_title("How soon an agent was there")
    _name_below(axes, columns=2)


def _draw_bars(
    axes: Axes,
    some_s: Mapping[str, Sequence[float]],
    colours: Sequence[str],
    *,
    mark_s: float,
    width_s: float,
    slack_s: float,
) -> None:
    """A histogram of some times, stacked; the label of the x axis tells how many lie beyond it."""
    every = [seconds for one in some_s.values() for seconds in one]
    shown_s = max(nearly_longest(every) if every else 0.0, 1.5 * mark_s)
    # One bar ends at the mark, also where the bars must be wider.
    width_s *= max(1, math.ceil(shown_s / width_s / _BINS))
    width_s = mark_s / max(1, round(mark_s / width_s))
    edges = [place * width_s for place in range(math.ceil(shown_s / width_s) + 1)]
    beyond = sum(seconds > edges[-1] for seconds in every)
    axes.hist(
        # What takes just as long as allowed stands before the mark.
        [[min(one, mark_s - 1e-9) if one <= mark_s + slack_s else one for one in some] for some in some_s.values()],
        bins=edges,
        stacked=True,
        color=colours,
        label=[f"{name} ({len(some):,})" for name, some in some_s.items()],
        edgecolor="white",
        linewidth=0.4,
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylabel=f"calls per {width_s:g} s", xlim=(0, edges[-1]))
    axes.set_xlabel(f" ({beyond:,} longer, not shown)" if beyond else "")


def _name_below(axes: Axes, *, columns: int) -> None:
    """The legend below the axes, so that nothing that is drawn lies under it."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=9, ncols=columns, **LEGEND)


def _name_days(axes: Axes, tally: Tally) -> None:
    days, half = sorted(tally.by_day), dt.timedelta(hours=18)
    start, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (days[0], days[-1]))
    axes.set_xlim(date2num(start - half), date2num(end + half))
    # Few days would be named by their hours.
    few = (days[-1] - days[0]).days < 10
    locator = DayLocator(tz=dt.UTC) if few else AutoDateLocator(tz=dt.UTC, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    one = DateFormatter("%Y-%m-%d", tz=dt.UTC) if len(days) == 1 else ConciseDateFormatter(locator, tz=dt.UTC)
    axes.xaxis.set_major_formatter(one)
    axes.set_xlabel("day on which the attempt began", loc="left")  # month and year stand on the right


def _part(name: str, ended: Mapping[Outcome, int]) -> float | None:
    return daily_share(name, ended).of_known


def _unbroken(found: Sequence[tuple[dt.date, float]]) -> list[list[tuple[dt.date, float]]]:
    """Runs of days; a pause of a weekend does not part them."""
    runs: list[list[tuple[dt.date, float]]] = []
    for one in found:
        if runs and one[0] - runs[-1][-1][0] <= dt.timedelta(days=3):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs
