"""Names of Asterisk channels: what may be written down of them, and which leg is meant."""

from __future__ import annotations

import hashlib


def leg_key(unique_id: str, channel: str) -> str:
    """Which leg is meant, also where several Asterisks without a system name are watched.

    Args:
        unique_id: Asterisk's unique id; two Asterisks may use the same one at the same moment.
        channel: Channel name, `PJSIP/carrier-0000001a`.
    """
    return f"{unique_id}/{channel}"


def without_number(channel: str) -> str:
    """A channel name that holds no telephone number: technology, endpoint, and the part after the last dash.

    Args:
        channel: `PJSIP/carrier-0000001a` stays; `DAHDI/i1/5551234-1` becomes `DAHDI/i1-1`, and
            `Local/5551234@agents-00000001;2` becomes `Local/agents-00000001;2`.
    """
    name, dash, suffix = channel.rpartition("-")
    if not dash:
        name, suffix = channel, ""
    technology, slash, rest = name.partition("/")
    # The number stands before an `@` (Local), else behind a second slash (DAHDI).
    kept = rest.rpartition("@")[2].partition("/")[0]
    return f"{technology}{slash}{kept}{dash}{suffix}"


def other_half(channel: str) -> str:
    """The other half of a Local channel, `Local/s@x-1;2` of `Local/s@x-1;1`; empty for any other channel."""
    if not channel.startswith("Local/") or channel[-2:] not in (";1", ";2"):
        return ""
    return channel[:-1] + ("2" if channel.endswith("1") else "1")


def ear_variables(channel: str, call: str, address: str) -> dict[str, str]:
    """What `ringfence-ear` of the dialplan is told, each variable with `__`: both halves of its Local channel have it.

    Args:
        channel: The leg that is listened to.
        call: What names its sound, 32 hex digits.
        address: `host:port` where the sound goes.
    """
    return {"__RINGFENCE_EAR_LEG": channel, "__RINGFENCE_EAR_CALL": call, "__RINGFENCE_EAR": address}


def talk_call(token: str) -> str:
    """What names the sound of an attempt's call once it is connected, 32 hex digits; the token names that before.

    Args:
        token: The attempt's.
    """
    return hashlib.sha256(f"talk/{token}".encode()).hexdigest()[:32]


def plain_address(address: str) -> str:
    """An address as an event may carry it, `::1:4575` for `[::1]:4575`: to be compared, not to be used.

    Args:
        address: `host:port`.
    """
    return address.replace("[", "").replace("]", "")
