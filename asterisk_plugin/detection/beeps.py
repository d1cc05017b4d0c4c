"""What a tone that has ended was: the beep of a machine, or one of the many other tones of a telephone line.

A beep is steady, stands alone and is followed by quiet: the machine listens. Vowels move, notes come in rows, ring-back
and busy tones keep their cadence (ITU-T E.180 supplement 2), keys are pairs of known tones (ITU-T Q.23), special
information tones come as three (ITU-T E.180, 950, 1400, 1800 Hz), a fax answers with 2100 Hz (ITU-T T.30).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from asterisk_plugin.detection.findings import Finding, Kind, Why
from asterisk_plugin.detection.frames import QUIETEST_DB, Frame
from asterisk_plugin.detection.tones import Run, Tone, ToneTracker

TONAL_S = 0.06
"""Shorter is nothing: a vowel can be as pure for two frames."""

BEEP_HZ = (380.0, 2150.0)
GRADES = (
    *((0.075, 8.0, 0.98), (0.085, 6.0, 0.95), (0.095, 1.0, 0.90)),
    *((0.15, 12.0, 0.96), (0.15, 10.0, 0.94), (0.15, 8.0, 0.93), (0.25, 10.0, 0.88)),
)
"""From this length on (of 100 ms 80 to 100 are seen): how far a beep moves at most, and how pure it is at least.

