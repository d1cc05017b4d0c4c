"""An objection that was withdrawn: for whom it stands, in every order in which rows may come."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random

import pytest
from store_lab import (
    DAY_LIMIT,
    KEEP_S,
    NOW,
    OTHER_PERSON,
    PERSON,
    SHOWN,
    MemoryLedger,
    ask,
    consent,
    numbered,
    objection,
    objection_withdrawn,
    query,
    withdrawal,
)

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.callflow.register import Register
from asterisk_plugin.errors import LedgerBrokenError, StoreNotReadyError
from asterisk_plugin.ports import Event, EventKind, Redemption, StoredEvent
from asterisk_plugin.store import keys
from asterisk_plugin.store.objections import ObjectionStore
from asterisk_plugin.store.projection import Projection
from asterisk_plugin.store.records import read_consents

pytestmark = pytest.mark.store

HOUR = dt.timedelta(hours=1)
LATER = NOW + HOUR
MUCH_LATER = NOW + 10 * HOUR
NO_LIMIT = dataclasses.replace(DAY_LIMIT, max_attempts=99)


def later_consent(principal="acme", *, at=LATER, **more):
    return consent(principal, given_at=at.isoformat(), **more)


async def scopes(store, principal="acme", *, now=MUCH_LATER):
    """Scopes of the objections that stop a call for this principal."""
    found = await store.look_up(query(principal=principal, now=now))
    return sorted(held.scope for held in found.objections)


@pytest.fixture
async def recorded(ledger, projector):
    """Writes events and brings the store up to them."""

    async def write(*events):
        await ledger.append(events)
        await projector.catch_up()

    return write


async def image(url):
    """Every key of a person in the store, with its bytes."""
    found = {}
    for name in await ask(url, "KEYS", keys.EVERYTHING_OF_A_PERSON.replace("??", "*")):
        if name.endswith((b":ready", b":building")):
            continue
        values = await ask(url, "HGETALL", name)
        found[name] = dict(zip(values[::2], values[1::2], strict=True))
    return found


async def test_a_later_consent_of_the_person_lifts_the_objection(store, recorded):
    """The gate reserves the attempt again, and the trunk leg passes."""
    held, given = objection(), later_consent()
    await recorded(held, given)
    assert await scopes(store) == ["acme"]  # a consent alone never outweighs an objection
    await recorded(objection_withdrawn(held, given))
    found = await store.look_up(query(now=MUCH_LATER, reserve=True))
    assert (found.objections, found.reserved) == ((), True)
    redeemed = await store.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=MUCH_LATER)
    assert redeemed.result is Redemption.PASS


async def test_an_objection_against_everyone_is_lifted_for_one_principal_only(store, recorded):
    """The rest of the block stays."""
    held, given = objection("*"), later_consent()
    await recorded(held, given, objection_withdrawn(held, given))
    assert await scopes(store) == []
    assert await scopes(store, "other") == ["*"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(consent(given_at=(NOW - HOUR).isoformat()), id="given before"),
        pytest.param(consent(given_at=NOW.isoformat()), id="given at the same moment"),
        pytest.param(consent(given_at=(MUCH_LATER + HOUR).isoformat()), id="not given yet"),
        pytest.param(later_consent("other"), id="to another principal"),
        pytest.param(later_consent(person=OTHER_PERSON), id="of another person"),
        pytest.param(later_consent(expires_at=(LATER + HOUR).isoformat()), id="expired"),
        pytest.param(
            later_consent(kind="requested-call", callable_until=MUCH_LATER.isoformat()), id="its slot is over"
        ),
    ],
)
async def test_a_consent_that_does_not_reach_lifts_nothing(store, recorded, given):
    """Whatever a withdrawal in the ledger says."""
    held = objection()
    await recorded(held, given, objection_withdrawn(held, given))
    assert await scopes(store) == ["acme"]


async def test_a_consent_recorded_before_the_objection_lifts_nothing(store, recorded):
    """An objection that is dated back is not lifted by what was there when it was entered."""
    held, given = objection(), later_consent()
    await recorded(given, held, objection_withdrawn(held, given))
    assert await scopes(store) == ["acme"]


async def test_an_objection_that_is_in_no_row_yet_is_lifted_by_nothing(store, recorded):
    """Whatever consent its row will come after."""
    held, given = objection(), later_consent()
    await recorded(given, objection_withdrawn(held, given))
    await ObjectionStore(store.client).put(held)
    assert await scopes(store) == ["acme"]


async def test_a_withdrawal_that_names_no_consent_or_no_objection_lifts_nothing(store, recorded):
    """Ids that lead nowhere, and another person's objection."""
    held, given = objection(), later_consent()
    elsewhere = objection(person=OTHER_PERSON)
    never_recorded = later_consent(product="never recorded")
    swapped = Event("f" * 32, EventKind.OBJECTION_WITHDRAWN, NOW, PERSON, {"objection": given.id, "consent": held.id})
    await recorded(held, elsewhere, given, objection_withdrawn(held, never_recorded), swapped)
    foreign = Event(
        "e" * 32, EventKind.OBJECTION_WITHDRAWN, NOW, PERSON, {"objection": elsewhere.id, "consent": given.id}
    )
    await recorded(foreign)
    assert await scopes(store) == ["acme"]
    assert (await store.look_up(query(person=OTHER_PERSON))).objections


