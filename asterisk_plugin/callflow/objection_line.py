"""The objection line: who called is said, a key is pressed, an objection is on disk.

The menu (`core/objection_menu.py`) says what to do next; here it is done. What is said and pressed is written
down as one event at the end, as well as can be; what is recorded goes through `objections.py` and nothing
else, and only what it has taken is confirmed.

A fault of ours leaves `RINGFENCE_OBJECTION` unset: the dialplan then asks the second try, which begins anew and
records the same objection of the same call once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from asterisk_plugin.callflow.objection_call import Call, History, identify, is_open_for
from asterisk_plugin.callflow.objection_evidence import BROKEN_OFF, Heard, line_event
from asterisk_plugin.callflow.objections import MOST_WORDING_CHARS, Claim
from asterisk_plugin.core import objection_menu as menu
from asterisk_plugin.core.objection_menu import Certainty, End, HungUp, Key, Listen, NotRecorded, Record, Recorded, Say
from asterisk_plugin.core.objection_offer import call_back_number
from asterisk_plugin.core.prompts import FOLDER, centre_prompt, company_prompt
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import ChannelHungUp, InputError, LedgerUnavailableError, ReplyTimeoutError

if TYPE_CHECKING:
    from typing import Literal

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.objections import Taken
    from asterisk_plugin.ports import Channel

SKIPPED = "SKIPPED"
KEY_SLICE_S = 0.1
"""While an objection is being recorded, keys are heard in slices of so many seconds: the most that a
confirmation comes later than it could."""

MOST_STEPS = 2000
"""The menu ends by itself long before."""

# Without a context of that name key 0 leads nowhere, and is not offered.
_PERSON_AVAILABLE = "${DIALPLAN_EXISTS(ringfence-person,s,1)}"


class Recorder(Protocol):
    """Where objections are taken; `objections.Objections`."""

    async def take(self, claim: Claim) -> Taken:
        """Record durably, or raise NotRecordedError."""
        ...


@dataclass(slots=True)
class ObjectionLine:
    """What the objection line of one node needs.

    Args:
        gate: Site, ledger, clock and observer; `gate.site` is swapped on reload.
        objections: Where objections are taken.
        history: Where attempts are looked up; None where nothing can be.
        look_up_s: Longest wait for that.
    """

    gate: Gate
    objections: Recorder
    history: History | None = None
    look_up_s: float = 0.3


async def objection(line: ObjectionLine, channel: Channel) -> None:
    """The `objection` script: say who called, take what is pressed, and tell the dialplan how it ended.

    Args:
        line: This node's objection line.
        channel: The person's channel; arguments: number or token, campaign id, token (for `call-back` the
            number that was called), path.

    Raises:
        ChannelHungUp: The person hung up; what was pressed before that is recorded.
        ReplyTimeoutError: Asterisk is frozen; likewise.
        ChannelError: Asterisk refused a command: the second try may do better.
    """
    call = await identify(line.gate, channel.request, history=line.history, look_up_s=line.look_up_s)
    if not is_open_for(call, line.gate.site, line.gate.clock()):
        await channel.set_variables({"RINGFENCE_OBJECTION": SKIPPED})
        return
    talk = _Talk(line, channel, call)
    try:
        await talk.run()
    finally:
        _write_down(line.gate, talk)
    await channel.set_variables({"RINGFENCE_OBJECTION": talk.result})


class _Talk:
    """One person's talk with the line."""

    def __init__(self, line: ObjectionLine, channel: Channel, call: Call) -> None:
        self.call = call
        self.heard = Heard()
        self.moves: tuple[str, ...] = ()
        self.objections: list[str] = []
        self.result = BROKEN_OFF
        self.objected = ""  # the number of the last objection
        self._line = line
        self._gate = line.gate
        self._channel = channel
        self._is_gone = False
        self._state: menu.State

    async def run(self) -> None:
        """Do what the menu says until it ends."""
        self._state, actions = menu.start(await self._offer())
        for _ in range(MOST_STEPS):
            event = await self._do(actions)
            if isinstance(event, End):
                self.result = event.result
                return
            actions = self._step(event)
        raise InputError(f"the menu of the objection line did not end after {MOST_STEPS} steps")

    async def _offer(self) -> menu.Offer:
        """Answer, and find out what can be said."""
        call, site = self.call, self._gate.site
        company, centre, person = "a-company-unknown", "a-centre-unknown", False
        try:
            await self._channel.answer()
            await self._channel.set_language(call.language)
            await self._look_for_prompts()
            if call.campaign is not None:
                company = await self._own_prompt(company_prompt(call.campaign.principal.id), company)
            centre = await self._own_prompt(centre_prompt(site.call_centre.id), centre)
            person = await self._channel.evaluate(_PERSON_AVAILABLE) == "1"
        except (ChannelHungUp, ReplyTimeoutError):
            self._is_gone = True
        settings = site.objection_line
        return menu.Offer(
            principal_id=EVERYONE if call.campaign is None else call.campaign.principal.id,
            company_name=company,
            centre_name=centre,
            number=call.number,
            certainty=call.certainty,
            person_available=person,
            home_country=site.home_country,
            call_back=call_back_number(call.campaign, site=site),
            path=call.path,
            timeout_s=settings.timeout_s,
            tries=settings.tries,
        )

    async def _look_for_prompts(self) -> None:
        # Keys work without; but nobody would be told so by silence.
        if not await self._channel.has_sound(f"{FOLDER}/line-greeting"):
            sentence = f"Asterisk has no prompts in `{self.call.language}`; `ringfence prompts install` puts them there"
            self._gate.observer.fault("objection", InputError(sentence))

    async def _own_prompt(self, name: str, otherwise: str) -> str:
        # Asterisk may run on another machine, so it is the one to ask.
        return name if await self._channel.has_sound(f"{FOLDER}/{name}") else otherwise

    def _step(self, event: menu.Event) -> tuple[menu.Action, ...]:
        if isinstance(event, Key):
            self.heard.press(event.key)
        self._state, actions = menu.step(self._state, event, self._gate.clock())
        self.moves = self._state.moves
        return actions

    async def _do(self, actions: tuple[menu.Action, ...]) -> menu.Event | End:
        """Carry actions out up to the first that makes an event."""
        for position, action in enumerate(actions):
            match action:
                case Say():
                    # In one command with the waiting: a key between the two would be lost.
                    waiting = actions[position + 1] if position + 1 < len(actions) else None
                    listen = waiting if isinstance(waiting, Listen) else None
                    event = await self._say(action, listen)
                    if event is not None:
                        return event
                case Listen():
                    return await self._say(Say((), ""), action) or menu.Silence()
                case Record():
                    return await self._record(action)
                case End():
                    return action
        return HungUp()

    async def _say(self, say: Say, listen: Listen | None) -> menu.Event | None:
        """What came of it; None when all was said and nothing is to be waited for."""
        if self._is_gone:
            return HungUp()
        self.heard.say(say.prompts)
        wait_s = listen.timeout_s if listen else 0
        try:
            if say.prompts:
                sounds = [f"{FOLDER}/{prompt}" for prompt in say.prompts]
                key = await self._channel.play(sounds, keys=say.keys, wait_s=wait_s)
            else:
                key = await self._channel.read_key(wait_s)
        except (ChannelHungUp, ReplyTimeoutError):
            self._is_gone = True
            return HungUp()
        if key:
            return Key(key)
        return menu.Silence() if listen else None

    async def _record(self, record: Record) -> menu.Event:
        """Record, and hear what is pressed meanwhile: it must not get lost either."""
        taking = asyncio.ensure_future(self._take(record))
        while not taking.done():
            if self._is_gone:
                await asyncio.wait([taking])
                break
            try:
                if key := await self._channel.read_key(KEY_SLICE_S):
                    self._step(Key(key))
            except (ChannelHungUp, ReplyTimeoutError):
                self._is_gone = True
                self._step(HungUp())
        taken = await taking
        if isinstance(taken, Recorded) and not self._is_gone:
            try:
                # Should we break off now, nobody may say that nothing was recorded.
                await self._channel.set_variables({"RINGFENCE_OBJECTION_TAKEN": "yes"})
            except (ChannelHungUp, ReplyTimeoutError):
                self._is_gone = True
        return taken

    async def _take(self, record: Record) -> Recorded | NotRecorded:
        try:
            taken = await self._line.objections.take(self._claim(record))
        except Exception as exc:  # noqa: BLE001 - the boundary: whatever fails, the person is told so
            self._gate.observer.fault("objection", exc)
            return NotRecorded()
        self.objections.append(taken.event_id)
        self.objected = record.number.e164
        return Recorded(taken.reference)

    def _claim(self, record: Record) -> Claim:
        call, rule = self.call, self._gate.site.objection_line.other_number
        return Claim(
            number=record.number.e164,
            scope=record.scope,
            at=self._gate.clock(),
            channel="ivr",
            certainty=cast('Literal["called", "caller-id", "entered", "unconfirmed"]', str(record.certainty)),
            other_number="" if record.certainty == Certainty.CALLED else rule.value,
            wording=self.heard.text[-MOST_WORDING_CHARS:],
            attempt_id=call.attempt_id,
            language=call.language,
            path=call.path,
            call=call.id,
        )


def _write_down(gate: Gate, talk: _Talk) -> None:
    """Hand the whole talk to the ledger; the line works without."""
    number = talk.call.number.e164 if talk.call.number else talk.objected
    event = line_event(
        talk.call,
        talk.heard,
        moves=talk.moves,
        at=gate.clock(),
        person=gate.tag(number) if number else "",
        number=number,
        result=talk.result,
        objections=talk.objections,
    )
    try:
        gate.ledger.submit(event)
    except LedgerUnavailableError as exc:
        gate.observer.fault("objection", exc)
