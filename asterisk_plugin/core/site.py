"""Who calls, for whom, with which numbers: the admin's own data as frozen values."""

from __future__ import annotations

import datetime as dt  # imported at run time: pydantic reads these types to store and replay facts
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.core.number import PhoneNumber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.core.rulebook import Rulebook

EVERYONE = "*"
"""Scope of an objection against every principal this call centre calls for."""


class Purpose(enum.StrEnum):
    """What a campaign calls for."""

    SALES = "sales"
    SERVICE = "service"
    SURVEY = "survey"
    DEBT = "debt"
    CHARITY = "charity"
    POLITICS = "politics"


class DialMode(enum.StrEnum):
    """Who or what dials and speaks."""

    MANUAL = "manual"
    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    PREDICTIVE = "predictive"
    RECORDED = "recorded"


class Audience(enum.StrEnum):
    """Whom a campaign calls."""

    CONSUMER = "consumer"
    SOLE_TRADER = "sole-trader"
    COMPANY = "company"


class PrincipalKind(enum.StrEnum):
    """What kind of organisation a principal is, where a law treats kinds differently."""

    COMPANY = "company"
    CHARITY = "charity"
    CHARITY_LOTTERY = "charity-lottery"
    PRESS = "press"


class CallerIdFrom(enum.StrEnum):
    """Who chooses the number that is shown."""

    CAMPAIGN = "campaign"  # the gate picks one of the campaign's; a public one on the channel is checked
    CHANNEL = "channel"  # the dialer sets it; the gate only checks


class LineMode(enum.StrEnum):
    """When a campaign's calls lead to the objection line."""

    ALWAYS = "always"  # every call that the agent ends
    OFFERED = "offered"  # whom the agent sends there, having offered it
    NEVER = "never"  # nobody is offered it; whoever is sent there all the same is heard


class OtherNumber(enum.StrEnum):
    """What becomes of an objection for a number that we did not call: keyed in, or only shown by the network.

    It is in force either way. One that was never confirmed by the person is always listed for review.
    """

    HONOUR = "honour"
    REVIEW = "review"  # listed for review until an admin confirms it


