"""Giving a reservation back when its attempt is not dialled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.core.number import PhoneNumber
from asterisk_plugin.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.facts import AttemptFacts

_TRIES, _AGAIN_S = 4, 0.5

_releases: set[asyncio.Task[None]] = set()
"""Releases under way: the loop itself keeps only weak references to tasks."""


async def finish_releases() -> None:
    """Wait for the releases under way; before the store is closed."""
    await asyncio.gather(*_releases, return_exceptions=True)


def release_later(
    gate: Gate, facts: AttemptFacts, attempt_id: str, *, counted: bool = True, slot: bool = False
) -> None:
    """Give a reservation back without making the dialplan wait for it.

    Args:
        gate: This node's gate.
        facts: Of the attempt, with a readable number and a known campaign.
        attempt_id: Which one.
        counted: The attempt was counted, or may have been.
        slot: It is, or may be, under way without a reserved agent.
    """
    if counted:
        _spawn(_release(gate, facts, attempt_id))
    if slot:
        _spawn(_land(gate, facts, attempt_id))


def withdraw_due_later(gate: Gate, attempt_id: str) -> None:
    """No end is due of a leg that is refused although it was noted; again and again while the store is slow.

    Args:
        gate: This node's gate.
        attempt_id: The leg's.
    """
    _spawn(_withdraw_due(gate, attempt_id))


def _spawn(work: Coroutine[None, None, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _releases.add(task)
    task.add_done_callback(_releases.discard)


async def _release(gate: Gate, facts: AttemptFacts, attempt_id: str) -> None:
    assert isinstance(facts.called, PhoneNumber)
    assert facts.campaign is not None
    try:
        await gate.store.release(
            person=gate.tag(facts.called.e164),
            principal=facts.campaign.principal.id,
            campaign=facts.campaign.id,
            attempt_id=attempt_id,
            token=attempt_id,
        )
    except StoreError as exc:  # the person is called once less than allowed: the safe side
        gate.observer.fault("release", exc)


async def _withdraw_due(gate: Gate, attempt_id: str) -> None:
    for left in reversed(range(_TRIES)):
        try:
            return await gate.store.drop_due(attempt_id)
        except StoreError as exc:
            if not left:  # it is written down as an end that nobody saw
                gate.observer.fault("release", exc)
        await asyncio.sleep(_AGAIN_S)
    return None


async def _land(gate: Gate, facts: AttemptFacts, attempt_id: str) -> None:
    assert facts.campaign is not None
    try:
        await gate.store.end_flight(facts.campaign.id, attempt_id, harmless=True)
    except StoreError as exc:  # its place is lost for some minutes: the safe side
        gate.observer.fault("release", exc)
