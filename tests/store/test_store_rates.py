"""How calls ended, as decisions get it from the store; and that calls without an agent are let through one by one."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import random
from dataclasses import replace

import pytest
from store_lab import KEEP_S, NOW, OTHER_PERSON, PERSON, TIMEOUT_S, ask, event, numbered, query

from asterisk_plugin.core.attempt_end import AttemptEnd, Outcome, body_of
from asterisk_plugin.core.campaign_rates import MOST_AT_ONCE, home_zone, left, rate_limits, worst_cost
from asterisk_plugin.core.facts import EndedCall, RateCount
from asterisk_plugin.core.law import InForce
from asterisk_plugin.core.parameters import Applies
from asterisk_plugin.core.rate_parameters import AbandonedRate, RateOf, RatePer
from asterisk_plugin.core.site import Campaign, Principal, Purpose
from asterisk_plugin.core.verdict import Source
from asterisk_plugin.errors import LedgerBrokenError, StoreCorruptError, StoreNotReadyError
from asterisk_plugin.ports import EventKind, PaceQuery, StoredEvent
from asterisk_plugin.store import keys
from asterisk_plugin.store.ended import writes_of
from asterisk_plugin.store.redis_store import RedisStore
from asterisk_plugin.store.writes import KEEP_COUNTS_MS

pytestmark = pytest.mark.store

ZONE = "Etc/UTC"
SPRING = Campaign(
    "spring", Principal("acme", "Acme", "Acme", "DE"), Purpose.SALES, starts_on=NOW.date() - dt.timedelta(days=3)
)
_numbers = itertools.count(1)


def ended(outcome: str, *, number: int = 0, person: str = PERSON, at: dt.datetime = NOW, **changes):
    """A call of acme's campaign `spring` that began at `at` and ended so ten seconds later."""
    end = AttemptEnd(
        **{
            "attempt_id": numbered(number or next(_numbers)),
            "campaign": "spring",
            "principal": "acme",
            "outcome": Outcome(outcome),
            "began_at": at,
        }
        | changes
    )
    return event(EventKind.ATTEMPT_ENDED, body_of(end), person=person, at=at + dt.timedelta(seconds=10))


def refusal(principal: str = "acme", *, at: dt.datetime = NOW):
    return event(EventKind.REFUSAL, {"principal": principal, "campaign": "spring"}, at=at)


def limit(*, now: dt.datetime = NOW, **changes):
    fields = {
        "name": "live",
        "counts": frozenset({Outcome.ABANDONED, Outcome.SILENT}),
        "of": RateOf.LIVE,
        "per": RatePer.DAY,
        "max_share_percent": 3,
    }
    value = AbandonedRate(Applies(), **(fields | changes))
    entry = InForce("xx.all.abandoned_rate", value, Source("Act"), dt.date(2020, 1, 1))
    return rate_limits([entry], campaign=SPRING, zone=ZONE, now=now)[0]


def pace_query(*limits, attempt: int = 0, **changes) -> PaceQuery:
    attempt_id = numbered(attempt) if attempt else ""
    found = {"campaign": "spring", "limits": limits or (limit(),), "zone": ZONE, "lifetime_s": 60} | changes
    return PaceQuery(attempt_id=attempt_id, **found)


async def fill(ledger, projector, *events):
    await ledger.append(list(events))
    await projector.catch_up()


async def test_a_number_remembers_the_latest_call_that_ended_so(store, ledger, projector):
    """Of each way, principal and campaign; a row written late does not hide a later call; others are left out."""
    hour = dt.timedelta(hours=1)
    await fill(
        ledger,
        projector,
        ended("silent", at=NOW),
        ended("silent", at=NOW - hour),
        ended("abandoned", at=NOW - 2 * hour),
        ended("person", at=NOW - 3 * hour, campaign="autumn", principal="other"),
        ended("machine", at=NOW - 4 * hour),
        ended("busy"),
        ended("silent", person=OTHER_PERSON),
        refusal(at=NOW - hour),
        refusal(at=NOW - 5 * hour),
    )
    ten = dt.timedelta(seconds=10)
    assert (await store.look_up(query())).ended == (
        EndedCall("machine", "acme", "spring", NOW - 4 * hour + ten),
        EndedCall("person", "other", "autumn", NOW - 3 * hour + ten),
        EndedCall("abandoned", "acme", "spring", NOW - 2 * hour + ten),
        EndedCall("refusal", "acme", "spring", NOW - hour),
        EndedCall("silent", "acme", "spring", NOW + ten),
    )


async def test_an_unreadable_end_is_a_fault_and_reserves_nothing(store, url):
    """Never taken for none."""
    await ask(url, "HSET", keys.ended(PERSON), "silent|acme|spring", "soon")
    with pytest.raises(StoreCorruptError, match="how a call ended"):
        await store.look_up(query(reserve=True))
    assert await ask(url, "ZCARD", keys.attempts(PERSON)) == 0


