"""Records of a person as ledger events: objection, consent, relationship; and what came with them.

Rule 1: what names or describes a person goes to `sealed`; `body` holds only what the projector needs.
Rule 2: a record that may be handed in twice (a line of an import file) has an id made of its content,
so that the ledger takes it once; a record entered by hand has an id of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from asterisk_plugin.ports import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asterisk_plugin.core.facts import Consent, Relationship
    from asterisk_plugin.core.site import Site

REFERENCE_DIGITS = 7
"""Short enough to be said and written down; with the number it is as good as unique. Digits, because letters
cannot be told apart on a telephone line."""

_ID_LABEL = b"ringfence record id 1"

_IDS_AT_ONCE = 256


class Configuration(Protocol):
    """What is known of a configuration in force."""

    @property
    def site(self) -> Site:
        """What decisions are made with."""
        ...

    @property
    def texts(self) -> Mapping[str, str]:
        """What the files say, by name, without secrets."""
        ...


def _secret_ids() -> Iterator[str]:
    # Each question to the kernel lets other threads run and then waits for its turn, so one brings many.
    while True:
        together = secrets.token_hex(16 * _IDS_AT_ONCE)
        yield from (together[at : at + 32] for at in range(0, len(together), 32))


_fresh_ids = _secret_ids()


def new_secret_id() -> str:
    """An event id that nobody can guess: an attempt's, which is its token as well. Not for use after a fork."""
    return next(_fresh_ids)


def new_id() -> str:
    """An event id for something that happened once."""
    return uuid.uuid4().hex


def id_of_content(secret: bytes, kind: EventKind, content: Mapping[str, Any]) -> str:
    """An event id that the same content always gets.

    Args:
        secret: The site's secret: without it nobody can find out by trying what was recorded.
        kind: What the event records.
        content: JSON-able values that make the record what it is.

    Returns:
        32 lower-case hex characters.
    """
    text = json.dumps([kind.value, content], sort_keys=True, separators=(",", ":"))
    key = hmac.digest(secret, _ID_LABEL, "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def reference_of(event_id: str) -> str:
    """The short reference that a person can quote: seven digits, spoken one by one.

    Args:
        event_id: 32 hex characters; the same id always gives the same reference.
    """
    return f"{int(event_id, 16) % 10**REFERENCE_DIGITS:0{REFERENCE_DIGITS}}"


def objection_event(
    event_id: str,
    *,
    person: str,
    number: str,
    scope: str,
    at: dt.datetime,
    channel: str,
    by: str = "",
    wording: str = "",
    reference: str = "",
) -> Event:
    """A person does not want to be called.

    Args:
        event_id: 32 hex characters.
        person: Tag of the number.
        number: E.164.
        scope: A principal's id, or `site.EVERYONE`.
        at: When it was received (aware).
        channel: How: `cli`, `import`, `agent`, `ivr` or `http`.
        by: Who entered it.
        wording: What the person said, or what they agreed to.
        reference: What the person can quote; empty: made of the id.
    """
    body = {
        "scope": scope,
        "channel": channel,
        "reference": reference or reference_of(event_id),
        "by": by,
    }
    return Event(event_id, EventKind.OBJECTION, at, person, body, {"number": number, "wording": wording})


def consent_event(
    event_id: str,
    consent: Consent,
    *,
    person: str,
    at: dt.datetime,
    channel: str,
    by: str = "",
    sealed: Mapping[str, str],
) -> Event:
    """A person allows calls.

    Args:
        event_id: 32 hex characters.
        consent: What was allowed.
        person: Tag of the number.
        at: When it was entered here (aware).
        channel: How it came here: `cli`, `import`, `agent`, `ivr` or `http`.
        by: Who entered it.
        sealed: `number`, `name`, `address`, `wording`, `proof`.
    """
    body = {
        "principal": consent.principal,
        "purpose": consent.purpose,
        "product": consent.product,
        "kind": consent.kind,
        "given_at": _moment(consent.given_at),
        "expires_at": _moment(consent.expires_at),
        "callable_from": _moment(consent.callable_from),
        "callable_until": _moment(consent.callable_until),
        "channel": channel,
        "reference": consent.reference,
        "by": by,
    }
    return Event(event_id, EventKind.CONSENT, at, person, body, dict(sealed))


def consent_withdrawn_event(
    event_id: str,
    *,
    person: str,
    number: str,
    principal: str,
    purpose: str,
    product: str,
    at: dt.datetime,
    channel: str,
    by: str = "",
) -> Event:
    """A person takes a permission back.

    Args:
        event_id: 32 hex characters.
        person: Tag of the number.
        number: E.164.
        principal: To whom it had been given.
        purpose: What for.
        product: Product group.
        at: When it was withdrawn (aware).
        channel: How it came here.
        by: Who entered it.
    """
    body = {
        "principal": principal,
        "purpose": purpose,
        "product": product,
        "at": _moment(at),
        "channel": channel,
        "by": by,
    }
    return Event(event_id, EventKind.CONSENT_WITHDRAWN, at, person, body, {"number": number})


def relationship_event(
    event_id: str, relationship: Relationship, *, person: str, number: str, at: dt.datetime, by: str = ""
) -> Event:
    """A person is, or was, somebody's customer.

    Args:
        event_id: 32 hex characters.
        relationship: With whom, since when, until when.
        person: Tag of the number.
        number: E.164.
        at: When it was entered here (aware).
        by: Who entered it.
    """
    body = {
        "principal": relationship.principal,
        "product": relationship.product,
        "started_on": _day(relationship.started_on),
        "ended_on": _day(relationship.ended_on),
        "last_purchase_on": _day(relationship.last_purchase_on),
        "reference": relationship.reference,
        "by": by,
    }
    return Event(event_id, EventKind.RELATIONSHIP, at, person, body, {"number": number})


def refusal_event(
    event_id: str,
    *,
    person: str,
    number: str,
    principal: str,
    campaign: str,
    at: dt.datetime,
    channel: str,
    by: str = "",
) -> Event:
    """A person does not want a principal's offer now.

    Args:
        event_id: 32 hex characters.
        person: Tag of the number.
        number: E.164.
        principal: Whose offer.
        campaign: The campaign in which it was refused.
        at: When (aware).
        channel: How it came here: `cli` or `http`.
        by: Who entered it.
    """
    body = {"principal": principal, "campaign": campaign, "channel": channel, "by": by}
    return Event(event_id, EventKind.REFUSAL, at, person, body, {"number": number})


def import_event(event_id: str, *, what: str, file_name: str, sha256: str, rows: int, at: dt.datetime) -> Event:
    """A file was taken.

    Args:
        event_id: 32 hex characters.
        what: `objections`, `consents` or `relationships`.
        file_name: Its name, without folders.
        sha256: Hex digest of its bytes.
        rows: Records in it.
        at: When (aware).
    """
    body = {"what": what, "file_name": file_name, "sha256": sha256, "rows": rows}
    return Event(event_id, EventKind.IMPORT, at, body=body)


def configuration_event(configuration: Configuration, at: dt.datetime) -> Event:
    """A configuration is in force from now on.

    Args:
        configuration: Its site and what its files say, without secrets.
        at: Since when (aware).
    """
    body = {"version": configuration.site.version, "files": dict(configuration.texts)}
    return Event(new_id(), EventKind.CONFIGURATION, at, body=body)


def _moment(value: dt.datetime | None) -> str | None:
    # UTC throughout, so that equal moments are equal texts.
    return None if value is None else value.astimezone(dt.UTC).isoformat()


def _day(value: dt.date | None) -> str | None:
    return None if value is None else value.isoformat()
