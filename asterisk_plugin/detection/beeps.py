"""What a tone that has ended was: the beep of a machine, or one of the many other tones of a telephone line.

A beep stands alone and is followed by quiet: the machine listens. Notes come in rows, ring-back and busy tones keep
their cadence, special information tones come as three. What a tone by itself may be tells `tone_kinds.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from asterisk_plugin.detection.doubts import DoubtWatch, Suspicion, suspicion_of, suspicion_of_quiet
from asterisk_plugin.detection.findings import Before, Finding, Kind, Why
from asterisk_plugin.detection.frames import Frame
from asterisk_plugin.detection.tone_kinds import (
    BEEP_HZ,
    BUSY_S,
    SHORTEST_S,
    is_beep_like,
    is_busy,
    is_double_ring,
    is_information,
    is_key,
    is_note,
    is_progress,
    is_ring,
    is_same_key,
    same,
    within,
)
from asterisk_plugin.detection.tones import Run, Tone, ToneTracker, is_out_of_quiet, joined
from asterisk_plugin.detection.voices import VoiceBefore

TONAL_S = 0.055
"""Shorter is nothing: a vowel can be as pure for two frames."""

CONFIRM_S = 0.16
"""Quiet after a beep."""

QUIETER_DB = 8.0
"""By so much what follows a beep is below it."""

FAINT_DB, FAINTEST_DB = 24.0, 32.0
"""A tone so far below the loudest frames of the voice is behind it (a radio); one that is less far may be in doubt."""

HOLE_S = 0.045
"""A lost packet tears a tone apart for so long; double beeps pause longer."""

LOUD_FRAMES = 2
"""But for so many frames, in which it fades out or the next beep begins."""

ALONE_S, MELODY_S = 0.5, 1.2
"""No other tone ended so shortly before a beep, and at most one in the longer time: tunes are no beeps."""

ENDLESS_S = 2.5
"""A tone that sounds so long needs no end."""

FAX_HZ, FAX_S = (2085.0, 2115.0), 1.5
"""ITU-T T.30."""

PAUSE_S = 0.3
"""The British ring is 0.4 s, 0.2 s of pause, 0.4 s: no beep at the frequency of rings is believed sooner."""

BUSY_PAUSE = 1.4
"""A busy tone comes again before so many times its length."""

REPEATED_S = 0.7
"""After so long nothing belongs to a tone any more."""


@dataclass(slots=True)
class _Pending:
    tone: Tone
    quiet_s: float
    after_voice: bool
    loud: int = 0
    doubt: Finding | None = None


class BeepJudge:
    """Hears tones end and tells which were beeps, fax or announcement tones.

    Args:
        before: What was heard before.

    Attributes:
        run: The tone that sounds now.
        heard_ring: A tone with the cadence of a ring ended then, seconds since the answer; None before.
    """

    def __init__(self, before: Before) -> None:
        self._tracker = ToneTracker()
        self._pending: _Pending | None = None
        self._past: list[Tone] = []
        self._told = -1.0
        self._voice = VoiceBefore(before)
        self._doubts = DoubtWatch()
        if before.doubt_s:
            self._doubts.go_on(before.doubt_s)
        self._quiet_from_s = 0.0  # from then on it was in doubt last
        self._rang_s: float | None = None  # the ring before the tone that is judged
        self.heard_ring: float | None = None

    @property
    def run(self) -> Run | None:
        """The tone that sounds now."""
        return self._tracker.run

    @property
    def doubt(self) -> Finding | None:
        """Something was heard that may have been a beep; None when nothing is in doubt."""
        return self._doubts.doubt or (None if self._pending is None else self._pending.doubt)

    def doubt_left_s(self, now_s: float) -> float:
        """So much more quiet makes a beep of what is in doubt; 0 when nothing is, or it is clear in a moment."""
        return self._doubts.left_s(now_s)

    @property
    def is_progress(self) -> bool:
        """Something like ring-back sounds now."""
        return self._tracker.run is not None and is_progress(self._tracker.run.closed())

    @property
    def may_tell_soon(self) -> bool:
        """A tone sounds that may become a beep, or it is waited whether one was."""
        run = self._tracker.run
        if self._pending is not None or self._doubts.why not in (None, Why.MAY_RECORD):
            return True
        return run is not None and is_out_of_quiet(run) and SHORTEST_S <= run.end_s - run.start_s <= ENDLESS_S

    def take(self, frame: Frame) -> Finding | None:
        """What this frame shows."""
        ended = self._tracker.take(frame)
        run = self._tracker.run
        if run is None:
            self._voice.take(frame)
        found = self._after(frame) if ended is None else self._ended(ended, frame)
        found = found or self._endless(frame)
        why = self._doubts.why
        if found is None and self._doubts.take(frame, run, speaks=self._voice.may_be(frame)):
            if why is Why.MAY_RECORD:
                return self._tell(Kind.MACHINE, Why.SAYS_NO_MORE, frame)
            return self._tell(Kind.BEEP, Why.BEEP_BY_QUIET, frame)
        return found

    def doubt_quiet(self, from_s: float) -> None:
        """Doubt the quiet after a long greeting, once for each of its ends, and not while a tone is in doubt.

        Args:
            from_s: When the greeting ended.
        """
        if from_s > self._quiet_from_s and self._pending is None and self._doubts.why is None:
            self._quiet_from_s = from_s
            self._doubts.begin(suspicion_of_quiet(from_s))

    def _endless(self, frame: Frame) -> Finding | None:
        """A tone that goes on and on."""
        run = self._tracker.run
        if run is None or self._told >= run.start_s:
            return None
        lasts_s, hz = frame.end_s - run.start_s, run.hz
        if lasts_s >= FAX_S and len(hz) == 1 and within(hz[0], FAX_HZ):
            return self._tell(Kind.MACHINE, Why.FAX_TONE, frame)
        if lasts_s < ENDLESS_S:
            return None
        tone = run.closed()
        if self._stands_out(tone) and is_beep_like(tone) and not is_progress(tone):
            return self._tell(Kind.BEEP, Why.BEEP, frame)
        return None

    def _stands_out(self, tone: Tone) -> bool:
        """It is louder than what was before it, and near enough to the voice to be of the same line."""
        is_near = self._voice.level_db - tone.level_db < FAINT_DB
        return is_out_of_quiet(tone) and is_near

    def _ended(self, tone: Tone, frame: Frame) -> Finding | None:
        """Something tonal is over: is it to be waited for what follows?"""
        if tone.lasted_s < TONAL_S:
            return self._after(frame)
        pending, self._pending = self._pending, None
        piece = tone
        if self._past and same(self._past[-1], tone) and tone.start_s - self._past[-1].end_s <= HOLE_S:
            tone, pending = joined(self._past.pop(), tone), None
        self._past = [*(one for one in self._past[-12:] if one.end_s > tone.start_s - MELODY_S), tone]
        if is_information(self._past[-3:]):
            return self._tell(Kind.MACHINE, Why.ANNOUNCEMENT_TONES, frame)
        if tone.start_s <= self._told:
            return None
        if pending is not None and same(pending.tone, tone) and tone.start_s - pending.tone.end_s < REPEATED_S:
            self._again(pending, tone)
            return None
        below_db = self._voice.level_db - tone.level_db
        is_pending = self._stands_out(tone) and self._is_pending(tone, frame)
        if is_out_of_quiet(tone) and below_db < FAINTEST_DB and not is_pending:
            how = {"after_voice": not self._voice.is_silent, "in_words": self._voice.is_near(self._row_start_s(tone))}
            suspicion = suspicion_of(tone, **how) or suspicion_of(piece, **how)
            if suspicion is not None and self._is_in_place(suspicion):
                self._doubts.begin(suspicion)
        if tone.hz[0] < BEEP_HZ[0]:
            self._voice.take_vowel(tone)
        self._rang_s = self.heard_ring
        return None

    def _is_pending(self, tone: Tone, frame: Frame) -> bool:
        """Whether it only has to be followed by quiet."""
        after_voice = self._voice.spoke_before(tone.start_s)
        if not (is_beep_like(tone) and self._is_alone(tone)) or self._keeps_cadence(tone, after_voice=after_voice):
            return False
        quiet_s = _quiet_s(tone, after_voice=after_voice)
        self._pending = _Pending(tone, quiet_s, after_voice)
        if quiet_s > CONFIRM_S:  # too long for a machine to record meanwhile
            self._pending.doubt = Finding(Kind.MAY_BE_BEEP, round(frame.end_s, 3), Why.MAY_BE_BUSY)
        return True

    def _is_in_place(self, suspicion: Suspicion) -> bool:
        """It comes where a beep comes, at the end of the first words or without any; one in a row is of that row."""
        tone, rang_s = suspicion.tone, self._rang_s
        if suspicion.why is Why.MAY_BE_KEY and any(
            is_key(one) and not is_same_key(one, tone) for one in self._past[:-1]
        ):
            return False
        may_be_ring = suspicion.why is Why.MAY_BE_RING
        if may_be_ring and rang_s is not None and tone.start_s - rang_s < suspicion.quiet_s:
            return False
        if self._voice.is_silent and suspicion.why is Why.MAY_BE_NOTE:
            return True
        if may_be_ring and not self._voice.has_spoken:
            return True
        return self._voice.ends_greeting(self._row_start_s(tone))

    def _row_start_s(self, tone: Tone) -> float:
        """When the first of the tones began of which this is the last: some machines beep twice or more."""
        start_s = tone.start_s
        for one in reversed(self._past[:-1]):
            if not same(one, tone) or start_s - one.end_s >= REPEATED_S:
                break
            start_s = one.start_s
        return start_s

    def _again(self, pending: _Pending, tone: Tone) -> None:
        """The same tone once more: a double beep, or one with a hole in it; but at its frequency the busy tone."""
        if self._keeps_cadence(tone, after_voice=pending.after_voice):
            return
        longer = replace(pending.tone, end_s=tone.end_s, level_db=max(pending.tone.level_db, tone.level_db))
        self._pending = _Pending(longer, pending.quiet_s, pending.after_voice, doubt=pending.doubt)

    def _is_alone(self, tone: Tone) -> bool:
        """It is no note of a tune."""
        others = [one for one in self._past[:-1] if is_note(one, tone) and not same(one, tone)]
        return len(others) < 2 and all(one.end_s <= tone.start_s - ALONE_S for one in others)

    def _keeps_cadence(self, tone: Tone, *, after_voice: bool) -> bool:
        """Alone or with the one before it, it is of ring-back; or of a busy tone that nobody spoke before."""
        if not is_progress(tone):
            return False
        before = self._before(tone)
        if before is not None and is_ring(before) and tone.start_s - before.end_s < REPEATED_S:
            return False  # No ring pauses so shortly.
        if is_ring(tone) or (before is not None and is_double_ring(before, tone) and not self._is_third(before)):
            self.heard_ring = tone.end_s
            return True
        return not after_voice and before is not None and is_busy(before, tone)

    def _is_third(self, before: Tone) -> bool:
        """There was one shortly before the one before it, too: the British ring has two."""
        first = self._before(before)
        return first is not None and before.start_s - first.end_s < REPEATED_S

    def _before(self, tone: Tone) -> Tone | None:
        """The tone before it that may be of the same ring or busy tone."""
        return next((one for one in reversed(self._past) if one.end_s <= tone.start_s and is_progress(one)), None)

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
        self._doubts.end()
        return Finding(kind, round(frame.end_s, 3), why)


def _quiet_s(tone: Tone, *, after_voice: bool) -> float:
    """So much quiet shows that it was a beep."""
    if not is_progress(tone):
        return CONFIRM_S
    may_be_busy = not after_voice and within(tone.lasted_s, BUSY_S)
    return max(PAUSE_S, BUSY_PAUSE * tone.lasted_s) if may_be_busy else PAUSE_S
