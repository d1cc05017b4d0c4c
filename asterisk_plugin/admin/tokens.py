"""Who may use the API: bearer tokens, what each may do, and how often.

A token has 256 random bits, so its plain SHA-256 can be kept: there is nothing to guess. It is compared in
constant time, with every token that is known.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.settings.service import LOCAL_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asterisk_plugin.settings.service import TokenSettings

PREFIX = "rf_"
"""What every token begins with, so that one that was published is recognised."""

ENTER, READ, TRANSFER = "enter", "read", "transfer"

REFUSED_PER_S = 5.0
"""Requests with a wrong token that one address may make; further ones are not even looked at."""

MOST_ADDRESSES = 1000


def new_token() -> str:
    """A token that nobody can guess; it is shown once and never kept."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token: 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Client:
    """Who makes a request.

    Args:
        name: Name of the token.
        may: What it may do: `enter`, `read`, `transfer`.
    """

    name: str
    may: frozenset[str]


class Tokens:
    """The tokens that are known.

    Args:
        entries: Those of the configuration.
        local: The token of this machine's commands, which may do everything; empty for none.
    """

    def __init__(self, entries: Iterable[TokenSettings], *, local: str = "") -> None:
        self._local = local
        self._known: tuple[tuple[str, Client], ...] = ()
        self.replace(entries)

    def replace(self, entries: Iterable[TokenSettings]) -> None:
        """Know other tokens of the configuration from now on: after a reload."""
        known = [(entry.sha256, Client(entry.name, frozenset(entry.may))) for entry in entries]
        if self._local:
            known.append((digest_of(self._local), Client(LOCAL_TOKEN, frozenset({ENTER, READ, TRANSFER}))))
        self._known = tuple(known)

    def whose(self, authorization: str) -> Client | None:
        """Whose token an `Authorization` header holds; None for a wrong one, or none."""
        scheme, _, token = authorization.partition(" ")
        digest = digest_of(token.strip())
        found = None
        for known, client in self._known:  # all of them: how long it takes tells nothing
            if hmac.compare_digest(known, digest):
                found = client
        return found if scheme.lower() == "bearer" else None


class RateLimit:
    """So many requests a second for each name, twice as many at once.

    Args:
        per_s: Requests a second.
        clock: Seconds that only go forward.
        most_names: Names remembered; the one longest unused is forgotten first.
    """

    def __init__(self, per_s: float, *, clock: Callable[[], float], most_names: int = MOST_ADDRESSES) -> None:
        self._per_s = per_s
        self._burst = max(1.0, 2 * per_s)
        self._clock = clock
        self._most_names = most_names
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """How long this name has to wait, in seconds; 0 when the request may be made, and it is counted."""
        now = self._clock()
        left, at = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        if left < 1:
            return (1 - left) / self._per_s
        self._left[name] = (left - 1, now)
        self._left.move_to_end(name)
        if len(self._left) > self._most_names:
            self._left.popitem(last=False)
        return 0.0
