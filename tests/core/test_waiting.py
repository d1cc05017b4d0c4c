"""What a waiting caller is told, and when something is done about an unanswered call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asterisk_plugin.core.site import AtLimit, Campaign, Principal, Purpose, Queue
from asterisk_plugin.core.waiting import Offer, announcement, limit_s, period_s, spare_s

LINDE = Principal("linde", "Linde Versand GmbH", "Linde", "DE")
QUEUE = Queue("service", LINDE, carrier_limit_s=120)
WITH_CALL_BACK = replace(QUEUE, at_limit=AtLimit.CALL_BACK, call_back=Campaign("back", LINDE, Purpose.SERVICE))


def test_at_the_start_everything_is_said():
    """How long, that it is free, and every key there is."""
    said = announcement(
        "wait-about-3", is_first=True, free=True, offer=Offer(call_back=True, person=True, objection=True)
    )
    assert said == (
        "wait-about-3",
        "wait-free",
        "wait-press-1-call-back",
        "wait-press-0-person",
        "wait-press-9-objection",
    )


def test_later_it_is_short():
    """Nobody wants to hear of the objection line every minute."""
    said = announcement("wait-about-3", is_first=False, free=True, offer=Offer(call_back=True, objection=True))
    assert said == ("wait-still", "wait-about-3", "wait-press-1-call-back")


def test_a_wait_that_grew_is_admitted():
    """Before the new one is said."""
    said = announcement("wait-about-9", is_first=False, longer=True)
    assert said == ("wait-still", "wait-longer", "wait-about-9")


def test_what_is_not_known_is_said_to_be_not_known():
    """Also why, when nobody is there."""
    assert announcement("wait-unknown", is_first=True, nobody=True) == ("wait-nobody", "wait-unknown")


def test_a_key_that_leads_nowhere_is_not_offered():
    """No call-back, no person, no objection line: no key is named."""
    assert announcement("wait-under-1", is_first=True) == ("wait-under-1",)


@pytest.mark.parametrize(("asked", "period"), [(60, 58), (30, 28), (11, 10), (1, 10)])
def test_the_next_announcement_begins_before_it_is_due(asked, period):
    """From start to start, a busy machine included."""
    assert period_s(asked) == period


@pytest.mark.parametrize(
    ("queue", "seconds"),
    [
        (QUEUE, 100),
        (WITH_CALL_BACK, 75),
        (replace(WITH_CALL_BACK, call_back=None), 100),
        (replace(WITH_CALL_BACK, carrier_limit_s=0), 0),
        (replace(QUEUE, carrier_limit_s=15), 10),
    ],
)
def test_something_is_done_before_the_carrier_ends_the_call(queue, seconds):
    """With time for the talk about a call-back, where there is one."""
    assert limit_s(queue) == seconds
    assert spare_s(queue) == (queue.carrier_limit_s - seconds if seconds else 0)
