"""What a detector made of calls: who was taken for whom, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Finding, Kind, Settings
from tests.detection import app_amd
from tests.detection.corpus import Call

PACKET = 320
"""Bytes of 20 ms."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one call, without its sound.

    Args:
        name: Of the call.
        scenario: How it was answered.
        language: Two letters.
        codec: The narrowest on the way.
        is_machine: The truth.
        records: A message can be left.
        beep_s: When the beep began.
        length_s: Of the call.
        decided_s: When there was a verdict.
        verdict: Kind and why of it.
        machine_s: When a machine was found, at first or later.
        found: What showed it.
        beep_found_s: When a beep was found.
    """

    name: str
    scenario: str
    language: str
    codec: str
    is_machine: bool
    records: bool
    beep_s: float | None
    length_s: float
    decided_s: float
    verdict: str
    machine_s: float | None
    found: str
    beep_found_s: float | None


def hear(call: Call, settings: Settings | None = None) -> Heard:
    """Let the detector hear a call to its end, packet by packet."""
    detector, findings = Detector(settings), []
    data = call.samples.astype("<i2").tobytes()
    for at in range(0, len(data), PACKET):
        finding = detector.take(data[at : at + PACKET])
        if finding is not None:
            findings.append(finding)
    return _heard(call, findings, detector.greeting_verdict)


def _heard(call: Call, findings: Sequence[Finding], first: Finding | None) -> Heard:
    length_s = len(call.samples) / 8000
    machine = next((one for one in findings if one.is_machine), None)
    beep = next((one for one in findings if one.kind is Kind.BEEP), None)
    return Heard(
        *(call.name, call.scenario, call.language, call.codec, call.is_machine, call.records, call.beep_s, length_s),
        decided_s=first.at_s if first else length_s,
        verdict=f"{first.kind}: {first.why}" if first else "none",
        machine_s=machine.at_s if machine else None,
        found=str(machine.why) if machine else "",
        beep_found_s=beep.at_s if beep else None,
    )


def hear_amd(call: Call, magnitudes: np.ndarray, parameters: app_amd.Parameters) -> Heard:
    """The same of app_amd, which hears no beep and stops at its verdict."""
    said, at_s, cause = app_amd.judge(magnitudes.tolist(), parameters)
    is_machine = said == app_amd.MACHINE
    return Heard(
        *(call.name, call.scenario, call.language, call.codec, call.is_machine, call.records, call.beep_s),
        length_s=len(call.samples) / 8000,
        decided_s=at_s,
        verdict=f"{said}: {cause}".lower(),
        machine_s=at_s if is_machine else None,
        found=cause.lower() if is_machine else "",
        beep_found_s=None,
    )


def share(matching: int, whole: int) -> float:
    """Of 1; 0 of nothing."""
    return matching / whole if whole else 0.0


def figures(heard: Sequence[Heard]) -> dict[str, float]:
    """Everything that is shown of some calls."""
    persons, machines = [one for one in heard if not one.is_machine], [one for one in heard if one.is_machine]
    records = [one for one in machines if one.records]
    return {
        "persons": len(persons),
        "machines": len(machines),
        "person taken for a machine": share(sum(one.machine_s is not None for one in persons), len(persons)),
        "machine given to an agent": share(sum(not _at_once(one) for one in machines), len(machines)),
        "machine never recognised": share(sum(one.machine_s is None for one in machines), len(machines)),
        "message left": share(sum(one.machine_s is None for one in records), len(records)),
        "beep heard": share(sum(one.beep_found_s is not None for one in records), len(records)),
        **_times("decided s", [one.decided_s for one in heard]),
        **_times("decided s, persons", [one.decided_s for one in persons]),
        **_times("decided s, machines", [one.decided_s for one in machines]),
        **_times("machine recognised s", [one.machine_s for one in machines if one.machine_s is not None]),
        **_times(
            "after beep began s",
            [
                one.beep_found_s - one.beep_s
                for one in records
                if one.beep_found_s is not None and one.beep_s is not None
            ],
        ),
    }


def _at_once(one: Heard) -> bool:
    """Its first verdict was machine."""
    return one.machine_s is not None and one.machine_s <= one.decided_s


def _times(name: str, seconds: Sequence[float]) -> dict[str, float]:
    middle, most = np.percentile(seconds, (50, 95)) if seconds else (0.0, 0.0)
    return {f"{name}, median": float(middle), f"{name}, p95": float(most)}
