"""The voice before and after a tone: how loud it is, when it was last heard, and whether it has ever waited."""

from __future__ import annotations

from collections import deque

from asterisk_plugin.detection.findings import Before
from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB, Frame
from asterisk_plugin.detection.tones import Tone

VOICE_FALLS_DB = 0.02
"""How loud the voice is sinks by 1 dB a second."""

SPOKE_S, SPOKE_FRAMES, SPOKE_DB, SPOKE_AT_DB = 2.5, 15, 15.0, -48.0
"""Somebody spoke just before a tone: so many frames within so long before it, no more below the loudest. A tone in the
cadence of the busy tone is then believed: it is a machine's, or that of a line that was hung up."""

OTHER_DB = 20.0
"""So far below the voice before a tone another one may be after it."""

TURN_S, WORD_FRAMES = 1.7, 8
"""Who speaks again so long after a word has waited for somebody. The breath of a greeting is 1.6 s at most."""

NEAR_S = 0.3
"""What comes later after a word is no part of it, and mostly not of the next one."""

ENDS_S = 2.0
"""The beep comes no later after the last loud syllable of a greeting."""


class VoiceBefore:
    """Follows the voice, from the frames in which no tone sounds.

    Args:
        before: What was heard before.

    Attributes:
        level_db: How loud it is.
        has_waited: It was quiet for long, and spoke again: that is a conversation, no greeting.
    """

    def __init__(self, before: Before) -> None:
        self.level_db = QUIETEST_DB
        self.has_waited = False
        spoken = [-before.quiet_s] * SPOKE_FRAMES if before.spoken_s else [-SPOKE_S]
        self._spoken = deque(spoken, SPOKE_FRAMES)

    def take(self, frame: Frame) -> None:
        """Take a frame without a tone."""
        self.level_db = max(frame.level_db, self.level_db - VOICE_FALLS_DB)
        if frame.level_db > max(SPOKE_AT_DB, self.level_db - SPOKE_DB):
            self.has_waited |= len(self._spoken) >= WORD_FRAMES and frame.end_s - self._spoken[-1] > TURN_S
            self._spoken.append(frame.end_s)

    def take_vowel(self, tone: Tone) -> None:
        """Take a tone that has turned out to be of the voice: behind GSM 06.10 half of a voice is."""
        if tone.level_db > max(SPOKE_AT_DB, self.level_db - SPOKE_DB):
            frames = max(1, round(tone.lasted_s / FRAME_S))
            self._spoken.extend(tone.end_s - FRAME_S * back for back in reversed(range(frames)))

    def may_be(self, frame: Frame) -> bool:
        """Whether somebody may speak in a frame, also somebody else, further from the telephone."""
        return frame.level_db > max(SPOKE_AT_DB, self.level_db - OTHER_DB)

    @property
    def has_spoken(self) -> bool:
        """Somebody has, at any time."""
        return len(self._spoken) == SPOKE_FRAMES

    @property
    def is_silent(self) -> bool:
        """Nobody has said as much as a word."""
        return len(self._spoken) < WORD_FRAMES

    def is_near(self, moment_s: float) -> bool:
        """Whether a word ended just before a moment."""
        return moment_s - self._spoken[-1] < NEAR_S

    def spoke_before(self, moment_s: float) -> bool:
        """Whether somebody spoke within a short time before a moment, in seconds since the answer."""
        return self.has_spoken and self._spoken[0] > moment_s - SPOKE_S

    def ends_greeting(self, moment_s: float) -> bool:
        """Whether what was spoken until just before a moment was one greeting, as a machine's is."""
        return self.has_spoken and not self.has_waited and self._spoken[-1] > moment_s - ENDS_S
