"""The records: without them nothing is dialled."""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.core.verdict import Decision, Finding, Reason


def check(case: Case) -> Iterator[Finding]:
    """Defer an attempt about which the store could not be asked; not when there is nobody to ask about."""
    facts = case.facts
    if facts.records is not None or facts.campaign is None or not isinstance(facts.called, PhoneNumber):
        return
    why = f": {facts.records_fault}" if facts.records_fault else ""
    sentence = f"what is recorded about this number cannot be read{why}"
    yield Finding(Reason.STORE_UNAVAILABLE, Decision.DEFER, sentence, HOUSE)
