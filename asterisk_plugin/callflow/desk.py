"""What other programs ask for over HTTP, read and done: enter an objection, look one up, send a call on."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asterisk_plugin.callflow.http_values import (
    attempt_of,
    choice_of,
    moment_before,
    moment_of,
    number_of,
    refuse_others,
    text_of,
    who_of,
    whole_of,
)
from asterisk_plugin.callflow.objections import MOST_WORDING_CHARS, Claim, id_of_claim
from asterisk_plugin.callflow.pacing import pace_of, pace_values
from asterisk_plugin.callflow.refusals import refuse
from asterisk_plugin.callflow.register import Page
from asterisk_plugin.callflow.transfer import transfer
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

CHANNELS = ("http", "agent")
MOST_BY_CHARS = 60
MOST_ENTRIES = 200
MOST_ROWS_PER_PAGE = 2000  # a filter that fits few must not read the whole ledger: the next page goes on
LOOK_UP_S = 0.3  # of the ledger, to say what a key was used for; without an answer it counts as unused
KEY_LIFETIME = dt.timedelta(hours=24)

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
        refuse_others(values, _ENTER)
        scope, number = self._scope(values), number_of(values, self._gate.site.home_country)
        claim = Claim(
            number=number.e164,
            scope=scope,
            at=moment_before(values, self._gate.clock()),
            channel="agent" if choice_of(values, "channel", CHANNELS, default="http") == "agent" else "http",
            certainty="stated",
            by=who_of(text_of(values, "by", most=MOST_BY_CHARS), token),
            wording=text_of(values, "wording", most=MOST_WORDING_CHARS),
            attempt_id=attempt_of(values),
        )
        if key:
            claim = await self._once(claim, f"http {token} {key}")
        taken = await self._objections.take(claim)
        found = {"id": taken.event_id, "reference": taken.reference, "number": claim.number, "scope": scope}
        return found | {"at": taken.at.isoformat(), "held": taken.held}

    async def refuse(self, values: Mapping[str, Any], *, token: str, key: str) -> Mapping[str, Any]:
        """Record that a person refused; see `refusals.refuse`."""
        return await refuse(self._gate, values, token=token, key=key)

    async def pace(self, campaign: str, asked: Mapping[str, str]) -> Mapping[str, Any] | None:
        """How many calls of a campaign may be started now without a reserved agent; None: there is no such campaign.

        Args:
            campaign: Its id.
            asked: `country`, for calls to this one only.

        Raises:
            InputError: A value cannot be used.
            StoreError: The store cannot say.
        """
        refuse_others(asked, frozenset({"country"}))
        country = text_of(asked, "country").upper()
        if country and country not in self._gate.site.rulebooks:
            raise InputError(f"there is no rulebook for `country` `{country[:40]}`")
        known = self._gate.site.campaigns.get(campaign)
        if known is None:
            return None
        return pace_values(known, await pace_of(self._gate, known, country), self._gate.clock())

    async def find(self, asked: Mapping[str, str]) -> Page:
        """Objections that somebody asks for, newest first.

        Args:
            asked: Any of `number`, `country`, `reference`, `scope`, `channel`, `by`, `state`, `since`, `until`,
                `text`, `review` (`1`), `limit` and `before`, as text.

        Raises:
            InputError: A value cannot be used.
            LedgerError: The ledger cannot be read.
        """
        refuse_others(asked, _FIND)
        if (number := asked.get("number", "")).startswith(" "):
            asked = {**asked, "number": f"+{number.lstrip()}"}  # a plus in an address means a blank
        async with self._one_at_a_time:
            return await self._find(asked)

    async def _find(self, asked: Mapping[str, str]) -> Page:
        state = choice_of(asked, "state", tuple(State))
        wanted = Wanted(
            scope=text_of(asked, "scope"),
            channel=text_of(asked, "channel"),
            by=text_of(asked, "by"),
            state=State(state) if state else None,
            since=moment_of(asked, "since"),
            until=moment_of(asked, "until"),
            text=text_of(asked, "text"),
            to_review=choice_of(asked, "review", ("0", "1")) == "1",
        )
        if asked.get("number"):
            number = number_of(asked, self._gate.site.home_country)
            return Page(_matching(await self._register.of_person(self._gate.tag(number.e164)), wanted))
        if asked.get("reference"):
            return Page(_matching(await self._register.named(text_of(asked, "reference")), wanted))
        most = whole_of(asked, "limit", most=MOST_ENTRIES, default=50)
        before = whole_of(asked, "before", most=2**62, default=0)
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
        refuse_others(values, frozenset({"channel", "asterisk"}))
        channel = text_of(values, "channel", most=200)
        if not channel:
            raise InputError("`channel` is missing")
        sent = await transfer(channel, self._asterisks(), asterisk=text_of(values, "asterisk"))
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

    def _scope(self, values: Mapping[str, Any]) -> str:
        principal, everyone = text_of(values, "principal"), values.get("everyone", False)
        if not isinstance(everyone, bool):
            raise InputError("`everyone` must be true or false")
        if bool(principal) == everyone:
            raise InputError("say whom the objection is against: `principal`, or `everyone`: true")
        if everyone:
            return EVERYONE
        if principal not in self._principals():
            raise InputError(f"there is no principal `{principal}`")
        return principal


def _matching(entries: Iterable[Entry], wanted: Wanted) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if wanted.matches(entry))
