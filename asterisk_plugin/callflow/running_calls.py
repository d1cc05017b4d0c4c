"""Calls that run when a person objects: one that rings is hung up, one in conversation is told to its agent.

Which calls run is learnt from the same AMI events as the watchdog's. Between the gate's last look (the trunk
script's PASS) and DialBegin there is no leg to be seen yet, so an objection is remembered for some seconds
and every leg that begins to dial meanwhile is held against it. An objection that was not heard, because the
store or the Asterisk could not be reached just then, is found by asking the store about every leg as soon as
both are back (`recheck`), again and again until there is an answer. So is one of many that were imported.

Whoever dials an emergency number is left alone, whatever anybody objected to.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.ami_listener import REPEAT_S, AmiListener, running_of
from asterisk_plugin.callflow.running_legs import RunningLeg, agents_of, campaign_of, e164_of, messages_to, read_value
from asterisk_plugin.callflow.trunk_legs import (
    READ_TIMEOUT_S,
    UP,
    dialled_number,
    is_number,
    read_number,
    trunk_of,
    we_dialled,
)
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import ActionRefusedError, ManagerError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asterisk_plugin.core.objected import Objected

    Fields = Mapping[str, str]

CALL_REJECTED = "21"  # Q.850
REMEMBERED_S = 30.0
HANGUP_TIMEOUT_S = 2.0

_log = logging.getLogger("ringfence.objections")


class RunningCalls(AmiListener):
    """The running calls of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        trunks: Channel prefixes of its trunks.
        tag: Person tag of an E.164 number.
        principal_of: Principal id of a campaign id, empty when it is not known.
        holds: Tells whether an objection of a person (tag) against a principal stands in the store;
            against any, when the principal is empty.
        spares: Tells whether a dialled number is an emergency number: never hung up.
        on_event: Told what to count: `objection-cut`, `objection-flagged` or `objection-missed`.
    """

    def __init__(
        self,
        name: str,
        *,
        trunks: Sequence[str],
        tag: Callable[[str], str],
        principal_of: Callable[[str], str],
        holds: Callable[[str, str], Awaitable[bool]],
        spares: Callable[[str], bool],
        on_event: Callable[[str], None],
    ) -> None:
        super().__init__(name, _log)
        self._trunks = tuple(trunks)
        self._tag = tag
        self._principal_of = principal_of
        self._holds = holds
        self._spares = spares
        self._on_event = on_event
        self._legs: dict[str, RunningLeg] = {}
        self._recent: dict[str, tuple[float, Objected]] = {}
        self._gone: set[str] | None = None  # legs that ended while a re-sync waits for its list
        self._resyncing: asyncio.Task[None] | None = None
        self._recheck_until_s = 0.0
        self._due: dict[str, None] = {}  # unique ids of legs about which the store could not be asked, in order
        self._repeating = False

    def take(self, event: Fields) -> None:
        """Take one AMI event; returns at once.

        Args:
            event: Its fields, named as Asterisk names them.
        """
        match event.get("Event"):
            case "DialBegin":
                self._dialled(event)
            case "Newstate":
                leg = self._legs.get(event.get("Uniqueid", ""))
                if leg is not None and event.get("ChannelState") == UP:
                    leg.up = True
            case "Hangup":
                self._legs.pop(event.get("Uniqueid", ""), None)
                if self._gone is not None:
                    self._gone.add(event.get("Uniqueid", ""))

    def up(self) -> None:
        """The AMI connection is up: learn what runs, and see what was missed."""
        if self._resyncing is not None:
            self._resyncing.cancel()  # it waits for the list of a connection that is gone
        self._resyncing = self._start(self._until_answered(self._resync, "running calls"))

    def objected(self, objected: Objected) -> None:
        """A person has objected; returns at once. Told twice, acted on once."""
        now = asyncio.get_running_loop().time()
        for event_id in [key for key, (until, _) in self._recent.items() if until < now]:
            del self._recent[event_id]
        if objected.event_id in self._recent:
            return
        self._recent[objected.event_id] = now + REMEMBERED_S, objected
        for leg in self._legs.values():
            if leg.person == objected.person or not leg.person:
                self._start(self._act(leg, objected))

    def recheck(self) -> None:
        """Ask the store about every leg: announcements may have been missed. Returns at once.

        A leg about which there is no answer is asked about every `REPEAT_S` until there is one or it has ended. A leg
        that begins to dial within `REMEMBERED_S` is asked about too: the gate's last look may lie before.
        """
        self._recheck_until_s = asyncio.get_running_loop().time() + REMEMBERED_S
        for unique_id, leg in self._legs.items():
            self._start(self._recheck(unique_id, leg))

    def _dialled(self, event: Fields) -> None:
        channel = event.get("DestChannel", "")
        if not trunk_of(channel, self._trunks):
            return
        dialled = dialled_number(event.get("DialString", ""), channel.partition("/")[0])
        if self._is_emergency(dialled):
            return
        number = e164_of(dialled)
        now = asyncio.get_running_loop().time()
        leg = RunningLeg(channel, now, self._tag(number) if number else "")
        unique_id = event.get("DestUniqueid", "")
        self._legs[unique_id] = leg
        if now <= self._recheck_until_s:
            self._start(self._recheck(unique_id, leg))
        for until, objected in self._recent.values():
            if until >= now and leg.person in (objected.person, ""):
                self._start(self._act(leg, objected))

    def _is_emergency(self, dialled: str) -> bool:
        return is_number(dialled) and self._spares(dialled)

    async def _act(self, leg: RunningLeg, objected: Objected) -> None:
        try:
            person = await self._person(leg)
        except ManagerError as exc:
            self._missed(leg, exc)
            return
        if person != objected.person:
            return
        if objected.scope == EVERYONE or objected.is_against(await self._principal(leg)):
            await self._end(leg, objected.reference)

    async def _recheck(self, unique_id: str, leg: RunningLeg) -> None:
        if leg.hung_up or leg.flagged:
            return
        try:
            person = await self._person(leg)
            held = bool(person) and await self._holds(person, await self._principal(leg))
        except RingfenceError as exc:
            self._postpone(unique_id, exc)
            return
        if held:
            self._start(self._end(leg, ""))

    def _postpone(self, unique_id: str, fault: RingfenceError) -> None:
        self._due[unique_id] = None
        if not self._repeating:
            self._repeating = True
            self._start(self._repeat())
            _log.warning("%s: whether anybody objected to calls that run is not known yet: %s", self._name, fault)

    async def _repeat(self) -> None:
        """Ask about the legs that are due until all are answered or have ended."""
        try:
            while self._due:
                await asyncio.sleep(REPEAT_S)
                for unique_id in tuple(self._due):
                    del self._due[unique_id]
                    if unique_id in self._legs:
                        await self._recheck(unique_id, self._legs[unique_id])
                    if unique_id in self._due:
                        break  # most likely there is no answer about the others either; it is the last of them now
        finally:
            self._repeating = False

    async def _end(self, leg: RunningLeg, reference: str) -> None:
        """Hang up what rings, flag what talks; once each."""
        if leg.up:
            await self._flag(leg, reference)
        elif not leg.hung_up:
            await self._cut(leg)

    async def _cut(self, leg: RunningLeg) -> None:
        leg.hung_up = True  # the announcement comes from two sides at once
        try:
            await self._manager.send_action(
                "Hangup", {"Channel": leg.channel, "Cause": CALL_REJECTED}, HANGUP_TIMEOUT_S
            )
        except ActionRefusedError as exc:
            if "No such channel" not in str(exc):
                leg.hung_up = False
                self._missed(leg, exc)
        except ManagerError as exc:
            leg.hung_up = False  # once more when the connection is back
            self._missed(leg, exc)
        else:
            self._on_event("objection-cut")
            _log.warning("%s: `%s` was ringing somebody who has just objected, hung up", self._name, _shown(leg))

    async def _flag(self, leg: RunningLeg, reference: str) -> None:
        if leg.flagged:
            return
        leg.flagged = True  # before the wait: the announcement comes from two sides at once
        try:
            agents = await agents_of(self._manager, leg.channel)
        except ManagerError as exc:
            leg.flagged = False
            self._missed(leg, exc)
            return
        # None: nobody talks to the person; this is the call that leads to the objection line.
        told = await asyncio.gather(*(self._tell(leg, agent, reference) for agent in agents))
        leg.flagged = bool(told) and all(told)  # who could not be told is told when the connection is back
        if not all(told):
            self._missed(leg, "its agent could be told in no way")
        if any(told):
            self._on_event("objection-flagged")
            _log.warning("%s: `%s` talks to somebody who has just objected, agent told", self._name, _shown(leg))

    async def _tell(self, leg: RunningLeg, agent: str, reference: str) -> bool:
        """Whether an agent was told in at least one way."""
        told = False
        for name, fields in messages_to(agent, reference):
            try:
                await self._manager.send_action(name, fields, READ_TIMEOUT_S)
                told = True
            except ManagerError as exc:
                _log.warning("%s: the agent of `%s` was not told by %s: %s", self._name, _shown(leg), name, exc)
        return told

    async def _person(self, leg: RunningLeg) -> str:
        """Whom a leg dials, asked of its channel once where the dial string did not say.

        Raises:
            ManagerError: Asterisk does not answer.
        """
        if leg.person:
            return leg.person
        if leg.asking is None:
            leg.asking = asyncio.get_running_loop().create_task(self._ask_person(leg))
        return await leg.asking

    async def _ask_person(self, leg: RunningLeg) -> str:
        if leg.found and not await we_dialled(self._manager, leg.found):
            return ""  # a call that came in
        try:
            called = await read_value(self._manager, leg.channel, "RINGFENCE_CALLED")
        except ManagerError:
            leg.asking = None  # whoever wants to know next asks again
            raise
        dialled = await read_number(self._manager, leg.channel)
        if self._is_emergency(called) or self._is_emergency(dialled):
            return ""
        number = e164_of(called) or e164_of(dialled)
        leg.person = self._tag(number) if number else ""
        return leg.person

    async def _principal(self, leg: RunningLeg) -> str:
        """For whom a leg dials; empty when nobody can say, and then every objection counts: the safe side."""
        if leg.campaign is None:
            try:
                leg.campaign = await campaign_of(self._manager, leg.channel)
            except ManagerError as exc:
                _log.warning(
                    "%s: for whom `%s` dials is not told, every objection counts: %s", self._name, _shown(leg), exc
                )
                return ""
        return self._principal_of(leg.campaign)

    async def _resync(self) -> None:
        """Learn the legs that run already, then see whether anybody has objected to them."""
        asked_s = asyncio.get_running_loop().time()
        gone = self._gone = set()
        try:
            channels = await running_of(self._manager)
        finally:
            if self._gone is gone:
                self._gone = None
        running = {key: one for key, one in channels.items() if trunk_of(one.get("Channel", ""), self._trunks)}
        for unique_id in self._legs.keys() - running.keys():
            if self._legs[unique_id].since_s < asked_s:
                del self._legs[unique_id]  # its Hangup came while we were away
        for unique_id in running.keys() - gone:
            fields = running[unique_id]
            leg = self._legs.setdefault(unique_id, RunningLeg(fields["Channel"], asked_s, found=fields))
            leg.up = leg.up or fields.get("ChannelState") == UP
        self.recheck()

    def _missed(self, leg: RunningLeg, fault: Exception | str) -> None:
        self._on_event("objection-missed")
        _log.error("%s: `%s` of somebody who has objected is not ended: %s", self._name, _shown(leg), fault)


def _shown(leg: RunningLeg) -> str:
    return without_number(leg.channel)
