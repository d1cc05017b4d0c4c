"""The detector: samples of the called side in, findings out; see `Detector`."""

from __future__ import annotations

import numpy as np

from asterisk_plugin.detection.beeps import BeepJudge
from asterisk_plugin.detection.cadence import GAP_S, Greeting, Levels, Marks, Stretch, chains, limit_db, stretches
from asterisk_plugin.detection.findings import Before, Finding, Kind, Settings, Why
from asterisk_plugin.detection.frames import FRAME_S, QUIETEST_DB, RATE, Frame, Frames
from asterisk_plugin.detection.repeats import RepeatWatch
from asterisk_plugin.detection.voices import TURN_S

EVERY, LATER_EVERY, REPEATS_EVERY = 3, 5, 25
"""The cadence is judged every so-manieth frame: each 60 ms, after the verdict each 100 ms. Repeats: 500 ms."""

STEADY_FRAMES = 4
"""A tone of so many frames is no speech."""

WARM_UP_S = 6.0
"""Long enough that repeats are looked for, too."""

STILL_HZ = 12.0
STEADY_SHARE = 0.8
"""In music the strongest component stays where it was in so many of the frames."""


class Detector:
    """Decides who answered, and hears the beep.

    Give it everything the called side sends from the answer on, also after the verdict and while an agent talks: a
    beep shows a machine that passed for a person. It never waits and never raises, whatever the bytes are.

    Args:
        settings: How long each thing must last.
        before: What a detector that heard the beginning of the call has handed on; None: this one hears it.

    Attributes:
        greeting_verdict: The first finding about who answered, None while nothing is decided.

    A machine by quiet (`Finding.is_by_quiet`) may not be believed, so it hears on after that, as after a person.
    """

    def __init__(self, settings: Settings | None = None, *, before: Before | None = None) -> None:
        self.greeting_verdict: Finding | None = None
        self._settings = settings or Settings()
        self._before = before or Before()
        self._frames, self._beeps, self._repeats = Frames(), BeepJudge(self._before), RepeatWatch()
        most = round(self._settings.listen_s / FRAME_S)
        self._levels: Levels = np.full(most, QUIETEST_DB, np.float32)
        self._tonal: Marks = np.zeros(most, np.bool_)
        self._still: Marks = np.zeros(most, np.bool_)
        self._count, self._last_hz = 0, 0.0
        self._is_machine = False

    @property
    def doubt(self) -> Finding | None:
        """Something was heard that may have been a beep: our side should be silent. None when nothing is in doubt."""
        return None if self._is_machine else self._beeps.doubt

    @property
    def handed_on(self) -> Before:
        """What the detector that goes on must know."""
        doubt_s = 0.0 if self._is_machine else self._beeps.doubt_left_s(self._frames.heard_s)
        spoken = stretches(self._levels[: self._count], self._tonal[: self._count])
        if not spoken:
            return Before(doubt_s)
        greeting = self._greeting(spoken)
        return Before(doubt_s, greeting.lasted_s, self._count * FRAME_S - greeting.end_s)

    def take(self, samples: bytes) -> Finding | None:
        """Hear what came; of several findings in one call the weightiest is given.

        Args:
            samples: Signed, 16 bits, little-endian, 8 kHz, mono; any number of bytes.

        Returns:
            The first verdict; a beep; or MACHINE after another verdict, when it turns out to have been wrong.
        """
        found = [finding for frame in self._frames.take(samples) if (finding := self._hear(frame)) is not None]
        return next((one for one in found if one.is_machine), found[-1] if found else None)

    def _hear(self, frame: Frame) -> Finding | None:
        tone = self._beeps.take(frame)
        if tone is not None:
            return self._conclude(tone)
        if self._count >= len(self._levels):
            return None
        self._note(frame)
        if self._is_machine:
            return None
        finding = self._said_again(round(frame.end_s, 3)) if not self._count % REPEATS_EVERY else None
        if finding is None and not self._count % (LATER_EVERY if self.greeting_verdict else EVERY):
            finding = self._judge(round(frame.end_s, 3))
        return self._conclude(finding) if finding is not None else None

    def amd_said(self, status: str) -> Finding | None:
        """Take what app_amd found, where it runs too: it may end the wait for a person, and never makes a machine.

        Args:
            status: `AMDSTATUS`; `HUMAN` is believed, since app_amd errs towards machines, and all else is not.
        """
        if status != "HUMAN" or self.greeting_verdict is not None:
            return None
        return self._conclude(Finding(Kind.PERSON, round(self._frames.heard_s, 3), Why.AMD))

    def _conclude(self, finding: Finding) -> Finding:
        self.greeting_verdict = self.greeting_verdict or finding
        self._is_machine = self._is_machine or (finding.is_machine and not finding.is_by_quiet)
        return finding

    def _note(self, frame: Frame) -> None:
        at, run = self._count, self._beeps.run
        self._levels[at] = frame.level_db
        if run is not None and len(run.seen) >= STEADY_FRAMES and run.hz[-1] < 500 and self._beeps.is_progress:
            self._tonal[max(0, round(run.start_s / FRAME_S)) : at + 1] = True
        self._still[at] = frame.power > 0 and abs(frame.hz[0] - self._last_hz) < STILL_HZ
        self._last_hz = frame.hz[0]
        self._count += 1

    def _said_again(self, now_s: float) -> Finding | None:
        levels, tonal = self._levels[: self._count], self._tonal[: self._count]
        return (
            Finding(Kind.MACHINE, now_s, Why.REPEATS)
            if self._repeats.sees(levels, tonal, limit_db(levels, tonal))
            else None
        )

    def _judge(self, now_s: float) -> Finding | None:
        own, count = self._settings, self._count
        spoken = stretches(self._levels[:count], self._tonal[:count])
        if not spoken:
            return self._nobody(now_s)
        self._may_record(spoken, now_s)
        machine = self._goes_on(spoken, now_s)
        if machine is not None or self.greeting_verdict is not None:
            return machine
        if self._beeps.may_tell_soon:
            return self._in_doubt(now_s)
        first = chains(spoken, own.pause_after_short_s)[0]
        lasted_s = first[-1].end_s - first[0].start_s
        if lasted_s > own.short_s:
            first = chains(spoken, own.pause_after_long_s)[0]
            lasted_s = first[-1].end_s - first[0].start_s
        is_short = lasted_s <= own.short_s
        pause_s = own.pause_after_short_s if is_short else own.pause_after_long_s
        if now_s - first[-1].end_s >= pause_s:
            return Finding(Kind.PERSON, now_s, Why.SHORT_GREETING if is_short else Why.GREETING_AND_WAIT)
        if own.undecided_s and now_s >= own.undecided_s:
            return Finding(Kind.NOT_SURE, now_s, Why.STILL_SPEAKING)
        return None

    def _in_doubt(self, now_s: float) -> Finding | None:
        """Nobody is called a person while a tone may have been a beep; an agent must be there in time all the same."""
        doubt, own = self.doubt, self._settings
        if doubt is None or not own.undecided_s or now_s < own.doubt_s:
            return None
        return Finding(Kind.NOT_SURE, now_s, Why.RING_BACK if doubt.why is Why.MAY_BE_RING else doubt.why)

    def _nobody(self, now_s: float) -> Finding | None:
        if self.greeting_verdict is not None or now_s < self._settings.silence_s:
            return None
        if self._beeps.may_tell_soon:
            return self._in_doubt(now_s)
        rings = self._beeps.heard_ring is not None
        return Finding(Kind.NOT_SURE, now_s, Why.RING_BACK) if rings else Finding(Kind.PERSON, now_s, Why.SILENCE)

    def _greeting(self, spoken: list[Stretch], pause_s: float = TURN_S) -> Greeting:
        """What is said until the first pause of that length; what a detector before this one has heard of it counts."""
        first, before = chains(spoken, pause_s)[0], self._before
        said_s = sum(one.lasted_s for one in first)
        if before.spoken_s and before.quiet_s + first[0].start_s < pause_s:
            return Greeting(-before.quiet_s - before.spoken_s, first[-1].end_s, before.spoken_s + said_s)
        return Greeting(first[0].start_s, first[-1].end_s, said_s)

    def _may_record(self, spoken: list[Stretch], now_s: float) -> None:
        """Who has greeted for as long as machines do has just ended."""
        own, greeting = self._settings, self._greeting(spoken)
        is_monologue = greeting.said_s >= own.monologue_share * greeting.lasted_s
        if is_monologue and greeting.lasted_s >= own.monologue_s and GAP_S <= now_s - greeting.end_s < TURN_S:
            self._beeps.doubt_quiet(greeting.end_s)

    def _goes_on(self, spoken: list[Stretch], now_s: float) -> Finding | None:
        """Somebody who speaks and does not wait."""
        own, greeting = self._settings, self._greeting(spoken, self._settings.waits_s)
        if now_s - greeting.end_s >= own.waits_s:
            return None
        start_s = max(0.0, greeting.start_s)
        span = slice(round(start_s / FRAME_S), round(greeting.end_s / FRAME_S))
        if greeting.end_s - start_s >= own.music_s and float(self._still[span].mean()) >= STEADY_SHARE:
            return Finding(Kind.MACHINE, now_s, Why.MUSIC)
        if self._greeting(spoken, own.pause_after_long_s).lasted_s >= own.long_greeting_s:
            late = self.greeting_verdict is not None
            return Finding(Kind.MACHINE, now_s, Why.TALKS_ON if late else Why.LONG_GREETING)
        if greeting.said_s >= own.talks_on_s:
            return Finding(Kind.MACHINE, now_s, Why.TALKS_ON)
        return None


def warm_up() -> None:
    """Hear some made sound, so that the first call finds everything loaded.

    To be called once before calls are heard, where nobody waits: it takes some 50 ms, and importing this some 150.
    """
    at = np.arange(round(WARM_UP_S * RATE)) / RATE
    voice = np.sin(2 * np.pi * 210 * at) * np.sin(2 * np.pi * 2.2 * at) + 0.3 * np.sin(2 * np.pi * 1470 * at)
    Detector().take((6000 * voice).astype("<i2").tobytes())
