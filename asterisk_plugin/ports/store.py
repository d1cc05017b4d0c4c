"""What Redis or Valkey is to the flows."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import datetime as dt

    from asterisk_plugin.core.campaign_rates import RateLimit
    from asterisk_plugin.core.facts import AttemptLimit, PaceFacts, PersonRecords


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What was decided about an attempt and is needed while it runs.

    Args:
        agent: An agent was reserved for it.
        country: Of the called number, ISO 3166-1 alpha-2; empty when it has none.
        ring_min_s: Never hang up before so many seconds of ringing.
    """

    agent: bool = False
    country: str = ""
    ring_min_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Everything one decision asks of the store, in one round trip.

    Args:
        person: Tag of the called number (`core.person.person_tag`).
        principal: Principal id; objections of its scope and of scope everyone are read.
        campaign: Campaign id.
        limits: Attempt limits to count, and to reserve against.
        reserve: Count this attempt and store its token if no limit is reached and no objection holds.
        attempt_id: 32 hex characters.
        token: 32 hex characters.
        shown: The number that must be shown on the trunk leg, E.164.
        token_lifetime_s: After so many seconds the token is gone.
        now: The moment of the attempt (aware).
        terms: What holds while the attempt runs; kept with its token.
    """

    person: str
    principal: str
    campaign: str
    limits: tuple[AttemptLimit, ...]
    reserve: bool
    attempt_id: str
    token: str
    shown: str
    token_lifetime_s: float
    now: dt.datetime
    terms: CallTerms = CallTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceQuery:
    """What is asked of the store before a call without a reserved agent, in one round trip.

    Args:
        campaign: Campaign id.
        limits: Limits of abandoned calls, each with its window.
        zone: By whose days they count, IANA.
        attempt_id: Count this one as under way if there is room; empty: only look.
        lifetime_s: After so many seconds it is given up, whatever became of it.
    """

    campaign: str
    limits: tuple[RateLimit, ...]
    zone: str
    attempt_id: str = ""
    lifetime_s: float = 1


class Redemption(enum.StrEnum):
    """What came of a token on the trunk leg."""

    PASS = "pass"  # noqa: S105 - what came of a token, not one
    UNKNOWN = "unknown"  # never issued for this number, used before, or too late
    WRONG_CALLER_ID = "wrong-caller-id"
    OBJECTION = "objection"  # entered between verdict and dial


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A token's fate and what it was issued for.

    Args:
        result: What came of it.
        attempt_id: The attempt it belonged to, empty when unknown.
        campaign: Its campaign, empty when unknown.
        principal: Its principal, empty when unknown.
        terms: What holds while it runs.
    """

    result: Redemption
    attempt_id: str = ""
    campaign: str = ""
    principal: str = ""
    terms: CallTerms = CallTerms()


@dataclass(frozen=True, slots=True)
class PassedLeg:
    """What a leg that was let through dials for.

    Args:
        attempt_id: The attempt's, also its token; empty for an emergency call.
        person: Tag of the called number; empty for an emergency call.
        campaign: Its campaign.
        principal: Its principal.
        terms: What holds for it.
    """

    attempt_id: str = ""
    person: str = ""
    campaign: str = ""
    principal: str = ""
    terms: CallTerms = CallTerms()


@dataclass(frozen=True, slots=True)
class DueEnd:
    """A leg that was let through, whose end is to be written down.

    Args:
        unique_id: Asterisk's.
        channel: Its name.
        asterisk: Name of its Asterisk in the settings of who watches it; empty when nobody has ever watched it.
        passed_at: When it was let through (aware).
        leg: What it dials for.
    """

    unique_id: str
    channel: str
    asterisk: str
    passed_at: dt.datetime
    leg: PassedLeg


class Store(Protocol):
    """Redis or Valkey. Every method raises a StoreError when it cannot answer."""

    async def look_up(self, query: LookUp) -> PersonRecords:
        """Read a person's records and, when asked, reserve the attempt: atomic, one round trip."""
        ...

    async def release(self, *, person: str, principal: str, campaign: str, attempt_id: str, token: str) -> None:
        """Undo a reservation whose attempt is not dialled: the count and the token go."""
        ...

    async def pace(self, query: PaceQuery) -> PaceFacts:
        """Read how a campaign's calls ended and, when asked, count one more as under way: atomic, one round trip."""
        ...

    async def end_flight(self, campaign: str, attempt_id: str, *, harmless: bool = False) -> None:
        """A call without a reserved agent is not under way any more; nothing happens when none of this id is.

        Args:
            campaign: Its campaign.
            attempt_id: The call.
            harmless: It can no longer end without an agent: one came in time, or it is not dialled. Otherwise its place
                is held until the projection has counted its `attempt-ended` event (at most a minute).
        """
        ...

    async def redeem(self, *, person: str, token: str, shown: str, now: dt.datetime) -> Redeemed:
        """Use a token up: atomic with a last look at the objections."""
        ...

    async def mark_passed(self, unique_id: str, leg: PassedLeg) -> None:
        """Remember that this trunk channel passed the gate, and what it dials for."""
        ...

    async def passed_leg(self, unique_id: str) -> PassedLeg | None:
        """What a trunk channel dials for; None when it did not pass the gate."""
        ...

    async def note_due(self, due: DueEnd) -> None:
        """Remember that the end of a leg is to be written down, by whoever finds out about it."""
        ...

    async def due_ends(self) -> tuple[DueEnd, ...]:
        """The legs whose end is still to be written down, and that nobody follows."""
        ...

    async def drop_due(self, attempt_id: str) -> None:
        """The end of an attempt is written down, or somebody follows its leg (`keep_call`)."""
        ...

    async def keep_call(self, asterisk: str, unique_id: str, call: str) -> None:
        """Remember a running call as text, so that a restarted service finds it."""
        ...

    async def drop_call(self, asterisk: str, unique_id: str) -> None:
        """A running call has ended and is recorded."""
        ...

    async def kept_calls(self, asterisk: str) -> dict[str, str]:
        """The calls remembered of one Asterisk, by unique id."""
        ...

    async def show_watch(self, asterisk: str) -> None:
        """Note for some seconds that somebody sees every event of an Asterisk."""
        ...

    async def is_watched(self, asterisk: str) -> bool:
        """Tell whether somebody sees every event of an Asterisk."""
        ...

    async def has_passed(self, unique_id: str) -> bool:
        """Tell whether this trunk channel passed the gate."""
        ...

    async def forget_passed(self, unique_id: str) -> None:
        """The trunk channel has ended."""
        ...

    async def claim(self, what: str) -> bool:
        """Tell whether this process may do something that one of several is to do; true once in a while."""
        ...

    async def ping(self) -> None:
        """Answer if the store is there."""
        ...
