"""Louder speech for what is heard over music: its level goes up, its peaks do not.

Asterisk mixes such a prompt with the music and, while it plays, turns the sum of both down to a third: the music
steps back, and speech made so much louder stays where the other prompts are. A telephone line has no room above
full scale, so loud syllables are first held down a little, and the peaks that remain are turned down ahead of
time. The gain changes slowly; no sample is bent by itself, which would sound hoarse.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

from asterisk_plugin.audio.companding import FULL_SCALE
from asterisk_plugin.audio.levels import SILENCE_DBOV, active_level_dbov
from asterisk_plugin.audio.shaping import CEILING_DBOV, LINE_RATE, TARGET_DBOV
from asterisk_plugin.core.prompts import is_over_music

if TYPE_CHECKING:
    from collections.abc import Sequence

OVER_MUSIC_DBOV = -15.0
"""Level of speech over music; turned down by 9.5 dB it is within 2 dB of the other prompts."""

LOUDNESS = 1
"""Counts the changes of this file that make louder sounds made before out of date."""

_RATIO = 3.0
"""Above the threshold, three decibels more become one."""

_THRESHOLD_DBOV = TARGET_DBOV
"""Only what is louder than speech is on average is held down: vowels, not the soft ends of words."""

_FOLLOW_S = 0.012
"""How fast the compressor follows: slower than the voice's own period, faster than a syllable."""

_AHEAD_S = 0.004
"""The gain begins to fall so long before a peak, and reaches it in a smooth curve."""

_RELEASE_S = 0.06
"""And rises again this slowly: through a vowel it stands nearly still, so that its tone stays as it is."""

_TRIES = 12
_EXACT_DB = 0.03
_FLATTEST = 0.1


def target_dbov(name: str) -> float:
    """Level that the speech of a prompt is made with, in dBov."""
    return OVER_MUSIC_DBOV if is_over_music(name) else TARGET_DBOV


def loudness_of(name: str) -> str:
    """What is added to the label of a sound's voice: made otherwise today, it is made anew."""
    return f", over music {LOUDNESS}" if is_over_music(name) else ""


def over_music(samples: Sequence[float]) -> list[int]:
    """Bring speech to the level at which it is heard over music.

    Args:
        samples: Fit for the line (`shaping.for_the_line`), 16 bits, 8000 a second.

    Returns:
        As many samples; none beyond `shaping.CEILING_DBOV`.
    """
    speech = _compress(samples)
    made, level = speech, active_level_dbov(speech)
    if level <= SILENCE_DBOV:
        return [round(sample) for sample in made]
    gain_db = step_db = OVER_MUSIC_DBOV - level
    for _ in range(_TRIES):
        made = _limit([sample * 10 ** (gain_db / 20) for sample in speech])
        before, level = level, active_level_dbov(made)
        if abs(OVER_MUSIC_DBOV - level) < _EXACT_DB:
            break
        # The more is limited, the less a decibel of gain brings.
        slope = min(1.0, max(_FLATTEST, (level - before) / step_db)) if step_db else 1.0
        step_db = (OVER_MUSIC_DBOV - level) / slope
        gain_db += step_db
    return [round(sample) for sample in made]


def _compress(samples: Sequence[float]) -> list[float]:
    """Hold loud syllables down; what is soft stays as it is."""
    keep = math.exp(-1 / (_FOLLOW_S * LINE_RATE))
    power = [(sample / FULL_SCALE) ** 2 for sample in samples]
    # Forwards and backwards, so that the gain falls when a syllable begins and not after it.
    followed = _followed(_followed(power, keep)[::-1], keep)[::-1]
    threshold = 10 ** (_THRESHOLD_DBOV / 10)
    slope = (1 / _RATIO - 1) / 2
    return [
        sample * (held / threshold) ** slope if held > threshold else sample
        for sample, held in zip(samples, followed, strict=True)
    ]


def _limit(samples: Sequence[float]) -> list[float]:
    """Turn the sound down around peaks above the ceiling, from a little before to a little after."""
    ceiling = 10 ** (CEILING_DBOV / 20) * FULL_SCALE
    wanted = [min(1.0, ceiling / abs(sample)) if sample else 1.0 for sample in samples]
    half = round(_AHEAD_S * LINE_RATE)
    # Mean of what is lowest near each sample: every value in that mean has seen the peak, so none is too high.
    lowest = _released(_lowest(wanted, half))
    gains = _mean(lowest, half)
    return [sample * gain for sample, gain in zip(samples, gains, strict=True)]


def _followed(values: Sequence[float], keep: float) -> list[float]:
    """Each value drawn towards those before it."""
    return list(accumulate(values, lambda held, value: held * keep + value * (1 - keep), initial=0.0))[1:]


def _released(gains: Sequence[float]) -> list[float]:
    """Falls are kept, rises become slow, so no value is higher than it was."""
    step = 1 - math.exp(-1 / (_RELEASE_S * LINE_RATE))
    return list(accumulate(gains, lambda held, gain: min(gain, held + (1.0 - held) * step)))


def _lowest(values: Sequence[float], half: int) -> list[float]:
    """The lowest of the values up to `half` places away, for each place."""
    made = [1.0] * half + list(values) + [1.0] * half
    seen, whole = 1, 2 * half + 1
    while seen < whole:
        step = min(seen, whole - seen)
        made = list(map(min, made, made[step:]))
        seen += step
    return made


def _mean(values: Sequence[float], half: int) -> list[float]:
    """The mean of the values up to `half` places away, for each place; beyond the ends the outermost go on."""
    if not values:
        return []
    padded = [values[0]] * half + list(values) + [values[-1]] * half
    sums = list(accumulate(padded, initial=0.0))
    size = 2 * half + 1
    return [(sums[place + size] - sums[place]) / size for place in range(len(values))]
