"""Loaded by every Python that runs at a time of the lab's choosing (see tests/lab/clock.py).

Debian 12's libfaketime 0.9.10 breaks the sleep of Python 3.11 and later (an absolute sleep on the
monotonic clock fails with EINVAL when that clock is left true; its issue 426). `select` sleeps too.
"""

import select
import time


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
