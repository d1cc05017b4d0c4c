"""The corpus is the same each time, its two parts share neither speaker nor text; app_amd's port does as documented."""

import itertools
from random import Random

import numpy as np
import pytest

from tests.detection import app_amd, corpus, sounds
from tests.detection.measure import figures, hear, hear_amd
from tests.detection.speech import KEPT, KOKORO, LANGUAGES, PARTS, TUNE, VARIANTS, Library, texts
from tests.detection.voice import speech

KINDS = ("short", "nervous", "long", "machine", "carrier", "talk")


class Voices(Library):
    """Speaks without a synthesiser."""

    def say(self, speaker, language, text):
        return speech(0.06 * len(text), len(text))


@pytest.fixture
def voices(tmp_path):
    return Voices(tmp_path)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_in_both_parts(language, kind):
    """What is told of the kept part was never tuned on."""
    tune, kept = (texts(language, kind, part) for part in PARTS)
    assert tune
    assert kept
    assert not set(tune) & set(kept)


def test_no_speaker_is_in_both_parts():
    """The same for who speaks."""
    assert not set(VARIANTS[TUNE]) & set(VARIANTS[KEPT])
    assert not set(KOKORO[TUNE]) & set(KOKORO[KEPT])


@pytest.mark.parametrize("side", [corpus.PERSON, corpus.MACHINE])
def test_a_call_is_the_same_each_time(voices, side):
    """Same seed, same sound; another number, another call."""
    one, again, other = (corpus.make(KEPT, side, number, voices) for number in (3, 3, 4))
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)
    assert one.is_machine is (side == corpus.MACHINE)


def test_every_scenario_can_be_made_and_heard(voices):
    """Every one of both sides; shares add up to 100."""
    for side, known in corpus.SCENARIOS.items():
        assert sum(share for _, share, _ in known) == 100
        names = {corpus.make(TUNE, side, number, voices, kokoro_share=0.0).scenario for number in range(14)}
        assert names <= {put.__name__ for put, _, _ in known}
        assert len(names) > 3


def test_where_the_beep_is(voices):
    """What is measured against."""
    scene = corpus.Scene(Random(1), TUNE, "nl", voices, corpus.speaker_of(Random(1), "nl", TUNE, kokoro_share=0))
    corpus.only_a_beep(scene)
    sound = np.concatenate(scene.pieces)
    assert np.flatnonzero(np.abs(sound) > 1e-3)[0] / 8000 == pytest.approx(scene.beep_s, abs=0.02)


@pytest.mark.parametrize("codec", ["alaw", "ulaw", "none"])
def test_codecs_keep_the_sound(codec):
    """G.711 adds some 38 dB below the signal."""
    samples = sounds.as_samples(sounds.tone((1000.0,), 0.5) * 0.3)
    error = sounds.coded(samples, codec).astype(float) - samples
    assert np.mean(error**2) < np.mean(samples.astype(float) ** 2) * 10**-3.3


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((0,) * 200, ("MACHINE", 2.5, "INITIALSILENCE")),
        ((0,) * 25 + (900,) * 30 + (0,) * 100, ("HUMAN", 1.9, "HUMAN")),
        ((0,) * 25 + (900,) * 200, ("MACHINE", 2.0, "LONGGREETING")),
        (((900,) * 10 + (0,) * 10) * 3, ("MACHINE", 0.9, "MAXWORDS")),
        ((900,) * 4 + (0,) * 100, ("NOTSURE", 2.08, "TOOLONG")),
        ((255,) * 130, ("MACHINE", 2.5, "INITIALSILENCE")),
    ],
)
def test_app_amd_as_documented(shape, said):
    """Each of its causes; frames of 20 ms."""
    assert app_amd.judge(map(float, shape), app_amd.Parameters()) == said


def test_app_amd_waits_as_it_is_told():
    """A longer greeting is allowed."""
    frames = [0.0] * 25 + [900.0] * 100 + [0.0] * 60
    assert app_amd.judge(frames, app_amd.Parameters(greeting=3000))[0] == "HUMAN"
    assert len(list(itertools.islice(app_amd.grid(), 1000))) == 288


def test_figures_count_right(voices):
    """Two persons and two machines, one of them with a beep only."""
    calls = [
        corpus.make(TUNE, side, number, voices, kokoro_share=0.0) for side in corpus.SCENARIOS for number in (1, 2)
    ]
    ours, theirs = ([hear(call) for call in calls], [_amd(call) for call in calls])
    for heard in (ours, theirs):
        row = figures(heard)
        assert (row["persons"], row["machines"]) == (2, 2)
        assert row["person taken for a machine"] == sum(one.machine_s is not None for one in heard[:2]) / 2
        assert row["machine never recognised"] == sum(one.machine_s is None for one in heard[2:]) / 2


def _amd(call):
    return hear_amd(call, app_amd.magnitudes(call.samples), app_amd.Parameters())
