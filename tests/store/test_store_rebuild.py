"""A rebuild that lost its right, and one that must not lose it."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from store_lab import KEEP_S, NOW, PERSON, ask, objection, query, scopes_held

from asterisk_plugin.callflow.projector import Projector
from asterisk_plugin.errors import StoreNotReadyError
from asterisk_plugin.store import keys
from asterisk_plugin.store.projection import Projection

pytestmark = pytest.mark.store


@pytest.fixture
async def second(url):
    """Another node's projection into the same store."""
    made = Projection(url, keep_attempts_s=KEEP_S, wall_clock=NOW.timestamp)
    yield made
    await made.close()


async def test_a_lapsed_rebuild_does_not_get_its_right_back(url, ledger, projection, second):
    """Whether another process has it now, had it meanwhile, or nobody had."""
    await ledger.append([objection("*")])
    assert await projection.begin_rebuild()
    await ask(url, "DEL", keys.LEASE)
    with pytest.raises(StoreNotReadyError, match="taken over"):
        await projection.keep_lease()
    assert await ask(url, "EXISTS", keys.LEASE) == 0
    await Projector(ledger, second).catch_up()
    with pytest.raises(StoreNotReadyError):
        await projection.mark_ready()
    assert (await second.state()).complete


async def test_a_thawed_rebuild_removes_and_writes_nothing_in_a_finished_store(url, ledger, projection, second, store):
    """It was frozen between its look at the lease and its next step."""
    await ledger.append([objection("*")])
    assert await projection.begin_rebuild()
    await ask(url, "DEL", keys.LEASE)
    await Projector(ledger, second).catch_up()
    for step in (
        lambda: projection._remove([keys.objections(PERSON)]),
        lambda: projection._mark("00"),
        lambda: projection.apply([dataclasses.replace(ledger.rows[0], event=objection("stale"))]),
    ):
        with pytest.raises(StoreNotReadyError, match="another process"):
            await step()
    assert {held.scope for held in (await store.look_up(query())).objections} == {"*"}
    assert await scopes_held(url) == ["*"]
    assert (await second.state()).complete


async def test_a_rebuild_from_a_slow_ledger_keeps_its_right(url, ledger, projection, monkeypatch):
    """Nothing is applied for longer than the right lasts, and nobody takes it over."""
    monkeypatch.setattr(keys, "LEASE_LIFETIME_MS", 300)
    monkeypatch.setattr("asterisk_plugin.callflow.projector.SHOW_LIFE_S", 0.05)
    await ledger.append([objection("*")])
    read = ledger.read

    async def slowly(after=0, *, unseal=True):
        async for row in read(after, unseal=unseal):
            await asyncio.sleep(0.6)
            yield row

    monkeypatch.setattr(ledger, "read", slowly)
    await Projector(ledger, projection).catch_up()
    assert (await projection.state()).complete


async def test_keys_of_others_that_look_like_ours_stay(url, projector):
    """Rebuilding does not stumble over them."""
    strangers = ["rf:{zz}:x", b"rf:{\xff\xfe}:x", b"rf:{00}:\xff"]
    for name in strangers:
        await ask(url, "SET", name, "1")
    await projector.rebuild()
    assert await ask(url, "EXISTS", *strangers) == len(strangers)
