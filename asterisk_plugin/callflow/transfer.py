"""Sends the called person of a running call to the objection line, over AMI.

Whoever asks names a channel, the agent's or the person's own. The leg that is sent on is always one on a
trunk that the gate let out, which `ringfence-trunk` marked, and it always goes to the same place: a name that
somebody makes up can lead no call anywhere else, and no emergency call, and nobody who called in, anywhere.

Asterisk's list of channels says which of them share a bridge. Between an agent and the person there may be
Local channels, each with two halves in two bridges; they are followed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.trunk_legs import UP, trunk_of
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import ActionRefusedError, InputError, ManagerLostError, NoSuchCallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asterisk_plugin.callflow.ami_listener import Manager

    Fields = Mapping[str, str]

CONTEXT, EXTENSION, PRIORITY = "ringfence-objection", "transfer", "1"
TIMEOUT_S = 3.0
MARK = "RINGFENCE_CALLED"
"""What `ringfence-trunk` sets on the leg of a called person: the number."""

_log = logging.getLogger("ringfence.transfer")


@dataclass(frozen=True, slots=True)
class WatchedTrunks:
    """One Asterisk as far as a transfer needs it.

    Args:
        name: Its name in the settings.
        manager: Its manager interface.
        trunks: Channel prefixes of its trunks.
    """

    name: str
    manager: Manager
    trunks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Transferred:
    """A person on the way to the objection line.

    Args:
        asterisk: Name of the Asterisk.
        channel: The person's leg.
    """

    asterisk: str
    channel: str


async def transfer(channel: str, asterisks: Sequence[WatchedTrunks], *, asterisk: str = "") -> Transferred:
    """Send the person at the other end of a call to the objection line; the agent's channel is free at once.

    Args:
        channel: The agent's channel, or the person's own: `PJSIP/agent17-0000002a`.
        asterisks: Every Asterisk that is known.
        asterisk: Name of the one it is on; empty to look on all.

    Raises:
        NoSuchCallError: The channel is not there, nobody on a trunk is at its other end, or the gate did not let
            this call out.
        InputError: There is no Asterisk of that name, or several have a channel of this name.
        ManagerError: An Asterisk cannot be asked, or refused.
    """
    if not asterisks:
        raise InputError("no Asterisk is configured; `[[asterisk]]` in ringfence.toml names one")
    asked = [one for one in asterisks if asterisk in ("", one.name)]
    if not asked:
        known = ", ".join(f"`{one.name}`" for one in asterisks)
        raise InputError(f"there is no Asterisk `{asterisk[:40]}`; known: {known}")
    lists = await asyncio.gather(*(_channels(one) for one in asked), return_exceptions=True)
    found = [
        (one, channels)
        for one, channels in zip(asked, lists, strict=True)
        if not isinstance(channels, BaseException) and channel in channels
    ]
    if len(found) > 1:
        names = ", ".join(f"`{one.name}`" for one, _ in found)
        raise InputError(f"several Asterisks have a channel of this name: {names}; name one")
    if not found:
        # One that did not answer may have it.
        for failed in lists:
            if isinstance(failed, BaseException):
                raise failed
        raise NoSuchCallError("there is no such channel")
    ((one, channels),) = found
    leg = person_leg(channel, channels.values(), one.trunks)
    if not leg:
        raise NoSuchCallError("nobody on a trunk is at the other end of this channel, or they have not answered")
    if not await _is_marked(one, leg):
        raise NoSuchCallError("this is no call that the gate let out")
    await _redirect(one, leg)
    return Transferred(one.name, leg)


def person_leg(channel: str, channels: Iterable[Fields], trunks: Sequence[str]) -> str:
    """The answered leg on a trunk that a channel is, or talks to; empty when there is not exactly one.

    Args:
        channel: A channel's name.
        channels: The fields of every running channel (CoreShowChannel).
        trunks: Channel prefixes of trunks.
    """
    by_name = {fields.get("Channel", ""): fields for fields in channels}
    by_bridge: dict[str, list[str]] = {}
    for name, fields in by_name.items():
        if bridge := fields.get("BridgeId"):
            by_bridge.setdefault(bridge, []).append(name)
    seen, ahead = set[str](), [channel]
    while ahead:
        name = ahead.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        if trunk_of(name, trunks):
            continue  # behind the person there is nobody to look for
        ahead += by_bridge.get(by_name[name].get("BridgeId", ""), [])
        ahead.append(_other_half(name))
    legs = [name for name in seen if trunk_of(name, trunks) and by_name[name].get("ChannelState") == UP]
    return legs[0] if len(legs) == 1 else ""


def _other_half(name: str) -> str:
    """The other half of a Local channel; empty for any other."""
    if not name.startswith("Local/") or name[-2:] not in (";1", ";2"):
        return ""
    return f"{name[:-1]}{'2' if name.endswith('1') else '1'}"


async def _channels(one: WatchedTrunks) -> dict[str, Fields]:
    messages = await one.manager.send_action("CoreShowChannels", {}, TIMEOUT_S)
    return {fields["Channel"]: fields for fields in messages[1:] if fields.get("Channel")}


async def _is_marked(one: WatchedTrunks, leg: str) -> bool:
    answer = await _ask_about_leg(one, "Getvar", {"Channel": leg, "Variable": MARK})
    return answer[0].get("Value", "").strip() != ""


async def _redirect(one: WatchedTrunks, leg: str) -> None:
    try:
        await _ask_about_leg(
            one, "Redirect", {"Channel": leg, "Context": CONTEXT, "Exten": EXTENSION, "Priority": PRIORITY}
        )
    except ManagerLostError as exc:
        raise ManagerLostError(f"whether `{one.name}` has sent the call on is not known: {exc}") from exc
    _log.info("%s: `%s` was sent to the objection line", one.name, without_number(leg))


async def _ask_about_leg(one: WatchedTrunks, action: str, fields: Fields) -> Sequence[Fields]:
    try:
        return await one.manager.send_action(action, fields, TIMEOUT_S)
    except ActionRefusedError as exc:
        if "not exist" in str(exc) or "No such channel" in str(exc):
            raise NoSuchCallError("the call has just ended") from exc
        raise
