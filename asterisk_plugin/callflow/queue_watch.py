"""Who waits in the queues of one Asterisk: learnt from AMI, told to whoever speaks to the caller, written down.

The dialplan says over AMI (`UserEvent`) what only it knows: since when a caller waits, that an announcement is about
to begin, that a key was pressed. Everything else is Asterisk's own. Should AMI be away, callers wait and are told that
their wait is not known; what ended meanwhile is written down as `unknown`, never guessed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.callflow.ami_listener import AmiListener
from asterisk_plugin.callflow.queue_calls import WaitingCall
from asterisk_plugin.callflow.queue_evidence import joined_event, left_event
from asterisk_plugin.callflow.queue_fields import queue_event, snapshots
from asterisk_plugin.core.queue_events import Abandoned
from asterisk_plugin.core.queue_state import QueueState, step
from asterisk_plugin.core.wait_estimate import estimate_wait
from asterisk_plugin.core.wait_told import tell
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import LedgerUnavailableError, ManagerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.queue_observing import QueueObserver

    Fields = Mapping[str, str]

ACTION_TIMEOUT_S = 2.0
RESYNC_TIMEOUT_S = 5.0
LOWERED, AS_IT_WAS = "-3", "1"
"""Of `VOLUME(TX)`: a third, and once. The words are as much louder in their files, so what goes down is the music."""

UP = "6"

_HOOK = "Local/hook@__func_periodic_hook_context__"
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
        self._queues: dict[str, QueueState] = {}
        self._calls: dict[str, WaitingCall] = {}
        self._hooks: dict[str, WaitingCall] = {}  # by unique id of the channel that speaks

    def take(self, event: Fields) -> None:
        """Take one AMI event; returns at once.

        Args:
            event: Its fields, named as Asterisk names them.
        """
        queue = event.get("Queue", "")
        if queue and (value := queue_event(event)) is not None:
            self._queues[queue] = step(self._queues.get(queue, QueueState()), value, self._gate.clock())
            self._observer.queue_waiting(queue, len(self._queues[queue].waiting))
        match event.get("Event"):
            case "UserEvent":
                self._told_by_dialplan(event)
            case "AgentConnect":
                call = self._calls.get(event.get("Uniqueid", ""))
                if call is not None:
                    self._end(call, Left.ANSWERED, agent=event.get("Interface", ""))
            case "Newstate":
                call = self._calls.get(event.get("Uniqueid", ""))
                if call is not None and event.get("ChannelState") == UP:
                    call.charged_from = call.charged_from or self._gate.clock()
            case "Hangup":
                self._hung_up(event)

    def up(self) -> None:
        """The AMI connection is up: learn who waits, and what was missed."""
        self._start(self._resync())

    def _told_by_dialplan(self, event: Fields) -> None:
        match event.get("UserEvent"):
            case "RingfenceWait":
                self._announce(event)
            case "RingfenceQueue":
                self._moved(event)

    def _moved(self, event: Fields) -> None:
        """A caller waits, waits outside the queue, comes back, or is gone from it."""
        unique_id, does = event.get("Uniqueid", ""), event.get("Do", "")
        call = self._calls.get(unique_id)
        if does in _ENDS:
            if call is not None:
                self._end(call, _ENDS[does])
                if does in _GIVES_UP:
                    self._gave_up(call)
            return
        if call is None:
            call = WaitingCall.of(self._gate, event)
            self._calls[unique_id] = call
            if not call.is_placeholder:
                self._observer.queue_joined(call.queue, wait=call.wait)
        if event.get("ChannelState") == UP:
            call.charged_from = call.charged_from or self._gate.clock()
        if does == "again":
            self._start(self._publisher.publish_place(call.wait, self._place(call)))

    def _gave_up(self, call: WaitingCall) -> None:
        """Asterisk tells of it only when a caller hangs up; for those behind it is the same."""
        now = self._gate.clock()
        gone = Abandoned(call.unique_id, (now - call.since).total_seconds())
        self._queues[call.queue] = step(self._queues.get(call.queue, QueueState()), gone, now)

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
            "nobody": all(m.off_since is not None for m in state.members.values()),
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
        call = self._calls.pop(unique_id, None)
        if call is not None and not call.ended:
            self._end(call, Left.ABANDONED)

    def _end(self, call: WaitingCall, how: Left, *, agent: str = "") -> None:
        """Write down, once, how the waiting ended."""
        if call.ended:
            return
        call.ended = True
        if call.is_placeholder:
            return
        now = self._gate.clock()
        waited_s = (now - call.since).total_seconds()
        self._observer.queue_left(call.queue, wait=call.wait, how=how, waited_s=waited_s)
        event = left_event(
            call.wait,
            secret=self._gate.secret,
            queue=call.queue,
            at=now,
            how=how,
            waited_s=waited_s,
            # An agent's answer is what answers the call: the state says so a moment later.
            charged_from=call.charged_from or (now if how is Left.ANSWERED else None),
            agent=agent,
        )
        try:
            self._gate.ledger.submit(event)
        except LedgerUnavailableError as exc:
            self._gate.observer.fault("queue", exc)

    async def _volume(self, call: WaitingCall, factor: str) -> None:
        fields = {"Channel": call.channel, "Variable": "VOLUME(TX)", "Value": factor}
        try:
            await self._manager.send_action("Setvar", fields, ACTION_TIMEOUT_S)
        except ManagerError as exc:
            _log.debug("%s: the music of a waiting caller stays as it is: %s", self._name, exc)

    async def _resync(self) -> None:
        """Take the queues as they are now, and see who came and who went meanwhile."""
        try:
            queues = await self._manager.send_action("QueueStatus", {}, RESYNC_TIMEOUT_S)
            channels = await self._manager.send_action("CoreShowChannels", {}, RESYNC_TIMEOUT_S)
        except ManagerError as exc:
            _log.error("%s: the queues cannot be seen: %s", self._name, exc)
            return
        now = self._gate.clock()
        for queue, seen in snapshots(queues).items():
            self._queues[queue] = step(self._queues.get(queue, QueueState()), seen, now)
        running = {message.get("Uniqueid", "") for message in channels}
        for unique_id, call in list(self._calls.items()):
            if unique_id not in running:
                del self._calls[unique_id]
                self._end(call, Left.UNKNOWN)
        self._hooks = {key: call for key, call in self._hooks.items() if key in running}
        for message in queues:
            if message.get("Event") == "QueueEntry":
                await self._found(message)

    async def _found(self, entry: Fields) -> None:
        """One who waits already: ours if the dialplan noted since when."""
        unique_id, channel = entry.get("Uniqueid", ""), entry.get("Channel", "")
        if unique_id not in self._calls:
            try:
                noted = await self._manager.send_action(
                    "Getvar", {"Channel": channel, "Variable": "RINGFENCE_QUEUE_SINCE"}, ACTION_TIMEOUT_S
                )
            except ManagerError:
                return  # gone meanwhile
            if not (since := noted[0].get("Value", "")):
                return
            call = WaitingCall.of(self._gate, {**entry, "Since": since, "Waited": entry.get("Wait", "")})
            self._calls[unique_id] = call
            self._write_joined(call)
        await self._volume(self._calls[unique_id], AS_IT_WAS)  # a service that was killed may have left it lowered

    def _write_joined(self, call: WaitingCall) -> None:
        """Of one who came while no service was there; of all others it is there already, and recorded once."""
        configured = self._gate.site.queues.get(call.queue)
        principal = configured.principal.id if configured else ""
        event = joined_event(call.wait, queue=call.queue, principal=principal, at=call.since)
        try:
            self._gate.ledger.submit(event)
        except LedgerUnavailableError as exc:
            self._gate.observer.fault("queue", exc)
