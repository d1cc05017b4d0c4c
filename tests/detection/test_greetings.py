"""Who waits after a word is a person; who talks on is a machine; who is silent or unclear is a person."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.detection.detector import Detector, warm_up
from asterisk_plugin.detection.findings import Finding, Kind, Settings, Why
from tests.detection.sounds import cadence, noise, silence
from tests.detection.voice import line, speech

PATIENT = Settings(undecided_s=0.0)
"""Waits for the end of a greeting."""


def found(data: bytes, own: Settings | None = None) -> list[tuple[Kind, Why]]:
    detector = Detector(own)
    heard = [detector.take(data[at : at + 320]) for at in range(0, len(data), 320)]
    return [(one.kind, one.why) for one in heard if one is not None]


def test_a_word_and_a_wait():
    """Half a second of silence after a word (which fades out), and it is told once."""
    detector = Detector()
    data = line(silence(0.4), speech(0.7), silence(3.0))
    heard = [one for at in range(0, len(data), 320) if (one := detector.take(data[at : at + 320])) is not None]
    assert heard == [detector.greeting_verdict]
    assert (heard[0].kind, heard[0].why) == (Kind.PERSON, Why.SHORT_GREETING)
    assert 1.1 + 0.4 <= heard[0].at_s < 1.1 + 0.6


def test_silence_is_a_person():
    """app_amd would say machine."""
    assert found(line(silence(4.0))) == [(Kind.PERSON, Why.SILENCE)]


def test_nothing_at_all_is_a_person():
    """Digital silence, as of a line on which no sound comes."""
    assert found(bytes(64_000)) == [(Kind.PERSON, Why.SILENCE)]


def test_noise_is_silence():
    """A noisy line on which nobody speaks."""
    rng = np.random.default_rng(1)
    assert found(line(noise(rng, 12, "white") * 0.003, noise_db=None)) == [(Kind.PERSON, Why.SILENCE)]


def test_a_long_greeting_of_a_person():
    """A receptionist speaks for five seconds, then waits."""
    data = line(silence(0.5), speech(5.0), silence(3.0), speech(2.0, 7), silence(2.0))
    assert found(data, PATIENT) == [(Kind.PERSON, Why.GREETING_AND_WAIT)]
    assert found(data) == [(Kind.NOT_SURE, Why.STILL_SPEAKING)]


def test_a_machine_talks_on():
    """It breathes between its sentences, and never waits."""
    sentences = [part for seed in range(4) for part in (speech(2.6, seed), silence(0.5))]
    data = line(silence(0.5), *sentences)
    assert found(data, PATIENT) == [(Kind.MACHINE, Why.LONG_GREETING)]
    assert found(data) == [(Kind.NOT_SURE, Why.STILL_SPEAKING), (Kind.MACHINE, Why.TALKS_ON)]


def test_a_machine_that_paused_after_its_first_words():
    """It was taken for a person, and an agent got it; it talks over the agent."""
    sentences = [part for seed in range(4) for part in (speech(2.8, seed), silence(0.5))]
    data = line(silence(0.3), speech(0.7), silence(0.9), *sentences)
    assert found(data) == [(Kind.PERSON, Why.SHORT_GREETING), (Kind.MACHINE, Why.TALKS_ON)]


def test_a_person_who_talks_long_once_an_agent_is_there():
    """After a wait it is a conversation, in which anybody may talk as long as they like."""
    data = line(silence(0.3), speech(0.7), silence(2.0), speech(14.0, 9), silence(1.0))
    assert found(data) == [(Kind.PERSON, Why.SHORT_GREETING)]


def test_hello_twice():
    """Nobody answered at once."""
    data = line(silence(0.3), speech(0.5), silence(1.0), speech(0.5, 2), silence(1.0), speech(1.2, 3), silence(2.0))
    assert found(data) == [(Kind.PERSON, Why.SHORT_GREETING)]


@pytest.mark.parametrize("below_db", [12, 20])
def test_a_television_behind_a_person(below_db):
    """It goes on when the person waits; it was there before the person spoke, too."""
    person = np.concatenate([silence(0.8), speech(0.8), silence(6.0), speech(2.0, 3), silence(3.0)])
    television = speech(len(person) / 8000, seed=21) * 10 ** (-below_db / 20)
    assert not {Kind.MACHINE, Kind.BEEP} & {kind for kind, _ in found(line(person + television))}


def test_an_announcement_in_a_loop():
    """The same again, to the hundredth of a second."""
    said = np.concatenate([speech(4.5, 4), silence(1.7)])
    data = line(silence(0.35), said, said, silence(0.5))
    assert found(data)[-1] == (Kind.MACHINE, Why.REPEATS)
    other = line(silence(0.35), said, speech(4.5, 5), silence(0.5))
    assert (Kind.MACHINE, Why.REPEATS) not in found(other)
    uneven = [said, silence(0.007)] * 3
    assert (Kind.MACHINE, Why.REPEATS) in found(line(silence(0.35), *uneven, codec="ulaw", noise_db=-48))


def test_a_machine_that_lowers_its_voice():
    """Every second sentence is 6 dB softer, and still speech."""
    sentences = [part * 10 ** (-6 * (seed % 2) / 20) for seed in range(6) for part in (speech(2.4, seed), silence(0.5))]
    assert found(line(silence(0.5), *sentences), PATIENT) == [(Kind.MACHINE, Why.LONG_GREETING)]


@pytest.mark.parametrize("seed", range(4))
def test_who_says_the_same_again_is_no_loop(seed):
    """A person repeats a sentence three times, each time a little faster or slower, louder or softer."""
    rng = np.random.default_rng(seed)
    said = np.concatenate([speech(4.0, 4 + seed), silence(1.4)])
    count = np.arange(len(said))
    again = []
    for _ in range(3):
        pace = 1 + 0.04 * np.sin(2 * np.pi * count / 8000 / rng.uniform(1.5, 3.0) + rng.uniform(0, 6))
        louder_db = np.interp(count, count[::2000], rng.uniform(-2.5, 2.5, len(count[::2000])))
        again.append(np.interp(np.cumsum(pace), count, said) * 10 ** (louder_db / 20))
    assert (Kind.MACHINE, Why.REPEATS) not in found(line(silence(0.35), *again))


def test_a_word_again_is_no_loop():
    """Four times the very same hello, at the same distance: too little to be an announcement."""
    hello = np.concatenate([speech(0.5, 2), silence(2.0)])
    assert (Kind.MACHINE, Why.REPEATS) not in found(line(silence(0.35), hello, hello, hello, hello))


def test_ring_back_in_a_noisy_line_is_no_loop():
    """Between rings there is noise that is as loud as faint speech, each time for the same length."""
    ring = cadence((425.0,), (1.0, 4.0), 4) * 0.1
    kinds = found(line(silence(0.3), ring, noise_db=-44))
    assert (Kind.MACHINE, Why.REPEATS) not in kinds


@pytest.mark.parametrize("seed", range(3))
def test_noise_behind_a_person(seed):
    """A street 10 dB below a person who waits for an answer is silence."""
    person = np.concatenate([silence(0.5), speech(0.8, seed), silence(9.0)])
    street = noise(np.random.default_rng(seed), len(person) / 8000, "pink")[: len(person)] * 10 ** (-36 / 20)
    assert found(line(person + street)) == [(Kind.PERSON, Why.SHORT_GREETING)]


def test_warm_up():
    """It leaves nothing behind, and the next detector starts anew."""
    warm_up()
    assert Detector().greeting_verdict is None


def test_ring_back_inside_the_call():
    """A telephone system rings on: not known yet who will come; then a person does."""
    ring = cadence((425.0,), (1.0, 4.0), 2) * 0.1
    assert found(line(silence(0.3), ring, speech(0.7), silence(2.0))) == [(Kind.NOT_SURE, Why.RING_BACK)]


def test_what_app_amd_said():
    """HUMAN ends the wait; MACHINE is not believed, and nothing counts after a verdict."""
    detector = Detector()
    detector.take(bytes(16_000))
    assert detector.amd_said("MACHINE") is None
    assert detector.amd_said("HUMAN") == Finding(Kind.PERSON, 1.0, Why.AMD) == detector.greeting_verdict
    assert detector.amd_said("HUMAN") is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=12))
def test_any_bytes_are_taken(chunks):
    """Nothing raises, and moments do not run backwards."""
    detector = Detector()
    moments = [one.at_s for chunk in chunks if (one := detector.take(chunk)) is not None]
    assert moments == sorted(moments)
    assert all(0 < moment <= sum(map(len, chunks)) / 16_000 for moment in moments)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2000), min_size=1, max_size=40))
def test_how_it_is_cut_does_not_matter(sizes):
    """Packets of any size, even odd ones, give what one long one gives."""
    data, own = line(silence(0.3), speech(0.6), silence(1.2)), Detector()
    at = 0
    for size in sizes:
        own.take(data[at : at + size])
        at += size
    own.take(data[at:])
    whole = Detector()
    whole.take(data)
    assert own.greeting_verdict == whole.greeting_verdict is not None
