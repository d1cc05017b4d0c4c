"""The scripts `queue` and `queue-wait`: what a waiting caller is told and asked.

Inbound fails open: whatever is missing, the caller waits on and hears that the wait is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.callflow.call_back import CallBack, talk
from asterisk_plugin.callflow.queue_calls import seconds_of
from asterisk_plugin.callflow.queue_evidence import joined_event, told_event, wait_id
from asterisk_plugin.callflow.queue_unanswered import Unanswered
from asterisk_plugin.core.number import PhoneNumber, parse_received
from asterisk_plugin.core.prompts import FOLDER
from asterisk_plugin.core.queue_law import announce_every_s
from asterisk_plugin.core.site import AtLimit
from asterisk_plugin.core.wait_told import UNKNOWN
from asterisk_plugin.core.waiting import Offer, announcement, limit_s, period_s, spare_s
from asterisk_plugin.errors import ChannelHungUp, LedgerUnavailableError, ReplyTimeoutError

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.site import Campaign, Queue
    from asterisk_plugin.ports import AgiRequest, Channel, Event

KNOWN_WITHIN_S = 1.2
"""Longest wait for what is known of the caller: the words begin a moment later."""

PLACE_WITHIN_S = 2.0
_STARTS_WITHIN_S = 8.0
_PERSON_AVAILABLE = "${DIALPLAN_EXISTS(ringfence-person,s,1)}"


class WaitsKnown(Protocol):
    """Where what is known of a caller is read (`store.waits.Waits`); never raises."""

    async def read(self, wait: str, *, within_s: float) -> dict[str, Any] | None:
        """What a caller is to be told."""
        ...

    async def read_place(self, wait: str, *, within_s: float) -> int | None:
        """The place a caller comes back to."""
        ...


@dataclass(slots=True)
class QueueDesk:
    """What the two scripts of one node need.

    Args:
        gate: Site, ledger, clock, observer.
        waits: What is known of waiting callers.
        call_back: Notes wishes to be called back; None where nothing can be recorded.
    """

    gate: Gate
    waits: WaitsKnown
    call_back: CallBack | None = None


async def queue(desk: QueueDesk, channel: Channel) -> None:
    """The `queue` script: how a caller is to wait, and what comes of a key.

    Args:
        desk: This node's desk.
        channel: The caller's; arguments: queue, channel, what for (`join`, `again`, `limit`, `call-back`),
            principal, since when the caller waits (epoch), seconds that the dialplan waits for us.

    Raises:
        ChannelHungUp: The caller is gone.
        ChannelError: Asterisk refused a command.
    """
    name, _, what, principal, since, within_s, *_ = (*channel.request.arguments, "", "", "", "", "", "")
    wait = wait_id(desk.gate.secret, channel.request.unique_id, channel.request.channel, since)
    settings = desk.gate.site.queues.get(name)
    if what == "join":
        await _join(desk, channel, name, settings, wait=wait, principal=principal)
    elif what == "again":
        place = await desk.waits.read_place(wait, within_s=PLACE_WITHIN_S)
        position = "" if place is None else str(place)
        await channel.set_variables({"RINGFENCE_QUEUE_POSITION": position, "RINGFENCE_QUEUE": "WAIT"}, last=True)
    elif what in ("limit", "call-back"):
        line = Unanswered(channel, left_s=seconds_of(within_s))
        await _talk(desk, line, settings, is_limit=what == "limit")


async def _join(
    desk: QueueDesk, channel: Channel, name: str, settings: Queue | None, *, wait: str, principal: str
) -> None:
    gate, request = desk.gate, channel.request
    number = _caller(request, gate.site.home_country)
    unanswered = None if settings is None else settings.unanswered
    _record(
        gate,
        joined_event(
            wait,
            queue=name,
            principal=settings.principal.id if settings else principal,
            at=gate.clock(),
            person=gate.tag(number.e164) if number else "",
            number=number.e164 if number else "",
            unanswered=unanswered,
        ),
    )
    values = {} if settings is None else _how_to_wait(gate, settings)
    await channel.set_variables({**values, "RINGFENCE_QUEUE": "WAIT"}, last=True)


def _how_to_wait(gate: Gate, settings: Queue) -> dict[str, str]:
    campaign = _campaign(gate, settings)
    every_s = announce_every_s(settings, gate.site, gate.clock().date())
    return {
        "RINGFENCE_QUEUE_EVERY_S": str(period_s(every_s)),
        "RINGFENCE_QUEUE_EARLY": "yes" if settings.unanswered else "no",
        "RINGFENCE_QUEUE_LIMIT_S": str(limit_s(settings)),
        "RINGFENCE_QUEUE_SPARE_S": str(spare_s(settings)),
        "RINGFENCE_QUEUE_CAMPAIGN": campaign.id if campaign else "",
        "RINGFENCE_LANGUAGE": settings.language,
    }


def _campaign(gate: Gate, settings: Queue) -> Campaign | None:
    """For whom the objection line and the call-back speak: any campaign of the principal will do for the first."""
    own = (one for one in gate.site.campaigns.values() if one.principal.id == settings.principal.id)
    return settings.call_back or next(own, None)


async def _talk(desk: QueueDesk, line: Unanswered, settings: Queue | None, *, is_limit: bool) -> None:
    channel = line.channel
    result: dict[str, str] = {}
    if settings is not None:
        await channel.set_language(settings.language)
    offers = settings is not None and settings.call_back is not None and desk.call_back is not None
    if offers and (not is_limit or settings.at_limit is AtLimit.CALL_BACK):  # type: ignore[union-attr]
        number = _caller(channel.request, desk.gate.site.home_country)
        result = await talk(desk.call_back, line, settings, number, asked_for=not is_limit)  # type: ignore[arg-type]
    if is_limit and not result:
        await line.announce_charge()
    await channel.set_variables({**result, "RINGFENCE_QUEUE": "CALL-BACK" if result else "WAIT"}, last=True)


async def queue_wait(desk: QueueDesk, channel: Channel) -> None:
    """The `queue-wait` script: tell one waiting caller how long, above the music.

    Args:
        desk: This node's desk.
        channel: The channel that speaks to the caller; arguments: queue, the caller's channel, its unique id, seconds
            that it has waited, since when (epoch).

    Raises:
        ChannelHungUp: An agent has taken the call, or the caller is gone; what was said until then is recorded.
        ChannelError: Asterisk refused a command.
    """
    gate = desk.gate
    name, caller, unique_id, waited, since, *_ = (*channel.request.arguments, "", "", "", "", "")
    wait = wait_id(gate.secret, unique_id, caller, since)
    known = await desk.waits.read(wait, within_s=KNOWN_WITHIN_S) or {}
    at = gate.clock()
    waited_s = known.get("waited_s", seconds_of(waited))
    settings = gate.site.queues.get(name)
    words = announcement(
        known.get("phrase", UNKNOWN),
        is_first=known.get("is_first", (waited_s or 0) < _STARTS_WITHIN_S),
        longer=bool(known.get("longer")),
        nobody=bool(known.get("nobody")),
        free=bool(known.get("free")),
        fixed_price=settings is not None and settings.fixed_price,
        offer=await _offer(settings, channel),
    )
    said: list[str] = []
    is_whole = False
    try:
        if settings is not None:  # who came while no service was there has the language of the Asterisk
            await channel.set_language(settings.language)
        for word in words:
            said.append(word)  # before it is played: who hangs up in the middle of it has heard a part
            await channel.play([f"{FOLDER}/{word}"])
        is_whole = True
    finally:
        event = told_event(
            wait,
            queue=name,
            at=at,
            waited_s=waited_s,
            said=tuple(said),
            estimate_s=known.get("estimate_s"),
            position=known.get("position"),
            is_whole=is_whole,
        )
        _record(gate, event)


async def _offer(settings: Queue | None, channel: Channel) -> Offer:
    if settings is None:
        return Offer()
    try:
        person = await channel.evaluate(_PERSON_AVAILABLE) == "1"
    except (ChannelHungUp, ReplyTimeoutError):
        person = False
    return Offer(call_back=settings.call_back is not None, person=person, objection=settings.objection_key)


def _caller(request: AgiRequest, home_country: str) -> PhoneNumber | None:
    """The caller's number; None when it is withheld, or none."""
    if request.calling_pres >= 32:  # `agi_callingpres`: 0-3 shown
        return None
    number = parse_received(request.caller_number, home_country)
    return number if isinstance(number, PhoneNumber) else None


def _record(gate: Gate, event: Event) -> None:
    """Hand evidence to the ledger; the caller waits on without it."""
    try:
        gate.ledger.submit(event, patient=True)
    except LedgerUnavailableError as exc:
        gate.observer.fault("queue", exc)
