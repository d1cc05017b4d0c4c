"""An objection that the person took back: only by a consent of their own that came later.

Rule 1: an objection is never deleted. Its withdrawal is a row of its own that names the objection and the
consent; both stay in the ledger.
Rule 2: a withdrawal is worth what its consent is worth. The consent is the same person's, was given after the
objection and recorded in a later row (an objection that is dated back does not fall to what was there before it),
and lifts it for the principal that it was given to: of an objection against everyone the rest stays. Once that
consent is taken back, or the time it was given for is over, the objection stands again.
Rule 3: one withdrawal lifts one objection. A person who objected twice, or objects again, is protected by
the other one, however close together the two were recorded.

The store applies the same rules at every decision (`store/standing.lua`); a test compares the two.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.records import new_id
from asterisk_plugin.core.register import Withdrawn
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asterisk_plugin.ports import StoredEvent

ANY_PRODUCT = "any"


def objections_of(events: Iterable[StoredEvent]) -> tuple[StoredEvent, ...]:
    """Every objection among a person's events, in their order."""
    return tuple(stored for stored in events if stored.event.kind is EventKind.OBJECTION)


def withdrawn(objection: Event, change: Event, events: Sequence[StoredEvent], now: dt.datetime) -> Withdrawn:
    """What became of a withdrawal of an objection.

    Args:
        objection: The objection.
        change: The withdrawal.
        events: Everything recorded about the person of the objection.
        now: The moment of the question (aware).
    """
    named = change.body["consent"]
    consents = [one for one in events if one.event.kind is EventKind.CONSENT and one.event.id == named]
    holds = bool(consents) and change.person == objection.person and not why_not(objection, consents[0], events, now)
    principal = str(consents[0].event.body["principal"]) if consents else ""
    return Withdrawn(change.at, str(change.body.get("by") or ""), named, principal, holds)


def why_not(objection: Event, consent: StoredEvent, events: Sequence[StoredEvent], now: dt.datetime) -> str:
    """Say why an objection cannot be withdrawn by this consent now; empty when it can.

    Args:
        objection: The objection.
        consent: A consent of the same person.
        events: Everything recorded about that person; an objection that is in no row among it cannot be withdrawn.
        now: The moment of the question (aware).
    """
    body = consent.event.body
    scope, principal = objection.body["scope"], body["principal"]
    if consent.event.person != objection.person:
        return "the consent is another person's"
    if scope not in (principal, EVERYONE):
        return f"the consent is to calls for `{principal}`, the objection is against `{scope}`"
    if not any(stored.event.id == objection.id and stored.seq < consent.seq for stored in events):
        return "the consent was recorded before the objection"
    given_ms = _ms(_moment(body["given_at"]))
    if given_ms <= _ms(objection.at):
        return "the consent was given before the objection"
    if given_ms > _ms(now):
        return "the consent is not given yet"
    ends = [_moment(body[name]) for name in ("expires_at", "callable_until") if body.get(name)]
    if any(_ms(end) <= _ms(now) for end in ends):
        return "the time of the consent is over"
    if any(_takes_back(stored, consent, given_ms) for stored in events):
        return "the consent was taken back"
    return ""


def withdrawal_of(
    objection: Event, consent: StoredEvent, events: Sequence[StoredEvent], *, number: str, by: str, now: dt.datetime
) -> Event:
    """The person took an objection back, by a later consent.

    Args:
        objection: What is withdrawn.
        consent: What the person said later.
        events: Everything recorded about that person.
        number: E.164.
        by: Who enters it.
        now: When (aware).

    Raises:
        InputError: The consent is none that can withdraw it; says why.
    """
    if why := why_not(objection, consent, events, now):
        raise InputError(f"objection `{objection.body['reference']}` cannot be withdrawn: {why}")
    body = {"scope": objection.body["scope"], "objection": objection.id, "consent": consent.event.id, "by": by}
    return Event(new_id(), EventKind.OBJECTION_WITHDRAWN, now, objection.person, body, {"number": number})


def _takes_back(stored: StoredEvent, consent: StoredEvent, given_ms: int) -> bool:
    taken, given = stored.event.body, consent.event.body
    if stored.event.kind is not EventKind.CONSENT_WITHDRAWN:
        return False
    if (taken["principal"], taken["purpose"]) != (given["principal"], given["purpose"]):
        return False
    if taken["product"] != given["product"] and ANY_PRODUCT not in (taken["product"], given["product"]):
        return False
    at = _moment(taken["at"]) if taken.get("at") else stored.event.at
    return stored.seq > consent.seq or _ms(at) >= given_ms


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
