"""Writes down how attempts ended: one `attempt-ended` event each, whoever saw it and however many look."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.call_track import end_of_track
from asterisk_plugin.callflow.outcome import outcomes_told
from asterisk_plugin.core.attempt_end import body_of
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import LedgerError, LedgerUnavailableError, StoreError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from asterisk_plugin.callflow.call_track import CallTrack
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.outcome import Told
    from asterisk_plugin.core.attempt_end import AttemptEnd

DURABLE_S = 30.0
"""Longest wait for an end to be on disk."""

OTHERS_S = 2.0
"""Who has not seen everything lets another service that watches the same Asterisk write first, for so long."""

LOOK_S = 0.5
"""Between two looks whether it has."""

REMEMBERED = 10_000
"""Ends that were counted, so that one which is written again, because the ledger was away, is not counted again."""

_NAMESPACE = uuid.UUID("0e0e2a57-3f6a-4d8e-9a55-6c1c7c1ab0f1")

_log = logging.getLogger("ringfence.attempts")


def end_id(attempt_id: str) -> str:
    """Id of the event of an attempt's end: two services that see the same end write one event."""
    return uuid.uuid5(_NAMESPACE, attempt_id).hex


class EndWriter:
    """Writes ends down; one for a service, so that each is counted once, as it was found first.

    Args:
        gate: This node's gate.
        on_event: Told what to count: `attempt-unsure` or `attempt-unrecorded`.
        on_end: Told how each attempt ended.
    """

    def __init__(self, gate: Gate, *, on_event: Callable[[str], None], on_end: Callable[[AttemptEnd], None]) -> None:
        self._gate, self._on_event, self._on_end = gate, on_event, on_end
        self._noted: dict[str, None] = {}

    async def write(
        self,
        track: CallTrack,
        *,
        asterisk: str,
        cause: int,
        at: dt.datetime,
        is_seen: bool = True,
        is_followed: bool = True,
    ) -> None:
        """Write down how an attempt ended, and give its place back.

        Args:
            track: What was seen of it; it has a leg.
            asterisk: Where it ran; empty when nobody knows.
            cause: Q.850 cause.
            at: When it ended, or was found to have ended.
            is_seen: Its end was seen. Else what the dialplan told of it is taken in.
            is_followed: It was followed until then. Else its end may be written down already, and has long been over.
        """
        assert track.leg is not None
        event_id = end_id(track.leg.attempt_id)
        track.is_sure = track.is_sure and is_seen
        others_s = OTHERS_S if is_followed else 0.0
        if (track.is_sure and is_followed) or not await self._is_written(event_id, others_s):
            if not is_seen and (told := await self._told(track)) is not None:
                track.take_over(told.dial_status, ended_at=told.at, answered_s=told.answered_s)
                cause, at = cause or told.cause, told.at
            await self._write(track, event_id, asterisk=asterisk, cause=cause, at=at)
        await self._settle(track, event_id, asterisk)

    async def _write(self, track: CallTrack, event_id: str, *, asterisk: str, cause: int, at: dt.datetime) -> None:
        assert track.leg is not None
        campaign = self._gate.site.campaigns.get(track.leg.campaign)
        end = end_of_track(track, asterisk=asterisk, campaign=campaign, cause=cause, now=at)
        event = Event(event_id, EventKind.ATTEMPT_ENDED, at, person=track.leg.person, body=body_of(end))
        is_new = self._note(event_id)
        try:
            self._gate.ledger.submit(event, patient=True)
        except (LedgerUnavailableError, ValueError) as exc:
            if is_new:
                self._on_event("attempt-unrecorded")
                _log.error("%s: how `%s` ended is not recorded: %s", asterisk, without_number(track.channel), exc)
        if is_new:
            if not end.is_sure:
                self._on_event("attempt-unsure")
            self._on_end(end)

    def _note(self, event_id: str) -> bool:
        """Whether that end is written for the first time here."""
        if event_id in self._noted:
            return False
        self._noted[event_id] = None
        if len(self._noted) > REMEMBERED:
            del self._noted[next(iter(self._noted))]
        return True

    async def _settle(self, track: CallTrack, event_id: str, asterisk: str) -> None:
        assert track.leg is not None
        await self.land(track, harmless=False)
        try:
            # Only when it is on disk: else a service that is killed now would know nothing of it.
            await self._gate.ledger.wait_durable(event_id, DURABLE_S)
            await self._gate.store.drop_call(asterisk, track.unique_id)
            await self._gate.store.drop_due(track.leg.attempt_id)
        except (LedgerUnavailableError, StoreError) as exc:
            _log.warning("%s: a call that has ended stays noted as running: %s", asterisk, exc)

    async def land(self, track: CallTrack, *, harmless: bool) -> None:
        """Give back the place of a call that was dialled without a reserved agent."""
        if track.leg is None or track.leg.terms.agent:
            return
        try:
            await self._gate.store.end_flight(track.leg.campaign, track.leg.attempt_id, harmless=harmless)
        except StoreError as exc:
            _log.debug("the place of a call is given back when it expires: %s", exc)

    async def _is_written(self, event_id: str, others_s: float) -> bool:
        """Whether a service that may have seen more has written this end; so many seconds are left to it."""
        give_up_s = asyncio.get_running_loop().time() + others_s
        while True:
            try:
                if await self._gate.ledger.find_events([event_id]):
                    return True
            except LedgerError:
                return False  # written twice, it is one event all the same
            if asyncio.get_running_loop().time() >= give_up_s:
                return False
            await asyncio.sleep(LOOK_S)

    async def _told(self, track: CallTrack) -> Told | None:
        """What the dialplan told of the end; None when it told nothing."""
        assert track.leg is not None
        try:
            return (await outcomes_told(self._gate.ledger, [track.leg.attempt_id])).get(track.leg.attempt_id)
        except LedgerError as exc:
            _log.warning("what the dialplan told of `%s` cannot be read: %s", without_number(track.channel), exc)
            return None