@pytest.mark.parametrize("scope", ["acme", "*"])
async def test_an_objection_after_the_withdrawal_stands(store, recorded, scope):
    """And so does one that was given before, and one recorded in between."""
    first, given = objection(), later_consent()
    between = objection(scope, at=NOW + dt.timedelta(minutes=5))
    await recorded(first, between, given, objection_withdrawn(first, given))
    assert await scopes(store) == [scope]
    await recorded(objection_withdrawn(between, given))
    assert await scopes(store) == []
    await recorded(objection(scope, at=LATER + HOUR))
    assert await scopes(store) == [scope]
    redeemed = await store.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=MUCH_LATER)
    assert redeemed.result is Redemption.UNKNOWN  # it was never issued


async def test_an_objection_between_verdict_and_dial_wins_after_a_withdrawal_too(store, recorded):
    """The last look on the trunk leg knows of the second objection."""
    held, given = objection(), later_consent()
    await recorded(held, given, objection_withdrawn(held, given))
    await store.look_up(query(now=MUCH_LATER, reserve=True))
    await recorded(objection(at=MUCH_LATER))
    redeemed = await store.redeem(person=PERSON, token="a" * 32, shown=SHOWN, now=MUCH_LATER)
    assert redeemed.result is Redemption.OBJECTION


@pytest.mark.parametrize(("product", "stands_again"), [("energy", True), ("any", True), ("telecom", False)])
async def test_the_objection_stands_again_when_the_consent_is_taken_back(store, recorded, product, stands_again):
    """The withdrawal leaned on it."""
    held, given = objection(), later_consent()
    await recorded(held, given, objection_withdrawn(held, given))
    await recorded(withdrawal(product=product, at=LATER + HOUR))
    assert await scopes(store) == (["acme"] if stands_again else [])


async def test_a_newer_consent_to_the_same_does_not_bring_the_objection_back(store, recorded):
    """Each consent keeps what it lifted."""
    held, given = objection(), later_consent()
    await recorded(held, given, objection_withdrawn(held, given), later_consent(at=LATER + HOUR, name="again"))
    assert await scopes(store) == []
    assert len((await store.look_up(query(now=MUCH_LATER))).consents) == 1


async def test_the_last_recorded_consent_counts_and_not_an_earlier_longer_one(store, recorded):
    """A person who limits their permission is taken at their word."""
    await recorded(consent(), consent(expires_at="2026-02-01T00:00:00+00:00"))
    (found,) = (await store.look_up(query())).consents
    assert found.expires_at == dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("turned", [False, True])
def test_the_last_recorded_consent_counts_in_whatever_order_the_store_gives_them(turned):
    """By ledger row, not by place."""
    records = [
        (f"acme|{number:032x}|sales|energy".encode(), f'{number} {{"given_at":"2026-01-0{number}T00:00:00Z",'.encode())
        for number in (1, 2)
    ]
    flat = [part for name, raw in (records[::-1] if turned else records) for part in (name, raw + b'"reference":""}')]
    (found,) = read_consents(flat, [])
    assert found.given_at.day == 2


async def test_a_damaged_record_lets_the_objection_stand(url, store, recorded):
    """What cannot be read permits nothing."""
    held, given = objection(), later_consent()
    await recorded(held, given, objection_withdrawn(held, given))
    (field,) = await ask(url, "HKEYS", keys.consents(PERSON))
    await ask(url, "HSET", keys.consents(PERSON), field, "9 {broken")
    await store.look_up(query(now=MUCH_LATER, principal="other"))
    token = "a" * 32
    issued = {"attempt_id": token, "principal": "acme", "campaign": "spring", "shown": SHOWN, "expires_ms": 9e15}
    await ask(url, "SET", keys.token(PERSON, token), json.dumps(issued))
    redeemed = await store.redeem(person=PERSON, token=token, shown=SHOWN, now=MUCH_LATER)
    assert redeemed.result is Redemption.OBJECTION


