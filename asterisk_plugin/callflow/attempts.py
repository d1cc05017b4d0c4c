"""Every attempt from the dialling to its end, as AMI tells of it, and what it came to.

What the dialplan found about who answered comes as the user event `RingfenceAnswered`. Each leg that the gate let
out ends as one `attempt-ended` event, also when the service was away meanwhile: what was not seen is taken for the
worst, and marked as not sure. What is done with an answered call is in `answered_calls.py`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.ami_listener import REPEAT_S, AmiListener, running_of
from asterisk_plugin.callflow.answered import EVENT
from asterisk_plugin.callflow.answered_calls import AnsweredCalls
from asterisk_plugin.callflow.bridges import Bridges
from asterisk_plugin.callflow.call_track import CallTrack, came_in_time, end_of_track, text_of, track_of
from asterisk_plugin.callflow.trunk_legs import RINGING, UP, trunk_of
from asterisk_plugin.core.attempt_end import body_of
from asterisk_plugin.core.channels import leg_key, without_number
from asterisk_plugin.errors import LedgerUnavailableError, StoreError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from asterisk_plugin.callflow.answered_calls import Listener
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.answering import AnswerLimit
    from asterisk_plugin.core.attempt_end import AttemptEnd
    from asterisk_plugin.core.site import Campaign

    Fields = Mapping[str, str]

ATTEMPT_EVENTS = ("DialState", "DialEnd", "BridgeEnter", "BridgeLeave", "BridgeDestroy")
"""What is needed on top of the watchdog's events and user events."""

DURABLE_S = 30.0
"""Longest wait for an end to be on disk."""

UNSEEN_S = 300.0
"""Without AMI for so long, a call counts as ended, not surely."""

_NAMESPACE = uuid.UUID("0e0e2a57-3f6a-4d8e-9a55-6c1c7c1ab0f1")

_log = logging.getLogger("ringfence.attempts")


