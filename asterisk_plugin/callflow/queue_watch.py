"""Who waits in the queues of one Asterisk: learnt from AMI, told to whoever speaks to the caller, written down.

The dialplan says over AMI (`UserEvent`) what only it knows: since when a caller waits, that an announcement is about
to begin, that a key was pressed. Everything else is Asterisk's own. Should AMI be away, callers wait and are told that
their wait is not known; what ended meanwhile is written down as `unknown`, never guessed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.callflow.ami_listener import LOOK_TIMEOUT_S, AmiListener, running_of
from asterisk_plugin.callflow.queue_calls import WaitingCall, noted_of
from asterisk_plugin.callflow.queue_fields import queue_event, snapshots
from asterisk_plugin.callflow.queue_record import QueueRecord
from asterisk_plugin.callflow.trunk_legs import UP
from asterisk_plugin.core.queue_events import Abandoned, Joined
from asterisk_plugin.core.queue_state import QueueState, step
from asterisk_plugin.core.wait_estimate import estimate_wait
from asterisk_plugin.core.wait_told import tell
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import ManagerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.queue_observing import QueueObserver
    from asterisk_plugin.core.queue_events import QueueEvent

    Fields = Mapping[str, str]

ACTION_TIMEOUT_S = 2.0
LOWERED, AS_IT_WAS = "-3", "1"
"""Of `VOLUME(TX)`: a third, and once. The words are as much louder in their files, so what goes down is the music."""

_ENDS = {"call-back": Left.CALL_BACK, "person": Left.PERSON, "objection": Left.OBJECTION, "done": Left.UNKNOWN}
_GIVES_UP = ("person", "objection")
"""Leaves the place to who stands behind; who is called back keeps it."""

_log = logging.getLogger("ringfence.queues")


class Publisher(Protocol):
    """Hands on what is known of a caller (`store.waits.Waits`); never raises."""

    async def publish(self, wait: str, known: Mapping[str, Any]) -> None:
        """Say what a caller is to be told."""
        ...

    async def publish_place(self, wait: str, position: int) -> None:
        """Say which place a caller comes back to."""
        ...


class QueueWatch(AmiListener):
    """The queues of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        gate: Site, ledger, clock and secret.
        publisher: Where what is known of a caller goes.
        observer: Metrics.
    """

    def __init__(self, name: str, gate: Gate, publisher: Publisher, observer: QueueObserver) -> None:
        super().__init__(name, _log)
        self._gate = gate
        self._publisher = publisher
        self._observer = observer
        self._record = QueueRecord(gate, observer)
        self._queues: dict[str, QueueState] = {}
        self._calls: dict[str, WaitingCall] = {}
        self._hooks: dict[str, WaitingCall] = {}  # by unique id of the channel that speaks
        self._looking: asyncio.Task[None] | None = None
        self._gone: set[str] = set()  # channels that ended while a look is under way
        self._has_seen = False  # who answers is known

    def take(self, event: Fields) -> None:
        """Take one AMI event; returns at once.

        Args:
            event: Its fields, named as Asterisk names them.
        """
        queue = event.get("Queue", "")
        if queue and (value := queue_event(event)) is not None:
            self._step(queue, value)
            if isinstance(value, Joined):
                self._joined(queue, value)
        match event.get("Event"):
            case "UserEvent":
                self._told_by_dialplan(event)
            case "AgentConnect":
                call = self._calls.get(event.get("Uniqueid", ""))
                if call is not None:
                    self._record.left(call, Left.ANSWERED, agent=event.get("Interface", ""))
            case "Newstate":
                call = self._calls.get(event.get("Uniqueid", ""))
                if call is not None and event.get("ChannelState") == UP:
                    call.charged_from = call.charged_from or self._gate.clock()
            case "Hangup":
                self._hung_up(event)

    def up(self) -> None:
        """The AMI connection is up: learn who waits, and what was missed."""
        self._has_seen = False
        if self._looking is not None:
            self._looking.cancel()  # it waits for the answer of a connection that is gone
            self._looking = None
        self._look_soon()

    def _step(self, queue: str, value: QueueEvent) -> None:
        self._queues[queue] = step(self._queues.get(queue, QueueState()), value, self._gate.clock())
        self._observer.queue_waiting(queue, len(self._queues[queue].waiting))

    def _joined(self, queue: str, value: Joined) -> None:
        if value.caller in self._calls:
            self._calls[value.caller].is_lost = False
        if value.count != len(self._queues[queue].waiting):
            self._look_soon()

    def _told_by_dialplan(self, event: Fields) -> None:
        match event.get("UserEvent"):
            case "RingfenceWait":
                self._announce(event)
            case "RingfenceQueue":
                self._moved(event)
            case "RingfenceCallBack":
                self._record.called_back(event)

    def _moved(self, event: Fields) -> None:
        """A caller waits, waits outside the queue, comes back, or is gone from it."""
        unique_id, does = event.get("Uniqueid", ""), event.get("Do", "")
        call = self._calls.get(unique_id)
        if does in _ENDS:
            if call is not None:
                self._record.left(call, _ENDS[does], wish=event.get("Wish", ""))
                if does in _GIVES_UP:
                    self._step(call.queue, Abandoned(unique_id, (self._gate.clock() - call.since).total_seconds()))
            return
        if call is None or call.noted != event.get("Since", ""):
            if call is not None:
                self._record.left(call, Left.UNKNOWN)
            call = self._begin(event)
        call.is_lost = False
        if event.get("ChannelState") == UP:
            call.charged_from = call.charged_from or self._gate.clock()
        if does == "again":
            self._start(self._publisher.publish_place(call.wait, self._place(call)))

    def _begin(self, event: Fields) -> WaitingCall:
        """One of whom we have not heard yet; written down unless the script has done so."""
        call = WaitingCall.of(self._gate, event)
        self._calls[call.unique_id] = call
        if not call.is_placeholder:
            self._observer.queue_joined(call.queue, wait=call.wait)
            if event.get("Joined") != "yes":
                self._record.joined(call)
        return call

    def _place(self, call: WaitingCall) -> int:
        """Where a caller stands, by who came earlier; 1 for the head."""
        waiting = self._queues.get(call.queue, QueueState()).waiting
        others = (self._calls[one.caller] for one in waiting if one.caller in self._calls)
        strangers = sum(1 for one in waiting if one.caller not in self._calls and one.joined_at < call.since)
        return 1 + strangers + sum(1 for other in others if other.order < call.order)

    def _announce(self, event: Fields) -> None:
        """An announcement is about to begin: say what, and turn the music down while it lasts."""
        call = self._calls.get(event.get("OfUniqueid", ""))
        if call is None or call.ended:
            return
        now = self._gate.clock()
        state = self._queues.get(call.queue, QueueState())
        position = state.position_of(call.unique_id) or self._place(call)
        found = estimate_wait(state, position, now)
        call.told = told = tell(found, call.told, now)
        known = {
            "phrase": told.phrase,
            "longer": told.longer,
            "estimate_s": None if found is None else found.wait_s,
            "position": position,
            "is_first": not call.times_told,
            "nobody": self._has_seen and all(m.off_since is not None for m in state.members.values()),
            "free": call.charged_from is None and call.early,
            "waited_s": (now - call.since).total_seconds(),
        }
        call.times_told += 1
        self._observer.queue_told(call.queue, wait=call.wait, is_known=found is not None)
        self._start(self._publisher.publish(call.wait, known))
        self._hooks[event.get("Uniqueid", "")] = call
        self._start(self._volume(call, LOWERED))

    def _hung_up(self, event: Fields) -> None:
        unique_id = event.get("Uniqueid", "")
        if (spoken_to := self._hooks.pop(unique_id, None)) is not None:
            self._start(self._volume(spoken_to, AS_IT_WAS))
        if self._looking is not None:
            self._gone.add(unique_id)
        call = self._calls.pop(unique_id, None)
        if call is not None:
            self._record.left(call, Left.UNKNOWN if call.is_lost else Left.ABANDONED)

    async def _volume(self, call: WaitingCall, factor: str) -> None:
        fields = {"Channel": call.channel, "Variable": "VOLUME(TX)", "Value": factor}
        try:
            await self._manager.send_action("Setvar", fields, ACTION_TIMEOUT_S)
        except ManagerError as exc:
            _log.debug("%s: the music of a waiting caller stays as it is: %s", self._name, exc)

    def _look_soon(self) -> None:
        """Look at the queues, unless that is under way."""
        if self._looking is None:
            self._gone.clear()
            self._looking = self._start(self._look())

    async def _look(self) -> None:
        """Take the queues as they are now, and see who came and who went meanwhile."""
        try:
            await self._until_answered(self._look_once, "the queues")
        finally:
            if self._looking is asyncio.current_task():
                self._looking = None

    async def _look_once(self) -> None:
        is_first = not self._has_seen
        known, hooks = dict(self._calls), tuple(self._hooks)  # whoever comes from here on is told of by events
        messages = await self._manager.send_action("QueueStatus", {}, LOOK_TIMEOUT_S)
        for queue, seen in snapshots(messages).items():
            self._step(queue, seen)
        self._has_seen = True
        entries = {one.get("Uniqueid", ""): one for one in messages if one.get("Event") == "QueueEntry"}
        running = await running_of(self._manager)
        for unique_id, call in known.items():
            if self._calls.get(unique_id) is call:
                self._look_at(call, running.get(unique_id))
        for key in hooks:
            if key not in running and key in self._hooks:
                await self._volume(self._hooks.pop(key), AS_IT_WAS)
        for unique_id, channel in running.items():
            if is_first and (unique_id in entries or channel.get("Application") == "Queue"):
                await self._found(channel, entries.get(unique_id))

    def _look_at(self, call: WaitingCall, channel: Fields | None) -> None:
        """One whom we know: gone, answered towards the network, or not where it was."""
        if channel is None:
            del self._calls[call.unique_id]
            self._record.left(call, Left.UNKNOWN)
            return
        if channel.get("ChannelState") == UP:
            call.charged_from = call.charged_from or self._gate.clock()
        call.is_lost = self._queues.get(call.queue, QueueState()).position_of(call.unique_id) is None

    async def _found(self, channel: Fields, entry: Fields | None) -> None:
        """One in a queue's hands: ours if the dialplan noted since when; new to us only while it waits."""
        unique_id, name = channel.get("Uniqueid", ""), channel.get("Channel", "")
        call = self._calls.get(unique_id)
        if call is None:
            noted = await noted_of(self._manager, name)
            if not noted or unique_id in self._gone or unique_id in self._calls:
                return
            call = WaitingCall.of(self._gate, {**channel, **(entry or {}), **noted})
            if channel.get("ChannelState") == UP:
                call.charged_from = call.since
            if entry is not None:
                self._calls[unique_id] = call
                self._record.joined(call)
        # A service that was killed may have left the sound lowered, also of one who talks by now.
        if not any(spoken_to is call for spoken_to in self._hooks.values()):
            await self._volume(call, AS_IT_WAS)
