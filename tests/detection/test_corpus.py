"""The corpus is the same each time, its two parts share neither speaker nor text; app_amd's port does as documented."""

import itertools
from random import Random

import numpy as np
import pytest

from tests.detection import app_amd, corpus, scenes, sounds
from tests.detection.corpus import Call
from tests.detection.measure import CUT_S, Heard, Rate, figures, hear, hear_amd, is_wrong
from tests.detection.sounds import silence, tone
from tests.detection.speech import KEPT, KOKORO, LANGUAGES, PARTS, TUNE, VARIANTS, Library, speaker_of, texts
from tests.detection.voice import line, speech

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


@pytest.mark.parametrize("side", [scenes.PERSON, scenes.MACHINE])
def test_a_call_is_the_same_each_time(voices, side):
    """Same seed, same sound; another number, another call."""
    one, again, other = (corpus.make(KEPT, side, number, voices) for number in (3, 3, 4))
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)
    assert one.is_machine is (side == scenes.MACHINE)


def test_every_scenario_can_be_made_and_heard(voices):
    """Every one of both sides; shares add up to 100."""
    for side, known in scenes.SCENARIOS.items():
        assert sum(share for _, share in known) == 100
        names = {corpus.make(TUNE, side, number, voices, kokoro_share=0.0).scenario for number in range(14)}
        assert names <= {put.__name__ for put, _ in known}
        assert len(names) > 3


def test_where_the_beep_is(voices):
    """What is measured against."""
    scene = scenes.Scene(Random(1), TUNE, "nl", voices, speaker_of(Random(1), "nl", TUNE, kokoro_share=0))
    scenes.only_a_beep(scene)
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
        corpus.make(TUNE, side, number, voices, kokoro_share=0.0) for side in scenes.SCENARIOS for number in (1, 2)
    ]
    ours, theirs = ([hear(call) for call in calls], [_amd(call) for call in calls])
    for heard in (ours, theirs):
        row = figures(heard)
        assert row["person taken for a machine"] == Rate(sum(one.machine_s is not None for one in heard[:2]), 2)
        assert row["machine never recognised"] == Rate(sum(one.machine_s is None for one in heard[2:]), 2)


def _amd(call):
    return hear_amd(call, app_amd.magnitudes(call.samples), app_amd.Parameters())


def _told(*, decided_s, machine_s, records_s=6.0, mute=()):
    """A machine whose beep is from 5.5 to 6 s."""
    known = {"beep_found_s": machine_s, "verdict": "", "found": "", "codec": "alaw", "language": "nl"}
    return Heard(
        *("x", "answering_machine"),
        **known,
        is_machine=True,
        beep_s=5.5,
        records_s=records_s,
        length_s=9.0,
        decided_s=decided_s,
        machine_s=machine_s,
        mute=mute,
    )


@pytest.mark.parametrize(
    ("decided_s", "machine_s", "mute", "recorded_s", "mute_s"),
    [
        (1.9, 8.0, ((6.1, 8.0),), 0.1 + CUT_S, 1.9),  # it was right: nothing more until the end
        (1.9, None, ((6.1, 8.0),), 3.0 - 1.9 + CUT_S, 1.9),  # taken back
        (1.9, 8.0, ((5.0, 5.5), (6.1, 7.0), (7.5, 8.0)), 0.1 + CUT_S + 0.5 + CUT_S, 1.9),
        (7.0, 8.0, ((6.1, 8.0),), 0.0, 1.0),  # before the verdict nobody was heard
        (8.0, 8.0, ((6.1, 8.0),), 0.0, 0.0),
    ],
)
def test_what_is_mute_is_not_recorded(decided_s, machine_s, mute, recorded_s, mute_s):
    """From when the action has got through; and it is counted, so that no cost hides there."""
    heard = _told(decided_s=decided_s, machine_s=machine_s, mute=mute)
    assert heard.recorded_s == pytest.approx(recorded_s)
    assert heard.mute_s == pytest.approx(mute_s)
    assert figures([heard])["our side muted, of machines"] == Rate(int(mute_s > 0), 1)


def test_a_call_that_ends_in_doubt_goes_on_until_it_is_clear(voices):
    """A mailbox records on; what it takes then counts."""
    samples = np.frombuffer(line(speech(1.5), silence(0.4), tone((425.0,), 1.0) * 0.09, silence(1.0)), "<i2")
    heard = hear(Call("x", True, "x", "nl", samples, 1.9, 2.9, "alaw"))
    assert heard.found == "beep-by-quiet"
    assert heard.length_s == heard.machine_s == pytest.approx(2.9 + 5.5, abs=0.1)
    assert heard.recorded_s < 0.3


@pytest.mark.parametrize(
    ("decided_s", "machine_s", "recorded_s"),
    [
        (1.9, 6.2, 0.2 + CUT_S),
        (1.9, 6.4, 0.4 + CUT_S),
        (1.9, 5.7, 0.0),
        (1.9, None, 3.0),
        (8.0, None, 1.0),
        (7.0, 7.0, 0.0),
        (6.5, 6.9, 0.4 + CUT_S),
    ],
)
def test_a_message_is_what_a_machine_takes_of_ours(decided_s, machine_s, recorded_s):
    """From the end of its beep, and from the first verdict on, until our side is cut; over half a second it counts."""
    heard = _told(decided_s=decided_s, machine_s=machine_s)
    assert heard.recorded_s == pytest.approx(recorded_s)
    assert figures([heard])["message left"] == Rate(int(recorded_s > 0.5), 1)
    assert is_wrong(heard) is (recorded_s > 0.5)
    assert _told(decided_s=decided_s, machine_s=machine_s, records_s=None).recorded_s == 0


@pytest.mark.parametrize(
    ("count", "whole", "between"),
    [(0, 100, (0.0, 0.0370)), (5, 1000, (0.0021, 0.0117)), (50, 100, (0.4038, 0.5962)), (0, 0, (0.0, 1.0))],
)
def test_where_the_true_share_lies(count, whole, between):
    """Wilson's interval, as tables have it."""
    assert Rate(count, whole).between == pytest.approx(between, abs=1e-4)


def test_a_machine_without_a_beep(voices):
    """It records as soon as it has spoken."""
    call = corpus.make(KEPT, scenes.MACHINE, 1, voices, kokoro_share=0.0, put=scenes.machine_without_a_beep)
    assert (call.scenario, call.beep_s) == ("machine_without_a_beep", None)
    assert 0.08 < call.records_s < len(call.samples) / 8000 - 5.9
