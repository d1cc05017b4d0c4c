"""Tokens and the marks of trunk channels."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import replace

import pytest
from store_lab import NOW, OTHER_PERSON, PERSON, SHOWN, ask, objection, query

from asterisk_plugin.errors import StoreCorruptError, StoreNotReadyError
from asterisk_plugin.ports import CallTerms, DueEnd, PassedLeg, Redeemed, Redemption
from asterisk_plugin.store import keys

pytestmark = pytest.mark.store

TOKEN = "a" * 32


async def _redeem(store, **changes):
    return await store.redeem(**({"person": PERSON, "token": TOKEN, "shown": SHOWN, "now": NOW} | changes))


async def test_a_token_passes_once(store):
    """The second use is unknown."""
    await store.look_up(query(reserve=True))
    assert await _redeem(store) == Redeemed(Redemption.PASS, TOKEN, "spring", "acme")
    assert await _redeem(store) == Redeemed(Redemption.UNKNOWN)


async def test_a_token_used_by_many_at_once_passes_once(store):
    """Two legs cannot share one verdict."""
    await store.look_up(query(reserve=True))
    results = await asyncio.gather(*(_redeem(store) for _ in range(50)))
    assert [redeemed.result for redeemed in results].count(Redemption.PASS) == 1


async def test_a_token_is_unknown_for_another_number(store):
    """And stays good for its own."""
    await store.look_up(query(reserve=True))
    assert (await _redeem(store, person=OTHER_PERSON)).result is Redemption.UNKNOWN
    assert (await _redeem(store)).result is Redemption.PASS


async def test_a_wrong_caller_id_uses_the_token_up(store):
    """No second guess."""
    await store.look_up(query(reserve=True))
    assert (await _redeem(store, shown="+4930123456")).result is Redemption.WRONG_CALLER_ID
    assert (await _redeem(store)).result is Redemption.UNKNOWN


@pytest.mark.parametrize("scope", ["acme", "*"])
async def test_an_objection_between_verdict_and_dial_wins(store, ledger, projector, scope):
    """Even when the caller ID is wrong too; and the token is gone."""
    await store.look_up(query(reserve=True))
    await ledger.append([objection(scope)])
    await projector.catch_up()
    assert await _redeem(store, shown="+1") == Redeemed(Redemption.OBJECTION, TOKEN, "spring", "acme")
    assert (await _redeem(store)).result is Redemption.UNKNOWN


async def test_another_principals_objection_does_not_stop_a_token(store, ledger, projector):
    """Objections have a scope."""
    await store.look_up(query(reserve=True))
    await ledger.append([objection("other")])
    await projector.catch_up()
    assert (await _redeem(store)).result is Redemption.PASS


async def test_a_token_is_late_after_its_lifetime(store):
    """One millisecond after, by the gate's own clock."""
    await store.look_up(query(reserve=True))
    assert (await _redeem(store, now=NOW + dt.timedelta(seconds=10.001))).result is Redemption.UNKNOWN


async def test_a_token_ends_by_itself(store, url):
    """The server removes it too."""
    await store.look_up(query(reserve=True, token_lifetime_s=10))
    assert 9_000 < await ask(url, "PTTL", keys.token(PERSON, TOKEN)) <= 10_000


async def test_a_token_is_worth_nothing_in_an_emptied_store(store, url):
    """Nobody can say whether there is an objection."""
    await store.look_up(query(reserve=True))
    await ask(url, "DEL", keys.ready(PERSON[:2]))
    with pytest.raises(StoreNotReadyError):
        await _redeem(store)


@pytest.mark.parametrize("value", ["{", "[]", '{"principal":"acme"}', '{"principal":1,"shown":"x","expires_ms":1}'])
async def test_an_unreadable_token_is_corrupt_and_gone(store, url, value):
    """It is not tried again."""
    await ask(url, "SET", keys.token(PERSON, TOKEN), value)
    with pytest.raises(StoreCorruptError):
        await _redeem(store)
    assert (await _redeem(store)).result is Redemption.UNKNOWN


