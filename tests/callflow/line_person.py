"""A person on the objection line, for tests of the flow: presses keys, hears prompts, hangs up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.objections import Claim, Taken
from asterisk_plugin.errors import ChannelHungUp, NotRecordedError, ReplyTimeoutError
from asterisk_plugin.ports import AgiRequest, Event, EventKind, StoredEvent
from tests.fakes import TUESDAY_11

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HANG_UP, FREEZE, REFUSE = "hang up", "freeze", "refuse"
TOKEN = "ab" * 16


@dataclass
class Person:
    """A channel with a person at its end; implements `ports.Channel`.

    Args:
        request: How the call came.
        does: What happens each time keys are heard: a key, nothing (empty), `HANG_UP`, `FREEZE`; after the last
            the person only listens.
        meanwhile: The same while an objection is being recorded.
        sounds: The site's own prompts there are.
        person: Value of `DIALPLAN_EXISTS` for a person to be connected to.
        state: Value of `CHANNEL(state)`.
    """

    request: AgiRequest
    does: list[str] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)
    sounds: frozenset[str] = frozenset({"ringfence/company-linde", "ringfence/centre-centre"})
    person: str = "0"
    state: str = "Ring"
    has_prompts: bool = True
    heard: list[str] = field(default_factory=list)
    messages: list[tuple[tuple[str, ...], str, float]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    set: dict[str, str] = field(default_factory=dict)
    language: str = ""
    gone: Exception | None = None
    refuses: Exception | None = None

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:
        self._check()
        self.set |= values
        self.order += [f"set {name}" for name in values]

    async def evaluate(self, expression: str) -> str:
        self._check()
        return {"${DIALPLAN_EXISTS(ringfence-person,s,1)}": self.person, "${CHANNEL(state)}": self.state}[expression]

    async def answer(self) -> None:
        self._check()
        self.order.append("answer")
        self.state = "Up"

    async def limit_to(self, seconds: int) -> None:
        self._check()
        self.order.append(f"limit {seconds}")

    async def set_language(self, code: str) -> None:
        self._check()
        self.language = code

    async def has_sound(self, prompt: str) -> bool:
        self._check()
        return prompt in self.sounds or (prompt == "ringfence/line-greeting" and self.has_prompts)

    async def play(self, prompts: Sequence[str], *, keys: str = "", wait_s: float = 0) -> str:
        self._check()
        assert all(prompt.startswith("ringfence/") for prompt in prompts)
        names = tuple(prompt.removeprefix("ringfence/") for prompt in prompts)
        self.messages.append((names, keys, wait_s))
        self.heard += names
        self.order.append(f"say {names[0]}")
        key = self._next(self.does)
        return key if key in keys or wait_s else ""

    async def read_key(self, timeout_s: float) -> str:
        self._check()
        await asyncio.sleep(0)
        if timeout_s < 1:
            return self._next(self.meanwhile)
        return self._next(self.does)

    def _next(self, does: list[str]) -> str:
        what = does.pop(0) if does else ""
        if what == HANG_UP:
            self.gone = ChannelHungUp("the call was hung up")
        elif what == FREEZE:
            self.gone = ReplyTimeoutError("Asterisk did not reply in time")
        elif what == REFUSE:
            assert self.refuses
            raise self.refuses
        self._check()
        return what

    def _check(self) -> None:
        if self.gone:
            raise self.gone


class Recorder:
    """Takes objections as `Objections` does: the same call, number and scope once."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.error: Exception | None = None
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.asked = asyncio.Event()

    async def take(self, claim: Claim) -> Taken:
        self.asked.set()
        self.claims.append(claim)
        await self.may_take.wait()
        if self.error:
            raise self.error
        return Taken(f"event-{claim.number}-{claim.scope}", "1234567", claim.at, "ledger")


NOWHERE = NotRecordedError("neither in the ledger nor in the spool")


class Attempts:
    """A ledger's answers about attempts."""

    def __init__(self, *events: StoredEvent) -> None:
        self.events = events
        self.error: Exception | None = None
        self.hangs = False
        self.asked: list[str] = []

    async def find(self, name: str) -> Sequence[StoredEvent]:
        return await self._answer(name)

    async def find_by_person(self, person: str) -> Sequence[StoredEvent]:
        return [event for event in await self._answer(person) if event.event.person == person]

    async def _answer(self, name: str) -> Sequence[StoredEvent]:
        self.asked.append(name)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.events


def attempted(
    number: str, campaign: str, *, token: str = TOKEN, decision: str = "ALLOW", person: str = "", seq: int = 1
) -> StoredEvent:
    """An attempt in the ledger."""
    body = {"attempt_id": token, "decision": decision, "campaign": campaign}
    event = Event(token, EventKind.ATTEMPT, TUESDAY_11, person=person, body=body, sealed={"number": number})
    return StoredEvent(seq, event, "")


def called(*arguments: str, does: Sequence[str] = (), **more: object) -> Person:
    """Somebody on the line."""
    request = AgiRequest("objection", arguments, channel="PJSIP/carrier-00000001", unique_id="1764000000.7")
    return replace(Person(request), does=list(does), **more)  # type: ignore[arg-type]
