"""A leg that runs when a person objects: whom it dials, for whom, and how its agent is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.ports import LookUp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate

TOLD = "This person does not want to be called any more"
"""What the agent's telephone shows, where it can show text."""


@dataclass(slots=True)
class RunningLeg:
    """A leg that we dial on a trunk; changes as events come.

    Args:
        channel: Its name.
        since_s: When it was first seen.
        person: Tag of the number it dials; empty while that is not known.
        up: Somebody has answered.
        found: Its CoreShowChannel event when it was found running; then its number is asked for when needed.
        asked: Its number was asked for.
        hung_up: Asterisk has taken our hang-up.
        flagged: Its agent was told.
    """

    channel: str
    since_s: float
    person: str = ""
    up: bool = False
    found: Mapping[str, str] = field(default_factory=dict)
    asked: bool = False
    hung_up: bool = False
    flagged: bool = False


def e164_of(dialled: str) -> str:
    """The number a leg dials as E.164; empty for what is none.

    Args:
        dialled: `+31201234567`, `31201234567` or `0031201234567`: the only forms the trunk script lets pass.
    """
    digits = dialled[1:] if dialled.startswith("+") else dialled.removeprefix("00")
    return f"+{digits}" if digits.isascii() and digits.isdigit() else ""


def principal_of(gate: Gate, campaign: str) -> str:
    """Principal id of a campaign, empty when the configuration in force does not know it."""
    found = gate.site.campaigns.get(campaign)
    return found.principal.id if found else ""


async def has_objection(gate: Gate, person: str, principal: str) -> bool:
    """Whether the store holds an objection of a person (tag) against calls for a principal.

    Raises:
        StoreError: It cannot say.
    """
    query = LookUp(
        person=person,
        principal=principal,
        campaign="",
        limits=(),
        reserve=False,
        attempt_id="",
        token="",
        shown="",
        token_lifetime_s=1,
        now=gate.clock(),
    )
    return bool((await gate.store.look_up(query)).objections)


def messages_to(agent: str, reference: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """What tells an agent's dialplan, an agent's screen, and a telephone that can show text."""
    return (
        ("Setvar", {"Channel": agent, "Variable": "RINGFENCE_OBJECTED", "Value": reference or "1"}),
        ("UserEvent", {"UserEvent": "RingfenceObjection", "Channel": agent, "Reference": reference}),
        ("SendText", {"Channel": agent, "Message": TOLD}),
    )
