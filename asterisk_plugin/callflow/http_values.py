"""Values that other programs send over HTTP, read one by one.

Every function raises InputError for a value that it cannot use.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import phonenumbers

from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOCAL = "local"
"""The token of this machine's own commands: whoever types one says who they are, or does not."""

OLDEST = dt.timedelta(days=30)  # a moment further back is a mistake: old objections are imported
CLOCK_SKEW = dt.timedelta(minutes=5)
"""So much another machine's clock may be ahead of ours; a moment further ahead is a mistake."""


def number_of(values: Mapping[str, Any], home_country: str) -> PhoneNumber:
    """`number`: somebody's own, national form in `country` or at home."""
    text, country = text_of(values, "number", most=40), text_of(values, "country").upper()
    if not text:
        raise InputError("`number` is missing")
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise InputError(f"`country` `{country}` is none; two letters such as NL are")
    number = parse_number(text, country or home_country)
    if isinstance(number, PhoneNumber) and number.time_zones:
        return number
    why = "it is nobody's own number" if isinstance(number, PhoneNumber) else number.why
    raise InputError(f"`number` `{text}` cannot be used: {why}")


def moment_before(values: Mapping[str, Any], now: dt.datetime) -> dt.datetime:
    """`at`: when somebody said it; now when it is not given."""
    at = moment_of(values, "at")
    if at is None:
        return now
    if at > now + CLOCK_SKEW:
        raise InputError("`at` lies in the future")
    if at < now - OLDEST:
        raise InputError(f"`at` lies more than {OLDEST.days} days back; import older objections from a file")
    return min(at, now)


def who_of(by: str, token: str) -> str:
    """Who entered it: the one who was named, and always which token it came with."""
    if token == LOCAL:
        return by
    return f"{by} ({token})" if by else token


def refuse_others(values: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse names that are not known."""
    # A filter with a spelling mistake would show everybody.
    if strangers := sorted(values.keys() - known):
        names = ", ".join(f"`{name}`" for name in sorted(known))
        raise InputError(f"`{strangers[0][:40]}` is unknown; known: {names}")


def text_of(values: Mapping[str, Any], name: str, *, most: int = 100) -> str:
    """Any text, without what cannot be printed; empty when it is not given."""
    text = values.get(name, "")
    if not isinstance(text, str):
        raise InputError(f"`{name}` must be text")
    if len(text) > most:
        raise InputError(f"`{name}` has {len(text)} characters; at most {most} are allowed")
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        raise InputError(f"`{name}` has control characters")
    return text.strip()


def choice_of(values: Mapping[str, Any], name: str, allowed: Sequence[str], *, default: str = "") -> str:
    """One of several words."""
    text = text_of(values, name) or default
    if text and text not in allowed:
        raise InputError(f"`{name}` `{text[:40]}` is unknown; it must be one of {', '.join(allowed)}")
    return text


def moment_of(values: Mapping[str, Any], name: str) -> dt.datetime | None:
    """A moment with its zone, in UTC; None when it is not given."""
    text = text_of(values, name)
    if not text:
        return None
    try:
        if (moment := dt.datetime.fromisoformat(text)).tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"`{name}` `{text}` is no moment; write it with its zone: 2026-11-24T11:00:00+01:00")


def whole_of(values: Mapping[str, Any], name: str, *, most: int, default: int) -> int:
    """A whole number from 1."""
    text = text_of(values, name)
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or not 0 < int(text) <= most:
        raise InputError(f"`{name}` must be a whole number from 1 to {most}")
    return int(text)


def attempt_of(values: Mapping[str, Any]) -> str:
    """`attempt`: the token of one; empty when it is not given."""
    text = text_of(values, "attempt").lower()
    if text and (len(text) != 32 or not set(text) <= set("0123456789abcdef")):
        raise InputError("`attempt` must be the token of an attempt: 32 hex digits")
    return text
