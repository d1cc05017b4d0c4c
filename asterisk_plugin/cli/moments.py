"""Dates and times as people write them, into moments.

A date alone means the whole day where the number is: consent given on it holds from its start,
consent expiring on it holds to its end.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from asterisk_plugin.core.number import PhoneNumber

MOMENT_WORDS = "a date or a date with time, such as 2026-11-24 or 2026-11-24T11:00"
DATE_WORDS = "a date such as 2026-11-24"


def zone_of(number: PhoneNumber | None) -> dt.tzinfo:
    """The first zone a number may be in; UTC when there is none."""
    if number is None or not number.time_zones:
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(number.time_zones[0])
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):  # libphonenumber says `Etc/Unknown` for some
        return dt.UTC


def parse_moment(text: str, zone: dt.tzinfo, *, end_of_day: bool = False) -> dt.datetime:
    """Read a moment.

    Args:
        text: ISO 8601: `2026-11-24`, `2026-11-24T11:00`, `2026-11-24T11:00:00+01:00`.
        zone: What a text without a zone is read in.
        end_of_day: A date alone means its end (the start of the next day), not its start.

    Returns:
        An aware moment in UTC.

    Raises:
        InputError: It is none.
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"`{text[:40]}` is no moment; {MOMENT_WORDS} is") from None
    is_date_alone = len(text.strip()) <= len("2026-11-24")
    try:
        if is_date_alone and end_of_day:
            moment += dt.timedelta(days=1)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(dt.UTC)
    except OverflowError:
        raise InputError(f"`{text[:40]}` is out of range; {MOMENT_WORDS} is not") from None


def parse_day(text: str) -> dt.date:
    """Read a date.

    Raises:
        InputError: It is none.
    """
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"`{text[:40]}` is no date; {DATE_WORDS} is") from None
