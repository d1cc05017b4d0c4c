"""What the outbound flows share: the site as it is now, the store, the ledger, the clock."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSet

    from asterisk_plugin.core.attempt_end import AttemptEnd
    from asterisk_plugin.core.site import Site
    from asterisk_plugin.core.verdict import Verdict
    from asterisk_plugin.ports import Clock, Ledger, Store


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.UTC)


class Observer(Protocol):
    """Who is told what the gate did: metrics and the log. Must not raise and must not wait."""

    def attempt(self, verdict: Verdict, *, number: str, campaign: str, attempt_id: str, duration_s: float) -> None:
        """An attempt was decided and answered."""
        ...

    def trunk(self, result: str, *, number: str, channel: str, duration_s: float) -> None:
        """A trunk leg was let through (`pass`) or refused (why)."""
        ...

    def outcome(self, *, attempt_id: str, dial_status: str, hangup_cause: int, answered_s: int) -> None:
        """An attempt ended."""
        ...

    def attempt_ended(self, end: AttemptEnd) -> None:
        """An attempt has ended for the person called."""
        ...

    def fault(self, where: str, error: Exception) -> None:
        """Something of ours failed; the call was answered all the same."""
        ...


@dataclass(slots=True)
class Gate:
    """One node's gate. The only mutable value in the flows: `site` is swapped whole on reload.

    Args:
        site: Everything the admin configured.
        store: Where look-ups go.
        ledger: Where evidence goes.
        secret: Key of the person tags.
        observer: Metrics and log.
        clock: The present moment.
        deadline_s: After this an attempt is answered DEFER.
        token_lifetime_s: Seconds between verdict and trunk leg.
        evidence_wait_s: Longest wait on the trunk leg for the verdict to be on disk.
        hold: Says why nobody may be dialled now, empty when nothing stands against it; None: nobody asks.
        passed: `leg_key`s of trunk channels that this process let through; None when no watchdog
            runs in this process, so nobody would ever take them out again.
    """

    site: Site
    store: Store
    ledger: Ledger
    secret: bytes
    observer: Observer
    clock: Clock = utc_now
    deadline_s: float = 0.3
    token_lifetime_s: float = 10
    evidence_wait_s: float = 1
    hold: Callable[[], str] | None = None
    passed: MutableSet[str] | None = None

    def check_recordable(self) -> None:
        """Return if a verdict may be an ALLOW: its evidence can be written, and nothing is held back.

        Raises:
            LedgerUnavailableError: Why not.
        """
        if why := self.held():
            raise LedgerUnavailableError(why)
        self.ledger.check()

    def held(self) -> str:
        """Why nobody may be dialled now, empty when nothing stands against it."""
        return "" if self.hold is None else self.hold()

    def tag(self, e164: str) -> str:
        """The person tag of a number."""
        return person_tag(self.secret, e164)
