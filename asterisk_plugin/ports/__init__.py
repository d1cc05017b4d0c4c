"""What the rim promises to the flows. Types only, no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.ports.calls import AgiRequest, Channel, Hearer, Sounds
from asterisk_plugin.ports.ledger import Event, EventKind, Ledger, Position, Projection, ProjectionState, StoredEvent
from asterisk_plugin.ports.store import CallTerms, DueEnd, LookUp, PaceQuery, PassedLeg, Redeemed, Redemption, Store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    Clock = Callable[[], dt.datetime]
    """Returns the present moment, time-zone-aware, UTC."""

__all__ = [
    "AgiRequest",
    "CallTerms",
    "Channel",
    "Clock",
    "DueEnd",
    "Event",
    "EventKind",
    "Hearer",
    "Ledger",
    "LookUp",
    "PaceQuery",
    "PassedLeg",
    "Position",
    "Projection",
    "ProjectionState",
    "Redeemed",
    "Redemption",
    "Sounds",
    "Store",
    "StoredEvent",
]
