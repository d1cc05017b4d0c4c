"""What the law asks of a queue in which callers wait, and whether a queue as configured keeps it.

Rule 1: inbound fails open. What the law says here is told to the admin (`ringfence doctor`) and keeps announcements
frequent enough; it never turns a caller away.
Rule 2: the law is that of the country of the queue's first number, else of the principal.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.law import InForce, Rulebook, entries_in_force
from asterisk_plugin.core.parameters import CallKind
from asterisk_plugin.core.queue_parameters import (
    QueueAnnouncement,
    QueueAnswerShare,
    QueueNoHangUp,
    QueueNumbers,
    Told,
    WaitingIs,
)
from asterisk_plugin.core.queue_wait import Limits
from asterisk_plugin.core.site import Audience, DialMode, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asterisk_plugin.core.number import PhoneNumber
    from asterisk_plugin.core.site import Principal, Queue, Site
    from asterisk_plugin.core.verdict import Source

QUEUE_SHAPES = frozenset({"queue_numbers", "queue_announcement", "queue_no_hang_up", "queue_answer_share"})
"""Parameters about queues, by the last part of their names."""


@dataclass(frozen=True, slots=True)
class QueueLaw:
    """Everything in force for one queue on one day: several entries bind together.

    Args:
        rulebook: Where it comes from; None when the country has none.
        unconfirmed: Dotted names of parameters left out because their value is from memory and the admin has not
            accepted that.
    """

    rulebook: Rulebook | None = None
    unconfirmed: tuple[str, ...] = ()
    queue_numbers: tuple[InForce[QueueNumbers], ...] = ()
    queue_announcement: tuple[InForce[QueueAnnouncement], ...] = ()
    queue_no_hang_up: tuple[InForce[QueueNoHangUp], ...] = ()
    queue_answer_share: tuple[InForce[QueueAnswerShare], ...] = ()


class Standing(enum.StrEnum):
    """How something about a queue stands with the law."""

    LAWFUL = "lawful"
    UNSURE = "unsure"  # it cannot be seen from here, or not for every caller
    UNLAWFUL = "unlawful"


@dataclass(frozen=True, slots=True)
class QueueFinding:
    """One thing about a queue, held against the law.

    Args:
        rule: Name of the parameter, `queue_numbers`.
        standing: How it stands.
        sentence: For a human: what was found, one sentence without a full stop.
        remedy: What to do about it; empty when nothing need be done.
        source: Where it stands; None when no law was found to hold it against.
    """

    rule: str
    standing: Standing
    sentence: str
    remedy: str = ""
    source: Source | None = None


@functools.lru_cache(maxsize=1024)
def queue_law(
    rulebook: Rulebook, *, sector: str, memberships: frozenset[str], day: dt.date, accepted: frozenset[str]
) -> QueueLaw:
    """Everything that binds the queues of one principal.

    Args:
        rulebook: Of the queue's country.
        sector: The principal's, as configured.
        memberships: Profiles that bind the principal, with country.
        day: When; `dt.date.max` for what the rulebook says last.
        accepted: Dotted names of values from memory that the admin accepted.
    """
    found, unconfirmed = entries_in_force(
        rulebook,
        # Only the sector selects, see `core/queue_parameters.py`; the rest is what a call that comes in is most like.
        CallKind(Purpose.SERVICE, Audience.CONSUMER, DialMode.MANUAL, sector),
        shapes=QUEUE_SHAPES,
        memberships=memberships,
        days=(day,),
        accepted=accepted,
    )
    return QueueLaw(rulebook, unconfirmed, **found)


def country_of(numbers: Sequence[PhoneNumber], principal_country: str) -> str:
    """Whose law binds a queue: ISO 3166-1 alpha-2.

    Args:
        numbers: Those that lead to it.
        principal_country: The principal's.
    """
    return (numbers[0].country if numbers else "") or principal_country


def find_queue_law(queue: Queue, site: Site, day: dt.date) -> QueueLaw:
    """Everything that binds a queue on a day; nothing where its country has no rulebook."""
    rulebook = site.rulebooks.get(country_of(queue.numbers, queue.principal.country))
    if rulebook is None:
        return QueueLaw()
    owner: Principal = queue.principal
    return queue_law(
        rulebook, sector=owner.sector, memberships=owner.memberships, day=day, accepted=site.accepted_unchecked
    )


def shortest_period(law: QueueLaw, numbers: Sequence[PhoneNumber]) -> InForce[QueueAnnouncement] | None:
    """The announcement duty that leaves the least time between two announcements; None when none states a time.

    Args:
        law: What binds the queue.
        numbers: Those that lead to it. A duty with exceptions binds unless all of them are excepted.
    """
    timed = [
        duty
        for duty in law.queue_announcement
        if duty.value.every_s is not None and (not numbers or any(_is_bound(number, duty) for number in numbers))
    ]
    return min(timed, key=lambda duty: duty.value.every_s or 0, default=None)


def announce_every_s(queue: Queue, site: Site, day: dt.date) -> int:
    """Longest time between two announcements of the expected wait, in seconds: the shorter of configuration and law."""
    duty = shortest_period(find_queue_law(queue, site, day), queue.numbers)
    asked = duty.value.every_s if duty is not None else None
    return queue.announce_every_s if asked is None else min(queue.announce_every_s, asked)


def limits_of(queue: Queue, site: Site, day: dt.date) -> Limits:
    """What the waits of a queue are measured by: by its law, and where that is silent by the usual values.

    Args:
        queue: As configured.
        site: The configuration it belongs to.
        day: When.
    """
    law, usual = find_queue_law(queue, site, day), Limits()
    announced = shortest_period(law, queue.numbers)
    asked = min(law.queue_answer_share, key=lambda share: share.value.within_s, default=None)
    return Limits(
        answered_in_under_s=usual.answered_in_under_s if asked is None else asked.value.within_s,
        answered_share=usual.answered_share if asked is None else asked.value.percent / 100,
        told_every_s=usual.told_every_s if announced is None else announced.value.every_s or usual.told_every_s,
    )


def queue_findings(queue: Queue, site: Site, day: dt.date) -> tuple[QueueFinding, ...]:
    """Hold a queue against the law.

    Args:
        queue: As configured.
        site: The configuration it belongs to.
        day: When.

    Returns:
        What was found, lawful things too; at least one finding.
    """
    law = find_queue_law(queue, site, day)
    country = country_of(queue.numbers, queue.principal.country)
    if law.rulebook is None:
        sentence = f"there is no rulebook for {country}: what its law asks of queues was not checked"
        return (QueueFinding("queue_numbers", Standing.UNSURE, sentence, "ask somebody who knows that law"),)
    found = [*_unconfirmed(law), *_number_findings(queue, law)]
    for duty in law.queue_no_hang_up:
        sentence = "nobody is hung up on for waiting too long"
        found.append(QueueFinding("queue_no_hang_up", Standing.LAWFUL, sentence, source=duty.source))
    silent = f"the rulebook of {law.rulebook.name} asks nothing of this queue"
    return tuple(found) or (QueueFinding("queue_numbers", Standing.LAWFUL, silent),)


def _unconfirmed(law: QueueLaw) -> Iterator[QueueFinding]:
    for name in law.unconfirmed:
        sentence = f"`{name}` is from memory and was not accepted, so it was not checked"
        remedy = "compare it with its source, then name it in gate.accepted_unchecked"
        yield QueueFinding(name.rpartition(".")[2], Standing.UNSURE, sentence, remedy)


def _number_findings(queue: Queue, law: QueueLaw) -> Iterator[QueueFinding]:
    if law.queue_numbers and not queue.numbers:
        sentence = "no number that leads to it is given: whether it may lead to a queue was not checked"
        source = law.queue_numbers[0].source
        yield QueueFinding("queue_numbers", Standing.UNSURE, sentence, "give its `numbers`", source)
    for number in queue.numbers:
        for duty in law.queue_numbers:
            yield _judge_number(number, queue, duty)
        for told in law.queue_announcement:
            if told.value.at_start and _is_bound(number, told):
                yield _judge_start(number, queue, told)


def _judge_number(number: PhoneNumber, queue: Queue, duty: InForce[QueueNumbers]) -> QueueFinding:
    """Whether one number may lead to a queue."""
    shown, otherwise = f"{number.e164} ({number.line_type})", duty.value.otherwise
    if number.line_type in duty.value.line_types:
        return QueueFinding("queue_numbers", Standing.LAWFUL, f"{shown} may lead to a queue", source=duty.source)
    if queue.fixed_price and WaitingIs.FIXED_PRICE in otherwise:
        sentence = f"{shown} may lead to a queue: the price is fixed per call"
        return QueueFinding("queue_numbers", Standing.LAWFUL, sentence, source=duty.source)
    if WaitingIs.FREE in otherwise and queue.unanswered:
        return _judge_free_waiting(shown, queue, duty)
    remedies = {
        WaitingIs.FREE: "set `unanswered = true`",
        WaitingIs.FIXED_PRICE: "set `fixed_price = true` if the price is fixed per call",
    }
    remedy = ", or ".join(words for waiting, words in remedies.items() if waiting in otherwise)
    where = f"only where waiting is {' or '.join(sorted(otherwise))}" if otherwise else "not at all"
    sentence = f"{shown} may lead to a queue {where}"
    return QueueFinding("queue_numbers", Standing.UNLAWFUL, sentence, remedy or "use another number", duty.source)


def _judge_free_waiting(shown: str, queue: Queue, duty: InForce[QueueNumbers]) -> QueueFinding:
    """A number that may lead to a queue only because nobody is charged while waiting."""
    if not queue.carrier_limit_s:
        sentence = f"{shown} may lead to a queue: callers wait unanswered, free of charge"
        return QueueFinding("queue_numbers", Standing.LAWFUL, sentence, source=duty.source)
    sentence = (
        f"{shown} may lead to a queue while waiting is free, which ends after {queue.carrier_limit_s} s at the most"
    )
    remedy = "have the carrier lift its limit and set `carrier_limit_s = 0`, or see to it that nobody waits that long"
    return QueueFinding("queue_numbers", Standing.UNSURE, sentence, remedy, duty.source)


def _judge_start(number: PhoneNumber, queue: Queue, duty: InForce[QueueAnnouncement]) -> QueueFinding:
    """What somebody who called one number must be told at the start; the price only where it is one of two things."""
    price = "the price is fixed" if queue.fixed_price else "waiting is free"
    words = {Told.EXPECTED_WAIT: "the expected wait", Told.PRICE: f"that {price}"}
    told = " and ".join(words[each] for each in Told if each in duty.value.told)
    sentence = f"who calls {number.e164} must be told {told} when the waiting begins"
    if Told.PRICE not in duty.value.told or queue.fixed_price or queue.unanswered:
        return QueueFinding("queue_announcement", Standing.LAWFUL, f"{sentence}, and is", source=duty.source)
    remedy = "the expected wait is told by itself; set `fixed_price` or `unanswered`, or play the price before it"
    return QueueFinding("queue_announcement", Standing.UNSURE, sentence, remedy, duty.source)


def _is_bound(number: PhoneNumber, duty: InForce[QueueAnnouncement]) -> bool:
    return number.line_type not in duty.value.except_line_types
