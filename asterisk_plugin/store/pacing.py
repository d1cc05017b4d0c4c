"""What the script `pace` is asked, and what it says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.attempt_end import Outcome
from asterisk_plugin.core.campaign_rates import MOST_AT_ONCE, cost, worst_cost
from asterisk_plugin.core.facts import PaceFacts, RateCount
from asterisk_plugin.store import keys
from asterisk_plugin.store.records import whole_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asterisk_plugin.ports import PaceQuery

LANDED_MS = 60_000
"""A call that has ended stays under way so long at most: until then its end is counted."""

_OUTCOMES = tuple(Outcome)


def pace_keys(query: PaceQuery) -> tuple[str, ...]:
    """Its keys: marker, calls under way, and the days of the longest window."""
    campaign = query.campaign
    days = max((limit.days for limit in query.limits), key=len, default=())
    return (
        keys.ready(keys.bucket_of_campaign(campaign)),
        keys.flights(campaign),
        *(keys.campaign_day(campaign, query.zone, day.isoformat()) for day in days),
    )


def pace_args(query: PaceQuery) -> list[str | int]:
    """Its arguments after the ledger."""
    args: list[str | int] = [query.attempt_id, whole_ms(query.lifetime_s), MOST_AT_ONCE, len(_OUTCOMES), *_OUTCOMES]
    for limit in query.limits:
        args += (len(limit.days), worst_cost(limit.value))
        args += (cost(limit.value, outcome) for outcome in _OUTCOMES)
    return args


def read_pace(query: PaceQuery, reply: Sequence[Any]) -> PaceFacts:
    """Its reply as facts."""
    in_flight, has_room, reserved, counts = reply
    size = len(_OUTCOMES)
    ended = [counts[at : at + size] for at in range(0, len(counts), size)]
    return PaceFacts(
        in_flight=in_flight,
        counts=tuple(
            RateCount(
                limit.id,
                limit.first_day,
                {outcome.value: count for outcome, count in zip(_OUTCOMES, found, strict=True) if count},
            )
            for limit, found in zip(query.limits, ended, strict=True)
        ),
        has_room=bool(has_room),
        reserved=bool(reserved),
    )
