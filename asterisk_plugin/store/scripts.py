"""The Lua scripts beside this file, each with what is put before it."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """One server-side script.

    Args:
        name: File name without `.lua`.
        text: What the server runs.
        sha1: Hex SHA-1 of the text, by which EVALSHA names it.
        guarded: It must not run after its caller has stopped waiting.
    """

    name: str
    text: str
    sha1: str
    guarded: bool


def _script(name: str, *, after: tuple[str, ...] = (), guarded: bool = True) -> Script:
    text = "\n".join(_read(part) for part in ("guard", *after, name))
    # Redis names scripts by SHA-1; nothing here depends on its strength.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), guarded)


@functools.cache
def _read(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


LOOK_UP = _script("look_up", after=("ready", "standing"))
PACE = _script("pace", after=("ready",))
REDEEM = _script("redeem", after=("ready", "standing"))
# Undoing is wanted however late it comes.
RELEASE = _script("release", guarded=False)
LAND = _script("land", guarded=False)
# And so is an objection.
OBJECT = _script("object", after=("announce", "ready"), guarded=False)
PROJECT = _script("project")
REMOVE = _script("remove", after=("ours",))
MARK = _script("mark", after=("ours",))
TAKE_OUT = _script("take_out")
POSITION = _script("position")
MOVE_ON = _script("move_on")
LEASE = _script("lease")

ALL = (LOOK_UP, PACE, LAND, REDEEM, RELEASE, OBJECT, PROJECT, REMOVE, MARK, TAKE_OUT, POSITION, MOVE_ON, LEASE)
"""Every script: a new connection makes the server know them before it is used."""
