"""Taking an objection: on disk first, then in force everywhere, then confirmed.

Whoever gets a `Taken` may tell the person so. Where something is away, this is what happens:

| ledger | store | held in | dialled meanwhile                                     |
|--------|-------|---------|-------------------------------------------------------|
| there  | there | ledger  | all but this person                                   |
| there  | away  | ledger  | nobody: the store cannot be asked, and then `hold()`  |
| away   | there | spool   | nobody on this node (`hold()`), elsewhere not this one|
| away   | away  | spool   | nobody                                                |
| neither ledger nor spool  | –       | not recorded, and the person is told so               |

What is not yet in the ledger and in the store stands in the spool, for every process of this node to see,
until `objection_replay.py` has brought it there.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from asterisk_plugin.callflow.patience import within
from asterisk_plugin.callflow.records import id_of_content, new_id, objection_event
from asterisk_plugin.core.objected import Objected
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import NotRecordedError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Sequence

    from asterisk_plugin.ports import Event, StoredEvent

LOOK_UP_S = 0.3
LEDGER_WAIT_S = 0.6
SPOOL_WAIT_S = 0.5
STORE_WAIT_S = 0.5
"""Together less than the 2 s that a person is kept waiting, as long as the machine itself does not stand still."""

MOST_WORDING_CHARS = 2000

_is_e164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII).fullmatch


class ObjectionLedger(Protocol):
    """What is asked of the ledger here."""

    def check(self) -> None:
        """Return if it can be written now."""
        ...

    async def append(self, events: Sequence[Event], *, timeout_s: float | None = None) -> int:
        """Write and wait until durable; returns the last row's seq, also of one that was there."""
        ...

    async def find_by_person(self, person: str) -> Sequence[StoredEvent]:
        """Every event about a person."""
        ...


class Spool(Protocol):
    """What is asked of the spool; it blocks."""

    def waiting(self) -> bool:
        """Whether there is an objection in it."""
        ...

    def add(self, event: Event) -> None:
        """Return when the objection is on disk."""
        ...


class ObjectionStore(Protocol):
    """What is asked of the store here."""

    async def put(self, event: Event, seq: int = 0) -> None:
        """Write an objection as the projection would, seq 0 without a row, and announce it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a person said or pressed.

    Args:
        number: E.164.
        scope: A principal's id, or `site.EVERYONE`.
        at: When (aware).
        channel: How: `ivr`, `agent`, `http` or `cli`.
        certainty: Of the number: `called`, `caller-id`, `entered`, `unconfirmed` or `stated`.
        other_number: The site's rule for a number that we did not call, a value of `site.OtherNumber`; empty for
            one that we called and for what was said to somebody.
        by: Who entered it, empty for the person.
        wording: What was heard and pressed, or said, as text; what is too long is cut.
        attempt_id: The attempt that led to it, 32 hex characters, or empty.
        language: ISO 639-1 of what the person heard, or empty.
        path: How the call came to the objection line: `call-end`, `queue`, `agent`, `transfer`, `call-back`, or empty.
        call: What names the call among all calls: with it the same claim is recorded once, however often
            it is handed in. Empty for a claim that stands for itself.
    """

    number: str
    scope: str
    at: dt.datetime
    channel: Literal["ivr", "agent", "http", "cli"]
    certainty: Literal["called", "caller-id", "entered", "unconfirmed", "stated"]
    other_number: Literal["", "honour", "review"] = ""
    by: str = ""
    wording: str = ""
    attempt_id: str = ""
    language: str = ""
    path: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """An objection that is on disk.

    Args:
        event_id: The ledger event's id.
        reference: What the person can quote.
        at: When it was made.
        held: `ledger`, or `spool` while the ledger is away.
    """

    event_id: str
    reference: str
    at: dt.datetime
    held: Literal["ledger", "spool"]


def id_of_claim(secret: bytes, claim: Claim, *, again: int = 0) -> str:
    """The id of the event that a claim with a call makes, the same however often it is handed in.

    Args:
        secret: The site's secret.
        claim: What the person said or pressed.
        again: How often the same call has objected, and withdrawn it, before.
    """
    content = {"call": claim.call, "number": claim.number, "scope": claim.scope}
    if again:
        content["again"] = str(again)
    return id_of_content(secret, EventKind.OBJECTION, content)


