"""The estimate of the wait: known answers, and what holds for every queue."""

import datetime as dt
import math
import random
import statistics
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.queue_events import Completed, Connected, Joined, MemberGone, MemberSeen
from asterisk_plugin.core.queue_state import Absence, Held, Member, QueueHistory, QueueState, Waiting, step
from asterisk_plugin.core.wait_estimate import estimate_wait
from tests.sim.families import FAMILIES, Family
from tests.sim.simulator import Simulation

NOW = dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)


def ago(seconds):
    return NOW - dt.timedelta(seconds=seconds)


def waiting(*seconds):
    return tuple(Waiting(f"caller-{n}", ago(s), n) for n, s in enumerate(seconds, 1))


def queue(*members, history, waits=(20.0, 10.0, 5.0)):
    return QueueState(waiting(*waits), {f"m{n}": one for n, one in enumerate(members)}, history)


def talking(seconds):
    return Member(ready_since=ago(seconds + 10), busy_since=ago(seconds))


ALWAYS_100 = QueueHistory(talks_s=(100.0,) * 500, turnarounds_s=(10.0,) * 500, pickups_s=(4.0,) * 500, served=500)
EXPONENTIAL = tuple(-200 * math.log((n + 0.5) / 500) for n in range(500))
ALWAYS_EXPONENTIAL = QueueHistory(talks_s=EXPONENTIAL, turnarounds_s=(0.0,), pickups_s=(0.0,), served=500)


@pytest.mark.parametrize(("position", "wait_s"), [(1, 60 + 10), (2, 60 + 10 + 110), (3, 60 + 10 + 220)])
def test_one_member_whose_conversations_are_all_alike(position, wait_s):
    """40 of 100 s are over, 10 s to the next answer, 110 s for everybody ahead."""
    estimate = estimate_wait(queue(talking(40), history=ALWAYS_100), position, NOW)
    assert estimate.wait_s == pytest.approx(wait_s)
    assert estimate.low_s == pytest.approx(wait_s)


def test_a_member_who_rings_answers_soon():
    estimate = estimate_wait(queue(Member(ready_since=ago(300)), history=ALWAYS_100, waits=(3.0,)), 1, NOW)
    assert estimate.wait_s == pytest.approx(1)  # free before they joined: 4 s of ringing, 3 are over


def test_a_member_who_wraps_up_answers_after_the_turnaround():
    estimate = estimate_wait(queue(Member(ready_since=ago(7)), history=ALWAYS_100, waits=(50.0,)), 1, NOW)
    assert estimate.wait_s == pytest.approx(3)


def test_members_work_side_by_side():
    """Ends after 100, 80, 20 s of talking: the first in line gets the third member."""
    queue_ = queue(talking(0), talking(20), talking(80), history=ALWAYS_100)
    assert [estimate_wait(queue_, n, NOW).wait_s for n in (1, 2, 3)] == pytest.approx([30, 90, 110])


@pytest.mark.parametrize("position", [1, 2, 5, 20])
@pytest.mark.parametrize("size", [1, 4, 12])
def test_memoryless_conversations_give_the_known_distribution(position, size):
    """The wait at place n of c members is Gamma(n, mean / c), whatever has been talked (Whitt 1999)."""
    members = [talking(s * 37 % 400) for s in range(size)]
    estimate = estimate_wait(queue(*members, history=ALWAYS_EXPONENTIAL), position, NOW)
    rng = random.Random(1)
    true = sorted(rng.gammavariate(position, 200 / size) for _ in range(8_000))
    spread = statistics.stdev(true)
    assert estimate.wait_s == pytest.approx(true[4_000], abs=0.3 * spread)
    assert estimate.low_s == pytest.approx(true[800], abs=0.35 * spread)
    assert estimate.high_s == pytest.approx(true[7_200], abs=0.6 * spread)


def test_a_conversation_that_has_long_outlasted_the_mean_is_not_taken_to_end_now():
    """Half last 20 s, half 400: one that is 100 s old is one of the long ones."""
    history = QueueHistory(talks_s=(20.0, 400.0) * 250, turnarounds_s=(0.0,), served=500)
    assert estimate_wait(queue(talking(100), history=history), 1, NOW).wait_s == pytest.approx(300, abs=5)


