"""A tone that may have been a beep, and may have been something else: what follows it tells.

A machine that has beeped records, and is quiet. A ring comes again or is answered, a person who presses a key or whose
vowel it was goes on speaking, or says "hello?" to a line on which nothing is heard. Until that is clear our side should
be silent: it costs a person little, and a machine gets no word. The same goes for the end of a greeting that is as long
as machines' are: it may record without a beep, or with one that a codec has taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from asterisk_plugin.detection.findings import Finding, Kind, Why
from asterisk_plugin.detection.frames import Frame
from asterisk_plugin.detection.tone_kinds import (
    SHORTEST_S,
    is_beep_like,
    is_key,
    is_remnant,
    is_steady,
    is_torn,
    ring_pause_s,
)
from asterisk_plugin.detection.tones import Run, Tone
from asterisk_plugin.detection.voices import ENDS_S

SPEAKS_FRAMES = 4
"""In so many frames after a tone somebody speaks: it was no beep. "Si?" has seven."""

STILL_IT_HZ = 50.0
"""What is so close to it is the tone itself: it fades, or a codec has torn it."""

PICKS_UP_S = 0.5
"""A ring that does not come again so long after its pause, and that nobody answers with a word, was none."""

PRESSED_S = 4.0
"""Who has pressed a key and hears nothing for so long says something."""

LISTENS_S = 5.5
"""Who hears nothing says something within so long. No ring pauses for longer."""

BEEPS_FRAMES = 13
"""But as long as the beep may come, it must be longer than this: one that a codec has torn sounds like a syllable."""

TUNE_S, CONFIRM_S = 2.0, 0.16
"""A tune does not pause for so long, nor a word for the shorter time."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a tone may have been.

    Args:
        tone: The tone.
        why: What else it may be.
        quiet_s: After so much quiet it was a beep.
        from_s: After so much quiet it is in doubt.
        beeps_s: For so long the beep may come: neither a tone nor a syllable tells anything.
    """

    tone: Tone
    why: Why
    quiet_s: float
    from_s: float = 0.0
    beeps_s: float = 0.0


class DoubtWatch:
    """Follows what comes after a doubtful tone, or after a long greeting.

    Attributes:
        doubt: What is in doubt now, None when nothing is.
    """

    def __init__(self) -> None:
        self.doubt: Finding | None = None
        self._of: Suspicion | None = None
        self._spoken, self._may_beep = 0, False

    @property
    def why(self) -> Why | None:
        """What is in doubt, or will be in a moment."""
        return None if self._of is None else self._of.why

    def begin(self, suspicion: Suspicion) -> None:
        """Doubt what has just ended, instead of what came before it; at once, when that was in doubt."""
        was_in_doubt = self.doubt is not None
        self.end()
        self._of, self._spoken = replace(suspicion, from_s=0.0) if was_in_doubt else suspicion, 0
        self._may_beep = suspicion.beeps_s > 0

    def go_on(self, quiet_s: float) -> None:
        """Doubt what somebody else has heard, as of the beginning: so much quiet makes it a beep."""
        self.begin(Suspicion(_no_tone(0.0), Why.DOUBTED_BEFORE, quiet_s))

    def left_s(self, now_s: float) -> float:
        """So much more quiet makes it a beep; 0 when nothing is in doubt."""
        return 0.0 if self._of is None else max(0.0, self._of.quiet_s - (now_s - self._of.tone.end_s))

    def end(self) -> None:
        """Something else has told what it was."""
        self.doubt = self._of = None

    def take(self, frame: Frame, run: Run | None, *, speaks: bool) -> bool:
        """Whether it has now turned out to be a beep, or a machine that records.

        Args:
            frame: What came.
            run: The tone that sounds, if one does.
            speaks: Somebody may speak in this frame.
        """
        suspicion = self._of
        if suspicion is None:
            return False
        tone, passed_s = suspicion.tone, frame.end_s - suspicion.tone.end_s
        sounds = run is not None and run.start_s > tone.end_s and run.end_s - run.start_s >= SHORTEST_S
        if self._may_beep and passed_s >= suspicion.beeps_s and not speaks:
            self._may_beep, self._spoken = False, 0  # what was shorter than a word may have been the beep
        if speaks and not (self._may_beep and sounds):
            self._spoken += all(abs(frame.hz[0] - hz) > STILL_IT_HZ for hz in tone.hz)
        if self._spoken >= (BEEPS_FRAMES if self._may_beep else SPEAKS_FRAMES) or (sounds and not self._may_beep):
            self.end()
            return False
        if self.doubt is None and passed_s >= suspicion.from_s:
            self.doubt = Finding(Kind.MAY_BE_BEEP, round(frame.end_s, 3), suspicion.why)
        if passed_s < suspicion.quiet_s:
            return False
        self.end()
        return True


def suspicion_of_quiet(from_s: float) -> Suspicion:
    """What the quiet after a long greeting may be.

    Args:
        from_s: When the greeting ended.
    """
    return Suspicion(_no_tone(from_s), Why.MAY_RECORD, LISTENS_S, beeps_s=ENDS_S)


def _no_tone(end_s: float) -> Tone:
    return Tone(end_s, end_s, (), spread_hz=0.0, level_db=0.0, purity=0.0, before_db=0.0)


def suspicion_of(tone: Tone, *, after_voice: bool, in_words: bool) -> Suspicion | None:
    """What a tone that stands where a beep would may be instead, None where it can be no beep.

    Args:
        tone: The tone.
        after_voice: Somebody has spoken. Else it may be part of a ring, too, which pauses for longer than tunes.
        in_words: And just now.
    """
    pause_s = ring_pause_s(tone)
    if pause_s is not None and is_beep_like(tone):
        return Suspicion(tone, Why.MAY_BE_RING, pause_s + PICKS_UP_S)
    if is_key(tone) and is_steady(tone):
        return Suspicion(tone, Why.MAY_BE_KEY, PRESSED_S)
    if is_beep_like(tone) or is_torn(tone):
        return Suspicion(tone, Why.MAY_BE_NOTE, TUNE_S if after_voice else LISTENS_S, CONFIRM_S)
    if is_remnant(tone, in_words=in_words):
        return Suspicion(tone, Why.MAY_BE_NOTE, LISTENS_S, CONFIRM_S)
    return None
