"""Which files Asterisk plays: by name and, as far as the file tells, by content.

Asterisk goes by the end of the name, in small and capital letters as written; most formats have no
header, so a file of another kind under such a name is played as noise. What is said here was tried
on Asterisk 16.28 and 22.10.
"""

from __future__ import annotations

import array
import io
import sys
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.audio.companding import decode_alaw, decode_ulaw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HEADERS = {
    b"RIFF": "a WAV file",
    b"ID3": "an MP3 file",
    b"\xff\xfb": "an MP3 file",
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    b".snd": "an AU file",
    b"FORM": "an AIFF file",
}
"""What a file without header must not begin with."""

_GSM_FRAME_BYTES = 33
_WAV_FORMAT_GSM = 49
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound file, read.

    Args:
        fault: Why Asterisk cannot play it as speech, in words; empty when it can.
        samples: Of 16 bits; None for a format that is not decoded here.
        rate: Samples a second.
    """

    fault: str = ""
    samples: tuple[int, ...] | None = None
    rate: int = 8000


@dataclass(frozen=True, slots=True)
class Format:
    """One format Asterisk plays.

    Args:
        name: As people call it.
        read: From the bytes of a file to what is to be said of it.
    """

    name: str
    read: Callable[[bytes], Sound]


def format_of(path: Path) -> Format | None:
    """The format Asterisk takes a file for, None when it does not look at it at all."""
    return FORMATS.get(path.suffix.removeprefix("."))


def read_sound(path: Path) -> Sound:
    """Read a sound file, and say what is wrong with it.

    Returns:
        The sound; what cannot be read or played has its `fault`.
    """
    kind = format_of(path)
    if kind is None:
        return Sound(f"Asterisk knows no format `{path.suffix}`; it plays {_PLAYED}")
    try:
        data = path.read_bytes()
    except OSError as exc:
        return Sound(f"cannot be read: {exc.strerror}")
    return kind.read(data) if data else Sound("is empty")


def _headerless(decode: Callable[[bytes], Sound]) -> Callable[[bytes], Sound]:
    def read(data: bytes) -> Sound:
        taken_for = next((what for mark, what in HEADERS.items() if data.startswith(mark)), "")
        return Sound(f"is {taken_for} under another name") if taken_for else decode(data)

    return read


def _read_wav(wanted_rate: int) -> Callable[[bytes], Sound]:
    def read(data: bytes) -> Sound:
        try:
            with wave.open(io.BytesIO(data)) as sound:
                channels, width, rate = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
                frames = sound.readframes(sound.getnframes())
        except (wave.Error, EOFError) as exc:
            return Sound(f"is no WAV file of 16-bit PCM: {str(exc) or 'it ends too soon'}")
        found = f"{rate} Hz, {width * 8} bits, {channels} channel{'s' if channels > 1 else ''}"
        if (channels, width, rate) != (1, _SAMPLE_BYTES, wanted_rate):
            return Sound(f"has {found}; Asterisk plays {wanted_rate} Hz, 16 bits, 1 channel under this name")
        return _of_pcm(frames, rate)

    return read


def _read_wav_gsm(data: bytes) -> Sound:
    # 12 bytes RIFF and WAVE, 8 bytes of the first chunk's head, then the format as two bytes.
    if data[:4] != b"RIFF" or data[8:16] != b"WAVEfmt " or int.from_bytes(data[20:22], "little") != _WAV_FORMAT_GSM:
        return Sound("is no WAV file of GSM; PCM belongs under a name that ends in small letters, `.wav`")
    return Sound()


def _read_gsm(data: bytes) -> Sound:
    # Every frame begins with the four bits 1101 (GSM 06.10, section 1.7 as files hold it).
    whole = len(data) % _GSM_FRAME_BYTES == 0
    signed = all(data[start] >> 4 == 0b1101 for start in range(0, len(data), _GSM_FRAME_BYTES))
    return Sound() if whole and signed else Sound("is no GSM 06.10: frames of 33 bytes, each beginning with 1101")


def _of_pcm(data: bytes, rate: int) -> Sound:
    if not data:
        return Sound("holds no sound")
    if len(data) % _SAMPLE_BYTES:
        return Sound("ends within a sample of 16 bits")
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return Sound("", tuple(samples), rate)


def _slin(rate: int) -> Format:
    return Format(f"16-bit samples, {rate} Hz", _headerless(lambda data: _of_pcm(data, rate)))


_A = Format("A-law", _headerless(lambda data: Sound("", tuple(decode_alaw(data)))))
_U = Format("µ-law", _headerless(lambda data: Sound("", tuple(decode_ulaw(data)))))
_GSM_WAV = Format("WAV of GSM", _read_wav_gsm)

FORMATS: Mapping[str, Format] = {
    **dict.fromkeys(("alaw", "al", "alw"), _A),
    **dict.fromkeys(("ulaw", "ul", "mu", "ulw", "pcm"), _U),
    **dict.fromkeys(("sln", "raw"), _slin(8000)),
    **{f"sln{khz}": _slin(khz * 1000) for khz in (12, 16, 24, 32, 48, 96, 192)},
    "sln44": _slin(44100),
    "wav": Format("WAV of 16-bit PCM, 8 kHz", _read_wav(8000)),
    "wav16": Format("WAV of 16-bit PCM, 16 kHz", _read_wav(16000)),
    "WAV": _GSM_WAV,
    "wav49": _GSM_WAV,
    "gsm": Format("GSM 06.10", _headerless(_read_gsm)),
    "g722": Format("G.722", _headerless(lambda _: Sound())),
}
"""By the end of the name. Asterisk has more where its modules and codecs are installed; these it has always."""

_PLAYED = "`.alaw`, `.ulaw`, `.wav` (8 kHz), `.wav16`, `.sln`, `.sln16`, `.gsm`, `.WAV` (GSM) and `.g722`"
