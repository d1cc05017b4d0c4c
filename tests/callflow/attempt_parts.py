"""Attempts on fakes: what AMI tells (as a live 22.10 sent it), one Asterisk, and who listens."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from asterisk_plugin.callflow.attempts import Attempts
from asterisk_plugin.callflow.end_writer import EndWriter
from asterisk_plugin.core.answering import AnswerLimit
from asterisk_plugin.core.attempt_end import AttemptEnd, end_of
from asterisk_plugin.detection.findings import Before, Finding, Kind, Why
from asterisk_plugin.ports import CallTerms, EventKind, PassedLeg
from tests.fakes import TUESDAY_11, FakeLedger, FakeStore, make_gate

LEG, UNIQUE_ID = "PJSIP/carrier-00000001", "1796000000.7"
AGENT = "PJSIP/agent7-00000002"
TOKEN = "0123456789abcdef0123456789abcdef"
BEGIN = {"Event": "DialBegin", "DestChannel": LEG, "DestUniqueid": UNIQUE_ID, "DialString": "4930123@carrier"}
RINGS = {"Event": "DialState", "DestUniqueid": UNIQUE_ID, "DialStatus": "RINGING"}
UP = {"Event": "Newstate", "Channel": LEG, "Uniqueid": UNIQUE_ID, "ChannelState": "6"}
ASKS = {"Event": "UserEvent", "UserEvent": "RingfenceAnswered", "Uniqueid": UNIQUE_ID, "Do": "listen"}
PERSON = {
    **ASKS,
    "Do": "done",
    "Heard": "person",
    "Why": "short-greeting",
    "At": "1.4",
    "Greeting": "0.9",
    "Action": "CONNECT",
    "Spied": "127.0.0.1:4575",
}
BY_HAND = {**PERSON, "Heard": "", "Why": "", "At": "", "Greeting": ""}
MACHINE = {**PERSON, "Spied": "", "Heard": "machine", "Why": "beep", "Action": "HANGUP"}
BEEP = Finding(Kind.BEEP, 2.0, Why.BEEP)


def ends(status: str = "", cause: str = "16") -> Sequence[Mapping[str, str]]:
    dialled = [{"Event": "DialEnd", "DestUniqueid": UNIQUE_ID, "DialStatus": status}] if status else []
    return [*dialled, {"Event": "Hangup", "Channel": LEG, "Uniqueid": UNIQUE_ID, "Cause": cause}]


def enters(channel: str, bridge: str = "b1") -> Mapping[str, str]:
    return {"Event": "BridgeEnter", "Channel": channel, "BridgeUniqueid": bridge}


class Asterisk:
    """Keeps the actions; `running` is what CoreShowChannels lists."""

    def __init__(self) -> None:
        self.actions: list[tuple[str, Mapping[str, str]]] = []
        self.told: list[tuple[str, Mapping[str, str]]] = []
        self.running: list[Mapping[str, str]] = []
        self.error: Exception | None = None
        self.named = ""
        self.order: list[str] = []

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> Sequence[Mapping[str, str]]:
        if self.error:
            raise self.error
        if name == "CoreShowChannels":
            return [{"Response": "Success"}, *self.running]
        if name == "Getvar":
            return [{"Value": AGENT if fields["Variable"] == "BRIDGEPEER" else ""}]
        if name == "Setvar" and "Channel" not in fields:
            self.named = fields["Value"]
            return [{"Response": "Success"}]
        self.order.append(name)
        (self.told if name == "UserEvent" else self.actions).append((name, fields))
        return [{"Response": "Success"}]


class Listener:
    """Listens as the test says."""

    def __init__(self) -> None:
        self.on_finding: Callable[[Finding], bool] | None = None
        self.begun: list[str] = []
        self.expected: list[str] = []
        self.before = Before()
        self.works = True
        self.address = "127.0.0.1:4575"

    async def expect(self, token: str, on_finding: Callable[[Finding], bool], before: Before) -> bool:
        self.expected.append(token)
        self.before = before
        self.on_finding = on_finding
        return self.works

    async def begin(self, manager: object, channel: str, token: str, on_finding: Callable[[Finding], bool]) -> bool:
        self.begun.append(channel)
        self.on_finding = on_finding
        return self.works


class Scene:
    """One Asterisk and the attempts on it; the clock is moved by hand."""

    def __init__(self, campaign: str = "linde-dialer", **changes: object) -> None:
        self.store, self.ledger, self.asterisk, self.listener = FakeStore(), FakeLedger(), Asterisk(), Listener()
        self.gate = make_gate(self.store, self.ledger)
        self.now = TUESDAY_11
        self.gate.clock = lambda: self.now
        changed = dataclasses.replace(self.gate.site.campaigns[campaign], **changes)
        self.gate.site = dataclasses.replace(self.gate.site, campaigns={**self.gate.site.campaigns, campaign: changed})
        self.events: list[str] = []
        self.ends: list[AttemptEnd] = []
        self.limit = AnswerLimit()
        terms = CallTerms(country="DE", ring_min_s=15)
        self.store.passed[f"{UNIQUE_ID}/{LEG}"] = PassedLeg(TOKEN, "ab" * 16, campaign, "linde", terms)
        self.attempts = self.watch()

    def watch(self) -> Attempts:
        attempts = Attempts(
            "pbx",
            self.gate,
            trunks=["PJSIP/carrier"],
            listener=self.listener,
            limit_of=lambda *_: self.limit,
            on_event=self.events.append,
            writer=EndWriter(self.gate, on_event=self.events.append, on_end=self.ends.append),
        )
        attempts.attach(self.asterisk)
        return attempts

    async def play(self, *events: Mapping[str, str], after_s: float = 0.0) -> None:
        self.now += dt.timedelta(seconds=after_s)
        for event in events:
            self.attempts.take(event)
        await self.settle()

    @staticmethod
    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def passes(self, seconds: float) -> None:
        """So much of the event loop's time at once: a busy machine cannot make it more."""
        loop = asyncio.get_running_loop()
        now_s = loop.time
        loop.time = lambda: now_s() + seconds  # type: ignore[method-assign]
        await self.settle()

    async def outcome(self) -> AttemptEnd:
        await self.settle()
        (event,) = self.ledger.events
        assert event.kind is EventKind.ATTEMPT_ENDED
        assert event.person == "ab" * 16
        assert [end_of(event.body)] == self.ends
        return self.ends[0]
