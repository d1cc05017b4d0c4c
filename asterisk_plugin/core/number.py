"""Telephone numbers: text as dialled or received to E.164, country, line type, time zones.

Numbers are parsed by libphonenumber's rules (package phonenumbers); results are cached,
because a parse costs about 60 µs and a campaign dials the same few shown numbers.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import timezone

MAX_DIALLED_CHARS = 40
"""Longest text taken as a number. E.164 has 15 digits; prefixes and separators fit in the rest."""

_DIALLABLE = re.compile(r"\+?[0-9][0-9 ()./-]*")


class LineType(enum.StrEnum):
    """What kind of line a number belongs to, as far as its digits tell."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed-or-mobile"
    TOLL_FREE = "toll-free"
    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    VOIP = "voip"
    PERSONAL = "personal"
    PAGER = "pager"
    COMPANY = "company"
    VOICEMAIL = "voicemail"
    SHORT = "short"
    EMERGENCY = "emergency"
    UNKNOWN = "unknown"


_LINE_TYPES = {
    phonenumbers.PhoneNumberType.FIXED_LINE: LineType.FIXED,
    phonenumbers.PhoneNumberType.MOBILE: LineType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.FIXED_OR_MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
    phonenumbers.PhoneNumberType.PREMIUM_RATE: LineType.PREMIUM,
    phonenumbers.PhoneNumberType.SHARED_COST: LineType.SHARED_COST,
    phonenumbers.PhoneNumberType.VOIP: LineType.VOIP,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: LineType.PERSONAL,
    phonenumbers.PhoneNumberType.PAGER: LineType.PAGER,
    phonenumbers.PhoneNumberType.UAN: LineType.COMPANY,
    phonenumbers.PhoneNumberType.VOICEMAIL: LineType.VOICEMAIL,
}


_AS_DIALLED = frozenset({LineType.SHORT, LineType.EMERGENCY})


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number that can be dialled.

    Args:
        e164: `+31201234567`; for short and emergency numbers the digits as dialled.
        country: ISO 3166-1 alpha-2, upper case; empty for numbers of no country (`+800`).
        line_type: Kind of line.
        time_zones: Every IANA zone the person may be in, at least one for dialable numbers.
    """

    e164: str
    country: str
    line_type: LineType
    time_zones: tuple[str, ...] = ()

    @property
    def kind(self) -> PhoneNumber:
        """Every number of this country, line type and zones: the same without its digits."""
        return _kind(self.country, self.line_type, self.time_zones)


@dataclass(frozen=True, slots=True)
class UnusableNumber:
    """Text that is no number, and why.

    Args:
        text: As given, shortened to 40 characters.
        why: One sentence for a human.
    """

    text: str
    why: str


@functools.lru_cache(maxsize=4096)
def _kind(country: str, line_type: LineType, time_zones: tuple[str, ...]) -> PhoneNumber:
    return PhoneNumber("", country, line_type, time_zones)


@functools.lru_cache(maxsize=65536)
def parse_number(text: str, home_country: str) -> PhoneNumber | UnusableNumber:
    """Read a number as dialled in `home_country`.

    Args:
        text: `+49 30 1234567`, `0049301234567`, `030 1234567`, `112`; at most 40 characters.
        home_country: ISO 3166-1 alpha-2 of the place where it is dialled.

    Returns:
        The number, or why it is none. Emergency and short numbers of `home_country` are
        recognised first; an emergency number always has line type EMERGENCY.
    """
    short_text = text[:MAX_DIALLED_CHARS]
    if len(text) > MAX_DIALLED_CHARS or not _DIALLABLE.fullmatch(text):
        return UnusableNumber(short_text, "only digits, one leading + and separators may stand in a number")
    digits = re.sub(r"[^0-9+]", "", text)
    if phonenumbers.is_emergency_number(digits, home_country):
        return PhoneNumber(digits, home_country, LineType.EMERGENCY)
    try:
        parsed = phonenumbers.parse(text, home_country)
    except phonenumbers.NumberParseException as exc:
        return UnusableNumber(short_text, f"it cannot be read as a number: {str(exc).rstrip('.').lower()}")
    if not phonenumbers.is_valid_number(parsed):
        if not digits.startswith("+") and phonenumbers.is_valid_short_number_for_region(parsed, home_country):
            return PhoneNumber(digits, home_country, LineType.SHORT)
        return UnusableNumber(short_text, "the numbering plan has no such number")
    return PhoneNumber(
        e164=phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164),
        country=_country(parsed),
        line_type=_LINE_TYPES.get(phonenumbers.number_type(parsed), LineType.UNKNOWN),
        time_zones=tuple(timezone.time_zones_for_number(parsed)),
    )


def parse_received(text: str, home_country: str) -> PhoneNumber | UnusableNumber:
    """Read a number as a network or a person gives it: also international without `+` or `00`.

    Digits that begin with neither are read as international where that makes a valid number, because the home
    country writes its own numbers with a trunk prefix: in Germany `4915112345678` is `+49 151 12345678`, although
    the national plan has room for a number of those digits. Where there is no trunk prefix, the national reading
    comes first.

    Args:
        text: `+49 151 12345678`, `0151 12345678`, `4915112345678`; at most 40 characters.
        home_country: ISO 3166-1 alpha-2 of the place where it is received.
    """
    trunk_prefix = phonenumbers.ndd_prefix_for_region(home_country, True)
    digits = re.sub(r"[ ()./-]", "", text)
    national = parse_number(text, home_country)
    if not digits.isdigit() or digits.startswith("0") or (trunk_prefix and digits.startswith(trunk_prefix)):
        return national
    international = parse_number(f"+{digits}", home_country)
    if isinstance(international, UnusableNumber):
        return national
    if isinstance(national, PhoneNumber) and (national.line_type in _AS_DIALLED or not trunk_prefix):
        return national
    return international


def example_number(country: str) -> str:
    """A number of a country's plan that belongs to nobody in particular, E.164; empty when there is none."""
    example = phonenumbers.example_number(country)
    return phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164) if example else ""


def _country(parsed: phonenumbers.PhoneNumber) -> str:
    region = phonenumbers.region_code_for_number(parsed)
    return region if region and region != "001" else ""
