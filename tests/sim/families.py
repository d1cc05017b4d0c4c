"""Families of traces: how people arrive, how long they talk, how members come, go and answer.

Every value is drawn from `random.Random` with a seed that names the trace, so a trace is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from statistics import NormalDist

TALK_S = 180.0
"""Mean conversation in every family."""

SIZES = (1, 3, 10, 30)
"""Members of a queue."""


@dataclass(frozen=True, slots=True)
class Family:
    """One way a call centre can be.

    Args:
        name: As the table shows it.
        bursts: Ratio of the arrival rate in a burst to the rate outside (MMPP); 1 for a Poisson stream.
        batch: Mean of the geometric number that arrive together.
        talk_cv: Coefficient of variation of lognormal conversations; 0 for exponential ones.
        wrap_up_s: After each conversation.
        ring_s: Mean of the lognormal time a member rings before answering; 0 answers at once.
        unanswered: Share of ring attempts that nobody answers.
        ring_timeout_s: Such an attempt takes so long; then `retry_s` until the next.
        retry_s: Asterisk's `retry`.
        patience_s: Mean of the exponential patience; 0 for endless.
        pause_share: A member goes on a break after so many of the conversations.
        pause_s: Mean break (lognormal, cv 0.7).
        shift_s: Mean time logged in (uniform, half to one and a half); 0 for always.
        away_s: Mean time logged off between.
        loads: Traces by load.
    """

    name: str
    bursts: float = 1.0
    batch: float = 1.0
    talk_cv: float = 0.0
    wrap_up_s: float = 0.0
    ring_s: float = 0.0
    unanswered: float = 0.0
    ring_timeout_s: float = 20.0
    retry_s: float = 5.0
    patience_s: float = 0.0
    pause_share: float = 0.0
    pause_s: float = 600.0
    shift_s: float = 0.0
    away_s: float = 3600.0
    loads: tuple[str, ...] = ("0.80", "0.95", "peaks")

    @property
    def cycle_s(self) -> float:
        """Mean time from one answer to the next of a member who is never idle."""
        lost = self.unanswered / (1 - self.unanswered) * (self.ring_timeout_s + self.retry_s)
        return (TALK_S + self.wrap_up_s + self.ring_s + lost + self.pause_share * self.pause_s) / self.present

    @property
    def present(self) -> float:
        """Share of the time that a member is logged in."""
        return self.shift_s / (self.shift_s + self.away_s) if self.shift_s else 1.0

    def talk_quantile(self, share: float) -> float:
        """So many of all conversations are shorter, seconds."""
        if not self.talk_cv:
            return -TALK_S * math.log(1 - share)
        variance = math.log(1 + self.talk_cv * self.talk_cv)
        return TALK_S * math.exp(math.sqrt(variance) * NormalDist().inv_cdf(share) - variance / 2)

    def talk(self, rng: Random) -> float:
        """Seconds of one conversation."""
        return lognormal(rng, TALK_S, self.talk_cv) if self.talk_cv else rng.expovariate(1 / TALK_S)


MMC = Family("M/M/c")
FAMILIES = (
    MMC,
    replace(MMC, name="bursty (MMPP)", bursts=5.0),
    replace(MMC, name="batches", batch=5.0),
    replace(MMC, name="lognormal, wrap-up", talk_cv=0.8, wrap_up_s=20.0, ring_s=4.0),
    replace(MMC, name="agents come and go", ring_s=4.0, pause_share=0.1, shift_s=7200.0, away_s=2400.0),
    replace(MMC, name="abandonment", ring_s=4.0, patience_s=300.0, loads=("0.95", "1.15", "peaks")),
    replace(MMC, name="long ring cycles", ring_s=8.0, unanswered=0.4, retry_s=5.0),
    Family(
        "all together",
        bursts=4.0,
        batch=1.5,
        talk_cv=0.8,
        wrap_up_s=15.0,
        ring_s=6.0,
        unanswered=0.2,
        patience_s=480.0,
        pause_share=0.08,
        shift_s=7200.0,
        away_s=1800.0,
        loads=("0.95", "1.10", "peaks"),
    ),
)


def lognormal(rng: Random, mean: float, cv: float) -> float:
    """A lognormal value by its mean and coefficient of variation."""
    variance = math.log(1 + cv * cv)
    return rng.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def arrivals(family: Family, size: int, load: str, rng: Random) -> Iterator[float]:
    """Moments at which somebody joins, ascending, without end.

    Load "peaks" is 0.7 with an hour at 1.4 in every three; any other is the constant share of the members' time.
    """
    now_s, in_burst, switch_at = 0.0, False, 0.0
    # Ten minutes in every fifty are a burst; what it adds is taken off the rest, so that the mean is the load.
    calm = 1 / (0.8 + 0.2 * family.bursts)
    fastest = family.bursts * calm * (1.4 if load == "peaks" else float(load)) * size / family.cycle_s / family.batch
    while True:
        now_s += rng.expovariate(fastest)
        while family.bursts > 1 and now_s >= switch_at:
            in_burst = not in_burst
            switch_at += rng.expovariate(1 / (600.0 if in_burst else 2400.0))
        level = (1.4 if now_s % 10_800 > 7200 else 0.7) / 1.4 if load == "peaks" else 1.0
        if rng.random() >= level * (1.0 if in_burst else 1 / family.bursts):
            continue  # thinning
        yield now_s
        while rng.random() >= 1 / family.batch:
            yield now_s