@pytest.mark.parametrize("body", [{}, {"objection": "x", "consent": "y"}, {"objection": "a" * 32, "consent": None}])
async def test_a_withdrawal_that_cannot_be_understood_takes_the_store_out_of_use(store, ledger, projector, body):
    """Like every other row about a person."""
    await ledger.append([Event("d" * 32, EventKind.OBJECTION_WITHDRAWN, NOW, PERSON, body)])
    with pytest.raises(LedgerBrokenError):
        await projector.catch_up()
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())


async def test_a_store_filled_in_an_older_layout_is_not_used_until_it_is_filled_anew(url, store, recorded, projector):
    """An objection would be looked for where that program did not put it."""
    await recorded(objection())
    for name in await ask(url, "KEYS", "rf:{*}:ready"):
        marker = await ask(url, "GET", name)
        await ask(url, "SET", name, marker.rpartition(b":")[0])
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())
    await projector.catch_up()
    assert await scopes(store) == ["acme"]


@pytest.mark.parametrize("seed", range(60))
async def test_any_history_in_any_order_of_writing_decides_as_the_history_says(url, store, ledger, projector, seed):
    """Applied twice, in pieces, out of order or anew: the same bytes, and what the ledger's own reading says."""
    chance = random.Random(seed)
    await ledger.append(_history(chance))
    await projector.catch_up()
    once = await image(url)
    second = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    try:
        await second.state()
        for _ in range(4):  # another node, which lags behind or was restarted
            start = chance.randrange(len(ledger.rows))
            await second.apply(ledger.rows[start : start + 1 + chance.randrange(8)])
        assert await image(url) == once
        await Projector(ledger, second).rebuild()
        assert await image(url) == once
        await _in_random_order(second, ledger, chance)
        assert await image(url) == once
    finally:
        await second.close()
    now = NOW + chance.randrange(14) * HOUR
    for place, principal in enumerate(("acme", "other", "third")):
        expected = await _standing(ledger, principal, now)
        assert await scopes(store, principal, now=now) == expected
        found = await store.look_up(
            query(principal=principal, now=now, reserve=True, token=numbered(place), limits=(NO_LIMIT,))
        )
        assert found.reserved == (not expected)


async def _standing(ledger: MemoryLedger, principal: str, now: dt.datetime) -> list[str]:
    """What stands as people read it in the register."""
    entries = await Register(_Readable(ledger.rows), clock=lambda: now).of_person(PERSON)
    return sorted(
        entry.scope
        for entry in entries
        if entry.scope in (principal, "*")
        if not any(one.holds and one.principal == principal for one in entry.withdrawn)
    )


@dataclasses.dataclass
class _Readable:
    """What the register asks of a ledger about one person."""

    rows: list[StoredEvent]

    async def find_by_person(self, person: str) -> list[StoredEvent]:
        return [row for row in self.rows if row.event.person == person]


async def _in_random_order(projection: Projection, ledger: MemoryLedger, chance: random.Random) -> None:
    """Fill the store anew, each row by itself, and older ones again in between, as several projectors do."""
    assert await projection.begin_rebuild(ledger.rows[0].hash)
    for place, row in enumerate(ledger.rows):
        await projection.apply([row])
        await projection.apply([chance.choice(ledger.rows[: place + 1])])
    for row in chance.sample(ledger.rows, len(ledger.rows)):
        await projection.apply([row])
    await projection.mark_ready()


def _history(chance: random.Random) -> list[Event]:
    """Some twenty events of one person, on a coarse grid of time so that moments meet."""
    objections, consents, events = [], [], []
    for number in range(chance.randrange(4, 24)):
        at = NOW + chance.randrange(12) * HOUR
        principal = chance.choice(["acme", "other"])
        what = chance.choice(["objection", "consent", "lift", "lift", "lift", "take back"])
        if what == "objection" or not objections:
            objections.append(objection(chance.choice([principal, "*"]), at=at, reference=f"{number:07}"))
            events.append(objections[-1])
        elif what == "consent" or not consents:
            ends = (at + 4 * HOUR).isoformat() if chance.random() < 0.3 else None
            product = chance.choice(["energy", "any", "telecom"])
            consents.append(later_consent(principal, at=at, product=product, expires_at=ends, number=number))
            events.append(consents[-1])
        elif what == "lift":
            events.append(objection_withdrawn(chance.choice(objections), chance.choice(consents), at=at))
        else:
            events.append(withdrawal(principal, product=chance.choice(["energy", "any"]), at=at))
    return list({one.id: one for one in events}.values())
