"""What other programs ask for over HTTP, read and done: enter an objection, look one up, send a call on."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import phonenumbers

from asterisk_plugin.callflow.objections import MOST_WORDING_CHARS, Claim, id_of_claim
from asterisk_plugin.callflow.register import Page
from asterisk_plugin.callflow.transfer import transfer
from asterisk_plugin.core.number import PhoneNumber, parse_number
from asterisk_plugin.core.register import State, Wanted
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.objections import Objections
    from asterisk_plugin.callflow.register import Register
    from asterisk_plugin.callflow.transfer import WatchedTrunks
    from asterisk_plugin.core.register import Entry
    from asterisk_plugin.core.site import Principal

LOCAL = "local"
"""The token of this machine's own commands: whoever types one says who they are, or does not."""

CHANNELS = ("http", "agent")
MOST_BY_CHARS = 60
MOST_ENTRIES = 200
MOST_ROWS_PER_PAGE = 2000  # a filter that fits few must not read the whole ledger: the next page goes on
LOOK_UP_S = 0.3  # of the ledger, to say what a key was used for; without an answer it counts as unused
KEY_LIFETIME = dt.timedelta(hours=24)
OLDEST = dt.timedelta(days=30)  # a moment further back is a mistake: old objections are imported
CLOCK_SKEW = dt.timedelta(minutes=5)
"""So much another machine's clock may be ahead of ours; a moment further ahead is a mistake."""

_ENTER = frozenset({"number", "country", "principal", "everyone", "wording", "by", "channel", "at", "attempt"})
_FIND = frozenset(
    {"number", "country", "reference", "scope", "channel", "by", "state", "since", "until", "text", "review"}
    | {"limit", "before"}
)


