"""Builds attempts for the tests of the core: everything in order unless a test says otherwise."""

import datetime as dt
import pathlib
import tomllib
from dataclasses import replace

from asterisk_plugin.core.caller_id import choose_shown_number
from asterisk_plugin.core.engine import Hearing
from asterisk_plugin.core.facts import (
    AttemptCount,
    AttemptFacts,
    Consent,
    EndedCall,
    Objection,
    PaceFacts,
    PersonRecords,
    RateCount,
    Relationship,
)
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.core.rulebook import Rulebook, parse_rulebook
from asterisk_plugin.core.site import (
    Audience,
    CallCentre,
    CallerIdAsset,
    CallerIdFrom,
    Campaign,
    ClosedDay,
    DialMode,
    Principal,
    PrincipalKind,
    Purpose,
    Site,
)

RULEBOOKS = pathlib.Path(__file__).parents[2] / "config" / "rulebook"
NL_NUMBER, DE_NUMBER, ES_NUMBER = "+31201234567", "+4930123456", "+34612345678"
NL_CALLER_ID, DE_CALLER_ID = "+31207654321", "+4930654321"
MORNING = dt.datetime(2026, 10, 20, 10, tzinfo=dt.UTC)  # a Tuesday, 12:00 in both countries
CONSENT = {"given_at": dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)}


def rulebook_of(text: str, file: str = "rulebook/xx.toml") -> Rulebook:
    return parse_rulebook(tomllib.loads(text), file=file, text=text)


def shipped(country: str) -> Rulebook:
    path = RULEBOOKS / f"{country.lower()}.toml"
    return rulebook_of(path.read_text(), str(path))


SHIPPED = {country: shipped(country) for country in ("NL", "DE")}


def asset(number: str, **fields) -> CallerIdAsset:
    """A number of the call centre, routed back, unless told otherwise."""
    fields = {"assigned_to": "dialwell", "call_back_routed": True} | fields
    fields["purposes"] = frozenset(map(Purpose, fields.get("purposes", ())))
    fields["right_of_use"] = frozenset(fields.get("right_of_use", ()))
    return CallerIdAsset(number=parse_number(number, "NL"), **fields)


def campaign(principal: dict | None = None, assets: tuple[CallerIdAsset, ...] = (), **fields) -> Campaign:
    """A sales campaign of a company to consumers, unless told otherwise."""
    owner = {"kind": "company", "memberships": (), "sector": ""} | (principal or {})
    enums = {"purpose": Purpose, "dial_mode": DialMode, "audience": Audience, "caller_id_from": CallerIdFrom}
    fields = {"purpose": "sales"} | fields
    return Campaign(
        id="spring",
        principal=Principal(
            "acme",
            "Acme",
            "Acme",
            "NL",
            kind=PrincipalKind(owner["kind"]),
            sector=owner["sector"],
            memberships=frozenset(owner["memberships"]),
        ),
        caller_ids=assets,
        **{name: enums[name](value) if name in enums else value for name, value in fields.items()},
    )


def records(facts: AttemptFacts, now: dt.datetime, **held) -> PersonRecords:
    """Records of the called number; `used`: attempts that a limit has seen, by the end of its id."""
    used = held.get("used", {})
    counts = []
    for limit in Hearing(facts, now).limits:
        names = [name for name in used if limit.id.endswith(name)]
        counts.append(AttemptCount(limit, used[names[0]] if names else 0, held.get("oldest_at")))
    return PersonRecords(
        objections=tuple(Objection(**({"scope": "acme", "at": now} | each)) for each in held.get("objections", ())),
        consents=tuple(
            Consent(**({"principal": "acme", "purpose": "sales", "product": "any"} | each))
            for each in held.get("consents", ())
        ),
        relationships=tuple(
            Relationship(**({"principal": "acme", "product": "any"} | each)) for each in held.get("relationships", ())
        ),
        attempts=tuple(counts),
        reserved=True,
        ended=tuple(
            EndedCall(**({"principal": "acme", "campaign": "spring"} | each)) for each in held.get("ended", ())
        ),
    )


def pace_of(
    facts: AttemptFacts, now: dt.datetime, *, in_flight: int = 0, has_room: bool = True, **ended: int
) -> PaceFacts:
    """What the store says of the campaign: how calls ended in each window; `no_answer` for `no-answer`."""
    counts = {outcome.replace("_", "-"): count for outcome, count in ended.items()}
    limits = Hearing(facts, now).slot_limits
    found = tuple(RateCount(limit.id, limit.first_day, counts) for limit in limits)
    return PaceFacts(in_flight, found, has_room, reserved=has_room)


def attempt(now: dt.datetime = MORNING, number: str = NL_NUMBER, **changes) -> AttemptFacts:
    """One attempt.

    `site`, `campaign`, `principal`, `asset`: fields to change; `channel`: caller number on the channel;
    `caller_ids`: more than one asset; `held`: records (see `records`), None when the store is away;
    `no_campaign`: the campaign is not known; `agent`: id of the reserved one; `pace`: see `pace_of`, none when not
    given.
    """
    caller_id = DE_CALLER_ID if number.startswith("+49") else NL_CALLER_ID
    own = changes.get("asset", {})
    assets = changes.get(
        "caller_ids",
        (asset(own.get("number", caller_id), **{k: v for k, v in own.items() if k != "number"}),),
    )
    own_site = dict(changes.get("site", {}))
    country = own_site.pop("centre_country", "DE" if number.startswith("+49") else "NL")
    own_site["closed_days"] = tuple(ClosedDay(*day) for day in own_site.get("closed_days", ()))
    site = Site(
        **(
            {
                "home_country": "NL",
                "call_centre": CallCentre("dialwell", "Dialwell", country),
                "caller_ids": {each.number.e164: each for each in assets},
                "rulebooks": SHIPPED,
                "last_dial_s": 60,
            }
            | own_site
        )
    )
    known = (
        None
        if changes.get("no_campaign")
        else campaign(changes.get("principal"), changes.get("campaign_assets", assets), **changes.get("campaign", {}))
    )
    called = parse_number(number, site.home_country)
    if zones := changes.get("zones"):
        called = replace(called, time_zones=tuple(zones))
    shown = choose_shown_number(
        channel_text=changes.get("channel", ""),
        calling_pres=changes.get("calling_pres", 0),
        campaign=known,
        called=called,
        site=site,
        now=now,
    )
    facts = AttemptFacts(
        dialled=number,
        called=called,
        campaign_id="spring",
        campaign=known,
        shown=shown,
        site=site,
        agent_id=changes.get("agent", ""),
    )
    if "pace" in changes:
        facts = replace(facts, pace=pace_of(facts, now, **changes["pace"]))
    held = changes.get("held", {"consents": [CONSENT]})
    return facts if held is None else replace(facts, records=records(facts, now, **held))
