"""A leg on a trunk: whether a channel is one, which way it goes, what it dials, and its record without a token."""

from __future__ import annotations

import re
import uuid
from collections.abc import MutableSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.channels import without_number
from asterisk_plugin.errors import ManagerError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from asterisk_plugin.callflow.ami_listener import Manager

DOWN, RINGING, UP = "0", "5", "6"
"""Asterisk's channel states, as AMI gives them."""

OUTGOING_LINE = "(Outgoing Line)"
"""What Dial(), Queue() and originates set as application data of the leg they make."""

READ_TIMEOUT_S = 5.0

MOST_PASSES = 50_000
"""Marks kept in memory: more than one Asterisk's calls at a time, some 10 MB."""

_URI = re.compile(r"<?sips?:([^@]*)@.*|<?tel:([^>]*)>?", re.IGNORECASE)
_NUMBER = re.compile(r"[+]?[0-9*#]+")


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


def dialled_number(dial_string: str, technology: str = "PJSIP") -> str:
    """The number that a leg dials, by what its channel driver makes of the dial string.

    Whoever originates writes the string, and a number anywhere else in it must not stand for the number
    that is called.

    Args:
        dial_string: A DialBegin's `DialString` or the leg's `DIALEDPEERNUMBER`: `31201234567@carrier`,
            `carrier/sip:31201234567@192.0.2.1`, `g1/31201234567`.
        technology: What stands before the slash in the channel's name; each reads the string in its own way.

    Returns:
        The number; the whole dial string when it is not certain, so that it equals no number; empty only
        for an empty one.
    """
    first, slash, rest = dial_string.partition("/")
    if technology == "PJSIP":
        user, at, _ = first.partition("@")
        # `user@endpoint/uri`: the user takes the place of the one in the URI.
        number = _number(user) if at else uri_number(rest)
    elif slash:  # group/number/options, peer/number@context/options
        number = _number(rest.partition("/")[0].partition("@")[0])
    else:  # IAX2 reads `user@peer` as the account to log in with
        number = _number(first.partition("@")[0]) if technology == "SIP" else ""
    return number or dial_string


def uri_number(uri: str) -> str:
    """The number in a SIP or tel URI; empty when its user part is not a bare number."""
    match = _URI.fullmatch(uri)
    return _number(match[1] or match[2] or "") if match else ""


def is_number(text: str) -> bool:
    """Whether a text is nothing but a number, as a telephone's keys write it."""
    return _NUMBER.fullmatch(text) is not None


def _number(text: str) -> str:
    return text if is_number(text) else ""


async def read_number(manager: Manager, channel: str) -> str:
    """The number that a running leg has dialled, as its channel driver knows it; empty when it does not say.

    Not the channel's extension or caller ID: whoever originates chooses those freely.

    Args:
        manager: The Asterisk it runs on.
        channel: `PJSIP/carrier-0000001a`, `DAHDI/i1/31201234567-1`.
    """
    technology, _, rest = channel.partition("/")
    if technology == "PJSIP":  # To, which stays as it was sent
        return uri_number(await _read(manager, channel, "CHANNEL(pjsip,remote_uri)") or "")
    if technology == "DAHDI":
        return _number(rest.rpartition("-")[0].partition("/")[2])
    return ""


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
        "channel": without_number(leg.channel),
        "unique_id": unique_id,
        "lived_ms": lived_ms,
        "action": leg.action,
    }
    # Two services may watch one Asterisk: the same call is the same event.
    event_id = uuid.uuid5(uuid.NAMESPACE_OID, f"untokened/{asterisk}/{unique_id}").hex
    return Event(event_id, EventKind.UNTOKENED, at, body=body)


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


class Passes(MutableSet[str]):
    """The legs that this process let through, as `leg_key`s; the oldest are dropped when there are too many.

    The watchdog takes a mark out when the leg ends. Where no AMI connection tells of the end, marks would
    pile up; and about a mark that was dropped the store is asked.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = MOST_PASSES) -> None:
        self._most = most
        self._keys: dict[str, None] = {}

    def add(self, value: str) -> None:
        """Keep a mark."""
        self._keys.pop(value, None)  # the newest again
        self._keys[value] = None
        if len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]

    def discard(self, value: str) -> None:
        """Drop a mark, if it is there."""
        self._keys.pop(value, None)

    def __contains__(self, value: object) -> bool:
        return value in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._keys))

    def __len__(self) -> int:
        return len(self._keys)
