"""Events into columns, and personal data under its key."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ledger_lab import make_event

from asterisk_plugin.ledger.rows import canonical_json, draft_of
from asterisk_plugin.ledger.seal import new_person_key, seal, unseal


def test_json_does_not_depend_on_the_order_of_keys() -> None:
    """Equal values give equal text."""
    assert canonical_json({"b": [1, None], "a": "é\x00"}) == '{"a":"\\u00e9\\u0000","b":[1,null]}'
    assert canonical_json({"a": "é\x00", "b": [1, None]}) == canonical_json({"b": [1, None], "a": "é\x00"})


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "ab"},
        {"id": "G" * 32},
        {"id": "a" * 32 + "\n"},
        {"person": "+31201234567"},
        {"at": dt.datetime(2026, 1, 1)},  # noqa: DTZ001 - the point of the case
        {"body": {"a": float("nan")}},
        {"body": {"a": object()}},
        {"body": {"a": 1, 2: "b"}},
        {"person": "", "sealed": {"number": "+31201234567"}},
        {"kind": "no-such-kind"},
    ],
)
def test_an_event_that_no_ledger_can_hold_is_refused_at_the_door(changes: dict[str, object]) -> None:
    """It must not reach the group that others wait for."""
    with pytest.raises(ValueError, match=r"."):
        draft_of(dataclasses.replace(make_event(), **changes))


def test_a_moment_is_kept_in_utc() -> None:
    """A moment in another zone becomes the same moment in UTC."""
    at = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert draft_of(dataclasses.replace(make_event(), at=at)).at == "2026-07-01T10:00:00.000000+00:00"


def test_sealed_data_opens_with_its_own_key_and_event_only() -> None:
    """Another key, another event, a changed byte and a cut-off part all give nothing."""
    key = new_person_key()
    sealed = seal(key, b'{"number":"+31201234567"}', event_id="a" * 32)
    assert unseal(key, sealed, event_id="a" * 32) == {"number": "+31201234567"}
    assert b"+31201234567" not in sealed
    assert unseal(new_person_key(), sealed, event_id="a" * 32) is None
    assert unseal(key, sealed, event_id="b" * 32) is None
    assert unseal(key, sealed[:-1] + bytes([sealed[-1] ^ 1]), event_id="a" * 32) is None
    assert unseal(key, sealed[:5], event_id="a" * 32) is None
    assert unseal(None, sealed, event_id="a" * 32) is None


def test_sealing_the_same_twice_gives_different_bytes() -> None:
    """The nonce is random: equal data cannot be recognised."""
    key = new_person_key()
    assert seal(key, b"{}", event_id="a" * 32) != seal(key, b"{}", event_id="a" * 32)