async def test_a_trunk_channel_passes_until_it_is_forgotten(store, url):
    """The mark has a lifetime, for ends that were missed."""
    assert not await store.has_passed("1700000000.12")
    await store.mark_passed("1700000000.12", PassedLeg())
    assert await store.has_passed("1700000000.12")
    assert 0 < await ask(url, "PTTL", keys.passed("1700000000.12")) <= 24 * 3600 * 1000
    await store.forget_passed("1700000000.12")
    assert not await store.has_passed("1700000000.12")


@pytest.mark.parametrize("name", ["", " ", "{a}b", "a\r\nDEL x", "\udcff", "SIP/ü-1", "x" * 10_000, "#", "a*?["])
async def test_a_trunk_channel_may_have_any_name(store, url, name):
    """Asterisk takes what a peer sent into a channel's name; the mark is that channel's alone."""
    await store.mark_passed(name, PassedLeg())
    assert await store.has_passed(name)
    assert not await store.has_passed(name + "x")
    await store.forget_passed(name)
    assert not await store.has_passed(name)
    assert len(keys.passed(name)) < 300


async def test_what_a_leg_dials_for_is_kept_with_its_mark(store):
    """For the one that follows it to its end, on any node."""
    leg = PassedLeg("0" * 32, "ab" * 16, "linde-de", "linde", CallTerms(agent=True, country="DE", ring_min_s=15))
    await store.mark_passed("1.1/PJSIP/carrier-1", leg)
    assert await store.passed_leg("1.1/PJSIP/carrier-1") == leg
    assert await store.passed_leg("1.2/PJSIP/carrier-2") is None


async def test_running_calls_are_kept_for_a_service_that_is_restarted(store, url):
    """By Asterisk; and forgotten after a week whatever happens."""
    await store.keep_call("pbx", "1.1", "one")
    await store.keep_call("pbx", "1.2", "two")
    await store.keep_call("other", "1.1", "three")
    assert await store.kept_calls("pbx") == {"1.1": "one", "1.2": "two"}
    await store.drop_call("pbx", "1.1")
    assert await store.kept_calls("pbx") == {"1.2": "two"}
    assert 6 * 24 * 3600 * 1000 < await ask(url, "PTTL", keys.running("pbx")) <= 7 * 24 * 3600 * 1000


async def test_ends_are_due_until_somebody_follows_the_leg_or_writes_them_down(store, url):
    """As they were noted; what a later version wrote is left to it."""
    leg = PassedLeg("0" * 32, "ab" * 16, "linde-de", "linde", CallTerms(agent=True, country="DE", ring_min_s=15))
    due = DueEnd("1.1", "PJSIP/carrier-1", "pbx", NOW, leg)
    other = replace(due, unique_id="1.2", leg=replace(leg, attempt_id="1" * 32))
    await store.note_due(due)
    await store.note_due(other)
    odd = ('["1.3"]', "no JSON", *_odd_forms())
    for place, text in enumerate(odd):
        await ask(url, "HSET", keys.DUE, f"{place + 256:032x}", text)
    assert sorted(await store.due_ends(), key=lambda each: each.unique_id) == [due, other]
    await store.drop_due("1" * 32)
    assert await store.due_ends() == (due,)
    assert 6 * 24 * 3600 * 1000 < await ask(url, "PTTL", keys.DUE) <= 7 * 24 * 3600 * 1000


async def test_who_watches_an_asterisk_shows_it_for_some_seconds(store, url):
    """By its name."""
    assert not await store.is_watched("pbx")
    await store.show_watch("pbx")
    assert await store.is_watched("pbx")
    assert not await store.is_watched("other")
    assert 0 < await ask(url, "PTTL", keys.watched("pbx")) <= 20_000


async def test_one_of_several_does_what_only_one_is_to_do(store):
    """The first that asks."""
    assert [await store.claim("pbx/abandoned/1.1") for _ in range(3)] == [True, False, False]
    assert await store.claim("pbx/abandoned/1.2")


def _odd_forms():
    """A due end in which one value is not what it must be: who reads it would stumble over it."""
    leg = ["3" * 32, "ab" * 16, "c", "p", [False, "DE", 15]]
    good = ["1.3", "PJSIP/carrier-1", "pbx", "2026-11-24T10:00:00+00:00", *leg]
    for place, value in ((2, ["pbx"]), (3, "2026-11-24T10:00:00"), (4, None), (4, "none"), (5, 7)):
        yield json.dumps([*good[:place], value, *good[place + 1 :]])
