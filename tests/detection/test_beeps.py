"""Beeps are heard, whatever the line does to them; nothing else on a telephone line is taken for one."""

import random

import numpy as np
import pytest

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Finding, Kind, Why
from tests.detection import sounds
from tests.detection.sounds import cadence, gsm_library, silence, tone
from tests.detection.voice import line, speech

AT = 10 ** (-24 / 20) * np.sqrt(2)
"""Amplitude of a tone as loud as speech."""

CODECS = ["alaw", "ulaw", pytest.param("gsm", marks=pytest.mark.skipif(not gsm_library(), reason="no libgsm"))]


def heard(data: bytes) -> list[Finding]:
    """Everything found, packet by packet."""
    detector = Detector()
    found = (detector.take(data[at : at + 320]) for at in range(0, len(data), 320))
    return [one for one in found if one is not None]


def kinds(data: bytes) -> set[Kind]:
    return {one.kind for one in heard(data)}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("hz", [(500.0,), (850.0,), (1000.0,), (1400.0,), (2050.0,), (600.0, 1000.0), (1100.0, 1750.0)])
def test_a_beep_is_heard(hz, seconds, codec):
    """Single and dual, short and long, after every codec; while it sounds or soon after it."""
    data = line(speech(1.5), silence(0.4), tone(hz, seconds) * AT, silence(1.5), codec=codec)
    (beep,) = [one for one in heard(data) if one.kind is Kind.BEEP]
    assert 1.9 < beep.at_s < 1.9 + seconds + 0.4
    assert beep.why is Why.BEEP


@pytest.mark.parametrize("hz", [400.0, 425.0, 440.0, 450.0])
def test_a_beep_where_ring_back_is(hz):
    """It is waited whether it comes again, as a busy tone would."""
    found = heard(line(speech(1.0), silence(0.4), tone((hz,), 0.3) * AT, silence(1.5)))
    assert [one.why for one in found if one.is_machine] == [Why.BEEP]


@pytest.mark.parametrize("noise_db", [-50, -44, -38])
@pytest.mark.parametrize("seconds", [0.15, 0.6])
def test_under_noise(noise_db, seconds):
    """14 dB above the noise of the line is enough."""
    assert Kind.BEEP in kinds(line(silence(1.0), tone((1000.0,), seconds) * AT, silence(1.0), noise_db=noise_db))


@pytest.mark.parametrize(("in_s", "out_s"), [(0.06, 0.01), (0.01, 0.3), (0.06, 0.3)])
def test_faded(in_s, out_s):
    """Machines fade their beep in and out."""
    beep = tone((980.0,), 0.5, in_s=in_s, out_s=out_s) * AT
    assert Kind.BEEP in kinds(line(speech(1.0), silence(0.2), beep, silence(1.0)))


def test_a_double_beep_is_told_once():
    """Who listens for the beep wants to know it once."""
    beep = tone((1000.0,), 0.2) * AT
    found = heard(line(silence(0.5), beep, silence(0.1), beep, silence(1.0)))
    assert [one.kind for one in found if one.is_machine] == [Kind.BEEP]


def test_after_a_person_seemed_to_answer():
    """It goes on listening, for minutes."""
    data = line(speech(0.6), silence(2.0), speech(40.0, seed=5), silence(0.5), tone((1400.0,), 0.3) * AT, silence(0.5))
    found = heard(data)
    assert found[0].kind is Kind.PERSON
    assert found[-1].kind is Kind.BEEP
    assert found[-1].at_s > 43


@pytest.mark.parametrize("seed", range(12))
def test_not_in_speech(seed):
    """Half a minute each."""
    assert Kind.BEEP not in kinds(line(silence(0.3), speech(0.7, seed), silence(1.5), *_turns(seed)))


def _turns(seed: int) -> list[sounds.Sound]:
    return [part for turn in range(6) for part in (speech(3.5, 100 * seed + turn), silence(1.5))]


@pytest.mark.parametrize(
    ("low", "high"), [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (697, 1477), (941, 1477)]
)
@pytest.mark.parametrize("seconds", [0.08, 0.4])
def test_not_by_keys(low, high, seconds):
    """A person presses keys."""
    keys = cadence((low * 1.01, high * 0.99), (seconds, 0.1), 3) * AT
    assert Kind.BEEP not in kinds(line(speech(0.7), silence(1.0), keys, silence(1.0)))


@pytest.mark.parametrize(
    ("hz", "steps"),
    [
        ((425.0,), (1.0, 4.0)),
        ((440.0,), (1.5, 3.5)),
        ((425.0,), (1.5, 3.0)),
        ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
        ((440.0, 480.0), (2.0, 4.0)),
        ((425.0,), (0.5, 0.5)),
        ((425.0,), (0.25, 0.25)),
        ((425.0,), (0.2, 0.2)),
        ((400.0,), (0.375, 0.375)),
    ],
)
@pytest.mark.parametrize("codec", CODECS)
def test_not_by_ring_back_or_busy_tone(hz, steps, codec):
    """A telephone system that answers and rings on has nobody's message to take."""
    found = heard(line(silence(0.3), cadence(hz, steps, 3) * AT, silence(1.0), codec=codec))
    assert not any(one.is_machine for one in found)


