"""What a single tone may be, by its frequencies, length, steadiness and purity.

A beep is steady and pure. Vowels move; ring-back and busy tones have frequencies and lengths of their own (ITU-T E.180
supplement 2), keys are pairs of known tones (ITU-T Q.23), special information tones are three (ITU-T E.180: 950, 1400,
1800 Hz). The limits lie between the beeps and everything else of the corpus in tests/detection.
"""

from __future__ import annotations

from asterisk_plugin.detection.tones import Tone

BEEP_HZ = (392.0, 2150.0)
"""Vowels begin below."""

GRADES = (
    *((0.075, 8.0, 0.98), (0.085, 6.0, 0.95), (0.095, 1.0, 0.90)),
    *((0.14, 1.5, 0.85), (0.14, 9.0, 0.955), (0.14, 12.5, 0.98)),
)
"""From this length on (of 100 ms 80 to 100 are seen): how far a beep moves at most, and how pure it is at least.

Behind G.711 a beep stays within 1 Hz; GSM 06.10 makes it jitter by up to 12 Hz, but leaves it pure. Vowels jitter, and
are less pure the longer they last."""

SHORTEST_S = min(lasted_s for lasted_s, _, _ in GRADES)
"""No beep is seen for a shorter time; what is left of one may be."""

VOWEL_HZ, VOWEL_S, VOWEL_PURITY = 600.0, 0.18, 0.965
"""A vowel can hold one component below this, or any two, for some frames; what is shorter must be so pure."""

HIGH_HZ, HIGH_PURITY, HIGH_SPREAD, HIGH_S = 1200.0, 0.09, 1.5, 0.25
"""Above it no vowel is so steady: less pure by that much is enough, and it may move that many
times as far; but one that is so long could be a note that is blown."""

TORN_S, TORN_PURITY, TORN_HZ = 0.14, 0.9, 2250.0
"""What GSM 06.10 leaves of a beep above that in noise: pieces that move, and are still mostly one component. A beep
that fades at once can look like two, the upper one too high."""

PEEP_PURITY = 0.98
"""Of a beep of 100 ms GSM 06.10 may leave three frames, as pure as no voice is there."""

PAIR_S, PAIR_PURITY, PURE_PAIR, PURE_SPREAD_HZ = 0.095, 0.97, 0.985, 4.0
LONG_PAIR_S, LONG_PAIR_PURITY = 0.25, 0.94
"""And of two tones, one of them above that: they move against each other, and are nearly all there is. Lower ones could
be two overtones of a voice, but for the purest and steadiest."""

NOISY_HZ, NOISY_S, NOISY_SPREAD_HZ, NOISY_PURITY = 700.0, 0.14, 4.0, 0.88
"""And of one in noise: above the pitch and the strongest overtones of most voices, and no voice is so steady."""

REMNANT_DB, REMNANT_SPREAD_HZ, REMNANT_PURITY = 10.0, 15.0, 0.95
"""And whatever it leaves of any: louder by that much than what was before, moving no further, and purer than most
vowels."""

SCRAP_SPREAD_HZ = 25.0
"""Where no word is near it may move as far as this, and be as impure as a tone can."""

TWO_PURITY = 0.95
"""Two neighbouring overtones of a vowel are less pure than two tones."""

VOICE_HZ, VOICE_BELOW_HZ, VOICE_STEADY_HZ, VOICE_S = (70.0, 480.0), 900.0, 1.5, 0.3
"""Two neighbouring overtones of such a pitch, the lower below that, may be a vowel; unless so steady, or so long."""

KEYS_HZ = tuple((low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477))
KEYS_WITHIN, KEYS_S = 0.011, 0.6
"""Telephones send them within 1 %, and who holds a key longer is rare. No telephone has the fourth column of Q.23."""

INFORMATION_HZ = ((890.0, 1010.0), (1340.0, 1460.0), (1740.0, 1860.0))
"""With room for the networks that send 913.8, 1370.6 and 1776.7 Hz."""

LEGATO_S, LEGATO_PURITY = 0.06, 0.85
"""A tone that passes into the next is a note even where it is less pure."""

