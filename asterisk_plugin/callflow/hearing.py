"""One answered call that is listened to: from its sound to what was found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.core.attempt_end import Heard
from asterisk_plugin.detection.findings import Before, Finding, Kind, Settings, Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.callflow.ami_listener import Manager

BYTES_A_SECOND = 16_000
_PAUSES = Settings()


class Detector(Protocol):
    """Tells persons from machines, as `detection.detector.Detector` does."""

    @property
    def doubt(self) -> Finding | None:
        """What was heard may have been a beep; None when nothing is in doubt."""
        ...

    @property
    def handed_on(self) -> Before:
        """What the detector that goes on must know."""
        ...

    def take(self, samples: bytes) -> Finding | None:
        """Hear what came; returns what it shows."""
        ...


class Listener(Protocol):
    """Listens to the called side of a leg that talks; both return False when no sound comes."""

    @property
    def address(self) -> str:
        """Where the sound comes, `host:port`."""
        ...

    async def expect(self, token: str, on_finding: Callable[[Finding], bool], before: Before) -> bool:
        """Listen to a leg whose sound the dialplan has begun to send."""
        ...

    async def begin(self, manager: Manager, channel: str, token: str, on_finding: Callable[[Finding], bool]) -> bool:
        """Listen to a leg whose dialplan asked nobody."""
        ...


_HEARD = {Kind.MACHINE: Heard.MACHINE, Kind.BEEP: Heard.MACHINE, Kind.PERSON: Heard.PERSON}


def heard_of(finding: Finding) -> Heard:
    """Who answered, of a finding."""
    return _HEARD.get(finding.kind, Heard.NOT_SURE)


def greeting_end_s(finding: Finding) -> float | None:
    """When the greeting was over, in seconds since the answer; None when nobody spoke or still does.

    Args:
        finding: What was found about who answered.
    """
    pauses_s = {Why.SHORT_GREETING: _PAUSES.pause_after_short_s, Why.GREETING_AND_WAIT: _PAUSES.pause_after_long_s}
    return max(0.0, finding.at_s - pauses_s[finding.why]) if finding.why in pauses_s else None


class GreetingHearing:
    """Listens until it is clear who answered.

    Args:
        detector: A fresh one.
        most_s: Longest time to listen, in seconds of sound.
    """

    def __init__(self, detector: Detector, most_s: float) -> None:
        self._detector, self._most_bytes = detector, most_s * BYTES_A_SECOND
        self._bytes = 0
        self.found: asyncio.Future[Finding | None] = asyncio.get_running_loop().create_future()
        """What came of it; None when the sound ended first."""
        self.handed_on = Before()
        """What whoever goes on listening must know."""

    @property
    def heard_s(self) -> float:
        """Seconds of sound so far."""
        return self._bytes / BYTES_A_SECOND

    def take(self, samples: bytes) -> bool:
        """Hear what came."""
        self._bytes += len(samples)
        if (finding := self._detector.take(samples)) is not None and not self.found.done():
            self.found.set_result(finding)
            self.handed_on = self._detector.handed_on
        return self.found.done() or self._bytes >= self._most_bytes

    def ended(self) -> None:
        """No more sound will come."""
        if not self.found.done():
            self.found.set_result(None)
            self.handed_on = self._detector.handed_on


class TalkHearing:
    """Listens to a call that goes on, for a machine that passed for a person.

    Args:
        detector: A fresh one: it hears the call from now on.
        most_s: Longest time to listen, in seconds of sound.
        on_finding: Told of each finding; returns whether it believes in a machine: nothing comes after that. Each
            MAY_BE_BEEP is followed by a machine, by NO_BEEP or by another one.
    """

    def __init__(self, detector: Detector, most_s: float, on_finding: Callable[[Finding], bool]) -> None:
        self._detector, self._left_bytes, self._on_finding = detector, most_s * BYTES_A_SECOND, on_finding
        self.began = asyncio.Event()
        """Sound comes."""
        self._doubt: Finding | None = None

    def take(self, samples: bytes) -> bool:
        """Hear what came."""
        self.began.set()
        self._left_bytes -= len(samples)
        finding = self._detector.take(samples)
        if finding is not None and self._on_finding(finding) and finding.is_machine:
            self._doubt = None  # it was right
            return True
        self._doubts(self._detector.doubt if self._left_bytes > 0 else None)
        return self._left_bytes <= 0

    def ended(self) -> None:
        """No more sound will come."""
        self._doubts(None)

    def _doubts(self, doubt: Finding | None) -> None:
        before, self._doubt = self._doubt, doubt
        if doubt is not None and doubt is not before:
            self._on_finding(doubt)
        elif doubt is None and before is not None:
            self._on_finding(Finding(Kind.NO_BEEP, before.at_s, before.why))
