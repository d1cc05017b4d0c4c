"""Which files Asterisk plays, judged from what is in them."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.audio.formats import FORMATS, read_sound

if TYPE_CHECKING:
    from pathlib import Path


def write_wav(path: Path, *, rate: int = 8000, channels: int = 1, width: int = 2, frames: int = 800) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(bytes(frames * channels * width))
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_what_asterisk_plays_has_no_fault(tmp_path: Path) -> None:
    """One of each kind."""
    good = [
        write(tmp_path / "a.alaw", b"\xd5" * 800),
        write(tmp_path / "a.ulaw", b"\xff" * 800),
        write(tmp_path / "a.sln", bytes(1600)),
        write(tmp_path / "a.sln16", bytes(3200)),
        write(tmp_path / "a.g722", bytes(800)),
        write(tmp_path / "a.gsm", (b"\xd0" + bytes(32)) * 5),
        write_wav(tmp_path / "a.wav"),
        write_wav(tmp_path / "a.wav16", rate=16000),
    ]
    assert {path.name: read_sound(path).fault for path in good} == {path.name: "" for path in good}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.mp3", b"ID3\x03", "knows no format `.mp3`"),
        ("a.Wav", b"RIFF", "knows no format `.Wav`"),
        ("a", b"x", "knows no format ``"),
        ("a.alaw", b"", "is empty"),
        ("a.alaw", b"RIFF\x00\x00", "is a WAV file under another name"),
        ("a.sln", b"OggS\x00\x00", "is an Ogg file under another name"),
        ("a.gsm", b"\xff\xfb\x90\x00", "is an MP3 file under another name"),
        ("a.sln", bytes(1601), "ends within a sample"),
        ("a.gsm", bytes(33), "is no GSM 06.10"),
        ("a.gsm", (b"\xd0" + bytes(32)) * 2 + b"\xd0", "is no GSM 06.10"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "is no WAV file of 16-bit PCM"),
        ("a.wav", b"nothing", "is no WAV file of 16-bit PCM"),
    ],
)
def test_what_asterisk_cannot_play_is_told_with_the_reason(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    """In words that say what to do."""
    assert said in read_sound(write(tmp_path / name, data)).fault


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("a.wav", {"rate": 44100}, "44100 Hz, 16 bits, 1 channel"),
        ("a.wav", {"rate": 16000}, "plays 8000 Hz"),
        ("a.wav16", {"rate": 8000}, "plays 16000 Hz"),
        ("a.wav", {"channels": 2}, "2 channels"),
        ("a.wav", {"width": 1}, "8 bits"),
        ("a.wav", {"frames": 0}, "holds no sound"),
        ("a.WAV", {}, "small letters"),
    ],
)
def test_a_wav_of_another_shape_is_told_with_its_shape(tmp_path: Path, name: str, shape: dict, said: str) -> None:
    """What every recording program offers and Asterisk refuses."""
    assert said in read_sound(write_wav(tmp_path / name, **shape)).fault


def test_a_file_nobody_can_read_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    """A folder of that name."""
    (tmp_path / "a.alaw").mkdir()
    assert "cannot be read" in read_sound(tmp_path / "a.alaw").fault


def test_every_format_survives_any_bytes(tmp_path: Path) -> None:
    """Nothing but a fault comes out, however short the file is."""
    for suffix in FORMATS:
        for size in range(60):
            read_sound(write(tmp_path / f"a.{suffix}", b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01"[:size]))
            read_sound(write(tmp_path / f"a.{suffix}", bytes(range(size))))
