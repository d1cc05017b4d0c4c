"""What the detector can find, and what it goes by."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """Who or what is heard."""

    MACHINE = "machine"
    PERSON = "person"
    BEEP = "beep"
    NOT_SURE = "not sure"
    MAY_BE_BEEP = "may be a beep"
    NO_BEEP = "no beep"


class Why(enum.StrEnum):
    """What showed it; these ids stand in logs and are never used anew for something else."""

    BEEP = "beep"
    ANNOUNCEMENT_TONES = "announcement-tones"
    FAX_TONE = "fax-tone"
    MUSIC = "music"
    LONG_GREETING = "long-greeting"
    TALKS_ON = "talks-on"
    REPEATS = "repeats"
    SHORT_GREETING = "short-greeting"
    GREETING_AND_WAIT = "greeting-and-wait"
    SILENCE = "silence"
    RING_BACK = "ring-back"
    STILL_SPEAKING = "still-speaking"
    AMD = "amd"
    BEEP_BY_QUIET = "beep-by-quiet"
    MAY_BE_RING = "may-be-ring"
    MAY_BE_KEY = "may-be-key"
    MAY_BE_NOTE = "may-be-note"
    MAY_BE_BUSY = "may-be-busy"
    DOUBTED_BEFORE = "doubted-before"
    MAY_RECORD = "may-record"
    SAYS_NO_MORE = "says-no-more"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something heard.

    Args:
        kind: What it means; NOT_SURE is to be treated as a person. MAY_BE_BEEP says nothing about who answered: our
            side should be silent until a machine, or NO_BEEP, is found.
        at_s: When it was known, seconds of sound since the answer.
        why: What showed it.
    """

    kind: Kind
    at_s: float
    why: Why

    @property
    def is_machine(self) -> bool:
        """Nobody is there: no agent should go on talking."""
        return self.kind in (Kind.MACHINE, Kind.BEEP)

    @property
    def is_by_quiet(self) -> bool:
        """It is one only where our side was silent meanwhile: a person who is spoken to says nothing either."""
        return self.why in (Why.BEEP_BY_QUIET, Why.SAYS_NO_MORE)


@dataclass(frozen=True, slots=True)
class Before:
    """What the detector that has heard a call so far hands on to the one that hears the rest.

    Args:
        doubt_s: Something was in doubt: so much more quiet makes a beep of it. 0: nothing was.
        spoken_s: So long somebody has spoken at first, without ever waiting; 0: nobody has.
        quiet_s: And for so long since has not.
    """

    doubt_s: float = 0.0
    spoken_s: float = 0.0
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How long each thing must last. Tuned on the corpus of tests/detection; see CONTRIBUTING.md, Decisions.

    Args:
        silence_s: Nobody spoke for so long since the answer: a person.
        pause_after_short_s: Silence after a greeting of up to `short_s` that shows a person who waits.
        pause_after_long_s: The same after a longer one: machines breathe between sentences.
        short_s: Up to here a greeting is a word or a name.
        long_greeting_s: Who speaks so long and still goes on is a machine.
        talks_on_s: So much speech without ever waiting `waits_s` is a machine, also after the verdict.
        waits_s: A pause of this length belongs to a conversation.
        music_s: So long without a pause, with the steady notes of music.
        monologue_s: Who has spoken so long without ever waiting, and then says no more, may be a machine that records:
            its beep was not heard, or it has none. Few persons greet for so long.
        monologue_share: So much of that time is speech: else somebody answered between the words, or should have.
        listen_s: Cadence is followed so long since the answer; beeps are listened for without end.
        undecided_s: Somebody who still speaks so long after the answer is given as NOT_SURE; 0: wait for the end.
        doubt_s: The same of a tone that may be a beep, unless it is to be waited for the end: in Italy an agent must be
            there 3 s after the answer.
    """

    silence_s: float = 1.9
    pause_after_short_s: float = 0.5
    pause_after_long_s: float = 0.9
    short_s: float = 1.5
    long_greeting_s: float = 9.5
    talks_on_s: float = 9.0
    waits_s: float = 1.3
    music_s: float = 4.0
    monologue_s: float = 7.0
    monologue_share: float = 0.5
    listen_s: float = 30.0
    undecided_s: float = 1.9
    doubt_s: float = 2.7
