"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from asterisk_plugin.core.case import Case
from asterisk_plugin.core.verdict import Finding

Check = Callable[[Case], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a pure function and what it needs.

    Args:
        id: Kebab-case; names the rule in faults.
        check: Says what it finds: what stands against the call, or what was checked and is in order.
        needs: Records that `check` reads; it is not run while they could not be had.
        preview: Run instead while there are no records; must not find anything that records could
            lift. None when nothing can be said without them.
    """

    id: str
    check: Check
    needs: frozenset[str] = frozenset()
    preview: Check | None = None
