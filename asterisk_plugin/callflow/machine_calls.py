"""What is done with a call that a machine has answered: it is taken away, or its agent warned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.running_legs import agents_of, messages_to
from asterisk_plugin.callflow.trunk_legs import READ_TIMEOUT_S
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.call_track import CallTrack

NORMAL_CLEARING = "16"  # Q.850
ACTION_TIMEOUT_S = 2.0
A_MACHINE = "A machine has answered: leave no message"

_log = logging.getLogger("ringfence.attempts")


class MachineCalls:
    """Calls of one Asterisk that machines have answered.

    Args:
        name: The Asterisk's name in the settings.
        manager: Its manager interface.
        on_event: Told what to count.
    """

    def __init__(self, name: str, manager: Callable[[], Manager], on_event: Callable[[str], None]) -> None:
        self._name, self._manager, self._on_event = name, manager, on_event

    async def hang_up(self, track: CallTrack, why: str) -> None:
        """Take the call away.

        Args:
            track: The call.
            why: What to count.
        """
        fields = {"Channel": track.channel, "Cause": NORMAL_CLEARING}
        try:
            await self._manager().send_action("Hangup", fields, ACTION_TIMEOUT_S)
        except ManagerError as exc:
            _log.error("%s: `%s` is not hung up (%s): %s", self._name, without_number(track.channel), why, exc)
            return
        self._on_event(why)

    async def warn(self, track: CallTrack) -> None:
        """Tell its agents, and leave it as it is."""
        try:
            agents = await agents_of(self._manager(), track.channel)
        except ManagerError as exc:
            shown = without_number(track.channel)
            _log.error("%s: the agent of `%s` was not warned of a machine: %s", self._name, shown, exc)
            return
        for agent in agents:
            told = messages_to(agent, "", text=A_MACHINE, event="RingfenceMachine", variable="RINGFENCE_MACHINE")
            for name, fields in told:
                try:
                    await self._manager().send_action(name, fields, READ_TIMEOUT_S)
                except ManagerError as exc:
                    _log.warning("%s: `%s` was not warned by %s: %s", self._name, without_number(agent), name, exc)
        if agents:
            self._on_event("machine-warned")
