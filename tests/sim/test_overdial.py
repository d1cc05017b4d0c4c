"""A dialer over-dials ten-fold through two nodes on a real store: no share passes its limit, all allowed is used."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from asterisk_plugin.core.attempt_end import Outcome
from tests.sim.overdial import Dialer
from tests.store.store_lab import Server

pytestmark = pytest.mark.store

LIMIT_PERCENT = 3.0


@pytest.fixture
def url():
    """A server of one's own: its counts are the whole history."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        server = Server(Path(name))
        server.start()
        yield server.url
        server.stop()


@pytest.mark.parametrize(
    ("live_rule", "nobody_helps", "days", "least_alone", "least_percent"),
    [(True, False, 2, 100, 0.0), (True, True, 1, 12, 1.8), (False, True, 1, 30, 1.8)],
    ids=["agents take what they can", "everything is abandoned", "of all attempts, everything is abandoned"],
)
async def test_a_ten_fold_over_dialer_never_passes_the_limit(
    url, live_rule, nobody_helps, days, least_alone, least_percent, capsys
):
    """At no end of no call; and the campaign has more calls without an agent than it would have without a governor."""
    dialer = Dialer(url, seed=7, live_rule=live_rule, nobody_helps=nobody_helps)
    await dialer.run(250, days=days)
    lost = dialer.ends[Outcome.ABANDONED] + dialer.ends[Outcome.SILENT]
    allowed = dialer.decided["ALLOW alone"]
    ends = {outcome.value: count for outcome, count in dialer.ends.items()}
    with capsys.disabled():
        print(
            f"\n{dialer.decided.total()} attempts: {dict(dialer.decided)}\n"
            f"share at most {dialer.worst_percent:.2f} % at any moment, limit {LIMIT_PERCENT} %; at the end "
            f"{max(dialer.shares()):.2f} %: {lost} lost of {ends}; at most {dialer.most_in_flight} under way"
        )
    assert dialer.worst_percent <= LIMIT_PERCENT
    assert max(dialer.shares()) >= least_percent
    assert allowed >= least_alone
    assert dialer.decided["DEFER abandoned-rate"] > 1000
