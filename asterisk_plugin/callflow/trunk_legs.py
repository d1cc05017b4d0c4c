"""A leg on a trunk: whether a channel is one, which way it goes, and its record when it had no token."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.errors import ManagerError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

DOWN, RINGING, UP = "0", "5", "6"
"""Asterisk's channel states, as AMI gives them."""

OUTGOING_LINE = "(Outgoing Line)"
"""What Dial(), Queue() and originates set as application data of the leg they make."""

READ_TIMEOUT_S = 5.0

_SCHEMES = ("sip:", "sips:", "tel:")


def trunk_of(channel: str, trunks: Sequence[str]) -> str:
    """The trunk a channel name belongs to, empty when none.

    Args:
        channel: `PJSIP/carrier-0000001a`.
        trunks: Channel prefixes, `PJSIP/carrier`.
    """
    # Up to the last dash: endpoint `carrier-2` is another than `carrier`. A DAHDI name carries
    # the dialled number between: `DAHDI/i1/5551234-1`.
    base = channel.rpartition("-")[0]
    return next((trunk for trunk in trunks if base == trunk or base.startswith(f"{trunk}/")), "")


def dialled_number(dial_string: str) -> str:
    """The number in a DialBegin's `DialString`, empty when there is none.

    Args:
        dial_string: `31201234567@carrier`, `carrier/sip:31201234567@192.0.2.1`, `g1/31201234567`.
    """
    text = dial_string.rpartition("/")[2]
    for scheme in _SCHEMES:
        text = text.removeprefix(scheme)
    return text.partition("@")[0].partition(";")[0]


async def we_dialled(manager: Manager, fields: Mapping[str, str]) -> bool:
    """Whether a running channel on a trunk goes out; when that cannot be proved, it came in.

    Args:
        manager: The Asterisk it runs on.
        fields: Its CoreShowChannel event.
    """
    if fields.get("ApplicationData") == OUTGOING_LINE:
        return True
    if fields.get("ChannelState") == DOWN or not fields["Channel"].startswith("PJSIP/"):
        return False  # still in its pre-dial routine: its DialBegin is to come
    # An originate that was answered runs any application. A call that came in has the INVITE it
    # came with, and a dialled number; a call that we dialled has neither.
    for variable in ("PJSIP_HEADER(read,Call-ID)", "CALLERID(dnid)"):
        if await _read(manager, fields["Channel"], variable) != "":
            return False
    return True


async def _read(manager: Manager, channel: str, variable: str) -> str | None:
    """A channel's value; None when Asterisk does not say."""
    try:
        answer = await manager.send_action("Getvar", {"Channel": channel, "Variable": variable}, READ_TIMEOUT_S)
    except ManagerError:
        return None
    return answer[0].get("Value", "")


def untokened(asterisk: str, unique_id: str, leg: Leg, *, lived_ms: int, at: dt.datetime) -> Event:
    """The ledger event of a leg that had no token.

    Args:
        asterisk: Name of the Asterisk in the settings.
        unique_id: The leg's unique id.
        leg: The leg.
        lived_ms: From DialBegin (or from when it was found) to its end.
        at: The present moment.
    """
    body = {
        "asterisk": asterisk,
        "channel": leg.channel,
        "unique_id": unique_id,
        "lived_ms": lived_ms,
        "action": leg.action,
    }
    # Two services may watch one Asterisk: the same call is the same event.
    event_id = uuid.uuid5(uuid.NAMESPACE_OID, f"untokened/{asterisk}/{unique_id}").hex
    return Event(event_id, EventKind.UNTOKENED, at, body=body)


class Manager(Protocol):
    """One Asterisk's manager interface."""

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> Sequence[Mapping[str, str]]:
        """Send one action at most once; returns the response, then the events of a list.

        Raises:
            ActionRefusedError: Asterisk refused.
            ManagerLostError: Not connected, or no answer in time.
        """
        ...


@dataclass(slots=True)
class Leg:
    """A channel on a trunk, from its first event to its Hangup; changes as events come."""

    channel: str
    since_s: float  # when it dialled; until then, when it was first seen
    outgoing: bool = False
    judged: bool = False
    passed: bool = False
    action: str = ""  # what came of hanging it up; empty while that was not tried
    recorded: bool = False