@pytest.mark.parametrize("seed", range(10))
def test_not_in_music(seed):
    """Music on hold, put on by a person during the talk."""
    music = sounds.levelled(sounds.music(random.Random(seed), 8.0), -24)
    assert Kind.BEEP not in kinds(line(speech(0.7), silence(2.0), speech(2.0, 3), silence(0.3), music, silence(1.0)))


@pytest.mark.parametrize("codec", CODECS)
def test_special_information_tones(codec):
    """Three tones before an announcement: nobody is there."""
    found = heard(line(silence(0.3), sounds.special_information() * AT, silence(0.2), speech(2.0), codec=codec))
    assert (found[0].kind, found[0].why) == (Kind.MACHINE, Why.ANNOUNCEMENT_TONES)
    assert not any(one.kind is Kind.BEEP for one in found)


def test_a_fax():
    """It answers with 2100 Hz for three seconds."""
    found = heard(line(silence(0.5), tone((2100.0,), 3.0) * AT, silence(0.5)))
    assert [(one.kind, one.why) for one in found] == [(Kind.MACHINE, Why.FAX_TONE)]


@pytest.mark.parametrize(("seconds", "gap_s"), [(0.12, 0.08), (0.8, 0.12), (0.5, 0.15)])
def test_several_beeps_where_ring_back_is(seconds, gap_s):
    """They are in no cadence that a network has."""
    beeps = cadence((425.0,), (seconds, gap_s), 3) * AT
    found = heard(line(speech(1.0), silence(0.4), beeps, silence(1.5)))
    assert [one.why for one in found if one.is_machine] == [Why.BEEP]


def test_ring_back_with_lost_packets():
    """A packet that is lost does not make a beep of a ring."""
    ring = np.frombuffer(line(silence(0.3), cadence((425.0,), (1.5, 3.5), 2) * AT, silence(1.0)), "<i2").copy()
    for packet in (35, 60, 300, 317):
        ring[packet * 160 : packet * 160 + 160] = 0
    assert not any(one.is_machine for one in heard(ring.tobytes()))


@pytest.mark.parametrize("hz", [(880.0, 1175.0, 990.0, 1320.0), (660.0, 590.0, 700.0)])
def test_not_by_a_tune_of_short_notes(hz):
    """Each note is as pure as a beep, and quiet follows the last: only that it does not stand alone tells it."""
    notes = [part for one in hz for part in (tone((one,), 0.25) * AT, silence(0.1))]
    assert Kind.BEEP not in kinds(line(speech(0.7), silence(1.0), *notes, silence(1.5)))


@pytest.mark.parametrize(("pause_s", "is_beep"), [(0.65, False), (1.5, True)])
def test_a_tune_may_pause(pause_s, is_beep):
    """After two notes that tremble (no beeps) a pure one is of the same tune, unless it comes long after."""
    at = np.arange(2000) / 8000
    notes = [np.sin(2 * np.pi * hz * (at + 0.0002 * np.sin(2 * np.pi * 6 * at))) for hz in (880, 990)]
    tune = [part for one in notes for part in (sounds.faded(one) * AT, silence(0.05))]
    data = line(speech(0.7), silence(1.0), *tune, silence(pause_s - 0.05), tone((1100.0,), 0.3) * AT, silence(1.0))
    assert (Kind.BEEP in kinds(data)) is is_beep


@pytest.mark.parametrize("seed", range(4))
def test_deep_in_noise(seed):
    """9 dB above white noise that has been there for long: as deep as a beep is looked for."""
    beep = tone((1000.0,), 0.6) * AT
    assert Kind.BEEP in kinds(line(silence(12.0), beep, silence(1.0), noise_db=-33, seed=seed))


@pytest.mark.parametrize("seed", range(6))
def test_not_in_the_noise_of_a_machine(seed):
    """A fan hums at 1000 Hz, swelling and fading, in noise that is as strong."""
    rng = np.random.default_rng(seed)
    swells = [tone((1000.0,), rng.uniform(0.15, 0.5), in_s=0.03, out_s=0.05) for _ in range(20)]
    fan = np.concatenate([part for one in swells for part in (one * 10 ** (-38 / 20), silence(rng.uniform(0.3, 0.8)))])
    assert Kind.BEEP not in kinds(line(fan, noise_db=-40, seed=seed))


