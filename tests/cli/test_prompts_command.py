"""`ringfence prompts`: what is made, what is left alone, what is told."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asterisk_plugin.audio import kokoro, site, voices
from asterisk_plugin.audio.companding import decode_alaw, encode_alaw
from asterisk_plugin.audio.folders import read_made
from asterisk_plugin.audio.levels import active_level_dbov
from asterisk_plugin.audio.site import shipped_sounds
from asterisk_plugin.cli.main import app
from asterisk_plugin.core.prompts import PROMPT_NAMES
from asterisk_plugin.settings.files import shipped

PYTHON = sys.executable
ESPEAK = """#!{python}
# Stands for espeak-ng: hums as long as the text is, and keeps what it was asked.
import math, struct, sys, wave
text = sys.stdin.read()
with open({asked!r}, "a") as file:
    file.write(" ".join(sys.argv[1:-1]) + " | " + text + "\\n")
if "unspeakable" in text:
    sys.exit("no voice for this")
with wave.open(sys.argv[-1], "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate({rate})
    tone = sum(map(ord, text)) % 500 + 400
    count = 0 if "silent" in text else 2000 + 20 * len(text)
    values = (round(9000 * math.sin(n / {rate} * math.tau * tone)) for n in range(count))
    sound.writeframes(b"".join(struct.pack("<h", value) for value in values) + bytes(2000))
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A site's configuration, and programs that stand for the voices."""

    config: Path
    programs: Path

    def run(self, *arguments: str, config: bool = True):
        line = ["--config", str(self.config)] if config else []
        return CliRunner().invoke(app, [*line, "prompts", *arguments], env={"RINGFENCE_CONFIG": None})

    def program(self, name: str, *, rate: int = 22050) -> None:
        file = self.programs / name
        file.write_text(ESPEAK.format(python=PYTHON, asked=str(self.programs / "asked"), rate=rate))
        file.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        file = self.programs / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def sounds(self, language: str) -> Path:
        return self.config / "sounds" / language / "ringfence"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """espeak-ng is there, Piper and Kokoro are not; the campaigns are the shipped ones, as a site's own."""
    made = Bench(tmp_path / "etc", tmp_path / "bin")
    made.config.mkdir()
    made.programs.mkdir()
    shutil.copyfile(shipped("config", "campaigns.toml"), made.config / "campaigns.toml")
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setattr(voices.sys, "executable", str(made.programs / "python"))
    monkeypatch.setattr(kokoro, "is_installed", lambda: False)
    made.program("espeak-ng")
    return made


@pytest.fixture
def said_by_kokoro(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, kokoro.Speaker]]:
    """Kokoro is there as well; gives what it was asked to say."""
    said: list[tuple[str, kokoro.Speaker]] = []

    def speak(text: str, speaker: kokoro.Speaker, *, espeak: str) -> list[int]:
        said.append((text, speaker))
        return [9000, 9000, -9000, -9000] * (1000 + 20 * len(text))

    monkeypatch.setattr(kokoro, "is_installed", lambda: True)
    monkeypatch.setattr(kokoro, "speak", speak)
    return said


