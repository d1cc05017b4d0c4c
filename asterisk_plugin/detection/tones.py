"""Tones: frames in a row whose energy sits on one or two frequencies that stay where they are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB, Frame

ONE_SHARE, TWO_SHARE = 0.80, 0.86
"""So much of the power must be in one component, or in two; GSM 06.10 leaves 0.85 and more of a clear beep."""

TWO_BALANCE = 0.06
"""The weaker of two tones is at most 12 dB below the other (dual-tone beeps and keys are within 6 dB)."""

HOLD_HZ = 18.0
"""A tone moves no further than this from where it was: a codec's jitter, not a voice's melody."""

BEATING_HZ = 500.0
"""Below it two tones closer than 62 Hz are one peak that wanders (ring-back: 400 + 450, 440 + 480 Hz)."""

QUIETEST_FLOOR = 0.01
"""Noise of -65 dB (full scale 0), in the unit of `Frame.power`."""

BEFORE_FRAMES = 6

FIRST_FRAMES = 3
"""So long a codec may take to bring both tones of a beep to their strengths."""

OUT_OF_QUIET_DB = 8.0
"""By so much a tone is louder than something shortly before it: notes run into each other."""

LOUDER = 4.0
"""Times the power of the noise: a tone that is buried deeper is not looked for."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone that has ended.

    Args:
        start_s: Since the answer, to about 20 ms.
        end_s: The same.
        hz: One or two frequencies, ascending.
        spread_hz: How far its frequency moved, without its first and last frame and the odd one out in ten.
        level_db: Of its loudest frame.
        purity: Mean share of the power in it, the noise of the line taken off.
        before_db: The quietest frame of the 120 ms before it.
    """

    start_s: float
    end_s: float
    hz: tuple[float, ...]
    spread_hz: float
    level_db: float
    purity: float
    before_db: float

    @property
    def lasted_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


def joined(one: Tone, rest: Tone) -> Tone:
    """One tone of which a packet was lost."""
    longer = one if one.lasted_s > rest.lasted_s else rest
    purity = (one.purity * one.lasted_s + rest.purity * rest.lasted_s) / (one.lasted_s + rest.lasted_s)
    spread_hz = max(longer.spread_hz, min(abs(a - b) for a in one.hz for b in rest.hz))
    level_db = max(one.level_db, rest.level_db)
    return Tone(one.start_s, rest.end_s, longer.hz, spread_hz, level_db, purity, one.before_db)


@dataclass(slots=True)
class Run:
    """A tone that is sounding; the power of its first frame is partly of what was before, and not counted."""

    start_s: float
    end_s: float
    seen: list[tuple[float, ...]] = field(default_factory=list)
    shares: float = 0.0
    level_db: float = -90.0
    missing: int = 0
    before_db: float = QUIETEST_DB
    pairs: list[tuple[tuple[float, ...], float]] = field(default_factory=list)
    """Of the first frames: the two strongest components, ascending, and their share of the power."""

    @property
    def hz(self) -> tuple[float, ...]:
        """Where it is: the middle of what was seen."""
        return tuple(sorted(column)[len(self.seen) // 2] for column in zip(*self.seen, strict=True))

    def goes_on(self, frame: Frame, clear: float) -> float:
        """The share of a frame's power in this tone, 0 where the frame does not go on with it."""
        seen = self.seen[-1]
        near = 55.0 if seen[0] < BEATING_HZ and len(seen) == 1 else HOLD_HZ
        if len(seen) == 1:
            share = frame.shares[0] * clear
            return share if share >= ONE_SHARE and abs(frame.hz[0] - seen[0]) <= near else 0.0
        share = frame.shares[1] * clear
        both = all(abs(new - old) <= near for new, old in zip(sorted(frame.hz), seen, strict=True))
        return share if share >= TWO_SHARE and both else 0.0

    def shows_second_of(self, run: Run) -> bool:
        """It is one that has just begun, of which only the stronger of two tones was seen at first."""
        return (
            len(run.seen) <= FIRST_FRAMES
            and len(run.seen[0]) < len(self.seen[0])
            and any(abs(hz - run.seen[-1][0]) <= HOLD_HZ for hz in self.seen[0])
        )

    def take_over(self, run: Run) -> None:
        """Go on with one of which this shows the second tone: it was there before, and weaker."""
        self.start_s, self.before_db, self.level_db = run.start_s, run.before_db, max(run.level_db, self.level_db)
        for hz, share in run.pairs[1:]:
            if share >= TWO_SHARE and all(abs(a - b) <= HOLD_HZ for a, b in zip(hz, self.seen[-1], strict=True)):
                self.seen.insert(0, hz)
                self.shares += min(1.0, share)

    def extend(self, frame: Frame, share: float, clear: float) -> None:
        """Take a frame that goes on with it."""
        if len(self.pairs) < FIRST_FRAMES:
            self.pairs.append((tuple(sorted(frame.hz)), frame.shares[1] * clear))
        self.end_s, self.missing = frame.end_s - 0.5 * FRAME_S, 0
        self.seen.append(frame.hz[:1] if len(self.seen[0]) == 1 else tuple(sorted(frame.hz)))
        self.shares += min(1.0, share)
        self.level_db = max(self.level_db, frame.level_db)

    def closed(self) -> Tone:
        """As it was."""
        inner = self.seen[1:-1] or self.seen
        odd = len(inner) // 10
        columns = [sorted(column)[odd : len(inner) - odd] for column in zip(*inner, strict=True)]
        spread = max(column[-1] - column[0] for column in columns)
        purity = self.shares / (len(self.seen) - 1 or 1)
        return Tone(self.start_s, self.end_s, self.hz, spread, self.level_db, purity, self.before_db)


