"""What is called playable, a real Asterisk reads; what is called unplayable, it refuses."""

from __future__ import annotations

import contextlib
import wave
from typing import TYPE_CHECKING

import pytest

from asterisk_plugin.audio.formats import read_sound
from asterisk_plugin.audio.site import shipped_sounds
from tests.lab.manager import ManagerFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

HEADERLESS = {
    "good.alaw": b"\xd5" * 800,
    "good.ulaw": b"\xff" * 800,
    "good.al": b"\xd5" * 800,
    "good.pcm": b"\xff" * 800,
    "good.sln": bytes(1600),
    "good.raw": bytes(1600),
    "good.sln16": bytes(3200),
    "good.gsm": (b"\xd0" + bytes(32)) * 5,
    "good.g722": bytes(800),
    "bad.mp3": b"ID3\x03" + bytes(800),
    "bad.Wav": b"RIFF" + bytes(800),
    "bad.WAV": b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00" + bytes(800),
    "bad.wav": b"nothing of the kind" + bytes(800),
}
WAVS = {
    "good8.wav": (8000, 1, 2),
    "good16.wav16": (16000, 1, 2),
    "bad44.wav": (44100, 1, 2),
    "bad16.wav": (16000, 1, 2),
    "bad8.wav16": (8000, 1, 2),
    "stereo.wav": (8000, 2, 2),
    "bits8.wav": (8000, 1, 1),
}


def write_sounds(folder: Path) -> list[Path]:
    for name, data in HEADERLESS.items():
        (folder / name).write_bytes(data)
    for name, (rate, channels, width) in WAVS.items():
        with wave.open(str(folder / name), "wb") as sound:
            sound.setnchannels(channels)
            sound.setsampwidth(width)
            sound.setframerate(rate)
            sound.writeframes(bytes(1600 * channels * width))
    return [folder / name for name in (*HEADERLESS, *WAVS)]


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def converted_bytes(lab: Lab, source: Path, target: Path) -> int:
    """How much Asterisk wrote that read a file to its end; 0 when it refused it."""
    with contextlib.suppress(ManagerFailed):  # how it says that it cannot
        await lab.pbx.cli(f"file convert {source} {target}")
    return size_of(target)


async def test_asterisk_agrees_about_every_kind_of_file(lab: Lab, tmp_path: Path) -> None:
    """By name and by what is in it."""
    for module in ("codec_g722.so", "format_wav_gsm.so"):
        await lab.pbx.ami("ModuleLoad", {"Module": module, "LoadType": "load"})
    heard = {
        path.name: await converted_bytes(lab, path, tmp_path / f"{path.name}-out.sln") > 0
        for path in write_sounds(tmp_path)
    }
    assert heard == {path.name: not read_sound(path).fault for path in (tmp_path / name for name in heard)}
    assert {heard[name] for name in heard if name.startswith("good")} == {True}


async def test_asterisk_reads_every_shipped_sound_to_its_end(lab: Lab, tmp_path: Path) -> None:
    """Two bytes of linear samples for each byte of A-law."""
    sounds = {path: size_of(path) for path in shipped_sounds().rglob("*.alaw")}
    heard = {path: await converted_bytes(lab, path, tmp_path / f"{path.parts[-3]}-{path.stem}.sln") for path in sounds}
    assert heard == {path: 2 * size for path, size in sounds.items()}
