"""What the rim promises to the flows. Types only, no code."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from asterisk_plugin.core.campaign_rates import RateLimit
    from asterisk_plugin.core.facts import AttemptLimit, PaceFacts, PersonRecords

    Clock = Callable[[], dt.datetime]
    """Returns the present moment, time-zone-aware, UTC."""


@dataclass(frozen=True, slots=True)
class AgiRequest:
    """What Asterisk says when a script starts.

    Args:
        script: Path of the URL without slashes: `attempt`.
        arguments: `agi_arg_1...` in order, as text.
        channel: Channel name, `PJSIP/agent1-00000001`.
        unique_id: Asterisk's unique id of that channel.
        caller_number: `agi_callerid`, empty when Asterisk says `unknown`.
        calling_pres: `agi_callingpres`: 0-3 shown, 32-35 withheld, 67 unavailable.
        extension: `agi_extension`.
        peer: Address of the Asterisk that asked, `127.0.0.1`; `local` for a process AGI.
        variables: Every `agi_*` line, for what is not named above.
    """

    script: str
    arguments: tuple[str, ...] = ()
    channel: str = ""
    unique_id: str = ""
    caller_number: str = ""
    calling_pres: int = 0
    extension: str = ""
    peer: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class Channel(Protocol):
    """One call that asks us something, through FastAGI or a process AGI."""

    @property
    def request(self) -> AgiRequest:
        """What Asterisk said when the script started."""
        ...

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:
        """Set channel variables in the given order, plain ones together in one command.

        Args:
            values: By name.
            last: Nothing more will be asked: the call may go on at once.

        Raises:
            LocalProtocolError: A name or value that must not be sent (line break, quote, NUL).
            ChannelHungUp: The call ended.
            ChannelError: Asterisk refused.
        """
        ...

    async def evaluate(self, expression: str) -> str:
        """Let Asterisk evaluate a dialplan expression on this channel, `${CONNECTEDLINE(num)}`.

        Returns:
            Its value; empty when it has none.

        Raises:
            ChannelHungUp: The call ended.
            ChannelError: Asterisk refused.
        """
        ...

    async def answer(self) -> None:
        """Answer the call, if nobody has; raises as `set_variables`."""
        ...

    async def limit_to(self, seconds: int) -> None:
        """Let the call go on for so many seconds from now, whatever limit it had; raises as `set_variables`."""
        ...

    async def play(self, prompts: Sequence[str], *, keys: str = "", wait_s: float = 0) -> str:
        """Play sounds one after another, until the end or the first pressed key that counts.

        A sound that is not there is left out. With all twelve keys no key is lost between two sounds,
        nor between the last one and the waiting.

        Args:
            prompts: Sound names without folder of a language and without format, `ringfence/goodbye`.
            keys: Keys that stop it, out of `0123456789*#`.
            wait_s: Seconds to go on waiting after the last sound, for any key.

        Returns:
            The key, empty when everything was played and nothing pressed. Raises as `set_variables`.
        """
        ...

    async def has_sound(self, prompt: str) -> bool:
        """Tell whether Asterisk could play a sound; plays nothing. Raises as `set_variables`."""
        ...

    async def read_key(self, timeout_s: float) -> str:
        """Wait for a key; empty after so many seconds of silence. Raises as `set_variables`."""
        ...

    async def set_language(self, code: str) -> None:
        """Choose the language of the sounds played from now on, ISO 639-1. Raises as `set_variables`."""
        ...


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
    """

    result: Redemption
    attempt_id: str = ""
    campaign: str = ""
    principal: str = ""


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

    async def mark_passed(self, unique_id: str) -> None:
        """Remember that this trunk channel passed the gate."""
        ...

    async def has_passed(self, unique_id: str) -> bool:
        """Tell whether this trunk channel passed the gate."""
        ...

    async def forget_passed(self, unique_id: str) -> None:
        """The trunk channel has ended."""
        ...

    async def ping(self) -> None:
        """Answer if the store is there."""
        ...


