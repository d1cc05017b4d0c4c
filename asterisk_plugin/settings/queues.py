"""`[[queue]]` of campaigns.toml: queues in which callers wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from asterisk_plugin.core import site as core
from asterisk_plugin.settings.service import Section
from asterisk_plugin.settings.values import Id, Language, checked_number

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_LIMIT_S = 30
"""A shorter time leaves no room to say anything before the carrier ends the call."""

LONGEST_LIMIT_S = 3600

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


def _is_queue_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("1 to 40 of A-Z, a-z, 0-9, _ and -")
    return text


def _is_limit(seconds: int) -> int:
    if seconds != 0 and not SHORTEST_LIMIT_S <= seconds <= LONGEST_LIMIT_S:
        raise ValueError(f"a whole number from {SHORTEST_LIMIT_S} to {LONGEST_LIMIT_S}, or 0 when there is no limit")
    return seconds


class QueueEntry(Section):
    """`[[queue]]`: a queue of app_queue in which callers wait"""

    id: Annotated[str, AfterValidator(_is_queue_name)] = Field(description="its name in queues.conf")
    principal: Id = Field(description="for whom its calls are taken")
    language: Language = Field("en", description="language of what waiting callers are told")
    numbers: tuple[str, ...] = Field((), description="numbers that lead to it")
    unanswered: bool = Field(True, description="callers wait unanswered, and are not charged until an agent answers")
    fixed_price: bool = Field(False, description="a call to its numbers costs the same however long it lasts")
    announce_every_s: int = Field(60, ge=10, le=600, description="longest time between two announcements of the wait")
    carrier_limit_s: Annotated[int, AfterValidator(_is_limit)] = Field(
        120, description="the carrier ends an unanswered call after so many seconds; 0: it never does"
    )
    at_limit: core.AtLimit = Field(core.AtLimit.ANSWER, description="what is done before that")
    call_back_campaign: str = Field("", description="campaign that calls back who asks for it; empty: not offered")
    objection_key: bool = Field(True, description="the objection line is offered too")


def build_queue(
    entry: QueueEntry,
    home_country: str,
    principals: Mapping[str, core.Principal],
    campaigns: Mapping[str, core.Campaign],
) -> core.Queue:
    """Turn a checked entry into a value.

    Args:
        entry: What the file says.
        home_country: Country in which numbers in national form are read.
        principals: By id.
        campaigns: By id.
    """
    return core.Queue(
        id=entry.id,
        principal=principals[entry.principal],
        language=entry.language,
        numbers=tuple(checked_number(text, home_country) for text in entry.numbers),
        unanswered=entry.unanswered,
        fixed_price=entry.fixed_price,
        announce_every_s=entry.announce_every_s,
        carrier_limit_s=entry.carrier_limit_s,
        at_limit=entry.at_limit,
        call_back=campaigns[entry.call_back_campaign] if entry.call_back_campaign else None,
        objection_key=entry.objection_key,
    )
