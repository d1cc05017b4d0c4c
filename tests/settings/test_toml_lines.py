"""Where keys stand in a TOML text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asterisk_plugin.settings.toml_lines import key_lines, line_of, line_of_error

TEXT = '''# a comment with [brackets] and "quotes
top = 1

[table]
key = "a # that is no comment"  # and one that is
"quoted key" = [
    "x]",  # ] in a string and in a comment
    { inner = 2 },
]
text = """
[not.a.table]
last = "line""""
after.dotted = 'c:\\path'

[[array]]
name = "first"

[array.sub]
deep = true

[[array]]
name = "second"
[[array.nested]]
x = 1
[[array.nested]]
x = 2

[a.b.c]
d = {}
odd = """a""""  # "]
z = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("table",), 4),
        (("table", "key"), 5),
        (("table", "quoted key"), 6),
        (("table", "text"), 10),
        (("table", "after"), 13),
        (("table", "after", "dotted"), 13),
        (("array",), 15),
        (("array", 0, "name"), 16),
        (("array", 0, "sub", "deep"), 19),
        (("array", 1), 21),
        (("array", 1, "name"), 22),
        (("array", 1, "nested", 1, "x"), 26),
        (("a", "b", "c", "d"), 29),
        (("a", "b", "c", "z"), 31),
    ],
)
def test_a_key_is_found_on_its_line(path, line):
    """Headers, dotted and quoted keys, strings over several lines, tables of arrays."""
    assert key_lines(TEXT)[path] == line


def test_what_is_not_there_is_at_the_nearest_table_around_it():
    """A missing key is reported where it should have been."""
    lines = key_lines(TEXT)
    assert line_of(lines, ("array", 1, "missing")) == 21
    assert line_of(lines, ("table", "quoted key", 1, "inner")) == 6
    assert line_of(lines, ("nowhere",)) == 0


def test_every_key_tomllib_finds_has_a_line():
    """No key of a table or of an array of tables is overlooked, and none is invented."""
    lines = key_lines(TEXT)

    def paths(value, path):
        if path:
            yield path
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from paths(inner, (*path, key))
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for place, inner in enumerate(value):
                yield from paths(inner, (*path, place))

    assert set(paths(tomllib.loads(TEXT), ())) == set(lines)


@given(st.text())
def test_text_that_is_no_toml_never_raises(text):
    """The finder may be asked about anything."""
    key_lines(text)


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\n\n[x\n", 3), ('a = """\n\n', 2), ("a = [1,\n2,\n", 2)]
)
def test_a_toml_error_has_its_line(text, line):
    """The line that tomllib names, and the last one when the text ends too early."""
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert line_of_error(str(caught.value), text) == line
