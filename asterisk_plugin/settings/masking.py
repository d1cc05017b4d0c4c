"""Blanking what must not be repeated: the credentials inside a URL."""

from __future__ import annotations

import re

BLANKED = "**********"

# Up to the last @, because people paste passwords with a slash in them without encoding it.
_USER_AND_PASSWORD = re.compile(r"(?<=://)[^\s\"']*@")
_PASSWORD_PARAMETER = re.compile(r"(?<=password=)[^&\s\"']+")


def mask_credentials(text: str) -> str:
    """Repeat a text with the user, password and `password=` of every URL in it blanked."""
    return _PASSWORD_PARAMETER.sub(BLANKED, _USER_AND_PASSWORD.sub(f"{BLANKED}@", text))
