"""Putting RTP together again and comparing it: what a proof by ear stands on."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from tests.lab.alaw import FRAME, SILENCE, from_linear, likeness, to_linear, tone
from tests.lab.heard import RtpPacket, put_together
from tests.lab.rtp_capture import CaptureNotAllowed, RtpCapture
from tests.lab.wire_record import SipMessage, invites_in, invites_out

ONE, TWO = tone("one", 0.4), tone("two", 0.4)


def packet(
    at_s: float, number: int, sound: bytes, *, stamp: int | None = None, source: int = 7, kind: int = 8
) -> RtpPacket:
    """One RTP packet; its time stamp follows its number when none is given."""
    stamp = number * FRAME if stamp is None else stamp
    return RtpPacket(at_s, 10000, struct.pack("!BBHII", 0x80, kind, number % 65536, stamp % 2**32, source) + sound)


def stream(sound: bytes, *, at_s: float = 100.0, number: int = 65534, source: int = 7) -> list[RtpPacket]:
    """A sound, 20 ms a packet; the sequence number wraps on the way."""
    frames = [sound[at : at + FRAME] for at in range(0, len(sound), FRAME)]
    return [packet(at_s + 0.02 * n, number + n, frame, source=source) for n, frame in enumerate(frames)]


def test_packets_in_a_row_are_joined_without_a_seam() -> None:
    """Also across the end of the sequence numbers, and when a sound does not begin with a packet."""
    heard = put_together(stream(bytes([SILENCE]) * 100 + ONE), "c1")
    assert heard.audio == bytes([SILENCE]) * 100 + ONE
    assert heard.find(ONE) == 100
    assert heard.contains(ONE)
    assert not heard.contains(TWO)
    assert heard.call_id == "c1"


def test_a_packet_that_is_missing_breaks_a_sound() -> None:
    """A prompt with a hole was not heard whole; the hole is as long as the packet was."""
    packets = stream(ONE)
    del packets[5]
    heard = put_together(packets)
    assert len(heard.audio) == pytest.approx(len(ONE), abs=8)
    assert not heard.contains(ONE)
    assert heard.part_s(ONE) == pytest.approx(0.1)


def test_a_packet_that_comes_late_does_not_break_a_sound() -> None:
    """A machine that stands still is no wrong prompt, but time has passed; a pause of more than four seconds is one."""
    for late_s, whole in ((0.3, True), (3.0, True), (4.5, False)):
        packets = [*stream(TWO, at_s=90.0, number=0), *stream(ONE)]
        packets[-len(ONE) // FRAME + 8 :] = stream(ONE[8 * FRAME :], at_s=100.16 + late_s, number=65534 + 8)
        packets += stream(TWO, at_s=110.0, number=30)
        heard = put_together(packets)
        assert heard.contains(ONE) is whole
        assert heard.follows(TWO, ONE, TWO) is whole
        assert not heard.follows(TWO, TWO, ONE)
        assert (heard.else_than(TWO, ONE, TWO) == "") is whole
        first = heard.find(TWO)
        last = len(heard.audio) - len(TWO)
        assert heard.find(TWO, after=first + 1) == heard.find(TWO, after=last) == last
        if whole:
            assert heard.find(ONE) == first + len(TWO) + round((10.0 - len(TWO) / 8000) * 8000)
            assert heard.find(ONE, after=heard.find(ONE) + 1) == -1


def test_a_pause_is_silence_of_its_length() -> None:
    """Asterisk sends nothing between two sounds; the second comes from another source."""
    later = stream(TWO, at_s=100.0 + 0.4 + 1.5, number=9, source=8)
    heard = put_together([*stream(ONE), *later])
    assert heard.follows(ONE, TWO)
    assert not heard.follows(TWO, ONE)
    assert len(heard.audio) == pytest.approx(len(ONE) + 12000 + len(TWO), abs=10)
    assert heard.began_at_s(TWO) == pytest.approx(101.9, abs=0.001)


def test_keys_and_comfort_noise_are_no_sound() -> None:
    """telephone-event is 101; a header extension or another codec is not taken for a-law."""
    packets = stream(ONE)
    packets.insert(3, packet(100.05, 0, b"\x01\x8a\x00\xa0", kind=101))
    assert put_together(packets).contains(ONE)


def test_a_sound_that_was_cut_short_is_measured() -> None:
    """By barge-in, in the middle of a frame or not."""
    heard = put_together(stream(TWO + ONE[: 7 * FRAME + 40] + TWO))
    assert heard.part_s(ONE) == pytest.approx((7 * FRAME + 40) / 8000, abs=2 / 8000)
    assert heard.part_s(tone("three")) == 0


def test_the_last_incomplete_frame_need_not_have_been_heard() -> None:
    """Asterisk keeps it back until more follows."""
    heard = put_together(stream(ONE))
    assert heard.contains(ONE + TWO[:90])
    assert not heard.contains(ONE + TWO[:FRAME])


def test_a_file_is_compared_by_its_bytes(tmp_path: Path) -> None:
    """Nothing but its content counts; one too short to be told apart is refused."""
    file = tmp_path / "any.alaw"
    file.write_bytes(ONE)
    heard = put_together(stream(ONE))
    assert heard.contains(file)
    with pytest.raises(ValueError, match="20 ms"):
        heard.contains(ONE[:100])


def test_a_law_goes_to_linear_and_back() -> None:
    """Every code but the sign of its neighbours; silence is nearly nothing."""
    codes = bytes(range(256))
    assert from_linear(to_linear(codes)) == codes
    assert [abs(sample) for sample in to_linear(bytes([SILENCE, 0x55]))] == [8, 8]
    assert to_linear(b"\xaa\x2a") == [32256, -32256]


def test_a_louder_noisy_copy_is_still_alike_and_another_sound_is_not() -> None:
    """What a codec leaves of a sound."""
    noisy = [1.4 * sample + (300 if at % 3 else -500) for at, sample in enumerate(to_linear(ONE))]
    audio = TWO + bytes([SILENCE]) * 1003 + from_linear(noisy) + TWO
    like, place = likeness(audio, ONE)
    assert like > 0.95
    assert place == len(TWO) + 1003
    assert likeness(TWO + TWO, ONE)[0] < 0.5
    assert likeness(ONE[:80], ONE) == (0.0, -1)


def test_calls_that_go_out_are_told_from_those_that_come_in() -> None:
    """By the direction of their INVITE."""
    text = "INVITE sip:+4922@a SIP/2.0\r\nFrom: <sip:+4911@b>;tag=1\r\nTo: <sip:+4922@a>\r\nCall-ID: c\r\n\r\n"
    messages = [SipMessage(1.0, 5060, False, text)]
    assert invites_in(messages) == []
    assert [(call.number, call.from_number) for call in invites_out(messages)] == [("+4922", "+4911")]


async def test_the_capture_takes_what_arrives_at_its_ports_once() -> None:
    """Not what goes elsewhere, and not both of the loopback's sights of a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside, socket.socket(type=socket.SOCK_DGRAM) as outside:
        inside.bind(("127.0.0.1", 0))
        outside.bind(("127.0.0.1", 0))
        port = inside.getsockname()[1]
        capture = RtpCapture((port, port))
        try:
            capture.start()
        except CaptureNotAllowed as exc:
            pytest.skip(str(exc))
        for sound in stream(ONE):
            outside.sendto(sound.data, ("127.0.0.1", port))
            inside.sendto(sound.data, outside.getsockname())
        await asyncio.sleep(0)
        capture.stop()
    assert put_together(capture.packets[port]).audio == ONE
    assert capture.packets.keys() == {port}


def test_nothing_but_these_sounds_was_heard() -> None:
    """Silence may stand between them; another sound, a piece of one, or a missing one is named."""
    pause = bytes([SILENCE]) * 500
    odd = TWO + TWO[:40]  # its last 40 bytes come with what follows

    def heard(*parts: bytes) -> str:
        return put_together(stream(b"".join(parts))).else_than(ONE, odd, ONE)

    assert heard(pause, ONE, odd, pause, ONE, TWO) == ""
    assert heard(ONE, TWO, pause, ONE) == ""
    assert heard(TWO[:FRAME], ONE, odd, ONE) == "something else came before `(bytes)`"
    assert heard(ONE, odd, TWO[800:960], ONE) == "something else came before `(bytes)`"
    assert heard(ONE, ONE, odd, ONE) == "something else came before `(bytes)`"
    assert heard(ONE, odd) == "`(bytes)` is missing"