class Objections:
    """Takes objections on this node.

    Args:
        ledger: The evidence.
        spool: Where they wait.
        store: Where decisions look.
        secret: Key of the person tags.
        on_fault: Told where and what, when something is away; must not wait.
    """

    def __init__(
        self,
        *,
        ledger: ObjectionLedger,
        spool: Spool,
        store: ObjectionStore,
        secret: bytes,
        on_fault: Callable[[str, Exception], None],
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._store = store
        self._secret = secret
        self._on_fault = on_fault
        self._under_way: set[asyncio.Task[Taken]] = set()
        self.on_objected: Callable[[Objected], None] | None = None
        """Told each objection of this process as soon as it is on disk; must not wait."""

    def hold(self) -> str:
        """Why nobody may be dialled from this node now (`Gate.hold`), empty when nothing stands against it."""
        return "objections wait until ledger and store have taken them" if self._spool.waiting() else ""

    async def take(self, claim: Claim) -> Taken:
        """Record an objection and put it in force; goes on to its end when the caller is cancelled.

        Args:
            claim: What the person said or pressed.

        Returns:
            Within 2 s, unless the machine stands still, and only when it is on disk.

        Raises:
            NotRecordedError: Neither ledger nor spool has it for certain, or it is no claim that could be recorded.
        """
        event = self._event(claim)
        return await asyncio.shield(self._start(self._take(claim, event)))

    async def close(self) -> None:
        """Wait for what is being taken."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _event(self, claim: Claim, *, again: int = 0) -> Event:
        if not _is_e164(claim.number) or not claim.scope or claim.at.tzinfo is None:
            raise NotRecordedError(f"an objection against `{claim.scope[:40]}` has no number, scope or time zone")
        event = objection_event(
            id_of_claim(self._secret, claim, again=again) if claim.call else new_id(),
            person=person_tag(self._secret, claim.number),
            number=claim.number,
            scope=claim.scope,
            at=claim.at,
            channel=claim.channel,
            by=claim.by,
            wording=claim.wording[:MOST_WORDING_CHARS],
        )
        more = {
            "certainty": claim.certainty,
            "other_number": claim.other_number,
            "attempt_id": claim.attempt_id,
            "language": claim.language,
            "path": claim.path,
        }
        return replace(event, body={**event.body, **more})

    async def _take(self, claim: Claim, event: Event) -> Taken:
        if claim.call:
            event = await self._not_withdrawn(claim, event)
        seq = await self._to_ledger(event)
        if not seq:
            await self._to_spool(event)
        self._tell(event)
        in_force = await self._to_store(event, seq)
        if seq and not in_force:
            try:
                # Not for durability: so that nobody of this node is dialled until the store has it.
                await self._to_spool(event)
            except NotRecordedError as exc:
                self._on_fault("objection", exc)
        held: Literal["ledger", "spool"] = "ledger" if seq else "spool"
        return Taken(event.id, str(event.body["reference"]), event.at, held)

    async def _not_withdrawn(self, claim: Claim, event: Event) -> Event:
        """The same event, or one more of the same call when the person has withdrawn the first and objects again."""
        try:
            self._ledger.check()
            rows = await within(self._ledger.find_by_person(event.person), LOOK_UP_S)
        except Exception as exc:  # noqa: BLE001 - the boundary: the objection itself counts more
            self._on_fault("objection", exc)
            return event
        kind = EventKind.OBJECTION_WITHDRAWN
        withdrawn = {row.event.body.get("objection") for row in rows if row.event.kind is kind}
        again = 0
        while event.id in withdrawn:
            again += 1
            event = self._event(claim, again=again)
        return event

    async def _to_ledger(self, event: Event) -> int:
        """Its row's seq, 0 when the ledger does not have it for certain."""
        try:
            self._ledger.check()  # one that is known to be failing is not waited for
            # The ledger's own limit first: it says how far it came.
            return await within(self._ledger.append([event], timeout_s=LEDGER_WAIT_S), LEDGER_WAIT_S * 1.1)
        except Exception as exc:  # noqa: BLE001 - the boundary: whatever fails here, there is the spool
            self._on_fault("objection", exc)
            return 0

    async def _to_spool(self, event: Event) -> None:
        try:
            await within(asyncio.to_thread(self._spool.add, event), SPOOL_WAIT_S)
        except Exception as exc:
            # Too late or not at all: should it get there after all, it counts; but nobody may be told so.
            raise NotRecordedError(f"objection `{event.id}` is neither in the ledger nor in the spool: {exc}") from exc

    async def _to_store(self, event: Event, seq: int) -> bool:
        try:
            await within(self._store.put(event, seq), STORE_WAIT_S)
        except Exception as exc:  # noqa: BLE001 - the boundary: it is on disk, and must be confirmed
            self._on_fault("objection", exc)
            return False
        return True

    def _tell(self, event: Event) -> None:
        if self.on_objected is None:
            return
        try:
            self.on_objected(Objected.of(event.id, event.person, event.body))
        except Exception as exc:  # noqa: BLE001 - the boundary: a listener's bug must not undo a confirmation
            self._on_fault("objection", exc)

    def _start(self, work: Coroutine[None, None, Taken]) -> asyncio.Task[Taken]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Taken]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has it, or has gone