@pytest.mark.parametrize(("hz", "seconds"), [((440.0,), 1.0), ((400.0,), 1.0), ((425.0,), 0.7), ((455.0,), 1.5)])
def test_where_rings_are_but_no_country_rings_so(hz, seconds):
    """Frequency and length of a ring belong together."""
    found = heard(line(speech(1.0), silence(0.4), tone(hz, seconds) * AT, silence(1.5)))
    assert [one.why for one in found if one.is_machine] == [Why.BEEP]


def test_rings_that_follow_each_other_at_once_are_beeps():
    """No ring-back pauses for a seventh of a second."""
    beeps = cadence((440.0,), (1.5, 0.14), 3) * AT
    found = heard(line(speech(1.0), silence(0.4), beeps, silence(1.5)))
    assert [one.why for one in found if one.is_machine] == [Why.BEEP]


def test_in_the_cadence_of_a_busy_tone_after_a_voice():
    """Three beeps of a machine that has spoken, told soon enough that no word is recorded."""
    beeps = cadence((440.0,), (0.2, 0.2), 3) * AT
    (beep,) = [one for one in heard(line(speech(1.0), silence(0.4), beeps, silence(1.5))) if one.is_machine]
    assert beep.at_s < 1.4 + 1.0 + 0.36


def test_british_rings_under_hum():
    """Hum passes for a second tone, here in the second half of a ring; still it is a ring."""
    half, hum = tone((446.0,), 0.4) * AT, tone((350.0,), 0.4) * AT * 0.55
    rings = [half, silence(0.2), half + hum, silence(2.0)] * 2
    assert not any(one.is_machine for one in heard(line(silence(0.3), *rings)))


@pytest.mark.parametrize("pitch", [111.0, 150.0, 280.0])
@pytest.mark.parametrize("order", [2, 3])
def test_not_by_a_vowel_of_two_overtones(pitch, order):
    """A short sound of two neighbouring overtones whose pitch moves a little."""
    at = np.arange(1300) / 8000
    turned = 2 * np.pi * max(pitch, 400 / order) * (at + 0.01 * at**2 / 0.16)
    vowel = (np.sin(order * turned) + 0.7 * np.sin((order + 1) * turned) + 0.1 * np.sin(turned)) * 0.5 * AT
    assert Kind.BEEP not in kinds(line(speech(0.7), silence(0.5), sounds.faded(vowel, 0.03, 0.03), silence(1.0)))


@pytest.mark.parametrize("seconds", [0.12, 0.2])
def test_two_tones_of_which_one_is_seen_first(seconds):
    """GSM 06.10 brings up one of the two late."""
    first = tone((1462.0,), 0.05, out_s=0) * AT
    both = tone((1462.0, 2044.0), seconds, in_s=0) * AT
    both[: len(first)] = first
    assert Kind.BEEP in kinds(line(speech(0.7), silence(0.5), both, silence(1.0)))


@pytest.mark.parametrize("lengths", [(0.28, 0.31, 0.31), (0.27, 0.33, 0.33), (0.32, 0.32, 0.32)])
def test_three_beeps_as_long_as_a_british_ring(lengths):
    """Two of them are a ring, three are none; also when the first seems to be a hair too short."""
    beeps = [part for seconds in lengths for part in (tone((445.0,), seconds) * AT, silence(0.16))]
    found = heard(line(speech(1.5), silence(0.4), *beeps, silence(2.0)))
    assert [one.kind for one in found if one.is_machine] == [Kind.BEEP]


def test_a_long_faint_tone_does_not_become_its_own_noise():
    """9 dB above the noise: what is taken for noise rises, but not while it sounds."""
    faint = tone((1182.0,), 2.0) * 10 ** (-41 / 20) * np.sqrt(2)
    found = heard(line(speech(1.5), silence(1.0), faint, silence(2.0), noise_db=-50))
    assert [one.kind for one in found if one.is_machine] == [Kind.BEEP]


@pytest.mark.parametrize("level_db", [-45, -50, -55])
def test_a_whistle_of_the_line_is_no_beep(level_db):
    """It has sounded before the words, and sounds in every pause."""
    parts = (silence(0.4), speech(0.6), silence(6.0))
    whistle = tone((1000.0,), 7.0) * 10 ** (level_db / 20) * np.sqrt(2)
    found = heard(line(np.concatenate(parts) + whistle))
    assert [one.kind for one in found] == [Kind.PERSON]
    assert found[0].at_s < 2.7


def test_a_beep_over_hum():
    """The hum is noise although it never moves."""
    greeting = np.concatenate((silence(0.4), speech(5.0), silence(0.4), tone((1000.0,), 0.4) * AT * 0.6, silence(2.0)))
    hum = tone((300.0,), len(greeting) / 8000)[: len(greeting)] * 10 ** (-40 / 20) * np.sqrt(2)
    assert Kind.BEEP in kinds(line(greeting + hum))
