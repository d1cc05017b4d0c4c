"""The dialplan linter: one bad file for each trap, and our own files free of all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asterisk_plugin.core.dialplan_lint import lint, lint_files
from asterisk_plugin.core.dialplan_text import arguments

BAD = sorted((Path(__file__).parent / "bad").glob("*.conf"))
SHIPPED = Path(__file__).parents[2] / "dialplan"
RULES = (
    "agi-unchecked",
    "context-uncommented",
    "dial-several",
    "dial-unguarded",
    "emergency-not-exact",
    "exec",
    "global-shadowed",
    "line-leads-out",
    "macro",
    "pattern-matches-all",
    "priority",
    "target-missing",
    "unbalanced",
    "unfiltered-input",
    "unreadable",
    "variable-in-shell",
    "verdict-inexact",
    "verdict-not-cleared",
    "verdict-not-tested",
)


def shipped() -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(SHIPPED.iterdir()) if "features" not in file.name}


def rule_of(file: Path) -> str:
    return next(rule for rule in sorted(RULES, key=len, reverse=True) if file.stem.startswith(rule))


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_each_bad_file_is_found_at_its_line_and_for_its_reason_only(file: Path) -> None:
    """The line marked HERE, the rule of the file's name, nothing else."""
    text = file.read_text()
    line = next(number for number, raw in enumerate(text.splitlines(), start=1) if "HERE" in raw)
    found = lint(text, file.name)
    assert {(problem.line, problem.rule) for problem in found} == {(line, rule_of(file))}, found
    assert all(problem.file == file.name and problem.sentence for problem in found)


def test_every_rule_has_a_bad_file() -> None:
    """A rule nobody can break would be a rule nobody tested."""
    assert {rule_of(file) for file in BAD} == set(RULES)


def test_the_shipped_files_are_free_of_problems() -> None:
    """What we ship passes our own linter, the sample of the site's file included."""
    assert lint_files(shipped()) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        (
            "ringfence-dial.conf",
            "exten => s,1,Set(RINGFENCE_DECISION=)\n same => n",
            "exten => s,1",
            "verdict-not-cleared",
        ),
        ("ringfence-dial.conf", '"${word}" = "ALLOW"', '"${word}" != "DENY"', "verdict-not-tested"),
        ("ringfence-dial.conf", "gib(ringfence-trunk^s^1(${token}^${number}))", "gi", "dial-unguarded"),
        (
            "ringfence-trunk.conf",
            '"${word}" = "PASS"',
            '"${word}" != "FAIL"',
            "verdict-not-tested",
        ),
        (
            "ringfence-trunk.conf",
            "exten => s,1,Set(RINGFENCE_TRUNK=)\n same => n",
            "exten => s,1",
            "verdict-not-cleared",
        ),
        ("ringfence-outcome.conf", "ringfence-outcome]", "ringfence-outcomes]", "target-missing"),
        ("ringfence-trunk.conf", "${GLOBAL(RINGFENCE_AGI)}", "${RINGFENCE_AGI}", "global-shadowed"),
        ("ringfence-dial.conf", "n(nobody)", "n(noone)", "target-missing"),
        ("ringfence-objection.conf", "exten => queue,1", "exten => _X.,1", "line-leads-out"),
        ("ringfence-objection.conf", "Playback(ringfence/please", "Background(ringfence/please", "line-leads-out"),
        ("ringfence-objection.conf", "[ringfence-objection]", "[ringfence-objections]", "target-missing"),
        ("ringfence-objection.conf", "LOCAL(person)=ringfence-person", "LOCAL(person)=${ARG2}", "line-leads-out"),
        (
            "ringfence-objection.conf",
            "${GLOBAL(RINGFENCE_OBJECTION_PROCESSES)}",
            "${RINGFENCE_OBJECTION_PROCESSES}",
            "global-shadowed",
        ),
        ("ringfence-site.conf.sample", "exten => 112,", "exten => _11[02],", "emergency-not-exact"),
    ],
)
def test_breaking_a_shipped_file_is_noticed(file: str, old: str, new: str, rule: str) -> None:
    """The traps are found in files of real size too, not only in the small bad ones."""
    texts = shipped()
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new)
    assert rule in {problem.rule for problem in lint_files(texts)}


def test_a_jump_into_an_included_file_that_is_not_given_is_let_pass() -> None:
    """What cannot be known is not reported."""
    text = "[agents]\ninclude => elsewhere\nexten => s,1,Goto(agents,300,1)\n"
    assert lint(text, "agents.conf") == []


def test_a_jump_to_a_number_finds_the_pattern_that_takes_it() -> None:
    """`Goto(1234,1)` reaches `_1X.`; `Goto(2234,1)` does not."""
    text = "[agents]\nexten => _1X.,1,Hangup()\nexten => s,1,Goto({},1)\n"
    assert lint(text.format("1234"), "a.conf") == []
    assert [problem.rule for problem in lint(text.format("2234"), "a.conf")] == ["target-missing"]


def test_arguments_are_split_only_between_brackets_and_quotes() -> None:
    """`Dial(a,30,b(x^1(p,q)))` has three arguments."""
    assert arguments('a,30,b(x^1(p,q)),"1,2"') == ["a", "30", "b(x^1(p,q))", '"1,2"']


def test_every_gate_context_of_the_shipped_files_stands_once() -> None:
    """Two contexts of one name would be joined by Asterisk without a word."""
    contexts = [name for text in shipped().values() for name in re.findall(r"^\[([^]]+)\]", text, re.MULTILINE)]
    assert sorted(contexts) == sorted(set(contexts))
    assert {"ringfence-agents", "ringfence-dial", "ringfence-trunk", "ringfence-outcome", "ringfence-objection"} <= set(
        contexts
    )
