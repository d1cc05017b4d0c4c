"""Quiet after a long greeting, or after what may be the rest of a beep: a machine that records, or a person."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Before, Kind, Why
from asterisk_plugin.detection.tone_kinds import is_remnant
from asterisk_plugin.detection.tones import Tone
from tests.detection.doubting import AT, go_on, heard
from tests.detection.sounds import Sound, faded, noise, silence, tone
from tests.detection.voice import line, speech


@pytest.mark.parametrize("undecided_s", [0.0, 1.9])
def test_who_has_greeted_for_long_and_says_no_more_may_be_a_machine_that_records(undecided_s):
    """In doubt in a moment, and a machine after a long quiet; who answered is told meanwhile as if nothing were."""
    found, ((doubt, until_s),) = heard(silence(0.4), speech(7.6), silence(7.0), undecided_s=undecided_s)
    assert (doubt.kind, doubt.why) == (Kind.MAY_BE_BEEP, Why.MAY_RECORD)
    assert 8.2 <= doubt.at_s < 8.45
    first, machine = found
    assert first.why is (Why.STILL_SPEAKING if undecided_s else Why.GREETING_AND_WAIT)
    assert (machine.kind, machine.why) == (Kind.MACHINE, Why.SAYS_NO_MORE)
    assert machine.at_s == pytest.approx(13.5, abs=0.1)
    assert until_s == pytest.approx(machine.at_s, abs=0.05)


def test_its_beep_may_be_torn():
    """A scrap of sound in the quiet is no word, however little is known of it."""
    scrap = noise(np.random.default_rng(3), 0.14, "white") * 10 ** (-38 / 20)
    found, doubts = heard(silence(0.4), speech(7.6), silence(0.8), scrap, silence(7.0))
    assert found[-1].why is Why.SAYS_NO_MORE
    assert len(doubts) == 1, "before the scrap it is in doubt, and after it"


def torn() -> Sound:
    """A high beep that trembles as no beep does."""
    at = np.arange(1600) / 8000
    return np.sin(2 * np.pi * 2100 * at + 2.5 * np.sin(2 * np.pi * 6 * at)) * AT


@pytest.mark.parametrize("beep", [tone((425.0,), 0.4) * AT, tone((425.0,), 1.0) * AT, torn()])
def test_its_beep_may_be_something_else_to_doubt(beep):
    """Or be plain in a moment: all the while our side stays mute."""
    found, doubts = heard(silence(0.4), speech(7.6), silence(0.8), beep, silence(7.0))
    assert found[-1].kind is Kind.BEEP
    assert doubts[0][0].at_s < 8.45
    for (_, until_s), (after, _) in itertools.pairwise(doubts):
        assert after.at_s - until_s < 0.05, "one right after the other"
    assert doubts[-1][1] == pytest.approx(found[-1].at_s, abs=0.05)


def test_a_tone_in_doubt_is_known_sooner_than_the_quiet():
    found, _ = heard(silence(0.4), speech(7.6), silence(0.04), torn(), silence(7.0))
    assert found[-1].why is Why.BEEP_BY_QUIET
    assert found[-1].at_s == pytest.approx(8.24 + 2.0, abs=0.1)


def test_what_was_said_long_ago_is_not_in_doubt_later():
    """The end of it was quiet, and counts as speech when all the rest is quieter still."""
    end = speech(0.6, 4) * 10 ** (-8 / 20)
    parts = (silence(0.4), speech(7.6), end, silence(3.0), speech(0.5, 3), silence(9.0))
    found, doubts = heard(*parts)
    assert len(doubts) == 1
    assert not any(one.is_machine for one in found)


@pytest.mark.parametrize(
    "parts",
    [
        (speech(6.3), silence(7.0)),
        (speech(2.0), silence(2.5), speech(7.6, 2), silence(7.0)),
        (*(part for seed in range(8) for part in (speech(0.8, seed), silence(1.4))), silence(7.0)),
        (*(part for seed in range(5) for part in (speech(0.5, seed), silence(1.4))), silence(7.0)),
    ],
    ids=["short", "after a wait", "a talk", "a dead line"],
)
def test_not_after_a_person_s_greeting_or_in_a_talk(parts):
    """Whose pauses may be too short for a wait, but who does not speak all the time."""
    found, doubts = heard(silence(0.4), *parts)
    assert doubts == []
    assert not any(one.is_machine for one in found)


def test_who_says_hello_after_a_long_greeting_is_a_person():
    """And is not in doubt again until so much more is said."""
    found, ((_, until_s),) = heard(silence(0.4), speech(7.6), silence(3.0), speech(0.5, 3), silence(8.0))
    assert 11.0 < until_s < 11.2
    assert not any(one.is_machine for one in found)


@pytest.mark.parametrize("after_s", [2.2, 3.0, 4.8])
@pytest.mark.parametrize("seconds", [0.16, 0.24])
def test_one_syllable_is_a_word_when_no_beep_can_come_any_more(seconds, after_s):
    parts = (silence(0.4), speech(7.6), silence(after_s), speech(seconds, 3), silence(7.0))
    found, doubts = heard(*parts)
    assert not any(one.is_machine for one in found)
    assert doubts[0][1] < 8.0 + after_s + 0.2


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_word_that_is_said_as_the_time_for_beeps_ends_is_whole(seed):
    parts = (silence(0.4), speech(7.6), silence(1.8), speech(0.35, seed), silence(7.0))
    assert not any(one.is_machine for one in heard(*parts)[0])


def test_who_is_not_believed_hears_on():
    """Our side was heard, so a person may have listened; who talks on after that is a machine all the same."""
    scrap = jittering(900.0, 0.12) * 10 ** (-14 / 20)
    found, _ = heard(silence(2.0), scrap, silence(6.0), speech(16.0, 2), undecided_s=1.9)
    assert [one.why for one in found if one.is_machine][:2] == [Why.BEEP_BY_QUIET, Why.TALKS_ON]


def test_the_next_detector_knows_that_somebody_has_spoken():
    """What sounds while a person listens to the agent is no beep of a machine that says nothing."""
    detector, found = go_on(Before(0.0, 0.5, 0.5), silence(6.0), jittering(900.0, 0.12), silence(7.0))
    assert not any(one.is_machine for one in found)
    assert detector.doubt is None
    assert any(one.is_machine for one in go_on(Before(), silence(6.0), jittering(900.0, 0.12), silence(7.0))[1])


def test_a_greeting_that_goes_on_is_in_doubt_at_each_of_its_ends():
    """Once each; what is quieter than it begins nothing."""
    found, doubts = heard(silence(0.4), speech(7.6), silence(1.0), speech(0.8, 2), silence(7.0))
    assert [doubt.why for doubt, _ in doubts] == [Why.MAY_RECORD] * 2
    assert found[-1].at_s == pytest.approx(9.8 + 5.5, abs=0.1)
    behind = speech(0.8, 5) * 10 ** (-14 / 20)
    found, doubts = heard(silence(0.4), speech(7.6), silence(1.0), behind, silence(7.0))
    assert len(doubts) == 1
    assert not any(one.is_machine for one in found)


def test_a_greeting_goes_on_in_the_next_detector():
    """What the first has heard of it counts, not what was said before a wait."""
    first, rest = Detector(), (speech(5.6, 2), silence(7.0))
    first.take(line(silence(0.4), speech(1.6)))
    assert first.handed_on.spoken_s == pytest.approx(1.6, abs=0.1)
    assert [one.why for one in go_on(first.handed_on, *rest)[1] if one.is_machine] == [Why.SAYS_NO_MORE]
    assert not any(one.is_machine for one in go_on(Before(), *rest)[1])
    assert not any(one.is_machine for one in go_on(first.handed_on, silence(2.0), *rest)[1])
    first.take(line(silence(1.0)))
    assert first.handed_on.spoken_s == pytest.approx(1.6, abs=0.1)
    assert first.handed_on.quiet_s == pytest.approx(1.0, abs=0.1)
    assert not any(one.is_machine for one in go_on(first.handed_on, silence(0.9), *rest)[1]), "the quiet is one"
    first.take(line(silence(1.0)))
    assert first.handed_on.quiet_s == pytest.approx(2.0, abs=0.1)
    assert not any(one.is_machine for one in go_on(first.handed_on, *rest)[1]), "it has waited"


def test_who_talks_on_in_the_next_detector_has_talked_before():
    rest = (speech(8.2, 2), silence(1.0))
    assert [one.why for one in go_on(Before(spoken_s=1.6), *rest)[1]] == [Why.TALKS_ON]
    assert not any(one.is_machine for one in go_on(Before(), *rest)[1])


def jittering(hz: float, seconds: float, by_hz: float = 8.0) -> Sound:
    """A tone as GSM 06.10 leaves one: pure, and never twice at the same place."""
    at = np.arange(round(seconds * 8000)) / 8000
    return faded(np.sin(2 * np.pi * hz * at + by_hz / 12 * np.sin(2 * np.pi * 12 * at)), 0.004, 0.004) * AT


def test_what_a_codec_leaves_of_a_beep_is_in_doubt():
    """Too restless for a beep: muted, and a beep after long quiet."""
    scrap = jittering(1138.0, 0.12) * 10 ** (-14 / 20)
    found, ((doubt, _),) = heard(speech(1.5), silence(0.8), scrap, silence(7.0))
    assert doubt.why is Why.MAY_BE_NOTE
    (beep,) = [one for one in found if one.is_machine]
    assert (beep.why, beep.at_s) == (Why.BEEP_BY_QUIET, pytest.approx(2.42 + 5.5, abs=0.1))
    assert not any(one.is_machine for one in heard(speech(1.5), silence(0.8), scrap, silence(3), speech(1, 3))[0])


def test_a_tone_where_nobody_spoke_may_be_a_beep():
    """Some machines say nothing; a ring is waited for."""
    found, ((doubt, _),) = heard(silence(3.0), jittering(900.0, 0.12), silence(7.0))
    assert doubt.why is Why.MAY_BE_NOTE
    assert found[-1].why is Why.BEEP_BY_QUIET
    assert found[-1].at_s == pytest.approx(3.12 + 5.5, abs=0.1)

    found, _ = heard(silence(3.0), torn(), silence(7.0))
    assert found[-1].at_s == pytest.approx(3.2 + 5.5, abs=0.1), "no ring pauses longer"


@pytest.mark.parametrize(
    ("lasted_s", "purity", "in_words", "is_one"),
    [
        (0.06, 0.99, True, True),
        (0.06, 0.96, True, False),
        (0.06, 0.96, False, False),
        (0.10, 0.96, True, True),
        (0.10, 0.90, True, False),
        (0.10, 0.85, False, True),
    ],
)
def test_the_shorter_the_purer(lasted_s, purity, in_words, is_one):
    """And purest of all where a voice has been."""
    scrap = Tone(2.0, 2.0 + lasted_s, (700.0,), spread_hz=5.0, level_db=-40.0, purity=purity, before_db=-60.0)
    assert is_remnant(scrap, in_words=in_words) is is_one
    assert not is_remnant(dataclasses.replace(scrap, before_db=-48.0), in_words=in_words), "out of quiet"


def test_the_steadier_too():
    scrap = Tone(2.0, 2.1, (700.0,), spread_hz=20.0, level_db=-40.0, purity=0.97, before_db=-60.0)
    assert not is_remnant(scrap, in_words=True)
    assert is_remnant(scrap, in_words=False)
    assert not is_remnant(dataclasses.replace(scrap, spread_hz=30.0), in_words=False)


@pytest.mark.parametrize(("after_s", "doubted"), [(0.5, 1), (0.14, 0)])
def test_what_is_part_of_a_word_or_of_none(after_s, doubted):
    """A tone as impure as a vowel right after a syllable, and where none is near."""
    impure = jittering(700.0, 0.12) + noise(np.random.default_rng(4), 0.12, "white")[:960] * 10 ** (-34 / 20)
    assert len(heard(speech(1.5), silence(after_s), impure, silence(7.0))[1]) == doubted


@pytest.mark.parametrize("ends_s", [1.72, 1.78, 1.84])
def test_nobody_is_a_person_while_it_is_not_yet_in_doubt(ends_s):
    """A tone is in doubt when some quiet has followed it, and the verdict would come in between."""
    scrap = jittering(1138.0, 0.12) * 10 ** (-14 / 20)
    parts = (silence(0.3), speech(1.0), silence(ends_s - 1.42), scrap, silence(7.0))
    found, _ = heard(*parts, undecided_s=1.9)
    assert (found[0].kind, found[0].why) == (Kind.NOT_SURE, Why.MAY_BE_NOTE)
    first = Detector()
    data = line(*parts)[: round(1.9 * 16000) // 320 * 320]
    assert first.take(data) is None
    assert first.handed_on.doubt_s == pytest.approx(5.5 - (1.9 - ends_s), abs=0.1)


@pytest.mark.parametrize("codec", ["alaw", "gsm"])
def test_a_first_word_is_no_remnant(codec):
    """Whatever it sounds like."""
    for seed in range(40):
        found, doubts = heard(silence(0.4), speech(0.25 + seed / 40, seed), silence(7.0), codec=codec)
        assert (seed, doubts, [one.kind for one in found]) == (seed, [], [Kind.PERSON])


def test_of_a_short_beep_less_is_left():
    """Three frames, so pure that no voice is there."""
    short = faded(np.sin(2 * np.pi * 565 * np.arange(480) / 8000), 0.003, 0.003) * AT * 10 ** (-14 / 20)
    found, ((doubt, _),) = heard(speech(1.5), silence(0.8), short, silence(7.0), noise_db=None)
    assert doubt.why is Why.MAY_BE_NOTE
    assert found[-1].why is Why.BEEP_BY_QUIET
