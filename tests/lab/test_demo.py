"""What the demo's exit code means."""

from __future__ import annotations

import pytest

from asterisk_plugin.core.verdict import Reason
from tests.lab.demo import Call, Row, judge
from tests.lab.wire_record import Invite


def seen() -> Invite:
    """An INVITE that arrived at the carrier."""
    return Invite("+31612345001", "+31201234567", "", "", "", "call-id", 0.0)


def rows(**broken: Row) -> list[Row]:
    """One row for each reason and one allowed call, all in order except those given."""
    call = Call("allowed", "+31612345001", "tulip-nl")
    good = {reason.value: Row(Call("denied", "", "", reason), "DENY", reason.value, []) for reason in Reason}
    good["allowed"] = Row(call, "ALLOW", "", [seen()])
    return list({**good, **broken}.values())


def test_everything_as_expected_is_0():
    """Each reason shown, nothing denied arrived, what was allowed did."""
    assert judge(rows(), broken=[]) == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"objection": Row(Call("denied", "", "", "objection"), "DENY", "objection", [seen()])},
        {"objection": Row(Call("denied", "", "", "objection"), "ALLOW", "", [])},
        {"objection": Row(Call("denied", "", "", "objection"), "DENY", "calling-hours", [])},
        {"allowed": Row(Call("allowed", "", ""), "ALLOW", "", [])},
        {"allowed": Row(Call("allowed", "", ""), "ALLOW", "", [seen(), seen()])},
        {"allowed": Row(Call("allowed", "", ""), "DENY", "objection", [])},
    ],
    ids=["a denied call arrived", "not denied", "other reason", "lost", "twice", "denied"],
)
def test_anything_else_is_1(broken):
    """Also when the gate said the right thing and the carrier saw another."""
    assert judge(rows(**broken), broken=[]) == 1


def test_a_reason_that_was_not_shown_is_1():
    """The demo shows every reason id."""
    assert judge(rows()[1:], broken=[]) == 1


def test_a_broken_promise_is_1():
    """The watchdog was too late."""
    assert judge(rows(), broken=["the telephone rang"]) == 1
