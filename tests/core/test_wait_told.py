"""What somebody who waits is told, the first time and again."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.wait_estimate import WaitEstimate
from asterisk_plugin.core.wait_told import OVER_TEN, UNDER_A_MINUTE, UNKNOWN, WAIT_PHRASES, phrase_of, tell

START = dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)


def at(seconds):
    return START + dt.timedelta(seconds=seconds)


def estimate(wait_s, low_s=None, high_s=None):
    return WaitEstimate(wait_s, wait_s * 0.6 if low_s is None else low_s, wait_s * 1.6 if high_s is None else high_s)


@pytest.mark.parametrize(
    ("wait_s", "phrase"),
    [
        (0, UNDER_A_MINUTE),
        (44.9, UNDER_A_MINUTE),
        (45, "wait-about-1"),
        (89.9, "wait-about-1"),
        (90, "wait-about-2"),
        (599, "wait-about-10"),
        (629.9, "wait-about-10"),
        (630, OVER_TEN),
        (99999, OVER_TEN),
    ],
)
def test_minutes_are_rounded(wait_s, phrase):
    assert phrase_of(wait_s) == phrase


def test_what_cannot_be_said_is_said():
    told = tell(None, None, START)
    assert (told.phrase, told.longer) == (UNKNOWN, False)
    told = tell(estimate(300), told, at(60))
    assert (told.phrase, told.longer) == ("wait-about-5", False)
    assert tell(None, told, at(120)).phrase == UNKNOWN  # the last member logged off
    assert tell(estimate(900), tell(None, told, at(120)), at(180)).longer is False


def test_what_was_said_counts_down_while_it_can_still_come_true():
    told = tell(estimate(300), None, START)
    said = [told.phrase]
    for minute, wait_s in ((1, 290), (2, 130), (3, 160)):  # the queue flutters
        told = tell(estimate(wait_s), told, at(60 * minute))
        said.append(told.phrase)
    assert said == ["wait-about-5", "wait-about-4", "wait-about-3", "wait-about-2"]
    assert told.due_at == at(300)


def test_it_is_taken_back_once_it_cannot():
    told = tell(estimate(300), None, START)
    worse = tell(estimate(600), told, at(60))  # a member logged off: 240 s lie below the low end, 360
    assert (worse.phrase, worse.longer, worse.due_at) == ("wait-about-10", True, at(660))
    better = tell(estimate(60), told, at(60))
    assert (better.phrase, better.longer) == ("wait-about-1", False)


def test_a_promise_that_ran_out_is_replaced_not_counted_up():
    """Asterisk's would say one minute after six, two after seven, and so on."""
    told = tell(estimate(300), None, START)
    told = tell(estimate(120), told, at(330))
    assert (told.phrase, told.longer, told.due_at) == ("wait-about-2", True, at(450))
    told = tell(estimate(40, low_s=0), told, at(450))
    assert (told.phrase, told.longer) == (UNDER_A_MINUTE, False)


def test_a_longer_wait_in_the_same_words_is_no_longer_wait():
    told = tell(estimate(900), None, START)
    told = tell(estimate(2400, low_s=1800), told, at(60))
    assert (told.phrase, told.longer, told.due_at) == (OVER_TEN, False, at(2460))


ESTIMATES = st.tuples(st.floats(0, 5000), st.floats(0, 1), st.floats(1, 3)).map(
    lambda parts: WaitEstimate(parts[0], parts[0] * parts[1], parts[0] * parts[2])
)


@settings(deadline=None)
@given(st.lists(st.none() | ESTIMATES, min_size=2, max_size=12))
def test_a_longer_wait_is_only_told_with_its_excuse(estimates):
    """`longer` is set when, and only when, more is said than the promise would say, and that was out of reach."""
    told = None
    for minute, now_estimate in enumerate(estimates):
        before, told = told, tell(now_estimate, told, at(60 * minute))
        assert (told.due_at is None) == (told.phrase == UNKNOWN) == (now_estimate is None)
        if now_estimate is None or before is None or before.due_at is None:
            assert not told.longer
            continue
        left_s = (before.due_at - at(60 * minute)).total_seconds()
        assert told.longer == (WAIT_PHRASES.index(told.phrase) > WAIT_PHRASES.index(phrase_of(left_s)))
        if now_estimate.low_s <= left_s <= now_estimate.high_s:
            assert told.due_at == before.due_at
            assert WAIT_PHRASES.index(told.phrase) <= WAIT_PHRASES.index(before.phrase)