def test_who_gives_up_ahead_shortens_the_wait():
    patient = estimate_wait(queue(talking(40), history=ALWAYS_100), 20, NOW)
    held = (Held(300.0, abandoned=True), Held(100.0, abandoned=False))
    history = QueueHistory(**{name: getattr(ALWAYS_100, name) for name in ("talks_s", "turnarounds_s")}, held=held)
    assert estimate_wait(queue(talking(40), history=history), 20, NOW).wait_s < 0.6 * patient.wait_s
    assert estimate_wait(queue(talking(40), history=history), 1, NOW).wait_s == pytest.approx(70)  # nobody is ahead


def test_a_pause_is_waited_for_as_long_as_pauses_last():
    history = QueueHistory(talks_s=(100.0,), turnarounds_s=(5.0,), absences=(Absence(300.0, 1),), served=1)
    paused = Member(ready_since=ago(500), paused_since=ago(120))
    assert estimate_wait(queue(paused, history=history), 1, NOW).wait_s == pytest.approx(180 + 5)


def test_who_logged_off_for_a_while_is_waited_for_too():
    """One talks for another 60 s, the other has been away for 100 of 130 s."""
    history = QueueHistory(
        talks_s=(100.0,) * 500,
        turnarounds_s=(5.0,),
        pickups_s=(5.0,),
        absences=(Absence(130.0, 9000, logged_off=True),),
        served=10_000,
    )
    away = Member(ready_since=ago(500), away_since=ago(100))
    assert estimate_wait(queue(talking(40), away, history=history), 1, NOW).wait_s == pytest.approx(30 + 5)
    gone = Member(ready_since=ago(500), away_since=ago(200))
    assert estimate_wait(queue(talking(40), gone, history=history), 1, NOW).wait_s == pytest.approx(60 + 5)


def test_breaks_that_follow_every_conversation_are_waited_for():
    history = QueueHistory(
        talks_s=(100.0,) * 500, turnarounds_s=(0.0,), absences=(Absence(50.0, 500),) * 200, served=500
    )
    assert estimate_wait(queue(talking(40), history=history), 3, NOW).wait_s == pytest.approx(60 + 50 + 2 * 150)


def test_it_cannot_be_said():
    paused = Member(ready_since=ago(900), paused_since=ago(400))
    assert estimate_wait(queue(talking(5), history=QueueHistory()), 1, NOW) is None  # no conversation has ended
    assert estimate_wait(queue(history=ALWAYS_100), 1, NOW) is None  # nobody is logged in
    assert estimate_wait(queue(Member(ago(9), away_since=ago(5)), history=ALWAYS_100), 1, NOW) is None
    assert estimate_wait(queue(paused, history=ALWAYS_100), 1, NOW) is None  # no pause ever ended
    leaving = Member(ready_since=ago(900), busy_since=ago(50), paused_since=ago(20))
    assert estimate_wait(queue(leaving, history=ALWAYS_100), 1, NOW) is None  # talks, and is paused afterwards
    outlasted = QueueHistory(talks_s=(100.0,), absences=(Absence(300.0, 1),), served=1)
    assert estimate_wait(queue(paused, history=outlasted), 1, NOW) is None


def test_after_a_restart_asterisks_own_mean_stands_in():
    estimate = estimate_wait(queue(talking(5), history=QueueHistory(prior_talk_s=200.0)), 1, NOW)
    assert 100 < estimate.wait_s < 250


def test_the_first_short_conversations_are_not_taken_for_all():
    """Ten members started together 300 s ago; one conversation, of 20 s, has ended: nine say it lasts longer."""
    history = QueueHistory(talks_s=(20.0,), pickups_s=(2.0,), served=1)
    naive, seen = 20 / 10, estimate_wait(queue(*[talking(300)] * 9, talking(5), history=history), 5, NOW)
    assert seen.wait_s > 30 * naive


