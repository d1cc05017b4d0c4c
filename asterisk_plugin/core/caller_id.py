"""The number the called person sees: which one to show, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from asterisk_plugin.core.caller_id_parameters import AbroadEffect, NumberClass, NumberOwner, Owner, PlanFor
from asterisk_plugin.core.case import HOUSE, find_law, where_and_when
from asterisk_plugin.core.facts import Presentation, ShownNumber
from asterisk_plugin.core.number import LineType, PhoneNumber, UnusableNumber, parse_number
from asterisk_plugin.core.site import CallerIdFrom
from asterisk_plugin.core.verdict import Decision, Finding, Reason, Source

if TYPE_CHECKING:
    from asterisk_plugin.core.law import InForce, Law
    from asterisk_plugin.core.site import CallerIdAsset, Campaign, Site

CALLER_ID = "caller-id"
"""Rule id of the finding that a shown number is in order."""

INTERNAL_DIGITS = 6
"""A number on the channel with so many digits or fewer is an agent's extension, not a caller ID."""

_PRES_MASK, _PRES_SHOWN, _PRES_UNAVAILABLE = 0x60, 0x00, 0x40
_ANONYMOUS = frozenset({"anonymous", "restricted", "private"})
"""SIP users of a telephone that hides its number (RFC 3323 has the first)."""

_NEVER_SHOWN = frozenset({LineType.EMERGENCY, LineType.SHORT})


def choose_shown_number(
    *,
    channel_text: str,
    calling_pres: int,
    campaign: Campaign | None,
    called: PhoneNumber | UnusableNumber,
    site: Site,
    now: dt.datetime,
) -> ShownNumber:
    """Find the number that the called person would see.

    Args:
        channel_text: Caller number on the channel, empty when there is none.
        calling_pres: How it is marked: 0-3 shown, 32-35 withheld, 67 unavailable.
        campaign: None when there is no such campaign: then the channel's number stands.
        called: The called number.
        site: Numbers we may show.
        now: The moment of the attempt (aware).

    Returns:
        When the campaign chooses, and the channel holds no public number, the first number of
        the campaign with which nothing is wrong for this destination and day, else its first
        one, so that the verdict can say what is wrong. Withheld stays withheld.
    """
    text = channel_text.strip()
    country = (campaign.trunk_country if campaign else "") or site.call_centre.country
    presentation = Presentation.WITHHELD if text.lower() in _ANONYMOUS else _presentation(calling_pres)
    chosen_by_campaign = campaign is not None and campaign.caller_id_from is CallerIdFrom.CAMPAIGN
    if presentation is Presentation.WITHHELD:
        return ShownNumber(presentation, text, trunk_country=country)
    if campaign is not None and chosen_by_campaign and (not text or _is_internal(text)):
        return _first_in_order(campaign, called=called, site=site, now=now, country=country)
    if not text:
        return ShownNumber(Presentation.UNAVAILABLE, trunk_country=country)
    number = parse_number(text, site.home_country)
    asset = site.caller_ids.get(number.e164) if isinstance(number, PhoneNumber) else None
    return ShownNumber(presentation, text, number, asset, country)


def wrong_with(
    shown: ShownNumber,
    *,
    campaign: Campaign | None,
    called: PhoneNumber | UnusableNumber,
    site: Site,
    law: Law,
    days: tuple[dt.date, ...],
) -> Iterator[Finding]:
    """Find everything wrong with a shown number; nothing when it may be shown.

    Args:
        shown: The number.
        campaign: None when it is not known: then only the number itself is judged.
        called: The called number.
        site: Who we are.
        law: What is in force.
        days: Today in every zone of the called number.

    Law:
        DE: TDDDG § 15(2), TKG § 120(2) and (4). NL: Tw art. 11.7. Parameters: `caller_id_owner`,
        `caller_id_class`, `caller_id_from_abroad`, `call_back`.
    """
    source = law.caller_id_owner[0].source if law.caller_id_owner else HOUSE
    if shown.presentation is Presentation.WITHHELD:
        yield _deny(Reason.CALLER_ID_WITHHELD, "the caller ID is marked as withheld", source)
    elif shown.presentation is Presentation.UNAVAILABLE or shown.number is None:
        sentence = "there is no caller ID, and a call without one leaves as anonymous"
        yield _deny(Reason.CALLER_ID_WITHHELD, sentence, source)
    if isinstance(shown.number, UnusableNumber):
        sentence = f"the caller ID `{shown.number.text}` is no number: {shown.number.why}"
        yield _deny(Reason.CALLER_ID_INVALID, sentence, HOUSE)
    elif shown.number is not None:
        yield from _wrong_class(shown.number, law)
        yield from _wrong_from_abroad(shown.number, shown.trunk_country, called, law)
        if campaign is not None:
            yield from _wrong_asset(shown, shown.number, campaign=campaign, site=site, law=law, days=days)


