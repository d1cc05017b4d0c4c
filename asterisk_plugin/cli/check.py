"""`ringfence check`: would this call be made now, and why (not)?

Rule 1: no side effects: nothing is counted, reserved or recorded, and no file is made.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from asterisk_plugin.cli.given import console, given, say
from asterisk_plugin.cli.moments import parse_moment, zone_of
from asterisk_plugin.cli.opened import keys_to_read, store_of
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.verdict import Decision
from asterisk_plugin.errors import StoreError
from asterisk_plugin.ports import AgiRequest
from asterisk_plugin.settings.explain import did_you_mean

if TYPE_CHECKING:
    from asterisk_plugin.core.facts import AttemptFacts
    from asterisk_plugin.core.verdict import Finding, Source, Verdict
    from asterisk_plugin.settings.load import Loaded

EXIT_CODES = {Decision.ALLOW: 0, Decision.DEFER: 3, Decision.DENY: 4}
_COLOURS = {Decision.ALLOW: "green", Decision.DEFER: "yellow", Decision.DENY: "red"}
_SHOWN, _WITHHELD = 0, 32
"""`agi_callingpres` of a number that is shown, and of one that is not."""


def check(
    ctx: typer.Context,
    number: Annotated[str, typer.Argument(help="The number to call, as it would be dialled.")],
    campaign: Annotated[str, typer.Option(help="Campaign id.")],
    caller_id: Annotated[
        str, typer.Option(metavar="N", help="The number on the calling channel; without it the campaign's is used.")
    ] = "",
    withheld: Annotated[bool, typer.Option("--withheld", help="The calling channel withholds its number.")] = False,
    agent: Annotated[str, typer.Option(help="Agent id.")] = "",
    at: Annotated[
        str,
        typer.Option(metavar="TIME", help="Decide as if it were then: 2026-11-24T11:00, in the called number's zone."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain what would be decided for a call, and why; nothing is counted or recorded.

    Exit code 0: allowed, 3: not now, 4: not at all, 2: bad input.
    """
    loaded = given(ctx).load()
    called = parse_number(number, loaded.site.home_country)
    zone = zone_of(called if isinstance(called, PhoneNumber) else None)
    now = parse_moment(at, zone) if at else dt.datetime.now(dt.UTC)
    request = AgiRequest(
        script="attempt",
        arguments=(number, campaign, agent),
        caller_number=caller_id,
        calling_pres=_WITHHELD if withheld else _SHOWN,
    )
    facts, verdict = asyncio.run(explain(loaded, request, now))
    if as_json:
        say(json.dumps(_as_json(facts, verdict, now), indent=2, ensure_ascii=False))
    else:
        _print(facts, verdict, now.astimezone(zone))
    raise typer.Exit(EXIT_CODES[verdict.decision])


async def explain(loaded: Loaded, request: AgiRequest, now: dt.datetime) -> tuple[AttemptFacts, Verdict]:
    """Decide as the gate would, with the records of the running service, and leave no trace.

    Args:
        loaded: The configuration.
        request: What the dialplan would ask.
        now: The moment to decide for.

    Returns:
        What was known, and the verdict; without a store the verdict says so itself.
    """
    from asterisk_plugin.callflow.outbound import first_facts
    from asterisk_plugin.core import engine

    facts = first_facts(loaded.site, request, now)
    if isinstance(facts.called, PhoneNumber) and facts.campaign is not None and not engine.is_emergency(facts):
        facts = await _with_records(loaded, facts, now)
    return facts, engine.decide(facts, now)


