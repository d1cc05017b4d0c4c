"""What a rule is, and running one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from asterisk_plugin.core.case import Case
from asterisk_plugin.core.verdict import Decision, Finding, Reason

Check = Callable[[Case], Iterable[Finding]]


class Found(NamedTuple):
    """What one rule found, the error it failed with, and whether no record can change it."""

    findings: tuple[Finding, ...] = ()
    fault: str = ""
    is_settled: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of a cache
class Rule:
    """One rule: a pure function and what it needs.

    Args:
        id: Kebab-case; names the rule in faults.
        check: Says what it finds: what stands against the call, or what was checked and is in order.
        needs: Records that `check` reads; it is not run while they could not be had.
        preview: Run instead while there are no records; must not find anything that records could
            lift. None when nothing can be said without them.
        is_settled: Whether no record could change what `check` finds now; then it is run without them, and once.
        of_number: It reads the digits of the called number; of all other rules without `needs`, and of every
            preview, those are kept away, so that what they find holds for every number of its kind.
    """

    id: str
    check: Check
    needs: frozenset[str] = frozenset()
    preview: Check | None = None
    is_settled: Callable[[Case], bool] = lambda _: False
    of_number: bool = False

    def run(self, case: Case) -> Found:
        """Find what there is to find; a rule that fails must not let the call through."""
        has_records = case.facts.records is not None or not self.needs
        try:
            is_settled = not has_records and self.is_settled(case)
            check = self.check if has_records or is_settled else self.preview
            return Found(() if check is None else tuple(check(case)), is_settled=is_settled)
        except Exception as exc:  # noqa: BLE001 - the boundary: see above
            sentence = f"the rule {self.id} failed; the log has the details"
            finding = Finding(Reason.INTERNAL_ERROR, Decision.DEFER, sentence)
            return Found((finding,), f"{self.id}: {type(exc).__name__}: {exc}")
