"""Ledger events to what is written in the store, and records of the store back to facts. Pure.

A record is `<seq> <JSON>`. The seq is the ledger row that wrote it: it decides which of two is
newer, when rows are applied twice or by two processes.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from asterisk_plugin.core.facts import Consent, Objection, Relationship
from asterisk_plugin.errors import LedgerBrokenError, StoreCorruptError
from asterisk_plugin.ports import EventKind, StoredEvent
from asterisk_plugin.store import keys
from asterisk_plugin.store.writes import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ANY_PRODUCT = "any"

_is_event_id = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch

_T = TypeVar("_T")

_CONSENT_FIELDS = ("kind", "given_at", "expires_at", "callable_from", "callable_until", "reference")
_RELATIONSHIP_FIELDS = ("started_on", "ended_on", "last_purchase_on", "reference")


def epoch_ms(moment: dt.datetime) -> int:
    """Milliseconds since 1970 of an aware moment."""
    return round(moment.timestamp() * 1000)


def whole_ms(seconds: float) -> int:
    """A time span in milliseconds, at least one."""
    return max(1, round(seconds * 1000))


def moment_of(ms: int) -> dt.datetime:
    """The aware moment of milliseconds since 1970, in UTC."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def attempt_member(principal: str, campaign: str, attempt_id: str) -> str:
    """The name under which an attempt is counted."""
    return f"{principal}|{campaign}|{attempt_id}"


def write_of(stored: StoredEvent) -> Write | None:
    """The write that a ledger row asks for, None when it concerns no decision.

    Raises:
        LedgerBrokenError: The row should say something about a person and cannot be understood.
    """
    make = _WRITES.get(stored.event.kind)
    if make is None:
        return None
    try:
        return make(stored)
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        raise LedgerBrokenError(stored.seq, f"its {stored.event.kind.value} cannot be understood: {exc!r}") from exc


def _objection(stored: StoredEvent) -> Write:
    body = stored.event.body
    at = stored.event.at
    _moment(at.isoformat())
    values = {"at": at.isoformat(), "reference": str(body.get("reference") or ""), "ms": epoch_ms(at)}
    return _record(stored, keys.objections, (body["scope"], _id(stored.event.id)), values)


def _objection_withdrawn(stored: StoredEvent) -> Write:
    # Whether the two exist, are this person's and fit is looked at when a decision is made.
    names = (_id(stored.event.body["objection"]), _id(stored.event.body["consent"]))
    return _record(stored, keys.lifted, names, {})


def _consent(stored: StoredEvent) -> Write:
    body = stored.event.body
    values = {name: body.get(name) for name in _CONSENT_FIELDS if body.get(name) is not None}
    values["reference"] = str(values.get("reference") or stored.event.id)
    consent = _consent_of(body["principal"], body["purpose"], body["product"], values)
    values["ms"] = epoch_ms(consent.given_at)
    ends = [epoch_ms(end) for end in (consent.expires_at, consent.callable_until) if end is not None]
    if ends:
        values["until_ms"] = min(ends)
    names = (body["principal"], _id(stored.event.id), body["purpose"], body["product"])
    return _record(stored, keys.consents, names, values)


def _withdrawal(stored: StoredEvent) -> Write:
    body = stored.event.body
    at = _moment(body.get("at") or stored.event.at.isoformat())
    values = {"at": at.isoformat(), "ms": epoch_ms(at)}
    return _record(stored, keys.withdrawals, (body["principal"], body["purpose"], body["product"]), values)


def _relationship(stored: StoredEvent) -> Write:
    body = stored.event.body
    values = {name: body.get(name) for name in _RELATIONSHIP_FIELDS if body.get(name) is not None}
    values["reference"] = str(values.get("reference") or stored.event.id)
    _relationship_of(body["principal"], body["product"], values)
    return _record(stored, keys.relationships, (body["principal"], body["product"]), values)


def _attempt(stored: StoredEvent) -> Write | None:
    event = stored.event
    # The ledger writes the enumeration's name; nothing else was ever dialled.
    if str(event.body["decision"]).upper() != "ALLOW" or not event.person:
        return None
    # An emergency call may have neither campaign nor principal.
    principal, campaign = event.body.get("principal") or "", event.body.get("campaign") or ""
    member = attempt_member(principal, campaign, event.body["attempt_id"])
    return Write(event.person, keys.attempts(event.person), True, member, epoch_ms(event.at))


_WRITES: Mapping[EventKind, Callable[[StoredEvent], Write | None]] = {
    EventKind.OBJECTION: _objection,
    EventKind.OBJECTION_WITHDRAWN: _objection_withdrawn,
    EventKind.CONSENT: _consent,
    EventKind.CONSENT_WITHDRAWN: _withdrawal,
    EventKind.RELATIONSHIP: _relationship,
    EventKind.ATTEMPT: _attempt,
}


def _id(text: str) -> str:
    if not _is_event_id(text):
        raise ValueError(f"`{text}` is no id of an event")
    return text


