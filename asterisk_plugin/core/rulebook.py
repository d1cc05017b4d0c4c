"""Reads a rulebook file; `core/law.py` says what it means."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import phonenumbers

from asterisk_plugin.core.calendar import has_holidays
from asterisk_plugin.core.fields import Fields, Problems, one_of
from asterisk_plugin.core.law import DatedValue, Parameter, Rulebook
from asterisk_plugin.core.parameters import Schedule
from asterisk_plugin.core.shapes import SHAPES, Shape, read_entry
from asterisk_plugin.core.verdict import Confidence, Source
from asterisk_plugin.errors import ConfigError

__all__ = ["Rulebook", "parse_rulebook"]

EVERYBODY = "all"
_PROFILE = re.compile(r"[a-z0-9-]{1,40}")
_LEGAL = (Confidence.SEEN_OFFICIAL, Confidence.SEEN, Confidence.RECALL)
_VERSION_CHARS = 12


def parse_rulebook(tables: dict[str, Any], *, file: str, text: str) -> Rulebook:
    """Read one country's rulebook.

    Args:
        tables: What `tomllib` made of the file.
        file: Its path, for messages.
        text: The file itself; its hash is the version.

    Raises:
        ConfigError: Everything that is wrong with the file, found in one go.
    """
    problems = Problems(file)
    top = Fields(tables, key="", problems=problems)
    country, name = top.text("country"), top.text("name")
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        top.note("country", country, "must be an ISO 3166-1 country code in capitals, `NL`")
    profiles = _profiles(top)
    top.end(EVERYBODY, "members")
    parameters = tuple(_parameters(tables, country=country, profiles=profiles, problems=problems))
    _check_holidays(parameters, country=country, problems=problems)
    if problems.found:
        raise ConfigError(problems.found)
    version = hashlib.sha256(text.encode()).hexdigest()[:_VERSION_CHARS]
    return Rulebook(
        country=country,
        name=name,
        version=f"{country}@{version}",
        profiles=MappingProxyType(profiles),
        parameters=MappingProxyType({parameter.name: parameter for parameter in parameters}),
        recall=tuple(parameter.name for parameter in parameters if _has_recall(parameter)),
    )


def _has_recall(parameter: Parameter) -> bool:
    return any(value.source.confidence is Confidence.RECALL for value in parameter.values)


def _profiles(top: Fields) -> dict[str, str]:
    table = Fields(top.raw("profiles", {}), key="profiles", problems=top.problems)
    raw = top.raw("profiles", {})
    names = [name for name in raw if isinstance(name, str)] if isinstance(raw, dict) else []
    for name in names:
        if not _PROFILE.fullmatch(name):
            table.note(name, name, "must be 1 to 40 of `a-z`, `0-9` and `-`")
    return {name: table.text(name) for name in names}


def _parameters(
    tables: dict[str, Any], *, country: str, profiles: Mapping[str, str], problems: Problems
) -> Iterator[Parameter]:
    everybody = tables.get(EVERYBODY)
    if everybody is None:
        problems.note(EVERYBODY, None, "must be given: what binds everybody")
    else:
        yield from _scope(everybody, key=EVERYBODY, country=country, profile="", problems=problems)
    members = tables.get("members", {})
    Fields(members, key="members", problems=problems)
    for profile, table in members.items() if isinstance(members, dict) else ():
        key = f"members.{profile}"
        if profile not in profiles:
            problems.note(key, profile, one_of(profiles) if profiles else "must be listed in `profiles`")
        yield from _scope(table, key=key, country=country, profile=profile, problems=problems)


def _scope(table: object, *, key: str, country: str, profile: str, problems: Problems) -> Iterator[Parameter]:
    fields = Fields(table, key=key, problems=problems)
    for name, shape in SHAPES.items():
        if fields.has(name):
            own = Fields(fields.raw(name), key=f"{key}.{name}", problems=problems)
            membership = f"{country.lower()}.{profile}" if profile else ""
            dotted = f"{country.lower()}.{key}.{name}"
            yield _parameter(own, shape, name=dotted, shape_name=name, profile=membership)
    fields.end(*SHAPES)


def _parameter(fields: Fields, shape: Shape, *, name: str, shape_name: str, profile: str) -> Parameter:
    description = fields.text("description")
    unit = fields.text("unit")
    if unit and unit != shape.unit:
        fields.note("unit", unit, f"must be `{shape.unit}`")
    checked_on = fields.day("checked_on")
    values = [
        _value(
            Fields(table, key=f"{fields.path('values')}[{place}]", problems=fields.problems),
            shape,
            checked_on,
        )
        for place, table in enumerate(fields.items("values", empty=False))
    ]
    fields.end()
    days = [value.since for value in values if value.since != dt.date.max]
    for place, value in enumerate(values):
        if value.since in days[:place]:
            fields.note(f"values[{place}].since", value.since, "must be another day: a value of that day is there")
    ordered = tuple(sorted(values, key=lambda value: value.since))
    return Parameter(name, shape_name, profile, description, checked_on, ordered)


def _value(fields: Fields, shape: Shape, checked_on: dt.date) -> DatedValue:
    confidence = fields.choice("confidence", Confidence)
    if confidence not in _LEGAL:
        fields.note("confidence", confidence.value, one_of(level.value for level in _LEGAL))
    since, note, href = fields.day("since"), fields.text("note", ""), fields.raw("href")
    if href is not None and not isinstance(href, str):
        fields.note("href", href, "must be a text, empty when no address is known")
    source = Source(fields.text("source"), str(href or ""), confidence, checked_on)
    entries: tuple[Any, ...] | None = None
    if fields.yes("repealed", default=False):
        if fields.has("value"):
            fields.note("value", "a value", "must not be given when the parameter is repealed")
    else:
        entries = tuple(_entries(fields, shape))
    fields.end("value")
    return DatedValue(since, entries, source, note)


def _entries(fields: Fields, shape: Shape) -> Iterator[Any]:
    raw = fields.raw("value")
    if raw is None:
        return
    for place, table in enumerate(raw if isinstance(raw, list) else [raw]):
        key = f"{fields.path('value')}[{place}]" if isinstance(raw, list) else fields.path("value")
        yield read_entry(Fields(table, key=key, problems=fields.problems), shape)
    if raw == []:
        fields.note("value", "[]", "must hold an entry; say `repealed = true` when there is none any more")


def _check_holidays(parameters: tuple[Parameter, ...], *, country: str, problems: Problems) -> None:
    for parameter in parameters:
        for value in parameter.values:
            for entry in value.entries or ():
                if not isinstance(entry, Schedule) or (entry.holiday is None and entry.eve is None):
                    continue
                for region in entry.holiday_regions or ("",):
                    if not has_holidays(country, region):
                        place = f"{country}-{region}" if region else country
                        key = parameter.name.partition(".")[2]
                        problems.note(key, place, "must be a country and region with a known holiday calendar")
