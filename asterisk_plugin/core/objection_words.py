"""What is said on the objection line: the slots of a question filled for one person."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import phonenumbers

from asterisk_plugin.core.objection_offer import ABANDONED, CALLED_US
from asterisk_plugin.core.objection_state import State
from asterisk_plugin.core.objection_tree import Slot
from asterisk_plugin.core.prompts import centre_prompt, digit_prompts
from asterisk_plugin.core.site import EVERYONE

LAST_DIGITS = 3
"""Digits of the number that are read back: enough to know one's own, too few for whoever overhears."""


def words_of(state: State, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Prompts of a question, in order.

    Args:
        state: Of whom it is asked.
        lines: Prompts and slots, as in `objection_tree.QUESTIONS`.
    """
    prompts: list[str] = []
    for line in lines:
        prompts += _SLOTS[line](state) if isinstance(line, Slot) else (line,)
    return tuple(prompts)


def _greeting(state: State) -> tuple[str, ...]:
    return ("abandoned-no-agent",) if state.offer.path == ABANDONED else ("line-greeting",)


def _who(state: State) -> tuple[str, ...]:
    offer = state.offer
    first = "this-number-is-used-by" if offer.path in CALLED_US else "you-were-called-by"
    is_one = offer.centre_name == centre_prompt(offer.principal_id)
    who = (first, *(() if is_one else (offer.centre_name, "on-behalf-of")), offer.company_name)
    if offer.path != ABANDONED:
        return who
    # The message of an abandoned call tells a number to call: US 16 CFR 310.4(b)(4), UK Ofcom.
    call = digit_prompts(_as_dialled(offer.call_back, offer.home_country))
    return *who, *(("reach-us-at", *call) if call else ())


def _person(state: State) -> tuple[str, ...]:
    return ("press-0-person",) if state.offer.person_available else ()


def _entered(state: State) -> tuple[str, ...]:
    return digit_prompts(state.digits)


def _recorded(state: State) -> tuple[str, ...]:
    return ("recorded-everyone" if _holds_for_everyone(state) else "recorded-company",)


def _last_three(state: State) -> tuple[str, ...]:
    return digit_prompts(state.told.subject.number.e164[-LAST_DIGITS:]) if state.told else ()


def _reference(state: State) -> tuple[str, ...]:
    return digit_prompts(state.told.reference) if state.told else ()


def _widen(state: State) -> tuple[str, ...]:
    return () if _holds_for_everyone(state) else ("press-2-everyone",)


def _apology(state: State) -> tuple[str, ...]:
    if not state.wish:
        return ()
    call = digit_prompts(_as_dialled(state.offer.call_back, state.offer.home_country))
    return "last-not-recorded" if state.recorded else "not-recorded", *(("please-call", *call) if call else ())


def _holds_for_everyone(state: State) -> bool:
    return state.told is not None and state.told.scope == EVERYONE


def _as_dialled(number: str, home_country: str) -> str:
    """Digits to dial for a number in a country; whatever is no E.164 is left as it is."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return re.sub(r"[^0-9]", "", phonenumbers.format_out_of_country_calling_number(parsed, home_country))


_SLOTS: Mapping[Slot, Callable[[State], tuple[str, ...]]] = MappingProxyType(
    {
        Slot.GREETING: _greeting,
        Slot.WHO: _who,
        Slot.PERSON: _person,
        Slot.ENTERED: _entered,
        Slot.RECORDED: _recorded,
        Slot.LAST_THREE: _last_three,
        Slot.REFERENCE: _reference,
        Slot.WIDEN: _widen,
        Slot.APOLOGY: _apology,
    }
)