async def test_calls_are_counted_by_campaign_outcome_and_day(store, ledger, projector):
    """Each window adds its days up; what is older belongs to none."""
    day = dt.timedelta(days=1)
    await fill(
        ledger,
        projector,
        *(ended("person") for _ in range(5)),
        ended("abandoned"),
        ended("no-answer"),
        ended("person", at=NOW - day),
        ended("silent", at=NOW - 3 * day),
        ended("person", at=NOW - 4 * day),
        ended("person", campaign="autumn"),
        ended("person", campaign=""),
    )
    daily, monthly = limit(), limit(per=RatePer.DAYS, length=30)
    found = await store.pace(pace_query(daily, monthly))
    assert found.counts == (
        RateCount(daily.id, NOW.date(), {"person": 5, "abandoned": 1, "no-answer": 1}),
        RateCount(monthly.id, SPRING.starts_on, {"person": 6, "abandoned": 1, "no-answer": 1, "silent": 1}),
    )
    assert (found.in_flight, found.reserved) == (0, False)


@pytest.mark.parametrize(("zone", "day"), [("Europe/Berlin", "2026-03-05"), ("Etc/UTC", "2026-03-04")])
def test_the_day_is_that_of_the_site(zone, day):
    """23:30 in UTC is the next day in Berlin; counts of two zones are kept apart."""
    late = NOW.replace(hour=23, minute=30)
    count, _ = writes_of(StoredEvent(7, ended("person", at=late), ""), zone)
    assert count.keys[0] == keys.campaign_day("spring", zone, day)


async def test_rows_applied_twice_and_in_any_order_count_once(store, ledger, projection, projector):
    """By two processes, in portions that overlap."""
    await projector.catch_up()
    await ledger.append([ended("person") for _ in range(300)] + [ended("silent")])
    rows = ledger.rows
    portions = [rows[200:], rows[:250], rows[100:280], rows]
    await asyncio.gather(*(projection.apply(portion) for portion in portions[1:]))
    await projection.apply(portions[0])
    assert (await store.pace(pace_query())).counts[0].ended == {"person": 300, "silent": 1}


async def test_a_rebuild_counts_anew_and_keeps_the_calls_under_way(store, ledger, projector, url):
    """What is in the ledger comes from there; what is not is left alone."""
    await fill(ledger, projector, *(ended("person") for _ in range(70)))
    assert (await store.pace(pace_query(attempt=900))).reserved
    await ask(url, "HSET", keys.campaign_day("spring", ZONE, NOW.date().isoformat()), "person", 5000)
    await projector.rebuild()
    found = await store.pace(pace_query())
    assert (found.counts[0].ended, found.in_flight) == ({"person": 70}, 1)


async def test_old_ends_are_not_written_and_counts_are_forgotten(url, ledger, projection, projector):
    """After the longest window; by the store's clock, so with the present moment."""
    now = dt.datetime.now(dt.UTC)
    projection._wall_clock = now.timestamp
    await fill(ledger, projector, ended("person", at=now), ended("person", at=now - dt.timedelta(days=34)))
    names = [name.decode() for name in await ask(url, "KEYS", "*:day:*")]
    assert names == [keys.campaign_day("spring", ZONE, now.date().isoformat())]
    for name in (names[0], keys.campaign_seen("spring", 1)):
        assert KEEP_COUNTS_MS - 60_000 < await ask(url, "PTTL", name) <= KEEP_COUNTS_MS


async def test_calls_are_let_through_until_their_worst_end_would_pass_the_limit(store, ledger, projector):
    """Two after 65 good calls; one more when a place came back harmless; none when one was abandoned."""
    await fill(ledger, projector, *(ended("person") for _ in range(65)))
    found = [await store.pace(pace_query(attempt=number)) for number in (901, 902, 903)]
    assert [(each.in_flight, each.has_room, each.reserved) for each in found] == [
        (0, True, True),
        (1, True, True),
        (2, False, False),
    ]
    await store.end_flight("spring", numbered(901), harmless=True)
    assert (await store.pace(pace_query())).has_room
    assert (await store.pace(pace_query(attempt=904))).reserved
    await fill(ledger, projector, ended("abandoned", number=904))
    found = await store.pace(pace_query(attempt=905))
    assert (found.in_flight, found.reserved, found.counts[0].ended["abandoned"]) == (1, False, 1)


async def test_a_call_that_ended_stays_under_way_until_it_is_counted(store, ledger, projector, url):
    """Else it would for a moment be neither, and another one would get its place."""
    await fill(ledger, projector, *(ended("person") for _ in range(33)))
    assert (await store.pace(pace_query(attempt=911))).reserved
    await store.end_flight("spring", numbered(911))
    assert not (await store.pace(pace_query(attempt=912))).reserved
    await fill(ledger, projector, ended("person", number=911))
    assert (await store.pace(pace_query())).in_flight == 0
    await store.end_flight("spring", numbered(911))  # told late: it does not come back
    assert (await store.pace(pace_query())).in_flight == 0
    assert await ask(url, "EXISTS", keys.flights("spring")) == 0


