"""A dialplan file as values: contexts, extensions, steps, and what cannot be read.

Asterisk's own loader is lenient: it skips a line it does not understand and goes on. Here such
a line is a problem, because a step that is not there is a check that is not made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTEXT = re.compile(r"\[([^]]+)\](?:\([^)]*\))?")
_EXTEN = re.compile(r"(exten|same)\s*=>?\s*(.*)", re.IGNORECASE)
_OTHER = re.compile(r"(include|ignorepat|switch|lswitch|eswitch|autohints)\s*=>?\s*(.*)", re.IGNORECASE)
_PRIORITY = re.compile(r"(\d+|n)(?:\(([A-Za-z0-9_-]+)\))?", re.IGNORECASE)
_APPLICATION = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def parse(text: str, file: str) -> Parsed:
    """Read one file.

    Args:
        text: What it holds.
        file: What to call it in problems.

    Returns:
        What it says; what cannot be read is among its problems.
    """
    reader = _Reader(Parsed(file))
    for number, raw in enumerate(text.splitlines(), start=1):
        reader.take(raw, number)
    return reader.parsed


def arguments(data: str) -> list[str]:
    """Split an application's data at the commas that stand in no bracket or quote."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(data):
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
            if character == "," and depth == 0:
                parts.append(data[start:index])
                start = index + 1
    return [*parts, data[start:]]


def unbalanced(text: str) -> str:
    """The first bracket that has no partner, empty when all have one."""
    opened: list[str] = []
    for character in text:
        if character in "([{":
            opened.append(character)
        elif character in _PAIRS and (not opened or opened.pop() != _PAIRS[character]):
            return character
    return opened[-1] if opened else ""


def branches(data: str) -> list[str]:
    """The two sides of `CONDITION?true:false`; question marks and colons in brackets do not count."""
    question = next((i for i, c in enumerate(data) if c == "?" and not unbalanced(data[:i])), len(data))
    rest = data[question + 1 :]
    colon = next((i for i, c in enumerate(rest) if c == ":" and not unbalanced(rest[:i])), len(rest))
    return [rest[:colon], rest[colon + 1 :]]


def _without_comment(raw: str) -> str:
    return re.sub(r"(?<!\\);.*$", "", raw).replace("\\;", ";").strip()


