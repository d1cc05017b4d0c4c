"""What is remembered of calls while they run: who passed the gate, whose end is still due, who watches them."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import StoreCorruptError
from asterisk_plugin.ports import CallTerms, DueEnd, PassedLeg
from asterisk_plugin.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asterisk_plugin.store.client import StoreClient

_is_attempt_id = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch
_encode = json.JSONEncoder(separators=(",", ":")).encode


class CallMarks:
    """The marks of running calls in Redis or Valkey.

    Args:
        client: The connection.
    """

    def __init__(self, client: StoreClient) -> None:
        self.client = client

    async def mark_passed(self, unique_id: str, leg: PassedLeg) -> None:
        """Remember for 24 hours that this trunk channel passed the gate, and what it dials for.

        Args:
            unique_id: Names the channel among those of every Asterisk; any text.
            leg: What it dials for.
        """
        value = _encode(astuple(leg))
        await self.client.execute("SET", keys.passed(unique_id), value, "PX", keys.PASSED_LIFETIME_MS)

    async def passed_leg(self, unique_id: str) -> PassedLeg | None:
        """What a trunk channel dials for; None when it did not pass the gate.

        Raises:
            StoreCorruptError: What is kept cannot be read.
            StoreError: The store cannot answer in time.
        """
        value = await self.client.execute("GET", keys.passed(unique_id))
        if value is None:
            return None
        try:
            return _leg(json.loads(value))
        except (ValueError, TypeError) as exc:
            raise StoreCorruptError(f"the mark of a call that passed cannot be read: {exc!r}") from exc

    async def has_passed(self, unique_id: str) -> bool:
        """Tell whether this trunk channel passed the gate."""
        return bool(await self.client.execute("EXISTS", keys.passed(unique_id)))

    async def forget_passed(self, unique_id: str) -> None:
        """The trunk channel has ended."""
        await self.client.execute("DEL", keys.passed(unique_id))

    async def note_due(self, due: DueEnd) -> None:
        """Remember that the end of a leg is to be written down, by whoever finds out about it."""
        value = _encode([due.unique_id, due.channel, due.asterisk, due.passed_at.isoformat(), *astuple(due.leg)])
        await self.client.execute("HSET", keys.DUE, due.leg.attempt_id, value)
        await self.client.execute("PEXPIRE", keys.DUE, keys.RUNNING_LIFETIME_MS)

    async def due_ends(self) -> tuple[DueEnd, ...]:
        """The legs whose end is still to be written down, and that nobody follows; what cannot be read is left out."""
        flat = _flat(await self.client.execute("HGETALL", keys.DUE))
        found = []
        for text in flat[1::2]:
            try:
                found.append(_due(text))
            except (ValueError, TypeError):  # a later version's, which knows what to do with it
                continue
        return tuple(found)

    async def drop_due(self, attempt_id: str) -> None:
        """The end of an attempt is written down, or somebody follows its leg (`keep_call`)."""
        await self.client.execute("HDEL", keys.DUE, attempt_id)

    async def keep_call(self, asterisk: str, unique_id: str, call: str) -> None:
        """Remember a running call as text, so that a restarted service finds it."""
        await self.client.execute("HSET", keys.running(asterisk), unique_id, call)
        await self.client.execute("PEXPIRE", keys.running(asterisk), keys.RUNNING_LIFETIME_MS)

    async def drop_call(self, asterisk: str, unique_id: str) -> None:
        """A running call has ended and is recorded."""
        await self.client.execute("HDEL", keys.running(asterisk), unique_id)

    async def kept_calls(self, asterisk: str) -> dict[str, str]:
        """The calls remembered of one Asterisk, by unique id."""
        flat = _flat(await self.client.execute("HGETALL", keys.running(asterisk)))
        texts = [value.decode("utf-8", "backslashreplace") for value in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    async def show_watch(self, asterisk: str) -> None:
        """Note for some seconds that somebody sees every event of an Asterisk."""
        await self.client.execute("SET", keys.watched(asterisk), "1", "PX", keys.WATCH_LIFETIME_MS)

    async def is_watched(self, asterisk: str) -> bool:
        """Tell whether somebody sees every event of an Asterisk."""
        return bool(await self.client.execute("EXISTS", keys.watched(asterisk)))

    async def claim(self, what: str) -> bool:
        """Tell whether this process may do something that one of several is to do: the first that asks within an hour.

        Args:
            what: Names it, any text.
        """
        return bool(await self.client.execute("SET", keys.claim(what), "1", "NX", "PX", keys.CLAIM_LIFETIME_MS))


def _due(text: bytes) -> DueEnd:
    unique_id, channel, asterisk, passed_at, *values = json.loads(text)
    due = DueEnd(unique_id, channel, asterisk, dt.datetime.fromisoformat(passed_at), _leg(values))
    texts = (unique_id, channel, asterisk, due.leg.person, due.leg.campaign, due.leg.principal)
    if due.passed_at.tzinfo is None or not all(isinstance(each, str) for each in texts):
        raise ValueError(due)
    if not _is_attempt_id(due.leg.attempt_id):
        raise ValueError(due.leg)
    return due


def _leg(values: Sequence[Any]) -> PassedLeg:
    attempt_id, person, campaign, principal, terms = values
    return PassedLeg(attempt_id, person, campaign, principal, CallTerms(*terms))


def _flat(found: Any) -> list[bytes]:
    """Names and values of a hash in turn, whatever form the client gives them."""
    return [each for pair in found.items() for each in pair] if isinstance(found, dict) else list(found)
