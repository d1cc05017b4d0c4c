"""Our side of a leg is silent while what it heard may have been a beep; never for long, whatever fails."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import ActionRefusedError, ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.call_track import CallTrack

MUTED_S = 6.5
"""Longest time for one doubt, which is over before that; with others that follow it at once at most twice that."""

ACTION_TIMEOUT_S = 1.0
TRIES, AGAIN_S = 60, 1.0
"""So often an end of it that failed is tried again, with so many seconds between: a person must hear us again."""

FUNCTION = "MUTEAUDIO(out)"
"""What Asterisk sends to the called side; of `res_mutestream.so`. `Setvar` needs no right that `Hangup` does not."""

_log = logging.getLogger("ringfence.attempts")


class Muting:
    """The legs of one Asterisk on which our side may be silent.

    Args:
        name: The Asterisk's name in the settings.
        manager: Its manager interface.
        on_event: Told what to count: `line-muted`, `not-muted`, `stays-mute`.
        changed: Told of a call of which another service must know that it is mute.
        start: Begins what takes time.
    """

    def __init__(
        self,
        name: str,
        *,
        manager: Callable[[], Manager],
        on_event: Callable[[str], None],
        changed: Callable[[CallTrack], None],
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
    ) -> None:
        self._name, self._manager = name, manager
        self._on_event, self._changed, self._start = on_event, changed, start

    def mute(self, track: CallTrack) -> None:
        """From now on nothing of ours reaches the line, for a bounded time that another doubt begins anew."""
        if track.has_ended:
            return
        now_s = asyncio.get_running_loop().time()
        if not track.mute.is_wanted:
            track.mute.since_s = now_s
        elif now_s - track.mute.since_s > MUTED_S:
            return  # a chain of doubts: the time of the last one that counted ends it
        track.mute.is_wanted = True
        track.mute.times += 1
        track.later(MUTED_S, partial(self._long_enough, track, track.mute.times))
        self._follow(track)

    def unmute(self, track: CallTrack) -> None:
        """Our side is heard again."""
        track.mute.is_wanted = False
        self._follow(track)

    def settle(self, track: CallTrack) -> None:
        """Do what a service before this one, or an action that failed, has left undone."""
        self._follow(track)

    async def release(self, track: CallTrack) -> None:
        """Unmute, and wait for it: a message begins, or the service ends."""
        track.mute.is_wanted = False
        if not track.mute.may_be_on:
            return
        try:
            await self._send(track, on=False)
        except ManagerError as exc:
            _log.warning("%s: `%s` stays mute: %s", self._name, without_number(track.channel), exc)
            self._follow(track)
        else:
            track.mute.may_be_on = False

    def _long_enough(self, track: CallTrack, times: int) -> None:
        if track.mute.times == times:
            self.unmute(track)

    def _follow(self, track: CallTrack) -> None:
        if not track.has_ended and not track.mute.is_at_work and track.mute.is_wanted != track.mute.may_be_on:
            track.mute.is_at_work = True
            self._start(self._follow_wish(track))

    async def _follow_wish(self, track: CallTrack) -> None:
        """One action after the other, so that the last wish is what is done last."""
        try:
            tries = 0
            while track.mute.is_wanted != track.mute.may_be_on and not track.has_ended and tries < TRIES:
                if not await self._done(track, on=track.mute.is_wanted):
                    tries += 1
                    await asyncio.sleep(AGAIN_S)
            if not track.has_ended and track.mute.is_wanted != track.mute.may_be_on:
                self._on_event("stays-mute")
                _log.error("%s: `%s` stays mute: it could not be unmuted", self._name, without_number(track.channel))
        finally:
            track.mute.is_at_work = False

    async def _done(self, track: CallTrack, *, on: bool) -> bool:
        """Mute or unmute; an answer that does not come may mean that it was done."""
        track.mute.may_be_on = True
        if on:
            self._changed(track)
        try:
            await self._send(track, on=on)
        except ActionRefusedError as exc:
            # The module is not loaded, or the leg has ended: nothing was muted.
            track.mute.may_be_on = track.mute.is_wanted = False
            if on:
                self._not_muted(track, exc)
            self._changed(track)
            return True
        except ManagerError as exc:
            if on:
                track.mute.is_wanted = False  # too late by the time it works again
                self._not_muted(track, exc)
            return False
        track.mute.may_be_on = on
        if on:
            self._on_event("line-muted")
        else:
            self._changed(track)
        return True

    def _not_muted(self, track: CallTrack, exc: ManagerError) -> None:
        self._on_event("not-muted")
        _log.warning("%s: `%s` is not muted: %s", self._name, without_number(track.channel), exc)

    async def _send(self, track: CallTrack, *, on: bool) -> None:
        fields = {"Channel": track.channel, "Variable": FUNCTION, "Value": "on" if on else "off"}
        await self._manager().send_action("Setvar", fields, ACTION_TIMEOUT_S)
