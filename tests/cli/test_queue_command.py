"""`ringfence queue`: the report for people and programs, the evidence as CSV, the picture."""

from __future__ import annotations

import csv
import datetime as dt
import json
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from record_keeping import Desk

from asterisk_plugin.callflow.queue_evidence import joined_event, left_event, told_event, wait_id
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.ledger.bulk import append_all
from asterisk_plugin.settings.data_dir import DataDir

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
MADE = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def waited(desk: Desk, number: int, waited_s: float, *told_s: float, how=Left.ANSWERED, queue="support", day=0, **more):
    """Record one wait; gives its id."""
    directory = DataDir(desk.data_dir)
    directory.prepare()
    secret, at = directory.secret(), AT + dt.timedelta(days=day, seconds=number)
    wait = wait_id(secret, f"pbx-1.{number}", f"PJSIP/x-{number}", f"{number}.5")
    end = at + dt.timedelta(seconds=waited_s)
    events = [joined_event(wait, queue=queue, principal="tulip", at=at, unanswered=True)]
    for one in told_s:
        moment = at + dt.timedelta(seconds=one)
        events.append(
            told_event(
                wait, queue=queue, at=moment, waited_s=one, said=("about",), estimate_s=90, position=1, is_whole=True
            )
        )
    if how is not None:
        agent = more.get("agent", "PJSIP/agent17")
        events.append(
            left_event(
                wait, secret=secret, queue=queue, at=end, how=how, waited_s=waited_s, charged_from=end, agent=agent
            )
        )
    append_all(directory.ledger_url, events, secret=secret)
    return wait


def ran(desk: Desk, *arguments: str) -> str:
    said = desk.run("queue", *arguments)
    assert said.code == 0, said.err
    return said.out


def refused(desk: Desk, *arguments: str) -> str:
    """Gives the one line that says why."""
    said = desk.run("queue", *arguments)
    assert said.code == 2, said.out + said.err
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


def test_the_report_says_who_was_served(desk: Desk):
    """And names who was not."""
    waited(desk, 1, 100, 1, 59)
    waited(desk, 2, 200, 1, 59, 117, 175)
    silent = waited(desk, 3, 170, 2, how=Left.ABANDONED)
    going_on = waited(desk, 4, 0, 1, how=None)
    out = ran(desk, "report")
    assert "all queues, since recording began: 4 waits" in out
    assert "abandoned 1, answered 2, open 1" in out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["answered in under 180 s, of all"] == ["33.3 %", "1 of 3", "1", "95 %, missed"]
    assert by_name["… without those who left before that"][:2] == ["50.0 %", "1 of 2"]
    assert by_name["told within 5 s of joining"] == ["100.0 %", "4 of 4", "", "100 %"]
    assert by_name["told at least every 60 s"] == ["66.6 %", "2 of 3", "1", "100 %, missed"]
    assert f"once not told for more than 60 s: {silent}" in out
    assert f"no end in the evidence: {going_on}" in out


def test_the_limits_can_be_others(desk: Desk):
    """Another country, a contract."""
    waited(desk, 1, 100, 1, 59)
    report = json.loads(ran(desk, "report", "--json", "--under", "90", "--every", "50"))
    assert report["limits"]["answered_in_under_s"] == 90
    assert report["all"]["shares"]["in_time"]["of_known"] == 0
    assert report["all"]["shares"]["told_throughout"]["of_known"] == 0


def test_json_is_by_queue_and_period(desk: Desk):
    """Days are whole, the last one too."""
    waited(desk, 1, 100, 1, 59)
    sold = waited(desk, 2, 100, 30, queue="sales", day=1)
    waited(desk, 3, 100, 1, 59, day=2)
    asked = ("--since", "2026-11-24", "--until", "2026-11-25")
    report = json.loads(ran(desk, "report", "--json", *asked))
    assert (report["since"], report["until"]) == ("2026-11-24", "2026-11-25")
    assert report["all"]["waits"] == 2
    assert report["queues"].keys() == {"support", "sales"}
    assert report["queues"]["sales"]["named"]["late_told"] == [sold]
    assert report["all"]["histogram"][-1]["to_s"] is None
    assert json.loads(ran(desk, "report", "--json", "--queue", "sales", *asked))["all"]["waits"] == 1
    out = ran(desk, "report", *asked)
    assert "2026-11-24 to 2026-11-25, whole days (UTC): 2 waits" in out
    assert "│ sales " in out


