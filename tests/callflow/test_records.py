"""Records as ledger events: what is clear, what is sealed, which ids they get."""

from __future__ import annotations

import datetime as dt
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from asterisk_plugin.callflow import records
from asterisk_plugin.core.facts import Consent, Relationship
from asterisk_plugin.ports import EventKind

SECRET = b"s" * 32
AT = dt.datetime(2026, 11, 24, 11, tzinfo=dt.timezone(dt.timedelta(hours=1)))
EVENT_ID = "0123456789abcdef0123456789abcdef"
NUMBER = "+31612345678"
PERSON = "a" * 32
SEALED = {"number": NUMBER, "name": "Jan Jansen", "address": "Dam 1", "wording": "yes", "proof": "rec-1"}


def every_event():
    """One of each kind that is about a person."""
    consent = Consent("tulip", "sales", "any", AT, expires_at=AT, kind="requested-call", callable_from=AT)
    relationship = Relationship("tulip", "any", AT.date(), last_purchase_on=AT.date())
    who = {"person": PERSON, "at": AT}
    yield records.objection_event(EVENT_ID, number=NUMBER, scope="*", channel="cli", wording="never", by="me", **who)
    yield records.consent_event(EVENT_ID, consent, channel="cli", sealed=SEALED, **who)
    yield records.consent_withdrawn_event(
        EVENT_ID, number=NUMBER, principal="tulip", purpose="sales", product="any", channel="cli", **who
    )
    yield records.relationship_event(EVENT_ID, relationship, number=NUMBER, **who)


def test_personal_data_is_sealed():
    """Number, name, address and words never stand in the clear part."""
    for event in every_event():
        clear = json.dumps(dict(event.body))
        assert event.sealed["number"] == NUMBER
        assert not [value for value in ("never", *SEALED.values()) if f'"{value}"' in clear]


def test_moments_are_utc_and_days_are_iso():
    """Equal moments are equal texts."""
    _, consent, withdrawn, relationship = every_event()
    assert consent.body["given_at"] == consent.body["callable_from"] == "2026-11-24T10:00:00+00:00"
    assert consent.body["callable_until"] is None
    assert withdrawn.body["at"] == "2026-11-24T10:00:00+00:00"
    assert relationship.body["started_on"] == "2026-11-24"
    assert relationship.body["ended_on"] is None


@given(st.integers(0, 2**128 - 1))
def test_a_reference_can_be_said_and_written_down(number):
    """Six digits and letters, none that looks like another, always the same for one event."""
    event_id = f"{number:032x}"
    assert re.fullmatch(r"[0-9]{7}", records.reference_of(event_id))
    assert records.reference_of(event_id) == records.reference_of(event_id)


def test_references_differ():
    """Of ten thousand objections hardly two share one."""
    references = {records.reference_of(records.new_id()) for _ in range(10_000)}
    assert len(references) >= 9_960


def test_the_same_content_has_the_same_id_and_nothing_else_has():
    """Whatever the order of its keys; not under another kind, nor with another secret."""
    first = records.id_of_content(SECRET, EventKind.CONSENT, {"a": 1, "b": 2})
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert records.id_of_content(SECRET, EventKind.CONSENT, {"b": 2, "a": 1}) == first
    others = {
        records.id_of_content(SECRET, EventKind.CONSENT, {"a": 1, "b": 3}),
        records.id_of_content(SECRET, EventKind.OBJECTION, {"a": 1, "b": 2}),
        records.id_of_content(b"t" * 32, EventKind.CONSENT, {"a": 1, "b": 2}),
    }
    assert len(others | {first}) == 4


def test_an_objection_keeps_the_reference_it_came_with():
    """Else it gets one of its own."""
    values = {"person": PERSON, "number": NUMBER, "scope": "*", "at": AT, "channel": "import"}
    assert records.objection_event(EVENT_ID, reference="OLD-1", **values).body["reference"] == "OLD-1"
    assert records.objection_event(EVENT_ID, **values).body["reference"] == records.reference_of(EVENT_ID)