def is_out_of_quiet(one: Tone | Run) -> bool:
    """It is louder than what was before it; what has sounded all the time is not."""
    return one.level_db > one.before_db + OUT_OF_QUIET_DB


class ToneTracker:
    """Follows tones from frame to frame.

    Attributes:
        run: The tone that sounds now, None when there is none.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self._floor = QUIETEST_FLOOR
        self._before = deque([QUIETEST_DB] * BEFORE_FRAMES, BEFORE_FRAMES)

    def take(self, frame: Frame) -> Tone | None:
        """The tone that this frame shows to have ended."""
        # The noise under a tone: the quietest of the last seconds, let rise by 4 dB a second, but not by a tone that
        # came out of quiet; what has sounded all the time is noise.
        rises = 1.0 if self.run is not None and is_out_of_quiet(self.run) else 1.02
        self._floor = max(QUIETEST_FLOOR, min(frame.power, self._floor * rises))
        clear = frame.power / (frame.power - 0.8 * self._floor) if frame.power >= LOUDER * self._floor else 0.0
        run = self.run
        if run is not None:
            share = run.goes_on(frame, clear)
            if share:
                run.extend(frame, share, clear)
                return None
            if run.missing < 1 and (frame.level_db > run.level_db - 20 or frame.level_db == QUIETEST_DB):
                # One frame may be badly coded, or lost: that is sheer silence.
                run.missing += 1
                return None
        self.run = self._begun(frame, clear)
        self._before.append(frame.level_db)
        if run is not None and self.run is not None and self.run.shows_second_of(run):
            self.run.take_over(run)
            return None
        return run.closed() if run is not None else None

    def _begun(self, frame: Frame, clear: float) -> Run | None:
        """A tone that this frame may be the first of."""
        if frame.shares[0] * clear >= ONE_SHARE and not (frame.balance > 0.15 and frame.shares[1] > 0.95):
            hz: tuple[float, ...] = frame.hz[:1]
        elif frame.shares[1] * clear >= TWO_SHARE and frame.balance >= TWO_BALANCE:
            hz = tuple(sorted(frame.hz))
        else:
            return None
        start_s, end_s = frame.end_s - 1.5 * FRAME_S, frame.end_s - 0.5 * FRAME_S
        pairs = [(tuple(sorted(frame.hz)), frame.shares[1] * clear)]
        return Run(start_s, end_s, [hz], level_db=frame.level_db, before_db=min(self._before), pairs=pairs)