async def test_a_call_of_which_nothing_is_heard_is_given_up(store, ledger, projector, url):
    """After its time; one that ended and was never counted a minute later at most."""
    await fill(ledger, projector, *(ended("person") for _ in range(66)))
    assert (await store.pace(pace_query(attempt=921, lifetime_s=0.05))).reserved
    assert (await store.pace(pace_query(attempt=922, lifetime_s=900))).reserved
    await store.end_flight("spring", numbered(922))
    now_ms = (await ask(url, "TIME"))[0]
    assert int(await ask(url, "ZSCORE", keys.flights("spring"), numbered(922))) <= int(now_ms) * 1000 + 62_000
    await asyncio.sleep(0.06)
    assert (await store.pace(pace_query())).in_flight == 1


async def test_two_nodes_never_let_more_through_than_one(url, ledger, projector, store):
    """A hundred at once over eight nodes."""
    await fill(ledger, projector, *(ended("person") for _ in range(33 * 7)))
    nodes = [RedisStore(url, timeout_s=TIMEOUT_S, connections=2, keep_attempts_s=KEEP_S) for _ in range(8)]
    asked = (nodes[number % 8].pace(pace_query(attempt=1000 + number)) for number in range(100))
    found = await asyncio.gather(*asked)
    assert sum(each.reserved for each in found) == 7
    for node in nodes:
        await node.close()


async def test_the_strictest_of_several_limits_counts(store, ledger, projector):
    """The day has earned two, the month nothing."""
    await fill(ledger, projector, *(ended("person") for _ in range(65)), ended("silent", at=NOW - dt.timedelta(days=1)))
    monthly = limit(per=RatePer.DAYS, length=30, max_share_percent=1)
    assert (await store.pace(pace_query(limit()))).has_room
    assert not (await store.pace(pace_query(limit(), monthly))).has_room


@pytest.mark.parametrize("seed", range(4))
async def test_the_store_reckons_as_the_core_does(seed, store, ledger, projector):
    """Limits, counts and calls under way at random: the same answer whether there is room."""
    rng = random.Random(seed)
    outcomes = list(Outcome)
    await fill(ledger, projector, *(ended(rng.choice([*outcomes, *["person"] * 20])) for _ in range(400)))
    for number in range(40):
        tried = limit(
            counts=frozenset(rng.sample([Outcome.SILENT, Outcome.ABANDONED, Outcome.DROPPED], rng.randint(1, 3))),
            of=rng.choice(list(RateOf)),
            max_share_percent=rng.randint(0, 50),
            machine_error_percent=rng.choice([0, rng.randint(0, 100)]),
        )
        found = await store.pace(pace_query(tried, attempt=5000 + number))
        more = left(tried.value, found.counts[0].ended, found.in_flight)
        assert found.has_room == found.reserved == (more > 0), (tried.value, found, worst_cost(tried.value))


async def test_without_limits_a_thousand_at_once_are_let_through(store, url):
    """So that nothing grows without end."""
    await ask(url, "ZADD", keys.flights("spring"), *itertools.chain.from_iterable((2e12, n) for n in range(999)))
    assert MOST_AT_ONCE == 1000
    query_ = replace(pace_query(attempt=931), limits=())
    assert (await store.pace(query_)).reserved
    assert not (await store.pace(replace(query_, attempt_id=numbered(932)))).reserved


async def test_a_store_that_was_emptied_lets_nobody_through(store, url):
    """No counts would look like a fresh start; it is not ready."""
    await ask(url, "FLUSHALL")
    with pytest.raises(StoreNotReadyError):
        await store.pace(pace_query(attempt=1))


async def test_a_store_filled_by_a_program_of_the_version_before_is_not_relied_on(store, url):
    """It would have left out how calls ended."""
    for bucket in keys.BUCKETS:
        marker = (await ask(url, "GET", keys.ready(bucket))).decode()
        await ask(url, "SET", keys.ready(bucket), marker[:-1] + "2")
    with pytest.raises(StoreNotReadyError):
        await store.look_up(query())


@pytest.mark.parametrize(
    "broken",
    [
        {"outcome": "gone"},
        {"began_at": "2026-03-04T10:00:00"},
        {"began_at": "yesterday"},
        {"principal": ""},
        {"principal": "a|b"},
    ],
)
def test_an_end_that_cannot_be_understood_stops_the_projection(broken):
    """Left out, it would lift a lock or a share."""
    whole = ended("silent")
    row = StoredEvent(9, replace(whole, body={**whole.body, **broken}), "")
    with pytest.raises(LedgerBrokenError, match="attempt-ended cannot be understood"):
        writes_of(row, ZONE)
    without = {key: value for key, value in whole.body.items() if key != "attempt_id"}
    with pytest.raises(LedgerBrokenError):
        writes_of(replace(row, event=replace(whole, body=without)), ZONE)


def test_home_zones_can_be_read_here():
    """The zone that the service counts by is one that this machine knows."""
    assert home_zone("GB") == "Europe/London"
