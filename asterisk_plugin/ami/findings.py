"""What `ringfence doctor` makes of an Asterisk: each function judges one thing it was told."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Fields = Mapping[str, str]

OLDEST_VERSION = 16
CLOCK_WARN_S = 2.0
CLOCK_FAIL_S = 30.0

STRAIGHT_TO_A_TRUNK = frozenset({"originate", "command"})
"""AMI write classes that place a call: `Originate`, and `Command` with `channel originate`."""

ONE_STEP_AWAY = frozenset({"system", "config"})
"""AMI write classes that can change files or modules, and so grant themselves the others."""

NEEDED_ACTIONS = {
    "Hangup": "call",
    "Getvar": "call",
    "Setvar": "call",
    "SendText": "call",
    "Redirect": "call",
    "CoreShowChannels": "reporting",
    "UserEvent": "user",
}
"""What the service sends, and the AMI write class each needs (Asterisk 22: `ListCommands`)."""

RIGHTS_REMEDY = f"in manager.conf: write = {','.join(dict.fromkeys(NEEDED_ACTIONS.values()))}"

DIALLING_APPLICATIONS = frozenset({"Dial", "Originate", "Page"})
TRUNK_ROUTINE = "ringfence-trunk"
EMERGENCY_CONTEXT = "ringfence-emergency"


class State(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        name: What was looked at, `pbx: clock`.
        state: How it ended.
        sentence: What was found.
        remedy: What to do about it; empty when all is well.
    """

    name: str
    state: State
    sentence: str
    remedy: str = ""


def judge_version(text: str, major: int) -> Check:
    """Asterisk's version; `major` is 0 when it cannot be read from `text`."""
    if major >= OLDEST_VERSION:
        return Check("version", State.OK, f"Asterisk {text}")
    if major == 0:
        return Check("version", State.WARN, f"`{text}` names no release", "use a release of Asterisk")
    return Check("version", State.FAIL, f"Asterisk {text} is too old", f"use {OLDEST_VERSION} or newer")


def judge_own_rights(username: str, actions: Iterable[str]) -> list[Check]:
    """What our own AMI user may do, from the actions `ListCommands` offers it."""
    offered = set(actions)
    missing = [action for action in NEEDED_ACTIONS if action not in offered]
    if missing:
        named = ", ".join(f"`{action}`" for action in missing)
        sentence = f"AMI user `{username}` may not {named}, so running calls cannot be seen, ended, told or sent on"
        return [Check("rights", State.FAIL, sentence, RIGHTS_REMEDY)]
    if {"Originate", "Command"} & offered:
        sentence = f"AMI user `{username}` may place calls: whoever learns its secret dials past the gate"
        return [Check("rights", State.WARN, sentence, RIGHTS_REMEDY)]
    return [Check("rights", State.OK, f"AMI user `{username}` may do what the service needs, and not dial")]


def judge_own_events(username: str, read: frozenset[str], needed: Sequence[str] = ("call",)) -> Check:
    """Whether our own AMI user is sent the events that are needed.

    Args:
        username: Its name.
        read: Its read classes.
        needed: The classes it needs.
    """
    missing = [name for name in needed if name not in read and "all" not in read]
    if not missing:
        return Check("events", State.OK, f"AMI user `{username}` is sent the events that are needed")
    blind = (
        "so the watchdog is blind"
        if "call" in missing
        else "so nobody sees who waits in a queue"
        if "agent" in missing
        else "so nobody is told who answered a call"
    )
    sentence = f"AMI user `{username}` is sent no events of class {', '.join(missing)}, {blind}"
    return Check("events", State.FAIL, sentence, f"in manager.conf: read = {','.join(needed)}")


def judge_manager_users(write: Mapping[str, frozenset[str]]) -> list[Check]:
    """Name every AMI user who can place a call that no dialplan holds back.

    Args:
        write: User -> write classes.
    """
    checks = []
    for user, classes in sorted(write.items()):
        if direct := classes & STRAIGHT_TO_A_TRUNK:
            how = "can dial a trunk past the gate; the watchdog ends such a call only after its INVITE"
            named = ", ".join(sorted(direct))
        elif step := classes & ONE_STEP_AWAY:
            how, named = "can give itself the right to dial past the gate", ", ".join(sorted(step))
        else:
            continue
        remedy = f"take {named} from it, or accept it and guard its secret"
        checks.append(Check(f"AMI user {user}", State.WARN, f"`{user}` (write: {named}) {how}", remedy))
    return checks or [Check("AMI users", State.OK, f"none of {len(write)} AMI users can dial past the gate")]


def judge_ari_users(users: Mapping[str, bool]) -> list[Check]:
    """Name every ARI user who may do more than read.

    Args:
        users: Name -> may only read.
    """
    writers = [user for user, read_only in sorted(users.items()) if not read_only]
    return [
        Check(
            f"ARI user {user}",
            State.WARN,
            f"`{user}` can dial a trunk past the gate; the watchdog ends such a call only after its INVITE",
            "in ari.conf: read_only = yes, or accept it and guard its password",
        )
        for user in writers
    ] or [Check("ARI users", State.OK, f"none of {len(users)} ARI users can dial")]


def judge_modules(modules: Mapping[str, bool], needed: Sequence[str]) -> Check:
    """Whether every module our dialplan uses is loaded and running."""
    missing = [name for name in needed if not modules.get(name, False)]
    if missing:
        return Check("modules", State.FAIL, f"not loaded: {', '.join(missing)}", "load them in modules.conf")
    return Check("modules", State.OK, f"all {len(needed)} modules that are needed run")


