"""A leg that runs when a person objects: whom it dials, for whom, and how its agent is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.trunk_legs import READ_TIMEOUT_S
from asterisk_plugin.core.channels import other_half
from asterisk_plugin.errors import ActionRefusedError, ManagerError
from asterisk_plugin.ports import LookUp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.gate import Gate

TOLD = "This person does not want to be called any more"
"""What the agent's telephone shows, where it can show text."""

_MOST_HALVES = 3  # Local channels between a leg and its agent


@dataclass(slots=True)
class RunningLeg:
    """A leg that we dial on a trunk; changes as events come.

    Args:
        channel: Its name.
        since_s: When it was first seen.
        person: Tag of the number it dials; empty while that is not known.
        up: Somebody has answered.
        found: Its CoreShowChannel event when it was found running; then its number is asked for when needed.
        campaign: Id of the campaign it dials for, empty for none; None while nobody asked.
        asking: Asks for its person; everybody who wants to know waits for the same answer.
        hung_up: Asterisk has taken our hang-up.
        flagged: Its agents were told.
    """

    channel: str
    since_s: float
    person: str = ""
    up: bool = False
    found: Mapping[str, str] = field(default_factory=dict)
    campaign: str | None = None
    asking: asyncio.Task[str] | None = None
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

    Args:
        gate: Has the store.
        person: The tag.
        principal: Its id; empty when nobody knows it, and then an objection against any of ours counts.

    Raises:
        StoreError: It cannot say.
    """
    ours = {campaign.principal.id for campaign in gate.site.campaigns.values()} if not principal else set()
    for asked in ours or {principal}:
        query = LookUp(
            person=person,
            principal=asked,
            campaign="",
            limits=(),
            reserve=False,
            attempt_id="",
            token="",
            shown="",
            token_lifetime_s=1,
            now=gate.clock(),
        )
        if (await gate.store.look_up(query)).objections:
            return True
    return False


async def agents_of(manager: Manager, channel: str) -> tuple[str, ...]:
    """The channels that a leg's person talks to now; none when nobody does.

    Args:
        manager: The Asterisk it runs on.
        channel: The leg's.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    agents: list[str] = []
    asked = [channel]
    for _ in range(_MOST_HALVES):
        # With three and more channels in a bridge: all others, with commas between.
        peers = [peer for each in asked for peer in (await read_value(manager, each, "BRIDGEPEER")).split(",") if peer]
        asked = [other for peer in peers if (other := other_half(peer))]
        agents += [peer for peer in peers if not other_half(peer)]
    return tuple(dict.fromkeys(agents + asked))


async def campaign_of(manager: Manager, channel: str) -> str:
    """Id of the campaign that a leg dials for, empty when it has none.

    Raises:
        ManagerError: Asterisk has not answered twice.
    """
    try:
        return await read_value(manager, channel, "RINGFENCE_CAMPAIGN")
    except ManagerError:  # another principal's call must not end because Asterisk was slow once
        return await read_value(manager, channel, "RINGFENCE_CAMPAIGN")


async def read_value(manager: Manager, channel: str, variable: str) -> str:
    """A channel's value, empty when it has none or is gone.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    try:
        answer = await manager.send_action("Getvar", {"Channel": channel, "Variable": variable}, READ_TIMEOUT_S)
    except ActionRefusedError:
        return ""
    return answer[0].get("Value", "")


def messages_to(
    agent: str,
    reference: str,
    *,
    text: str = TOLD,
    event: str = "RingfenceObjection",
    variable: str = "RINGFENCE_OBJECTED",
) -> tuple[tuple[str, dict[str, str]], ...]:
    """What tells an agent's dialplan, an agent's screen, and a telephone that can show text."""
    return (
        ("Setvar", {"Channel": agent, "Variable": variable, "Value": reference or "1"}),
        ("UserEvent", {"UserEvent": event, "Channel": agent, "Reference": reference}),
        ("SendText", {"Channel": agent, "Message": text}),
    )
