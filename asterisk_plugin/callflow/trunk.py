"""The trunk leg: the last look before the INVITE.

Runs on the outgoing channel, in the pre-dial routine of `Dial()`. Only a token that was
issued for this number and caller ID, lately, and never used before lets the leg pass; and
only once the verdict behind it is on disk.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.releases import withdraw_due_later
from asterisk_plugin.callflow.trunk_legs import dialled_number
from asterisk_plugin.core import engine
from asterisk_plugin.core.channels import leg_key, without_number
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.verdict import Reason
from asterisk_plugin.errors import ChannelHungUp, LedgerUnavailableError, StoreError
from asterisk_plugin.ports import DueEnd, Event, EventKind, PassedLeg, Redeemed, Redemption

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.ports import Channel

PASS = "PASS"  # noqa: S105 - a channel variable's value, not a password
REFUSED = "REFUSED"

_TOKEN = re.compile(r"[0-9a-f]{32}")

# On the outgoing channel of a Dial() the connected line is the party that dials: what PJSIP
# puts into From and P-Asserted-Identity. DIALEDPEERNUMBER is what Dial() was really given. Whoever watches this
# Asterisk has written its name into the global variable (`attempts.py`).
_LEG = "${GLOBAL(RINGFENCE_ASTERISK)}|${CONNECTEDLINE(num)}|${CONNECTEDLINE(num-pres)}|${DIALEDPEERNUMBER}"


async def trunk(gate: Gate, channel: Channel) -> None:
    """The `trunk` script: let this leg dial, or not.

    Args:
        gate: This node's gate.
        channel: The outgoing channel; arguments: token, number being dialled.

    Raises:
        ChannelHungUp: The leg is gone already.
    """
    started_s = time.monotonic()
    token, argument, *_ = (*channel.request.arguments, "", "")
    called = parse_number(argument, gate.site.home_country)
    number = called.e164 if isinstance(called, PhoneNumber) else ""
    campaign = ""
    try:
        result, campaign = await _judge(gate, channel, token=token, argument=argument, number=number)
    except ChannelHungUp:
        raise
    except Exception as exc:  # noqa: BLE001 - the boundary: a fault of ours must not let the leg pass
        gate.observer.fault("trunk", exc)
        result = Reason.INTERNAL_ERROR
    if result == Redemption.PASS and gate.passed is not None:
        gate.passed.add(_key(channel))
    await channel.set_variables(_variables(gate, result, campaign), last=True)
    gate.observer.trunk(
        result,
        number=number,
        channel=without_number(channel.request.channel),
        duration_s=time.monotonic() - started_s,
    )


def _variables(gate: Gate, result: str, campaign_id: str) -> dict[str, str]:
    """What the dialplan is told, `RINGFENCE_TRUNK` last: also the language in which to speak to the person."""
    if result != Redemption.PASS:
        return {"RINGFENCE_TRUNK": REFUSED}
    campaign = gate.site.campaigns.get(campaign_id)
    language = {"RINGFENCE_LANGUAGE": campaign.language} if campaign is not None else {}
    return {**language, "RINGFENCE_TRUNK": PASS}


async def _judge(gate: Gate, channel: Channel, *, token: str, argument: str, number: str) -> tuple[str, str]:
    """`pass`, or why not; and the campaign that the token was issued for, empty when that is not known."""
    asterisk, shown, dialled = await _leg(channel)
    if dialled == argument and engine.is_emergency_number(argument, gate.site):
        await _pass_emergency(gate, channel)
        return Redemption.PASS, ""
    if not number or not _TOKEN.fullmatch(token) or not _is_same(dialled, number):
        return _refuse(gate, channel, Redeemed(Redemption.UNKNOWN)), ""
    try:
        gate.check_recordable()
        await gate.ledger.wait_durable(token, gate.evidence_wait_s)
        async with asyncio.timeout(gate.deadline_s):
            redeemed = await gate.store.redeem(person=gate.tag(number), token=token, shown=shown, now=gate.clock())
            if redeemed.result is Redemption.PASS:
                gate.check_recordable()  # again: an objection may have been set aside meanwhile
                await _mark(gate, channel, _leg_of(redeemed, gate.tag(number)), asterisk)
                gate.ledger.submit(_event(gate, channel, redeemed))
                return Redemption.PASS, redeemed.campaign
    except LedgerUnavailableError:
        withdraw_due_later(gate, token)
        return Reason.EVIDENCE_UNAVAILABLE, ""
    except (StoreError, TimeoutError):
        withdraw_due_later(gate, token)
        return Reason.STORE_UNAVAILABLE, ""
    return _refuse(gate, channel, redeemed), ""


async def _mark(gate: Gate, channel: Channel, leg: PassedLeg, asterisk: str) -> None:
    """Let the watchdogs know, and whoever writes its end down: also when nobody sees it.

    Raises:
        StoreError: One of the two is not marked.
    """
    due = DueEnd(channel.request.unique_id, channel.request.channel, asterisk, gate.clock(), leg)
    await asyncio.gather(gate.store.mark_passed(_key(channel), leg), gate.store.note_due(due))


async def _leg(channel: Channel) -> tuple[str, str, str]:
    """On which Asterisk this leg is, the number it will show (empty when hidden), and the one it really dials.

    Where nobody knows the Asterisk or the dialled number they are empty.

    Raises:
        ChannelHungUp: The leg is gone.
    """
    try:
        asterisk, shown, presentation, peer = (await channel.evaluate(_LEG)).split("|", 3)
    except ValueError:
        return "", "", ""  # an empty caller ID never equals the token's, so this refuses
    if presentation.startswith(("prohib", "unavailable")):
        shown = ""
    technology = channel.request.channel.partition("/")[0]
    return asterisk, shown, dialled_number(peer, technology)


def _is_same(dialled: str, number: str) -> bool:
    """Whether a dial string's user is this number: `+4930...`, `4930...` or `004930...`, nothing else.

    A technology whose dial string names no number leaves it empty; then the token alone decides.
    """
    digits = number.removeprefix("+")
    return dialled in ("", f"+{digits}", digits, f"00{digits}")


def _key(channel: Channel) -> str:
    return leg_key(channel.request.unique_id, channel.request.channel)


def _leg_of(redeemed: Redeemed, person: str) -> PassedLeg:
    return PassedLeg(redeemed.attempt_id, person, redeemed.campaign, redeemed.principal, redeemed.terms)


async def _pass_emergency(gate: Gate, channel: Channel) -> None:
    """Tell the watchdogs and the ledger as well as can be: an emergency call depends on neither."""
    try:
        async with asyncio.timeout(gate.deadline_s):
            await gate.store.mark_passed(_key(channel), PassedLeg())
        gate.ledger.submit(_event(gate, channel, Redeemed(Redemption.PASS)))
    except (StoreError, LedgerUnavailableError, TimeoutError) as exc:
        gate.observer.fault("trunk", exc)


def _refuse(gate: Gate, channel: Channel, redeemed: Redeemed) -> str:
    """Record a refusal; it stands whether or not it can be recorded."""
    try:
        gate.ledger.submit(_event(gate, channel, redeemed))
    except LedgerUnavailableError as exc:
        gate.observer.fault("trunk", exc)
    return redeemed.result


def _event(gate: Gate, channel: Channel, redeemed: Redeemed) -> Event:
    body = {
        "attempt_id": redeemed.attempt_id,
        "result": redeemed.result.value,
        "campaign": redeemed.campaign,
        "principal": redeemed.principal,
        "channel": without_number(channel.request.channel),
        "unique_id": channel.request.unique_id,
    }
    return Event(uuid.uuid4().hex, EventKind.TRUNK, gate.clock(), body=body)
