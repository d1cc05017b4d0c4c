"""`ringfence report campaign`: for people and programs, the picture, the evidence."""

from __future__ import annotations

import datetime as dt
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from record_keeping import Desk

from asterisk_plugin.core.attempt_end import AttemptEnd, Heard, Outcome, body_of
from asterisk_plugin.ledger.bulk import append_all
from asterisk_plugin.ports import Event, EventKind
from asterisk_plugin.settings.data_dir import DataDir

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
MADE = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


def record(desk: Desk, *ends: AttemptEnd) -> None:
    """Write ends of attempts, as a service does."""
    directory = DataDir(desk.data_dir)
    directory.prepare()
    events = [
        Event(end.attempt_id[::-1], EventKind.ATTEMPT_ENDED, end.began_at + dt.timedelta(minutes=1), body=body_of(end))
        for end in ends
    ]
    assert append_all(directory.ledger_url, events, secret=directory.secret()) == len(ends)


def ended(number: int, outcome: Outcome = Outcome.PERSON, *, day: int = 0, **values: object) -> AttemptEnd:
    began_at = AT + dt.timedelta(days=day, seconds=number)
    known = {"attempt_id": f"{number:032x}", "campaign": "linde-de", "principal": "linde", "began_at": began_at}
    return AttemptEnd(**{**known, "outcome": outcome, **values})


def some() -> list[AttemptEnd]:
    """Ten attempts of two days: four live calls, one of them silent, one abandoned."""
    answered = {"ring_s": 12.0, "answer_s": 13.0, "greeting_s": 1.0, "talk_s": 60.0}
    return [
        ended(1, agent_s=1.5, **answered),
        ended(2, agent_s=3.5, **answered),
        ended(3, Outcome.ABANDONED, message_s=2.0, **answered),
        ended(4, Outcome.SILENT, day=1, is_sure=False, **answered),
        ended(5, Outcome.NO_ANSWER, ring_s=40.0),
        ended(6, Outcome.DROPPED, ring_s=4.0),
        ended(7, Outcome.NO_ANSWER, day=1, ring_s=44.0),
        ended(8, Outcome.MACHINE, day=1, heard=Heard.MACHINE, heard_why="beep", **answered),
        ended(9, Outcome.BUSY),
        ended(10, Outcome.FAILED),
    ]


def ran(desk: Desk, *arguments: str, campaign: str = "linde-de") -> str:
    said = desk.run("report", "campaign", campaign, *arguments)
    assert said.code == 0, said.out + said.err
    return said.out


def refused(desk: Desk, *arguments: str, campaign: str = "linde-de") -> str:
    """Gives the one line that says why."""
    said = desk.run("report", "campaign", campaign, *arguments)
    assert said.code == 2, said.out + said.err
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


