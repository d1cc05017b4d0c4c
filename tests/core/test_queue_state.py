"""The state of a queue, event by event."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.core.queue_events import (
    Abandoned,
    Completed,
    Connected,
    DeviceState,
    Joined,
    Left,
    MemberGone,
    MemberSeen,
    Snapshot,
    Waiter,
)
from asterisk_plugin.core.queue_state import KEPT, Held, Member, QueueState, step

START = dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)
FREE, IN_USE, RINGING, AWAY = DeviceState.NOT_IN_USE, DeviceState.IN_USE, DeviceState.RINGING, DeviceState.UNAVAILABLE


def at(seconds):
    return START + dt.timedelta(seconds=seconds)


def fed(*events, queue=None):
    """The queue after (second, event) pairs."""
    queue = queue or QueueState()
    for seconds, event in events:
        queue = step(queue, event, at(seconds))
    return queue


def callers(queue):
    return [one.caller for one in queue.waiting]


def test_who_joins_stands_behind_and_who_leaves_makes_room():
    queue = fed((0, Joined("a", 1, 1)), (5, Joined("b", 2, 2)), (9, Joined("c", 3, 3)), (20, Left("b")))
    assert callers(queue) == ["a", "c"]
    assert [one.joined_at for one in queue.waiting] == [at(0), at(9)]
    assert (queue.position_of("c"), queue.position_of("b")) == (2, None)


def test_a_priority_joins_ahead():
    """Position 2 of 4: one ahead, two behind."""
    queue = fed(*((n, Joined(name, n, n)) for n, name in enumerate("abc", 1)), (9, Joined("vip", 2, 4)))
    assert callers(queue) == ["a", "vip", "b", "c"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_who_joins_at_the_same_moment_stands_as_told(order):
    joined = [Joined("b", 2, 2), Joined("c", 3, 3), Joined("d", 4, 4)]
    assert callers(fed((0, Joined("a", 1, 1)), *((5, joined[n]) for n in order))) == ["a", "b", "c", "d"]


def test_leaving_and_joining_at_the_same_moment_may_come_in_any_order():
    before = fed((0, Joined("a", 1, 1)), (1, Joined("b", 2, 2)))
    left, joined = (9, Left("a")), (9, Joined("c", 2, 2))
    assert fed(left, joined, queue=before) == fed(joined, left, queue=before)
    assert callers(fed(joined, left, queue=before)) == ["b", "c"]


def test_a_conversation_from_answer_to_end():
    queue = fed((0, MemberSeen("m", FREE)), (10, Connected("a", "m", 4)), (10, MemberSeen("m", IN_USE, in_call=True)))
    assert queue.members["m"] == Member(ready_since=at(0), busy_since=at(10))
    queue = fed((100, Completed("m", 90)), (100, MemberSeen("m", FREE)), queue=queue)
    assert queue.members["m"] == Member(ready_since=at(100))
    assert (queue.history.talks_s, queue.history.served) == ((90,), 1)


def test_the_end_of_a_conversation_is_known_by_the_telephone_too():
    """`AgentComplete` waits for the last agent-side routine; the telephone is on the hook before."""
    queue = fed((0, Connected("a", "m", 4)), (30, MemberSeen("m", FREE)), (31, MemberSeen("m", RINGING)))
    assert queue.members["m"] == Member(ready_since=at(30))


def test_how_long_a_member_took_while_somebody_waited_is_told_from_ringing_alone():
    queue = fed((0, MemberSeen("m", FREE)), (50, Connected("a", "m", 6)))
    assert (queue.history.pickups_s, queue.history.turnarounds_s) == ((6,), ())  # was free when they joined
    queue = fed((100, Completed("m", 50)), (117, Connected("b", "m", 40)), queue=queue)
    assert (queue.history.pickups_s, queue.history.turnarounds_s) == ((6,), (17,))  # waited since second 77


def test_ringing_without_an_answer_keeps_the_member_ready_since_before():
    queue = fed((0, MemberSeen("m", FREE)), (10, MemberSeen("m", RINGING)), (30, MemberSeen("m", FREE)))
    assert queue.members["m"].ready_since == at(0)


def test_a_pause_counts_from_the_end_of_the_conversation_it_was_set_in():
    queue = fed(
        (0, Connected("a", "m", 4)),
        (20, MemberSeen("m", IN_USE, paused=True)),
        (60, Completed("m", 60)),
        (60, MemberSeen("m", FREE, paused=True)),
    )
    assert queue.members["m"].off_since == at(60)
    queue = fed((360, MemberSeen("m", FREE)), queue=queue)
    assert [one.off_s for one in queue.history.absences] == [300]
    assert queue.members["m"] == Member(ready_since=at(360))


def test_a_pause_taken_back_within_the_conversation_kept_nobody_from_answering():
    queue = fed((0, Connected("a", "m", 4)), (20, MemberSeen("m", IN_USE, paused=True)), (30, MemberSeen("m", IN_USE)))
    assert queue.history.absences == ()


def test_a_telephone_that_comes_back_is_ready_from_then_on():
    queue = fed((0, MemberSeen("m", AWAY)), (40, MemberSeen("m", FREE)))
    assert fed((0, MemberSeen("m", AWAY))).members["m"].away_since == at(0)
    assert queue.members["m"] == Member(ready_since=at(40))


def test_who_logs_off_is_away_and_their_last_conversation_still_counts():
    queue = fed((0, Connected("a", "m", 4)), (50, MemberGone("m")), (90, Completed("m", 90)))
    assert queue.members["m"] == Member(ready_since=at(90), away_since=at(50))
    assert (queue.members["m"].off_since, queue.history.talks_s) == (at(90), (90,))


def test_who_logs_on_again_was_away_from_the_pause_before():
    away = fed((0, MemberSeen("m", FREE)), (100, MemberSeen("m", FREE, paused=True)), (160, MemberGone("m")))
    back = fed((700, MemberSeen("m", FREE)), queue=away)
    assert [one.off_s for one in back.history.absences] == [600]
    assert back.members["m"] == Member(ready_since=at(700))


def test_a_night_is_no_break():
    away = fed((0, MemberSeen("m", FREE)), (100, MemberGone("m")))
    assert fed((50_000, MemberSeen("m", FREE)), queue=away).history.absences == ()
    assert fed((50_000, MemberGone("n")), queue=away).members == {}  # forgotten


def test_waits_are_kept_with_how_they_ended():
    queue = fed((0, Abandoned("a", 33)), (0, Left("a")), (5, Connected("b", "m", 12)))
    assert queue.history.held == (Held(33, abandoned=True), Held(12, abandoned=False))


def test_history_does_not_grow_for_ever():
    queue = fed(*((n, Completed("m", n)) for n in range(KEPT + 30)))
    assert (len(queue.history.talks_s), queue.history.talks_s[-1], queue.history.served) == (KEPT, KEPT + 29, KEPT + 30)


def test_a_snapshot_of_an_unknown_queue_tells_all_it_can():
    seen = MemberSeen("m", FREE, last_call_at=at(-30), logged_in_at=at(-900))
    paused = MemberSeen("p", FREE, paused=True, last_pause_at=at(-60), logged_in_at=at(-900))
    waiting = (Waiter("b", 2, 10), Waiter("a", 1, 25))
    queue = fed((0, Snapshot((seen, paused), waiting, completed=7, mean_talk_s=140)))
    assert [(one.caller, one.joined_at) for one in queue.waiting] == [("a", at(-25)), ("b", at(-10))]
    assert queue.members["m"] == Member(ready_since=at(-30))
    assert queue.members["p"] == Member(ready_since=at(-900), paused_since=at(-60))
    assert queue.history.prior_talk_s == 140


def test_asterisk_knows_no_mean_before_its_first_call():
    assert fed((0, Snapshot(completed=0, mean_talk_s=140))).history.prior_talk_s == 0


def test_a_snapshot_ends_what_was_missed():
    queue = fed((0, Joined("a", 1, 1)), (0, MemberSeen("m", FREE)), (0, MemberSeen("n", FREE)), (60, Snapshot(
        (MemberSeen("n", IN_USE, in_call=True),), (Waiter("z", 1, 3),)
    )))  # fmt: skip
    assert callers(queue) == ["z"]
    assert queue.members["n"] == Member(ready_since=at(0), busy_since=at(60))
    assert queue.members["m"] == Member(ready_since=at(0), away_since=at(60))


STATES = st.sampled_from([FREE, IN_USE, RINGING, AWAY, DeviceState.UNKNOWN, DeviceState.ON_HOLD])
NAMES = st.sampled_from("abcdef")
EVENTS = st.one_of(
    st.builds(Joined, NAMES, st.integers(1, 6), st.integers(1, 6)),
    st.builds(Left, NAMES),
    st.builds(Abandoned, NAMES, st.integers(0, 900)),
    st.builds(MemberSeen, NAMES, STATES, st.booleans(), st.booleans()),
    st.builds(MemberGone, NAMES),
    st.builds(Connected, NAMES, NAMES, st.integers(0, 900)),
    st.builds(Completed, NAMES, st.integers(0, 900)),
    st.builds(
        Snapshot,
        st.lists(st.builds(MemberSeen, NAMES, STATES, st.booleans(), st.booleans()), max_size=4).map(tuple),
        st.lists(
            st.builds(Waiter, NAMES, st.integers(1, 9), st.integers(0, 900)), max_size=4, unique_by=lambda w: w.caller
        ).map(tuple),
    ),
)
HISTORIES = st.lists(st.tuples(st.integers(0, 60), EVENTS), max_size=40)


def told_by(queue, moment):
    """What `QueueStatus` would answer about a queue."""
    members = [
        MemberSeen(
            name,
            AWAY if one.away_since else IN_USE if one.busy_since else FREE,
            paused=one.paused_since is not None,
            in_call=one.busy_since is not None,
        )
        for name, one in queue.members.items()
    ]
    waiting = [
        Waiter(one.caller, place, (moment - one.joined_at).total_seconds())
        for place, one in enumerate(queue.waiting, 1)
    ]
    return Snapshot(tuple(members), tuple(waiting))


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_a_snapshot_of_what_is_known_already_changes_nothing(history):
    """Whatever events came, in whatever odd order, the state they left is the one a snapshot confirms."""
    queue, now = QueueState(), START
    for after_s, event in history:
        now += dt.timedelta(seconds=after_s)
        queue = step(queue, event, now)
    now += dt.timedelta(seconds=7)
    assert step(queue, told_by(queue, now), now) == queue
    anew = step(QueueState(), told_by(queue, now), now)
    assert [(one.caller, one.joined_at) for one in anew.waiting] == [
        (one.caller, one.joined_at) for one in queue.waiting
    ]
    for name, one in queue.members.items():
        new = anew.members[name]
        assert (new.away_since is None, new.busy_since is None, new.paused_since is None) == (
            one.away_since is None, one.busy_since is None, one.paused_since is None
        )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_nobody_waits_twice_and_no_moment_lies_ahead(history):
    queue, now = QueueState(), START
    for after_s, event in history:
        now += dt.timedelta(seconds=after_s)
        queue = step(queue, event, now)
        assert len({one.caller for one in queue.waiting}) == len(queue.waiting)
        assert all(one.joined_at <= now for one in queue.waiting)
        for one in queue.members.values():
            assert (
                max(one.ready_since, *(since or START for since in (one.busy_since, one.paused_since, one.away_since)))
                <= now
            )
