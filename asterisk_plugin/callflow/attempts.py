"""Every attempt from the dialling to its end, as AMI tells of it, and what it came to.

What the dialplan found about who answered comes as the user event `RingfenceAnswered`. Each leg that the gate let
out ends as one `attempt-ended` event, also when the service was away meanwhile: what was not seen is taken for the
worst, and marked as not sure. What is done with an answered call is in `answered_calls.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.ami_listener import LOOK_TIMEOUT_S, AmiListener, running_of
from asterisk_plugin.callflow.answered import EVENT
from asterisk_plugin.callflow.answered_calls import AnsweredCalls
from asterisk_plugin.callflow.bridges import Bridges
from asterisk_plugin.callflow.call_track import CallTrack, came_in_time
from asterisk_plugin.callflow.kept_calls import KeptCalls
from asterisk_plugin.callflow.trunk_legs import RINGING, UP, trunk_of
from asterisk_plugin.errors import ActionRefusedError, StoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from asterisk_plugin.callflow.end_writer import EndWriter
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.hearing import Listener
    from asterisk_plugin.core.answering import AnswerLimit
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.ports import DueEnd

    Fields = Mapping[str, str]

ATTEMPT_EVENTS = ("DialState", "DialEnd", "BridgeEnter", "BridgeLeave", "BridgeDestroy")
"""What is needed on top of the watchdog's events and user events."""

NAME_VARIABLE = "RINGFENCE_ASTERISK"
"""Global variable by which the trunk script learns the name of its Asterisk in our settings."""

_REMEMBERED = 4096

UNSEEN_S = 300.0
"""Without AMI for so long, a call counts as ended, not surely."""

_log = logging.getLogger("ringfence.attempts")