class _Reader:
    """Takes the lines of one file in order."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self._context = ""
        self._current: Extension | None = None
        self._awaiting_comment = False

    def take(self, raw: str, number: int) -> None:
        line = _without_comment(raw)
        if self._awaiting_comment and raw.strip():
            self._awaiting_comment = False
            if not raw.lstrip().startswith(";"):
                self._fault(number - 1, "context-uncommented", f"`[{self._context}]` does not say what it does")
        if line.startswith("#"):
            self._directive(line, number)
        elif match := _CONTEXT.fullmatch(line):
            self._context, self._current = match[1], None
            self._awaiting_comment = match[1].startswith("ringfence-")
            self.parsed.contexts.setdefault(match[1], [])
        elif line and self._context not in ("general", "globals"):
            self._statement(line, number)

    def _directive(self, line: str, number: int) -> None:
        if line.startswith("#exec"):
            self._fault(number, "exec", "#exec runs a program whenever the dialplan is loaded; write its output down")
        elif not line.startswith(("#include", "#tryinclude")):
            self._fault(number, "unreadable", f"`{line[:40]}` is no statement of a dialplan")

    def _statement(self, line: str, number: int) -> None:
        if other := _OTHER.fullmatch(line):
            if other[1].lower() in ("include", "switch", "lswitch", "eswitch"):
                self.parsed.contexts.setdefault(self._context, []).append(other[2].split(",")[0].strip())
                self.parsed.inclusions.append((self._context, number))
        elif (match := _EXTEN.fullmatch(line)) and self._context:
            self._step(match[1].lower(), match[2], number)
        else:
            self._fault(number, "unreadable", f"`{line[:40]}` is no statement of a dialplan")

    def _step(self, word: str, rest: str, number: int) -> None:
        if word == "exten":
            name, _, rest = rest.partition(",")
            self._current = self._extension(name.strip())
        if self._current is None:
            self._fault(number, "priority", "`same` has no extension before it")
            return
        priority_text, _, call = rest.partition(",")
        if priority_text.strip().lower() == "hint":
            return
        priority = _PRIORITY.fullmatch(priority_text.strip())
        application = _APPLICATION.fullmatch(call.strip())
        if bracket := unbalanced(call):
            self._fault(number, "unbalanced", f"a `{bracket}` has no partner")
        elif priority is None or application is None:
            self._fault(number, "unreadable", f"`{rest[:40]}` is not PRIORITY,Application(data)")
        else:
            self._add(self._current, priority, application, number)

    def _add(self, extension: Extension, priority: re.Match[str], application: re.Match[str], number: int) -> None:
        taken = [step.priority for step in extension.steps]
        if priority[1].lower() != "n":
            at = int(priority[1])
        elif taken:
            at = taken[-1] + 1
        else:
            self._fault(number, "priority", f"`{extension.name}` begins with `n`; the first priority is 1")
            at = 1
        if at in taken:
            self._fault(number, "priority", f"`{extension.name}` has priority {at} twice")
        elif at > 1 and at - 1 not in taken:
            self._fault(number, "priority", f"`{extension.name}` has no priority {at - 1}: it ends there")
        label = priority[2] or ""
        if label and label in (step.label for step in extension.steps):
            self._fault(number, "priority", f"`{extension.name}` has label `{label}` twice")
        step = Step(self.parsed.file, number, at, label, application[1].lower(), application[2] or "")
        extension.steps.append(step)

    def _extension(self, name: str) -> Extension:
        for extension in self.parsed.extensions:
            if (extension.context, extension.name) == (self._context, name):
                return extension
        self.parsed.extensions.append(Extension(self._context, name))
        return self.parsed.extensions[-1]

    def _fault(self, line: int, rule: str, sentence: str) -> None:
        self.parsed.problems.append(LintProblem(self.parsed.file, line, rule, sentence))


@dataclass(frozen=True, slots=True)
class LintProblem:
    """One thing that is wrong in a dialplan.

    Args:
        file: File name as given.
        line: 1-based line.
        rule: Kebab-case id of the rule.
        sentence: What is wrong and what would be right, without a full stop.
    """

    file: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of an extension.

    Args:
        file: File name as given.
        line: 1-based line.
        priority: 1, 2, 3, ...
        label: Its label, empty when it has none.
        application: Name in lower case.
        data: What stands between the application's parentheses.
    """

    file: str
    line: int
    priority: int
    label: str
    application: str
    data: str

    def runs(self) -> Iterator[Step]:
        """The step itself, and those that it runs: `ExecIf(CONDITION?Dial(...))` also dials."""
        yield self
        if self.application in ("execif", "execiftime"):
            inner = branches(self.data)
        else:
            inner = [self.data] if self.application in ("exec", "tryexec") else []
        for call in inner:
            if match := _APPLICATION.fullmatch(call.strip()):
                run = Step(self.file, self.line, self.priority, "", match[1].lower(), match[2] or "")
                yield from run.runs()

    def problem(self, rule: str, sentence: str) -> LintProblem:
        """A problem at this step."""
        return LintProblem(self.file, self.line, rule, sentence)


@dataclass(frozen=True, slots=True)
class Extension:
    """All steps of one extension in one file.

    Args:
        context: Where it stands.
        name: Name or pattern.
        steps: In order of the file.
    """

    context: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def matches(self, dialled: str) -> bool:
        """Tell whether `dialled` reaches it."""
        if not self.name.startswith("_"):
            return self.name == dialled
        return re.fullmatch("".join(self._pattern()), dialled) is not None

    def has(self, priority: str) -> bool:
        """Tell whether it has that priority or label."""
        return any(priority in (str(step.priority), step.label) for step in self.steps)

    def _pattern(self) -> Iterator[str]:
        classes = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
        for part in re.findall(r"\[[^]]*\]|.", self.name[1:]):
            yield part if part.startswith("[") else classes.get(part.upper(), re.escape(part))


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file.

    Args:
        file: Its name as given.
        contexts: Names of included contexts by context.
        inclusions: Every include or switch: the context it stands in, and its line.
        extensions: Every extension, in order.
        problems: What could not be read or cannot be meant.
    """

    file: str
    contexts: dict[str, list[str]] = field(default_factory=dict)
    inclusions: list[tuple[str, int]] = field(default_factory=list)
    extensions: list[Extension] = field(default_factory=list)
    problems: list[LintProblem] = field(default_factory=list)
