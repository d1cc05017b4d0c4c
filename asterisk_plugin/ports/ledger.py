"""What the append-only record and its image in the store are to the flows."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence


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

    async def find_events(self, ids: Collection[str]) -> tuple[StoredEvent, ...]:
        """Those of these events that are on disk, in any order, without personal data."""
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

    async def give_up(self) -> None:
        """Leave our rebuild, if there is one, to whoever comes next; never raises."""
        ...

    async def mark_ready(self) -> None:
        """Everything is there: decisions may be made."""
        ...

    async def withdraw(self) -> None:
        """Take it out of use until the next rebuild."""
        ...
