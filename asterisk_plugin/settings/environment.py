"""What comes from the environment: where the configuration is, and secrets.

Rule 1: `os.environ` is read here and nowhere else.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = "RINGFENCE_CONFIG"
"""Configuration directory or ringfence.toml, when none is given on the command line."""
DATA_DIR = "RINGFENCE_DATA_DIR"
STORE_URL = "RINGFENCE_STORE_URL"
LEDGER_URL = "RINGFENCE_LEDGER_URL"
AMI_SECRET_PREFIX = "RINGFENCE_AMI_SECRET_"  # noqa: S105 - the name of a variable, not a secret


def read_environment() -> Mapping[str, str]:
    """Every variable of this process."""
    return os.environ


def ami_secret_name(asterisk: str) -> str:
    """Name the variable that may hold the secret of one AMI connection.

    Args:
        asterisk: Its `name`: `pbx-1` is looked up as `RINGFENCE_AMI_SECRET_PBX_1`.
    """
    return AMI_SECRET_PREFIX + re.sub(r"[^A-Z0-9]", "_", asterisk.upper())