class Attempts(AmiListener):
    """The attempts of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        gate: This node's gate.
        trunks: Channel prefixes of its trunks.
        listener: Listens to legs that talk; None: nobody does.
        limit_of: How long a person of a campaign and country may be without an agent.
        on_event: Told what to count: what `AnsweredCalls` tells, `attempt-unsure`, `attempt-unrecorded` and
            `attempt-unknown`.
        on_end: Told how each attempt ended.
    """

    def __init__(
        self,
        name: str,
        gate: Gate,
        *,
        trunks: Sequence[str],
        listener: Listener | None,
        limit_of: Callable[[Campaign, str, dt.datetime], AnswerLimit],
        on_event: Callable[[str], None],
        on_end: Callable[[AttemptEnd], None],
    ) -> None:
        super().__init__(name, _log)
        self._gate = gate
        self._trunks = tuple(trunks)
        self._on_event = on_event
        self._on_end = on_end
        self._calls: dict[str, CallTrack] = {}
        self._bridges = Bridges()
        self._gone: set[str] | None = None  # legs that ended while a re-sync waits for its list
        self._resyncing: asyncio.Task[None] | None = None
        self._given_up: asyncio.TimerHandle | None = None
        self._answered_calls = AnsweredCalls(
            name,
            gate,
            manager=lambda: self._manager,
            listener=listener,
            limit_of=limit_of,
            on_event=on_event,
            changed=self._keep,
            start=self._start,
        )

    def take(self, event: Fields) -> None:
        """Take one AMI event; returns at once.

        Args:
            event: Its fields, named as Asterisk names them.
        """
        name = event.get("Event")
        match name:
            case "DialBegin":
                self._dialled(event)
            case "BridgeEnter" | "BridgeLeave" | "BridgeDestroy":
                self._together(self._bridges.take(event))
            case "DialState" | "DialEnd":
                self._took(event, event.get("DestUniqueid", ""))
            case "Newstate" | "UserEvent" | "Hangup":
                self._took(event, event.get("Uniqueid", ""))

    def up(self) -> None:
        """The AMI connection is up: learn what runs, and how what ran before has ended."""
        self._wait_no_more()
        if self._resyncing is not None:
            self._resyncing.cancel()  # it waits for the list of a connection that is gone
        self._resyncing = self._start(self._until_answered(self._resync, "attempts"))

    def down(self) -> None:
        """The AMI connection is gone: for a while it may come back."""
        self._bridges = Bridges()
        self._wait_no_more()
        self._given_up = asyncio.get_running_loop().call_later(UNSEEN_S, self._give_up)

    async def close(self) -> None:
        """Stop; calls that run are found again by the next service."""
        self._wait_no_more()
        await asyncio.gather(*map(self._answered_calls.leave, self._calls.values()))
        for track in self._calls.values():
            track.end()
        await super().close()

    # ---------------------------------------------------------------- events

    def _dialled(self, event: Fields) -> None:
        channel, unique_id = event.get("DestChannel", ""), event.get("DestUniqueid", "")
        if trunk_of(channel, self._trunks) and unique_id not in self._calls:
            self._calls[unique_id] = track = CallTrack(unique_id, channel, self._gate.clock())
            self._start(self._identify(track))

    def _took(self, event: Fields, unique_id: str) -> None:
        """An event of one leg."""
        if event["Event"] == "Hangup" and self._gone is not None:
            self._gone.add(unique_id)
        track = self._calls.get(unique_id)
        if track is None:
            return
        status = event.get("DialStatus", event.get("ChannelState", ""))
        match event["Event"]:
            case "DialState" | "Newstate" if status in ("RINGING", "PROGRESS", RINGING):
                self._rang(track)
            case "Newstate" if status == UP:
                self._answered(track)
            case "DialEnd":
                track.dial_status = status
            case "UserEvent" if event.get("UserEvent") == EVENT:
                self._answered(track)
                self._answered_calls.asked(track, event)
            case "Hangup":
                self._ended(track, _whole(event.get("Cause", "")))

    def _rang(self, track: CallTrack) -> None:
        if track.rang_s is None and track.answered_s is None:
            track.rang_s = track.since(self._gate.clock())
            self._keep(track)

    def _answered(self, track: CallTrack) -> None:
        if track.answered_s is None:
            track.answered_s = track.since(self._gate.clock())
            self._keep(track)
            self._together(self._bridges.with_channel(track.channel))
            self._answered_calls.answered(track)

    def _together(self, people: frozenset[str]) -> None:
        """People who hear each other: whoever is there beside a leg is its agent."""
        if len(people) < 2:
            return
        called = {track.channel for track in self._calls.values()}
        if not people - called:
            return  # people who were called and wait together are nobody's agents
        for track in self._calls.values():
            if track.channel in people and track.answered_s is not None and track.agent_s is None:
                track.agent_s = track.since_answer(self._gate.clock())
                self._keep(track)
                if came_in_time(track):
                    self._start(self._land(track, harmless=True))

    def _ended(self, track: CallTrack, cause: int, *, is_sure: bool = True) -> None:
        self._calls.pop(track.unique_id, None)
        track.end()
        self._start(self._finish(track, cause=cause, at=self._gate.clock(), is_sure=is_sure))

    # ---------------------------------------------------------------- beginning and end

    async def _identify(self, track: CallTrack) -> None:
        """Learn for whom a leg dials; one without a mark is the watchdog's. Again and again while the store is away."""
        try:
            found = await self._gate.store.passed_leg(leg_key(track.unique_id, track.channel))
        except StoreError as exc:
            shown = without_number(track.channel)
            _log.warning("%s: for whom `%s` dials is not known yet: %s", self._name, shown, exc)
            if not track.has_ended:
                track.later(REPEAT_S, partial(self._identify_later, track))
            return
        track.leg = track.leg or found
        self._keep(track)

    def _identify_later(self, track: CallTrack) -> None:
        self._start(self._identify(track))

    async def _finish(self, track: CallTrack, *, cause: int, at: dt.datetime, is_sure: bool) -> None:
        """Write down how an attempt ended."""
        if track.leg is None:
            await self._identify(track)
        if track.leg is None:
            self._on_event("attempt-unknown")
            return
        if not track.leg.attempt_id:
            return  # an emergency call
        campaign = self._answered_calls.campaign_of(track)
        end = end_of_track(track, asterisk=self._name, campaign=campaign, cause=cause, now=at, is_sure=is_sure)
        # Two services may see the same end: one event.
        event_id = uuid.uuid5(_NAMESPACE, end.attempt_id).hex
        event = Event(event_id, EventKind.ATTEMPT_ENDED, at, person=track.leg.person, body=body_of(end))
        try:
            self._gate.ledger.submit(event, patient=True)
        except LedgerUnavailableError as exc:
            self._on_event("attempt-unrecorded")
            _log.error("%s: how `%s` ended is not recorded: %s", self._name, without_number(track.channel), exc)
        if not end.is_sure:
            self._on_event("attempt-unsure")
        self._on_end(end)
        await self._land(track, harmless=False)
        try:
            # Only when it is on disk: else a service that is killed now would know nothing of it.
            await self._gate.ledger.wait_durable(event_id, DURABLE_S)
            await self._gate.store.drop_call(self._name, track.unique_id)
        except (LedgerUnavailableError, StoreError) as exc:
            _log.warning("%s: a call that has ended stays noted as running: %s", self._name, exc)

    async def _land(self, track: CallTrack, *, harmless: bool) -> None:
        """Give back the place of a call that was dialled without a reserved agent."""
        if track.leg is None or track.leg.terms.agent:
            return
        try:
            await self._gate.store.end_flight(track.leg.campaign, track.leg.attempt_id, harmless=harmless)
        except StoreError as exc:
            _log.debug("%s: the place of a call is given back when it expires: %s", self._name, exc)

    # ---------------------------------------------------------------- what was missed

    def _wait_no_more(self) -> None:
        if self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None

    def _give_up(self) -> None:
        """AMI has been away for too long: what ran counts as ended."""
        self._start(self._end_all())

    async def _end_all(self) -> None:
        await self._restore()
        for track in tuple(self._calls.values()):
            self._ended(track, 0, is_sure=False)

    async def _resync(self) -> None:
        """Learn what runs; what has ended meanwhile ended unseen."""
        asked_at = self._gate.clock()
        gone = self._gone = set()
        try:
            channels = await running_of(self._manager)
            await self._restore()
        finally:
            if self._gone is gone:
                self._gone = None
        for track in tuple(self._calls.values()):
            if track.began_at >= asked_at:
                continue
            if track.unique_id not in channels or track.unique_id in gone:
                self._ended(track, 0, is_sure=False)
            elif channels[track.unique_id].get("ChannelState") == UP:
                self._missed(track)
        for unique_id in channels.keys() - self._calls.keys() - gone:
            await self._found_running(unique_id, channels[unique_id])
        self._bridges.know(channels.values())
        for track in tuple(self._calls.values()):
            self._together(self._bridges.with_channel(track.channel))

    def _missed(self, track: CallTrack) -> None:
        """An answered call of which something may have been missed."""
        if track.answered_s is None:
            track.is_sure = False  # when it was answered is not known
            self._answered(track)
        self._answered_calls.resume(track)

    async def _found_running(self, unique_id: str, fields: Fields) -> None:
        """A leg that began to dial while nobody looked."""
        channel = fields.get("Channel", "")
        if not trunk_of(channel, self._trunks):
            return
        track = CallTrack(unique_id, channel, self._gate.clock(), is_sure=False)
        await self._identify(track)
        if track.leg is None or unique_id in self._calls:
            return  # it came in, or has no token
        self._calls[unique_id] = track
        if fields.get("ChannelState") == UP:
            self._missed(track)

    async def _restore(self) -> None:
        """Take over the calls of a service before this one."""
        try:
            kept = await self._gate.store.kept_calls(self._name)
        except StoreError as exc:
            _log.warning("%s: calls of an earlier service are not known: %s", self._name, exc)
            return
        for unique_id, text in kept.items():
            if unique_id in self._calls:
                continue
            try:
                self._calls[unique_id] = track_of(text)
            except (KeyError, TypeError, ValueError) as exc:
                self._on_event("attempt-unknown")
                _log.error("%s: a call that ran cannot be read back: %r", self._name, exc)

    def _keep(self, track: CallTrack) -> None:
        if track.leg is not None and track.leg.attempt_id and not track.has_ended:
            self._start(self._keep_now(track))

    async def _keep_now(self, track: CallTrack) -> None:
        try:
            if not track.has_ended:
                await self._gate.store.keep_call(self._name, track.unique_id, text_of(track))
        except StoreError as exc:
            _log.debug("%s: a running call is not kept: %s", self._name, exc)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
