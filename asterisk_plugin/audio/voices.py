"""Who speaks a text: Piper where one of its voices lies, Kokoro where it is installed, else espeak-ng.

None is a part of this program: two are programs of their own, Kokoro is an extra.
"""

from __future__ import annotations

import array
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from asterisk_plugin.audio import kokoro
from asterisk_plugin.audio.kokoro import KOKORO
from asterisk_plugin.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asterisk_plugin.audio.catalogue import VoiceSettings

ESPEAK = "espeak-ng"
PIPER = "piper"
GET_ESPEAK = "install it: `apt-get install espeak-ng` (Debian, Ubuntu) or `dnf install espeak-ng` (Fedora, RHEL)"
GET_PIPER = "install it: `pip install piper-tts` beside this program"
TIMEOUT_S = 60.0

NEURAL = (PIPER, KOKORO)
"""How the labels of voices begin whose sounds are not to be made anew by espeak-ng."""

_DIGIT_SLOWER = 1.15
"""How much longer Piper, which knows no words a minute, draws a single digit."""

_KOKORO_DIGIT_SPEED = 1.0
"""Any slower, and Kokoro begins a word that stands alone with a vowel that is not there (`a three`)."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a voice gave.

    Args:
        samples: Of 16 bits.
        rate: Samples a second.
    """

    samples: Sequence[int]
    rate: int


class Voice(Protocol):
    """Speaks one language."""

    def label(self, *, digit: bool) -> str:
        """Say what makes its sounds what they are; another label means that they are to be made anew."""
        ...

    def speak(self, text: str, *, digit: bool) -> Spoken:
        """Speak a text.

        Args:
            text: One or two sentences, or part of one.
            digit: It is a single digit, to be said slowly.

        Raises:
            StartupError: The program is not there, or did not do it.
        """
        ...


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """A voice of espeak-ng.

    Args:
        settings: Voice, pace, pitch, and words to write otherwise.
        program: What to run.
    """

    settings: VoiceSettings
    program: str = ESPEAK

    def label(self, *, digit: bool) -> str:
        """See `Voice`."""
        own = self.settings
        return f"{ESPEAK} {own.espeak}, {self._pace(digit)} words a minute, pitch {own.pitch}"

    def speak(self, text: str, *, digit: bool) -> Spoken:
        """See `Voice`."""
        own = self.settings
        command = (self.program, "-v", own.espeak, "-s", str(self._pace(digit)), "-p", str(own.pitch), "-b", "1")
        return _run((*command, "--stdin", "-w"), spelled(text, own.respell), otherwise=GET_ESPEAK)

    def _pace(self, digit: bool) -> int:
        return self.settings.digit_words_per_minute if digit else self.settings.words_per_minute


@dataclass(frozen=True, slots=True)
class PiperVoice:
    """A voice of Piper.

    Args:
        model: Its file, `nl_NL-mls-medium.onnx`; what belongs to it lies beside it, `….onnx.json`.
        program: What to run.
    """

    model: Path
    program: str = PIPER

    def label(self, *, digit: bool) -> str:
        """See `Voice`."""
        return f"{PIPER} {self.model.stem}{' slower' if digit else ''}"

    def speak(self, text: str, *, digit: bool) -> Spoken:
        """See `Voice`."""
        pace = ("--length_scale", str(_DIGIT_SLOWER)) if digit else ()
        command = (self.program, "--model", str(self.model), *pace, "--output_file")
        return _run(command, text, otherwise=GET_PIPER)


@dataclass(frozen=True, slots=True)
class KokoroVoice:
    """A speaker of Kokoro.

    Args:
        settings: Speaker, speed, and words to write otherwise.
        espeak: The program that tells the sounds of a text.
    """

    settings: VoiceSettings
    espeak: str = ESPEAK

    def label(self, *, digit: bool) -> str:
        """See `Voice`."""
        return f"{KOKORO} {self.settings.kokoro}, speed {self._speed(digit):.2f}"

    def speak(self, text: str, *, digit: bool) -> Spoken:
        """See `Voice`."""
        own = self.settings
        speaker = kokoro.Speaker(own.kokoro, self._speed(digit), own.espeak.partition("+")[0])
        return Spoken(kokoro.speak(spelled(text, own.respell), speaker, espeak=self.espeak), kokoro.RATE)

    def _speed(self, digit: bool) -> float:
        return _KOKORO_DIGIT_SPEED if digit else self.settings.kokoro_speed


