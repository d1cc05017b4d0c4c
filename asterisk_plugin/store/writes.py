"""What a ledger row asks to be written, and what the script `project` needs for it."""

from __future__ import annotations

from dataclasses import dataclass

from asterisk_plugin.core.rate_shapes import LONGEST_WINDOW_DAYS
from asterisk_plugin.store import keys

KEEP_COUNTS_MS = (LONGEST_WINDOW_DAYS + 2) * 86_400_000
"""How long a day's counts are kept: the longest window, a day that is not over, and one for zones."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that a ledger row asks for.

    Args:
        person: Tag of the number.
        key: The key it goes to.
        is_attempt: A sorted set's member; otherwise a hash's field.
        name: Member or field.
        number: Epoch milliseconds of an attempt; of a record its seq, or what else says which of two is newer.
        value: JSON of a record; empty for an attempt.
    """

    person: str
    key: str
    is_attempt: bool
    name: str
    number: int
    value: str = ""

    @property
    def bucket(self) -> str:
        """Where its key lies."""
        return keys.bucket_of(self.person)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the script needs for it."""
        return (self.key,)

    def args(self, keep_ms: int) -> tuple[str | int, ...]:
        """What the script needs for it; an attempt is kept for `keep_ms`."""
        if self.is_attempt:
            return "z", self.name, self.number, self.number + keep_ms
        return "h", self.name, self.number, self.value

    def is_kept(self, now_ms: float, keep_ms: int) -> bool:
        """Whether it is young enough to be written."""
        return not self.is_attempt or self.number >= now_ms - keep_ms


@dataclass(frozen=True, slots=True)
class Count:
    """One more call of a campaign that ended so; it is not under way any more.

    Args:
        campaign: Its id.
        day_key: Where the calls of its day are counted.
        outcome: How it ended.
        seq: The ledger row that says so.
        attempt_id: Which call.
        at_ms: When it began.
    """

    campaign: str
    day_key: str
    outcome: str
    seq: int
    attempt_id: str
    at_ms: int

    @property
    def bucket(self) -> str:
        """Where its keys lie."""
        return keys.bucket_of_campaign(self.campaign)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the script needs for it."""
        return self.day_key, keys.campaign_seen(self.campaign, self.seq), keys.flights(self.campaign)

    def args(self, _keep_ms: int) -> tuple[str | int, ...]:
        """What the script needs for it."""
        last_ms = self.at_ms + KEEP_COUNTS_MS
        return "c", self.outcome, self.seq % keys.ROWS_PER_BLOCK, last_ms, self.attempt_id

    def is_kept(self, now_ms: float, _keep_ms: int) -> bool:
        """Whether it is young enough to be written: a window may hold it."""
        return self.at_ms >= now_ms - KEEP_COUNTS_MS
