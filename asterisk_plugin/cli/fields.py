"""The texts of one record, in a person's words: a line of a file, or the options of a command.

Rule 1: every mistake of a record is found, each with what is allowed.
Rule 2: nothing is guessed: what a permission is worth depends on each of its fields.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asterisk_plugin.callflow import records
from asterisk_plugin.cli.given import read_number
from asterisk_plugin.cli.moments import parse_day, parse_moment, zone_of
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.explain import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.cli.opened import Keys
    from asterisk_plugin.core.number import PhoneNumber
    from asterisk_plugin.ports import EventKind
    from asterisk_plugin.settings.load import Loaded

MAX_NAME_CHARS = 60
MAX_TEXT_CHARS = 4000


def unprintable(text: str) -> list[str]:
    """The characters of a text that could steer a terminal, or show it as another: all but line breaks and tabs."""
    plain = text.replace("\r\n", "\n")
    return [one for one in plain if one not in "\n\t" and not one.isprintable() and unicodedata.category(one) != "Zs"]


def visible(text: str) -> str:
    """The same text with those characters written out as Python writes them."""
    plain = text.replace("\r\n", "\n")
    for one in set(unprintable(plain)):
        plain = plain.replace(one, one.encode("unicode_escape").decode())
    return plain


@dataclass(frozen=True, slots=True)
class Desk:
    """Where records are taken in.

    Args:
        loaded: The configuration: who the principals are.
        keys: The site's secret, for person tags and ids.
        country: Where numbers in national form belong.
        now: The moment of entry (aware).
        channel: How records come in: `cli`, `import`, `agent`.
        repeatable: The same content gets the same id, so that handing it in twice records it once.
        scope: Of objections that do not say whom they are against; empty: each must say so.
        by: Who enters them, where a record does not say so.
    """

    loaded: Loaded
    keys: Keys
    country: str
    now: dt.datetime
    channel: str
    repeatable: bool = False
    scope: str = ""
    by: str = ""


class Fields:
    """The texts of one record, read with a note of everything that is wrong with them."""

    def __init__(self, values: Mapping[str, str], desk: Desk) -> None:
        self.desk = desk
        self.problems = [
            f"{name} has a character that cannot be printed, U+{ord(found[0]):04X}; line breaks and tabs are allowed"
            for name, text in values.items()
            if (found := unprintable(text))
        ]
        # What is wrong with a value is told with the value.
        self._values = {name: visible(text) if unprintable(text) else text for name, text in values.items()}
        self.number = self._number()

    def text(self, name: str, *, most: int = MAX_TEXT_CHARS) -> str:
        """Any text, empty when there is none."""
        text = self._values.get(name, "")
        if len(text) > most:
            self.problems.append(f"{name} has {len(text)} characters; at most {most} are allowed")
        return text

    def name(self, column: str) -> str:
        """A name that must be given and can be part of a key."""
        text = self.text(column, most=MAX_NAME_CHARS)
        if not text:
            self.problems.append(f"{column} is missing")
        elif "|" in text or not text.isprintable():
            self.problems.append(f"{column} `{text[:40]}` may not hold `|` or control characters")
        return text

    def principal(self) -> str:
        """The id of a configured principal."""
        return self.choice("principal", tuple(self.desk.loaded.principals))

    def choice(self, name: str, allowed: tuple[str, ...], *, default: str = "") -> str:
        """One of several words."""
        text = self._values.get(name, "") or default
        if not text:
            self.problems.append(f"{name} is missing; it is {did_you_mean('', allowed)}")
        elif text not in allowed:
            self.problems.append(f"{name} `{text[:40]}` is unknown; it must be {did_you_mean(text, allowed)}")
        return text

    def moment(self, name: str, *, end_of_day: bool = False) -> dt.datetime | None:
        """A moment, None when there is none; without a zone it is read in the number's."""
        text = self._values.get(name, "")
        try:
            return parse_moment(text, zone_of(self.number), end_of_day=end_of_day) if text else None
        except InputError as exc:
            self.problems.append(f"{name}: {exc}")
            return None

    def past_moment(self, name: str) -> dt.datetime | None:
        """A moment that cannot lie in the future."""
        moment = self.moment(name)
        if moment is not None and moment > self.desk.now:
            self.problems.append(f"{name} `{self._values[name][:40]}` lies in the future; it must be over")
        return moment

    def day(self, name: str) -> dt.date | None:
        """A date, None when there is none."""
        text = self._values.get(name, "")
        try:
            return parse_day(text) if text else None
        except InputError as exc:
            self.problems.append(f"{name}: {exc}")
            return None

    def require(self, name: str) -> None:
        """Note it when nothing is given."""
        if not self._values.get(name, ""):
            self.problems.append(f"{name} is missing")

    def in_order(self, first: Any, then: Any, what: str) -> None:
        """Note it when two moments or days are given the wrong way round."""
        if first is not None and then is not None and then < first:
            self.problems.append(what)

    def person(self) -> str:
        """The person tag of the number."""
        return "" if self.number is None else self.desk.keys.tag(self.number.e164)

    def event_id(self, kind: EventKind, content: Mapping[str, Any]) -> str:
        """An id made of the content, or a new one."""
        if not self.desk.repeatable:
            return records.new_id()
        return records.id_of_content(self.desk.keys.secret, kind, content)

    def _number(self) -> PhoneNumber | None:
        text = self._values.get("number", "")
        if not text:
            self.problems.append("number is missing")
            return None
        try:
            return read_number(text, self.desk.country)
        except InputError as exc:
            self.problems.append(f"number {exc}")
            return None
