"""Refusals: a person does not want this principal's offer now. No objection: some laws ask for a pause.

A refusal is in the ledger before it is confirmed; decisions know of it as soon as the projector has brought it to the
store, a fraction of a second later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asterisk_plugin.callflow.http_values import moment_before, number_of, refuse_others, text_of, who_of
from asterisk_plugin.callflow.records import id_of_content, new_id, refusal_event
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate

MOST_BY_CHARS = 60
_KNOWN = frozenset({"number", "country", "campaign", "by", "at"})


async def refuse(gate: Gate, values: Mapping[str, Any], *, token: str, key: str) -> Mapping[str, Any]:
    """Record that a person refused.

    Args:
        gate: This node's gate.
        values: `number` and `campaign`; where known `country`, `by` and `at`.
        token: Name of the token it came with.
        key: Names the request: the same one records it once. Empty for none.

    Returns:
        `id`, `number`, `principal`, `campaign` and `at`.

    Raises:
        InputError: A value cannot be used.
        LedgerError: It is not on disk for certain.
    """
    refuse_others(values, _KNOWN)
    number, now = number_of(values, gate.site.home_country), gate.clock()
    campaign = gate.site.campaigns.get(name := text_of(values, "campaign"))
    if campaign is None:
        raise InputError(f"there is no campaign `{name[:40]}`" if name else "`campaign` is missing")
    at = moment_before(values, now)
    content = {"call": f"http {token} {key}", "number": number.e164, "campaign": campaign.id}
    event = refusal_event(
        id_of_content(gate.secret, EventKind.REFUSAL, content) if key else new_id(),
        person=gate.tag(number.e164),
        number=number.e164,
        principal=campaign.principal.id,
        campaign=campaign.id,
        at=at,
        channel="http",
        by=who_of(text_of(values, "by", most=MOST_BY_CHARS), token),
    )
    gate.ledger.check()
    await gate.ledger.append([event])
    found = {"id": event.id, "number": number.e164, "principal": campaign.principal.id, "campaign": campaign.id}
    return found | {"at": at.isoformat()}
