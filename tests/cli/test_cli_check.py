"""`ringfence check`: the gate's own decision, explained, without a trace."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest
import redis
from cli_site import GIVEN, new_site

from asterisk_plugin.callflow.records import consent_event, new_id, objection_event
from asterisk_plugin.core.facts import Consent
from asterisk_plugin.settings.data_dir import DataDir

PERSON = "+31612345678"
TUESDAY_11 = "2026-11-24T11:00"


@pytest.fixture
def site(tmp_path):
    """A site with example campaigns, its secret made."""
    site = new_site(tmp_path)
    DataDir(site.data).prepare()
    DataDir(site.data).secret()
    return site


def consent(site, **changes):
    """PERSON allows Tulip to call about electricity."""
    values = {"principal": "tulip", "purpose": "sales", "product": "electricity", "given_at": GIVEN, **changes}
    return consent_event(
        new_id(), Consent(**values), person=site.tag(PERSON), at=GIVEN, channel="cli", sealed={"number": PERSON}
    )


def objection(site):
    """PERSON does not want to be called for Tulip."""
    return objection_event(new_id(), person=site.tag(PERSON), number=PERSON, scope="tulip", at=GIVEN, channel="cli")


def check(site, url, *more, number=PERSON, campaign="tulip-nl", at=TUESDAY_11):
    """Ask for a decision."""
    line = ["check", number, "--campaign", campaign, "--at", at, *more]
    return site.run(*line, env={"RINGFENCE_STORE_URL": url})


@pytest.mark.store
def test_an_allowed_call_says_what_must_be_kept(site):
    """Exit code 0, the number to show, the ring time, every finding with its source."""
    with site.store(consent(site)) as url:
        result = check(site, url)
    assert result.exit_code == 0, result.output
    assert (
        "+31612345678 (NL, mobile), campaign tulip-nl of Tulip Energie B.V., Tue 2026-11-24 11:00 CET" in result.stdout
    )
    assert "\nALLOW\n" in result.stdout
    assert "show +31205550101, ring at least 15 s and at most" in result.stdout
    assert "Tw art. 11.7" in result.stdout
    assert "rulebook NL@" in result.stdout


@pytest.mark.store
def test_a_denied_call_names_the_deciding_rule(site):
    """An objection beats the consent; exit code 4."""
    with site.store(consent(site), objection(site)) as url:
        result = check(site, url)
    assert result.exit_code == 4
    assert "DENY  objection" in result.stdout


@pytest.mark.store
def test_a_call_at_the_wrong_hour_says_when_to_try_again(site):
    """Exit code 3; the time is the called person's."""
    with site.store(consent(site)) as url:
        result = check(site, url, at="2026-11-24T23:30")
    assert result.exit_code == 3
    assert "DEFER  calling-hours, not before Wed 2026-11-25 09:00 CET" in result.stdout


@pytest.mark.store
def test_a_moment_without_zone_is_the_called_persons(site):
    """10:00 UTC and 11:00 in Amsterdam are the same moment; a zone in the text is kept."""
    with site.store(consent(site)) as url:
        local = json.loads(check(site, url, "--json").stdout)
        utc = json.loads(check(site, url, "--json", at="2026-11-24T10:00Z").stdout)
    assert local["at"] == utc["at"] == "2026-11-24T10:00:00+00:00"


@pytest.mark.store
def test_json_has_every_finding(site):
    """With rule, decision, sentence and source; decisions by name."""
    with site.store(consent(site)) as url:
        result = check(site, url, "--json")
    values = json.loads(result.stdout)
    assert (values["decision"], values["reason"], values["number"]) == ("ALLOW", "", PERSON)
    assert values["obligations"]["show_number"] == "+31205550101"
    assert {"objection", "calling-hours", "caller-id"} <= {finding["rule"] for finding in values["findings"]}
    assert all(finding["sentence"] and finding["source"]["text"] for finding in values["findings"])
    assert values["unchecked"] == []


@pytest.mark.store
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--withheld", "--caller-id", "+31 20 555 0101"], "caller-id-withheld"),
        (["--caller-id", "+31 20 555 0102"], "caller-id-not-owned"),
    ],
)
def test_the_caller_id_of_the_channel_is_judged(site, more, reason):
    """As if an agent's channel came with it."""
    with site.store(consent(site)) as url:
        result = check(site, url, "--json", *more)
    assert result.exit_code == 4
    assert json.loads(result.stdout)["reason"] == reason


@pytest.mark.store
def test_checking_leaves_no_trace(site):
    """However often: nothing is counted or issued in the store, and no row is written."""
    with site.store(consent(site)) as url, redis.Redis.from_url(url) as client:
        before = sorted(client.keys())
        answers = [check(site, url, "--json") for _ in range(3)]
        after = sorted(client.keys())
    assert [answer.exit_code for answer in answers] == [0, 0, 0]
    assert after == before
    with contextlib.closing(sqlite3.connect(site.data / "ledger.sqlite")) as ledger:
        assert ledger.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_without_a_store_the_answer_is_not_now(site):
    """What could not be checked is named; nothing is made up."""
    result = site.run("check", PERSON, "--campaign", "tulip-nl", "--at", TUESDAY_11)
    assert result.exit_code == 3
    assert "DEFER  store-unavailable" in result.stdout
    assert "could not be checked: abandoned-calls, attempts, consents, ended-calls, objections" in result.stdout
    assert "no service runs on data directory" in result.stdout


def test_before_any_service_ran_no_file_is_made(tmp_path):
    """Not even the secret."""
    site = new_site(tmp_path)
    result = site.run("check", PERSON, "--campaign", "tulip-nl", "--at", TUESDAY_11)
    assert result.exit_code == 3
    assert not site.data.exists()


def test_an_emergency_call_needs_no_store(site):
    """It always passes."""
    result = site.run("check", "112", "--campaign", "tulip-nl")
    assert result.exit_code == 0
    assert "an emergency call always passes" in result.stdout


@pytest.mark.parametrize(
    ("number", "campaign", "reason"),
    [("+31612345678", "tulip", "campaign-unknown"), ("123456", "tulip-nl", "number-invalid")],
)
def test_what_the_gate_denies_at_once_is_explained_too(site, number, campaign, reason):
    """The verdict of the gate, not a complaint: this is what the dialplan will get."""
    result = site.run("check", number, "--campaign", campaign, "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["reason"] == reason


def test_an_unknown_campaign_comes_with_a_guess(site):
    """Most often it is a slip."""
    result = site.run("check", PERSON, "--campaign", "tulip-nll")
    assert "did you mean `tulip-nl`?" in result.stdout


def test_a_moment_that_is_none_is_bad_input(site):
    """Exit code 2 and what is allowed."""
    result = site.run("check", PERSON, "--campaign", "tulip-nl", "--at", "tomorrow")
    assert result.exit_code == 2
    assert "`tomorrow` is no moment; a date or a date with time" in result.stderr
