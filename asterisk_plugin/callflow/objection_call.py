"""Who is on the objection line: which number, which campaign, how well known."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.core.number import PhoneNumber, parse_received
from asterisk_plugin.core.objection_menu import Certainty
from asterisk_plugin.core.objection_offer import ABANDONED, CALLED_BACK, CALLED_US, WAITING, is_line_open
from asterisk_plugin.errors import LedgerError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Mapping, Sequence

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.site import Campaign, Site
    from asterisk_plugin.ports import AgiRequest, StoredEvent

CALL_END = "call-end"
PATHS = frozenset({CALL_END, "queue", "agent", "transfer", ABANDONED, CALLED_BACK, WAITING})
"""How a person gets to the line."""

_is_token = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch


class History(Protocol):
    """What is asked of the ledger here."""

    async def find(self, name: str) -> Sequence[StoredEvent]:
        """Events with this id."""
        ...

    async def find_by_person(self, person: str) -> Sequence[StoredEvent]:
        """Every event about a person, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One person who has reached the line.

    Args:
        id: What names the call: the channel's unique id, the same for the service and for the second try.
        path: One of `PATHS`.
        number: Whose call it is; None when that is withheld, or no number.
        certainty: How well `number` is known.
        campaign: The campaign that the person was called for; None when nothing tells.
        attempt_id: The attempt that led here, 32 hex characters; empty when nothing tells.
        language: ISO 639-1 of the prompts.
    """

    id: str
    path: str
    number: PhoneNumber | None
    certainty: str
    campaign: Campaign | None
    attempt_id: str
    language: str


def is_open_for(call: Call, site: Site, now: dt.datetime) -> bool:
    """Whether this person is offered the line; whom no campaign is known for always is."""
    if call.campaign is None:
        return True
    country = call.number.country if call.number else ""
    return is_line_open(call.campaign, country, call.path, site=site, now=now)


async def identify(gate: Gate, request: AgiRequest, *, history: History | None, look_up_s: float) -> Call:
    """Find out who is on the line; never fails for want of a ledger.

    Args:
        gate: Site, person tags, observer.
        request: Arguments as for the `objection` script.
        history: Where attempts are looked up.
        look_up_s: Longest wait for it.
    """
    first, campaign_id, third, path, *_ = (*request.arguments, "", "", "", "")
    path = path if path in PATHS else CALL_END
    site, look_up = gate.site, _LookUp(gate, history, look_up_s)
    if path == CALLED_BACK:
        number, showing = _as_number(first, site.home_country), _showing(site, third)
        attempt = await look_up.last_attempt(number.e164, showing) if number else {}
        attempt = attempt or {"campaign": next(iter(showing), "")}
    else:
        token = next((text for text in (first, third) if _is_token(text)), "")
        number = _as_number("" if _is_token(first) else first, site.home_country)
        campaign_known = campaign_id in site.campaigns
        attempt = {"attempt_id": token, "campaign": campaign_id}
        if token and (number is None or not campaign_known):
            found = await look_up.attempt(token)
            number = number or _as_number(str(found.get("number", "")), site.home_country)
            attempt["campaign"] = campaign_id if campaign_known else str(found.get("campaign", ""))
    campaign = site.campaigns.get(attempt.get("campaign", ""))
    return Call(
        id=request.unique_id,
        path=path,
        number=number,
        certainty=Certainty.CALLER_ID if path in CALLED_US else Certainty.CALLED,
        campaign=campaign,
        attempt_id=attempt.get("attempt_id", ""),
        language=_language(site, campaign),
    )


def _as_number(text: str, home_country: str) -> PhoneNumber | None:
    number = parse_received(text, home_country)
    return number if isinstance(number, PhoneNumber) else None


def _showing(site: Site, called: str) -> Sequence[str]:
    """Every campaign that shows the number which was called."""
    number = _as_number(called, site.home_country)
    if number is None:
        return ()
    return [
        campaign.id
        for campaign in site.campaigns.values()
        if any(asset.number.e164 == number.e164 for asset in campaign.caller_ids)
    ]


def _language(site: Site, campaign: Campaign | None) -> str:
    """Of the campaign; else of the site's first one: a call centre speaks its people's language."""
    campaign = campaign or next(iter(site.campaigns.values()), None)
    return campaign.language if campaign else "en"


class _LookUp:
    """The attempts in the ledger, as far as they can be had in time."""

    def __init__(self, gate: Gate, history: History | None, look_up_s: float) -> None:
        self._gate = gate
        self._history = history
        self._look_up_s = look_up_s

    async def attempt(self, token: str) -> Mapping[str, str]:
        """Number and campaign of the attempt that was allowed with this token; empty when unknown."""
        if self._history is None:
            return {}
        found = [event for event in await self._ask(self._history.find(token)) if event.event.id == token]
        return next((_attempt_of(event) for event in found if _is_allowed(event)), {})

    async def last_attempt(self, e164: str, showing: Sequence[str]) -> Mapping[str, str]:
        """Id and campaign of the last attempt that was allowed to a number, for a campaign that there still is.

        Whoever calls a number back means the call that showed it: campaigns that show it come first.
        """
        if self._history is None:
            return {}
        found = await self._ask(self._history.find_by_person(self._gate.tag(e164)))
        attempts = [_attempt_of(event) for event in reversed(found) if _is_allowed(event)]
        known = [attempt for attempt in attempts if attempt["campaign"] in self._gate.site.campaigns]
        return next((attempt for attempt in known if attempt["campaign"] in showing), next(iter(known), {}))

    async def _ask(self, question: Awaitable[Sequence[StoredEvent]]) -> Sequence[StoredEvent]:
        try:
            async with asyncio.timeout(self._look_up_s):
                return await question
        except (LedgerError, TimeoutError) as exc:
            self._gate.observer.fault("objection", exc)
            return ()


def _is_allowed(stored: StoredEvent) -> bool:
    return stored.event.kind is EventKind.ATTEMPT and stored.event.body.get("decision") == "ALLOW"


def _attempt_of(stored: StoredEvent) -> Mapping[str, str]:
    body, sealed = stored.event.body, stored.event.sealed
    known: Mapping[str, Any] = {} if sealed is None or isinstance(sealed, bytes) else sealed
    return {
        "attempt_id": str(body.get("attempt_id", "")),
        "campaign": str(body.get("campaign", "")),
        "number": str(known.get("number", "")),
    }