def recording(path: Path, *, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((b"\x00\x10" * 4 + b"\x00\xf0" * 4) * 800)
    return path


def test_a_site_builds_only_what_is_its_own(bench: Bench) -> None:
    """The names of its companies; the rest comes with the program."""
    result = bench.run("build", "--site")
    assert result.exit_code == 0, result.output
    assert {path.name for path in bench.sounds("nl").glob("*.alaw")} == {
        "centre-rufwerk.alaw",
        "company-courant.alaw",
        "company-tulip.alaw",
    }
    assert not bench.sounds("sv").exists()
    assert len(bench.asked) == 5
    assert "every sound is up to date" in bench.run("build", "--site").output
    assert bench.asked == []


def test_a_text_said_otherwise_is_built_anew_and_nothing_else(bench: Bench) -> None:
    """And once it says the shipped text again, the site needs no sound of its own."""
    (bench.config / "prompts").mkdir()
    (bench.config / "prompts" / "nl.toml").write_text('language = "nl"\n[say]\ngoodbye = "Dag."\n')
    assert "no sound" not in bench.run("check", "--lang", "sv").output
    assert "goodbye.alaw was made of another text" in bench.run("check", "--lang", "nl").stderr
    assert bench.run("build").exit_code == 0
    assert [line.split(" | ")[1] for line in bench.asked] == ["Dag."]
    assert "another text" not in bench.run("check", "--lang", "nl").stderr
    (bench.config / "prompts" / "nl.toml").write_text('language = "nl"\n[say]\ngoodbye = "Tot ziens."\n')
    assert bench.run("build").exit_code == 0
    assert [line.split(" | ")[1] for line in bench.asked] == ["Tot ziens."]


def test_a_whole_language_is_built_as_it_is_heard(bench: Bench, tmp_path: Path) -> None:
    """Digits slower, to be written down; words the voice says wrongly spelled for it; louder over music."""
    bench.run("build", "--to", str(tmp_path / "out"), "--lang", "nl")
    said = {line.split(" | ")[1]: line.split(" | ")[0].split() for line in bench.asked}
    assert int(said["zeven"][said["zeven"].index("-s") + 1]) < int(said["Uw referentienummer is"][3])
    assert any("kolsenter" in text for text in said)
    assert not any("callcenter" in text for text in said)
    folder = tmp_path / "out" / "nl" / "ringfence"
    assert set(read_made(folder)) == PROMPT_NAMES
    for name in PROMPT_NAMES:
        level = active_level_dbov(decode_alaw((folder / f"{name}.alaw").read_bytes()))
        assert level == pytest.approx(-15 if name.startswith("wait-") else -26, abs=0.5), name


def test_without_espeak_the_build_says_how_to_get_it_and_makes_nothing(bench: Bench) -> None:
    """Exit 2, one line, before the first sound."""
    (bench.programs / "espeak-ng").unlink()
    result = bench.run("build", "--site")
    assert result.exit_code == 2
    assert "`espeak-ng`, which speaks the prompts, is not installed" in result.stderr
    assert "apt-get install espeak-ng" in result.stderr
    assert not (bench.config / "sounds").exists()


@pytest.mark.parametrize(("word", "said"), [("unspeakable", "no voice for this"), ("silent", "the voice was silent")])
def test_a_voice_that_gives_nothing_is_told_and_what_was_made_is_known(bench: Bench, word: str, said: str) -> None:
    """A build that breaks off goes on where it stopped."""
    (bench.config / "prompts").mkdir()
    (bench.config / "prompts" / "de.toml").write_text(f'language = "de"\n[say]\ncompany-linde = "{word}"\n')
    result = bench.run("build", "--site", "--lang", "de")
    assert result.exit_code == 2
    assert said in result.stderr
    assert set(read_made(bench.sounds("de"))) == {"centre-rufwerk"}
    assert not list(bench.sounds("de").glob("company*"))


def test_a_recording_of_ones_own_is_never_built_over(bench: Bench) -> None:
    """In another format, or a made sound that somebody replaced."""
    recording(bench.sounds("nl") / "company-tulip.wav")
    bench.run("build", "--site")
    assert not (bench.sounds("nl") / "company-tulip.alaw").exists()
    mine = encode_alaw([9000, -9000] * 4000)
    (bench.sounds("nl") / "company-courant.alaw").write_bytes(mine)
    result = bench.run("build", "--site", "--anew")
    assert "nl: your own company-courant.alaw stays" in result.output
    assert (bench.sounds("nl") / "company-courant.alaw").read_bytes() == mine


def test_a_piper_voice_is_used_where_one_is_installed(bench: Bench, tmp_path: Path) -> None:
    """For its language only; what it made stays good where it is not installed."""
    (bench.config / "voices").mkdir()
    (bench.config / "voices" / "nl_NL-mls-medium.onnx").touch()
    missing = bench.run("build", "--lang", "nl")
    assert missing.exit_code == 2
    assert "`piper` is not installed" in missing.stderr
    bench.program("piper", rate=16000)
    assert bench.run("build", "--site", "--lang", "nl", "--lang", "de").exit_code == 0
    asked = bench.asked
    assert all("--model" in line for line in asked if "Tulip" in line or "Uw " in line)
    assert all("-v de" in line for line in asked if "Linde" in line)
    assert len(asked) == len(PROMPT_NAMES) + 3 + 2
    shutil.rmtree(bench.config / "voices")
    assert bench.run("check", "--lang", "nl").exit_code == 0


def test_kokoro_speaks_where_it_is_installed(
    bench: Bench, tmp_path: Path, said_by_kokoro: list[tuple[str, kokoro.Speaker]]
) -> None:
    """At the speed of the catalogue; digits at the speaker's own, because slower it would say `a three`."""
    out = tmp_path / "out"
    assert bench.run("build", "--to", str(out), "--lang", "fr").exit_code == 0
    assert bench.asked == []
    said = dict(said_by_kokoro)
    assert (said["sept"].speed, said["Votre numéro de référence est le"].speed) == (1.0, 0.9)
    assert {(one.name, one.phonemes) for one in said.values()} == {("ff_siwis", "fr-fr")}
    made_by = {one.voice.partition(", over music")[0] for one in read_made(out / "fr" / "ringfence").values()}
    assert made_by == {"kokoro ff_siwis, speed 0.90", "kokoro ff_siwis, speed 1.00"}


def test_what_kokoro_made_stays_good_where_it_is_not_installed(
    bench: Bench, said_by_kokoro: list[tuple[str, kokoro.Speaker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a text that changed is made anew, by who is there."""
    (bench.config / "prompts").mkdir()
    (bench.config / "prompts" / "fr.toml").write_text('language = "fr"\n[voice]\nkokoro_speed = 0.8\n')
    assert bench.run("build", "--lang", "fr").exit_code == 0
    monkeypatch.setattr(kokoro, "is_installed", lambda: False)
    assert "up to date" in bench.run("build", "--lang", "fr").output
    assert bench.run("check", "--lang", "fr").exit_code == 0
    file = bench.config / "prompts" / "fr.toml"
    file.write_text(file.read_text() + '[say]\ngoodbye = "Salut."\n')
    assert "goodbye.alaw was made of another text" in bench.run("check", "--lang", "fr").stderr
    assert bench.run("build", "--lang", "fr").exit_code == 0
    assert [line.split(" | ")[1] for line in bench.asked] == ["Salut."]


def test_a_build_that_asks_for_kokoro_does_not_do_without(bench: Bench) -> None:
    """Exit 2, one line, before the first sound."""
    result = bench.run("build", "--kokoro", "--site")
    assert result.exit_code == 2
    assert "Kokoro is not installed: install this program with it: `pip install '.[kokoro]'`" in result.stderr
    assert not (bench.config / "sounds").exists()


def test_the_shipped_example_has_no_names_to_build(bench: Bench) -> None:
    """Its companies are made up, and their sounds must not end up at a site."""
    result = bench.run("build", "--site", config=False)
    assert result.exit_code == 2
    assert "are an example" in result.stderr


def test_install_lays_down_the_shipped_and_the_sites_own(bench: Bench, tmp_path: Path) -> None:
    """Readable for Asterisk; and the check of the folder agrees."""
    old = os.umask(0o077)
    try:
        bench.run("build", "--site")
        result = bench.run("install", str(tmp_path / "sounds"), "--lang", "nl", "--lang", "de")
    finally:
        os.umask(old)
    assert result.exit_code == 0, result.output
    there = tmp_path / "sounds" / "nl" / "ringfence"
    names = {path.stem for path in there.glob("*.alaw")}
    assert names == PROMPT_NAMES | {"centre-rufwerk", "company-tulip", "company-courant"}
    assert stat.S_IMODE((there / "goodbye.alaw").stat().st_mode) == 0o644
    shipped_file = shipped_sounds() / "nl" / "ringfence" / "goodbye.alaw"
    assert (there / "goodbye.alaw").read_bytes() == shipped_file.read_bytes()
    check = bench.run("check", str(tmp_path / "sounds"))
    assert (check.exit_code, check.stdout) == (0, "2 language(s), 0 problem(s)\n")


def test_an_own_recording_overrides_in_every_format_and_can_be_taken_back(bench: Bench, tmp_path: Path) -> None:
    """Asterisk would choose between two formats by the call, not by whose they are."""
    target = tmp_path / "sounds"
    there = target / "nl" / "ringfence"
    bench.run("install", str(target), "--lang", "nl")
    mine = recording(bench.sounds("nl") / "goodbye.wav")
    bench.run("install", str(target), "--lang", "nl")
    assert [path.name for path in there.glob("goodbye.*")] == ["goodbye.wav"]
    assert bench.run("check", str(target), "--lang", "nl").stderr.count("goodbye") == 0
    mine.unlink()
    result = bench.run("install", str(target), "--lang", "nl")
    assert "goodbye.wav, which was there in another format" in result.output
    assert [path.name for path in there.glob("goodbye.*")] == ["goodbye.alaw"]


def test_install_never_touches_what_somebody_put_there(bench: Bench, tmp_path: Path) -> None:
    """Neither another format nor a changed file of ours."""
    target = tmp_path / "sounds"
    there = target / "nl" / "ringfence"
    recording(there / "goodbye.wav")
    bench.run("install", str(target), "--lang", "nl")
    assert [path.name for path in there.glob("goodbye.*")] == ["goodbye.wav"]
    (there / "please-call.alaw").write_bytes(b"\x80\x00" * 4000)
    result = bench.run("install", str(target), "--lang", "nl")
    assert f"kept your {there / 'please-call.alaw'}" in result.output
    assert (there / "please-call.alaw").read_bytes() == b"\x80\x00" * 4000


def test_an_unplayable_recording_is_refused_and_the_shipped_sound_laid_down(bench: Bench, tmp_path: Path) -> None:
    """Silence on the line is worse than the robot's voice."""
    recording(bench.sounds("nl") / "goodbye.wav", rate=44100)
    result = bench.run("install", str(tmp_path / "sounds"), "--lang", "nl")
    assert result.exit_code == 1
    assert "44100 Hz" in result.stderr
    there = tmp_path / "sounds" / "nl" / "ringfence"
    assert [path.name for path in there.glob("goodbye.*")] == ["goodbye.alaw"]


def test_check_names_what_is_missing_unplayable_and_double(bench: Bench, tmp_path: Path) -> None:
    """One line each, exit 1."""
    target = tmp_path / "sounds"
    there = target / "nl" / "ringfence"
    bench.run("build", "--site")
    bench.run("install", str(target), "--lang", "nl")
    (there / "digit-7.alaw").unlink()
    (there / "company-tulip.alaw").rename(there / "company-tulip.mp3")
    recording(there / "goodbye.wav")
    (there / "your-reference-is.alaw").write_bytes(b"\xd5" * 8000)
    recording(there / "godbye.wav")
    result = bench.run("check", str(target), "--lang", "nl")
    assert result.exit_code == 1
    said = result.stderr
    assert "no sound for digit-7;" in said
    assert "company-tulip.mp3 Asterisk knows no format `.mp3`" in said
    assert "goodbye is there as goodbye.alaw and goodbye.wav" in said
    assert "your-reference-is.alaw is silent" in said
    assert "godbye.wav is no prompt" in result.stdout
    assert "did you mean `goodbye`?" in result.stdout
    assert result.stdout.endswith("1 language(s), 4 problem(s)\n")


def test_check_hears_what_is_too_loud_and_what_clips(bench: Bench, tmp_path: Path) -> None:
    """Of one's own recordings it is only said."""
    target = tmp_path / "sounds"
    bench.run("build", "--site")
    bench.run("install", str(target), "--lang", "nl")
    (target / "nl" / "ringfence" / "goodbye.sln").write_bytes((b"\xff\x7f" * 4 + b"\x00\x80" * 4) * 1000)
    (target / "nl" / "ringfence" / "goodbye.alaw").unlink()
    result = bench.run("check", str(target), "--lang", "nl")
    assert result.exit_code == 0
    assert "goodbye.sln is 26.1 dB louder than the other prompts" in result.stdout
    assert "goodbye.sln touches full scale" in result.stdout


def test_check_hears_what_music_would_hide(bench: Bench) -> None:
    """A recording as loud as the other prompts is too soft there; one that is loud enough is not told."""
    plain = [4000, -4000] * 4000
    bench.sounds("nl").mkdir(parents=True)
    (bench.sounds("nl") / "wait-free.alaw").write_bytes(encode_alaw([round(sample / 2.5) for sample in plain]))
    (bench.sounds("nl") / "wait-still.alaw").write_bytes(encode_alaw(plain))
    bench.run("build", "--site", "--lang", "nl")
    result = bench.run("check", "--lang", "nl")
    assert result.exit_code == 0, result.stderr
    noted = [line for line in result.stdout.splitlines() if line.startswith("nl: note: wait-")]
    assert noted == [
        "nl: note: wait-free.alaw is 11.1 dB softer than the other prompts over music; it will be hard to hear there"
    ]


def test_check_tells_of_languages_without_prompts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is called or waits in a queue would hear nothing."""
    file = bench.config / "campaigns.toml"
    file.write_text(file.read_text().replace('language = "de"', 'language = "pl"', 1))
    load = site.site_prompts

    def with_a_queue(*arguments, **options):
        return dataclasses.replace(load(*arguments, **options), queue_languages=frozenset({"cs", "nl"}))

    monkeypatch.setattr(site, "site_prompts", with_a_queue)
    result = bench.run("check")
    assert result.exit_code == 1
    assert "cs: a queue speaks it, and there is no prompts/cs.toml" in result.stderr
    assert "pl: a campaign speaks it, and there is no prompts/pl.toml" in result.stderr


def test_an_unknown_language_is_bad_input(bench: Bench) -> None:
    """With those there are."""
    result = bench.run("check", "--lang", "ni")
    assert result.exit_code == 2
    assert "there are no texts in `ni`; `de`, `en`" in result.stderr


def test_a_damaged_record_is_told_with_the_way_out(bench: Bench) -> None:
    """And is no traceback."""
    bench.sounds("nl").mkdir(parents=True)
    for text in ("{", "[]", json.dumps({"goodbye": {"txt": ""}})):
        (bench.sounds("nl") / "made.json").write_text(text)
        result = bench.run("check", "--lang", "nl")
        assert result.exit_code == 2, text
        assert "remove it and build the prompts again" in result.stderr


def test_list_shows_every_prompt_with_its_text(bench: Bench) -> None:
    """And whose sound it has."""
    recording(bench.sounds("sv") / "goodbye.wav")
    result = bench.run("list", "--lang", "sv")
    assert result.exit_code == 0
    for name in PROMPT_NAMES:
        assert name in result.output
    assert "hej då" in result.output
    assert "your own, goodbye.wav" in result.output