class EventKind(enum.StrEnum):
    """What a row of the ledger records."""

    OBJECTION = "objection"
    OBJECTION_WITHDRAWN = "objection-withdrawn"
    OBJECTION_CONFIRMED = "objection-confirmed"  # an admin has looked at one of lower certainty
    OBJECTION_LINE = "objection-line"  # what was said and pressed there
    CONSENT = "consent"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    RELATIONSHIP = "relationship"
    ATTEMPT = "attempt"
    TRUNK = "trunk"  # what came of a token on the trunk leg
    OUTCOME = "outcome"  # how the dialplan saw an attempt end
    ATTEMPT_ENDED = "attempt-ended"  # how it ended for the person called, see `core.attempt_end`
    REFUSAL = "refusal"  # a person does not want this principal's offer now; no objection
    QUEUE_JOINED = "queue-joined"  # somebody began to wait in a queue
    QUEUE_TOLD = "queue-told"  # what that person was told there, and when
    QUEUE_LEFT = "queue-left"  # how and when the waiting ended
    QUEUE_CALLED_BACK = "queue-called-back"  # a wish to be called back was due, and what came of it
    UNTOKENED = "untokened"  # the watchdog found a channel on a trunk without a token
    IMPORT = "import"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, before it is in the ledger.

    Args:
        id: 32 hex characters, unique; appending the same id twice records it once.
        kind: What it is.
        at: When it happened (aware, UTC).
        person: Tag of the number it is about; empty when about nobody.
        body: JSON-able values without personal data: what the projector needs.
        sealed: JSON-able personal data (number, name, wording); encrypted under the person's key.
        sealed_json: The same as ready JSON (an object, UTF-8), instead of `sealed`; only before it is in the ledger.
    """

    id: str
    kind: EventKind
    at: dt.datetime
    person: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    sealed: Mapping[str, Any] | None = None
    sealed_json: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the ledger, read back.

    Args:
        seq: 1, 2, 3, ... without gaps.
        event: What happened; `sealed` is None when the person's key is gone.
        hash: Hex SHA-256 that chains it.
    """

    seq: int
    event: Event
    hash: str


class Ledger(Protocol):
    """The append-only record. Every method raises LedgerUnavailableError when it cannot."""

    def check(self) -> None:
        """Return if evidence can be written now.

        Raises:
            LedgerUnavailableError: The last write failed, or too much is waiting.
        """
        ...

    def submit(self, event: Event, *, patient: bool = False) -> None:
        """Queue for the next group commit; returns at once.

        Args:
            event: What happened.
            patient: Also while writing fails: it is written when that has healed.

        Raises:
            LedgerUnavailableError: The last write failed and it is not patient, or too much is waiting.
        """
        ...

    async def append(self, events: Sequence[Event]) -> int:
        """Write and wait until durable; returns the last row's seq."""
        ...

    async def wait_durable(self, event_id: str, timeout_s: float) -> None:
        """Wait until an event that this or another process submitted is on disk.

        Raises:
            LedgerUnavailableError: It is not there within the time.
        """
        ...

    def read(self, after: int = 0, *, unseal: bool = True) -> AsyncIterator[StoredEvent]:
        """Every row after seq `after`, in order; `sealed` is None in all of them unless `unseal`."""
        ...

    async def head(self) -> tuple[int, str]:
        """Seq and hash of the newest row, (0, 64 zeros) when empty."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far the ledger is projected.

    Args:
        seq: The last row that is in the store, 0 for none.
        hash: That row's hash: it names the ledger as well as the row. 64 zeros for none.
    """

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """What the store says about itself.

    Args:
        position: How far it is.
        complete: Every part of it is there: nothing was emptied, and a rebuild was finished.
        ledger_id: The ledger it was filled from, by the hash of its first row; empty when it had none yet.
        idle_s: Seconds since a projector was last at work on it, by the store's clock; infinite when
            that is not known.
    """

    position: Position
    complete: bool
    ledger_id: str = ""
    idle_s: float = math.inf


class Projection(Protocol):
    """The ledger's image in the store. Every method raises a StoreError when it cannot.

    Args:
        ledger_id: The ledger that decisions rely on, by the hash of its first row: empty while it
            has none, None until the projector has looked.
    """

    ledger_id: str | None

    async def state(self) -> ProjectionState:
        """How far it is, and whether it is complete."""
        ...

    async def apply(self, events: Sequence[StoredEvent]) -> None:
        """Write a run of rows, then the position; writing them twice changes nothing.

        Raises:
            LedgerBrokenError: A row that cannot be understood.
            StoreNotReadyError: Another process has begun a rebuild.
        """
        ...

    async def show_life(self) -> None:
        """Note, from time to time, that a projector keeps it in step."""
        ...

    async def begin_rebuild(self, ledger_id: str = "") -> bool:
        """Take it out of use and empty it, to be filled from this ledger; False when another process is doing so."""
        ...

    async def keep_lease(self) -> None:
        """Show that our rebuild is alive.

        Raises:
            StoreNotReadyError: Another process has taken it over, or may have.
        """
        ...

    async def mark_ready(self) -> None:
        """Everything is there: decisions may be made."""
        ...

    async def withdraw(self) -> None:
        """Take it out of use until the next rebuild."""
        ...
