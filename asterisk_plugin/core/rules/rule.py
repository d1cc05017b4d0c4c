"""What a rule is, and running one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from asterisk_plugin.core.case import Case
from asterisk_plugin.core.verdict import Decision, Finding, Reason

Check = Callable[[Case], Iterable[Finding]]


class Found(NamedTuple):
    """What one rule found, and the error it failed with."""

    findings: tuple[Finding, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of a cache
class Rule:
    """One rule: a pure function and what it needs.

    Args:
        id: Kebab-case; names the rule in faults.
        check: Says what it finds: what stands against the call, or what was checked and is in order.
        needs: Records that `check` reads; it is not run while they could not be had.
        preview: Run instead while there are no records; must not find anything that records could
            lift. None when nothing can be said without them.
        of_number: It reads the digits of the called number; of all other rules without `needs`, and of every
            preview, those are kept away, so that what they find holds for every number of its kind.
    """

    id: str
    check: Check
    needs: frozenset[str] = frozenset()
    preview: Check | None = None
    of_number: bool = False

    def run(self, case: Case) -> Found:
        """Find what there is to find; a rule that fails must not let the call through."""
        check = self.check if case.facts.records is not None or not self.needs else self.preview
        if check is None:
            return Found()
        try:
            return Found(tuple(check(case)))
        except Exception as exc:  # noqa: BLE001 - the boundary: see above
            sentence = f"the rule {self.id} failed; the log has the details"
            finding = Finding(Reason.INTERNAL_ERROR, Decision.DEFER, sentence)
            return Found((finding,), f"{self.id}: {type(exc).__name__}: {exc}")
