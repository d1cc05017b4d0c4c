"""The admin's own data: `campaigns.toml`, typed, and the `Site` made of it.

Rule 1: this file knows shapes. What one entry says about another is checked in `cross.py`, on the
raw tables, so that a mistake of shape in one campaign does not hide a mistake of meaning in the next.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from asterisk_plugin.core import site as core
from asterisk_plugin.settings.queues import QueueEntry, build_queue
from asterisk_plugin.settings.service import Section
from asterisk_plugin.settings.values import (
    Country,
    CountryOrAll,
    CountryOrEmpty,
    Id,
    Language,
    Name,
    checked_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.core.rulebook import Rulebook
    from asterisk_plugin.settings.service import GateSettings

DEFAULT_COUNTRY = "DE"
"""Home of a site without a campaigns.toml, which can call nobody but emergency numbers: 112 is one
in every country that a rulebook is shipped for."""


class CallCentreEntry(Section):
    """`[call_centre]`: the company that dials"""

    id: Id = Field("call-centre", description="short name")
    name: Name = Field(description="legal name")
    country: Country = Field(description="where it dials from")


class PrincipalEntry(Section):
    """`[[principal]]`: a company that calls are made for"""

    id: Id = Field(description="short name used in campaigns and records")
    name: Name = Field(description="legal name")
    announced_name: str = Field("", description="short name as said on the phone; empty: the legal name")
    country: Country = Field(description="where it is established")
    kind: core.PrincipalKind = Field(core.PrincipalKind.COMPANY, description="kind of organisation")
    sector: str = Field("", description="free text")
    memberships: tuple[str, ...] = Field((), description="codes of conduct that bind it")


class CallerIdEntry(Section):
    """`[[caller_id]]`: a number that may be shown"""

    number: str = Field(description="national or international form")
    assigned_to: Id = Field(description="principal or call centre it is assigned to")
    right_of_use: tuple[str, ...] = Field((), description="others with a documented right to show it")
    purposes: tuple[core.Purpose, ...] = Field((), description="what it may be used for; empty: everything")
    valid_from: dt.date | None = Field(None, description="first day of use")
    valid_until: dt.date | None = Field(None, description="last day of use")
    call_back_routed: bool = Field(False, description="a call back to it reaches somebody")


class CampaignEntry(Section):
    """`[[campaign]]`"""

    id: Id = Field(description="what the dialplan passes")
    principal: Id = Field(description="for whom")
    purpose: core.Purpose = Field(description="what for")
    dial_mode: core.DialMode = Field(core.DialMode.MANUAL, description="who dials")
    audience: core.Audience = Field(core.Audience.CONSUMER, description="whom it calls")
    product: Id = Field("any", description="product group that consents and relationships must cover")
    caller_ids: tuple[str, ...] = Field((), description="numbers it may show, in order of preference")
    caller_id_from: core.CallerIdFrom = Field(core.CallerIdFrom.CAMPAIGN, description="who chooses among them")
    language: Language = Field("en", description="language it speaks")
    trunk_country: CountryOrEmpty = Field(
        "", description="country whose network the calls enter; empty: the call centre's"
    )
    presumed_interest: str = Field("", description="companies only: why consent may be presumed")
    ring_s: int = Field(0, ge=0, le=120, description="wanted ring time; 0: the longest allowed")
    starts_on: dt.date | None = Field(None, description="first day")
    ends_on: dt.date | None = Field(None, description="last day")
    objection_line: core.LineMode = Field(core.LineMode.ALWAYS, description="when its calls lead to the objection line")
    on_machine: core.OnMachine = Field(
        core.OnMachine.HANG_UP, description="a machine answered: the call ends, the agent is told, or nobody listens"
    )


class ObjectionLineEntry(Section):
    """`[objection_line]`: the IVR in which a person objects with one key"""

    other_number: core.OtherNumber = Field(
        core.OtherNumber.HONOUR,
        description="objections for another number than the called one: in force, or in force and listed for review",
    )
    call_back: str = Field("", description="number told when nothing could be recorded; empty: the campaign's own")
    timeout_s: float = Field(6.0, ge=2, le=30, description="silence after which nobody is taken to be there")
    tries: int = Field(3, ge=1, le=9, description="so many failures in a row end the call")


class ClosedDayEntry(Section):
    """`[[closed_day]]`: a day on which nobody is called"""

    day: dt.date = Field(description="the date")
    country: CountryOrAll = Field(description="of the called number")
    reason: Name = Field(description="shown in the verdict")


class CampaignsFile(Section):
    """The whole of `campaigns.toml`."""

    home_country: Country = Field(description="country in which numbers in national form are read")
    call_centre: CallCentreEntry
    principal: tuple[PrincipalEntry, ...] = ()
    caller_id: tuple[CallerIdEntry, ...] = ()
    campaign: tuple[CampaignEntry, ...] = ()
    queue: tuple[QueueEntry, ...] = ()
    closed_day: tuple[ClosedDayEntry, ...] = ()
    objection_line: ObjectionLineEntry = ObjectionLineEntry()


@dataclass(frozen=True, slots=True)
class Admin:
    """What the admin's file says, as values of the core.

    Args:
        home_country: Country in which numbers in national form are read.
        call_centre: Who dials.
        principals: By id.
        caller_ids: By E.164.
        campaigns: By id.
        closed_days: In the order of the file.
        objection_line: How the objection line behaves.
        queues: Queues in which callers wait, by id.
    """

    home_country: str
    call_centre: core.CallCentre
    principals: Mapping[str, core.Principal]
    caller_ids: Mapping[str, core.CallerIdAsset]
    campaigns: Mapping[str, core.Campaign]
    closed_days: tuple[core.ClosedDay, ...]
    objection_line: core.LineSettings
    queues: Mapping[str, core.Queue]


def no_admin() -> Admin:
    """What holds without a campaigns.toml: no campaign, so every attempt is campaign-unknown."""
    centre = core.CallCentre("call-centre", "", DEFAULT_COUNTRY)
    return Admin(DEFAULT_COUNTRY, centre, {}, {}, {}, (), core.LineSettings(), {})


def build_admin(file: CampaignsFile) -> Admin:
    """Turn a checked file into values.

    Args:
        file: A file in which `cross.py` found nothing wrong: every reference is known to resolve.
    """
    centre = core.CallCentre(file.call_centre.id, file.call_centre.name, file.call_centre.country)
    principals = {entry.id: _principal(entry) for entry in file.principal}
    assets = [_caller_id(entry, file.home_country) for entry in file.caller_id]
    caller_ids = {asset.number.e164: asset for asset in assets}
    campaigns = {entry.id: _campaign(entry, file.home_country, principals, caller_ids) for entry in file.campaign}
    closed = tuple(core.ClosedDay(entry.day, entry.country, entry.reason) for entry in file.closed_day)
    line = _objection_line(file.objection_line, file.home_country)
    queues = {entry.id: build_queue(entry, file.home_country, principals, campaigns) for entry in file.queue}
    return Admin(file.home_country, centre, principals, caller_ids, campaigns, closed, line, queues)


def build_site(admin: Admin, gate: GateSettings, rulebooks: Mapping[str, Rulebook], version: str) -> core.Site:
    """Join everything that a decision needs to one value.

    Args:
        admin: The admin's own data.
        gate: The settings of the gate.
        rulebooks: By country.
        version: Short hash of all files.
    """
    return core.Site(
        home_country=admin.home_country,
        call_centre=admin.call_centre,
        campaigns=admin.campaigns,
        caller_ids=admin.caller_ids,
        rulebooks=rulebooks,
        closed_days=admin.closed_days,
        never_call=frozenset(gate.never_call),
        emergency_extra=frozenset(gate.emergency_extra),
        accepted_unchecked=frozenset(gate.accepted_unchecked),
        last_dial_s=gate.last_dial_s,
        objection_line=admin.objection_line,
        queues=admin.queues,
        version=version,
    )


def _principal(entry: PrincipalEntry) -> core.Principal:
    return core.Principal(
        id=entry.id,
        name=entry.name,
        announced_name=entry.announced_name or entry.name,
        country=entry.country,
        kind=entry.kind,
        sector=entry.sector,
        memberships=frozenset(entry.memberships),
    )


def _caller_id(entry: CallerIdEntry, home_country: str) -> core.CallerIdAsset:
    return core.CallerIdAsset(
        number=checked_number(entry.number, home_country),
        assigned_to=entry.assigned_to,
        right_of_use=frozenset(entry.right_of_use),
        purposes=frozenset(entry.purposes),
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        call_back_routed=entry.call_back_routed,
    )


def _campaign(
    entry: CampaignEntry,
    home_country: str,
    principals: Mapping[str, core.Principal],
    caller_ids: Mapping[str, core.CallerIdAsset],
) -> core.Campaign:
    return core.Campaign(
        id=entry.id,
        principal=principals[entry.principal],
        purpose=entry.purpose,
        dial_mode=entry.dial_mode,
        audience=entry.audience,
        product=entry.product,
        caller_ids=tuple(caller_ids[checked_number(text, home_country).e164] for text in entry.caller_ids),
        caller_id_from=entry.caller_id_from,
        language=entry.language,
        trunk_country=entry.trunk_country,
        presumed_interest=entry.presumed_interest,
        ring_s=entry.ring_s,
        starts_on=entry.starts_on,
        ends_on=entry.ends_on,
        objection_line=entry.objection_line,
        on_machine=entry.on_machine,
    )


def _objection_line(entry: ObjectionLineEntry, home_country: str) -> core.LineSettings:
    return core.LineSettings(
        other_number=entry.other_number,
        call_back=checked_number(entry.call_back, home_country).e164 if entry.call_back else "",
        timeout_s=entry.timeout_s,
        tries=entry.tries,
    )
