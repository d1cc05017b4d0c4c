"""What a decision is: a verdict, its findings, and what must be kept during the call.

Rule 1: a denial is a value, never an exception.
Rule 2: the worst finding wins (DENY > DEFER > ALLOW), so the order of rules cannot matter.
"""

from __future__ import annotations

import datetime as dt  # imported at run time: pydantic reads these types to store and replay verdicts
import enum
from dataclasses import dataclass


class Decision(enum.IntEnum):
    """What may happen with an attempt; the larger value wins."""

    ALLOW = 0
    DEFER = 1
    DENY = 2


DECISION_NAMES = tuple(decision.name for decision in Decision)
"""By value: quicker than `Decision.name`, and a verdict has a dozen to be written down."""


class Reason(enum.StrEnum):
    """Why an attempt was not allowed. Kebab-case, never re-used, in order of precedence:
    of several findings that weigh the same, the one named first here is the deciding one.
    """

    NUMBER_INVALID = "number-invalid"
    NUMBER_CLASS = "number-class"
    CAMPAIGN_UNKNOWN = "campaign-unknown"
    NO_RULEBOOK = "no-rulebook"
    OBJECTION = "objection"
    CONSENT_EXPIRED = "consent-expired"
    RELATIONSHIP_EXPIRED = "relationship-expired"
    CONSENT_MISSING = "consent-missing"
    CALLER_ID_WITHHELD = "caller-id-withheld"
    CALLER_ID_INVALID = "caller-id-invalid"
    CALLER_ID_NOT_OWNED = "caller-id-not-owned"
    CALLER_ID_CLASS = "caller-id-class"
    ATTEMPT_LIMIT = "attempt-limit"
    LOCK_OUT = "lock-out"
    ABANDONED_RATE = "abandoned-rate"
    CALLING_HOURS = "calling-hours"
    STORE_UNAVAILABLE = "store-unavailable"
    EVIDENCE_UNAVAILABLE = "evidence-unavailable"
    INTERNAL_ERROR = "internal-error"


# Reason ids that the design reserves for parts that are not built yet. Nobody may use them
# for anything else.
RESERVED_REASONS = frozenset({"register-listed", "register-stale"})

EMERGENCY = "emergency"
"""Rule id of the one finding that an emergency call gets; it is never a reason."""


class Confidence(enum.StrEnum):
    """How well a legal value was checked: official text, another source, or memory."""

    SEEN_OFFICIAL = "seen-official"
    SEEN = "seen"
    RECALL = "recall"
    HOUSE = "house"  # not law: a rule of this product or of the admin


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule or number comes from.

    Args:
        text: Short citation, `UWG § 7(2) no. 1`.
        href: Address of the text, empty when none is known.
        confidence: How well the value was checked.
        checked_on: Day on which a person last compared it with the source.
    """

    text: str
    href: str = ""
    confidence: Confidence = Confidence.HOUSE
    checked_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found on one attempt.

    Args:
        rule: Rule id: a value of `Reason`, or the name of what was checked and found in order.
        decision: How much this finding weighs.
        sentence: For a human: what was found, one sentence without a full stop.
        source: Legal or house source; None only for faults.
        not_before: Earliest moment at which a DEFER may be tried again (aware), None when unknown.
    """

    rule: str
    decision: Decision
    sentence: str
    source: Source | None = None
    not_before: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Obligations:
    """What must be kept while an allowed attempt runs.

    Args:
        show_number: The number the called person must see, E.164.
        ring_min_s: Never hang up before this many seconds of ringing.
        ring_max_s: Never ring longer than this many seconds.
    """

    show_number: str = ""
    ring_min_s: int = 15
    ring_max_s: int = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision with everything that led to it.

    Args:
        decision: The worst decision of all findings.
        reason: Reason id of the deciding finding; empty on ALLOW.
        findings: Every finding of every rule, those in order too, in order of rules.
        obligations: What must be kept when the attempt is dialled.
        unchecked: Names of facts that could not be had ("objections", "attempts", ...).
        faults: Rules that raised, `rule id: exception`; each also is an internal-error finding.
        not_before: The latest `not_before` of all DEFER findings; None on ALLOW and DENY.
        rulebook_version: Country and hash of the rulebook used, `NL@1a2b3c4d5e6f`, or empty.
        cause: Q.850 cause for the calling leg when the attempt is not dialled, 0 on ALLOW.
    """

    decision: Decision
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    obligations: Obligations = Obligations()
    unchecked: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    not_before: dt.datetime | None = None
    rulebook_version: str = ""
    cause: int = 0
