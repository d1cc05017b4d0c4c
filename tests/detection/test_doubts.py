"""A tone that may be a beep and may be something else: in doubt at once, and what follows it decides."""

import numpy as np
import pytest

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Before, Kind, Why
from tests.detection.doubting import AT, go_on, heard
from tests.detection.sounds import cadence, faded, silence, tone
from tests.detection.voice import line, speech

KEY = (770.0, 1336.0)
MOST_S = 5.6


@pytest.mark.parametrize(
    ("hz", "seconds", "quiet_s"), [((425.0,), 1.0, 5.5), ((425.0,), 1.5, 4.0), ((440.0,), 1.5, 4.0), (KEY, 0.3, 4.0)]
)
def test_in_doubt_from_its_end_and_a_beep_after_long_quiet(hz, seconds, quiet_s):
    """Longer than the ring pauses, or than a person waits who hears nothing."""
    end_s = 1.9 + seconds
    found, ((doubt, until_s),) = heard(speech(1.5), silence(0.4), tone(hz, seconds) * AT, silence(7.0))
    assert end_s < doubt.at_s < end_s + 0.1
    assert doubt.kind is Kind.MAY_BE_BEEP
    (beep,) = [one for one in found if one.is_machine]
    assert (beep.kind, beep.why) == (Kind.BEEP, Why.BEEP_BY_QUIET)
    assert beep.at_s == pytest.approx(end_s + quiet_s, abs=0.1)
    assert until_s == pytest.approx(beep.at_s, abs=0.05)


@pytest.mark.parametrize("hz", [(425.0,), KEY])
@pytest.mark.parametrize("after_s", [0.5, 2.0, 3.5])
def test_a_word_ends_it(hz, after_s):
    """At once, so that the person hears an answer; and nobody is taken for a machine."""
    seconds = 1.0 if hz == (425.0,) else 0.2
    end_s = 1.9 + seconds
    found, doubts = heard(
        *(speech(1.5), silence(0.4), tone(hz, seconds) * AT, silence(after_s), speech(0.6, 3), silence(7.0))
    )
    assert not any(one.is_machine for one in found)
    ((_, until_s),) = doubts
    assert end_s + after_s < until_s < end_s + after_s + 0.3


@pytest.mark.parametrize("softer_db", [0.0, 12.0])
def test_one_syllable_is_a_word(softer_db):
    """Of somebody else than who spoke before, who is put through."""
    word = speech(0.16, 3) * 10 ** (-softer_db / 20)
    parts = (speech(1.5), silence(0.4), tone((425.0,), 1.0) * AT, silence(3.9), word, silence(7.0))
    assert not any(one.is_machine for one in heard(*parts)[0])


@pytest.mark.parametrize(
    ("steps", "hz"), [((1.0, 4.0), 425.0), ((1.0, 5.0), 425.0), ((1.5, 3.0), 425.0), ((1.5, 3.5), 440.0)]
)
def test_a_ring_that_comes_again_was_a_ring(steps, hz):
    """And no later ring of the row is in doubt."""
    found, doubts = heard(speech(1.5), silence(0.4), cadence((hz,), steps, 4) * AT, speech(0.6, 3), silence(7.0))
    assert not any(one.is_machine for one in found)
    ((_, until_s),) = doubts
    assert until_s < 1.9 + sum(steps) + 0.4


def test_a_second_key_ends_it():
    """A number is dialled; the last key is not in doubt for the ones before it."""
    keys = [part for low in (697.0, 770.0, 852.0) for part in (tone((low, 1336.0), 0.15) * AT, silence(0.15))]
    found, doubts = heard(speech(1.5), silence(0.4), *keys, silence(7.0))
    assert not any(one.is_machine for one in found)
    assert all(until_s - doubt.at_s < 0.5 for doubt, until_s in doubts)


@pytest.mark.parametrize("hz", [(425.0,), KEY])
def test_not_in_a_conversation(hz):
    """Who has waited for an answer is a person, and may press keys and wait again."""
    seconds = 1.0 if hz == (425.0,) else 0.2
    talk = (speech(0.7), silence(2.5), speech(2.0, 3), silence(0.4))
    found, doubts = heard(*talk, tone(hz, seconds) * AT, silence(7.0))
    assert not doubts
    assert not any(one.is_machine for one in found)


@pytest.mark.parametrize("hz", [(425.0,), KEY])
def test_not_long_after_the_last_word(hz):
    """A telephone that rings in the room, somebody who presses a key while our side speaks."""
    seconds = 1.0 if hz == (425.0,) else 0.2
    assert heard(speech(0.7), silence(4.0), tone(hz, seconds) * AT, silence(7.0))[1] == []