async def _with_records(loaded: Loaded, facts: AttemptFacts, now: dt.datetime) -> AttemptFacts:
    from asterisk_plugin.callflow.deciding import look_up_query, slot_query
    from asterisk_plugin.core import engine

    assert isinstance(facts.called, PhoneNumber)
    assert facts.campaign is not None
    keys = keys_to_read(loaded)
    if keys is None:
        return replace(facts, records_fault=f"no service ever ran on data directory `{loaded.data_dir}`")
    person = keys.tag(facts.called.e164)
    hearing = engine.Hearing(facts, now)
    query = look_up_query(
        facts, now, limits=hearing.limits, person=person, reserve=False, attempt_id="", token_lifetime_s=1
    )
    slot = slot_query(hearing, facts, attempt_id="", token_lifetime_s=1)
    try:
        async with store_of(loaded) as store:
            pace = None if slot is None else await store.pace(slot)
            return replace(facts, records=await store.look_up(query), pace=pace)
    except StoreError as exc:
        return replace(facts, records_fault=str(exc))


def _as_json(facts: AttemptFacts, verdict: Verdict, now: dt.datetime) -> dict[str, Any]:
    from asterisk_plugin.callflow.evidence import verdict_to_json

    return {
        "dialled": facts.dialled,
        "number": facts.called.e164 if isinstance(facts.called, PhoneNumber) else "",
        "campaign": facts.campaign_id,
        "at": now.isoformat(),
        **verdict_to_json(verdict),
        "records_fault": facts.records_fault,
    }


def _print(facts: AttemptFacts, verdict: Verdict, now: dt.datetime) -> None:
    out = console()
    out.print(Text(f"{_called(facts)}, {_campaign(facts)}, {now:%a %Y-%m-%d %H:%M %Z}"))
    table = Table("rule", "finding", "what was found", "source", "checked")
    for finding in verdict.findings:
        table.add_row(*_row(finding))
    out.print(table)
    colour = _COLOURS[verdict.decision]
    line = Text(verdict.decision.name, style=f"bold {colour}")
    if verdict.reason:
        line.append(f"  {verdict.reason}", style=colour)
    if verdict.not_before is not None:
        line.append(f", not before {verdict.not_before.astimezone(now.tzinfo):%a %Y-%m-%d %H:%M %Z}", style="default")
    out.print(line)
    for note in _notes(facts, verdict):
        out.print(Text(note))


def _called(facts: AttemptFacts) -> str:
    if not isinstance(facts.called, PhoneNumber):
        return f"{facts.dialled}: no number"
    return f"{facts.called.e164} ({facts.called.country or 'no country'}, {facts.called.line_type})"


def _campaign(facts: AttemptFacts) -> str:
    if facts.campaign is None:
        known = did_you_mean(facts.campaign_id, facts.site.campaigns)
        return f"unknown campaign {facts.campaign_id} (known: {known})"
    return f"campaign {facts.campaign.id} of {facts.campaign.principal.name}"


def _notes(facts: AttemptFacts, verdict: Verdict) -> list[str]:
    duties = verdict.obligations
    notes = []
    if verdict.decision is Decision.ALLOW:
        shown = f"show {duties.show_number}, " if duties.show_number else ""
        notes.append(f"to keep: {shown}ring at least {duties.ring_min_s} s and at most {duties.ring_max_s} s")
    if verdict.unchecked:
        notes.append(f"could not be checked: {', '.join(verdict.unchecked)}")
    if facts.records_fault:
        notes.append(f"records were not read: {facts.records_fault}")
    notes += [f"a rule failed: {fault}" for fault in verdict.faults]
    version = f"rulebook {verdict.rulebook_version}, " if verdict.rulebook_version else ""
    return [*notes, f"{version}configuration {facts.site.version}"]


def _row(finding: Finding) -> tuple[Text, Text, Text, Text, Text]:
    decision = Text(finding.decision.name, style=_COLOURS[finding.decision])
    source, checked = _source(finding.source)
    return Text(finding.rule), decision, Text(finding.sentence), Text(source), Text(checked)


def _source(source: Source | None) -> tuple[str, str]:
    if source is None:
        return "", ""
    on = f" {source.checked_on}" if source.checked_on else ""
    return source.text, f"{source.confidence}{on}"
