"""Call me back: the number is confirmed, the wish is on disk, and the place in the queue is kept.

The wish is a consent of the person to one call (`requested-call`), good for a day. When the place in the queue has
come up, the call passes the gate like any other; an objection still wins over it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.deciding import look_up_query
from asterisk_plugin.callflow.outbound import first_facts
from asterisk_plugin.callflow.records import consent_event, new_id
from asterisk_plugin.core import engine
from asterisk_plugin.core.facts import Consent
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.objection_state import NOT_ENTERABLE
from asterisk_plugin.core.prompts import FOLDER, digit_prompts
from asterisk_plugin.core.verdict import Decision
from asterisk_plugin.errors import LedgerError, StoreError
from asterisk_plugin.ports import AgiRequest

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.queue_unanswered import Unanswered
    from asterisk_plugin.core.site import Campaign, Queue

GOOD_FOR = dt.timedelta(days=1)
KEY_S = 5.0
TRIES = 2
LAST_DIGITS = 3
MOST_DIGITS = 20
WISH_DIGITS = 16

ALL_KEYS = "0123456789*#"
_CONFIRM, _OTHER = "1", "3"


@dataclass(slots=True)
class CallBack:
    """Notes wishes to be called back.

    Args:
        gate: Site, ledger, store, clock.
    """

    gate: Gate

    async def is_possible(self, number: PhoneNumber, campaign: Campaign) -> bool:
        """Whether the gate would not refuse such a call for good, given the person's wish.

        What cannot be known now (the store is away, it is late in the day) is decided when the call is due.
        """
        gate, now = self.gate, self.gate.clock()
        if engine.is_emergency_number(number.e164, gate.site):
            return False
        facts = first_facts(gate.site, AgiRequest("attempt", (number.e164, campaign.id, "")), now)
        limits = engine.Hearing(facts, now).limits
        query = look_up_query(
            facts,
            now,
            limits=limits,
            person=gate.tag(number.e164),
            reserve=False,
            attempt_id="",
            token_lifetime_s=1,
        )
        try:
            records = await gate.store.look_up(query)
        except StoreError:
            return True
        records = replace(records, consents=(*records.consents, _consent(campaign, now, "")))
        return engine.decide(replace(facts, records=records), now).decision is not Decision.DENY

    async def note(self, number: PhoneNumber, campaign: Campaign, *, queue: str, wording: str) -> str:
        """Record the wish durably.

        Returns:
            What names it in the dialplan, 16 digits.

        Raises:
            LedgerError: It could not be recorded.
        """
        gate, now = self.gate, self.gate.clock()
        gate.ledger.check()
        event_id = new_id()
        event = consent_event(
            event_id,
            _consent(campaign, now, event_id),
            person=gate.tag(number.e164),
            at=now,
            channel="ivr",
            by=f"queue {queue}",
            sealed={"number": number.e164, "wording": wording},
        )
        await gate.ledger.append([event])
        return f"{int(event_id, 16) % 10**WISH_DIGITS:0{WISH_DIGITS}}"


def _consent(campaign: Campaign, now: dt.datetime, reference: str) -> Consent:
    return Consent(
        campaign.principal.id,
        campaign.purpose.value,
        campaign.product,
        now,
        expires_at=now + GOOD_FOR,
        kind="requested-call",
        callable_from=now,
        callable_until=now + GOOD_FOR,
        reference=reference,
    )


async def talk(
    call_back: CallBack, line: Unanswered, queue: Queue, number: PhoneNumber | None, *, asked_for: bool
) -> dict[str, str]:
    """Agree on the number with a caller who may be called back.

    Args:
        call_back: Notes the wish.
        line: The caller's channel, which may be unanswered.
        queue: Where the caller waits; with a campaign that calls back.
        number: The caller's own, None when it is not known.
        asked_for: The caller has pressed the key; else it is offered first.

    Returns:
        Variables for the dialplan; empty when the caller goes on waiting.

    Raises:
        ChannelHungUp: The caller is gone.
        ChannelError: Asterisk refused a command.
    """
    assert queue.call_back is not None
    said = _Talk(line)
    if not asked_for and await said.say(("call-back-offer",), keys=ALL_KEYS, wait_s=KEY_S) != _CONFIRM:
        return {}
    chosen = await said.agree_on(number, call_back.gate.site.home_country)
    if chosen is None:
        await said.say(("call-back-back-to-queue",))
        return {}
    if not await call_back.is_possible(chosen, queue.call_back):
        await said.say(("call-back-not-possible",))
        return {}
    try:
        wish = await call_back.note(chosen, queue.call_back, queue=queue.id, wording=" ".join(said.wording))
    except LedgerError as exc:
        call_back.gate.observer.fault("queue", exc)
        await said.say(("call-back-not-recorded",))
        return {}
    return {"RINGFENCE_QUEUE_WISH": wish, "RINGFENCE_QUEUE_NUMBER": chosen.e164}


class _Talk:
    """One talk about a call-back; keeps its wording."""

    def __init__(self, line: Unanswered) -> None:
        self.wording: list[str] = []
        self._line = line
        self._channel = line.channel

    async def say(self, prompts: tuple[str, ...], *, keys: str = "", wait_s: float = 0) -> str:
        """Say something; the key that was pressed."""
        await self._line.before_step()
        self.wording += prompts
        key = await self._channel.play([f"{FOLDER}/{prompt}" for prompt in prompts], keys=keys, wait_s=wait_s)
        if key:
            self.wording.append(f"[{key}]")
        return key

    async def agree_on(self, number: PhoneNumber | None, home_country: str) -> PhoneNumber | None:
        """The number that the caller has confirmed; None when the caller goes on waiting."""
        shown = () if number is None else ("call-back-number-ending-in", *digit_prompts(number.e164[-LAST_DIGITS:]))
        before: tuple[str, ...] = () if number else ("no-number-known",)
        for _ in range(TRIES + 1):
            if number is not None:
                key = await self.say((*shown, "call-back-confirm"), keys=ALL_KEYS, wait_s=KEY_S)
                if key != _OTHER:
                    return number if key == _CONFIRM else None
            digits = await self._enter(before)
            entered = parse_number(digits, home_country)
            if not digits:
                return None
            number = entered if isinstance(entered, PhoneNumber) and entered.line_type not in NOT_ENTERABLE else None
            shown = ("you-entered", *digit_prompts(digits))
            before = () if number else ("number-not-valid",)
        return None

    async def _enter(self, before: tuple[str, ...]) -> str:
        """Digits up to the hash key, or to a pause; the star begins anew."""
        digits = ""
        key = await self.say((*before, "enter-number"), keys=ALL_KEYS, wait_s=KEY_S)
        while key and key != "#" and len(digits) < MOST_DIGITS:
            digits = "" if key == "*" else digits + key
            await self._line.before_step()
            key = await self._channel.read_key(KEY_S)
            if key:
                self.wording.append(f"[{key}]")
        return digits
