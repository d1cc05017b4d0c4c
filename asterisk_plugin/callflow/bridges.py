"""Which channels hear each other: bridges, and the Local channels that join two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.core.channels import other_half

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Fields = Mapping[str, str]

NOBODY = ("CBAnn", "CBRec", "Announcer", "Recorder", "Message", "Surrogate", "AudioSocket", "UnicastRTP")
"""Technologies of channels in which nobody is: announcements, recordings, conference parts."""


class Bridges:
    """The bridges of one Asterisk, by what AMI tells of them."""

    def __init__(self) -> None:
        self._bridge_of: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}

    def take(self, event: Fields) -> frozenset[str]:
        """Take a BridgeEnter, BridgeLeave or BridgeDestroy.

        Returns:
            Everybody who now hears the one who came; nobody when somebody left.
        """
        channel, bridge = event.get("Channel", ""), event.get("BridgeUniqueid", "")
        match event.get("Event"):
            case "BridgeEnter" if channel and bridge:
                self._enter(channel, bridge)
                return self.with_channel(channel)
            case "BridgeLeave":
                self._leave(channel)
            case "BridgeDestroy":
                for each in self._members.pop(bridge, set()):
                    self._bridge_of.pop(each, None)
        return frozenset()

    def know(self, channels: Iterable[Fields]) -> None:
        """Learn from a list of running channels (`CoreShowChannel`)."""
        for fields in channels:
            if fields.get("Channel") and fields.get("BridgeId"):
                self._enter(fields["Channel"], fields["BridgeId"])

    def with_channel(self, channel: str) -> frozenset[str]:
        """Everybody who hears a channel, itself included where it is somebody; nobody while it is in no bridge."""
        people: set[str] = set()
        seen: set[str] = set()
        to_see = [channel]
        while to_see:
            bridge = self._bridge_of.get(to_see.pop())
            if bridge is None or bridge in seen:
                continue
            seen.add(bridge)
            for member in self._members[bridge]:
                if half := other_half(member):
                    to_see.append(half)
                elif not member.startswith(NOBODY):
                    people.add(member)
        return frozenset(people)

    def _enter(self, channel: str, bridge: str) -> None:
        self._leave(channel)
        self._bridge_of[channel] = bridge
        self._members.setdefault(bridge, set()).add(channel)

    def _leave(self, channel: str) -> None:
        bridge = self._bridge_of.pop(channel, None)
        if bridge is not None:
            members = self._members.get(bridge, set())
            members.discard(channel)
            if not members:
                self._members.pop(bridge, None)