PROGRESS_HZ = (392.0, 458.0)
"""Ring-back and busy tones: 425 in most of Europe, 440 in France, 400 (busy), 400 + 450 in Britain, 450 elsewhere."""

WANDERING_HZ, WANDERS_HZ = (392.0, 488.0), 5.0
"""400 + 450 and 440 + 480 Hz (America) are too close to be told apart: mostly one tone that wanders."""

HUM_HZ = 380.0
"""The hum of the mains reaches up to here."""

RINGS = (
    *(((415.0, 435.0), (0.9, 1.12), 5.0), ((415.0, 435.0), (1.4, 1.6), 3.5), ((433.0, 447.0), (1.4, 1.6), 3.5)),
    ((392.0, 488.0), (1.85, 2.15), 4.0),
)
"""Where a ring is, how long it lasts, and how long it pauses: 425 Hz for 1 s in Germany, Italy, the Netherlands (4 s of
pause) and Sweden (5 s), and for 1.5 s in Spain (3 s); 440 Hz for 1.5 s in France; 440 + 480 Hz for 2 s in America
(Asterisk's indications.conf says the same)."""

BUSY_S = (0.16, 0.6)
"""A busy tone is so long."""


def is_beep_like(tone: Tone) -> bool:
    """It is as steady and pure as a beep, at a beep's frequencies, and neither a key nor a vowel."""
    in_band = all(within(hz, BEEP_HZ) for hz in tone.hz)
    return in_band and is_steady(tone) and not is_key(tone) and not _is_vowel(tone, _purity(tone))


def is_torn(tone: Tone) -> bool:
    """It is where hardly any vowel is, at least with one of two components, and can be a beep that a codec has torn."""
    if tone.hz[0] < BEEP_HZ[0] or tone.hz[-1] > TORN_HZ:
        return False
    if tone.hz[0] > HIGH_HZ and tone.lasted_s >= TORN_S and tone.purity >= TORN_PURITY:
        return True
    return _is_torn_pair(tone) if len(tone.hz) == 2 else _is_torn_single(tone)


def is_remnant(tone: Tone, *, in_words: bool) -> bool:
    """It comes out of quiet, and can be what a codec has left of a beep; where nobody speaks, nearly anything can.

    Args:
        tone: A tone that stands where a beep would.
        in_words: Somebody has just spoken: then it must be steadier and purer than most vowels.
    """
    is_in_band = tone.hz[0] >= BEEP_HZ[0] and tone.hz[-1] <= TORN_HZ
    if not is_in_band or tone.level_db <= tone.before_db + REMNANT_DB:
        return False
    if tone.lasted_s < SHORTEST_S:
        return tone.purity >= PEEP_PURITY
    if not in_words:
        return tone.spread_hz <= SCRAP_SPREAD_HZ
    return _purity(tone) >= REMNANT_PURITY and tone.spread_hz <= REMNANT_SPREAD_HZ


def _is_torn_single(tone: Tone) -> bool:
    if tone.hz[0] > HIGH_HZ and tone.purity >= PEEP_PURITY:
        return True
    is_steady_enough = tone.hz[0] > NOISY_HZ and tone.spread_hz <= NOISY_SPREAD_HZ
    return is_steady_enough and tone.lasted_s >= NOISY_S and tone.purity >= NOISY_PURITY


def _is_torn_pair(tone: Tone) -> bool:
    lasted_s, purity, is_high = tone.lasted_s, tone.purity, tone.hz[-1] > HIGH_HZ
    if lasted_s < PAIR_S:
        return False
    if is_high and (purity >= PAIR_PURITY or (lasted_s >= LONG_PAIR_S and purity >= LONG_PAIR_PURITY)):
        return True
    return purity >= PURE_PAIR and tone.spread_hz <= PURE_SPREAD_HZ


def is_steady(tone: Tone) -> bool:
    """It is as steady and pure as a beep of its length."""
    is_high, is_two = tone.hz[-1] > HIGH_HZ, len(tone.hz) == 2
    spread_hz = tone.spread_hz / (HIGH_SPREAD if is_high and (is_two or tone.lasted_s < HIGH_S) else 1.0)
    purity = _purity(tone)
    return any(tone.lasted_s >= lasted_s and spread_hz <= most and purity >= least for lasted_s, most, least in GRADES)


