"""What a decision gets from the store."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from store_lab import (
    DAY_LIMIT,
    KEEP_S,
    NOW,
    OTHER_PERSON,
    PERSON,
    TIMEOUT_S,
    ask,
    attempt,
    consent,
    numbered,
    objection,
    query,
    relationship,
    withdrawal,
)

from asterisk_plugin.core.facts import AttemptLimit, Consent, LimitScope, Relationship
from asterisk_plugin.errors import StoreCorruptError, StoreNotReadyError
from asterisk_plugin.store import keys
from asterisk_plugin.store.redis_store import RedisStore

pytestmark = pytest.mark.store


async def test_an_unknown_number_has_no_records(store):
    """Nothing held, nothing reserved, and each limit counted as zero."""
    records = await store.look_up(query())
    assert (records.objections, records.consents, records.relationships) == ((), (), ())
    assert [(count.limit, count.used, count.oldest_at) for count in records.attempts] == [(DAY_LIMIT, 0, None)]
    assert not records.reserved


async def test_objections_of_the_principal_and_of_everyone_are_read(store, ledger, projector):
    """Those against another principal are not."""
    await ledger.append([objection("acme"), objection("*", reference="R2"), objection("other")])
    await projector.catch_up()
    found = {held.scope: (held.at, held.reference) for held in (await store.look_up(query())).objections}
    assert found == {"acme": (NOW, "R1"), "*": (NOW, "R2")}


async def test_an_objection_of_one_number_is_not_seen_at_another(store, ledger, projector):
    """Keys carry the person's tag."""
    await ledger.append([objection(person=OTHER_PERSON)])
    await projector.catch_up()
    assert (await store.look_up(query())).objections == ()
    assert len((await store.look_up(query(person=OTHER_PERSON))).objections) == 1


async def test_consents_and_relationships_come_back_as_they_were_given(store, ledger, projector):
    """Every value survives the way through the ledger and the store."""
    given = consent(
        kind="requested-call",
        expires_at="2026-05-01T00:00:00+00:00",
        callable_from="2026-03-04T09:00:00+00:00",
        callable_until="2026-03-04T11:00:00+00:00",
        reference="proof",
    )
    customer = relationship()
    await ledger.append([given, consent("other"), customer, relationship("other")])
    await projector.catch_up()
    records = await store.look_up(query())
    assert records.consents == (
        Consent(
            principal="acme",
            purpose="sales",
            product="energy",
            given_at=dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC),
            expires_at=dt.datetime(2026, 5, 1, tzinfo=dt.UTC),
            kind="requested-call",
            callable_from=dt.datetime(2026, 3, 4, 9, tzinfo=dt.UTC),
            callable_until=dt.datetime(2026, 3, 4, 11, tzinfo=dt.UTC),
            reference="proof",
        ),
    )
    ended = dt.date(2026, 2, 28)
    expected = Relationship("acme", "energy", dt.date(2024, 5, 1), ended, None, customer.id)
    assert records.relationships == (expected,)


@pytest.mark.parametrize(
    ("given", "withdrawn", "revoked"),
    [
        ("energy", "energy", True),
        ("energy", "telecom", False),
        ("energy", "any", True),
        ("any", "energy", True),  # else a person who withdraws one product is still called for it
    ],
)
async def test_a_withdrawal_ends_the_consents_it_covers(store, ledger, projector, given, withdrawn, revoked):
    """Equal products, or one of the two is `any`."""
    await ledger.append([consent(product=given), withdrawal(product=withdrawn)])
    await projector.catch_up()
    (found,) = (await store.look_up(query())).consents
    assert found.revoked_at == (NOW if revoked else None)


@pytest.mark.parametrize(
    ("given", "revoked_at"),
    [(NOW + dt.timedelta(seconds=1), None), (NOW - dt.timedelta(seconds=1), NOW)],
)
async def test_a_consent_recorded_after_a_withdrawal_holds_when_it_was_given_after_it(
    store, ledger, projector, given, revoked_at
):
    """An old one that is imported once more stays ended."""
    await ledger.append([consent(), withdrawal(), consent(reference="again", given_at=given.isoformat())])
    await projector.catch_up()
    (found,) = (await store.look_up(query())).consents
    assert (found.revoked_at, found.reference) == (revoked_at, "again")


async def test_attempts_are_counted_for_each_limits_scope_and_window(store, ledger, projector):
    """Number, principal and campaign; the first moment of a window counts."""
    hour = dt.timedelta(hours=1)
    await ledger.append(
        [
            attempt(1, at=NOW - 3 * hour),
            attempt(2, at=NOW - 2 * hour, campaign="autumn"),
            attempt(3, at=NOW - hour, principal="other"),
            attempt(4, at=NOW - hour, decision="DENY"),
        ]
    )
    await projector.catch_up()
    limits = (
        AttemptLimit("n", LimitScope.NUMBER, NOW - 3 * hour, 9),
        AttemptLimit("n2", LimitScope.NUMBER, NOW - 2 * hour, 9),
        AttemptLimit("p", LimitScope.PRINCIPAL, NOW - 9 * hour, 9),
        AttemptLimit("c", LimitScope.CAMPAIGN, NOW - 9 * hour, 9),
        AttemptLimit("all", LimitScope.NUMBER, None, 9),
    )
    counts = (await store.look_up(query(limits=limits))).attempts
    assert [count.limit for count in counts] == list(limits)
    assert [(count.used, count.oldest_at) for count in counts] == [
        (3, NOW - 3 * hour),
        (2, NOW - 2 * hour),
        (2, NOW - 3 * hour),
        (1, NOW - 3 * hour),
        (3, NOW - 3 * hour),
    ]


