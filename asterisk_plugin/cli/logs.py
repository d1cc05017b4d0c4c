"""Where log lines go: standard error, one line each; what collects them adds the rest."""

from __future__ import annotations

import logging


def set_up_logs(level: str) -> None:
    """Send every log line of ours to standard error.

    Args:
        level: `debug`, `info`, `warning` or `error`.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=level.upper(), force=True)
    # aiohttp and panoramisk tell at INFO what we tell ourselves.
    for name in ("aiohttp", "panoramisk", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
