"""Listens to the called side of a call that goes on: a Local channel spies on the leg and sends what it hears here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.hearing import TalkHearing
from asterisk_plugin.core.channels import ear_variables, talk_call, without_number
from asterisk_plugin.detection.findings import Before
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
        make_detector: Makes a detector for each, which is told what one before it has handed on.
    """

    def __init__(self, sounds: Sounds, make_detector: Callable[[Before], Detector]) -> None:
        self._sounds, self._make_detector = sounds, make_detector

    @property
    def address(self) -> str:
        """Where the sound comes, `host:port`."""
        return self._sounds.address

    async def expect(self, token: str, on_finding: Callable[[Finding], bool], before: Before) -> bool:
        """Listen to a leg whose sound the dialplan has begun to send.

        Args:
            token: The attempt's.
            on_finding: Told what is heard: who answered, and a machine whenever it shows; see `TalkHearing`.
            before: What was heard before.

        Returns:
            Whether its sound comes.
        """
        hearing = TalkHearing(self._make_detector(before), TALK_S, on_finding)
        self._sounds.expect(talk_call(token), hearing, again=True)
        return await self._began(token, hearing)

    async def begin(self, manager: Manager, channel: str, token: str, on_finding: Callable[[Finding], bool]) -> bool:
        """Listen to a leg whose dialplan asked nobody. The AMI user needs the write class `originate` for this.

        Args:
            manager: The Asterisk it runs on.
            channel: The leg.
            token: The attempt's.
            on_finding: As for `expect`.

        Returns:
            Whether its sound comes.
        """
        call = talk_call(token)
        hearing = TalkHearing(self._make_detector(Before()), TALK_S, on_finding)
        self._sounds.expect(call, hearing, again=True)
        variables = ear_variables(channel, call, self._sounds.address)
        fields = {
            "Channel": f"Local/spy@{_CONTEXT}/n",
            "Context": _CONTEXT,
            "Exten": "sound",
            "Priority": "1",
            "Timeout": str(round(BEGINS_WITHIN_S * 1000)),
            "Codecs": "slin",
            "Async": "true",
            "Variable": ",".join(f"{name}={value}" for name, value in variables.items()),
        }
        try:
            await manager.send_action("Originate", fields, BEGINS_WITHIN_S)
        except ManagerError as exc:
            _log.warning("nobody listens to `%s`: %s", without_number(channel), exc)
            self._sounds.forget(call)
            return False
        return await self._began(token, hearing)

    async def _began(self, token: str, hearing: TalkHearing) -> bool:
        try:
            async with asyncio.timeout(BEGINS_WITHIN_S):
                await hearing.began.wait()
        except TimeoutError:
            return False
        finally:
            self._sounds.forget(talk_call(token))
        return True
