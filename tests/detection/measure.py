"""What a detector made of calls: who was taken for whom, and when.

A message counts as left when the machine records more than `LEFT_S` of our side. Our side may sound from the first
verdict on unless that is a machine (an agent or an announcement is connected at once), until `CUT_S` after a machine or
a beep is found: so long the hang-up takes to reach the machine. A machine records from the end of its beep on. While
the detector is in doubt our side is mute, from `CUT_S` after the doubt began; what persons lose by it is counted too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Finding, Kind, Settings
from tests.detection import app_amd
from tests.detection.corpus import Call

PACKET = 320
"""Bytes of 20 ms."""

CUT_S = 0.15
"""From a finding until nothing of ours arrives any more: the service, a hang-up, 100 ms of line and buffers."""

LEFT_S = 0.5
"""So much of our side on a machine is no message yet: a syllable or two, which mailboxes mostly drop."""

MOST_LONGER_S = 8.0
"""A call that ends in doubt goes on with the quiet of its end for so long at most: a mailbox records on, and a person
is taken to wait in silence for an agent who is not heard, the worst that there is."""

SOON_S = 2.0
"""The target: decided within so long."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one call, without its sound.

    Args:
        name: Of the call.
        scenario: How it was answered.
        language: Two letters.
        codec: The narrowest on the way.
        is_machine: The truth.
        beep_s: When the beep began.
        records_s: From when on a message is taken, None where none is.
        length_s: Of the call.
        decided_s: When there was a verdict.
        verdict: Kind and why of it.
        machine_s: When a machine was found, at first or later.
        found: What showed it.
        beep_found_s: When a beep was found.
        mute: From when until when the detector was in doubt.
    """

    name: str
    scenario: str
    language: str
    codec: str
    is_machine: bool
    beep_s: float | None
    records_s: float | None
    length_s: float
    decided_s: float
    verdict: str
    machine_s: float | None
    found: str
    beep_found_s: float | None
    mute: tuple[tuple[float, float], ...] = ()

    @property
    def recorded_s(self) -> float:
        """So much of our side a machine took; 0 of persons and where nothing is recorded."""
        if self.records_s is None or self.machine_s == self.decided_s:
            return 0.0
        from_s = max(self.records_s, self.decided_s)
        until_s = self.length_s if self.machine_s is None else self.machine_s + CUT_S
        # A doubt that was right is not followed by a word of ours: the hang-up gets there while it still holds.
        quiet = ((begun_s + CUT_S, until_s if end_s == self.machine_s else end_s) for begun_s, end_s in self.mute)
        return max(0.0, until_s - from_s) - sum(_shared_s(part, (from_s, until_s)) for part in quiet)

    @property
    def mute_s(self) -> float:
        """So long the far side could have heard somebody, and heard nothing."""
        if self.machine_s == self.decided_s:
            return 0.0
        until_s = self.length_s if self.machine_s is None else self.machine_s
        return sum(_shared_s(part, (self.decided_s, until_s)) for part in self.mute)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many."""

    count: int
    whole: int

    @property
    def share(self) -> float:
        """Of 1; 0 of nothing."""
        return self.count / self.whole if self.whole else 0.0

    @property
    def between(self) -> tuple[float, float]:
        """Where the true share lies with 95 %: Wilson's interval (1927)."""
        if not self.whole:
            return 0.0, 1.0
        z, n = 1.96, self.whole
        middle = (self.share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(self.share * (1 - self.share) / n + z * z / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)


def hear(call: Call, settings: Settings | None = None) -> Heard:
    """Let the detector hear a call to its end, packet by packet."""
    return hear_packets(call, Detector(settings), _packets(call))


def _packets(call: Call) -> Iterator[bytes]:
    """A call, and then the last fifth of a second again and again."""
    data = call.samples.astype("<i2").tobytes()
    for at in range(0, len(data), PACKET):
        yield data[at : at + PACKET]
    for _ in range(round(MOST_LONGER_S / 0.2)):
        yield from (data[at : at + PACKET] for at in range(len(data) - 10 * PACKET, len(data), PACKET))


def hear_packets(call: Call, detector: Detector, packets: Iterable[bytes]) -> Heard:
    """Let a detector hear packets of 20 ms: the call, and as much of what comes after it as is needed."""
    findings: list[Finding] = []
    mute: list[tuple[float, float]] = []
    doubted_s, now_s, length_s = None, 0.0, len(call.samples) / 8000
    for packet in packets:
        if now_s >= length_s and detector.doubt is None:
            break
        now_s = round(now_s + 0.02, 3)
        finding = detector.take(packet)
        if finding is not None:
            findings.append(finding)
        if doubted_s is not None and detector.doubt is None:
            mute.append((doubted_s, now_s))
        doubted_s = None if detector.doubt is None else detector.doubt.at_s if doubted_s is None else doubted_s
    if doubted_s is not None:
        mute.append((doubted_s, now_s))
    return _heard(call, findings, detector.greeting_verdict, length_s=max(now_s, length_s), mute=tuple(mute))


def _heard(
    call: Call,
    findings: Sequence[Finding],
    first: Finding | None,
    *,
    length_s: float,
    mute: tuple[tuple[float, float], ...],
) -> Heard:
    machine = next((one for one in findings if one.is_machine), None)
    beep = next((one for one in findings if one.kind is Kind.BEEP), None)
    return Heard(
        *(call.name, call.scenario, call.language, call.codec, call.is_machine, call.beep_s, call.records_s),
        length_s=length_s,
        decided_s=first.at_s if first else length_s,
        verdict=f"{first.kind}: {first.why}" if first else "none",
        machine_s=machine.at_s if machine else None,
        found=str(machine.why) if machine else "",
        beep_found_s=beep.at_s if beep else None,
        mute=mute,
    )


def hear_amd(call: Call, magnitudes: np.ndarray, parameters: app_amd.Parameters) -> Heard:
    """The same of app_amd, which hears no beep and stops at its verdict."""
    said, at_s, cause = app_amd.judge(magnitudes.tolist(), parameters)
    is_machine = said == app_amd.MACHINE
    return Heard(
        *(call.name, call.scenario, call.language, call.codec, call.is_machine, call.beep_s, call.records_s),
        length_s=len(call.samples) / 8000,
        decided_s=at_s,
        verdict=f"{said}: {cause}".lower(),
        machine_s=at_s if is_machine else None,
        found=cause.lower() if is_machine else "",
        beep_found_s=None,
    )


def figures(heard: Sequence[Heard]) -> dict[str, Rate | float]:
    """Everything that is shown of some calls."""
    persons, machines = [one for one in heard if not one.is_machine], [one for one in heard if one.is_machine]
    records = [one for one in machines if one.records_s is not None]
    beeps = [(one.beep_found_s, one.beep_s) for one in records if one.beep_s is not None]
    return {
        "person taken for a machine": _rate(one.machine_s is not None for one in persons),
        "message left": _rate(one.recorded_s > LEFT_S for one in records),
        "machine never recognised": _rate(one.machine_s is None for one in machines),
        "beep heard": _rate(found_s is not None for found_s, _ in beeps),
        "machine given to an agent": _rate(not _at_once(one) for one in machines),
        "machine known within 2 s": _rate(one.machine_s is not None and one.machine_s <= SOON_S for one in machines),
        "our side muted, of persons": _rate(one.mute_s > 0 for one in persons),
        **_times("muted s, persons who were", [one.mute_s for one in persons if one.mute_s > 0]),
        "muted, s an hour in which persons could hear us": 3600
        * _share([one.mute_s for one in persons], [max(0.0, one.length_s - one.decided_s) for one in persons]),
        "our side muted, of machines": _rate(one.mute_s > 0 for one in machines),
        **_times("decided s", [one.decided_s for one in heard]),
        **_times("decided s, persons", [one.decided_s for one in persons]),
        **_times("decided s, machines", [one.decided_s for one in machines]),
        **_times("machine recognised s", [one.machine_s for one in machines if one.machine_s is not None]),
        **_times("after beep began s", [found_s - at_s for found_s, at_s in beeps if found_s is not None]),
        **_times("recorded of ours s", [one.recorded_s for one in records]),
    }


def _shared_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Seconds that two stretches have in common."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _share(parts: Sequence[float], wholes: Sequence[float]) -> float:
    return sum(parts) / (sum(wholes) or 1.0)


def is_wrong(one: Heard) -> bool:
    """A person lost, a machine never known, or a message left."""
    return (one.machine_s is not None) != one.is_machine or one.recorded_s > LEFT_S


def _rate(those: Iterable[bool]) -> Rate:
    counted = list(those)
    return Rate(sum(counted), len(counted))


def _at_once(one: Heard) -> bool:
    """Its first verdict was machine."""
    return one.machine_s is not None and one.machine_s <= one.decided_s


def _times(name: str, seconds: Sequence[float]) -> dict[str, float]:
    middle, most = np.percentile(seconds, (50, 95)) if seconds else (0.0, 0.0)
    return {f"{name}, median": float(middle), f"{name}, p95": float(most)}
