"""Importing files: every mistake by its line, all or nothing, never twice."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from record_keeping import ANNE, BERT, Desk

HEADER = "number,principal,purpose,product,given_at"
GOOD = f"{ANNE},tulip,sales,electricity,2026-01-15"

STOPS_WHILE_WRITING = """
import contextlib, signal, sys
from asterisk_plugin.cli import imports
from asterisk_plugin.cli.main import app

def stop(rows):
    print("rows written:", rows, flush=True)
    signal.pause()

@contextlib.contextmanager
def progress(path):
    yield (lambda read: None), stop

imports._progress = progress
app(sys.argv[1:])
"""


def test_an_imported_consent_can_be_read_back_word_for_word(desk: Desk):
    """What was agreed to is the proof; it must not change on the way."""
    file = desk.write("c.csv", f'{HEADER},wording,proof\n{GOOD},"Yes, call me — “any” day",rec/7.wav\n')
    said = desk.run("consent", "import", file)
    assert (said.code, said.err) == (0, "")
    (consent,) = desk.history(ANNE)
    assert consent["sealed"]["wording"] == "Yes, call me — “any” day"
    assert consent["sealed"]["proof"] == "rec/7.wav"
    assert consent["body"]["given_at"] == "2026-01-14T23:00:00+00:00"  # the day begins where the person is
    assert consent["body"]["channel"] == "import"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (",tulip,sales,electricity,2026-01-15", "number is missing"),
        ("12,tulip,sales,electricity,2026-01-15", "number `12` cannot be used"),
        (f"{ANNE},tulp,sales,electricity,2026-01-15", "did you mean `tulip`?"),
        (f"{ANNE},,sales,electricity,2026-01-15", "principal is missing"),
        (f"{ANNE},tulip,sale,electricity,2026-01-15", "did you mean `sales`?"),
        (f"{ANNE},tulip,sales,,2026-01-15", "product is missing"),
        (f"{ANNE},tulip,sales,a|b,2026-01-15", "may not hold `|`"),
        (f"{ANNE},tulip,sales,electricity,15.01.2026", "`15.01.2026` is no moment"),
        (f"{ANNE},tulip,sales,electricity,", "given_at is missing"),
        (f"{ANNE},tulip,sales,electricity,2999-01-01", "lies in the future"),
        (f"{ANNE},tulip,sales,electricity", "has 4 field(s), the header names 5"),
    ],
)
def test_a_bad_line_is_named_with_what_is_allowed_and_nothing_is_taken(desk: Desk, row: str, complaint: str):
    """The good line beside it is not taken either."""
    said = desk.run("consent", "import", desk.write("c.csv", f"{HEADER}\n{GOOD}\n{row}\n"))
    assert said.code == 2
    assert "c.csv:3: " in said.err
    assert complaint in said.err
    assert "1 bad line(s), nothing was imported" in said.err
    assert desk.rows() == 0


@pytest.mark.parametrize(
    ("columns", "values", "complaint"),
    [
        ("expires_at", "2025-12-31", "expires_at lies before given_at"),
        ("callable_from", "2026-02-01", "belong to kind `requested-call`"),
        ("kind", "implied", "kind `implied` is unknown; it must be `express` or `requested-call`"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(desk: Desk, columns: str, values: str, complaint: str):
    """A permission is worth what each of its fields says."""
    said = desk.run("consent", "import", desk.write("c.csv", f"{HEADER},{columns}\n{GOOD},{values}\n"))
    assert said.code == 2
    assert complaint in said.err


@pytest.mark.parametrize("odd", ["\x1b[2J", "\x9b", "\u202e", "\u200b", "\x00", "\x7f", "\r"])
@pytest.mark.parametrize("column", ["wording", "number"])
def test_what_could_steer_a_terminal_is_refused_and_not_repeated(desk: Desk, odd: str, column: str):
    """Neither recorded nor printed."""
    number, wording = (f"{ANNE[:5]}{odd}{ANNE[5:]}", "") if column == "number" else (ANNE, f'"a{odd}b"')
    file = desk.write("o.csv", f'number,scope,wording\n"{number}",tulip,{wording}\n')
    said = desk.run("objections", "import", file)
    assert said.code == 2
    assert odd not in said.err
    assert desk.rows() == 0
    if odd != "\x00":  # no such file is CSV at all
        assert f"{column} has a character that cannot be printed, U+{ord(odd[0]):04X}" in said.err


def test_line_breaks_tabs_and_hard_spaces_are_text(desk: Desk):
    """Spreadsheets and people write them."""
    file = desk.write("o.csv", f'number,scope,wording\n{ANNE},tulip,"a\r\nb\tc\u00a0d\ne"\n')
    assert desk.run("objections", "import", file).code == 0


def test_twenty_bad_lines_are_shown_and_all_are_counted(desk: Desk):
    """A file with a wrong column must not scroll the reason away."""
    file = desk.write("c.csv", HEADER + "\n" + "x,tulip,sales,electricity,2026-01-15\n" * 57)
    said = desk.run("consent", "import", file)
    assert said.err.count("cannot be used") == 20
    assert "57 bad line(s)" in said.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "there is no header"),
        (b"number,principal,purpose,product\n", "column `given_at` is missing"),
        (b"number,princpal,purpose,product,given_at\n", "did you mean `principal`?"),
        (b"number,number,principal,purpose,product,given_at\n", "column `number` is there twice"),
        ("\ufeffnumber,principal\n".encode("utf-16-le"), "UTF-16; save it as UTF-8"),
        (f"{HEADER},name\n{GOOD},Jos\n{GOOD},".encode() + b"Jos\xe9\n", "c.csv:3: byte"),
        (f'{HEADER},name\n{GOOD},"never closed\n{GOOD},x\n'.encode(), "c.csv:2: cannot be read as CSV"),
        (b"x" * 70_000, "is this a CSV file?"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_with_the_reason(desk: Desk, content: bytes, complaint: str):
    """Whatever a spreadsheet program makes of it."""
    said = desk.run("consent", "import", desk.write("c.csv", content))
    assert said.code == 2
    assert complaint in said.err
    assert desk.rows() == 0


def test_semicolons_a_byte_order_mark_other_names_and_windows_lines_are_understood(desk: Desk):
    """That is what a Dutch or German spreadsheet writes."""
    header = "\ufeffPhone Number;Client;Purpose;Product-Group;Opt-in date"
    text = f"{header}\r\n{ANNE};tulip;sales;electricity;2026-01-15\r\n\r\n"
    said = desk.run("consent", "import", desk.write("c.csv", text))
    assert (said.code, said.err) == (0, "")
    assert desk.history(ANNE)[0]["body"]["product"] == "electricity"


def test_a_line_break_inside_quotes_does_not_shift_the_line_numbers(desk: Desk):
    """Wordings have several lines."""
    text = f'{HEADER},wording\n{GOOD},"one\ntwo\nthree"\nx,tulip,sales,electricity,2026-01-15,\n'
    assert "c.csv:5: number `x`" in desk.run("consent", "import", desk.write("c.csv", text)).err


def test_the_same_file_twice_adds_nothing(desk: Desk):
    """Repeating an import after a doubt is safe."""
    file = desk.write_consents("c.csv", [ANNE, BERT])
    assert "2 recorded" in desk.run("consent", "import", file).out
    rows = desk.rows()
    assert rows == 3  # two consents, one import
    assert "nothing was added" in desk.run("consent", "import", file).out
    assert desk.rows() == rows


def test_a_longer_export_adds_only_what_is_new(desk: Desk):
    """Next week's export holds this week's lines as well."""
    desk.run("consent", "import", desk.write_consents("one.csv", [ANNE]))
    said = desk.run("consent", "import", desk.write_consents("two.csv", [ANNE, BERT, BERT]))
    assert "3 consents read, 1 recorded, 2 known already" in said.out
    assert len(desk.history(ANNE)) == len(desk.history(BERT)) == 1


def test_an_import_that_is_killed_while_it_writes_leaves_nothing_and_can_be_repeated(desk: Desk):
    """All or nothing, also for kill -9."""
    desk.run("object", ANNE, "--everyone")
    before = desk.rows()
    numbers = [f"+3161234{place:04d}" for place in range(9000)]  # three portions
    file = desk.write_consents("c.csv", numbers)
    command = [sys.executable, "-c", STOPS_WHILE_WRITING, "--data-dir", str(desk.data_dir), "consent", "import", file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "rows written: 4000\n"
        process.send_signal(signal.SIGKILL)
    assert desk.rows() == before
    assert "9000 recorded" in desk.run("consent", "import", file).out
    assert desk.rows() == before + 9001


def test_objections_name_their_scope_or_the_command_does(desk: Desk):
    """A line that says nothing must not be guessed at."""
    file = desk.write("o.csv", f"number,scope\n{ANNE},linde\n{BERT},\n")
    assert "o.csv:3: scope is missing" in desk.run("objections", "import", file).err
    assert desk.run("objections", "import", file, "--everyone").code == 0
    assert [desk.history(number)[0]["body"]["scope"] for number in (ANNE, BERT)] == ["linde", "*"]


def test_objections_without_a_moment_are_not_doubled_by_a_later_repeat(desk: Desk):
    """Their moment is that of the first import, and no part of what they are."""
    file = desk.write("o.csv", f"number\n{ANNE}\n")
    desk.run("objections", "import", file, "--everyone")
    assert "nothing was added" in desk.run("objections", "import", file, "--everyone").out
    assert len(desk.history(ANNE)) == 1


def test_national_numbers_belong_to_the_country_that_is_named(desk: Desk):
    """The same digits are another person elsewhere."""
    file = desk.write("r.csv", "number,principal,product,started_on\n0612345001,tulip,electricity,2024-03-01\n")
    assert desk.run("relationship", "import", file, "--country", "nl").code == 0
    assert desk.history(ANNE)[0]["body"]["started_on"] == "2024-03-01"
    assert "is no country" in desk.run("relationship", "import", file, "--country", "XX").err


def test_an_end_before_the_start_is_refused(desk: Desk):
    """Dates the wrong way round are a swapped column."""
    text = f"number,principal,product,started_on,ended_on\n{ANNE},tulip,electricity,2024-03-01,2023-03-01\n"
    assert "ended_on lies before started_on" in desk.run("relationship", "import", desk.write("r.csv", text)).err


def test_a_file_that_is_not_there_is_one_clear_line(desk: Desk):
    """No traceback."""
    said = desk.run("consent", "import", str(desk.folder / "none.csv"))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "cannot be read: No such file" in said.err
