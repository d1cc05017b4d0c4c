"""What `ringfence doctor` makes of Asterisk's queues: only where queues are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.ami.findings import Check, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUEUE_MODULES = (
    *("app_queue", "app_chanspy", "app_originate", "app_softhangup"),
    *("func_db", "func_periodic_hook", "func_volume"),
)
"""What speaking to waiting callers uses, beside the modules of every call."""

QUEUE_EVENTS = ("call", "agent", "user")
"""AMI read classes: of calls, of queues and agents, and of our own dialplan's `UserEvent`."""

DEFAULT_MUSIC = "default"
MUSIC_KEYS = frozenset({"musicclass", "musiconhold", "music"})
"""What queues.conf may call it (app_queue.c, `queue_set_param`)."""


def judge_queues(wanted: Sequence[str], found: Mapping[str, frozenset[str]]) -> list[Check]:
    """Whether every queue of the configuration is there, in one Asterisk at least.

    Args:
        wanted: Names in the configuration.
        found: Asterisk in the settings -> names of those that it has, as it writes them.
    """
    if not found:
        return []
    has = {name: [asterisk for asterisk, names in found.items() if name in names] for name in wanted}
    written = {name.casefold(): name for names in found.values() for name in names}
    checks = []
    for name, asterisks in has.items():
        other = written.get(name.casefold(), "")
        if asterisks:
            checks.append(Check(f"queue {name}", State.OK, f"`{', '.join(asterisks)}` has it"))
        elif other:
            # Callers get in all the same, but every event then carries the other name.
            sentence = f"Asterisk writes its name `{other}`, so its events would not be known"
            checks.append(Check(f"queue {name}", State.FAIL, sentence, f'in campaigns.toml: id = "{other}"'))
        else:
            sentence = f"no queue `{name}` in {', '.join(found)}: whoever is sent there does not wait"
            checks.append(Check(f"queue {name}", State.FAIL, sentence, "add it to queues.conf, or correct its `id`"))
    return checks


def judge_music(queue: str, options: Sequence[tuple[str, str]], classes: Sequence[str]) -> Check:
    """Whether somebody who waits hears music between two announcements.

    Args:
        queue: Its name.
        options: What queues.conf says of it, key and value; empty when it says nothing.
        classes: Names of the classes of music that are loaded.
    """
    name = f"music of queue {queue}"
    if not options:
        sentence = f"`{queue}` is not in queues.conf: whether there is music was not looked at"
        return Check(name, State.WARN, sentence, "listen to it")
    # Asterisk takes the last one.
    wanted = next((value for key, value in reversed(options) if key.lower() in MUSIC_KEYS and value), DEFAULT_MUSIC)
    if wanted not in classes:
        sentence = f"no music class `{wanted}` is loaded: between two announcements callers hear silence"
        return Check(name, State.WARN, sentence, f"give musiconhold.conf a class `{wanted}` with files in it")
    return Check(name, State.OK, f"class `{wanted}` is loaded")