class Attempts(AmiListener):
    """The attempts of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        gate: This node's gate.
        trunks: Channel prefixes of its trunks.
        listener: Listens to legs that talk; None: nobody does.
        limit_of: How long a person of a campaign and country may be without an agent.
        on_event: Told what to count: what `AnsweredCalls` tells, and `attempt-unknown`.
        writer: Writes down how each attempt ended; the service's one, so that each is counted once.
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
        writer: EndWriter,
    ) -> None:
        super().__init__(name, _log)
        self._gate = gate
        self._trunks = tuple(trunks)
        self._on_event = on_event
        self._writer = writer
        self._adopting: dict[str, CallTrack] = {}  # found running, and nobody knows yet for whom
        self._ending: set[str] = set()  # legs whose end is being written down
        self._all_since: dt.datetime | None = None  # from then on nothing was missed
        self._calls = KeptCalls(
            name,
            lambda: gate.store,
            on_unreadable=lambda: on_event("attempt-unknown"),
            start=self._start,
        )
        self._bridges = Bridges()
        self._hung_up: deque[str] = deque(maxlen=_REMEMBERED)  # channels that ended lately, whatever list names them
        self._resyncing: asyncio.Task[None] | None = None
        self._given_up: asyncio.TimerHandle | None = None
        self._answered_calls = AnsweredCalls(
            name,
            gate,
            manager=lambda: self._manager,
            listener=listener,
            limit_of=limit_of,
            on_event=on_event,
            changed=self._calls.keep,
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

    @property
    def name(self) -> str:
        """The Asterisk's name in the settings."""
        return self._name

    @property
    def is_up(self) -> bool:
        """Whether it hears of everything that happens now."""
        return self._all_since is not None and self._resyncing is not None and self._resyncing.done()

    def follows(self, due: DueEnd) -> bool:
        """Whether it follows a leg to its end, or writes that down just now."""
        return any(due.unique_id in legs for legs in (self._calls, self._ending, self._adopting))

    def missed_nothing_of(self, due: DueEnd, *, slack: dt.timedelta) -> bool:
        """Whether a leg that it does not follow was never dialled: its DialBegin would have been heard.

        Args:
            due: The leg.
            slack: So much two clocks may differ.
        """
        since = self._all_since
        return since is not None and due.passed_at - slack > since and bool(trunk_of(due.channel, self._trunks))

    async def running(self) -> dict[str, Fields]:
        """The channels that run; raises ManagerError."""
        return await running_of(self._manager)

    async def adopt(self, unique_id: str, fields: Fields) -> None:
        """Follow a leg that began to dial while nobody looked.

        Args:
            unique_id: Asterisk's.
            fields: Its CoreShowChannel event.
        """
        channel = fields.get("Channel", "")
        known = unique_id in self._calls or unique_id in self._adopting or unique_id in self._hung_up
        if known or not trunk_of(channel, self._trunks):
            return
        track = self._adopting[unique_id] = CallTrack(unique_id, channel, self._gate.clock(), is_sure=False)
        await self._calls.identify(track)
        self._adopting.pop(unique_id, None)
        if track.leg is None or unique_id in self._calls:
            return  # it came in, or has no token
        if track.has_ended:
            self._ended(track, 0, is_sure=False)
            return
        self._calls.add(track)
        if fields.get("ChannelState") == UP:
            self._missed(track)

    def up(self) -> None:
        """The AMI connection is up: learn what runs, and how what ran before has ended."""
        self._wait_no_more()
        self._all_since = self._gate.clock()
        if self._resyncing is not None:
            self._resyncing.cancel()  # it waits for the list of a connection that is gone
        self._resyncing = self._start(self._until_answered(self._resync, "attempts"))

    def down(self) -> None:
        """The AMI connection is gone: for a while it may come back."""
        self._bridges = Bridges()
        self._all_since = None
        self._wait_no_more()
        self._given_up = asyncio.get_running_loop().call_later(UNSEEN_S, self._give_up)

    async def leave(self) -> None:
        """The service is about to end, and AMI is still there: let everybody hear our side again."""
        await asyncio.gather(*map(self._answered_calls.leave, self._calls))

    async def close(self) -> None:
        """Stop; calls that run are found again by the next service."""
        self._wait_no_more()
        await self.leave()
        for track in self._calls:
            track.end()
        await super().close()

    # ---------------------------------------------------------------- events

    def _dialled(self, event: Fields) -> None:
        channel, unique_id = event.get("DestChannel", ""), event.get("DestUniqueid", "")
        if not trunk_of(channel, self._trunks):
            return
        adopted = self._calls.get(unique_id)
        if adopted is not None and adopted.rang_s is None and adopted.answered_s is None:
            adopted.is_sure = True  # found waiting to be dialled: nothing of it was missed
        if adopted is None:
            track = CallTrack(unique_id, channel, self._gate.clock())
            self._calls.add(track)
            self._start(self._calls.identify(track))

    def _took(self, event: Fields, unique_id: str) -> None:
        """An event of one leg."""
        if event["Event"] == "Hangup":
            self._hung_up.append(unique_id)
            if unique_id in self._adopting:
                self._adopting.pop(unique_id).end()
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
            self._calls.keep(track)

    def _answered(self, track: CallTrack, *, is_seen: bool = True) -> None:
        if track.answered_s is None:
            track.answered_s = track.since(self._gate.clock())
            self._calls.keep(track)
            self._together(self._bridges.with_channel(track.channel))
            self._answered_calls.answered(track, is_seen=is_seen)

    def _together(self, people: frozenset[str]) -> None:
        """People who hear each other: whoever is there beside a leg is its agent."""
        if len(people) < 2:
            return
        called = {track.channel for track in self._calls}
        if not people - called:
            return  # people who were called and wait together are nobody's agents
        for track in self._calls:
            if track.channel in people and track.answered_s is not None and track.agent_s is None:
                track.agent_s = track.since_answer(self._gate.clock())
                self._calls.keep(track)
                if came_in_time(track):
                    self._start(self._writer.land(track, harmless=True))

    def _ended(self, track: CallTrack, cause: int, *, is_sure: bool = True) -> None:
        self._calls.remove(track)
        self._ending.add(track.unique_id)
        track.end()
        self._start(self._finish(track, cause=cause, at=self._gate.clock(), is_sure=is_sure))

    # ---------------------------------------------------------------- beginning and end

    async def _finish(self, track: CallTrack, *, cause: int, at: dt.datetime, is_sure: bool) -> None:
        """Write down how an attempt ended."""
        try:
            track.leg = await self._calls.leg_of_ended(track)
            if track.leg is None:
                self._on_event("attempt-unknown")
            elif track.leg.attempt_id:  # an emergency call has none
                await self._writer.write(track, asterisk=self._name, cause=cause, at=at, is_seen=is_sure)
        finally:
            self._ending.discard(track.unique_id)

    # ---------------------------------------------------------------- what was missed

    def _wait_no_more(self) -> None:
        if self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None

    def _give_up(self) -> None:
        """AMI has been away for too long: what ran counts as ended."""
        self._given_up = None
        self._start(self._end_all())

    async def _end_all(self) -> None:
        is_watched = await self._is_watched()
        if not is_watched:
            await self._calls.restore()
        if self._all_since is not None:
            return  # AMI has come back meanwhile
        if is_watched:  # by another service, which sees how they end
            self._wait_no_more()
            self._given_up = asyncio.get_running_loop().call_later(UNSEEN_S, self._give_up)
            return
        for track in self._calls:
            self._ended(track, 0, is_sure=False)

    async def _is_watched(self) -> bool:
        try:
            return await self._gate.store.is_watched(self._name)
        except StoreError:
            return False

    async def _say_name(self) -> None:
        """Let the trunk script know which Asterisk it runs on; raises ManagerLostError."""
        try:
            await self._manager.send_action("Setvar", {"Variable": NAME_VARIABLE, "Value": self._name}, LOOK_TIMEOUT_S)
        except ActionRefusedError as exc:
            _log.warning("%s: ends that nobody sees are written down late: %s", self._name, exc)

    async def _resync(self) -> None:
        """Learn what runs; what has ended meanwhile ended unseen."""
        await self._say_name()
        asked_at = self._gate.clock()
        channels = await running_of(self._manager)
        await self._calls.restore()
        self._bridges.know(channels.values())  # before anybody is found to have no agent
        for track in self._calls:
            if track.began_at >= asked_at:
                continue
            if track.unique_id not in channels or track.unique_id in self._hung_up:
                self._ended(track, 0, is_sure=False)
            elif channels[track.unique_id].get("ChannelState") == UP:
                self._missed(track)
        for unique_id, fields in channels.items():
            await self.adopt(unique_id, fields)
        for track in self._calls:
            self._together(self._bridges.with_channel(track.channel))

    def _missed(self, track: CallTrack) -> None:
        """An answered call of which something may have been missed."""
        if track.answered_s is None:
            track.is_sure = False  # when it was answered is not known
            self._answered(track, is_seen=False)
        self._answered_calls.resume(track)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
