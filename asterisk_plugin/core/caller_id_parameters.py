"""The shapes of a rulebook's values about the number that is shown."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from asterisk_plugin.core.number import LineType
from asterisk_plugin.core.parameters import Applies, Span


class Owner(enum.StrEnum):
    """To whom the shown number must be assigned."""

    PRINCIPAL = "principal"
    CALL_CENTRE = "call-centre"
    EITHER = "either"


class PlanFor(enum.StrEnum):
    """Which shown numbers must be of the numbering plan."""

    ALL = "all"
    EXTRA = "extra"  # only those shown by right of use, not those assigned to the owner


@dataclass(frozen=True, slots=True)
class NumberOwner:
    """`caller_id_owner`: whose number may be shown.

    Args:
        applies: To which calls.
        owner: To whom it must be assigned.
        right_of_use: A documented right of the owner to show it serves as well.
        numbering_plan: Countries whose numbers may be shown; empty for any.
        plan_for: Which numbers that holds for.
    """

    applies: Applies
    owner: Owner
    right_of_use: bool = False
    numbering_plan: frozenset[str] = frozenset()
    plan_for: PlanFor = PlanFor.ALL


@dataclass(frozen=True, slots=True)
class NumberClass:
    """`caller_id_class`: which kinds of number may be shown.

    Args:
        applies: To which calls.
        allowed_line_types: Only these; empty for any.
        forbidden_line_types: None of these.
        allowed_prefixes: E.164 prefixes, one of which the number must have; empty for any.
        forbidden_prefixes: E.164 prefixes that it must not have.
    """

    applies: Applies
    allowed_line_types: frozenset[LineType] = frozenset()
    forbidden_line_types: frozenset[LineType] = frozenset()
    allowed_prefixes: tuple[str, ...] = ()
    forbidden_prefixes: tuple[str, ...] = ()


class AbroadEffect(enum.StrEnum):
    """What networks do with a domestic number on a call that enters from abroad."""

    HIDDEN = "hidden"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class FromAbroad:
    """`caller_id_from_abroad`: what becomes of a domestic number shown through a foreign trunk.

    Args:
        applies: To which calls.
        effect: What the networks do.
        exempt_line_types: Kinds of number that are left alone.
    """

    applies: Applies
    effect: AbroadEffect
    exempt_line_types: frozenset[LineType] = frozenset()


@dataclass(frozen=True, slots=True)
class CallBack:
    """`call_back`: the shown number must reach somebody when it is called.

    Args:
        applies: To which calls.
        reachable_for: So long after the call; None when no time is stated.
    """

    applies: Applies
    reachable_for: Span | None = None
