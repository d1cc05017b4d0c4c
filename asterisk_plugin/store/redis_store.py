"""The store port over Redis or Valkey: one script, one round trip for each call."""

from __future__ import annotations

import asyncio
import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.facts import AttemptCount, PersonRecords
from asterisk_plugin.errors import LedgerError, StoreCorruptError, StoreError, StoreNotReadyError
from asterisk_plugin.ports import CallTerms, Redeemed, Redemption
from asterisk_plugin.store import keys, scripts
from asterisk_plugin.store.call_marks import CallMarks
from asterisk_plugin.store.ended import read_ended
from asterisk_plugin.store.inspection import check_usable
from asterisk_plugin.store.opening import open_client
from asterisk_plugin.store.pacing import LANDED_MS, pace_args, pace_keys, read_pace
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.records import (
    attempt_member,
    epoch_ms,
    moment_of,
    read_consents,
    read_objections,
    read_relationships,
    whole_ms,
)
from asterisk_plugin.store.watch import ServerWatch

_encode = json.JSONEncoder(separators=(",", ":")).encode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Sequence

    from asterisk_plugin.core.facts import AttemptLimit, PaceFacts
    from asterisk_plugin.ports import LookUp, PaceQuery


class RedisStore(CallMarks):
    """Everything a decision asks, and the marks of running calls.

    Args:
        url: Where the store is; see `address.py`.
        timeout_s: Longest wait for one answer, in seconds.
        connections: How many are kept open.
        keep_attempts_s: How long an attempt is kept, in seconds: the longest window of any limit.
        identify: Tells which ledger decisions rely on (`callflow.projector.ledger_id`); asked once,
            and again while that ledger is empty. A store filled from another one is not ready then.
            None: nobody looks, unless a projector in this process did.
        zone: By whose days campaigns' calls are counted, IANA.
        head: How far the ledger is. With it a server that was restarted or replaced is relied on only when
            the projector has brought it that far; None where no projector runs beside.

    Raises:
        StartupError: The address cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        keep_attempts_s: float,
        connections: int = 1,
        zone: str = "Etc/UTC",
        identify: Callable[[], Awaitable[str]] | None = None,
        head: Callable[[], Awaitable[tuple[int, str]]] | None = None,
    ) -> None:
        super().__init__(open_client(url, timeout_s=timeout_s, connections=connections))
        self._watch = ServerWatch(self.client, head=head)
        self._identify = identify
        self.projection = Projection(url, keep_attempts_s=keep_attempts_s, zone=zone)
        """How the ledger gets into this store; it has connections of its own."""

    @property
    def keep_attempts_s(self) -> float:
        """How long an attempt is kept, in seconds.

        May be set again when other rules come into force; a longer time makes the projector fill
        the store anew, because older attempts are missing in it. Until it has, nothing is decided.
        """
        return self.projection.keep_attempts_s

    @keep_attempts_s.setter
    def keep_attempts_s(self, seconds: float) -> None:
        self.projection.keep_attempts_s = seconds

    async def connect(self) -> None:
        """Check that the store is there and can be used.

        Raises:
            StartupError: It is too old, of the wrong kind, or throws records away when full.
            StoreError: It cannot be reached now; calls may be made all the same, and will work
                as soon as it can.
        """
        await check_usable(self.client)

    async def close(self) -> None:
        """Close every connection."""
        await self._watch.close()
        await self.client.close()
        await self.projection.close()

    async def ping(self) -> None:
        """Answer if the store is there and can be relied on.

        Raises:
            StoreNotReadyError: It throws away what decisions need.
            StoreError: It is not there.
        """
        await self.client.everywhere("PING")
        await self._watch.look()

    async def look_up(self, query: LookUp) -> PersonRecords:
        """Read a person's records and, when asked, reserve the attempt: atomic, one round trip.

        Raises:
            StoreNotReadyError: The store is not filled from the ledger, or from another one, or
                throws records away.
            StoreCorruptError: A record cannot be read; nothing is reserved.
            StoreError: The store cannot answer in time.
        """
        give_up_at = asyncio.get_running_loop().time() + self.client.timeout_s
        await self._watch.usable()
        args = self._look_up_args(query, await self._ledger())
        timeout_s = give_up_at - asyncio.get_running_loop().time()
        reply = await self.client.run(scripts.LOOK_UP, _look_up_keys(query), args, timeout_s=timeout_s)
        objections, given, withdrawn, relationships, counts, reserved, ended = reply
        try:
            # The call may have made a new connection, to a server that nobody has looked over.
            await self._watch.usable()
            return PersonRecords(
                objections=read_objections(objections),
                consents=read_consents(given, withdrawn),
                relationships=read_relationships(relationships),
                attempts=_counts(query.limits, counts),
                reserved=bool(reserved),
                ended=read_ended(ended),
            )
        except StoreError:
            if reserved:
                await self._give_back(query)
            raise

    async def release(self, *, person: str, principal: str, campaign: str, attempt_id: str, token: str) -> None:
        """Undo a reservation whose attempt is not dialled: the count and the token go.

        Raises:
            StoreError: The store cannot answer in time. It may still have done it, or may do it
                when it wakes.
        """
        await self.client.run(
            scripts.RELEASE,
            (keys.attempts(person), keys.token(person, token)),
            (attempt_member(principal, campaign, attempt_id),),
        )

    async def pace(self, query: PaceQuery) -> PaceFacts:
        """Read how a campaign's calls ended and, when asked, count one more as under way: atomic, one round trip.

        Raises:
            StoreNotReadyError: The store is not filled from the ledger, or from another one, or throws records away.
            StoreError: The store cannot answer in time. It may have counted the call; it is given up by itself.
        """
        await self._watch.usable()
        reply = await self.client.run(scripts.PACE, pace_keys(query), (await self._ledger(), *pace_args(query)))
        # The call may have made a new connection, to a server that lacks the newest ends.
        await self._watch.usable()
        return read_pace(query, reply)

    async def end_flight(self, campaign: str, attempt_id: str, *, harmless: bool = False) -> None:
        """A call without a reserved agent is not under way any more; nothing happens when none of this id is.

        Args:
            campaign: Its campaign.
            attempt_id: The call.
            harmless: It can no longer end without an agent: one came in time, or it is not dialled. Otherwise its place
                is held until its end is counted, so that it is never neither under way nor counted.

        Raises:
            StoreError: The store cannot answer in time; the call is given up by itself.
        """
        await self.client.run(scripts.LAND, (keys.flights(campaign),), (attempt_id, 0 if harmless else LANDED_MS))

    async def redeem(self, *, person: str, token: str, shown: str, now: dt.datetime) -> Redeemed:
        """Use a token up, whatever comes of it: atomic with a last look at the objections.

        Raises:
            StoreError: The store cannot answer in time, is not filled, or the token is unreadable.
        """
        await self._watch.usable()
        result, issued = await self.client.run(
            scripts.REDEEM,
            (keys.ready(keys.bucket_of(person)), keys.objections(person), keys.token(person, token)),
            (await self._ledger(), shown, epoch_ms(now)),
        )
        # The call may have made a new connection, to a server that lacks the newest objections.
        await self._watch.usable()
        if not issued:
            return Redeemed(Redemption.UNKNOWN)
        try:
            values = json.loads(issued)
            return Redeemed(
                Redemption(result.decode()),
                attempt_id=values["attempt_id"],
                campaign=values["campaign"],
                principal=values["principal"],
                terms=CallTerms(*values.get("terms", ())),
            )
        except (KeyError, ValueError, TypeError) as exc:
            raise StoreCorruptError(f"a token of the store cannot be read: {exc!r}") from exc

    async def _ledger(self) -> str:
        """The ledger that the store must be filled from, `*` when nobody told."""
        found = self.projection.ledger_id
        if not found and self._identify is not None:
            try:
                found = self.projection.ledger_id = await self._identify()
            except LedgerError as exc:
                raise StoreNotReadyError(f"whether the store is the ledger's image cannot be told: {exc}") from exc
        return "*" if found is None else found

    def _look_up_args(self, query: LookUp, ledger_id: str = "*") -> list[Any]:
        now_ms = epoch_ms(query.now)
        lifetime_ms = whole_ms(query.token_lifetime_s)
        kept_ms = whole_ms(self.keep_attempts_s)
        issued = {
            "attempt_id": query.attempt_id,
            "principal": query.principal,
            "campaign": query.campaign,
            "shown": query.shown,
            "expires_ms": now_ms + lifetime_ms,
            "terms": astuple(query.terms),
        }
        args: list[Any] = [
            ledger_id,
            query.principal,
            query.campaign,
            int(query.reserve),
            now_ms,
            attempt_member(query.principal, query.campaign, query.attempt_id),
            _encode(issued),
            lifetime_ms,
            kept_ms,
        ]
        for limit in query.limits:
            since_ms = now_ms - kept_ms if limit.since is None else epoch_ms(limit.since)
            args += (limit.scope.value, since_ms, limit.max_attempts)
        return args

    async def _give_back(self, query: LookUp) -> None:
        try:
            await self.release(
                person=query.person,
                principal=query.principal,
                campaign=query.campaign,
                attempt_id=query.attempt_id,
                token=query.token,
            )
        except StoreError:
            # The caller learns of the unreadable record; an attempt too many only errs on the safe side.
            return


def _look_up_keys(query: LookUp) -> tuple[str, ...]:
    person = query.person
    return (
        keys.ready(keys.bucket_of(person)),
        keys.objections(person),
        keys.consents(person),
        keys.withdrawals(person),
        keys.relationships(person),
        keys.attempts(person),
        keys.token(person, query.token),
        keys.ended(person),
    )


def _counts(limits: Sequence[AttemptLimit], counts: Sequence[int]) -> tuple[AttemptCount, ...]:
    return tuple(
        AttemptCount(limit, used=used, oldest_at=None if oldest_ms < 0 else moment_of(oldest_ms))
        for limit, used, oldest_ms in zip(limits, counts[::2], counts[1::2], strict=True)
    )
