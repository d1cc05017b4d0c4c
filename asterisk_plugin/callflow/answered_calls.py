"""What is done with a call from its answer on: an agent in time, and no word for a machine."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.answered import EVENT, LISTEN_S
from asterisk_plugin.callflow.call_track import due_of, waits_for_agent
from asterisk_plugin.callflow.hearing import greeting_end_s, heard_of
from asterisk_plugin.callflow.machine_calls import ACTION_TIMEOUT_S, NORMAL_CLEARING, MachineCalls
from asterisk_plugin.callflow.muting import MUTED_S, Muting
from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.attempt_end import Heard
from asterisk_plugin.core.channels import plain_address, without_number
from asterisk_plugin.core.site import DialMode, OnMachine
from asterisk_plugin.detection.findings import Before, Finding, Kind, Why
from asterisk_plugin.errors import ManagerError, StoreError

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Callable, Coroutine, Mapping

    from asterisk_plugin.callflow.ami_listener import Manager
    from asterisk_plugin.callflow.call_track import CallTrack
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.hearing import Listener
    from asterisk_plugin.core.site import Campaign

ASKED_FIRST_S = 0.5
"""A dialplan that asks who answered has said so by then."""

ENDED_S = 0.5
"""A dialplan that has been told to hang a machine up has done so by then."""

LEAST_DOUBT_S = 0.2
"""A doubt lasts so long at least, in which a word can end it."""

TRIES, AGAIN_S = 10, 1.0
"""So often a message that could not be played is tried again, with so many seconds between."""

_log = logging.getLogger("ringfence.attempts")


class AnsweredCalls:
    """The answered calls of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        gate: This node's gate.
        manager: Its manager interface.
        listener: Listens to legs that talk; None: nobody does.
        limit_of: How long a person of a campaign and country may be without an agent.
        on_event: Told what to count: `machine-cut`, `machine-warned`, `no-agent-cut`, `abandoned-message`,
            `line-muted`, `not-muted`, `stays-mute`, `not-listened` or `not-listened-cut`.
        changed: Told of a call about which something is known now.
        start: Begins what takes time.
    """

    def __init__(
        self,
        name: str,
        gate: Gate,
        *,
        manager: Callable[[], Manager],
        listener: Listener | None,
        limit_of: Callable[[Campaign, str, dt.datetime], AnswerLimit],
        on_event: Callable[[str], None],
        changed: Callable[[CallTrack], None],
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
    ) -> None:
        self._name, self._gate, self._manager, self._listener = name, gate, manager, listener
        self._limit_of, self._on_event, self._changed, self._start = limit_of, on_event, changed, start
        self._machines = MachineCalls(name, manager, on_event)
        self._muting = Muting(name, manager=manager, on_event=on_event, changed=changed, start=start)

    def campaign_of(self, track: CallTrack) -> Campaign | None:
        """The campaign a call is made for; None when nobody knows it."""
        return None if track.leg is None else self._gate.site.campaigns.get(track.leg.campaign)

    def answered(self, track: CallTrack, *, is_seen: bool) -> None:
        """Somebody or something has answered; or is found talking (not `is_seen`).

        Who is in the middle of a talk can say what no greeting would be: only a recorded message is listened to then.
        """
        campaign = self.campaign_of(track)
        if is_seen or (campaign is not None and campaign.dial_mode is DialMode.RECORDED):
            track.later(ASKED_FIRST_S, partial(self._listen, track))
        # Whatever is heard or not: so long after the answer a person has a right to an agent.
        track.later(LISTEN_S + 1, partial(self._expect_agent, track))

    def asked(self, track: CallTrack, event: Mapping[str, str]) -> None:
        """The dialplan asks who answered (`Do: listen`) or has been told (`done`); or a service has told (`found`)."""
        track.listened_first = True
        match event.get("Do"):
            case "done":
                self._told(track, event)
            case "found":  # by this service or by another one that watches the same Asterisk
                self._note(track, event)
            case _:
                return
        self._changed(track)

    def resume(self, track: CallTrack) -> None:
        """Go on with an answered call of which something may have been missed."""
        self._muting.settle(track)
        if track.agent_s is None and track.message_s is None:
            track.is_sure = False
            track.due_s = None
            self._expect_agent(track)

    async def leave(self, track: CallTrack) -> None:
        """The service ends, the call goes on."""
        await self._muting.release(track)

    def _told(self, track: CallTrack, event: Mapping[str, str]) -> None:
        now_s = track.since_answer(self._gate.clock())
        track.heard = _heard(event)
        track.heard_why = event.get("Why", "")[:60]
        if track.heard is not Heard.NOT_HEARD:
            # The detector counts from the first sound, app_amd not at all: what it found, it has found by now.
            at_s, greeting_s = _seconds(event.get("At")), _seconds(event.get("Greeting"))
            track.heard_s = now_s
            track.greeting_s = None if greeting_s is None else max(0.0, now_s - (at_s or 0.0) + greeting_s)
        if event.get("Action") == "MESSAGE":
            track.message_s = now_s
        if event.get("Action") == "HANGUP":
            track.later(ENDED_S, partial(self._end_machine, track))
        if event.get("Action") != "CONNECT":
            return
        if track.heard_why != Why.STILL_SPEAKING.value or self._limit(track).from_answer:
            self._expect_agent(track)  # who still speaks waits for nobody yet: see `answered`
        spied = event.get("Spied", "")
        if not spied:
            self._start(self._unheard(track))
        elif self._listener is None or spied == plain_address(self._listener.address):
            # Else the sound goes to another service that watches this Asterisk.
            self._listen(track, _handed_on(event))

    def _note(self, track: CallTrack, event: Mapping[str, str]) -> None:
        at_s = _seconds(event.get("At"))
        if event.get("Message"):
            track.message_s = at_s if track.message_s is None else track.message_s
            return
        heard = _heard(event)
        if heard is Heard.NOT_HEARD or (track.heard is Heard.MACHINE and heard is not Heard.MACHINE):
            return
        track.heard, track.heard_why, track.heard_s = heard, event.get("Why", "")[:60], at_s
        if heard is not Heard.MACHINE:
            track.greeting_s = _seconds(event.get("Greeting"))
            self._expect_agent(track)

    async def _tell(self, track: CallTrack, **fields: str) -> None:
        """Tell every service that watches this Asterisk what was found, so that all write down the same end."""
        told = {"UserEvent": EVENT, "Uniqueid": track.unique_id, "Do": "found", **fields}
        try:
            await self._manager().send_action("UserEvent", told, ACTION_TIMEOUT_S)
        except ManagerError as exc:
            _log.debug("%s: what was found of `%s` was not told: %s", self._name, _shown(track), exc)

    async def _tell_found(self, track: CallTrack) -> None:
        greeting = {} if track.greeting_s is None else {"Greeting": f"{track.greeting_s:.3f}"}
        at_s = track.heard_s or 0.0
        await self._tell(track, Heard=track.heard.value, Why=track.heard_why, At=f"{at_s:.3f}", **greeting)

    # ---------------------------------------------------------------- an agent, in time

    def _limit(self, track: CallTrack) -> AnswerLimit:
        campaign = self.campaign_of(track)
        if campaign is None or track.leg is None:
            return AnswerLimit()
        return self._limit_of(campaign, track.leg.terms.country, self._gate.clock())

    def _expect_agent(self, track: CallTrack) -> None:
        campaign = self.campaign_of(track)
        if track.has_ended or campaign is None or track.due_s is not None or not waits_for_agent(campaign):
            return
        now_s = track.since_answer(self._gate.clock())
        track.due_s = due_of(track, self._limit(track), now_s)
        track.later(track.due_s - now_s, partial(self._overdue, track, tries=0))

    def _overdue(self, track: CallTrack, *, tries: int) -> None:
        if self._is_alone(track):
            self._start(self._abandon(track, tries=tries))

    @staticmethod
    def _is_alone(track: CallTrack) -> bool:
        is_person = track.heard is not Heard.MACHINE
        return is_person and track.agent_s is None and track.message_s is None and not track.has_ended

    async def _abandon(self, track: CallTrack, *, tries: int) -> None:
        """No agent in time: the message of an abandoned call, or the end where the law wants that."""
        if not await self._claim(f"abandoned/{track.unique_id}/{tries}") or not self._is_alone(track):
            return
        at_s = track.since_answer(self._gate.clock())
        if self._limit(track).message:
            place = {"Context": "ringfence-objection", "Exten": "abandoned", "Priority": "1"}
            action, fields, told = "Redirect", place, {"Message": "yes", "At": f"{at_s:.3f}"}
            track.message_s = at_s
            await self._muting.release(track)
            if track.agent_s is not None or track.has_ended:  # in this moment
                track.message_s = None
                return
        else:
            action, fields, told = "Hangup", {"Cause": NORMAL_CLEARING}, {}
        try:
            await self._manager().send_action(action, {"Channel": track.channel, **fields}, ACTION_TIMEOUT_S)
        except ManagerError as exc:
            track.message_s = None
            _log.error("%s: `%s` has no agent and hears no message: %s", self._name, _shown(track), exc)
            if tries < TRIES:
                track.later(AGAIN_S, partial(self._overdue, track, tries=tries + 1))
            return
        self._on_event("abandoned-message" if told else "no-agent-cut")
        self._changed(track)
        if told:
            await self._tell(track, **told)

    async def _claim(self, what: str) -> bool:
        """Whether we, of several services that watch this Asterisk, do something; without the store all do."""
        try:
            return await self._gate.store.claim(f"{self._name}/{what}")
        except StoreError:
            return True

    # ---------------------------------------------------------------- machines

    def _listen(self, track: CallTrack, before: Before | None = None) -> None:
        """Listen to a leg that talks: its dialplan sends the sound, and says what was heard; or has asked nobody."""
        campaign = self.campaign_of(track)
        if track.has_ended or (before is None and (track.is_heard or track.listened_first)):
            return
        if campaign is None or campaign.on_machine is OnMachine.OFF:
            return
        track.is_heard = True
        if before is not None and before.doubt_s and self._listener is not None:
            # Now: it takes a moment until the sound comes.
            self._doubts(track, Finding(Kind.MAY_BE_BEEP, 0.0, Why.DOUBTED_BEFORE))
        self._start(self._begin_listening(track, before))

    async def _begin_listening(self, track: CallTrack, before: Before | None) -> None:
        listener, leg = self._listener, track.leg
        found = partial(self._found, track, track.since_answer(self._gate.clock()))
        if listener is None or leg is None:
            comes = False
        elif before is not None:
            comes = await listener.expect(leg.attempt_id, found, before)
        elif await self._claim(f"listen/{track.unique_id}"):
            comes = await listener.begin(self._manager(), track.channel, leg.attempt_id, found)
        else:
            return  # another service that watches this Asterisk listens
        if not comes:
            track.is_heard = False
            self._muting.unmute(track)  # nobody can tell any more
            await self._unheard(track)

    async def _unheard(self, track: CallTrack) -> None:
        """Nobody listens to a leg that talks, although its campaign wants that."""
        campaign = self.campaign_of(track)
        if track.has_ended or campaign is None or campaign.on_machine is OnMachine.OFF:
            return
        self._on_event("not-listened")
        if campaign.dial_mode is DialMode.RECORDED:
            await self._machines.hang_up(track, "not-listened-cut")  # it would be left on a machine

    def _found(self, track: CallTrack, began_s: float, finding: Finding) -> bool:
        """What was heard on a leg that talks, from `began_s` after the answer on; whether that is believed."""
        if finding.kind in (Kind.MAY_BE_BEEP, Kind.NO_BEEP):
            self._doubts(track, finding)
            return True
        if finding.is_by_quiet and not track.mute.is_wanted:
            return False
        if track.has_ended or (not finding.is_machine and track.heard not in (Heard.NOT_HEARD, Heard.NOT_SURE)):
            return True
        before_s = track.heard_s
        track.heard, track.heard_why, track.heard_s = heard_of(finding), finding.why.value, began_s + finding.at_s
        ended_s = greeting_end_s(finding)
        if not finding.is_machine:
            # Who still spoke when the first listening ended, and then said nothing more, had greeted by then.
            track.greeting_s = before_s if ended_s is None else began_s + ended_s
        # Before the leg is hung up: whoever else sees it end must know by then.
        self._start(self._tell_found(track))
        if finding.is_machine:
            self._is_machine(track)
        else:
            self._expect_agent(track)
        self._changed(track)
        return True

    def _doubts(self, track: CallTrack, finding: Finding) -> None:
        """A machine that may record now gets no word; but nobody is kept from the message of an abandoned call."""
        campaign = self.campaign_of(track)
        if finding.kind is Kind.NO_BEEP:
            self._muting.unmute(track)
        elif campaign is not None and campaign.on_machine is OnMachine.HANG_UP and track.message_s is None:
            self._muting.mute(track)

    def _is_machine(self, track: CallTrack) -> None:
        campaign = self.campaign_of(track)
        if campaign is not None and campaign.on_machine is OnMachine.WARN:
            self._start(self._machines.warn(track))
        else:
            self._start(self._machines.hang_up(track, "machine-cut"))

    def _end_machine(self, track: CallTrack) -> None:
        """Its dialplan goes on with a leg that it was to hang up: option F of another Dial() leads elsewhere."""
        if not track.has_ended:
            self._start(self._machines.hang_up(track, "machine-cut"))


def _shown(track: CallTrack) -> str:
    return without_number(track.channel)


def _heard(event: Mapping[str, str]) -> Heard:
    return Heard(event["Heard"]) if event.get("Heard", "") in tuple(Heard) else Heard.NOT_HEARD


def _handed_on(event: Mapping[str, str]) -> Before:
    """What the listening before the connection has left; within the bounds of what it can have heard."""
    doubt_s, spoken_s, quiet_s = (_seconds(event.get(name)) or 0.0 for name in ("Doubt", "Spoken", "Quiet"))
    if doubt_s:
        doubt_s = min(max(doubt_s, LEAST_DOUBT_S), MUTED_S)
    return Before(doubt_s, min(spoken_s, LISTEN_S), min(quiet_s, LISTEN_S))


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
