"""Personal data under the person's own key: destroying the key erases the person, the chain stays whole.

Sealed bytes are a nonce of 12 bytes, then AES-256-GCM ciphertext with its tag. The event's id is the
associated data, so a sealed part that was moved to another event does not open.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


def new_person_key() -> bytes:
    """A random key of 32 bytes."""
    return secrets.token_bytes(32)


def seal(key: bytes, text: bytes, *, event_id: str, nonce: bytes = b"") -> bytes:
    """Encrypt personal data.

    Args:
        key: The person's 32 bytes.
        text: Canonical JSON.
        event_id: The event it belongs to.
        nonce: 12 random bytes that are used for nothing else; made here when left out.
    """
    nonce = nonce or secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, event_id.encode())


def unseal(key: bytes | None, sealed: bytes | None, *, event_id: str) -> dict[str, Any] | None:
    """Decrypt personal data.

    Args:
        key: The person's key as it is now, None when there is none.
        sealed: As stored, None when the event has no personal data.
        event_id: The event it belongs to.

    Returns:
        The values; None when there are none or the key that sealed them is gone. A person who was
        erased and recorded again has a new key: what the old one sealed stays unreadable.
    """
    if key is None or sealed is None:
        return None
    try:
        text = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], event_id.encode())
    except (InvalidTag, ValueError):
        return None
    values: dict[str, Any] = json.loads(text)
    return values
