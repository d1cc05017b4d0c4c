"""How many log lines of one kind are written: whatever comes in floods must not fill the disk."""

from __future__ import annotations

LINES_PER_MINUTE = 10


class LogLimit:
    """Lets `LINES_PER_MINUTE` lines of one kind through, and counts the others."""

    def __init__(self) -> None:
        self._minute = -1
        self._count = 0

    def take(self, now_s: float) -> tuple[bool, int]:
        """One more line is to be written.

        Args:
            now_s: Seconds of a clock that never goes back.

        Returns:
            Whether it may be, and how many were left out in the minute of the line before, once that is over.
        """
        minute, left_out = int(now_s // 60), 0
        if minute != self._minute:
            left_out = max(0, self._count - LINES_PER_MINUTE)
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= LINES_PER_MINUTE, left_out
