"""The import rule and the purity of the core, as tests.

If one of these fails, do not add an exception here: move the code, or pass the value in as an argument.
"""

import ast
import pathlib

import pytest

PACKAGE = "asterisk_plugin"
ROOT = pathlib.Path(__file__).parents[1] / PACKAGE
CORE, PORTS, SETTINGS = (
    {"core", "errors"},
    {"core", "ports", "errors"},
    {"core", "ports", "errors", "settings"},
)
MAY_IMPORT = {  # part of the package: what it may import beside itself
    "errors": set(),
    "core": {"errors"},
    "ports": CORE,
    "settings": CORE,
    "callflow": PORTS | {"detection"},
    "detection": {"core", "errors"},
    **dict.fromkeys(("agi", "ami", "audiosocket", "store", "ledger", "admin", "audio"), SETTINGS),
}
ROOTS = {"app", "cli", "__main__", "service", "workers"}
"""Composition: they know everybody, and nobody below knows them."""

PURE_MAY_USE = {
    *(
        "__future__",
        "abc",
        "bisect",
        "codecs",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
    ),
    *(
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "math",
        "operator",
        "re",
        "string",
        "struct",
        "types",
        "typing",
        "unicodedata",
    ),
    *("zoneinfo", "phonenumbers", "holidays"),
}
HEARS_WITH = {"numpy"}
"""What detection may use besides."""

CLOCK_READS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "time_ns", "monotonic_ns"}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "compile"}
MODULES = sorted(ROOT.rglob("*.py"))


def part_of(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def is_pure(path: pathlib.Path) -> bool:
    return part_of(path) in ("core", "detection") or path.name == "wire.py"


def imports_of(tree: ast.AST):
    """(dotted name, level) of every import, those under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.level) for alias in node.names)


def import_faults(path: pathlib.Path, tree: ast.AST) -> list[str]:
    part, faults = part_of(path), []
    for name, level in imports_of(tree):
        head, *rest = name.split(".")
        if level:
            faults.append(f"relative import of {name}")
        elif head == PACKAGE and part not in ROOTS:
            target = rest[0] if rest else ""
            allowed = MAY_IMPORT.get(part, set()) | {part}
            if target != "__version__" and target not in allowed:
                faults.append(f"{part} may not import {name}")
        elif (
            head != PACKAGE
            and is_pure(path)
            and head not in PURE_MAY_USE | (HEARS_WITH if part == "detection" else set())
        ):
            faults.append(f"pure code may not import {name}")
        if head == PACKAGE and path.name == "wire.py" and rest[:1] not in (["errors"], ["core"], ["ports"]):
            faults.append(f"a wire module may not import {name}")
    return faults


def purity_faults(tree: ast.AST) -> list[str]:
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            faults.append(f"line {node.lineno}: pure code never waits")
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS and not is_value(node):
            faults.append(f"line {node.lineno}: pass now in, do not call {node.func.attr}()")
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            faults.append(f"line {node.lineno}: pure code does not call {node.func.id}()")
    return faults


def is_value(call: ast.Call) -> bool:
    """`moment.time()` of a value and `dt.time(9)` are no clock reads; `time.time()` is."""
    assert isinstance(call.func, ast.Attribute)
    owner = call.func.value
    return call.func.attr == "time" and not (isinstance(owner, ast.Name) and owner.id == "time")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path):
    """Every import stays in its own part or points further in; pure code uses pure modules."""
    assert import_faults(path, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if is_pure(path)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pure_code_is_pure(path):
    """No clock, no waiting, no files in the core and the wire modules."""
    assert purity_faults(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path):
    """Nobody reads a file of more than 500 lines."""
    assert len(path.read_text().splitlines()) <= 500


def test_every_part_is_known():
    """A new folder gets its line in the import rule."""
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= MAY_IMPORT.keys() | ROOTS


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("core/x.py", "import redis"),
        ("core/x.py", "import logging"),
        ("core/x.py", "import numpy"),
        ("detection/x.py", "import time"),
        ("detection/x.py", "from asterisk_plugin.ports import Store"),
        ("detection/x.py", "from asterisk_plugin.audio import companding"),
        ("core/x.py", "from asterisk_plugin.ports import Store"),
        ("core/x.py", "from . import engine"),
        ("agi/wire.py", "import asyncio"),
        ("agi/wire.py", "from asterisk_plugin.agi import server"),
        ("agi/server.py", "from asterisk_plugin.callflow import outbound"),
        ("agi/server.py", "from asterisk_plugin import callflow"),
        ("agi/server.py", "import asterisk_plugin"),
        ("callflow/x.py", "from asterisk_plugin.settings.service import RingfenceFile"),
        ("settings/x.py", "from asterisk_plugin.ports import Store"),
        ("ports/x.py", "from asterisk_plugin.store import link"),
        ("ledger/x.py", "from asterisk_plugin.app import run"),
    ],
)
def test_the_import_rule_catches_planted_violations(file, code):
    """A rule that catches nothing would pass for ever."""
    assert import_faults(ROOT / file, ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "dt.datetime.now()",
        "dt.date.today()",
        "time.time()",
        "time.monotonic()",
        "open('x')",
        "async def f(): pass",
    ],
)
def test_the_purity_rule_catches_planted_violations(code):
    """The same for clocks, files and waiting."""
    assert purity_faults(ast.parse(code))


@pytest.mark.parametrize("code", ["dt.time(9)", "moment.time()", "combine(day, now)"])
def test_the_purity_rule_lets_values_be(code):
    """A time of day is a value."""
    assert purity_faults(ast.parse(code)) == []
