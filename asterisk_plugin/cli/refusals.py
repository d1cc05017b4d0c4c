"""`ringfence refuse`: a person does not want a principal's offer now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asterisk_plugin.cli.given import given, say
from asterisk_plugin.cli.records import By, Country, Number, desk_of, record, say_when
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.explain import did_you_mean

if TYPE_CHECKING:
    from asterisk_plugin.cli.fields import Fields
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.ports import Event


def refuse(
    ctx: typer.Context,
    number: Number,
    campaign: Annotated[str, typer.Option(metavar="ID", help="The campaign whose offer was refused.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="When; default: now.")] = "",
    by: By = "",
    country: Country = "",
) -> None:
    """Record that a person refused an offer: where a law asks for a pause, this principal does not call meanwhile.

    It is no objection, which has no end: `ringfence object` records one.
    """
    from asterisk_plugin.cli.import_rows import take

    loaded = given(ctx).load()
    known = loaded.site.campaigns.get(campaign)
    if known is None:
        raise InputError(f"there is no campaign `{campaign[:40]}`; {did_you_mean(campaign, loaded.site.campaigns)}")
    desk = desk_of(loaded, country=country, channel="cli", by=by)
    event = take(lambda fields: _refusal(fields, known), {"number": number, "at": at}, desk)
    why = record(desk, event)
    assert isinstance(event.sealed, dict)
    say(f"{event.sealed['number']} refused an offer of {known.principal.name}")
    say_when(why)


def _refusal(fields: Fields, campaign: Campaign) -> Event | None:
    from asterisk_plugin.callflow.records import new_id, refusal_event

    at = fields.past_moment("at")
    if fields.problems or fields.number is None:
        return None
    return refusal_event(
        new_id(),
        person=fields.person(),
        number=fields.number.e164,
        principal=campaign.principal.id,
        campaign=campaign.id,
        at=at or fields.desk.now,
        channel=fields.desk.channel,
        by=fields.desk.by,
    )
