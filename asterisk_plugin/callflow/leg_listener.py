"""Listens to the called side of a call that goes on: a Local channel spies on the leg and sends what it hears here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.hearing import TalkHearing
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.hearing import Detector
    from asterisk_plugin.detection.findings import Finding
    from asterisk_plugin.ports import Sounds

TALK_S = 60.0
"""So long after the answer a greeting has come to its beep."""

BEGINS_WITHIN_S = 3.0
_CONTEXT = "ringfence-ear"

_log = logging.getLogger("ringfence.attempts")


class LegListener:
    """Listens to legs.

    Args:
        sounds: Where their sound comes.
        make_detector: Makes a fresh detector for each.
    """

    def __init__(self, sounds: Sounds, make_detector: Callable[[], Detector]) -> None:
        self._sounds, self._make_detector = sounds, make_detector

    async def begin(self, manager: Manager, channel: str, on_finding: Callable[[Finding], None]) -> bool:
        """Listen to the called side of a channel from now on.

        Args:
            manager: The Asterisk it runs on.
            channel: The leg.
            on_finding: Told what is heard: who answered, and a machine whenever it shows.

        Returns:
            Whether its sound comes.
        """
        call = secrets.token_hex(16)
        hearing = TalkHearing(self._make_detector(), TALK_S, on_finding)
        self._sounds.expect(call, hearing)
        variables = {"RINGFENCE_EAR_LEG": channel, "RINGFENCE_EAR_CALL": call, "RINGFENCE_EAR": self._sounds.address}
        fields = {
            "Channel": f"Local/spy@{_CONTEXT}/n",
            "Context": _CONTEXT,
            "Exten": "sound",
            "Priority": "1",
            "Timeout": str(round(BEGINS_WITHIN_S * 1000)),
            "Codecs": "slin",
            "Async": "true",
            "Variable": ",".join(f"__{name}={value}" for name, value in variables.items()),
        }
        try:
            await manager.send_action("Originate", fields, BEGINS_WITHIN_S)
            async with asyncio.timeout(BEGINS_WITHIN_S):
                await hearing.began.wait()
        except (ManagerError, TimeoutError) as exc:
            _log.warning("nobody listens to `%s`: %s", without_number(channel), exc or "no sound came")
            return False
        finally:
            self._sounds.forget(call)
        return True