def _wrong_class(number: PhoneNumber, law: Law) -> Iterator[Finding]:
    if number.line_type in _NEVER_SHOWN:
        sentence = f"the caller ID {number.e164} is a number that nobody can be called back on"
        yield _deny(Reason.CALLER_ID_INVALID, sentence, HOUSE)
    for entry in law.caller_id_class:
        if why := _class_problem(number, entry.value):
            sentence = f"the caller ID {number.e164} {why}"
            yield _deny(Reason.CALLER_ID_CLASS, sentence, entry.source)


def _class_problem(number: PhoneNumber, rule: NumberClass) -> str:
    if number.line_type in rule.forbidden_line_types:
        return f"is a {number.line_type} number, which may not be shown"
    if rule.allowed_line_types and number.line_type not in rule.allowed_line_types:
        return f"is a {number.line_type} number; only {', '.join(sorted(rule.allowed_line_types))} may be shown"
    if number.e164.startswith(rule.forbidden_prefixes):
        return "is of a number range that may not be shown"
    if rule.allowed_prefixes and not number.e164.startswith(rule.allowed_prefixes):
        return f"is not of a range that these calls must show: {', '.join(rule.allowed_prefixes)}"
    return ""


def _wrong_from_abroad(
    number: PhoneNumber, trunk_country: str, called: PhoneNumber | UnusableNumber, law: Law
) -> Iterator[Finding]:
    if not isinstance(called, PhoneNumber) or number.country != called.country:
        return
    if not trunk_country or trunk_country == called.country:
        return
    for entry in law.caller_id_from_abroad:
        if number.line_type in entry.value.exempt_line_types:
            continue
        way = f"the call enters {called.country} from a trunk in {trunk_country}"
        if entry.value.effect is AbroadEffect.HIDDEN:
            sentence = f"{way}, where networks hide the domestic caller ID {number.e164}: it arrives as withheld"
            yield _deny(Reason.CALLER_ID_WITHHELD, sentence, entry.source)
        else:
            sentence = f"{way}, where networks block calls that show the domestic number {number.e164}"
            yield _deny(Reason.CALLER_ID_INVALID, sentence, entry.source)


def _wrong_asset(
    shown: ShownNumber,
    number: PhoneNumber,
    *,
    campaign: Campaign,
    site: Site,
    law: Law,
    days: tuple[dt.date, ...],
) -> Iterator[Finding]:
    """What our record of the number says against showing it in this campaign today."""
    asset = shown.asset
    if asset is None:
        yield _not_owned(f"{number.e164} is not among the numbers that this call centre may show")
        return
    own = {mine.number.e164 for mine in campaign.caller_ids}
    if campaign.caller_id_from is CallerIdFrom.CAMPAIGN and number.e164 not in own:
        yield _not_owned(f"{number.e164} is not one of the numbers of the campaign {campaign.id}")
    if asset.valid_from and days[0] < asset.valid_from:
        yield _not_owned(f"{number.e164} may be shown from {asset.valid_from} on")
    if asset.valid_until and days[-1] > asset.valid_until:
        yield _not_owned(f"{number.e164} could be shown until {asset.valid_until}")
    if asset.purposes and campaign.purpose not in asset.purposes:
        yield _not_owned(f"{number.e164} may not be shown for {campaign.purpose} calls")
    for entry in law.caller_id_owner:
        yield from _wrong_owner(asset, entry, campaign=campaign, site=site)
    yield from _wrong_call_back(asset, law, days)


