"""What every picture of a report has in common. matplotlib is loaded when one is drawn: it takes most of a second."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from typing import TYPE_CHECKING

from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
"""Kinds of pictures, as their names end."""

BLUE, ORANGE, GREEN, RED = "#2f6db3", "#e39b3b", "#7fb685", "#b3261e"
"""Colours; limits are red."""

LEGEND = {"frameon": True, "framealpha": 0.8, "edgecolor": "none"}

NICE_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Widths of bars, in seconds, that people read easily."""

# A moment of making in the file would tell two pictures of the same apart.
_NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def check_picture(file: Path | None) -> None:
    """Return if a picture of this name can be drawn; None: none is wanted.

    Raises:
        InputError: It cannot.
    """
    if file is not None and file.suffix.lower() not in PICTURES:
        known = f"{', '.join(PICTURES[:-1])} or {PICTURES[-1]}"
        raise InputError(f"`{file}` is no picture that can be drawn; its name must end with {known}")


def hush() -> None:
    """Before matplotlib is loaded: it says on standard error that it looks for fonts; nobody needs to know."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


@contextlib.contextmanager
def new_figure(file: Path, *, form: str, title: str, size: tuple[float, float] = (11, 8.5)) -> Iterator[Figure]:
    """A figure to draw on; it is written at the end, the same file for the same drawing.

    Args:
        file: Where to; it is overwritten.
        form: Ending of its name without the dot.
        title: What it is about.
        size: Inches.

    Raises:
        OSError: The file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context({"svg.hashsalt": "ringfence", "font.size": 10}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.12))
        figure.suptitle(f"{title[:1].upper()}{title[1:]}", fontsize=14, weight="bold", parse_math=False)
        yield figure
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, format=form, dpi=130, metadata=_NO_DATE.get(form))


def nearly_longest(seconds: Sequence[float]) -> float:
    """So long that only few are longer: one call of an hour must not press all others into a corner."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, math.ceil(0.995 * len(ordered)))]


def nice_width_s(shown_s: float, most: int) -> float:
    """Width of the bars that show so many seconds with at most so many bars."""
    return next((nice for nice in NICE_S if shown_s / nice <= most), shown_s / most)