def test_a_key_where_nobody_spoke_is_a_key():
    """A machine would have said something."""
    assert heard(silence(1.0), tone(KEY, 0.2) * AT, silence(7.0))[1] == []


def test_one_ring_where_nobody_spoke_may_be_a_beep():
    """It comes again, or somebody answers, or it was one."""
    ring = tone((440.0,), 1.5) * AT
    found, doubts = heard(silence(1.0), ring, silence(7.0))
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]
    assert len(doubts) == 1
    found, doubts = heard(silence(1.0), ring, silence(3.5), ring, silence(7.0))
    assert not any(one.is_machine for one in found)
    assert len(doubts) == 1, "only the first of a row"


def test_a_person_who_says_one_word_and_waits_is_in_a_conversation():
    """ "Si?", and two seconds later more: a key after that is not in doubt."""
    parts = (speech(0.2, 3), silence(2.5), speech(1.5, 4), silence(0.3), tone(KEY, 0.2) * AT, silence(7.0))
    assert heard(*parts)[1] == []


@pytest.mark.parametrize("hz", [1320.0, 1157.0])
def test_a_note_in_its_place_is_a_beep_after_a_short_quiet(hz):
    """A vowel, or the last of what may be a tune, shortly before it, in doubt itself: it does not stand alone."""
    at = np.arange(1600) / 8000
    vowel = faded(np.sin(2 * np.pi * 523 * (at + 0.00036 * np.sin(2 * np.pi * 6 * at)))) * AT
    greeting = (speech(1.5), silence(0.1), vowel, silence(0.3), tone((hz,), 0.3) * AT)
    found, doubts = heard(*greeting, silence(4.0))
    doubt, _ = doubts[-1]
    assert doubt.why is Why.MAY_BE_NOTE
    assert 2.4 + 0.16 <= doubt.at_s < 2.4 + 0.25, "not within a word"
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]
    assert not any(one.is_machine for one in heard(*greeting, silence(1.5), speech(1.0, 3), silence(4.0))[0])


def test_a_high_tone_that_a_codec_has_torn():
    """It trembles too much for a beep, and where no vowel is; its last scraps are no speech."""
    at = np.arange(9600) / 8000
    torn = np.sin(2 * np.pi * 2100 * at + 1.6 * np.sin(2 * np.pi * 6 * at)) * AT
    torn[2400:2700] = torn[5600:5900] = 0
    scraps = cadence((2100.0,), (0.03, 0.05), 4) * AT
    found, doubts = heard(speech(1.5), silence(0.4), torn, silence(0.03), scraps, silence(4.0))
    assert doubts[-1][0].why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_a_pair_that_a_codec_has_torn():
    """GSM 06.10 makes two tones tremble against each other; one is where no vowel is."""
    at = np.arange(1600) / 8000
    high = np.sin(2 * np.pi * 1789 * at + 1.5 * np.sin(2 * np.pi * 12 * at))
    pair = faded((np.sin(2 * np.pi * 1079 * at) + high) / 2) * AT
    found, ((doubt, _),) = heard(speech(1.5), silence(0.4), pair, silence(4.0))
    assert doubt.why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_a_pair_so_pure_that_it_is_no_voice():
    """Two neighbouring overtones of a voice at 377 Hz have these frequencies; they tremble more and are less alone."""
    at = np.arange(1120) / 8000
    low = np.sin(2 * np.pi * 768 * at + 0.15 * np.sin(2 * np.pi * 12 * at))
    pair = faded((low + np.sin(2 * np.pi * 1139 * at)) / 2) * AT
    found, ((doubt, _),) = heard(speech(1.5), silence(0.4), pair, silence(4.0))
    assert doubt.why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_three_frames_of_a_high_beep_are_enough():
    """As pure as no voice is there."""
    found, ((doubt, _),) = heard(speech(1.5), silence(0.4), tone((1495.0,), 0.055) * AT, silence(4.0))
    assert doubt.why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_a_key_twice_may_be_a_double_beep():
    """Another key after it is a number that is dialled."""
    twice = [part for _ in range(2) for part in (tone(KEY, 0.3) * AT, silence(0.2))]
    found, doubts = heard(speech(1.5), silence(0.4), *twice, silence(7.0))
    assert doubts[-1][0].why is Why.MAY_BE_KEY
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_a_long_pair_that_a_codec_has_torn_into_pieces():
    """Neither pure nor steady, but for a third of a second in two places, one of them where no vowel is."""
    made, at = np.random.default_rng(3), np.arange(3200) / 8000
    high = np.sin(2 * np.pi * 1978 * at + 1.2 * np.sin(2 * np.pi * 12 * at))
    pair = faded((np.sin(2 * np.pi * 682 * at) + high) / 2 + made.normal(0, 0.11, 3200)) * AT
    found, doubts = heard(speech(1.5), silence(0.4), pair, silence(4.0))
    assert doubts[-1][0].why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_one_tone_in_noise():
    """Too much else sounds beside it for a beep, and it is too steady for a voice."""
    made = np.random.default_rng(5)
    at = np.arange(1440) / 8000
    steady = np.sin(2 * np.pi * 1186 * at + 0.12 * np.sin(2 * np.pi * 12 * at))
    noisy = (steady + made.normal(0, 0.21, 1440)) * AT
    found, doubts = heard(speech(1.5), silence(0.4), noisy, silence(4.0))
    assert doubts[0][0].why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_the_last_of_three_long_beeps_is_in_place_when_the_first_was():
    """At a frequency of busy tones, with pauses that are too short for one."""
    row = cadence((418.0,), (0.4, 0.16), 3) * AT
    found, _ = heard(speech(1.5), silence(1.2), row, silence(4.0))
    assert [one.kind for one in found if one.is_machine] == [Kind.BEEP]


