"""The called number: is it one, and is it of a kind that may be called?"""

from __future__ import annotations

from collections.abc import Iterator

from asterisk_plugin.core.case import HOUSE, Case
from asterisk_plugin.core.number import UnusableNumber
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Source

_NEVER_CALL = Source("`never_call` in the settings of this gate")


def check(case: Case) -> Iterator[Finding]:
    """Refuse what is no number and what is of a class never to be called."""
    called = case.facts.called
    if isinstance(called, UnusableNumber):
        sentence = f"`{called.text}` cannot be called: {called.why}"
        yield Finding(Reason.NUMBER_INVALID, Decision.DENY, sentence, HOUSE)
    elif called.line_type in case.facts.site.never_call:
        sentence = f"{called.line_type} numbers are never called"
        yield Finding(Reason.NUMBER_CLASS, Decision.DENY, sentence, _NEVER_CALL)
    else:
        sentence = f"{called.e164} is a valid {called.line_type} number"
        yield Finding("number", Decision.ALLOW, sentence, HOUSE)