def choose_voice(settings: VoiceSettings, folders: Sequence[Path]) -> Voice:
    """Take the Piper voice of a language where one lies, else Kokoro where it is installed, else espeak-ng.

    Args:
        settings: Of the language.
        folders: Where voices of Piper lie, `*.onnx`, the first that has one wins.

    Raises:
        StartupError: There is a voice and no Piper, or no espeak-ng, which the others need as well.
    """
    chosen = voice_of(settings, folders)
    if isinstance(chosen, PiperVoice):
        missing = f"`{chosen.model}` is a voice of Piper, and `piper` is not installed"
        return PiperVoice(chosen.model, _find(PIPER, missing, GET_PIPER))
    espeak = _find(ESPEAK, "`espeak-ng`, which speaks the prompts, is not installed", GET_ESPEAK)
    return type(chosen)(settings, espeak)


def voice_of(settings: VoiceSettings, folders: Sequence[Path]) -> PiperVoice | KokoroVoice | EspeakVoice:
    """Who would speak a language; it is not said that Piper or espeak-ng are installed."""
    model = piper_model(settings, folders)
    if model:
        return PiperVoice(model)
    return KokoroVoice(settings) if settings.kokoro and kokoro.is_installed() else EspeakVoice(settings)


def piper_model(settings: VoiceSettings, folders: Sequence[Path]) -> Path | None:
    """The file of the Piper voice that would speak a language, None when there is none."""
    if not settings.piper:
        return None
    found = (path for folder in folders for path in sorted(folder.glob("*.onnx")))
    return next((path for path in found if path.name.startswith(settings.piper)), None)


def spelled(text: str, respell: Mapping[str, str]) -> str:
    """A text as it is written for espeak-ng: words it says wrongly spelled otherwise.

    Two opening brackets, with which its signs for sounds begin, are taken from `respell` only: a
    company's name may hold anything.
    """
    plain = text.replace("[[", "[").replace("]]", "]")
    if not respell:
        return plain
    words = "|".join(re.escape(word) for word in sorted(respell, key=len, reverse=True))
    return re.sub(rf"\b(?:{words})\b", lambda found: respell[found[0]], plain)


def _find(program: str, missing: str, remedy: str) -> str:
    """The program on the search path, or beside the Python that runs, as pip installs it."""
    beside = Path(sys.executable).with_name(program)
    found = str(beside) if beside.is_file() else shutil.which(program)
    if not found:
        raise StartupError(f"{missing}: {remedy}")
    return found


def _run(command: Sequence[str], text: str, *, otherwise: str) -> Spoken:
    """Run a program that reads a text and writes a WAV file, whose name is its last argument."""
    name = Path(command[0]).name
    with tempfile.TemporaryDirectory(prefix="ringfence-voice-") as folder:
        file = Path(folder) / "said.wav"
        try:
            done = subprocess.run(  # noqa: S603 - a list, and the text goes through standard input
                [*command, str(file)], input=text.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except FileNotFoundError as exc:
            raise StartupError(f"`{name}` is not installed: {otherwise}") from exc
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise StartupError(f"`{name}` cannot be run: {exc}") from exc
        if done.returncode or not file.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise StartupError(f"`{name}` did not speak `{text[:40]}`: {said[-1] if said else 'it gave no reason'}")
        return _read(file, name)


def _read(file: Path, name: str) -> Spoken:
    try:
        with wave.open(str(file)) as sound:
            if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
                raise StartupError(f"`{name}` gave a sound that is not one channel of 16 bits")
            samples = array.array("h", sound.readframes(sound.getnframes()))
            rate = sound.getframerate()
    except (wave.Error, EOFError) as exc:
        raise StartupError(f"`{name}` gave a sound that cannot be read: {exc}") from exc
    if sys.byteorder == "big":
        samples.byteswap()
    return Spoken(samples, rate)