class OnMachine(enum.StrEnum):
    """What becomes of a call that a machine answered, or that turns out to be one."""

    HANG_UP = "hang-up"  # ended before a word is left
    WARN = "warn"  # the agent is told; only where an agent dialled
    OFF = "off"  # nobody listens


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the objection line behaves at this site.

    Args:
        other_number: What becomes of an objection for another number than the one that was called.
        call_back: Number told when nothing could be recorded, E.164; empty for the campaign's own.
        timeout_s: Silence after which nobody is taken to be there.
        tries: So many failures in a row end the call.
    """

    other_number: OtherNumber = OtherNumber.HONOUR
    call_back: str = ""
    timeout_s: float = 6.0
    tries: int = 3


@dataclass(frozen=True, slots=True)
class CallCentre:
    """The company that dials.

    Args:
        id: Short name used in configuration.
        name: Legal name.
        country: ISO 3166-1 alpha-2, upper case.
    """

    id: str
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Principal:
    """The company a call is made for.

    Args:
        id: Short name used in configuration, records and keys; `[a-z0-9-]{1,40}`.
        name: Legal name.
        announced_name: Short name as said on the phone.
        country: ISO 3166-1 alpha-2, upper case.
        kind: Kind of organisation.
        sector: Free text, `energy`; empty when not given.
        memberships: Profiles of rulebooks that bind it, `nl.code-telemarketing`.
    """

    id: str
    name: str
    announced_name: str
    country: str
    kind: PrincipalKind = PrincipalKind.COMPANY
    sector: str = ""
    memberships: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CallerIdAsset:
    """A number we may show.

    Args:
        number: Parsed number.
        assigned_to: Id of the principal or call centre the number is assigned to.
        right_of_use: Ids of others with a documented right to show it.
        purposes: What it may be used for; empty means every purpose.
        valid_from: First day of use, None when open.
        valid_until: Last day of use, None when open.
        call_back_routed: A call back to it reaches somebody.
    """

    number: PhoneNumber
    assigned_to: str
    right_of_use: frozenset[str] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    call_back_routed: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of caches
class Campaign:
    """One campaign.

    Args:
        id: Short name, the second argument of the `attempt` script; `[a-z0-9-]{1,40}`.
        principal: For whom.
        purpose: What for.
        dial_mode: Who dials.
        audience: Whom.
        product: Product group that consents and relationships must cover.
        caller_ids: Numbers it may show, in order of preference.
        caller_id_from: Who chooses among them.
        language: ISO 639-1.
        trunk_country: Country whose network the calls enter; empty means the call centre's.
        presumed_interest: For companies: why consent may be presumed; empty when it may not.
        ring_s: Wanted ring time, clamped by the rulebook; 0 means the longest allowed.
        starts_on: First day, None when open.
        ends_on: Last day, None when open.
        objection_line: When its calls lead to the objection line, where no law says more.
        on_machine: What becomes of a call that a machine answered.
    """

    id: str
    principal: Principal
    purpose: Purpose
    dial_mode: DialMode = DialMode.MANUAL
    audience: Audience = Audience.CONSUMER
    product: str = "any"
    caller_ids: tuple[CallerIdAsset, ...] = ()
    caller_id_from: CallerIdFrom = CallerIdFrom.CAMPAIGN
    language: str = "en"
    trunk_country: str = ""
    presumed_interest: str = ""
    ring_s: int = 0
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    objection_line: LineMode = LineMode.ALWAYS
    on_machine: OnMachine = OnMachine.HANG_UP

    def __hash__(self) -> int:
        """It is a key of caches, and its id tells it from nearly every other."""
        return hash(self.id)


class AtLimit(enum.StrEnum):
    """What is done before the carrier would end an unanswered call that still waits."""

    ANSWER = "answer"  # the call is answered, and charged from then on
    CALL_BACK = "call-back"  # first a call-back is offered; who does not take it is answered


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of `app_queue` in which callers wait.

    Args:
        id: Its name in queues.conf; `[A-Za-z0-9_-]{1,40}`.
        principal: For whom its calls are taken.
        language: ISO 639-1 of what waiting callers are told.
        numbers: Numbers that lead to it.
        unanswered: Callers wait in early media and are not charged until an agent answers.
        announce_every_s: Longest time between two announcements of the expected wait, in seconds.
        carrier_limit_s: The carrier ends a call that nobody answered after so many seconds; 0: it never does.
        at_limit: What is done before that.
        call_back: The campaign that calls back whoever asks for it; None: no call-back is offered.
        objection_key: The objection line is offered too.
        fixed_price: A call to its numbers costs the same however long it lasts.
    """

    id: str
    principal: Principal
    language: str = "en"
    numbers: tuple[PhoneNumber, ...] = ()
    unanswered: bool = True
    announce_every_s: int = 60
    carrier_limit_s: int = 120
    at_limit: AtLimit = AtLimit.ANSWER
    call_back: Campaign | None = None
    objection_key: bool = True
    fixed_price: bool = False


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day the admin closed for a country: national mourning, a local holiday.

    Args:
        day: The date.
        country: ISO 3166-1 alpha-2, or `*` for every country.
        reason: What for, shown in the verdict.
    """

    day: dt.date
    country: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a key of caches
class Site:
    """One consistent set of everything the admin configured; swapped whole on reload.

    Args:
        home_country: Region in which numbers dialled in national form are read.
        call_centre: Who dials.
        campaigns: By id.
        caller_ids: Every number we may show, by E.164.
        rulebooks: By country.
        closed_days: The admin's own closed days.
        never_call: Line types (values of `LineType`) that are never called.
        emergency_extra: Further numbers, as dialled, that always pass.
        accepted_unchecked: Rulebook parameters with confidence `recall` the admin accepted.
        last_dial_s: Seconds before the end of a calling window at which the last dial may start.
        objection_line: How the objection line behaves.
        queues: Queues in which callers wait, by id.
        version: Short hash of all files.
    """

    home_country: str
    call_centre: CallCentre
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    caller_ids: Mapping[str, CallerIdAsset] = field(default_factory=dict)
    rulebooks: Mapping[str, Rulebook] = field(default_factory=dict)
    closed_days: tuple[ClosedDay, ...] = ()
    never_call: frozenset[str] = frozenset({"premium", "shared-cost", "voicemail", "short"})
    emergency_extra: frozenset[str] = frozenset()
    accepted_unchecked: frozenset[str] = frozenset()
    last_dial_s: int = 60
    objection_line: LineSettings = field(default_factory=LineSettings)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    version: str = ""
