"""Shares and lengths: the figures that reports are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

PERCENTILES = (50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some are so.

    Args:
        yes: Those that are.
        no: Those that are not.
        unknown: Those of which the evidence does not tell.
    """

    yes: int = 0
    no: int = 0
    unknown: int = 0

    @property
    def of_known(self) -> float | None:
        """Part of those of which it is known, 0 to 1; None when there are none."""
        return self.yes / (self.yes + self.no) if self.yes + self.no else None

    @property
    def at_least(self) -> float | None:
        """Part of all, with every unknown one counted as not so, 0 to 1; None when there are none."""
        return self.yes / (self.yes + self.no + self.unknown) if self.yes + self.no + self.unknown else None


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long some things took, in seconds.

    Args:
        count: How many.
        mean_s: Mean; None when there are none, as for the others.
        percentiles_s: By percent: so many percent of them were not longer (nearest rank).
        longest_s: The longest.
    """

    count: int
    mean_s: float | None
    percentiles_s: Mapping[int, float]
    longest_s: float | None


def share_values(share: Share) -> dict[str, Any]:
    """A share as JSON-able values."""
    return {
        "yes": share.yes,
        "no": share.no,
        "unknown": share.unknown,
        "of_known": share.of_known,
        "at_least": share.at_least,
    }


def length_values(lengths: Lengths) -> dict[str, Any]:
    """Lengths as JSON-able values."""
    percentiles = {f"p{percent}_s": seconds for percent, seconds in lengths.percentiles_s.items()}
    return {"count": lengths.count, "mean_s": lengths.mean_s, **percentiles, "longest_s": lengths.longest_s}


def share_of(counted: Counter[bool | None]) -> Share:
    """The share of what was counted as so, not so, not known."""
    return Share(counted[True], counted[False], counted[None])


def lengths_of(seconds: Sequence[float]) -> Lengths:
    """Lengths of these seconds, in any order."""
    if not seconds:
        return Lengths(0, None, {}, None)
    ordered = sorted(seconds)
    ranks = {percent: max(1, math.ceil(percent * len(ordered) / 100)) for percent in PERCENTILES}
    percentiles = {percent: ordered[rank - 1] for percent, rank in ranks.items()}
    return Lengths(len(ordered), math.fsum(ordered) / len(ordered), percentiles, ordered[-1])


def between(seconds: Sequence[float], low: float, high: float) -> int:
    """How many are at least `low` and less than `high`."""
    return sum(low <= one < high for one in seconds)
