"""From the texts of a record to an event of the ledger; which columns an import file may have."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from asterisk_plugin.callflow import records
from asterisk_plugin.cli.fields import MAX_NAME_CHARS, Fields
from asterisk_plugin.cli.import_file import Column
from asterisk_plugin.core.facts import Consent, Relationship
from asterisk_plugin.core.site import EVERYONE, Purpose
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import EventKind
from asterisk_plugin.settings.explain import choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asterisk_plugin.cli.fields import Desk
    from asterisk_plugin.ports import Event

EXPRESS, REQUESTED_CALL = "express", "requested-call"
KINDS = (EXPRESS, REQUESTED_CALL)

_EVERYONE_WORDS = (EVERYONE, "everyone", "all")

_NUMBER = Column("number", ("phone", "phone_number", "telephone", "tel", "mobile", "msisdn", "e164"), required=True)
_PRINCIPAL = Column("principal", ("client", "company", "brand"), required=True)
_PRODUCT = Column("product", ("product_group",), required=True)
_BY = Column("by", ("entered_by", "agent", "user"))
_WORDING = Column("wording", ("text", "statement"))
_REFERENCE = Column("reference", ("ref", "record_id"))

OBJECTION_COLUMNS = (
    _NUMBER,
    Column("scope", ("principal", "client", "company", "brand")),
    Column("at", ("date", "objected_at", "received_at", "received_on")),
    _WORDING,
    _BY,
)
CONSENT_COLUMNS = (
    _NUMBER,
    _PRINCIPAL,
    Column("purpose", required=True),
    _PRODUCT,
    Column("given_at", ("date", "given", "given_on", "consent_date", "opt_in_date"), required=True),
    Column("expires_at", ("expires", "expires_on", "valid_until")),
    Column("kind", ("consent_kind",)),
    Column("callable_from", ("from", "call_from")),
    Column("callable_until", ("until", "call_until")),
    Column("name", ("full_name",)),
    Column("address", ("postal_address",)),
    _WORDING,
    Column("proof", ("evidence", "source", "recording")),
    _REFERENCE,
    _BY,
)
RELATIONSHIP_COLUMNS = (
    _NUMBER,
    _PRINCIPAL,
    _PRODUCT,
    Column("started_on", ("start", "started", "customer_since", "contract_start"), required=True),
    Column("ended_on", ("end", "ended", "contract_end")),
    Column("last_purchase_on", ("last_purchase", "last_order", "last_order_on")),
    _REFERENCE,
    _BY,
)


def objection_of(fields: Fields) -> Event | None:
    """Read an objection: `number`, `scope`, `at`, `wording`, `by`."""
    principals = tuple(fields.desk.loaded.principals)
    scope = fields.choice("scope", (*principals, *_EVERYONE_WORDS), default=fields.desk.scope)
    scope = EVERYONE if scope in _EVERYONE_WORDS else scope
    at = fields.past_moment("at")
    wording, by = fields.text("wording"), fields.text("by", most=MAX_NAME_CHARS) or fields.desk.by
    if fields.problems or fields.number is None:
        return None
    number = fields.number.e164
    # A line without a moment gets that of its first import; the id must not depend on it.
    content = {"number": number, "scope": scope, "at": _text(at), "wording": wording, "by": by}
    return records.objection_event(
        fields.event_id(EventKind.OBJECTION, content),
        person=fields.person(),
        number=number,
        scope=scope,
        at=at or fields.desk.now,
        channel=fields.desk.channel,
        by=by,
        wording=wording,
    )


def consent_of(fields: Fields) -> Event | None:
    """Read a consent; see `CONSENT_COLUMNS`."""
    consent = _consent(fields)
    by = fields.text("by", most=MAX_NAME_CHARS) or fields.desk.by
    sealed = {name: fields.text(name) for name in ("name", "address", "wording", "proof")}
    if consent is None or fields.number is None or fields.problems:
        return None
    sealed = {"number": fields.number.e164, **sealed}
    content = {
        **sealed,
        **{name: _text(getattr(consent, name)) for name in Consent.__slots__ if name != "revoked_at"},
        "by": by,
    }
    return records.consent_event(
        fields.event_id(EventKind.CONSENT, content),
        consent,
        person=fields.person(),
        at=fields.desk.now,
        channel=fields.desk.channel,
        by=by,
        sealed=sealed,
    )


def withdrawal_of(fields: Fields) -> Event | None:
    """Read the withdrawal of a consent: `number`, `principal`, `purpose`, `product`."""
    principal, product = fields.principal(), fields.name("product")
    purpose = fields.choice("purpose", tuple(Purpose))
    if fields.problems or fields.number is None:
        return None
    return records.consent_withdrawn_event(
        records.new_id(),
        person=fields.person(),
        number=fields.number.e164,
        principal=principal,
        purpose=purpose,
        product=product,
        at=fields.desk.now,
        channel=fields.desk.channel,
        by=fields.desk.by,
    )


def relationship_of(fields: Fields) -> Event | None:
    """Read a relationship; see `RELATIONSHIP_COLUMNS`."""
    principal, product = fields.principal(), fields.name("product")
    fields.require("started_on")
    started, ended = fields.day("started_on"), fields.day("ended_on")
    last_purchase = fields.day("last_purchase_on")
    fields.in_order(started, ended, "ended_on lies before started_on")
    reference, by = fields.text("reference", most=MAX_NAME_CHARS), fields.text("by", most=MAX_NAME_CHARS)
    if fields.problems or fields.number is None or started is None:
        return None
    relationship = Relationship(principal, product, started, ended, last_purchase, reference)
    by, number = by or fields.desk.by, fields.number.e164
    content = {"number": number, "by": by}
    content |= {name: _text(getattr(relationship, name)) for name in Relationship.__slots__}
    return records.relationship_event(
        fields.event_id(EventKind.RELATIONSHIP, content),
        relationship,
        person=fields.person(),
        number=number,
        at=fields.desk.now,
        by=by,
    )


def take(make: Callable[[Fields], Event | None], values: Mapping[str, str], desk: Desk) -> Event:
    """Read a record that somebody typed.

    Raises:
        InputError: With everything that is wrong.
    """
    fields = Fields(values, desk)
    event = make(fields)
    if event is None:
        raise InputError("; ".join(fields.problems))
    return event


def _consent(fields: Fields) -> Consent | None:
    principal, product = fields.principal(), fields.name("product")
    purpose = fields.choice("purpose", tuple(Purpose))
    kind = fields.choice("kind", KINDS, default=EXPRESS)
    fields.require("given_at")
    given, expires = fields.past_moment("given_at"), fields.moment("expires_at", end_of_day=True)
    start, end = fields.moment("callable_from"), fields.moment("callable_until", end_of_day=True)
    fields.in_order(given, expires, "expires_at lies before given_at")
    fields.in_order(start, end, "callable_until lies before callable_from")
    if kind == EXPRESS and (start or end):
        fields.problems.append(f"callable_from and callable_until belong to kind {choices([REQUESTED_CALL])}")
    reference = fields.text("reference", most=MAX_NAME_CHARS)
    if given is None:
        return None
    return Consent(
        principal=principal,
        purpose=purpose,
        product=product,
        given_at=given,
        expires_at=expires,
        kind=kind,
        callable_from=start,
        callable_until=end,
        reference=reference,
    )


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else "" if value is None else str(value)
