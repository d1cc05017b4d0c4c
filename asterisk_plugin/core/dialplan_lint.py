"""What is wrong in a dialplan, as far as its text tells: the traps that let a call past the gate.

Rule 1: pure. Text in, problems out; who reads the files is `cli/dialplan.py`.
Rule 2: a rule that cannot be sure stays silent: a target that holds a variable is not looked up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asterisk_plugin.core.dialplan_text import (
    Extension,
    LintProblem,
    Parsed,
    Step,
    arguments,
    branches,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["RULES", "LintProblem", "lint", "lint_files"]

_CALLER_TEXT = re.compile(r"\$\{(?:EXTEN|CALLERID|CALLERIDNUM|CALLERIDNAME|ARG\d+|RINGFENCE_DIALLED)\b[^}]*\}")
_MAKES_SAFE = re.compile(r"\$\{(?:FILTER|LEN)\(")
_SHELLS = frozenset({"system", "trysystem"})
_DIALS = frozenset({"dial", "retrydial", "page", "followme"})
_READS_TEXT_AS_CODE = _SHELLS | _DIALS | {"agi", "eagi", "externalivr", "originate", "exec", "tryexec"}
_MACROS = frozenset({"macro", "macroexclusive", "macroif"})
_CHECKS = frozenset({"gotoif", "gosubif"})
_TRUNK_LINE = re.compile(r"[A-Za-z0-9]+/[^&]*@|PJSIP/[^,&/]+/sips?:|(?:DAHDI|IAX2|SIP)/[^,&/]+/", re.IGNORECASE)
_GUARDED = {"attempt": ("RINGFENCE_DECISION", "ALLOW"), "trunk": ("RINGFENCE_TRUNK", "PASS")}
_CLEARED = {"objection": "RINGFENCE_OBJECTION", **{script: name for script, (name, _) in _GUARDED.items()}}
_SENT_TO = re.compile(r"[bBF]\(([A-Za-z0-9_-]+)\^([A-Za-z0-9_-]+)\^([A-Za-z0-9_-]+)")
_SHADOWED = re.compile(
    r"\$\{(RINGFENCE_(?:AGI|AGI_SCRIPT|WAIT_S|SCRIPT_WAIT_S|DIAL_OPTIONS|CALLER_NAME|OBJECTION_S|CALL_BACK"
    r"|OBJECTION_PROCESSES|QUEUE_OPTIONS|QUEUE_TALK_S))\b"
)
_ANY_ANSWER = frozenset({"outcome", "queue", "queue-wait"})
"""Scripts on whose answer nothing depends that must not happen: who waits in a queue waits on without them."""
_HANDLER = "CHANNEL(hangup_handler_push)="
_LINE = frozenset({"ringfence-objection", "ringfence-callback"})
_TAKES_KEYS = frozenset({"background", "disa", "read", "readexten", "waitexten"})
_LEADS_OUT = _DIALS | _TAKES_KEYS | {"bridge", "originate", "queue", "transfer"}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_WRITTEN = re.compile(r"(?:LOCAL\()?_{0,2}(\w+)\)?=(.*)", re.DOTALL)


def lint(text: str, file: str) -> list[LintProblem]:
    """Check one file on its own; see `lint_files`."""
    return lint_files({file: text})


def lint_files(texts: Mapping[str, str]) -> list[LintProblem]:
    """Check files that belong together.

    Args:
        texts: Text by file name. Jumps are looked up in all of them.

    Returns:
        Every problem, in order of file and line.
    """
    files = [parse(text, file) for file, text in texts.items()]
    problems = {problem for one in files for problem in one.problems}
    for one in files:
        problems.update(_inclusions(one))
        for extension in one.extensions:
            problems.update(_pattern(extension))
            for step in (run for written in extension.steps for run in written.runs()):
                problems.update(problem for rule in RULES for problem in rule(extension, step))
                problems.update(_jumps(extension, step, files))
    order = list(texts)
    return sorted(problems, key=lambda p: (order.index(p.file), p.line, p.rule, p.sentence))


def _pattern(extension: Extension) -> Iterator[LintProblem]:
    """`_.` also matches `h`, `i`, `t` and whatever an attacker types."""
    if not extension.steps:
        return
    first = extension.steps[0]
    if extension.name in ("_.", "_!"):
        yield first.problem("pattern-matches-all", f"`{extension.name}` matches every text; begin with a digit class")
    if extension.context == "ringfence-emergency" and not extension.name.isdigit():
        yield first.problem(
            "emergency-not-exact",
            f"`{extension.name}` is more than one number in digits, and it passes unasked",
        )


def _inclusions(one: Parsed) -> Iterator[LintProblem]:
    """The objection line has its own extensions and no others."""
    for context, line in one.inclusions:
        if context in _LINE:
            yield LintProblem(one.file, line, "line-leads-out", f"[{context}] takes in extensions that keys may reach")


def _line(extension: Extension, step: Step) -> Iterator[LintProblem]:
    """What a called person presses in the objection line leads nowhere: no extension of keys, nothing that dials."""
    if extension.context not in _LINE:
        return
    if extension.name[:1] in "_0123456789*#+" and step is extension.steps[0]:
        yield step.problem("line-leads-out", f"`{extension.name}` can be reached by keys; name it by a word")
    if step.application in _LEADS_OUT:
        yield step.problem("line-leads-out", f"{step.application}() in the objection line: a key must lead to no call")
    for target in _targets(step):
        unknown = set(_VARIABLE.findall(target)) - _constants(extension, step)
        if unknown or "$" in _VARIABLE.sub("", target):
            yield step.problem("line-leads-out", f"`{target}` is made of what a caller may have chosen; write it out")


def _constants(extension: Extension, step: Step) -> set[str]:
    """Variables that this extension has set before a step, each time to something written out."""
    writes = [
        match
        for earlier in extension.steps
        if earlier.priority < step.priority
        for run in earlier.runs()
        for written in {"set": [run.data], "mset": arguments(run.data)}.get(run.application, ())
        if (match := _WRITTEN.fullmatch(written))
    ]
    return {match[1] for match in writes} - {match[1] for match in writes if "$" in match[2]}


def _unfiltered(_: Extension, step: Step) -> Iterator[LintProblem]:
    """What a caller can influence never reaches a shell, a program or a dial string as it came."""
    if step.application in _READS_TEXT_AS_CODE:
        for match in _CALLER_TEXT.finditer(step.data):
            if not _is_made_safe(step.data[: match.start()]):
                yield step.problem("unfiltered-input", f"`{match[0]}` goes into {step.application}() without FILTER()")
    if step.application in _SHELLS and "${" in step.data:
        yield step.problem("variable-in-shell", f"{step.application}() is given a variable; no shell may see one")
    if re.search(r"\$\{SHELL\([^)]*\$\{", step.data):
        yield step.problem("variable-in-shell", "SHELL() is given a variable; no shell may see one")


def _is_made_safe(before: str) -> bool:
    """Tell whether text that follows `before` stands in the arguments of FILTER() or LEN()."""
    return any(not _closes(before[call.end() :]) for call in _MAKES_SAFE.finditer(before))


def _closes(text: str) -> bool:
    """Tell whether an already open parenthesis is closed in `text`."""
    depth = 1
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return True
    return False


def _dial(extension: Extension, step: Step) -> Iterator[LintProblem]:
    """A Dial() to a trunk has its pre-dial routine; in our contexts every Dial() has."""
    if step.application not in _DIALS:
        return
    given = arguments(step.data)[3 if step.application == "retrydial" else 0 :]
    options_at = 2 if step.application in ("dial", "retrydial") else 1
    line, options = (*given, "")[0], (*given, "", "", "")[options_at]
    to_trunk = extension.context.startswith("ringfence-") or any(map(_TRUNK_LINE.match, line.split("&")))
    if to_trunk and "b(ringfence-trunk^s^1" not in options:
        yield step.problem("dial-unguarded", f"{step.application}() to a trunk without b(ringfence-trunk^s^1(…))")
    if to_trunk and "&" in line:
        yield step.problem("dial-several", "`&` dials several lines, and a token is for one")


def _agi(extension: Extension, step: Step) -> Iterator[LintProblem]:
    """RINGFENCE_DECISION and RINGFENCE_TRUNK: cleared before AGI(), compared exactly after it."""
    script = _script(step)
    if not script or script in _ANY_ANSWER:
        return
    before = [other for other in extension.steps if other.priority < step.priority]
    after = [other for other in extension.steps if other.priority > step.priority]
    if not any(later.application in _CHECKS for later in after):
        yield step.problem("agi-unchecked", "AGI() that failed looks like success; test what it set before going on")
    cleared = _CLEARED.get(script, "")
    if cleared and not any(earlier.application == "set" and earlier.data == f"{cleared}=" for earlier in before):
        yield step.problem("verdict-not-cleared", f"{cleared} is not cleared before AGI(): an old one would count")
    variable, wanted = _GUARDED.get(script, ("", ""))
    if variable and not _is_tested(variable, wanted, after):
        yield step.problem("verdict-not-tested", f"nothing after AGI() tests {variable} for exactly `{wanted}`")


def _is_tested(variable: str, wanted: str, steps: Sequence[Step]) -> bool:
    """Tell whether a jump depends on exactly `wanted`.

    Either directly, or of letters picked by FILTER() when LEN() says that none was left out: the only way
    that also holds when the value has a quote in it.
    """
    jumps = [step.data for step in steps if step.application == "gotoif"]
    if any(jump.startswith(f'$["${{{variable}}}" = "{wanted}"]?') for jump in jumps):
        return True
    picked = re.compile(rf"LOCAL\((\w+)\)=\$\{{FILTER\(A-Z,\$\{{{variable}\}}\)\}}")
    for name in (match[1] for step in steps if (match := picked.fullmatch(step.data))):
        whole = re.compile(rf"\$\[\$\{{LEN\(\$\{{{variable}\}}\)\}} !?= \$\{{LEN\(\$\{{{name}\}}\)\}}\]\?")
        equal = f'$["${{{name}}}" = "{wanted}"]?'
        if any(whole.match(jump) for jump in jumps) and any(jump.startswith(equal) for jump in jumps):
            return True
    return False


def _script(step: Step) -> str:
    """Script that an AGI() runs: of ours by name, else its URL or path; empty when it is no AGI()."""
    if step.application not in ("agi", "eagi"):
        return ""
    first, second = (*arguments(step.data), "", "")[:2]
    named = re.search(r"/(attempt|trunk|outcome|objection|queue|queue-wait)$", first)
    if named:
        return named[1]
    return second if second in _CLEARED or second in _ANY_ANSWER else first


def _comparison(_: Extension, step: Step) -> Iterator[LintProblem]:
    """A verdict is compared whole, quoted, with = or !=."""
    for expression in re.findall(r"\$\[(.*)\]", step.data):
        for variable, _wanted in _GUARDED.values():
            for match in re.finditer(rf"\$\{{{variable}\b[^}}]*\}}", expression):
                if _is_made_safe(expression[: match.start()]):
                    continue
                whole = f'"${{{variable}}}"'
                if not re.search(rf'{re.escape(whole)} !?= "[A-Z]*"', expression) or match[0] != whole[1:-1]:
                    yield step.problem("verdict-inexact", f'`{match[0]}` must be compared as {whole} = "..."')


def _global(_: Extension, step: Step) -> Iterator[LintProblem]:
    """What the site sets for every call is not read from the channel, where whoever originates may set it."""
    for name in dict.fromkeys(_SHADOWED.findall(step.data)):
        yield step.problem("global-shadowed", f"a channel variable would win: read ${{GLOBAL({name})}}")


def _macro(_: Extension, step: Step) -> Iterator[LintProblem]:
    if step.application in _MACROS:
        yield step.problem("macro", "Macro() is gone since Asterisk 21; use Gosub()")


def _jumps(extension: Extension, step: Step, files: Sequence[Parsed]) -> Iterator[LintProblem]:
    """Every jump whose target is written out leads somewhere."""
    for target in _targets(step):
        if "$" not in target and not _exists(target, extension, files):
            yield step.problem("target-missing", f"`{target}` leads nowhere")


def _targets(step: Step) -> Iterator[str]:
    match step.application:
        case "goto" | "gosub":
            yield _place(step.data)
        case "gotoif" | "gosubif":
            yield from (_place(branch) for branch in branches(step.data) if branch)
        case "set" if step.data.startswith(_HANDLER):
            yield _place(step.data.removeprefix(_HANDLER))
        case "dial" | "retrydial" | "page" | "followme" | "queue" | "originate":
            yield from (",".join(found) for found in _SENT_TO.findall(step.data))


def _place(target: str) -> str:
    """A jump's target without the arguments it passes on."""
    return target.partition("(")[0].strip()


def _exists(target: str, here: Extension, files: Sequence[Parsed]) -> bool:
    parts = [part.strip() for part in target.split(",")]
    context = parts[0] if len(parts) == 3 else here.context
    name = parts[-2] if len(parts) > 1 else here.name
    contexts = _with_included(context, files)
    if contexts is None:
        return True  # an include that is not among the files may have it
    return any(
        extension.has(parts[-1]) and (extension.name == name or extension.matches(name))
        for one in files
        for extension in one.extensions
        if extension.context in contexts
    )


def _with_included(context: str, files: Sequence[Parsed]) -> set[str] | None:
    """A context and all it includes; None when some of those are not among the files."""
    found: set[str] = set()
    waiting = [context]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        holders = [one for one in files if name in one.contexts]
        if not holders and name != context:
            return None
        found.add(name)
        waiting += [included for one in holders for included in one.contexts[name]]
    return found


RULES: tuple[Callable[[Extension, Step], Iterator[LintProblem]], ...] = (
    _unfiltered,
    _dial,
    _agi,
    _comparison,
    _global,
    _macro,
    _line,
)
"""What is looked for at every step, besides patterns and jumps."""