HEARING_MODULES = ("app_audiosocket", "app_chanspy", "app_originate", "app_userevent", "res_audiosocket")
"""What brings the sound of answered calls to the service."""


MUTING_MODULE = "res_mutestream"
"""What keeps our side silent while it is not clear whether a beep was heard."""


def judge_hearing(modules: Mapping[str, bool]) -> Check:
    """Whether machines can be heard, from all modules and whether each runs."""
    missing = [name for name in HEARING_MODULES if not modules.get(name, False)]
    if not missing and not modules.get(MUTING_MODULE, False):
        sentence = f"not loaded: {MUTING_MODULE}; a word may be left on a machine whose beep could be a ring or a key"
        return Check("machines", State.WARN, sentence, "load it in modules.conf")
    if not missing:
        return Check("machines", State.OK, "the sound of answered calls can be brought to the service")
    instead = (
        "app_amd is asked before a dialer's call is connected"
        if modules.get("app_amd", False)
        else "nobody hears who answered, and recorded messages are not played"
    )
    sentence = f"not loaded: {', '.join(missing)}; {instead}, and no machine is heard during a call"
    return Check("machines", State.WARN, sentence, "load them in modules.conf; AudioSocket needs Asterisk 18 or newer")


def judge_contexts(dialplan: Sequence[Fields], needed: Sequence[str]) -> Check:
    """Whether every context of ours is loaded, from the events of `ShowDialPlan`."""
    loaded = {line.get("Context", "") for line in dialplan}
    missing = [name for name in needed if name not in loaded]
    if missing:
        remedy = "include our files in extensions.conf, then `dialplan reload`"
        return Check("contexts", State.FAIL, f"not loaded: {', '.join(missing)}", remedy)
    return Check("contexts", State.OK, f"{', '.join(needed)} are loaded")


def judge_emergency(dialplan: Sequence[Fields], is_emergency: Callable[[str], bool]) -> Check:
    """Whether the service knows every number that the dialplan lets through as an emergency."""
    numbers = sorted(
        {line["Extension"] for line in dialplan if line.get("Context") == EMERGENCY_CONTEXT and line.get("Extension")}
    )
    unknown = [number for number in numbers if not is_emergency(number)]
    if unknown:
        sentence = f"[{EMERGENCY_CONTEXT}] lets {', '.join(unknown)} pass, which the watchdog would hang up"
        return Check("emergency", State.FAIL, sentence, "add them to `gate.emergency_extra`")
    if not numbers:
        sentence = f"[{EMERGENCY_CONTEXT}] holds no number: with the service down, emergency calls fail"
        return Check("emergency", State.WARN, sentence, "add your country's numbers to ringfence-site.conf")
    return Check("emergency", State.OK, f"{', '.join(numbers)} pass with everything else dead")


def judge_dials(dialplan: Sequence[Fields], trunks: Sequence[str]) -> Check:
    """Find every application in the loaded dialplan that dials a trunk without the pre-dial routine."""
    found = sorted(
        {
            f"{line.get('Context')},{line.get('Extension')},{line.get('Priority')}"
            for line in dialplan
            if line.get("Application") in DIALLING_APPLICATIONS
            and f"{TRUNK_ROUTINE}^" not in line.get("AppData", "")
            and any(_dials(line.get("AppData", ""), trunk) for trunk in trunks)
        }
    )
    if found:
        sentence = f"a trunk is dialled without `{TRUNK_ROUTINE}` at {'; '.join(found)}"
        return Check("dialplan", State.FAIL, sentence, "call `ringfence-dial` there instead")
    return Check("dialplan", State.OK, f"nothing names a trunk without `{TRUNK_ROUTINE}`")


def _dials(data: str, trunk: str) -> bool:
    technology, _, endpoint = trunk.partition("/")
    name, end = re.escape(endpoint), r"(?=[/&,^)]|$)"
    return re.search(rf"\b{re.escape(technology)}/(?:[^&,]*@)?{name}{end}", data) is not None


def judge_clock(difference_s: float) -> Check:
    """How far Asterisk's clock is ahead of ours, in seconds."""
    sentence = f"Asterisk's clock differs from ours by {abs(difference_s):.2f} s"
    if abs(difference_s) >= CLOCK_WARN_S:
        state = State.FAIL if abs(difference_s) >= CLOCK_FAIL_S else State.WARN
        return Check("clock", state, sentence, "run an NTP client on both machines")
    return Check("clock", State.OK, sentence)


def judge_sounds(count: int) -> Check:
    """Whether Asterisk has sound files at all."""
    if count:
        return Check("sounds", State.OK, f"{count} sound files")
    return Check("sounds", State.WARN, "there is no sound file", "install Asterisk's core sounds")


def judge_system_names(names: Mapping[str, str]) -> list[Check]:
    """With several Asterisks unique ids must not meet, which a `systemname` each sees to.

    Args:
        names: Asterisk in the settings -> its `systemname`, empty when it has none.
    """
    if len(names) < 2 or (all(names.values()) and len(set(names.values())) == len(names)):
        return []
    wrong = ", ".join(sorted(names))
    sentence = f"{wrong} have no `systemname` each: two calls could have the same unique id"
    return [Check("system names", State.WARN, sentence, "in each asterisk.conf, [options]: systemname = …")]
