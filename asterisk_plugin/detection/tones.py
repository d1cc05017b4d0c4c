"""Tones: frames in a row whose energy sits on one or two frequencies that stay where they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from asterisk_plugin.detection.frames import FRAME_S, Frame

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

LOUDER = 4.0
"""Times the power of the noise: a tone that is buried deeper is not looked for."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone that has ended.

    Args:
        start_s: Since the answer, to about 20 ms.
        end_s: The same.
        hz: One or two frequencies, ascending.
        spread_hz: How far its frequency moved, between all but its first and last frames.
        level_db: Of its loudest frame.
        purity: Mean share of the power in it.
    """

    start_s: float
    end_s: float
    hz: tuple[float, ...]
    spread_hz: float
    level_db: float
    purity: float

    @property
    def lasted_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(slots=True)
class Run:
    """A tone that is sounding."""

    start_s: float
    end_s: float
    seen: list[tuple[float, ...]] = field(default_factory=list)
    shares: float = 0.0
    level_db: float = -90.0
    missing: int = 0

    @property
    def hz(self) -> tuple[float, ...]:
        """Where it is: the middle of what was seen."""
        return tuple(sorted(column)[len(self.seen) // 2] for column in zip(*self.seen, strict=True))

    def fits(self, hz: tuple[float, ...]) -> bool:
        """Whether a frame goes on with it."""
        last = self.seen[-1]
        return len(hz) == len(last) and all(
            abs(new - old) <= (55.0 if old < BEATING_HZ and len(hz) == 1 else HOLD_HZ)
            for new, old in zip(hz, last, strict=True)
        )

    def closed(self) -> Tone:
        """As it was."""
        inner = self.seen[1:-1] or self.seen
        spread = max(max(column) - min(column) for column in zip(*inner, strict=True))
        return Tone(self.start_s, self.end_s, self.hz, spread, self.level_db, self.shares / len(self.seen))


class ToneTracker:
    """Follows tones from frame to frame.

    Attributes:
        run: The tone that sounds now, None when there is none.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self._floor = QUIETEST_FLOOR

    def take(self, frame: Frame) -> Tone | None:
        """The tone that this frame shows to have ended."""
        hz = self._tonal(frame)
        run = self.run
        if run is not None and hz and run.fits(hz):
            self._extend(run, frame, hz)
            return None
        if run is not None and run.missing < 1 and frame.level_db > run.level_db - 20:
            # One frame may be lost or badly coded.
            run.missing += 1
            return None
        self.run = None
        if hz:
            self.run = Run(frame.end_s - 1.5 * FRAME_S, frame.end_s)
            self._extend(self.run, frame, hz)
        return run.closed() if run is not None else None

    def _extend(self, run: Run, frame: Frame, hz: tuple[float, ...]) -> None:
        run.end_s, run.missing = frame.end_s - 0.5 * FRAME_S, 0
        run.seen.append(hz)
        run.shares += frame.shares[len(hz) - 1]
        run.level_db = max(run.level_db, frame.level_db)

    def _tonal(self, frame: Frame) -> tuple[float, ...]:
        """The one or two tones of a frame, none when it is something else."""
        # The noise under a tone: the quietest of the last seconds, let rise by 4 dB a second.
        self._floor = max(QUIETEST_FLOOR, min(frame.power, self._floor * 1.02))
        if frame.power < LOUDER * self._floor:
            return ()
        clear = frame.power / (frame.power - 0.8 * self._floor)
        if frame.shares[0] * clear >= ONE_SHARE and not self._is_two(frame):
            return (frame.hz[0],)
        if frame.shares[1] * clear >= TWO_SHARE and frame.balance >= TWO_BALANCE:
            return tuple(sorted(frame.hz))
        return ()

    def _is_two(self, frame: Frame) -> bool:
        return frame.balance > 0.15 and frame.shares[1] > 0.95