def _purity(tone: Tone) -> float:
    return tone.purity + (HIGH_PURITY if tone.hz[0] > HIGH_HZ else 0.0)


def _is_vowel(tone: Tone, purity: float) -> bool:
    """One overtone of a voice, or two."""
    is_short, is_low = tone.lasted_s < VOWEL_S, tone.hz[0] < VOICE_BELOW_HZ
    if len(tone.hz) == 1:
        return is_short and tone.hz[0] < VOWEL_HZ and tone.purity < VOWEL_PURITY
    if (tone.purity if is_short else purity) < (VOWEL_PURITY if is_short and is_low else TWO_PURITY):
        return True
    pitch = tone.hz[1] - tone.hz[0]
    if not within(pitch, VOICE_HZ) or not is_low:
        return False
    are_neighbours = abs(tone.hz[0] / pitch - round(tone.hz[0] / pitch)) < 0.1
    return are_neighbours and tone.spread_hz > VOICE_STEADY_HZ and tone.lasted_s < VOICE_S


def is_progress(tone: Tone) -> bool:
    """It may be a ring-back or busy tone."""
    hz = [one for one in tone.hz if one > HUM_HZ] or tone.hz
    wanders = tone.spread_hz > WANDERS_HZ or len(hz) > 1
    return all(within(one, WANDERING_HZ if wanders else PROGRESS_HZ) for one in hz)


def is_ring(tone: Tone) -> bool:
    """It is where a country's ring is, and lasts as long."""
    return ring_pause_s(tone) is not None


def ring_pause_s(tone: Tone) -> float | None:
    """How long the ring pauses that a tone may be; of several the longest. None when it is none."""
    hz = [one for one in tone.hz if one > HUM_HZ]
    return max(
        (
            pause_s
            for limits, lasts_s, pause_s in RINGS
            if within(tone.lasted_s, lasts_s) and all(within(one, limits) for one in hz)
        ),
        default=None,
    )


def is_double_ring(one: Tone, next_: Tone) -> bool:
    """The British ring."""
    return 0.3 <= one.lasted_s <= 0.45 and 0.12 <= next_.start_s - one.end_s <= 0.3


def is_busy(one: Tone, next_: Tone) -> bool:
    """A busy tone sounds as long as it pauses, 0.2 to 0.5 s."""
    return within(one.lasted_s, BUSY_S) and 0.75 <= (next_.start_s - one.end_s) / one.lasted_s <= 1.3


def is_note(one: Tone, next_: Tone) -> bool:
    """It could be one of a tune; what is shorter or less pure is a part of a word."""
    purity = LEGATO_PURITY if next_.start_s - one.end_s <= LEGATO_S else 0.92
    return one.lasted_s >= 0.085 and one.purity >= purity and one.spread_hz <= 16 and one.hz[0] > 300


def is_key(tone: Tone) -> bool:
    """A key of a telephone (ITU-T Q.23)."""
    return (
        len(tone.hz) == 2
        and tone.lasted_s < KEYS_S
        and any(
            all(abs(one - key) <= KEYS_WITHIN * key for one, key in zip(tone.hz, keys, strict=True)) for keys in KEYS_HZ
        )
    )


def is_same_key(one: Tone, other: Tone) -> bool:
    """Both tones of both are the same: pressed twice, or a double beep."""
    return len(one.hz) == len(other.hz) and all(abs(a - b) < 25 for a, b in zip(one.hz, other.hz, strict=True))


def same(one: Tone, other: Tone) -> bool:
    """They have a frequency in common: the second tone of a pair is sometimes lost."""
    return any(abs(a - b) < 25 for a in one.hz for b in other.hz)


def is_information(tones: list[Tone]) -> bool:
    """Three rising tones, one right after the other."""
    return len(tones) == 3 and all(
        len(tone.hz) == 1 and within(tone.hz[0], limits) and 0.15 <= tone.lasted_s <= 0.5
        for tone, limits in zip(tones, INFORMATION_HZ, strict=True)
    )


def within(value: float, limits: tuple[float, float]) -> bool:
    """Inside both limits, or on one."""
    return limits[0] <= value <= limits[1]
