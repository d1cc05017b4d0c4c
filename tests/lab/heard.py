"""What a person heard: the RTP that reached their telephone, put together again and compared with sound files.

Pure: packets in, answers out. Where nothing transcodes, the bytes of an a-law file reach the person unchanged,
so the comparison is exact; a sound that went through another codec is found by correlation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.alaw import FRAME, RATE, SILENCE, likeness

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = struct.Struct("!BBHII")
_PCMA = 8
_ALIKE = 0.9
_GAP_S = 0.01
LATE_S = 0.5
"""Who sends nothing for longer pauses: that was silence."""

STALLED_S = 4.0
"""So long a machine that does too much may stand still. No sound is lost by it: one with such a hole is whole."""
_BEGINNING = 4 * FRAME
"""Bytes by which a sound that was cut short is recognised: 80 ms."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One datagram on its way to a telephone.

    Args:
        at_s: When it arrived, seconds since the epoch.
        port: UDP port it arrived at.
        data: The whole RTP packet.
    """

    at_s: float
    port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that one person heard in one call.

    Args:
        call_id: SIP Call-ID.
        audio: A-law, 8000 bytes a second; where nothing came there is silence.
        pieces: Place in `audio` and moment of each packet, in order.
        holes: Place and length of each silence in `audio` that may have been a machine standing still, in order.
    """

    call_id: str
    audio: bytes
    pieces: tuple[tuple[int, float], ...] = ()
    holes: tuple[tuple[int, int], ...] = ()

    def contains(self, sound: Path | bytes, *, after: int = 0) -> bool:
        """Tell whether this sound was heard from its beginning to its end.

        Args:
            sound: An `.alaw` file or its bytes. Compared exactly, but for holes, and for a last incomplete frame, which
                Asterisk keeps back until more follows.
            after: Only from this place on.
        """
        return self.find(sound, after=after) >= 0

    def find(self, sound: Path | bytes, *, after: int = 0) -> int:
        """Place of a whole sound in `audio`, -1 when it was not heard."""
        return self.span(sound, after)[0]

    def span(self, sound: Path | bytes, after: int) -> tuple[int, int]:
        """Where a whole sound begins and ends in `audio`; -1 twice when it was not heard."""
        wanted = _whole_frames(sound)
        joined = bytearray(self.audio)
        for place, length in reversed(self.holes):
            del joined[place : place + length]
        start = after - sum(min(max(after - place, 0), length) for place, length in self.holes)
        found = joined.find(wanted, start)
        if found < 0:
            return -1, -1
        return self._with_holes(found), self._with_holes(found + len(wanted) - 1) + 1

    def _with_holes(self, at: int) -> int:
        """Where in `audio` a place is that was counted without the holes."""
        for place, length in self.holes:
            if place <= at:
                at += length
        return at

    def follows(self, *sounds: Path | bytes) -> bool:
        """Tell whether these sounds were all heard, each after the end of the one before."""
        after = 0
        for sound in sounds:
            place, after = self.span(sound, after)
            if place < 0:
                return False
        return True

    def else_than(self, *sounds: Path | bytes, after: int = 0) -> str:
        """Tell what is wrong with "these sounds, each whole, one after the other, and silence around them".

        Args:
            sounds: What should have been heard, in order; what comes behind the last one is not looked at.
            after: Only from this place on.

        Returns:
            Empty when nothing is; else which sound is missing, or before which something else was heard.
        """
        rest = b""
        for sound in sounds:
            name = sound.stem if isinstance(sound, Path) else "(bytes)"
            place, end = self.span(sound, after)
            if place < 0:
                return f"`{name}` is missing"
            # What Asterisk kept back of the sound before may come first.
            if self.audio[after:place].removeprefix(rest).strip(bytes([SILENCE])):
                return f"something else came before `{name}`"
            data = sound.read_bytes() if isinstance(sound, Path) else sound
            after, rest = end, data[len(_whole_frames(data)) :]
        return ""

    def resembles(self, sound: bytes) -> bool:
        """Tell whether something alike was heard: for a sound that a codec changed. Takes about a second."""
        return likeness(self.audio, sound)[0] >= _ALIKE

    def part_s(self, sound: Path | bytes) -> float:
        """Seconds of a sound that were heard before it was cut short; 0 when it did not begin."""
        wanted = _whole_frames(sound)
        best, place = 0, self.audio.find(wanted[:_BEGINNING])
        while place >= 0:
            same = 0
            while same < len(wanted) and self.audio[place + same : place + same + 1] == wanted[same : same + 1]:
                same += 1
            best, place = max(best, same), self.audio.find(wanted[:_BEGINNING], place + 1)
        return best / RATE

    def began_at_s(self, sound: Path | bytes) -> float:
        """When a whole sound began, seconds since the epoch.

        Raises:
            ValueError: It was not heard.
        """
        place = self.find(sound)
        if place < 0:
            raise ValueError(f"`{sound if isinstance(sound, Path) else '(bytes)'}` was not heard")
        start, at_s = max(piece for piece in self.pieces if piece[0] <= place)
        return at_s + (place - start) / RATE


class Ear:
    """Makes one stretch of audio out of the packets of one call, in order of arrival.

    Packets that continue each other by sequence number and source are joined byte by byte, also when one came
    late: on a busy machine Asterisk falls behind, and its time stamps follow the clock. Between others, and in a
    longer pause, there is as much silence as time passed.

    Args:
        call_id: SIP Call-ID.
    """

    def __init__(self, call_id: str = "") -> None:
        self._call_id = call_id
        self._audio = bytearray()
        self._pieces: list[tuple[int, float]] = []
        self._holes: list[tuple[int, int]] = []
        self._expected, self._ends_at_s = (-1, -1), 0.0

    def take(self, packets: Iterable[RtpPacket]) -> None:
        """Hear on."""
        for packet in packets:
            flags, kind, number, _, source = _HEADER.unpack_from(packet.data)
            if flags >> 6 != 2 or kind & 0x7F != _PCMA:
                continue  # keys (telephone-event) are no sound
            sound = packet.data[_HEADER.size + 4 * (flags & 15) :]
            gap_s = packet.at_s - self._ends_at_s if self._audio else 0.0
            goes_on = (number, source) == self._expected
            if gap_s > (LATE_S if goes_on else _GAP_S):
                if goes_on and gap_s < STALLED_S:
                    self._holes.append((len(self._audio), round(gap_s * RATE)))
                self._audio += bytes([SILENCE]) * round(gap_s * RATE)
            self._pieces.append((len(self._audio), packet.at_s))
            self._audio += sound
            self._expected = ((number + 1) % 65536, source)
            self._ends_at_s = packet.at_s + len(sound) / RATE

    def heard(self) -> Heard:
        """Everything until now."""
        return Heard(self._call_id, bytes(self._audio), tuple(self._pieces), tuple(self._holes))


def put_together(packets: Iterable[RtpPacket], call_id: str = "") -> Heard:
    """What an `Ear` hears of all these packets."""
    ear = Ear(call_id)
    ear.take(packets)
    return ear.heard()


def is_rtp(data: bytes) -> bool:
    """Tell whether a datagram can be RTP of version 2."""
    return len(data) > _HEADER.size and data[0] >> 6 == 2


def _whole_frames(sound: Path | bytes) -> bytes:
    data = sound.read_bytes() if isinstance(sound, Path) else sound
    whole = data[: len(data) // FRAME * FRAME]
    if not whole:
        raise ValueError("a sound of less than 20 ms cannot be looked for")
    return whole