SECONDS = st.floats(0, 3600, allow_nan=False)
SAMPLES = st.lists(SECONDS, min_size=1, max_size=8).map(tuple)
MEMBERS = st.builds(
    lambda ready, busy, paused, away: Member(
        ago(ready), *(None if one is None else ago(one) for one in (busy, paused, away))
    ),
    SECONDS,
    st.none() | SECONDS,
    st.none() | SECONDS,
    st.none() | SECONDS,
)
ABSENCES = st.lists(st.builds(Absence, SECONDS, st.integers(0, 400), st.booleans()), max_size=5).map(tuple)
HISTORIES = st.builds(
    QueueHistory,
    talks_s=SAMPLES,
    turnarounds_s=st.just(()) | SAMPLES,
    pickups_s=st.just(()) | SAMPLES,
    absences=ABSENCES,
    held=st.lists(st.builds(Held, SECONDS, st.booleans()), max_size=5).map(tuple),
    served=st.integers(0, 400),
)
QUEUES = st.builds(
    lambda members, history, waits: queue(*members, history=history, waits=sorted(waits, reverse=True)),
    st.lists(MEMBERS, max_size=5),
    HISTORIES,
    st.lists(SECONDS, max_size=6),
)


@settings(max_examples=200, deadline=None)
@given(QUEUES)
def test_every_estimate_is_a_wait_and_grows_with_the_place(queue_):
    before = None
    for position in range(1, 7):
        estimate = estimate_wait(queue_, position, NOW)
        there = [one for one in queue_.members.values() if one.away_since is None]
        if any(one.paused_since is None for one in there):
            assert estimate is not None  # history and a member who answers
        if not there:
            assert estimate is None
        if estimate is None:
            return
        assert 0 <= estimate.low_s <= estimate.wait_s <= estimate.high_s < math.inf
        if before is not None:
            assert estimate.low_s >= before.low_s
            assert estimate.wait_s >= before.wait_s
            assert estimate.high_s >= before.high_s
        before = estimate


@settings(max_examples=100, deadline=None)
@given(QUEUES, st.randoms(use_true_random=False))
def test_the_order_in_which_members_were_seen_does_not_matter(queue_, rng):
    names = list(queue_.members)
    rng.shuffle(names)
    other = QueueState(queue_.waiting, {name: queue_.members[name] for name in names}, queue_.history)
    assert estimate_wait(other, 3, NOW) == estimate_wait(queue_, 3, NOW)


def subject(event):
    """What an event is about: only events about different things are free to change places."""
    if isinstance(event, Joined):
        return ("join", event.caller)
    if isinstance(event, MemberSeen | MemberGone):
        return ("member", event.member)
    return (type(event), getattr(event, "member", getattr(event, "caller", "")))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), rng=st.randoms(use_true_random=False))
def test_simultaneous_events_may_come_in_any_order(family, seed, rng):
    """A whole trace, each moment's events shuffled: the same estimates. (A moment in which a conversation ends and
    the next begins for one member is left as it is: there the order is the fact.)"""
    events = trace(family, seed)
    straight, shuffled = QueueState(), QueueState()
    for moment, group in groupby(events, key=lambda pair: pair[1]):
        together = [event for event, _ in group]
        mixed = list(together)
        begun = {event.member for event in together if isinstance(event, Connected)}
        ended = {event.member for event in together if isinstance(event, Completed)}
        came = {event.caller for event in together if isinstance(event, Joined)}
        if not begun & ended and not came & {event.caller for event in together if isinstance(event, Connected)}:
            order = {event: rng.random() for event in map(subject, together)}
            mixed.sort(key=lambda event: order[subject(event)])
        for event in together:
            straight = step(straight, event, moment)
        for event in mixed:
            shuffled = step(shuffled, event, moment)
        if len(together) > 2:
            now = moment + dt.timedelta(seconds=5)
            assert estimate_wait(straight, 3, now) == estimate_wait(shuffled, 3, now)


def trace(family: Family, seed: int):
    events = []
    Simulation(
        family,
        3,
        family.loads[0],
        10,
        random.Random(seed),
        lambda event, at: events.append((event, at)),
        lambda *_: False,
    ).run()
    return events


def test_the_trace_has_events_that_change_places():
    """Or the test above would say nothing."""
    events = trace(FAMILIES[-1], 1)
    moments = [len(list(group)) for _, group in groupby(events, key=lambda pair: pair[1])]
    assert sum(count > 1 for count in moments) > 10
    assert any(isinstance(event, MemberSeen) for event, _ in events)
