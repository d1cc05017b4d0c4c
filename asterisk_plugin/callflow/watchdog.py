"""The watchdog: what dials a trunk without having passed the gate is hung up.

The dialplan holds a call back *before* the INVITE, but only a call that runs through it. An AMI
or ARI originate straight to the trunk, a call file, or a hand-written `Dial()` without the
pre-dial routine does not. Those are seen here, over AMI, and cancelled.

Which event proves it (Asterisk 22.10; the INVITE is the clock's zero):

    Newchannel  −305 ms in a gated Dial(), −1.2 ms in an originate: the pre-dial routine is still
                to come, so nothing can be judged yet
    DialBegin   0 to +0.7 ms: Asterisk has just asked the channel driver to call; the pre-dial
                routine has run, and a leg that it hung up never comes here
    Newstate    Ringing or Up: the far end has answered our INVITE; a second look, for ways of
                dialling that announce no DialBegin

A call that comes in *from* the trunk's endpoint has a channel of the same name. It is the
destination of no DialBegin, its Newchannel is in state Ring (4), not Down (0), and so it is never
judged.

Outbound fails closed: when the store cannot say and this process has not let the leg through, the leg
is hung up, unless it dials an emergency number: DialBegin's dial string says so, or the channel driver
when DialBegin was not heard. Caller ID and extension say nothing: whoever originates chooses them. An
*answered* call found while re-synchronising is left alone as long as the store cannot say: two people
are talking, and its absence proves nothing against them. A store that says "no" is believed there too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.ami_listener import AmiListener, running_of
from asterisk_plugin.callflow.trunk_legs import (
    DOWN,
    RINGING,
    UP,
    Leg,
    dialled_number,
    is_number,
    read_number,
    trunk_of,
    untokened,
    we_dialled,
)
from asterisk_plugin.core.channels import leg_key, without_number
from asterisk_plugin.errors import ActionRefusedError, LedgerUnavailableError, ManagerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableSet, Sequence

    from asterisk_plugin.ports import Clock, Ledger, Store

    Fields = Mapping[str, str]

CALL_REJECTED = "21"  # Q.850

HANGUP_TIMEOUT_S = 2.0
STORE_WAIT_S = 1.0  # the store has a shorter limit of its own

_LOG = logging.getLogger(__name__)


class Watchdog(AmiListener):
    """Watches the trunks of one Asterisk.

    Args:
        name: The Asterisk's name in the settings.
        trunks: Channel prefixes of its trunks.
        store: Asked whether another process let a leg through.
        ledger: Where untokened calls are recorded.
        clock: The present moment.
        passes: `leg_key`s of the legs that this process let through; shared with the trunk script.
        spares: Tells whether a dialled number is an emergency number: never hung up, whoever dialled it.
        on_event: Told what to count: `untokened`, `store-away`, `hangup-failed`, `unrecorded` or
            `resync-failed`.
    """

    def __init__(
        self,
        name: str,
        *,
        trunks: Sequence[str],
        store: Store,
        ledger: Ledger,
        clock: Clock,
        passes: MutableSet[str],
        spares: Callable[[str], bool],
        on_event: Callable[[str], None],
    ) -> None:
        super().__init__(name, _LOG)
        self._trunks = tuple(trunks)
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._passes = passes
        self._spares = spares
        self._on_event = on_event
        self._legs: dict[str, Leg] = {}
        self._gone: set[str] | None = None  # legs that ended while a re-sync waits for its list

    async def close(self) -> None:
        """Stop; what is still being judged is given up, what was hung up is recorded."""
        await super().close()
        # Calls that passed go on without us: their marks stay, or the next service would end them.
        for unique_id, leg in self._legs.items():
            if leg.action:
                self._record(unique_id, leg)

    def take(self, event: Fields) -> None:
        """Take one AMI event; returns at once.

        Args:
            event: Its fields, named as Asterisk names them.
        """
        match event.get("Event"):
            case "DialBegin":
                channel = event.get("DestChannel", "")
                number = dialled_number(event.get("DialString", ""), channel.partition("/")[0])
                self._dialled(channel, event.get("DestUniqueid", ""), number)
            case "Newchannel":
                self._created(event)
            case "Newstate":
                leg = self._legs.get(event.get("Uniqueid", ""))
                if leg is not None and leg.outgoing and event.get("ChannelState") in (RINGING, UP):
                    self._dialled(leg.channel, event["Uniqueid"], None)
            case "Hangup":
                self._ended(event)

    def up(self) -> None:
        """The AMI connection is up: look at the channels that run already."""
        self._start(self._resync())

    def down(self) -> None:
        """The AMI connection is gone: what runs is judged anew when it is back."""
        for leg in self._legs.values():
            leg.judged = leg.passed

    def _created(self, event: Fields) -> None:
        channel = event.get("Channel", "")
        if trunk_of(channel, self._trunks):
            self._leg(event.get("Uniqueid", ""), channel).outgoing = event.get("ChannelState") == DOWN

    def _dialled(self, channel: str, unique_id: str, number: str | None) -> None:
        """A leg whose INVITE goes out now: the one moment to judge it. None: its channel is asked for the number."""
        if not trunk_of(channel, self._trunks):
            return
        leg = self._leg(unique_id, channel)
        leg.outgoing = True
        if leg.judged:
            return
        leg.judged = True
        leg.since_s = asyncio.get_running_loop().time()
        self._start(self._judge(unique_id, leg, number=number, answered=False))

    def _ended(self, event: Fields) -> None:
        if trunk_of(event.get("Channel", ""), self._trunks):
            if self._gone is not None:
                self._gone.add(event.get("Uniqueid", ""))
            self._end(event.get("Uniqueid", ""), event["Channel"])

    def _end(self, unique_id: str, channel: str) -> None:
        leg = self._legs.pop(unique_id, None)
        key = leg_key(unique_id, channel if leg is None else leg.channel)
        passed = key in self._passes or (leg is not None and leg.passed)
        self._passes.discard(key)
        if passed:
            self._start(self._forget(key))
        elif leg is not None and leg.action:
            self._record(unique_id, leg)

    async def _judge(self, unique_id: str, leg: Leg, *, number: str | None, answered: bool) -> None:
        known = await self._known(leg_key(unique_id, leg.channel), leg, number)
        if known:
            leg.passed = True
        elif known is None and answered:
            leg.judged = False  # the store may say more at the next re-sync
            _LOG.warning(
                "%s: `%s` is answered and the store is away: left alone", self._name, without_number(leg.channel)
            )
        else:
            await self._hang_up(unique_id, leg)

    async def _known(self, key: str, leg: Leg, number: str | None) -> bool | None:
        """Whether this leg may live; None when nobody can say."""
        if key in self._passes:
            return True
        shown = without_number(leg.channel)
        try:
            number = await read_number(self._manager, leg.channel) if number is None else number
            if is_number(number) and self._spares(number):
                return True
            async with asyncio.timeout(STORE_WAIT_S):
                return await self._store.has_passed(key)
        except (StoreError, TimeoutError) as exc:
            self._on_event("store-away")
            _LOG.warning("%s: store cannot say whether `%s` passed: %s", self._name, shown, exc)
        except Exception:  # noqa: BLE001 - the boundary: a fault of ours must not let a leg live
            _LOG.exception("%s: whether `%s` passed cannot be told", self._name, shown)
        return None

    async def _hang_up(self, unique_id: str, leg: Leg) -> None:
        if not leg.action:
            self._on_event("untokened")
        try:
            # Set before the wait: the Hangup event may come before the answer.
            leg.action = "hung-up"
            fields = {"Channel": leg.channel, "Cause": CALL_REJECTED}
            await self._manager.send_action("Hangup", fields, HANGUP_TIMEOUT_S)
        except ActionRefusedError as exc:
            leg.action = "already-gone" if "No such channel" in str(exc) else "refused"
            self._hangup_failed(leg, exc)
        except ManagerError as exc:
            leg.action = "not-confirmed"
            self._hangup_failed(leg, exc)
        if unique_id not in self._legs:
            self._record(unique_id, leg)  # its Hangup came before the verdict

    def _hangup_failed(self, leg: Leg, fault: Exception) -> None:
        if leg.action != "already-gone":
            self._on_event("hangup-failed")
            _LOG.error("%s: untokened `%s` not hung up: %s", self._name, without_number(leg.channel), fault)

    def _record(self, unique_id: str, leg: Leg) -> None:
        if leg.recorded:
            return
        leg.recorded = True
        lived_ms = round((asyncio.get_running_loop().time() - leg.since_s) * 1000)
        shown = without_number(leg.channel)
        what = f"channel={shown} unique_id={unique_id} action={leg.action} lived_ms={lived_ms}"
        _LOG.warning("untokened call on %s: %s", self._name, what)
        try:
            self._ledger.submit(untokened(self._name, unique_id, leg, lived_ms=lived_ms, at=self._clock()))
        except LedgerUnavailableError as exc:
            self._on_event("unrecorded")
            _LOG.error("%s: untokened call on `%s` is not recorded: %s", self._name, shown, exc)

    async def _forget(self, key: str) -> None:
        try:
            await self._store.forget_passed(key)
        except StoreError:
            _LOG.debug("%s: store away, a mark is forgotten when it expires", self._name)

    async def _resync(self) -> None:
        """Look at every running channel: what dialled while we were away is judged now."""
        asked_s = asyncio.get_running_loop().time()
        gone: set[str] = set()
        self._gone = gone
        try:
            channels = await running_of(self._manager)
        except ManagerError as exc:
            self._on_event("resync-failed")
            _LOG.error("%s: running channels cannot be seen: %s", self._name, exc)
            return
        finally:
            self._gone = None
        running = {key: one for key, one in channels.items() if trunk_of(one.get("Channel", ""), self._trunks)}
        for unique_id, leg in tuple(self._legs.items()):
            if unique_id not in running and leg.since_s < asked_s:
                self._end(unique_id, leg.channel)  # its Hangup came while we were away
        for unique_id in running.keys() - gone:  # an end may overtake the list
            leg = self._leg(unique_id, running[unique_id]["Channel"])
            if not leg.judged:
                self._start(self._look_again(unique_id, leg, running[unique_id]))

    async def _look_again(self, unique_id: str, leg: Leg, fields: Fields) -> None:
        if not await we_dialled(self._manager, fields) or leg.judged or unique_id not in self._legs:
            return
        leg.outgoing = leg.judged = True
        await self._judge(unique_id, leg, number=None, answered=fields.get("ChannelState") == UP)

    def _leg(self, unique_id: str, channel: str) -> Leg:
        leg = self._legs.get(unique_id)
        if leg is None:
            leg = self._legs[unique_id] = Leg(channel, asyncio.get_running_loop().time())
        return leg
