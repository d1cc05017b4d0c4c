"""`object`, `consent`, `relationship`, `evidence`: recorded first, in force at once when there is a store."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3

import pytest
from record_keeping import ANNE, BERT, Desk

from tests.lab import clock

# After every moment of these tests, and soon enough for a consent that states no term.
TUESDAY = f"{clock.next_working_tuesday():%Y-%m-%dT%H:%M}"
GIVEN = f"{clock.next_working_tuesday().date() - dt.timedelta(days=30)}"


def decided(desk: Desk, number: str) -> tuple[str, str]:
    said = desk.run("check", number, "--campaign", "tulip-nl", "--at", TUESDAY, "--json")
    verdict = json.loads(said.out)
    return verdict["decision"], verdict["reason"]


def add_consent(desk: Desk, *more: str) -> str:
    said = desk.run(
        "consent", "add", ANNE, "--principal", "tulip", "--purpose", "sales", "--product", "electricity", *more
    )
    assert said.code == 0, said.err
    return said.out


def test_every_record_decides_the_very_next_call(desk_with_store: Desk):
    """Consent allows, withdrawal ends it, an objection outweighs everything."""
    desk = desk_with_store
    assert decided(desk, ANNE) == ("DENY", "consent-missing")
    assert "in force now" in add_consent(desk, "--given-at", GIVEN)
    assert decided(desk, ANNE) == ("ALLOW", "")
    desk.run("consent", "withdraw", ANNE, "--principal", "tulip", "--purpose", "sales")
    assert decided(desk, ANNE)[0] == "DENY"
    said = desk.run("object", ANNE, "--principal", "tulip", "--channel", "agent")
    assert "in force now" in said.out
    assert decided(desk, ANNE) == ("DENY", "objection")


def test_an_import_decides_the_very_next_call(desk_with_store: Desk):
    """A file is in force when the command ends."""
    file = desk_with_store.write_consents("c.csv", [BERT], given=GIVEN)
    assert "in force now" in desk_with_store.run("consent", "import", file).out
    assert decided(desk_with_store, BERT) == ("ALLOW", "")


def test_an_objection_without_a_store_is_recorded_and_says_when_it_counts(desk: Desk):
    """The ledger is what counts; the store follows."""
    said = desk.run("object", ANNE, "--everyone", "--wording", "never again", "--by", "kim")
    assert said.code == 0
    assert "takes effect when a service is up" in said.out
    (objection,) = desk.history(ANNE)
    assert objection["sealed"] == {"number": ANNE, "wording": "never again"}
    assert objection["body"] == {
        "scope": "*", "channel": "cli", "by": "kim", "reference": said.out.split()[0], "certainty": "stated",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((ANNE,), "--principal ID, or --everyone"),
        ((ANNE, "--everyone", "--principal", "tulip"), "exclude each other"),
        ((ANNE, "--principal", "tulp"), "did you mean `tulip`?"),
        (("112", "--everyone"), "it is nobody's own number"),
        (("abc", "--everyone"), "only digits"),
    ],
)
def test_an_objection_that_cannot_be_meant_is_refused(desk: Desk, arguments: tuple[str, ...], complaint: str):
    """Nothing is guessed, nothing is recorded."""
    said = desk.run("object", *arguments)
    assert said.code == 2
    assert complaint in said.err
    assert desk.rows() == 0


def test_the_history_of_a_person_is_shown_oldest_first(desk: Desk):
    """Also for people, not only as JSON."""
    add_consent(desk, "--name", "Anne [bold]", "--expires", "2027-01-31")
    desk.run(
        "relationship", "add", ANNE, "--principal", "tulip", "--product", "electricity", "--started-on", "2024-01-01"
    )
    desk.run("consent", "withdraw", ANNE, "--principal", "tulip", "--purpose", "sales")
    assert [one["kind"] for one in desk.history(ANNE)] == ["consent", "relationship", "consent-withdrawn"]
    assert desk.history(ANNE)[0]["body"]["expires_at"] == "2027-01-31T23:00:00+00:00"  # the whole day counts
    assert "Anne [bold]" in desk.run("consent", "show", ANNE).out
    assert "nothing is recorded of" in desk.run("consent", "show", BERT).out


def test_what_a_person_quotes_leads_to_their_objection(desk: Desk):
    """In capitals or not, or by its id."""
    reference = desk.run("object", ANNE, "--everyone").out.split()[0]
    (found,) = json.loads(desk.run("evidence", "show", reference.lower(), "--json").out)
    assert found["sealed"]["number"] == ANNE
    assert json.loads(desk.run("evidence", "show", found["id"], "--json").out) == [found]
    assert desk.run("evidence", "show", "Q00000").code == 2


def test_plain_numbers_are_nowhere_in_the_data_directory(desk: Desk):
    """Neither the ledger nor what a long import leaves may tell who was recorded."""
    desk.run("object", ANNE, "--everyone", "--wording", "leave me alone")
    desk.run("consent", "import", desk.write_consents("c.csv", [BERT]))
    for file in desk.data_dir.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        for secret in (ANNE, BERT, "leave me alone", "A. Person"):
            assert secret.encode() not in content, file


def test_verification_names_the_row_that_was_edited(desk: Desk):
    """Exit code 1: something was found."""
    for number in (ANNE, BERT, "+31612345003"):
        desk.run("object", number, "--everyone")
    note = desk.run("evidence", "verify").out.split()[-1]
    assert desk.run("evidence", "verify", "--noted", note).code == 0
    with sqlite3.connect(desk.data_dir / "ledger.sqlite") as ledger:
        ledger.execute("""UPDATE events SET body = replace(body, '"*"', '"tulip"') WHERE seq = 2""")
    ledger.close()
    said = desk.run("evidence", "verify")
    assert (said.code, said.err) == (1, "broken: ledger row 2: edited\n")
    assert json.loads(desk.run("evidence", "verify", "--json").out) == {"whole": False, "row": 2, "reason": "edited"}


def test_a_place_without_records_is_told_and_nothing_is_made(desk: Desk):
    """A wrong --data-dir must not look like a ledger that is whole."""
    said = desk.run("evidence", "verify")
    assert said.code == 2
    assert "nothing was ever recorded" in said.err
    assert not desk.data_dir.exists()


def test_a_refusal_is_recorded_and_in_force_at_once(desk_with_store: Desk):
    """With the campaign's principal; the number is sealed. It is no objection."""
    desk = desk_with_store
    said = desk.run("refuse", "06 1234 5001", "--campaign", "tulip-nl", "--by", "kim", "--country", "nl")
    assert (said.code, said.err) == (0, "")
    assert f"{ANNE} refused an offer of" in said.out
    assert "in force now" in said.out
    (refusal,) = desk.history(ANNE)
    assert refusal["kind"] == "refusal"
    assert refusal["body"] == {"principal": "tulip", "campaign": "tulip-nl", "channel": "cli", "by": "kim"}
    assert refusal["sealed"] == {"number": ANNE}
    assert decided(desk, ANNE) == ("DENY", "consent-missing")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((ANNE, "--campaign", "tulip-ln"), "did you mean `tulip-nl`?"),
        (("112", "--campaign", "tulip-nl"), "it is nobody's own number"),
        ((ANNE, "--campaign", "tulip-nl", "--at", "2099-01-01"), "future"),
        ((ANNE,), "--campaign"),
    ],
)
def test_a_refusal_that_cannot_be_meant_is_refused(desk: Desk, arguments: tuple[str, ...], complaint: str):
    """One sentence, exit code 2, and nothing recorded."""
    said = desk.run("refuse", *arguments)
    assert said.code == 2
    assert complaint in said.err
    assert desk.rows() == 0
