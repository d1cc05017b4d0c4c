"""The tag under which everything about a number is kept.

A plain hash of a telephone number is no protection: the whole number space can be
enumerated in minutes. A keyed hash is, as long as the key stays with us.
"""

from __future__ import annotations

import functools
import hmac


def person_tag(secret: bytes, e164: str) -> str:
    """Keyed hash of a number, as used in every key and ledger row.

    Args:
        secret: The site's secret, at least 16 bytes; the same on every node.
        e164: `+31201234567`.

    Returns:
        32 lower-case hex characters (128 bits of HMAC-SHA256).
    """
    mac = _keyed(secret).copy()
    mac.update(e164.encode())
    return mac.hexdigest()[:32]


@functools.lru_cache(maxsize=8)
def _keyed(secret: bytes) -> hmac.HMAC:
    """The hash with the key in it; `hmac.digest` would let other threads run for each number, and wait for them."""
    return hmac.new(secret, digestmod="sha256")
