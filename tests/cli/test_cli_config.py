"""`ringfence config check` and `config show`."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from cli_site import new_site

from asterisk_plugin.cli.config import stale_values
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load


@pytest.fixture
def site(tmp_path):
    """A site in order."""
    return new_site(tmp_path)


def test_a_configuration_in_order_is_summed_up(site):
    """Counts and names of everything, versions of the rulebooks, exit code 0."""
    result = site.run("config", "check")
    assert result.exit_code == 0
    for text in (
        "in order",
        "tulip, linde, courant",
        "linde-b2b",
        "linde-service",
        "Rufwerk Dialog GmbH, DE",
        "DE@",
        "NL@",
    ):
        assert text in result.stdout
    assert result.stderr == ""
    assert not site.data.exists()


def test_every_mistake_is_a_line_an_editor_can_jump_to(site):
    """file:line: key: found ...; what is allowed; exit code 2."""
    (site.config / "ringfence.toml").write_text("[service]\nworkes = 2\n[agi]\nport = 99999\n")
    result = site.run("config", "check")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{site.config}/ringfence.toml:2: service.workes: found an unknown key; must be")
    assert lines[0].endswith("did you mean `workers`?")
    assert lines[1] == (
        f"{site.config}/ringfence.toml:4: agi.port: found `99999`; must be a whole number from 0 to 65535"
    )
    assert lines[2] == "2 problems"
    assert result.stdout == ""


def test_values_from_memory_are_listed(site):
    """With what has to be done before they are used; and as accepted once they are."""
    text = shipped("config", "rulebook", "nl.toml").read_text()
    (site.config / "rulebook").mkdir()
    (site.config / "rulebook" / "nl.toml").write_text(text.replace('confidence = "seen"', 'confidence = "recall"'))
    campaigns = site.config / "campaigns.toml"
    campaigns.write_text(
        campaigns.read_text().replace('memberships = ["de.branchenkodex", "de.leitfaden-kundenbetreuung"]', "")
    )
    result = site.run("config", "check")
    assert result.exit_code == 0
    assert "nl.all.calling_hours: " in result.stdout or "nl.all.consent: " in result.stdout
    assert "not used until gate.accepted_unchecked names it" in result.stdout
    name = result.stdout.split("unverified")[1].split(":")[0].strip()
    (site.config / "ringfence.toml").write_text(f"[gate]\naccepted_unchecked = ['{name}']\n")
    assert f"{name}: accepted" in site.run("config", "check").stdout


def test_values_that_nobody_looked_at_for_a_year_are_named(site):
    """By file, line and key; on the day after the year, not before."""
    loaded = load(site.config, environment={})
    newest = max(p.checked_on for book in loaded.site.rulebooks.values() for p in book.parameters.values())
    oldest = min(p.checked_on for book in loaded.site.rulebooks.values() for p in book.parameters.values())
    count = sum(len(book.parameters) for book in loaded.site.rulebooks.values())
    assert list(stale_values(loaded, oldest + dt.timedelta(days=365))) == []
    stale = list(stale_values(loaded, newest + dt.timedelta(days=366)))
    assert len(stale) == count
    assert all(re.match(r"rulebook/[a-z]{2}\.toml:[0-9]+: ", line) for line in stale)
    assert f"last compared with its source on {oldest}" in "".join(stale)


def test_a_connection_without_secret_is_a_warning(site):
    """It does not stop the check."""
    (site.config / "ringfence.toml").write_text("[[asterisk]]\nname='a'\nusername='u'\ntrunks=['PJSIP/t']\n")
    result = site.run("config", "check")
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "RINGFENCE_AMI_SECRET_A" in result.stderr


def test_what_is_in_force_is_shown_without_secrets(site):
    """Settings as TOML with the environment's part, campaigns and numbers as tables."""
    (site.config / "ringfence.toml").write_text(
        "[[asterisk]]\nname='a'\nusername='u'\nsecret='hunter2'\ntrunks=['PJSIP/t']\n[service]\nworkers = 3\n"
    )
    result = site.run("config", "show", env={"RINGFENCE_STORE_URL": "redis://user:hunter2@store/1"})
    assert result.exit_code == 0
    assert "workers = 3" in result.stdout
    assert '@store/1"' in result.stdout
    assert "hunter2" not in result.stdout
    assert "+493023125011" in result.stdout
    assert "tulip-nl" in result.stdout
    assert "linde-call-back" in result.stdout
    assert "60 s" in result.stdout
    assert "tulip-nl" not in site.run("config", "show", "--service").stdout
