"""Ends that nobody saw: of legs that the gate let out and that no service followed to their end.

Every leg that passes is noted as due; whoever follows it takes it over (`attempts.py`). What stays is a leg that
began and ended while AMI was away, or the service, or that ran where nobody watches. As soon as it is certain that
it is over, or after a bounded wait, it is written down as not sure, with what the dialplan told of it (`outcome`);
of the rest the worst is taken.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.callflow.attempt_ends import LONGEST
from asterisk_plugin.callflow.attempts import UNSEEN_S
from asterisk_plugin.callflow.call_track import CallTrack
from asterisk_plugin.callflow.outcome import outcomes_told
from asterisk_plugin.errors import LedgerError, ManagerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

    from asterisk_plugin.callflow.end_writer import EndWriter
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.ports import DueEnd

LOOK_S = 5.0
"""Between two looks."""

GRACE = dt.timedelta(seconds=5)
"""A leg that has just passed dials within this; so much the clocks of two nodes may differ, too."""

UNTOLD_S = 3600.0
"""Where no Asterisk is watched at all, an agent's call that the dialplan has told nothing of may still be talking."""

_log = logging.getLogger("ringfence.attempts")


class Watch(Protocol):
    """Who follows the attempts of one Asterisk, see `Attempts`."""

    @property
    def name(self) -> str:
        """The Asterisk's name in the settings."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it hears of everything that happens now."""
        ...

    def follows(self, due: DueEnd) -> bool:
        """Whether it follows a leg to its end, or writes that down just now."""
        ...

    def missed_nothing_of(self, due: DueEnd, *, slack: dt.timedelta) -> bool:
        """Whether a leg that it does not follow was never dialled."""
        ...

    async def running(self) -> Mapping[str, Mapping[str, str]]:
        """The `CoreShowChannel` events of what runs, by unique id; raises ManagerError."""
        ...

    async def adopt(self, unique_id: str, fields: Mapping[str, str]) -> None:
        """Follow a leg that was found running."""
        ...


class UnseenEnds:
    """Writes down the ends that nobody saw.

    Args:
        gate: This node's gate.
        writer: Writes them.
        watches: Who follows the attempts of each Asterisk of this service.
    """

    def __init__(self, gate: Gate, writer: EndWriter, watches: Sequence[Watch]) -> None:
        self._gate, self._writer, self._watches = gate, writer, tuple(watches)
        self._began_at = gate.clock()
        self._fault = ""

    async def run(self) -> None:
        """Look again and again, and show what is watched, until cancelled."""
        await asyncio.gather(self._again(self.look), self._again(self.show))

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(LOOK_S)  # at the beginning too: AMI is being connected
            try:
                await work()
            except Exception as exc:  # noqa: BLE001 - one odd entry must not end the service, which would meet it again
                if str(exc) != self._fault:  # once, not at every try
                    unknown = None if isinstance(exc, (StoreError, LedgerError)) else exc
                    _log.warning("whether ends of attempts were missed is not known: %s", exc, exc_info=unknown)
                self._fault = str(exc)
            else:
                self._fault = ""

    async def show(self) -> None:
        """Let other services know of which Asterisks everything is seen here; raises StoreError."""
        for watch in self._watches:
            if watch.is_up:
                await self._gate.store.show_watch(watch.name)

    async def look(self) -> None:
        """Look once; what has ended is written down.

        Raises:
            StoreError: The store cannot say which ends are due; the next look may.
            LedgerError: The ledger cannot say what the dialplan told.
        """
        up = {watch.name: watch for watch in self._watches if watch.is_up}
        ripe_at = self._gate.clock() - GRACE
        due = [each for each in await self._gate.store.due_ends() if self._is_open(each) and each.passed_at < ripe_at]
        others = [each for each in due if each.asterisk not in up]
        for name, watch in up.items():
            if mine := [each for each in due if each.asterisk == name]:
                others += await self._seen_by(watch, mine)
        if others:
            await self._seen_by_nobody(others, ripe_at, ours=up)

    def _is_open(self, due: DueEnd) -> bool:
        return not any(watch.follows(due) for watch in self._watches)

    async def _seen_by(self, watch: Watch, due: Sequence[DueEnd]) -> Sequence[DueEnd]:
        """Legs of an Asterisk that tells what runs: what does not has ended. All are left when it does not tell."""
        try:
            running = await watch.running()
        except ManagerError as exc:
            _log.debug("%s: whether legs that passed still run is not known: %s", watch.name, exc)
            return due
        over = []
        for each in due:
            if fields := running.get(each.unique_id):
                await watch.adopt(each.unique_id, fields)
            elif self._is_open(each):
                over.append(self._write(each, is_sure=watch.missed_nothing_of(each, slack=GRACE)))
        await asyncio.gather(*over)
        return ()

    async def _seen_by_nobody(self, due: Sequence[DueEnd], ripe_at: dt.datetime, *, ours: Container[str]) -> None:
        """Legs of an Asterisk about which this service knows nothing now; of `ours` nobody else knows more."""
        names = {each.asterisk for each in due if each.asterisk not in ours}
        watched = {name: await self._gate.store.is_watched(name) for name in names if name}
        left = [each for each in due if not watched.get(each.asterisk)]
        told = await outcomes_told(self._gate.ledger, [each.leg.attempt_id for each in left])
        now, over = self._gate.clock(), []
        for each in left:
            heard = told.get(each.leg.attempt_id)
            is_over = heard is not None and heard.at < ripe_at
            if self._is_open(each) and (is_over or now - max(each.passed_at, self._began_at) > self._longest(each)):
                over.append(self._write(each, is_sure=False))
        await asyncio.gather(*over)

    def _longest(self, due: DueEnd) -> dt.timedelta:
        """So long a leg of which nothing is heard may run; a place without an agent is held longer than this."""
        is_watched = bool(due.asterisk or self._watches)
        return dt.timedelta(seconds=UNSEEN_S if is_watched or not due.leg.terms.agent else UNTOLD_S)

    async def _write(self, due: DueEnd, *, is_sure: bool) -> None:
        track = CallTrack(due.unique_id, due.channel, due.passed_at, due.leg)
        # Found days later, it is an end of its day all the same: who reads a period reads a day beyond it.
        at = min(self._gate.clock(), due.passed_at + LONGEST)
        _log.info("%s: how attempt %s ended was not seen", due.asterisk or "-", due.leg.attempt_id)
        await self._writer.write(track, asterisk=due.asterisk, cause=0, at=at, is_seen=is_sure, is_followed=False)
