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

from asterisk_plugin.core import engine
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.verdict import Reason
from asterisk_plugin.errors import ChannelError, LedgerUnavailableError, StoreError
from asterisk_plugin.ports import Event, EventKind, Redeemed, Redemption

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.ports import Channel

PASS = "PASS"  # noqa: S105 - a channel variable's value, not a password
REFUSED = "REFUSED"

_TOKEN = re.compile(r"[0-9a-f]{32}")

# On the outgoing channel of a Dial() the connected line is the party that dials: what PJSIP
# puts into From and P-Asserted-Identity. DIALEDPEERNUMBER is what Dial() was really given.
_LEG = "${CONNECTEDLINE(num)}|${CONNECTEDLINE(num-pres)}|${DIALEDPEERNUMBER}"


async def trunk(gate: Gate, channel: Channel) -> None:
    """The `trunk` script: let this leg dial, or not.

    Args:
        gate: This node's gate.
        channel: The outgoing channel; arguments: token, number being dialled.

    Raises:
        ChannelHungUp: The leg is gone already.
    """
    started_s = time.monotonic()
    token, dialled, *_ = (*channel.request.arguments, "", "")
    called = parse_number(dialled, gate.site.home_country)
    number = called.e164 if isinstance(called, PhoneNumber) else ""
    try:
        result = await _judge(gate, channel, token=token, number=number)
    except Exception as exc:  # noqa: BLE001 - the boundary: a fault of ours must not let the leg pass
        gate.observer.fault("trunk", exc)
        result = Reason.INTERNAL_ERROR
    if result == Redemption.PASS and gate.passed is not None:
        gate.passed.add(channel.request.unique_id)
    await channel.set_variables({"RINGFENCE_TRUNK": PASS if result == Redemption.PASS else REFUSED})
    gate.observer.trunk(
        result, number=number, channel=channel.request.channel, duration_s=time.monotonic() - started_s
    )


async def _judge(gate: Gate, channel: Channel, *, token: str, number: str) -> str:
    """`pass`, or why not."""
    if number and engine.is_emergency_number(number, gate.site):
        await _mark_passed(gate, channel, must=False)
        return Redemption.PASS
    if not number or not _TOKEN.fullmatch(token):
        return _refuse(gate, channel, Redeemed(Redemption.UNKNOWN))
    shown, dialled_matches = await _leg(channel, number)
    if not dialled_matches:
        return _refuse(gate, channel, Redeemed(Redemption.UNKNOWN, attempt_id=token))
    try:
        await gate.ledger.wait_durable(token, gate.evidence_wait_s)
        async with asyncio.timeout(gate.deadline_s):
            redeemed = await gate.store.redeem(
                person=gate.tag(number), token=token, shown=shown, now=gate.clock()
            )
            if redeemed.result is Redemption.PASS:
                await _mark_passed(gate, channel, must=True)
                gate.ledger.submit(_event(gate, channel, redeemed))
                return Redemption.PASS
    except LedgerUnavailableError:
        return Reason.EVIDENCE_UNAVAILABLE
    except (StoreError, TimeoutError):
        return Reason.STORE_UNAVAILABLE
    return _refuse(gate, channel, redeemed)


async def _leg(channel: Channel, number: str) -> tuple[str, bool]:
    """The number this leg will show (empty when hidden), and whether it really dials `number`."""
    try:
        shown, presentation, peer = (await channel.evaluate(_LEG)).split("|", 2)
    except (ChannelError, ValueError):
        return "", True  # an empty caller ID never equals the token's, so this refuses
    if presentation.startswith(("prohib", "unavailable")):
        shown = ""
    digits = number.removeprefix("+")
    # Other channel technologies leave DIALEDPEERNUMBER empty; what it names must be the number.
    return shown, not peer or digits in re.sub(r"[^0-9]", "", peer)


async def _mark_passed(gate: Gate, channel: Channel, *, must: bool) -> None:
    """Tell every node's watchdog; an emergency call does not depend on it."""
    try:
        await gate.store.mark_passed(channel.request.unique_id)
    except StoreError:
        if must:
            raise


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
        "channel": channel.request.channel,
        "unique_id": channel.request.unique_id,
    }
    return Event(uuid.uuid4().hex, EventKind.TRUNK, gate.clock(), body=body)