async def test_a_reservation_is_counted_once_and_blocks_the_next(store):
    """With a limit of one the second look-up reserves nothing."""
    first = await store.look_up(query(reserve=True))
    second = await store.look_up(query(reserve=True, attempt_id=numbered(2), token=numbered(2)))
    assert (first.reserved, first.attempts[0].used) == (True, 0)
    assert (second.reserved, second.attempts[0].used, second.attempts[0].oldest_at) == (False, 1, NOW)


async def test_nothing_is_reserved_against_an_objection(store, ledger, projector, url):
    """Neither the attempt nor the token is written."""
    await ledger.append([objection("*")])
    await projector.catch_up()
    assert not (await store.look_up(query(reserve=True))).reserved
    assert await ask(url, "EXISTS", keys.attempts(PERSON), keys.token(PERSON, "a" * 32)) == 0


async def test_a_released_attempt_is_forgotten(store, url):
    """Count and token go; the next one may be made."""
    await store.look_up(query(reserve=True))
    await store.release(person=PERSON, principal="acme", campaign="spring", attempt_id="a" * 32, token="a" * 32)
    assert await ask(url, "EXISTS", keys.attempts(PERSON), keys.token(PERSON, "a" * 32)) == 0
    assert (await store.look_up(query(reserve=True))).reserved


async def test_two_hundred_agents_at_one_instant_get_one_reservation(url, store):
    """Over as many connections as a large site has workers, a limit of one is kept."""
    stores = [RedisStore(url, timeout_s=TIMEOUT_S, connections=3, keep_attempts_s=KEEP_S) for _ in range(8)]
    try:
        answers = await asyncio.gather(
            *(
                stores[number % 8].look_up(query(reserve=True, attempt_id=numbered(number), token=numbered(number)))
                for number in range(200)
            )
        )
    finally:
        for one in stores:
            await one.close()
    assert sum(answer.reserved for answer in answers) == 1
    assert {answer.attempts[0].used for answer in answers} == {0, 1}


async def test_the_projected_attempt_is_the_reserved_one(store, ledger, projector):
    """Its ledger row does not count it a second time."""
    await store.look_up(query(reserve=True, attempt_id=numbered(7)))
    await ledger.append([attempt(7)])
    await projector.catch_up()
    assert (await store.look_up(query())).attempts[0].used == 1


async def test_attempts_older_than_the_longest_window_are_removed(store, url):
    """When the next one is counted; and the set does not outlive its last attempt's window."""
    old = NOW - dt.timedelta(seconds=KEEP_S + 1)
    assert (await store.look_up(query(reserve=True, attempt_id=numbered(1), now=old))).reserved
    assert (await store.look_up(query(reserve=True, attempt_id=numbered(2)))).reserved
    members = await ask(url, "ZRANGE", keys.attempts(PERSON), 0, -1)
    assert members == [f"acme|spring|{numbered(2)}".encode()]
    assert 0 < await ask(url, "PTTL", keys.attempts(PERSON)) <= KEEP_S * 1000


async def test_an_emptied_store_is_not_ready_and_never_free_of_objections(store, ledger, projector, url):
    """FLUSHALL takes the marker with the objections."""
    await ledger.append([objection("*")])
    await projector.catch_up()
    await ask(url, "FLUSHALL")
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query(reserve=True))
    assert await ask(url, "DBSIZE") == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (keys.objections(PERSON), "1 {"),
        (keys.objections(PERSON), "no seq"),
        (keys.objections(PERSON), '1 {"at":"2026-01-01T00:00:00","reference":""}'),
        (keys.consents(PERSON), "1 []"),
        (keys.relationships(PERSON), b"1 \xff\xfe"),
        (keys.withdrawals(PERSON), '1 {"at":5}'),
    ],
)
async def test_a_record_that_cannot_be_read_is_an_error_not_an_absence(store, url, key, value):
    """And the attempt that was reserved in the same step is given back."""
    field = {keys.objections(PERSON): "acme", keys.relationships(PERSON): "acme|energy"}
    await ask(url, "HSET", key, field.get(key, "acme|sales|energy"), value)
    with pytest.raises(StoreCorruptError):
        await store.look_up(query(reserve=True))
    assert await ask(url, "EXISTS", keys.attempts(PERSON), keys.token(PERSON, "a" * 32)) == 0


@pytest.mark.parametrize("key", [keys.objections(PERSON), keys.attempts(PERSON), keys.consents(PERSON)])
async def test_a_key_of_the_wrong_type_is_corrupt(store, url, key):
    """Somebody else wrote into our keys."""
    await ask(url, "SET", key, "x")
    with pytest.raises(StoreCorruptError):
        await store.look_up(query())


async def test_a_look_up_is_one_command_on_the_wire(store, url):
    """One round trip for each decision, reservation included."""
    await store.look_up(query())
    before = await _calls(url)
    await store.look_up(query(reserve=True))
    after = await _calls(url)
    assert after["evalsha"] - before["evalsha"] == 1
    # Everything else ran inside the script, except what this test itself asked.
    assert after.get("eval", 0) == before.get("eval", 0)
    assert after["get"] - before["get"] == 1  # the bucket's marker, in the script
    assert after["info"] - before["info"] == 1


async def _calls(url: str) -> dict[str, int]:
    text = (await ask(url, "INFO", "commandstats")).decode()
    pairs = (line.removeprefix("cmdstat_").split(":calls=") for line in text.splitlines() if ":calls=" in line)
    return {name: int(rest.split(",")[0]) for name, rest in pairs}
