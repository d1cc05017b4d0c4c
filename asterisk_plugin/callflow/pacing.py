"""How much a dialer may over-dial: how many calls of a campaign may be started now without a reserved agent.

Every such call asks the gate for itself all the same; this only spares a dialer attempts that would be deferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.campaign_rates import campaign_limits, home_zone, may_overdial, rate_state
from asterisk_plugin.core.verdict import Reason
from asterisk_plugin.errors import LedgerUnavailableError, StoreError
from asterisk_plugin.ports import PaceQuery

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.core.campaign_rates import RateState
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.ports import Channel


@dataclass(frozen=True, slots=True)
class Pace:
    """What a dialer may do.

    Args:
        more: So many calls may be started now without a reserved agent.
        reason: Why none may: the id of the reason that such an attempt would get; empty when some may.
        in_flight: Calls of the campaign without a reserved agent that are under way.
        limits: Where the campaign stands with each limit.
    """

    more: int
    reason: str = ""
    in_flight: int = 0
    limits: tuple[RateState, ...] = ()


async def pace(gate: Gate, channel: Channel) -> None:
    """The `pace` script: tell a dialer how many calls it may start without a reserved agent.

    Args:
        gate: This node's gate.
        channel: Arguments: campaign id, country (ISO 3166-1; empty: the strictest of all that it may call). Sets
            `RINGFENCE_PACE_REASON`, and last `RINGFENCE_PACE`: a number, 0 whenever that cannot be said.
    """
    campaign_id, country, *_ = (*channel.request.arguments, "", "")
    campaign = gate.site.campaigns.get(campaign_id)
    try:
        found = Pace(0, Reason.CAMPAIGN_UNKNOWN) if campaign is None else await pace_of(gate, campaign, country.upper())
    except StoreError as exc:
        gate.observer.fault("pace", exc)
        found = Pace(0, Reason.STORE_UNAVAILABLE)
    except Exception as exc:  # noqa: BLE001 - the boundary: a fault of ours must not become a number
        gate.observer.fault("pace", exc)
        found = Pace(0, Reason.INTERNAL_ERROR)
    await channel.set_variables({"RINGFENCE_PACE_REASON": found.reason, "RINGFENCE_PACE": str(found.more)}, last=True)


async def pace_of(gate: Gate, campaign: Campaign, country: str = "") -> Pace:
    """How many calls of a campaign may be started now without a reserved agent.

    Args:
        gate: This node's gate.
        campaign: The campaign.
        country: Only of calls to this one; empty: the strictest of all that it may call.

    Raises:
        StoreError: The store cannot say.
    """
    site, now = gate.site, gate.clock()
    limits = campaign_limits(site, campaign, now, country=country)
    if limits is None:
        return Pace(0, Reason.NO_RULEBOOK)
    query = PaceQuery(campaign=campaign.id, limits=limits, zone=home_zone(site.home_country))
    facts = await gate.store.pace(query)
    states = tuple(
        rate_state(limit, count.ended, facts.in_flight) for limit, count in zip(limits, facts.counts, strict=True)
    )
    more = may_overdial(states, facts, now)
    reason = "" if more else str(Reason.ABANDONED_RATE)
    try:
        gate.check_recordable()
    except LedgerUnavailableError:
        more, reason = 0, str(Reason.EVIDENCE_UNAVAILABLE)
    return Pace(more, reason, facts.in_flight, states)


def pace_values(campaign: Campaign, found: Pace, at: dt.datetime) -> Mapping[str, Any]:
    """A pace as JSON-able values.

    Args:
        campaign: The campaign.
        found: What was found.
        at: When.
    """
    return {
        "campaign": campaign.id,
        "at": at.isoformat(),
        "may_overdial": found.more,
        "reason": found.reason,
        "in_flight": found.in_flight,
        "limits": [_limit_values(state) for state in found.limits],
    }


def _limit_values(state: RateState) -> Mapping[str, Any]:
    limit = state.limit
    return {
        "id": limit.id,
        "source": limit.source.text,
        "numerator": state.abandoned,
        "denominator": state.of,
        "of": limit.value.of.value,
        "share_percent": round(state.share_percent, 3),
        "max_share_percent": limit.value.max_share_percent,
        "may_overdial": state.left,
        "window_start": limit.starts_at.isoformat(),
        "window_end": limit.ends_at.isoformat(),
    }
