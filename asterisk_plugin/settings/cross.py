"""What one entry of the configuration says about another: names that must exist, dates in order.

Rule 1: these checks read raw tables and step over whatever has the wrong shape, because the models
report that themselves; so one run finds every mistake of both kinds.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from asterisk_plugin.core.number import LineType, PhoneNumber, parse_number
from asterisk_plugin.settings.cross_queues import queue_problems
from asterisk_plugin.settings.environment import ami_secret_name
from asterisk_plugin.settings.explain import choices, did_you_mean, shown
from asterisk_plugin.settings.raw import (
    dates_in_order,
    duplicates,
    entries,
    setting,
    text_of,
    texts_of,
    unknown_in_list,
)
from asterisk_plugin.settings.service import AgiSettings, GateSettings, HttpSettings, StoreSettings
from asterisk_plugin.settings.site import DEFAULT_COUNTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asterisk_plugin.core.rulebook import Rulebook
    from asterisk_plugin.errors import ConfigProblem
    from asterisk_plugin.settings.files import ConfigFile

STORE_SCHEMES = ("redis://", "rediss://", "unix://", "sentinel://", "cluster://")
NEVER_DIALLED = frozenset({LineType.EMERGENCY, LineType.SHORT})
"""Line types that no caller ID can have."""


def service_problems(file: ConfigFile, rulebooks: Mapping[str, Rulebook] | None) -> Iterator[ConfigProblem]:
    """Find what the tables of ringfence.toml say wrongly about each other.

    Args:
        file: What was read.
        rulebooks: By country, None when some could not be read: what depends on them is not checked.
    """
    yield from _gate_problems(file, rulebooks)
    yield from _port_problems(file)
    yield from _allowed_problems(file)
    yield from _asterisk_problems(file)
    url = setting(file.tables, "store", "url", str)
    if url and not url.startswith(STORE_SCHEMES):
        yield file.problem(("store", "url"), shown(url), f"must start with {choices(STORE_SCHEMES)}")


def secret_problems(file: ConfigFile, environment: Mapping[str, str]) -> Iterator[ConfigProblem]:
    """Find AMI connections without a secret, and ports that other machines reach. A site may want that: warnings.

    Args:
        file: What was read of ringfence.toml.
        environment: Variables of the process.
    """
    for place, entry in entries(file, "asterisk"):
        name = text_of(entry, "name")
        variable = ami_secret_name(name)
        if name and not entry.get("secret") and not environment.get(variable):
            allowed = f"should be the AMI user's secret, here or in the environment as {variable}"
            yield file.problem(("asterisk", place, "secret"), "nothing", allowed)
    for table, section, allowed in (
        ("agi", AgiSettings, "should be 127.0.0.1, or a firewall should let only your Asterisks reach agi.port"),
        ("http", HttpSettings, "should be 127.0.0.1, behind a proxy with TLS: over plain HTTP tokens travel in clear"),
    ):
        host = setting(file.tables, table, "host", str, section)
        if host is not None and not is_loopback(host):
            yield file.problem((table, "host"), shown(host), allowed)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host; a name other than `localhost` may be any machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def campaign_problems(file: ConfigFile, rulebooks: Mapping[str, Rulebook] | None) -> Iterator[ConfigProblem]:
    """Find what the entries of campaigns.toml say wrongly about each other.

    Args:
        file: What was read.
        rulebooks: By country, None when some could not be read: what depends on them is not checked.
    """
    home_country = str(file.tables.get("home_country") or DEFAULT_COUNTRY)
    centre = setting(file.tables, "call_centre", "id", str) or "call-centre"
    principals = [name for _, entry in entries(file, "principal") if (name := text_of(entry, "id"))]
    yield from duplicates(file, "principal", "id")
    yield from duplicates(file, "campaign", "id")
    if rulebooks is not None:
        known = memberships(rulebooks)
        for place, entry in entries(file, "principal"):
            yield from unknown_in_list(file, ("principal", place), entry, "memberships", known)
    numbers = _Numbers(file, home_country)
    yield from numbers.problems
    yield from _caller_id_problems(file, [*principals, centre])
    yield from _campaign_problems(file, principals, numbers, home_country)
    yield from _objection_line_problems(file, home_country)
    yield from queue_problems(file, home_country, rulebooks)


def memberships(rulebooks: Mapping[str, Rulebook]) -> list[str]:
    """Every profile that a principal may be a member of, `nl.code-telemarketing`."""
    return [
        profile if "." in profile else f"{country.lower()}.{profile}"
        for country, rulebook in rulebooks.items()
        for profile in rulebook.profiles
    ]


def _gate_problems(file: ConfigFile, rulebooks: Mapping[str, Rulebook] | None) -> Iterator[ConfigProblem]:
    gate = file.tables.get("gate", {})
    if not isinstance(gate, dict):
        return
    line_types = [str(kind) for kind in LineType if kind is not LineType.EMERGENCY]
    yield from unknown_in_list(file, ("gate",), gate, "never_call", line_types)
    if rulebooks is not None:
        recalled = [name for rulebook in rulebooks.values() for name in rulebook.recall]
        yield from unknown_in_list(file, ("gate",), gate, "accepted_unchecked", recalled)
    timeout = setting(file.tables, "store", "timeout_ms", int, StoreSettings)
    deadline = setting(file.tables, "gate", "deadline_ms", int, GateSettings)
    if timeout is not None and deadline is not None and timeout >= deadline:
        yield file.problem(
            ("store", "timeout_ms") if "store" in file.tables else ("gate", "deadline_ms"),
            f"a store.timeout_ms of `{timeout}` and a gate.deadline_ms of `{deadline}`",
            "the first must be less than the second: else a silent store is noticed too late to say so",
        )


def _port_problems(file: ConfigFile) -> Iterator[ConfigProblem]:
    agi = setting(file.tables, "agi", "port", int, AgiSettings)
    http = setting(file.tables, "http", "port", int, HttpSettings)
    hosts = {
        setting(file.tables, "agi", "host", str, AgiSettings),
        setting(file.tables, "http", "host", str, HttpSettings),
    }
    if agi and agi == http and len(hosts) == 1:
        yield file.problem(("http", "port"), shown(http), "must be another port than agi.port on the same address")


def _allowed_problems(file: ConfigFile) -> Iterator[ConfigProblem]:
    agi = file.tables.get("agi", {})
    for index, host in enumerate(texts_of(agi, "allow_from") if isinstance(agi, dict) else []):
        if not _is_host(host):
            allowed = "must be an address, a network such as `192.0.2.0/24`, or a name"
            yield file.problem(("agi", "allow_from", index), shown(host), allowed)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:  # a name has a letter in its last part, an address that was mistyped has none
        return re.fullmatch(r"([A-Za-z0-9_-]+\.)*(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]+\.?", text) is not None
    return True


def _asterisk_problems(file: ConfigFile) -> Iterator[ConfigProblem]:
    yield from duplicates(file, "asterisk", "name")
    for place, entry in entries(file, "asterisk"):
        for index, trunk in enumerate(texts_of(entry, "trunks")):
            technology, _, endpoint = trunk.partition("/")
            if not technology or not endpoint:
                path = ("asterisk", place, "trunks", index)
                yield file.problem(path, shown(trunk), "must be technology and endpoint, such as `PJSIP/carrier`")


def _caller_id_problems(file: ConfigFile, owners: list[str]) -> Iterator[ConfigProblem]:
    for place, entry in entries(file, "caller_id"):
        path = ("caller_id", place)
        owner = text_of(entry, "assigned_to")
        if owner and owner not in owners:
            yield file.problem((*path, "assigned_to"), shown(owner), f"must be {did_you_mean(owner, owners)}")
        yield from unknown_in_list(file, path, entry, "right_of_use", owners)
        yield from dates_in_order(file, path, entry, ("valid_from", "valid_until"))


def _campaign_problems(
    file: ConfigFile, principals: list[str], numbers: _Numbers, home_country: str
) -> Iterator[ConfigProblem]:
    for place, entry in entries(file, "campaign"):
        path = ("campaign", place)
        principal = text_of(entry, "principal")
        if principal and principal not in principals:
            yield file.problem((*path, "principal"), shown(principal), f"must be {did_you_mean(principal, principals)}")
        for index, text in enumerate(texts_of(entry, "caller_ids")):
            number = parse_number(text, home_country)
            if not isinstance(number, PhoneNumber) or number.e164 not in numbers.known:
                allowed = did_you_mean(text, numbers.known.values())
                yield file.problem(
                    (*path, "caller_ids", index), shown(text), f"must be the number of a [[caller_id]]: {allowed}"
                )
        yield from dates_in_order(file, path, entry, ("starts_on", "ends_on"))
        if entry.get("on_machine") == "warn" and entry.get("dial_mode", "manual") not in ("manual", "preview"):
            yield file.problem(
                (*path, "on_machine"),
                '"warn"',
                'must be "hang-up" or "off": no agent who dialled is there to be warned',
            )
        if text_of(entry, "presumed_interest") and entry.get("audience") != "company":
            yield file.problem(
                (*path, "presumed_interest"),
                f"a reason, and the audience `{entry.get('audience', 'consumer')}`",
                'must be left out, unless audience = "company": only of companies may consent be presumed',
            )


def _objection_line_problems(file: ConfigFile, home_country: str) -> Iterator[ConfigProblem]:
    path = ("objection_line", "call_back")
    text = setting(file.tables, *path, str)
    number = parse_number(text, home_country) if text else None
    if text and not isinstance(number, PhoneNumber):
        yield file.problem(path, shown(text), "must be a number that can be dialled, or be left out")
    elif isinstance(number, PhoneNumber) and number.line_type in NEVER_DIALLED:
        yield file.problem(path, shown(text), "must be a number that can be called from everywhere")


class _Numbers:
    """Every `[[caller_id]]`: known numbers as written, by E.164, and what is wrong with the others."""

    def __init__(self, file: ConfigFile, home_country: str) -> None:
        self.known: dict[str, str] = {}
        self.problems: list[ConfigProblem] = []
        for place, entry in entries(file, "caller_id"):
            if not (text := text_of(entry, "number")):
                continue
            path = ("caller_id", place, "number")
            number = parse_number(text, home_country)
            if not isinstance(number, PhoneNumber):
                self.problems.append(
                    file.problem(path, shown(text), f"must be a number that can be dialled: {number.why}")
                )
            elif number.line_type in NEVER_DIALLED:
                self.problems.append(
                    file.problem(path, shown(text), "must be a number that can be called back from everywhere")
                )
            elif number.e164 in self.known:
                self.problems.append(
                    file.problem(
                        path, shown(text), "must be another number: this one stands in an earlier [[caller_id]]"
                    )
                )
            else:
                self.known[number.e164] = text