GSM 06.10 makes a tone jitter by several Hz; vowels that are as pure and steady are shorter than 100 ms."""

CONFIRM_S = 0.16
"""Quiet after a beep."""

QUIETER_DB = 8.0
"""By so much what follows a beep is below it, and something shortly before it: notes run into each other."""

FAINT_DB, VOICE_FALLS_DB = 24.0, 0.02
"""A tone so far below the loudest frames of the voice is behind it (a radio); that limit sinks by 1 dB a second."""

HOLE_S = 0.045
"""A lost packet tears a tone apart for so long; double beeps pause longer."""

LOUD_FRAMES = 2
"""But for so many frames, in which it fades out or the next beep begins."""

ALONE_S, MELODY_S = 0.5, 1.2
"""No other tone ended so shortly before a beep, and at most one in the longer time: tunes are no beeps."""

ENDLESS_S = 2.5
"""A tone that sounds so long needs no end."""

FAX_HZ, FAX_S = (2085.0, 2115.0), 1.5
KEYS_HZ = tuple((low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477, 1633))
KEYS_WITHIN = 0.02

INFORMATION_HZ = ((890.0, 1010.0), (1340.0, 1460.0), (1740.0, 1860.0))
"""With room for the networks that send 913.8, 1370.6 and 1776.7 Hz."""

PROGRESS_HZ = (392.0, 458.0)
"""Ring-back and busy tones: 425 in most of Europe, 440 in France, 400 (busy), 400 + 450 in Britain, 450 elsewhere."""

WANDERING_HZ, WANDERS_HZ = (392.0, 488.0), 5.0
"""400 + 450 and 440 + 480 Hz (America) are too close to be told apart: mostly one tone that wanders."""

RING_S = ((0.9, 1.12), (1.4, 1.6), (1.85, 2.15))
"""How long a ring lasts: Germany, Italy, Sweden, the Netherlands 1; France, Spain 1.5; America 2 s."""

REPEATED_S = 0.7
"""Busy tones (and the British ring) sound again so soon; a lone beep at their frequency is believed after that."""


@dataclass(slots=True)
class _Pending:
    tone: Tone
    quiet_s: float
    loud: int = 0


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
        self._voice_db = QUIETEST_DB
        self.heard_ring: float | None = None

    @property
    def run(self) -> Run | None:
        """The tone that sounds now."""
        return self._tracker.run

    @property
    def is_progress(self) -> bool:
        """Something like ring-back sounds now."""
        return self._tracker.run is not None and is_progress(self._tracker.run.closed())

    @property
    def may_tell_soon(self) -> bool:
        """A tone sounds, or is waited for to have been a beep."""
        run = self._tracker.run
        return self._pending is not None or (run is not None and run.end_s - run.start_s >= GRADES[0][0])

    def take(self, frame: Frame) -> Finding | None:
        """What this frame shows."""
        ended = self._tracker.take(frame)
        if self._tracker.run is None:
            self._voice_db = max(frame.level_db, self._voice_db - VOICE_FALLS_DB)
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
        if lasts_s >= ENDLESS_S and _is_beep_like(run.closed()) and not is_progress(run.closed()):
            return self._tell(Kind.BEEP, Why.BEEP, frame)
        return None

    def _ended(self, tone: Tone, frame: Frame) -> Finding | None:
        """Something tonal is over: is it to be waited for what follows?"""
        if tone.lasted_s < TONAL_S:
            return self._after(frame)
        pending, self._pending = self._pending, None
        if self._past and _same(self._past[-1], tone) and tone.start_s - self._past[-1].end_s <= HOLE_S:
            tone, pending = _joined(self._past.pop(), tone), None
        self._past = [*(one for one in self._past[-12:] if one.end_s > tone.start_s - MELODY_S), tone]
        if _is_information(self._past[-3:]):
            return self._tell(Kind.MACHINE, Why.ANNOUNCEMENT_TONES, frame)
        if tone.start_s <= self._told:
            return None
        if pending is not None and _same(pending.tone, tone) and tone.start_s - pending.tone.end_s < REPEATED_S:
            self._again(pending, tone)
            return None
        heard = self._voice_db - FAINT_DB < tone.level_db > tone.before_db + QUIETER_DB
        if heard and _is_beep_like(tone) and self._is_alone(tone) and not self._is_ring(tone):
            self._pending = _Pending(tone, REPEATED_S if is_progress(tone) else CONFIRM_S)
        return None

    def _again(self, pending: _Pending, tone: Tone) -> None:
        """The same tone once more: a double beep, or one with a hole in it; but at its frequency the busy tone."""
        if is_progress(tone) and self._is_ring(tone):
            return
        longer = replace(pending.tone, end_s=tone.end_s, level_db=max(pending.tone.level_db, tone.level_db))
        self._pending = _Pending(longer, pending.quiet_s)

    def _is_alone(self, tone: Tone) -> bool:
        """It is no note of a tune."""
        others = [one for one in self._past[:-1] if _is_note(one) and not _same(one, tone)]
        return len(others) < 2 and all(one.end_s <= tone.start_s - ALONE_S for one in others)

    def _is_ring(self, tone: Tone) -> bool:
        if not is_progress(tone):
            return False
        before = [one for one in self._past[:-1] if is_progress(one)]
        if (before and _is_cadence(before[-1], tone)) or any(low <= tone.lasted_s <= high for low, high in RING_S):
            self.heard_ring = tone.end_s
            return True
        return False

    def _after(self, frame: Frame) -> Finding | None:
        """What follows a tone that may have been a beep."""
        pending = self._pending
        if pending is None:
            return None
        passed_s = frame.end_s - pending.tone.end_s
        if frame.level_db > pending.tone.level_db - QUIETER_DB and self._tracker.run is None:
            pending.loud += 1
            if pending.loud > LOUD_FRAMES:
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
    steady = any(
        tone.lasted_s >= lasted_s and tone.spread_hz <= spread_hz and tone.purity >= purity
        for lasted_s, spread_hz, purity in GRADES
    )
    return steady and all(_within(hz, BEEP_HZ) for hz in tone.hz) and not _is_key(tone.hz)


def is_progress(tone: Tone) -> bool:
    """It may be a ring-back or busy tone."""
    wanders = tone.spread_hz > WANDERS_HZ or len(tone.hz) > 1
    return all(_within(one, WANDERING_HZ if wanders else PROGRESS_HZ) for one in tone.hz)


def _is_cadence(one: Tone, next_: Tone) -> bool:
    """A busy tone sounds as long as it pauses, 0.2 to 0.5 s; the British ring is 0.4, 0.2, 0.4 s."""
    gap_s = next_.start_s - one.end_s
    busy = 0.16 <= one.lasted_s <= 0.6 and 0.75 <= gap_s / one.lasted_s <= 1.3
    return busy or (0.3 <= one.lasted_s <= 0.45 and 0.12 <= gap_s <= 0.3)


def _is_note(tone: Tone) -> bool:
    """It could be one of a tune; what is shorter or less pure is a part of a word."""
    return tone.lasted_s >= 0.085 and tone.purity >= 0.92 and tone.spread_hz <= 16 and tone.hz[0] > 300


def _is_key(hz: tuple[float, ...]) -> bool:
    return len(hz) == 2 and any(
        all(abs(one - key) <= KEYS_WITHIN * key for one, key in zip(hz, keys, strict=True)) for keys in KEYS_HZ
    )


def _same(one: Tone, other: Tone) -> bool:
    """They have a frequency in common: the second tone of a pair is sometimes lost."""
    return any(abs(a - b) < 25 for a in one.hz for b in other.hz)


def _joined(one: Tone, rest: Tone) -> Tone:
    """One tone of which a packet was lost; as steady and pure as its longer part."""
    longer = one if one.lasted_s > rest.lasted_s else rest
    level_db = max(one.level_db, rest.level_db)
    return replace(longer, start_s=one.start_s, end_s=rest.end_s, level_db=level_db, before_db=one.before_db)


def _is_information(tones: list[Tone]) -> bool:
    """Three rising tones, one right after the other."""
    return len(tones) == 3 and all(
        len(tone.hz) == 1 and _within(tone.hz[0], limits) and 0.15 <= tone.lasted_s <= 0.5
        for tone, limits in zip(tones, INFORMATION_HZ, strict=True)
    )
