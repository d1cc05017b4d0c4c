"""The register of objections as people look at it: one entry for each objection, with all that became of it."""

from __future__ import annotations

import datetime as dt  # imported at run time: annotations of values are read by others
import enum
from dataclasses import dataclass
from typing import Any

from asterisk_plugin.core.site import EVERYONE, OtherNumber

UNCONFIRMED = "unconfirmed"
"""Certainty of a number that was keyed in and never confirmed: an admin should look, whatever the rule."""


class State(enum.StrEnum):
    """Whether an objection holds."""

    STANDS = "stands"
    IN_PART = "in-part"  # against everyone, and withdrawn for a principal
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The person took an objection back for one principal.

    Args:
        at: When it was entered (aware).
        by: Who entered it.
        consent: The consent it leans on, an event id.
        principal: To whom that consent was given; empty when it is nobody's of this person.
        holds: It lifts the objection now; no longer, for instance, when the consent was taken back.
    """

    at: dt.datetime
    by: str
    consent: str
    principal: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """An admin looked at an objection and found it right.

    Args:
        at: When (aware).
        by: Who.
    """

    at: dt.datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One objection.

    Args:
        row: The ledger row that holds it.
        person: Tag of the number, also when the person was erased.
        id: The event's id.
        reference: What the person can quote.
        scope: A principal's id, or `site.EVERYONE`.
        at: When it was made (aware).
        channel: How it came: `ivr`, `agent`, `http`, `cli` or `import`.
        number: E.164; empty when the person was erased.
        wording: What was said or pressed; empty when nothing was noted or the person was erased.
        by: Who entered it; empty for the person.
        certainty: How sure it is that the number is the person's; empty in old records.
        other_number: The site's rule when it was made, a value of `site.OtherNumber`; empty for the number that was
            called and for what was said to somebody.
        attempt_id: The attempt that led to it, or empty.
        language: ISO 639-1 of what the person heard, or empty.
        path: How the call came to the objection line, or empty.
        withdrawn: Every withdrawal, oldest first.
        confirmed: Every confirmation, oldest first.
    """

    row: int
    person: str
    id: str
    reference: str
    scope: str
    at: dt.datetime
    channel: str
    number: str = ""
    wording: str = ""
    by: str = ""
    certainty: str = ""
    other_number: str = ""
    attempt_id: str = ""
    language: str = ""
    path: str = ""
    withdrawn: tuple[Withdrawn, ...] = ()
    confirmed: tuple[Confirmed, ...] = ()

    @property
    def state(self) -> State:
        """Whether it holds now."""
        if not any(withdrawn.holds for withdrawn in self.withdrawn):
            return State.STANDS
        return State.IN_PART if self.scope == EVERYONE else State.WITHDRAWN

    @property
    def to_review(self) -> bool:
        """Whether an admin should look and nobody has: the rule says so, or the person never confirmed the number."""
        asked_for = self.certainty == UNCONFIRMED or self.other_number == OtherNumber.REVIEW
        return asked_for and not self.confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which objections somebody asks for; an empty field asks for nothing.

    Args:
        scope: A principal's id, or `site.EVERYONE`.
        channel: How it came.
        by: Who entered it, exactly.
        state: Whether it holds.
        since: Made at or after this moment (aware).
        until: Made before this moment (aware).
        text: Part of the wording or of who entered it, in any case of letters.
        to_review: Only those that an admin should look at.
    """

    scope: str = ""
    channel: str = ""
    by: str = ""
    state: State | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    text: str = ""
    to_review: bool = False

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is one of them."""
        exact = ((self.scope, entry.scope), (self.channel, entry.channel), (self.by, entry.by))
        if any(wanted and wanted != found for wanted, found in exact):
            return False
        if self.state is not None and entry.state is not self.state:
            return False
        if (self.since and entry.at < self.since) or (self.until and entry.at >= self.until):
            return False
        if self.text and self.text.casefold() not in f"{entry.wording}\n{entry.by}".casefold():
            return False
        return entry.to_review or not self.to_review


def as_values(entry: Entry) -> dict[str, Any]:
    """An entry as JSON-able values; moments are ISO 8601."""
    return {
        "id": entry.id,
        "reference": entry.reference,
        "number": entry.number,
        "scope": entry.scope,
        "at": entry.at.isoformat(),
        "channel": entry.channel,
        "by": entry.by,
        "wording": entry.wording,
        "certainty": entry.certainty,
        "other_number": entry.other_number,
        "attempt": entry.attempt_id,
        "language": entry.language,
        "path": entry.path,
        "state": entry.state.value,
        "to_review": entry.to_review,
        "withdrawn": [
            {"at": one.at.isoformat(), "by": one.by, "consent": one.consent, "principal": one.principal}
            | {"holds": one.holds}
            for one in entry.withdrawn
        ],
        "confirmed": [{"at": one.at.isoformat(), "by": one.by} for one in entry.confirmed],
        "row": entry.row,
    }