def _wrong_owner(
    asset: CallerIdAsset, entry: InForce[NumberOwner], *, campaign: Campaign, site: Site
) -> Iterator[Finding]:
    parties = {
        Owner.PRINCIPAL: {campaign.principal.id},
        Owner.CALL_CENTRE: {site.call_centre.id},
        Owner.EITHER: {campaign.principal.id, site.call_centre.id},
    }[entry.value.owner]
    number, whose = asset.number, " or ".join(sorted(parties))
    is_own = asset.assigned_to in parties
    if not is_own and not (entry.value.right_of_use and parties & asset.right_of_use):
        right = ", nor has it a right to show it" if entry.value.right_of_use else ""
        sentence = f"{number.e164} is assigned to {asset.assigned_to}, not to {whose}{right}"
        yield _not_owned(sentence, entry.source)
    plan = entry.value.numbering_plan
    if plan and number.country not in plan and not (entry.value.plan_for is PlanFor.EXTRA and is_own):
        sentence = f"{number.e164} is not of the numbering plan of {', '.join(sorted(plan))}"
        yield _not_owned(sentence, entry.source)


def _wrong_call_back(asset: CallerIdAsset, law: Law, days: tuple[dt.date, ...]) -> Iterator[Finding]:
    for entry in law.call_back:
        number, term = asset.number.e164, entry.value.reachable_for
        if not asset.call_back_routed:
            sentence = f"a call back to {number} reaches nobody"
            yield _deny(Reason.CALLER_ID_INVALID, sentence, entry.source)
        elif term and asset.valid_until and asset.valid_until < term.after(days[-1]):
            sentence = f"{number} is ours until {asset.valid_until} only; it must be reachable for {term}"
            yield _deny(Reason.CALLER_ID_INVALID, sentence, entry.source)


def _first_in_order(
    campaign: Campaign, *, called: PhoneNumber | UnusableNumber, site: Site, now: dt.datetime, country: str
) -> ShownNumber:
    _, days = where_and_when(called, now)
    kind = called.kind if isinstance(called, PhoneNumber) else called
    return _first_of(campaign, kind, site, days, country)


@functools.lru_cache(maxsize=1024)
def _first_of(
    campaign: Campaign, called: PhoneNumber | UnusableNumber, site: Site, days: tuple[dt.date, ...], country: str
) -> ShownNumber:
    """The same for every number of a kind, and all day long."""
    candidates = [
        ShownNumber(Presentation.SHOWN, asset.number.e164, asset.number, asset, country)
        for asset in campaign.caller_ids
    ]
    if not candidates:
        return ShownNumber(Presentation.UNAVAILABLE, trunk_country=country)
    law = find_law(called, campaign=campaign, site=site, days=days)
    for shown in candidates:
        if not any(wrong_with(shown, campaign=campaign, called=called, site=site, law=law, days=days)):
            return shown
    return candidates[0]


def _presentation(calling_pres: int) -> Presentation:
    """AGI's number for the ISDN octet: its bits 0x60 hold the presentation, the others the screening."""
    marked = calling_pres & _PRES_MASK
    if marked == _PRES_SHOWN:
        return Presentation.SHOWN
    return Presentation.UNAVAILABLE if marked == _PRES_UNAVAILABLE else Presentation.WITHHELD


def _is_internal(text: str) -> bool:
    """An extension (`1001`) or a telephone's SIP user (`agent17-sales`): nobody outside ever sees it."""
    if any(character.isalpha() for character in text):
        return True
    return text.isascii() and text.isdigit() and len(text) <= INTERNAL_DIGITS


def _not_owned(sentence: str, source: Source = HOUSE) -> Finding:
    return _deny(Reason.CALLER_ID_NOT_OWNED, sentence, source)


def _deny(reason: Reason, sentence: str, source: Source) -> Finding:
    return Finding(reason, Decision.DENY, sentence, source)
