"""Giving a reservation back when its attempt is not dialled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.errors import StoreError

if TYPE_CHECKING:
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.facts import AttemptFacts

_releases: set[asyncio.Task[None]] = set()
"""Releases under way: the loop itself keeps only weak references to tasks."""


async def finish_releases() -> None:
    """Wait for the releases under way; before the store is closed."""
    await asyncio.gather(*_releases, return_exceptions=True)


def release_later(gate: Gate, facts: AttemptFacts, attempt_id: str) -> None:
    """Give a reservation back without making the dialplan wait for it."""
    assert isinstance(facts.called, PhoneNumber)
    assert facts.campaign is not None
    task = asyncio.get_running_loop().create_task(
        _release(gate, person=gate.tag(facts.called.e164), facts=facts, attempt_id=attempt_id)
    )
    _releases.add(task)
    task.add_done_callback(_releases.discard)


async def _release(gate: Gate, *, person: str, facts: AttemptFacts, attempt_id: str) -> None:
    assert facts.campaign is not None
    try:
        await gate.store.release(
            person=person,
            principal=facts.campaign.principal.id,
            campaign=facts.campaign.id,
            attempt_id=attempt_id,
            token=attempt_id,
        )
    except StoreError as exc:  # the person is called once less than allowed: the safe side
        gate.observer.fault("release", exc)
