"""`ringfence objection-line`: the drawing, and what is wrong with a site's line."""

from __future__ import annotations

import datetime as dt

import pytest
from cli_site import new_site

from asterisk_plugin.cli.objection_line import when_reached
from asterisk_plugin.core.objection_menu import draw
from asterisk_plugin.settings.load import load

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.fixture
def site(tmp_path):
    """A site in order."""
    return new_site(tmp_path)


def rewrite(site, before: str, after: str) -> None:
    path = site.config / "campaigns.toml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_the_whole_menu_is_drawn(site):
    """As the core draws it, and nothing else: it can be piped into a file."""
    result = site.run("objection-line", "draw")
    assert (result.exit_code, result.stdout) == (0, draw())


def test_a_site_in_order_is_shown_and_has_no_problems(site):
    """Every campaign with its language and the number told when nothing can be recorded."""
    result = site.run("objection-line", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    line = next(line for line in result.stdout.splitlines() if "tulip-nl" in line)
    assert line.replace("│", " ").split() == ["tulip-nl", "always", "nl", "+31205550101"]


def test_what_the_law_adds_is_shown(site):
    """A campaign that says never reaches the line all the same where a law wants it."""
    rewrite(site, 'id = "tulip-nl"', 'id = "tulip-nl"\nobjection_line = "never"')
    result = site.run("objection-line", "check")
    assert "never; always in NL (Tw art. 11.7)" in result.stdout


def test_before_the_law_nothing_is_added(site):
    """The duty has a first day."""
    rewrite(site, 'id = "tulip-nl"', 'id = "tulip-nl"\nobjection_line = "offered"')
    own = load(site.config, environment={}).site
    campaign = own.campaigns["tulip-nl"]
    assert when_reached(campaign, site=own, now=NOW) == "offered; always in NL (Tw art. 11.7)"
    assert when_reached(campaign, site=own, now=NOW.replace(year=2020)) == "offered"


def test_a_language_without_prompts_is_a_problem(site):
    """The person would hear silence."""
    rewrite(
        site, 'language = "nl"\ntrunk_country = "NL"\nstarts_on', 'language = "da"\ntrunk_country = "NL"\nstarts_on'
    )
    result = site.run("objection-line", "check")
    assert result.exit_code == 1
    (problem,) = result.stderr.splitlines()
    assert problem.startswith("campaign `courant-nl`: there are no prompts in `da`, only in de, en, ")


def test_no_number_to_call_is_a_problem(site):
    """Whoever cannot be recorded must be told whom to call; one number for the site is enough."""
    rewrite(site, "call_back_routed = true", "call_back_routed = false")
    result = site.run("objection-line", "check")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 5
    assert "give objection_line.call_back" in result.stderr
    rewrite(site, "# call_back =", "call_back =")
    result = site.run("objection-line", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("+493023125010") == 5
