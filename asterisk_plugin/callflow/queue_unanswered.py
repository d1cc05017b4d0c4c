"""A caller who is spoken to while the call is not answered yet: the carrier ends such a call after a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.core.prompts import FOLDER

if TYPE_CHECKING:
    from asterisk_plugin.ports import Channel

STEP_S = 25.0
"""Longest step of a talk: a number is read, a question asked, and the key waited for (14 s of German words)."""

TALK_S = 180
"""Longest talk once the call is answered, as in ringfence-queue.conf."""


class Unanswered:
    """Answers the call in time, and says before that it is charged from then on.

    Args:
        channel: The caller's.
        left_s: The dialplan takes the caller back after so many seconds; None when it did not say.
    """

    def __init__(self, channel: Channel, *, left_s: float | None) -> None:
        self.channel = channel
        self._answer_at_s: float | None = None
        if left_s is not None:
            self._answer_at_s = asyncio.get_running_loop().time() + left_s - STEP_S

    async def before_step(self) -> None:
        """Before more is said or asked: answer the call if what is left might not be enough.

        Raises:
            ChannelHungUp: The caller is gone.
            ChannelError: Asterisk refused a command.
        """
        if self._answer_at_s is None or asyncio.get_running_loop().time() < self._answer_at_s:
            return
        await self.announce_charge()
        await self.channel.answer()
        await self.channel.limit_to(TALK_S)
        self._answer_at_s = None

    async def announce_charge(self) -> None:
        """Say that the call is charged from now on, unless it is already. Raises as `before_step`."""
        if await self.channel.evaluate("${CHANNEL(state)}") != "Up":
            await self.channel.play([f"{FOLDER}/charged-soon"])
