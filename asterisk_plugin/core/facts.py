"""What a rule may know about an outbound attempt. Frozen values, gathered by `callflow/`."""

from __future__ import annotations

import datetime as dt  # imported at run time: pydantic reads these types to store and replay facts
import enum
from dataclasses import dataclass

from asterisk_plugin.core.number import PhoneNumber, UnusableNumber
from asterisk_plugin.core.site import CallerIdAsset, Campaign, Site


class Presentation(enum.StrEnum):
    """How the caller ID on the calling channel is marked (AGI `agi_callingpres`)."""

    SHOWN = "shown"  # 0-3
    WITHHELD = "withheld"  # 32-35
    UNAVAILABLE = "unavailable"  # 67, or no number at all: leaves as anonymous, so it counts as hidden


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """The number the called person would see.

    Args:
        presentation: How it is marked on the channel.
        text: As found on the channel or in the campaign.
        number: Parsed, None when there is none.
        asset: Our record of it, None when it is not one of ours.
        trunk_country: Country whose network the call enters.
    """

    presentation: Presentation
    text: str = ""
    number: PhoneNumber | UnusableNumber | None = None
    asset: CallerIdAsset | None = None
    trunk_country: str = ""


@dataclass(frozen=True, slots=True)
class Objection:
    """A person's wish not to be called; no end date.

    Args:
        scope: A principal's id, or `site.EVERYONE`.
        at: When it was received (aware).
        reference: Short reference the person can quote.
    """

    scope: str
    at: dt.datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's permission to be called, as far as the decision needs it.

    Args:
        principal: To whom it was given.
        purpose: For what (a value of `Purpose`).
        product: Product group, or `any`.
        given_at: When (aware).
        expires_at: Until when, as stated by the person or the wording; None when not stated.
        revoked_at: When it was withdrawn, None while it holds.
        kind: `express`, or `requested-call` for a call the person asked for.
        callable_from: For a requested call: start of the slot, None when any time.
        callable_until: For a requested call: end of the slot.
        reference: Id of the ledger event that holds the proof.
    """

    principal: str
    purpose: str
    product: str
    given_at: dt.datetime
    expires_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    kind: str = "express"
    callable_from: dt.datetime | None = None
    callable_until: dt.datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    """A person's customer relationship with a principal.

    Args:
        principal: With whom.
        product: Product group.
        started_on: First day.
        ended_on: Last day of the contract, None while it runs.
        last_purchase_on: Day of the last purchase, None when unknown.
        reference: Id of the ledger event that holds the proof.
    """

    principal: str
    product: str
    started_on: dt.date
    ended_on: dt.date | None = None
    last_purchase_on: dt.date | None = None
    reference: str = ""


class LimitScope(enum.StrEnum):
    """Whose attempts a limit counts."""

    NUMBER = "number"  # every principal of this call centre
    PRINCIPAL = "principal"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """One limit to be looked up and reserved against.

    Args:
        id: Where it stands in the rulebook, `de.all.attempt_limit.day`.
        scope: Whose attempts count.
        since: Attempts at or after this moment count; None counts all that are kept.
        max_attempts: So many may be made in all.
        renews_at: When the window ends by itself (a day, a week); None for rolling windows.
        window_s: Length of a rolling window in seconds, 0 when it does not roll.
    """

    id: str
    scope: LimitScope
    since: dt.datetime | None
    max_attempts: int
    renews_at: dt.datetime | None = None
    window_s: int = 0


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """How many attempts a limit has seen before this one.

    Args:
        limit: The limit.
        used: Attempts made.
        oldest_at: The oldest one that still counts, None when there is none.
    """

    limit: AttemptLimit
    used: int
    oldest_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class EndedCall:
    """The latest call to the number that ended in some way, or the latest refusal.

    Args:
        what: A value of `attempt_end.Outcome`, or `refusal`.
        principal: For whom it was made.
        campaign: In which campaign.
        at: When it ended (aware).
    """

    what: str
    principal: str
    campaign: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class RateCount:
    """How a campaign's calls ended in the window of one limit.

    Args:
        limit: Id of the limit, `us.all.abandoned_rate.live`.
        first_day: First day of the window, by the site's calendar.
        ended: How many ended so, by value of `attempt_end.Outcome`; those without any are left out.
    """

    limit: str
    first_day: dt.date
    ended: dict[str, int]


@dataclass(frozen=True, slots=True)
class PaceFacts:
    """What decides whether a call may be made for which no agent is reserved.

    Args:
        in_flight: Calls of the campaign without a reserved agent that are under way, this one not among them.
        counts: One for each limit that binds, in the order asked.
        has_room: One more may be made: the store says so.
        reserved: It was counted as under way in the same step.
    """

    in_flight: int
    counts: tuple[RateCount, ...]
    has_room: bool
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class PersonRecords:
    """Everything the store holds about the called number that a rule may need.

    Args:
        objections: Of this principal's scope and of scope everyone.
        consents: Given to this principal, withdrawn ones too.
        relationships: With this principal.
        attempts: One count per limit asked for, in the order asked.
        reserved: This attempt was counted in the same step, because no limit was reached.
        ended: For each way to end, principal and campaign the latest call to the number that ended so.
    """

    objections: tuple[Objection, ...] = ()
    consents: tuple[Consent, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    attempts: tuple[AttemptCount, ...] = ()
    reserved: bool = False
    ended: tuple[EndedCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """One attempt to dial one number for one campaign.

    Args:
        dialled: The number exactly as dialled.
        called: Parsed, or why it cannot be.
        campaign_id: As given by the dialplan.
        campaign: The campaign, None when there is none of that id.
        agent_id: As given, may be empty.
        shown: The caller ID.
        records: What the store said; None when it could not be asked.
        records_fault: Why `records` is None: a sentence.
        site: Everything the admin configured.
        pace: What decides whether it may be made without an agent; None when nobody asked, or the store did not say.
    """

    dialled: str
    called: PhoneNumber | UnusableNumber
    campaign_id: str
    campaign: Campaign | None
    shown: ShownNumber
    site: Site
    agent_id: str = ""
    records: PersonRecords | None = None
    records_fault: str = ""
    pace: PaceFacts | None = None

    def with_records(
        self, records: PersonRecords | None, *, fault: str = "", pace: PaceFacts | None = None
    ) -> AttemptFacts:
        """The same with what the store said.

        Args:
            records: None when it could not say anything.
            fault: Then, why: a sentence.
            pace: What it said of the campaign; None when it was not asked.
        """
        # By hand, because `dataclasses.replace` costs as much as a rule.
        return AttemptFacts(
            dialled=self.dialled,
            called=self.called,
            campaign_id=self.campaign_id,
            campaign=self.campaign,
            shown=self.shown,
            site=self.site,
            agent_id=self.agent_id,
            records=records,
            records_fault=fault,
            pace=pace,
        )


def shown_e164(facts: AttemptFacts) -> str:
    """The number that the called person would see, E.164; empty when there is none that can be read."""
    return facts.shown.number.e164 if isinstance(facts.shown.number, PhoneNumber) else ""
