"""What a `[[queue]]` says wrongly about the rest of campaigns.toml, and about the law."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from asterisk_plugin.core.number import LineType, PhoneNumber, parse_number
from asterisk_plugin.core.queue_law import country_of, queue_law, shortest_period
from asterisk_plugin.core.site import AtLimit
from asterisk_plugin.settings.explain import did_you_mean, shown
from asterisk_plugin.settings.files import dotted
from asterisk_plugin.settings.raw import duplicates, entries, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asterisk_plugin.core.rulebook import Rulebook
    from asterisk_plugin.errors import ConfigProblem
    from asterisk_plugin.settings.files import ConfigFile

Path = tuple[str | int, ...]


def queue_problems(
    file: ConfigFile, home_country: str, rulebooks: Mapping[str, Rulebook] | None
) -> Iterator[ConfigProblem]:
    """Find what the queues say wrongly about everything else.

    Args:
        file: What was read of campaigns.toml.
        home_country: Country in which numbers in national form are read.
        rulebooks: By country, None when some could not be read: what depends on them is not checked.
    """
    principals = {name: entry for _, entry in entries(file, "principal") if (name := text_of(entry, "id"))}
    campaigns = {
        name: text_of(entry, "principal") for _, entry in entries(file, "campaign") if (name := text_of(entry, "id"))
    }
    yield from duplicates(file, "queue", "id", str.casefold)  # Asterisk does not tell `Sales` from `sales`
    taken: dict[str, Path] = {}
    for place, entry in entries(file, "queue"):
        path = ("queue", place)
        principal = text_of(entry, "principal")
        if principal and principal not in principals:
            yield file.problem((*path, "principal"), shown(principal), f"must be {did_you_mean(principal, principals)}")
        yield from _number_problems(file, path, texts_of(entry, "numbers"), home_country=home_country, taken=taken)
        yield from _call_back_problems(file, path, entry, campaigns)
        if rulebooks is not None:
            yield from _period_problems(
                file, place, home_country=home_country, principal=principals.get(principal, {}), rulebooks=rulebooks
            )


def _number_problems(
    file: ConfigFile, path: Path, texts: list[str], *, home_country: str, taken: dict[str, Path]
) -> Iterator[ConfigProblem]:
    for index, text in enumerate(texts):
        key = (*path, "numbers", index)
        number = parse_number(text, home_country)
        if not isinstance(number, PhoneNumber):
            yield file.problem(key, shown(text), f"must be a number that can be dialled: {number.why}")
        elif number.line_type is LineType.EMERGENCY:
            yield file.problem(key, shown(text), "must be a number of yours, not an emergency number")
        elif number.e164 in taken:
            queue = dotted(taken[number.e164])
            yield file.problem(key, shown(text), f"must be another number: this one leads to {queue} already")
        else:
            taken[number.e164] = path


def _call_back_problems(
    file: ConfigFile, path: Path, entry: dict[str, Any], campaigns: Mapping[str, str]
) -> Iterator[ConfigProblem]:
    principal, campaign = text_of(entry, "principal"), text_of(entry, "call_back_campaign")
    own = [name for name, owner in campaigns.items() if owner == principal] or campaigns
    if campaign and campaign not in campaigns:
        allowed = f"must be {did_you_mean(campaign, own)}"
        yield file.problem((*path, "call_back_campaign"), shown(campaign), allowed)
    elif campaign and principal in campaigns.values() and campaigns[campaign] != principal:
        allowed = f"must be a campaign of `{principal}`: {did_you_mean(campaign, own)}"
        yield file.problem((*path, "call_back_campaign"), shown(campaign), allowed)
    elif not entry.get("call_back_campaign") and entry.get("at_limit") == AtLimit.CALL_BACK:
        allowed = f"must be `{AtLimit.ANSWER}`, unless call_back_campaign says which campaign calls back"
        yield file.problem((*path, "at_limit"), shown(entry["at_limit"]), allowed)


def _period_problems(
    file: ConfigFile, place: int, *, home_country: str, principal: dict[str, Any], rulebooks: Mapping[str, Rulebook]
) -> Iterator[ConfigProblem]:
    """Held against what the rulebook says last, whatever the day: else a file that is right today would be refused on
    the day on which a value comes into force. Until then callers are told more often than they must be.
    """
    entry = file.tables["queue"][place]
    numbers = [parse_number(text, home_country) for text in texts_of(entry, "numbers")]
    usable = [number for number in numbers if isinstance(number, PhoneNumber)]
    rulebook = rulebooks.get(country_of(usable, text_of(principal, "country")))
    period = entry.get("announce_every_s")
    if rulebook is None or not isinstance(period, int):  # left out, it is never longer than the law asks
        return
    law = queue_law(
        rulebook,
        sector=text_of(principal, "sector"),
        memberships=frozenset(texts_of(principal, "memberships")),
        day=dt.date.max,
        accepted=frozenset(),
    )
    duty = shortest_period(law, usable)
    longest = duty.value.every_s if duty is not None else None
    if duty is not None and longest is not None and period > longest:
        allowed = f"must be {longest} or less: {duty.source.text}, since {duty.since}"
        yield file.problem(("queue", place, "announce_every_s"), shown(period), allowed)
