"""Let a process believe that it is another time, so that calling hours do not depend on when tests run.

libfaketime adds a constant to the wall clock; the monotonic clock, on which every time-out and
event loop runs, stays true.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

from tests.lab.provision import find_faketime

BERLIN = ZoneInfo("Europe/Berlin")
_SITE = Path(__file__).parent / "python_at"


def next_working_tuesday(hour: int = 11, minute: int = 0) -> dt.datetime:
    """The next Tuesday in Berlin that is no public holiday in any part of Germany or the Netherlands."""
    day = dt.datetime.now(BERLIN).date()
    while True:
        day += dt.timedelta(days=1)
        if day.isoweekday() == 2 and not _is_holiday(day):
            return dt.datetime.combine(day, dt.time(hour, minute), BERLIN)


def at(moment: dt.datetime) -> dict[str, str]:
    """Environment of a process for which it is `moment` now.

    Args:
        moment: Aware.
    """
    offset_s = moment.timestamp() - time.time()
    return {
        "LD_PRELOAD": str(find_faketime()),
        "FAKETIME": f"{offset_s:+.3f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Before what is there already: the service under test is then the one that the tests belong to.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_SITE), os.environ.get("PYTHONPATH", "")))),
    }


def _is_holiday(day: dt.date) -> bool:
    states = holidays.country_holidays("DE").subdivisions
    calendars = [
        holidays.country_holidays("NL"),
        *(holidays.country_holidays("DE", subdiv=s) for s in states),
    ]
    return any(day in calendar for calendar in calendars)