def cells(out: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_the_report_for_people(desk: Desk):
    """Outcomes, shares with their worst day, times, limits, and who is behind the figures."""
    record(desk, *some(), ended(11, campaign="linde-b2b"))
    out = ran(desk)
    assert "campaign linde-de of Linde Versand GmbH, since recording began: 10 attempts" in out
    assert "answered 5, by a person (live) 4" in out
    rows = cells(out)
    assert rows["silent"] == ["1", "10.0 %", "1"]
    assert rows["abandoned (the message was played), of live calls"][:2] == ["25.0 %", "1 of 4"]
    assert rows["silent (nothing was played), of live calls"][3] == "2026-11-25: 100.0 % (1)"
    assert rows["abandoned or silent, of all attempts"][:2] == ["20.0 %", "2 of 10"]
    assert rows["agent within 2 s of the greeting, of live calls"][:2] == ["25.0 %", "1 of 4"]
    limit = rows["de.members.branchenkodex.abandoned_rate.lost"]
    assert limit[:4] == ["abandoned or silent, of all attempts, each day", "3 %", "2", "2"]
    assert limit[4:] == ["2026-11-25: 33.4 % (1 of 3)", "2026-11-25: 33.4 % (1 of 3)"]
    assert rows["2026-11-24"] == ["7", "3", "1", "0", "33.3 %", "14.2 %"]
    assert rows["11:00 to 11:59"] == ["10", "4", "2"]
    assert "15 to 40 s (Branchenkodex of DDV and CCV 2015; DE)" in out
    assert "given up sooner: 1; rang longer: 1" in out
    assert "machines, by what showed them: beep 1" in out
    assert "not wholly seen: 1; they are counted as the worst" in out
    assert f"an agent came later than 2 s: {2:032x}" in out


def test_json_is_of_a_period_of_local_days(desk: Desk):
    """The day of the site, the last one whole; and the ledger's head."""
    midnight = dt.datetime(2026, 11, 24, 23, 30, tzinfo=dt.UTC)  # half past midnight in Berlin
    record(desk, *some(), ended(11, Outcome.BUSY, began_at=midnight))
    values = json.loads(ran(desk, "--json", "--since", "2026-11-25", "--until", "2026-11-25"))
    assert (values["since"], values["until"], values["zone"]) == ("2026-11-25", "2026-11-25", "Europe/Berlin")
    assert values["report"]["attempts"] == 4
    assert values["report"]["outcomes"]["busy"] == 1
    assert values["report"]["shares"]["silent"]["of_known"] == 1
    assert values["report"]["delay_histogram"][-1]["to_s"] is None
    verified = json.loads(desk.run("evidence", "verify", "--json").out)
    assert values["ledger"]["row"] == verified["rows"]
    assert values["ledger"]["hash"] == verified["head_hash"]


def test_the_country_can_be_another(desk: Desk):
    """Where the rulebook is silent the gate's own limits count."""
    record(desk, *some())
    out = ran(desk, "--country", "nl")
    assert "(the gate's own, the rulebook is silent; NL)" in out
    assert "no limit is in force for this campaign in NL" in out
    windows = json.loads(ran(desk, "--country", "us", "--since", "2026-11-24", "--json"))["report"]["windows"]
    assert [(one["formula"], one["abandoned"], one["of"], one["share"], one["max_share"]) for one in windows] == [
        ("abandoned or silent, of live calls, each 30 days", 2, 4, 0.5, 0.03)
    ]
    assert (windows[0]["first_day"], windows[0]["last_day"]) == ("2026-11-16", "2026-12-15")
    assert not windows[0]["is_kept"]
    assert not windows[0]["is_whole"]
    assert "agent within 3 s of the answer, of live calls" in ran(desk, "--country", "it")
    assert "there is no rulebook of `XX`; " in refused(desk, "--country", "XX")


@pytest.mark.parametrize("name", ["picture.png", "picture.svg", "picture.pdf"])
def test_the_picture_has_four_panels(desk: Desk, tmp_path: Path, name: str):
    """Of the kind that its name says, the same each time."""
    record(desk, *some())
    file = tmp_path / name
    assert f"{file}: written" in ran(desk, "--plot", str(file))
    made = file.read_bytes()
    assert made.startswith(MADE[file.suffix])
    assert len(made) > 10_000
    ran(desk, "--plot", str(file))
    assert file.read_bytes() == made
    if file.suffix == ".svg":
        for said in (
            *("Campaign linde-de, since recording began: 10 attempts", "Calls without an agent, by day"),
            *("How attempts ended, by day", "How long it rang", "How soon an agent was there"),
            "at most 3 % abandoned or silent, of all attempts, each day",
            *(
                "at least 15 s",
                "at most 2 s",
                "at most 3 % abandoned or silent, of all attempts, each day",
                "at most 2 s",
                "person (2)",
                "seconds it rang",
                "abandoned, of live calls",
            ),
        ):
            assert f"<!-- {said} -->" in file.read_text()


@pytest.mark.parametrize("outcome", Outcome)
def test_a_picture_of_one_attempt(desk: Desk, tmp_path: Path, outcome: Outcome):
    """Nothing is there to compare."""
    record(desk, ended(1, outcome))
    ran(desk, "--plot", str(tmp_path / "one.svg"))
    assert f"<!-- {outcome.value} (1) -->" in (tmp_path / "one.svg").read_text()


def test_evidence_is_all_that_was_counted(desk: Desk, tmp_path: Path):
    """Each attempt with its row, the figures, and the head that the ledger must still have; no number of anybody."""
    ends = some()
    record(desk, ended(99, campaign="linde-b2b"), *ends)
    file = tmp_path / "evidence.json"
    assert f"{file}: written" in ran(desk, "--evidence", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = json.loads(file.read_text())
    assert values["report"] == json.loads(ran(desk, "--json"))["report"]
    assert {one["attempt_id"]: one["outcome"] for one in values["attempts"]} == {
        end.attempt_id: end.outcome.value for end in ends
    }
    assert sorted(one["row"] for one in values["attempts"]) == list(range(2, 12))
    silent = next(one for one in values["attempts"] if one["outcome"] == "silent")
    assert silent["began_at"] == "2026-11-25T10:00:04+00:00"
    assert silent["ended_at"] == "2026-11-25T10:01:04+00:00"
    assert silent["ring_s"] == 12
    assert not silent["is_sure"]
    program, *check = values["ledger"]["check"].split()
    assert program == "ringfence"
    assert desk.run(*check).code == 0
    row, digest = check[-1].split(":")
    forged = desk.run(*check[:-1], f"{row}:{'0' * len(digest)}")
    assert forged.code == 1, forged.out


def test_evidence_is_not_written_over(desk: Desk, tmp_path: Path):
    """Unless that is wanted; and nothing is left of what failed."""
    record(desk, *some())
    file = tmp_path / "evidence.json"
    file.write_text("before")
    assert "is there already; name another file, or --force" in refused(desk, "--evidence", str(file))
    assert file.read_text() == "before"
    ran(desk, "--evidence", str(file), "--force")
    assert json.loads(file.read_text())["report"]["attempts"] == 10
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "evidence.json"]


def test_a_period_without_attempts(desk: Desk, tmp_path: Path):
    """Said in one line; evidence of nothing is evidence, a picture of nothing is none."""
    record(desk, *some())
    asked = ("--until", "2020-01-01")
    assert ran(desk, *asked).strip().endswith("up to and with 2020-01-01 (Europe/Berlin): 0 attempts")
    file = tmp_path / "none.json"
    ran(desk, *asked, "--evidence", str(file))
    assert json.loads(file.read_text())["attempts"] == []
    assert "nothing to draw" in refused(desk, *asked, "--plot", str(tmp_path / "none.png"))
    assert json.loads(ran(desk, *asked, "--json"))["report"]["shares"]["lost"]["of_known"] is None


def test_what_cannot_be_done_is_one_line(desk: Desk, tmp_path: Path):
    """And no file is left."""
    assert "there is no campaign `linde-dee`; " in (why := refused(desk, campaign="linde-dee"))
    assert "did you mean `linde-de`?" in why
    assert "nothing was ever recorded" in refused(desk)
    record(desk, *some())
    assert "must end with .png, .svg or .pdf" in refused(desk, "--plot", str(tmp_path / "picture.gif"))
    assert "cannot be written" in refused(desk, "--evidence", str(tmp_path / "no/such/folder.json"))
    assert "`soon` is no date" in refused(desk, "--since", "soon")
    assert "must not lie before" in refused(desk, "--since", "2026-11-02", "--until", "2026-11-01")
    for day in ("9999-12-30", "9999-12-31"):
        assert "out of range" in refused(desk, "--until", day)
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


def test_the_report_does_not_load_what_draws():
    """It takes most of a second and 30 MB."""
    code = "import sys, asterisk_plugin.cli.campaign_report, asterisk_plugin.cli.campaign_tables"
    code += "; sys.exit('matplotlib' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
