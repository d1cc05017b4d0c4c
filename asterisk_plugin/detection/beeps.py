"""What a tone that has ended was: the beep of a machine, or one of the many other tones of a telephone line.

A beep is steady, stands alone and is followed by quiet: the machine listens. Vowels move, notes come in rows, ring-back
and busy tones keep their cadence (ITU-T E.180 supplement 2), keys are pairs of known tones (ITU-T Q.23), special
information tones come as three (ITU-T E.180, 950, 1400, 1800 Hz), a fax answers with 2100 Hz (ITU-T T.30).
"""

from __future__ import annotations

from dataclasses import dataclass

from asterisk_plugin.detection.findings import Finding, Kind, Why
from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB, Frame
from asterisk_plugin.detection.tones import Run, Tone, ToneTracker

SHORTEST_S = 0.07
"""Of a beep of 100 ms so much is seen."""

BEEP_HZ = (380.0, 2150.0)
STEADY_HZ = 5.0
"""How far a beep's frequency moves; GSM 06.10 makes it jitter by some Hz."""

CONFIRM_S = 0.16
"""Quiet after a beep."""

QUIETER_DB = 8.0
"""By so much what follows a beep is below it."""

ALONE_S = 0.5
"""No other tone ended so shortly before a beep."""

ENDLESS_S = 2.5
"""A tone that sounds so long needs no end."""

FAX_HZ, FAX_S = (2085.0, 2115.0), 1.5
KEYS_HZ = tuple((low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477, 1633))
KEYS_WITHIN = 0.02

INFORMATION_HZ = ((890.0, 1010.0), (1340.0, 1460.0), (1740.0, 1860.0))
"""With room for the networks that send 913.8, 1370.6 and 1776.7 Hz."""

PROGRESS_HZ = (392.0, 488.0)
"""Where ring-back and busy tones are: 425 in most of Europe, 440 in France, 400 + 450 in Britain, 440 + 480 in America."""

RING_S = ((0.9, 1.12), (1.4, 1.6), (1.85, 2.15))
"""How long a ring lasts: Germany, Italy, Sweden, the Netherlands 1; France, Spain 1.5; America 2 s."""

REPEATED_S = 0.7
"""Busy tones (and the British ring) sound again so soon; a lone beep at their frequency is believed after that."""


@dataclass(slots=True)
class _Pending:
    tone: Tone
    quiet_s: float
    loudest_db: float = QUIETEST_DB


class BeepJudge:
    """Hears tones end and tells which were beeps, fax or announcement tones.

    Attributes:
        run: The tone that sounds now.
        heard_ring: A tone with the cadence of a ring ended then, seconds since the answer; None before.
    """

    def __init__(self) -> None:
        self._tracker = ToneTracker()
        self._pending: _Pending | None = None
        self._past: list[Tone] = []
        self._told = -1.0
        self._levels = [QUIETEST_DB] * 4
        self.heard_ring: float | None = None

    @property
    def run(self) -> Run | None:
        """The tone that sounds now."""
        return self._tracker.run

    def take(self, frame: Frame) -> Finding | None:
        """What this frame shows."""
        ended = self._tracker.take(frame)
        found = self._after(frame) if ended is None else self._ended(ended, frame)
        return found or self._endless(frame)

    def _endless(self, frame: Frame) -> Finding | None:
        """A tone that goes on and on."""
        run = self._tracker.run
        if run is None or self._told >= run.start_s:
            return None
        lasts_s, hz = frame.end_s - run.start_s, run.hz
        if lasts_s >= FAX_S and len(hz) == 1 and _within(hz[0], FAX_HZ):
            return self._tell(Kind.MACHINE, Why.FAX_TONE, frame)
        if lasts_s >= ENDLESS_S and _is_beep_like(run.closed()) and not _is_progress(hz):
            return self._tell(Kind.BEEP, Why.BEEP, frame)
        return None

    def _ended(self, tone: Tone, frame: Frame) -> Finding | None:
        """Something tonal is over: is it to be waited for what follows?"""
        if tone.lasted_s < SHORTEST_S - 0.5 * FRAME_S:
            return self._after(frame)
        pending, self._pending = self._pending, None
        past = self._past = [*(one for one in self._past[-8:] if one.end_s > tone.start_s - 2.0), tone]
        if _is_information(past[-3:]):
            return self._tell(Kind.MACHINE, Why.ANNOUNCEMENT_TONES, frame)
        if tone.start_s <= self._told or not _is_beep_like(tone):
            return None
        others = [one for one in past[:-1] if one.end_s > tone.start_s - ALONE_S and not _same(one, tone)]
        if others or self._is_ring(tone, pending):
            return None
        self._pending = _Pending(tone, REPEATED_S if _is_progress(tone.hz) else CONFIRM_S)
        return None

    def _is_ring(self, tone: Tone, pending: _Pending | None) -> bool:
        if not _is_progress(tone.hz):
            return False
        again = pending is not None and _is_progress(pending.tone.hz)
        before = len(self._past) > 1 and _is_progress(self._past[-2].hz) and tone.start_s - self._past[-2].end_s < REPEATED_S
        if again or before or any(low <= tone.lasted_s <= high for low, high in RING_S):
            self.heard_ring = tone.end_s
            return True
        return False

    def _after(self, frame: Frame) -> Finding | None:
        """What follows a tone that may have been a beep."""
        pending = self._pending
        if pending is None:
            return None
        # The frame in which it faded out is not counted.
        passed_s = frame.end_s - pending.tone.end_s
        if passed_s > 2.5 * FRAME_S and frame.level_db > pending.tone.level_db - QUIETER_DB and self._tracker.run is None:
            self._pending = None
            return None
        if passed_s < pending.quiet_s or self._tracker.run is not None:
            return None
        self._pending = None
        return self._tell(Kind.BEEP, Why.BEEP, frame)

    def _tell(self, kind: Kind, why: Why, frame: Frame) -> Finding:
        self._told, self._pending = frame.end_s, None
        return Finding(kind, round(frame.end_s, 3), why)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _is_beep_like(tone: Tone) -> bool:
    return all(_within(hz, BEEP_HZ) for hz in tone.hz) and tone.spread_hz <= STEADY_HZ and not _is_key(tone.hz)


def _is_progress(hz: tuple[float, ...]) -> bool:
    return all(_within(one, PROGRESS_HZ) for one in hz)


def _is_key(hz: tuple[float, ...]) -> bool:
    return len(hz) == 2 and any(
        all(abs(one - key) <= KEYS_WITHIN * key for one, key in zip(hz, keys, strict=True)) for keys in KEYS_HZ
    )


def _same(one: Tone, other: Tone) -> bool:
    return len(one.hz) == len(other.hz) and all(abs(a - b) < 25 for a, b in zip(one.hz, other.hz, strict=True))


def _is_information(tones: list[Tone]) -> bool:
    """Three rising tones, one right after the other."""
    return len(tones) == 3 and all(
        len(tone.hz) == 1 and _within(tone.hz[0], limits) and 0.2 <= tone.lasted_s <= 0.5
        for tone, limits in zip(tones, INFORMATION_HZ, strict=True)
    )
