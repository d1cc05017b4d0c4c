"""The calls that run on one Asterisk, kept in the store too: a service that is restarted goes on with them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.ami_listener import REPEAT_S
from asterisk_plugin.callflow.call_track import text_of, track_of
from asterisk_plugin.core.channels import leg_key, without_number
from asterisk_plugin.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from asterisk_plugin.callflow.call_track import CallTrack
    from asterisk_plugin.ports import DueEnd, PassedLeg, Store

_log = logging.getLogger("ringfence.attempts")


class KeptCalls:
    """The running calls of one Asterisk, by unique id.

    Args:
        name: The Asterisk's name in the settings.
        store: Where they are kept.
        on_unreadable: Told of one that cannot be read back.
        start: Begins what takes time.
    """

    def __init__(
        self,
        name: str,
        store: Callable[[], Store],
        *,
        on_unreadable: Callable[[], None],
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
    ) -> None:
        self._name, self._store, self._on_unreadable, self._start = name, store, on_unreadable, start
        self._calls: dict[str, CallTrack] = {}

    def __contains__(self, unique_id: str) -> bool:
        return unique_id in self._calls

    def __iter__(self) -> Iterator[CallTrack]:
        return iter(tuple(self._calls.values()))

    def get(self, unique_id: str) -> CallTrack | None:
        """One of them, None when it is not known."""
        return self._calls.get(unique_id)

    def add(self, track: CallTrack) -> None:
        """One more runs."""
        self._calls[track.unique_id] = track

    def remove(self, track: CallTrack) -> None:
        """It has ended; in the store it is kept until that is written down."""
        self._calls.pop(track.unique_id, None)

    async def restore(self) -> None:
        """Take over the calls of a service before this one, or beside it."""
        try:
            kept = await self._store().kept_calls(self._name)
        except StoreError as exc:
            _log.warning("%s: calls of an earlier service are not known: %s", self._name, exc)
            return
        for unique_id, text in kept.items():
            if unique_id in self._calls:
                continue
            try:
                self._calls[unique_id] = track_of(text)
            except (KeyError, TypeError, ValueError) as exc:
                self._on_unreadable()
                _log.error("%s: a call that ran cannot be read back: %r", self._name, exc)

    def keep(self, track: CallTrack) -> None:
        """Something is known of it now."""
        if track.leg is not None and track.leg.attempt_id and not track.has_ended:
            self._start(self._keep_now(track))

    async def _keep_now(self, track: CallTrack) -> None:
        try:
            if track.has_ended:
                return
            await self._store().keep_call(self._name, track.unique_id, text_of(track))
            if track.leg is not None and not track.is_taken:
                await self._store().drop_due(track.leg.attempt_id)
                track.is_taken = True
        except StoreError as exc:
            _log.debug("%s: a running call is not kept: %s", self._name, exc)

    async def identify(self, track: CallTrack) -> None:
        """Learn for whom a leg dials; one without a mark is the watchdog's. Again and again while the store is away."""
        fault = ""
        while track.leg is None and not track.has_ended:
            try:
                track.leg = await self._leg_of(track)
            except StoreError as exc:
                if not fault:  # once, not at every try
                    fault = str(exc)
                    shown = without_number(track.channel)
                    _log.warning("%s: for whom `%s` dials is not known yet: %s", self._name, shown, exc)
                await asyncio.sleep(REPEAT_S)
            else:
                break
        self.keep(track)

    async def leg_of_ended(self, track: CallTrack) -> PassedLeg | None:
        """For whom a leg that has ended did dial; with the store away, once it is back: it alone knows."""
        while track.leg is None:
            try:
                found = await self._leg_of(track)
                if found is None:  # the watchdog has forgotten the mark of a leg that has ended
                    due = await self._store().due_ends()
                    found = next((one.leg for one in due if _is_of(track, one)), None)
            except StoreError:
                await asyncio.sleep(REPEAT_S)
            else:
                return found
        return track.leg

    async def _leg_of(self, track: CallTrack) -> PassedLeg | None:
        return await self._store().passed_leg(leg_key(track.unique_id, track.channel))


def _is_of(track: CallTrack, due: DueEnd) -> bool:
    # Two Asterisks without a system name may count alike.
    return (due.unique_id, due.channel) == (track.unique_id, track.channel)
