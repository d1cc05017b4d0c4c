"""Quiet after a long greeting, or after what may be the rest of a beep: a machine that records, or a person."""

from __future__ import annotations

import numpy as np
import pytest

from asterisk_plugin.detection.detector import Detector
from asterisk_plugin.detection.findings import Before, Kind, Why
from tests.detection.doubting import AT, go_on, heard
from tests.detection.sounds import Sound, faded, silence
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
    """A scrap of a tone in the quiet is no word, however little is known of it."""
    at = np.arange(800) / 8000
    scrap = np.sin(2 * np.pi * 700 * at + 3 * np.sin(2 * np.pi * 30 * at)) * AT * 10 ** (-15 / 20)
    found, doubts = heard(silence(0.4), speech(7.6), silence(0.8), scrap, silence(7.0))
    assert found[-1].why in (Why.SAYS_NO_MORE, Why.BEEP_BY_QUIET)
    assert doubts[0][1] > 8.9, "before the scrap it is in doubt, and after it"


@pytest.mark.parametrize(
    "parts",
    [
        (speech(6.3), silence(7.0)),
        (speech(2.0), silence(2.5), speech(7.6, 2), silence(7.0)),
    ],
)
def test_not_after_a_person_s_greeting_or_in_a_talk(parts):
    found, doubts = heard(silence(0.4), *parts)
    assert doubts == []
    assert not any(one.is_machine for one in found)


def test_who_says_hello_after_a_long_greeting_is_a_person():
    """And is not in doubt again until so much more is said."""
    found, ((_, until_s),) = heard(silence(0.4), speech(7.6), silence(3.0), speech(0.5, 3), silence(8.0))
    assert 11.2 < until_s < 11.5
    assert not any(one.is_machine for one in found)


def test_a_greeting_goes_on_in_the_next_detector():
    """What the first has heard of it counts, not what was said before a wait."""
    first, rest = Detector(), (speech(5.6, 2), silence(7.0))
    first.take(line(silence(0.4), speech(1.6)))
    assert first.handed_on.spoken_s == pytest.approx(1.6, abs=0.1)
    assert [one.why for one in go_on(first.handed_on, *rest)[1] if one.is_machine] == [Why.SAYS_NO_MORE]
    assert not any(one.is_machine for one in go_on(Before(), *rest)[1])
    assert not any(one.is_machine for one in go_on(first.handed_on, silence(2.0), *rest)[1])
    first.take(line(silence(2.0)))
    assert first.handed_on == Before()


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