def test_a_voice_of_which_only_the_vowels_are_heard_has_spoken():
    """Behind GSM 06.10 a high voice is a row of tones; what follows at its end may be a beep all the same."""
    at = np.arange(1600) / 8000
    vowels = [faded(np.sin(2 * np.pi * hz * at)) * AT for hz in (353.0, 317.0, 321.0, 311.0, 340.0, 325.0)]
    greeting = [part for vowel in vowels for part in (vowel, silence(0.1))]
    found, ((doubt, _),) = heard(*greeting, silence(0.3), tone((710.0,), 0.5) * AT, silence(4.0))
    assert doubt.why is Why.MAY_BE_NOTE
    assert [one.why for one in found if one.is_machine] == [Why.BEEP_BY_QUIET]


def test_in_doubt_while_it_is_waited_for_a_busy_tone():
    """440 Hz for 0.4 s after a pause may come again; a machine that has beeped records by then."""
    found, ((doubt, until_s),) = heard(speech(0.7), silence(3.0), tone((440.0,), 0.4) * AT, silence(2.0))
    assert 4.1 <= doubt.at_s < 4.2
    (beep,) = [one for one in found if one.is_machine]
    assert beep.why is Why.BEEP
    assert beep.at_s > doubt.at_s + 0.4
    assert until_s == pytest.approx(beep.at_s, abs=0.05)


def test_a_doubt_says_nothing_about_who_answered():
    """It is waited on, and then it is a machine, or a person once the word is said."""
    greeting = (speech(1.0), silence(0.3), tone((425.0,), 1.0) * AT)
    found, _ = heard(*greeting, silence(7.0))
    assert [one.kind for one in found] == [Kind.BEEP]
    found, doubts = heard(*greeting, silence(1.5), speech(0.5, 3), silence(2.0))
    assert [one.kind for one in found] == [Kind.PERSON]
    assert found[0].at_s > doubts[0][1]


@pytest.mark.parametrize("before", [(speech(0.6), silence(0.3)), (silence(0.8),)])
def test_before_the_connection_it_is_waited_for_a_little(before):
    """No person is named in doubt; but an agent must be there in time."""
    parts = (*before, tone((425.0,), 1.0) * AT, silence(7.0))
    found, _ = heard(*parts, undecided_s=1.9)
    assert (found[0].kind, found[0].why) == (Kind.NOT_SURE, Why.RING_BACK)
    assert 2.7 <= found[0].at_s < 2.8
    assert found[-1].kind is Kind.BEEP


def test_a_doubt_goes_on_in_the_next_detector():
    """Of a greeting and its beep the first heard all, the second nothing: what is left of the quiet is enough."""
    first = Detector()
    data = line(speech(0.9), silence(0.3), tone((425.0,), 1.0) * AT, silence(2.0))
    for at in range(0, len(data), 320):
        first.take(data[at : at + 320])
    assert 3.0 < first.handed_on.doubt_s < 4.5
    second, found = go_on(first.handed_on, silence(1.0))
    assert found == []
    assert second.doubt is not None
    _, found = go_on(first.handed_on, silence(6.0))
    assert (found[0].kind, found[0].why) == (Kind.BEEP, Why.BEEP_BY_QUIET)
    assert found[0].at_s == pytest.approx(first.handed_on.doubt_s, abs=0.1)


def test_a_word_ends_what_was_in_doubt_before():
    """And without a doubt quiet is only quiet."""
    detector, found = go_on(Before(3.0), silence(1.0), speech(0.5, 3), silence(6.0))
    assert detector.doubt is None
    assert not any(one.is_machine for one in found)
    assert Detector().handed_on == Before()
    assert not any(one.is_machine for one in go_on(Before(0.0), silence(6.0))[1])
