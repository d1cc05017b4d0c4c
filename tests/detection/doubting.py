"""Lets a detector hear made sound, and tells what was found and what was in doubt."""

from __future__ import annotations

from typing import Any

import numpy as np

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Before, Finding, Settings
from tests.detection.sounds import Sound
from tests.detection.voice import line

AT = 10 ** (-24 / 20) * np.sqrt(2)
"""Amplitude of a tone as loud as speech."""


def heard(*parts: Sound, undecided_s: float = 0.0, **how: Any) -> tuple[list[Finding], list[tuple[Finding, float]]]:
    """What is found, packet by packet, and what was in doubt, with when that ended."""
    data, detector = line(*parts, **how), Detector(Settings(undecided_s=undecided_s))
    found, doubts, before = [], [], None
    for at in range(0, len(data), 320):
        finding = detector.take(data[at : at + 320])
        found += [] if finding is None else [finding]
        if before is not None and detector.doubt is not before:
            doubts.append((before, at / 16000))
        before = detector.doubt
    return found, doubts if before is None else [*doubts, (before, len(data) / 16000)]


def go_on(before: Before, *parts: Sound) -> tuple[Detector, list[Finding]]:
    """A detector that goes on where another one was in doubt, and what it finds."""
    data, detector = line(*parts), Detector(Settings(undecided_s=0.0), before=before)
    found = [detector.take(data[at : at + 320]) for at in range(0, len(data), 320)]
    return detector, [one for one in found if one is not None]