def test_single_waits_are_evidence_and_harmless(desk: Desk, tmp_path: Path):
    """No formula, no number; readable by its owner only."""
    wait = waited(desk, 1, 100, 1, 59, agent="=HYPERLINK(1)")
    waited(desk, 2, 0, how=None)
    file = tmp_path / "waits.csv"
    assert "waits.csv: written" in ran(desk, "report", "--waits", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="", encoding="utf-8") as text:
        going_on, row = csv.DictReader(text)
    assert row["wait"] == wait
    assert row["agent"] == "'=HYPERLINK(1)"
    assert (row["left"], row["waited_s"], row["in_time"], row["told_throughout"]) == ("answered", "100.0", "yes", "yes")
    assert row["told"] == "1.0 s: about (90 s) | 59.0 s: about (90 s)"
    assert row["charged_from"] == row["left_at"] == "2026-11-24T10:01:41+00:00"
    assert (going_on["left"], going_on["waited_s"], going_on["in_time"]) == ("", "", "")


@pytest.mark.parametrize("name", ["picture.png", "picture.svg", "picture.pdf", "PICTURE.PNG"])
def test_the_picture_is_one(desk: Desk, tmp_path: Path, name: str):
    """Of the kind that its name says, with everything on it."""
    for number in range(30):
        waited(desk, number, 20 + 9 * number, 1, 59, how=Left.ABANDONED if number % 7 == 0 else Left.ANSWERED)
    file = tmp_path / name
    ran(desk, "report", "--plot", str(file))
    assert file.read_bytes().startswith(MADE[file.suffix.lower()])
    assert [one.name for one in tmp_path.iterdir() if "icture" in one.name.lower()] == [name]
    if file.suffix == ".svg":
        tree = ElementTree.parse(file)
        assert len(list(tree.iter("{http://www.w3.org/2000/svg}path"))) > 50
        text = file.read_text()
        for said in ("All queues, since recording began: 30 waits", "answered by an agent (25)", "minutes told"):
            assert f"<!-- {said} -->" in text


def test_a_picture_of_one_call_that_nobody_answered(desk: Desk, tmp_path: Path):
    """Nothing to compare, one hour, one bar."""
    waited(desk, 1, 0, how=Left.ABANDONED, queue="$x_{")
    ran(desk, "report", "--queue", "$x_{", "--plot", str(tmp_path / "one.svg"))
    assert "Times told: none to compare" in (tmp_path / "one.svg").read_text()


def test_what_cannot_be_done_is_one_line(desk: Desk, tmp_path: Path):
    """And no file is left or lost."""
    assert "nothing was ever recorded" in refused(desk, "report")
    waited(desk, 1, 0, how=None)
    assert "must end with .png, .svg or .pdf" in refused(desk, "report", "--plot", str(tmp_path / "picture.gif"))
    for name in ("no/such/folder/x.csv", "ledger/x.csv", "."):
        desk.write("ledger", "a file")
        assert "is no file" in (why := refused(desk, "report", "--waits", str(tmp_path / name))) or "written" in why
    (tmp_path / "kept.svg").write_text("before")
    assert "nothing to draw" in refused(desk, "report", "--plot", str(tmp_path / "kept.svg"))
    assert (tmp_path / "kept.svg").read_text() == "before"
    assert "`yesterday` is no date; a date such as" in refused(desk, "report", "--since", "yesterday")
    assert "must not lie before" in refused(desk, "report", "--since", "2026-11-02", "--until", "2026-11-01")
    assert "out of range" in refused(desk, "report", "--until", "9999-12-31")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "kept.svg", "ledger"]


def test_a_period_without_waits(desk: Desk):
    """Said in one line."""
    waited(desk, 1, 10, 1)
    assert ran(desk, "report", "--until", "2020-01-01").strip().endswith("2020-01-01 (UTC): 0 waits")
    assert ran(desk, "waits", "--queue", "none").strip() == "no wait is recorded in queue `none`"


def test_the_newest_waits_come_first(desk: Desk):
    """One a line, or as JSON."""
    names = [waited(desk, number, 70, 1, 59, day=number) for number in range(3)]
    listed = json.loads(ran(desk, "waits", "--limit", "2", "--json"))
    assert [one["wait"] for one in listed] == [names[2], names[1]]
    assert listed[0]["told"][1]["waited_s"] == 59
    out = ran(desk, "waits", "--queue", "support")
    assert [line.split("│")[-2].strip() for line in out.splitlines() if "pport" in line] == names[::-1]
    assert "answered by PJSIP/agent17" in out
    assert "1 59 s" in out


def test_the_service_does_not_load_what_draws():
    """It takes most of a second and 30 MB."""
    code = "import sys, asterisk_plugin.service, asterisk_plugin.cli.main, asterisk_plugin.cli.queue_report"
    code += "; sys.exit('matplotlib' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