class Desk:
    """Does what the API asks for.

    Args:
        gate: Knows the site in force, the secret and the time.
        objections: Takes them.
        register: Looks them up.
        principals: Those of the configuration in force, by id.
        asterisks: Every Asterisk that calls can be sent on at.
    """

    def __init__(
        self,
        gate: Gate,
        objections: Objections,
        register: Register,
        *,
        principals: Callable[[], Mapping[str, Principal]],
        asterisks: Callable[[], Sequence[WatchedTrunks]],
    ) -> None:
        self._gate = gate
        self._objections = objections
        self._register = register
        self._principals = principals
        self._asterisks = asterisks
        # A look-up may read much; calls use the same readers of the ledger, and need one that is free.
        self._one_at_a_time = asyncio.Semaphore(1)

    async def enter(self, values: Mapping[str, Any], *, token: str, key: str) -> Mapping[str, Any]:
        """Record an objection that somebody heard.

        Args:
            values: `number`, `principal` or `everyone`; where known `country`, `wording`, `by`, `channel`
                (`http` or `agent`), `at`, and `attempt`, the token of the attempt it was heard in.
            token: Name of the token it came with.
            key: Names the request: with the same one, the same objection is recorded once within `KEY_LIFETIME`,
                unless it was withdrawn meanwhile, or something else was said. Empty for none.

        Returns:
            `id`, `reference`, `number`, `scope`, `at` and where it is `held`: `ledger`, or `spool` while that is away.

        Raises:
            InputError: A value cannot be used.
            NotRecordedError: It is nowhere on disk.
        """
        _refuse_others(values, _ENTER)
        scope, number = self._scope(values), self._number(values)
        claim = Claim(
            number=number.e164,
            scope=scope,
            at=self._at(values),
            channel="agent" if _choice(values, "channel", CHANNELS, default="http") == "agent" else "http",
            certainty="stated",
            by=_who(_text(values, "by", most=MOST_BY_CHARS), token),
            wording=_text(values, "wording", most=MOST_WORDING_CHARS),
            attempt_id=_attempt(values),
        )
        if key:
            claim = await self._once(claim, f"http {token} {key}")
        taken = await self._objections.take(claim)
        found = {"id": taken.event_id, "reference": taken.reference, "number": claim.number, "scope": scope}
        return found | {"at": taken.at.isoformat(), "held": taken.held}

    async def find(self, asked: Mapping[str, str]) -> Page:
        """Objections that somebody asks for, newest first.

        Args:
            asked: Any of `number`, `country`, `reference`, `scope`, `channel`, `by`, `state`, `since`, `until`,
                `text`, `review` (`1`), `limit` and `before`, as text.

        Raises:
            InputError: A value cannot be used.
            LedgerError: The ledger cannot be read.
        """
        _refuse_others(asked, _FIND)
        if (number := asked.get("number", "")).startswith(" "):
            asked = {**asked, "number": f"+{number.lstrip()}"}  # a plus in an address means a blank
        async with self._one_at_a_time:
            return await self._find(asked)

    async def _find(self, asked: Mapping[str, str]) -> Page:
        state = _choice(asked, "state", tuple(State))
        wanted = Wanted(
            scope=_text(asked, "scope"),
            channel=_text(asked, "channel"),
            by=_text(asked, "by"),
            state=State(state) if state else None,
            since=_moment(asked, "since"),
            until=_moment(asked, "until"),
            text=_text(asked, "text"),
            to_review=_choice(asked, "review", ("0", "1")) == "1",
        )
        if asked.get("number"):
            return Page(_matching(await self._register.of_person(self._gate.tag(self._number(asked).e164)), wanted))
        if asked.get("reference"):
            return Page(_matching(await self._register.named(_text(asked, "reference")), wanted))
        most = _whole(asked, "limit", most=MOST_ENTRIES, default=50)
        before = _whole(asked, "before", most=2**62, default=0)
        return await self._register.page(wanted, before=before, most=most, most_rows=MOST_ROWS_PER_PAGE)

    async def named(self, name: str) -> Sequence[Entry]:
        """Objections with this id or reference; raises LedgerError."""
        if not name.isascii() or not name.isalnum():
            return ()
        async with self._one_at_a_time:
            return await self._register.named(name[:40].lower())

    async def transfer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send the person of a running call to the objection line.

        Args:
            values: `channel`, the agent's or the person's own; `asterisk` where several have one of that name.

        Returns:
            `asterisk`, and `channel`: the person's leg.

        Raises:
            InputError: A value cannot be used, or there is no such call.
            ManagerError: An Asterisk cannot be asked, or refused.
        """
        _refuse_others(values, frozenset({"channel", "asterisk"}))
        channel = _text(values, "channel", most=200)
        if not channel:
            raise InputError("`channel` is missing")
        sent = await transfer(channel, self._asterisks(), asterisk=_text(values, "asterisk"))
        return {"asterisk": sent.asterisk, "channel": sent.channel}

    async def _once(self, claim: Claim, call: str) -> Claim:
        """The claim as it was recorded under this name before; as one that was not, where it is another one."""
        try:
            async with asyncio.timeout(LOOK_UP_S):
                recorded = {one.id: one for one in await self._register.of_person(self._gate.tag(claim.number))}
        except (LedgerError, TimeoutError):
            # One objection more does no harm; one that was lifted and is confirmed as standing does.
            return claim
        name, again = call, 0
        while before := recorded.get(id_of_claim(self._gate.secret, named := replace(claim, call=name))):
            is_same = not before.withdrawn and before.wording == claim.wording
            if is_same and abs(claim.at - before.at) < KEY_LIFETIME:
                return replace(named, at=before.at)
            again += 1
            name = f"{call}\n{again}"  # a line break can be in no key
        return named

    def _number(self, values: Mapping[str, Any]) -> PhoneNumber:
        text, country = _text(values, "number", most=40), _text(values, "country").upper()
        if not text:
            raise InputError("`number` is missing")
        if country and country not in phonenumbers.SUPPORTED_REGIONS:
            raise InputError(f"`country` `{country}` is none; two letters such as NL are")
        number = parse_number(text, country or self._gate.site.home_country)
        if isinstance(number, PhoneNumber) and number.time_zones:
            return number
        why = "it is nobody's own number" if isinstance(number, PhoneNumber) else number.why
        raise InputError(f"`number` `{text}` cannot be used: {why}")

    def _scope(self, values: Mapping[str, Any]) -> str:
        principal, everyone = _text(values, "principal"), values.get("everyone", False)
        if not isinstance(everyone, bool):
            raise InputError("`everyone` must be true or false")
        if bool(principal) == everyone:
            raise InputError("say whom the objection is against: `principal`, or `everyone`: true")
        if everyone:
            return EVERYONE
        if principal not in self._principals():
            raise InputError(f"there is no principal `{principal}`")
        return principal

    def _at(self, values: Mapping[str, Any]) -> dt.datetime:
        now = self._gate.clock()
        at = _moment(values, "at")
        if at is None:
            return now
        if at > now + CLOCK_SKEW:
            raise InputError("`at` lies in the future")
        if at < now - OLDEST:
            raise InputError(f"`at` lies more than {OLDEST.days} days back; import older objections from a file")
        return min(at, now)


def _who(by: str, token: str) -> str:
    """Who entered it: the one who was named, and always which token it came with."""
    if token == LOCAL:
        return by
    return f"{by} ({token})" if by else token


def _matching(entries: Iterable[Entry], wanted: Wanted) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if wanted.matches(entry))


def _refuse_others(values: Mapping[str, Any], known: frozenset[str]) -> None:
    # A filter with a spelling mistake would show everybody.
    if strangers := sorted(values.keys() - known):
        names = ", ".join(f"`{name}`" for name in sorted(known))
        raise InputError(f"`{strangers[0][:40]}` is unknown; known: {names}")


def _text(values: Mapping[str, Any], name: str, *, most: int = 100) -> str:
    text = values.get(name, "")
    if not isinstance(text, str):
        raise InputError(f"`{name}` must be text")
    if len(text) > most:
        raise InputError(f"`{name}` has {len(text)} characters; at most {most} are allowed")
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        raise InputError(f"`{name}` has control characters")
    return text.strip()


def _choice(values: Mapping[str, Any], name: str, allowed: Sequence[str], *, default: str = "") -> str:
    text = _text(values, name) or default
    if text and text not in allowed:
        raise InputError(f"`{name}` `{text[:40]}` is unknown; it must be one of {', '.join(allowed)}")
    return text


def _moment(values: Mapping[str, Any], name: str) -> dt.datetime | None:
    text = _text(values, name)
    if not text:
        return None
    try:
        if (moment := dt.datetime.fromisoformat(text)).tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"`{name}` `{text}` is no moment; write it with its zone: 2026-11-24T11:00:00+01:00")


def _whole(values: Mapping[str, Any], name: str, *, most: int, default: int) -> int:
    text = _text(values, name)
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or not 0 < int(text) <= most:
        raise InputError(f"`{name}` must be a whole number from 1 to {most}")
    return int(text)


def _attempt(values: Mapping[str, Any]) -> str:
    text = _text(values, "attempt").lower()
    if text and (len(text) != 32 or not set(text) <= set("0123456789abcdef")):
        raise InputError("`attempt` must be the token of an attempt: 32 hex digits")
    return text
