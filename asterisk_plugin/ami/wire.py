"""What goes over the AMI connection, as values: no socket, no clock."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from asterisk_plugin.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_MESSAGE_CHARS = 1_000_000
"""Longer than any message of Asterisk: a peer that never ends one is not an Asterisk."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")
_BREAKS = re.compile(r"[\r\n\0]")


class Utf8Stream:
    """Text out of bytes that arrive in pieces of any size.

    Asterisk writes UTF-8 and TCP cuts anywhere, so a character may arrive in two pieces.
    What is not UTF-8 becomes U+FFFD: it is seen, never silently dropped.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, data: bytes) -> str:
        """The characters that are complete so far; the rest is kept for the next piece."""
        return self._decoder.decode(data)


def checked_action(name: str, fields: Mapping[str, str]) -> dict[str, str]:
    """An action's fields, `Action` first.

    Args:
        name: The action, `Hangup`.
        fields: Its fields, without `Action` and `ActionID`.

    Raises:
        LocalProtocolError: A line break or NUL that would start another field or action, or a
            field name that is none.
    """
    action = {"Action": name, **fields}
    for key, value in action.items():
        if not _NAME.fullmatch(key):
            raise LocalProtocolError(f"AMI action `{name[:40]!r}`: `{key[:40]!r}` is not a field name")
        if _BREAKS.search(value):
            # The value itself may be a secret, so it is not shown.
            raise LocalProtocolError(f"AMI action `{name[:40]!r}`: line break or NUL in field `{key}`")
    return action


def plain_fields(items: Iterable[tuple[str, str | list[str]]]) -> dict[str, str]:
    """A message as a plain dictionary; a field that came several times is joined with line feeds.

    Args:
        items: The message's (name, value) pairs as panoramisk gives them.
    """
    return {name: value if isinstance(value, str) else "\n".join(value) for name, value in items}