def _record(
    stored: StoredEvent, key_of: Callable[[str], str], names: Sequence[str], values: Mapping[str, Any]
) -> Write:
    person = stored.event.person
    if len(person) < 2 or any(not isinstance(name, str) or not name for name in names):
        raise ValueError("person, scope, id, principal, purpose or product is missing")
    if any("|" in name for name in names[:-1]):
        raise ValueError("`|` may not stand in a name")
    value = json.dumps(values, separators=(",", ":"))
    return Write(person, key_of(person), False, "|".join(names), stored.seq, value)


def read_objections(flat: Sequence[bytes]) -> tuple[Objection, ...]:
    """Objections from (scope, record, ...).

    Raises:
        StoreCorruptError: A record that cannot be read.
    """
    return tuple(_readable(raw, _objection_of, scope)[1] for scope, raw in _pairs(flat))


def read_consents(given: Sequence[bytes], withdrawn: Sequence[bytes]) -> tuple[Consent, ...]:
    """Consents from (field, record, ...), each with the withdrawal that ended it.

    Of several to the same principal, for the same purpose and product, the one recorded last counts.
    A withdrawal ends the consents given before it to the same principal for the same purpose,
    when their products are equal or one of the two is `any`: a person who withdraws one product
    of a consent for all would otherwise still be called for it. Given before counts by the
    moment of giving too: an old consent that is imported again after the withdrawal stays ended.

    Raises:
        StoreCorruptError: A record that cannot be read.
    """
    ends = []
    for name, raw in _pairs(withdrawn):
        seq, at = _readable(raw, _withdrawn_at)
        ends.append((tuple(_split(name, 3)), seq, at))
    newest: dict[tuple[str, str, str], tuple[int, Consent]] = {}
    for name, raw in _pairs(given):
        principal, _, purpose, product = _split(name, 4)
        whose = principal, purpose, product
        seq, consent = _readable(raw, _consent_of, *whose)
        if whose not in newest or newest[whose][0] < seq:
            newest[whose] = seq, consent
    consents = []
    for whose, (seq, consent) in newest.items():
        later = [at for end, end_seq, at in ends if (end_seq > seq or at >= consent.given_at) and _ends(end, whose)]
        consents.append(replace(consent, revoked_at=min(later)) if later else consent)
    return tuple(consents)


def read_relationships(flat: Sequence[bytes]) -> tuple[Relationship, ...]:
    """Relationships from (field, record, ...).

    Raises:
        StoreCorruptError: A record that cannot be read.
    """
    return tuple(_readable(raw, _relationship_of, *_split(name, 2))[1] for name, raw in _pairs(flat))


def _ends(withdrawal: Sequence[str], consent: Sequence[str]) -> bool:
    same_product = withdrawal[2] == consent[2] or ANY_PRODUCT in {withdrawal[2], consent[2]}
    return withdrawal[:2] == consent[:2] and same_product


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, bytes]]:
    return [(_text(flat[at]), flat[at + 1]) for at in range(0, len(flat), 2)]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _split(name: str, parts: int) -> list[str]:
    found = name.split("|", parts - 1)
    if len(found) != parts:
        raise StoreCorruptError(f"a record of the store has the name `{name}`, which cannot be read")
    return found


def _readable(raw: bytes, make: Callable[..., _T], *names: str) -> tuple[int, _T]:
    """Seq and content of a record; `make` gets the names and the values of its JSON."""
    try:
        seq, _, text = raw.partition(b" ")
        return int(seq), make(*names, json.loads(text))
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        raise StoreCorruptError(f"a record of the store cannot be read: {exc!r}") from exc


def _withdrawn_at(values: Mapping[str, Any]) -> dt.datetime:
    return _moment(values["at"])


def _objection_of(scope: str, values: Mapping[str, Any]) -> Objection:
    return Objection(scope, _moment(values["at"]), values["reference"])


def _consent_of(principal: str, purpose: str, product: str, values: Mapping[str, Any]) -> Consent:
    return Consent(
        principal=principal,
        purpose=purpose,
        product=product,
        given_at=_moment(values["given_at"]),
        expires_at=_moment_or_none(values.get("expires_at")),
        kind=values.get("kind", "express"),
        callable_from=_moment_or_none(values.get("callable_from")),
        callable_until=_moment_or_none(values.get("callable_until")),
        reference=values["reference"],
    )


def _relationship_of(principal: str, product: str, values: Mapping[str, Any]) -> Relationship:
    return Relationship(
        principal=principal,
        product=product,
        started_on=dt.date.fromisoformat(values["started_on"]),
        ended_on=_day_or_none(values.get("ended_on")),
        last_purchase_on=_day_or_none(values.get("last_purchase_on")),
        reference=values["reference"],
    )


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"`{text}` has no time zone")
    return moment


def _moment_or_none(text: str | None) -> dt.datetime | None:
    return None if not text else _moment(text)


def _day_or_none(text: str | None) -> dt.date | None:
    return None if not text else dt.date.fromisoformat(text)
