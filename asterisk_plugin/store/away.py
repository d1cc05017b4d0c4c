"""A store that is known to be away: every question gets the same error at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from asterisk_plugin.errors import StoreError


class AwayStore:
    """`ports.Store` when it was found out beforehand that the real one must not be asked.

    Args:
        error: What every method raises.
    """

    def __init__(self, error: StoreError) -> None:
        self._error = error

    async def _fail(self, *_: object, **__: object) -> NoReturn:
        raise self._error

    look_up = release = pace = end_flight = redeem = mark_passed = passed_leg = has_passed = forget_passed = _fail
    keep_call = drop_call = kept_calls = note_due = due_ends = drop_due = show_watch = is_watched = claim = ping = _fail
