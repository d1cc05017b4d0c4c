"""Figures of reports as people read them: a share, lengths, the ids behind a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asterisk_plugin.core.figures import Lengths, Share

NAMED_AT_MOST = 5
"""Ids shown of each kind; JSON has them all."""


def percent(share: Share) -> str:
    """A share in per cent. Cut, not rounded: `100.0 %` means all of them."""
    known = share.yes + share.no
    return f"{share.yes * 1000 // known / 10:.1f} %" if known else "–"


def length_cells(lengths: Lengths, *, digits: int = 0) -> list[str]:
    """Mean, percentiles and longest, as cells of a table; none where there is nothing."""
    if lengths.mean_s is None or lengths.longest_s is None:
        return []
    return [f"{one:,.{digits}f}" for one in (lengths.mean_s, *lengths.percentiles_s.values(), lengths.longest_s)]


def named(what: str, ids: Sequence[str]) -> str:
    """`charged while waiting: 0a1b…, 2c3d… and 7 more (--json has all)`."""
    more = f" and {len(ids) - NAMED_AT_MOST:,} more (--json has all)" if len(ids) > NAMED_AT_MOST else ""
    return f"{what}: {', '.join(ids[:NAMED_AT_MOST])}{more}"
