"""What is loaded, from where, and what never comes out again: secrets."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from settings_site import CAMPAIGNS, load_from, problems_of, write

from asterisk_plugin.core.number import LineType
from asterisk_plugin.core.site import (
    CallerIdFrom,
    ClosedDay,
    DialMode,
    LineMode,
    LineSettings,
    OtherNumber,
    Purpose,
)
from asterisk_plugin.errors import ConfigError
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load

ASTERISK = """[[asterisk]]
name = "pbx-1"
username = "ringfence"
secret = "s3cret-of-pbx"
trunks = ["PJSIP/carrier"]
"""


def test_the_admins_data_becomes_values(tmp_path):
    """Principals, numbers and campaigns are joined to one site."""
    more = """
starts_on = 2026-01-01
dial_mode = "predictive"
caller_id_from = "channel"
[[closed_day]]
day = 2026-05-04
country = "NL"
reason = "remembrance"
"""
    loaded = load_from(write(tmp_path, campaigns=CAMPAIGNS + more))
    campaign = loaded.site.campaigns["linde-de"]
    assert campaign.principal is loaded.principals["linde"]
    assert campaign.principal.announced_name == "Linde GmbH"
    assert campaign.principal.memberships == {"de.branchenkodex"}
    assert (campaign.purpose, campaign.dial_mode) == (Purpose.SALES, DialMode.PREDICTIVE)
    assert campaign.caller_id_from is CallerIdFrom.CHANNEL
    assert campaign.starts_on == dt.date(2026, 1, 1)
    asset = loaded.site.caller_ids["+493023125011"]
    assert campaign.caller_ids == (asset,)
    assert (asset.number.line_type, asset.right_of_use) == (LineType.FIXED, {"centre"})
    assert loaded.site.closed_days == (ClosedDay(dt.date(2026, 5, 4), "NL", "remembrance"),)
    assert set(loaded.site.rulebooks) >= {"DE", "NL"}


def test_the_gates_settings_reach_the_site(tmp_path):
    """What a rule needs of ringfence.toml."""
    service = "[gate]\nnever_call = ['premium']\nemergency_extra = ['0113']\nlast_dial_s = 5\n"
    site = load_from(write(tmp_path, service=service)).site
    assert (site.never_call, site.emergency_extra, site.last_dial_s) == ({"premium"}, {"0113"}, 5)


def test_without_any_file_the_shipped_defaults_hold():
    """`ringfence serve` needs no file; the examples load."""
    loaded = load(None, environment={})
    assert loaded.is_shipped
    assert set(loaded.site.campaigns) == {"tulip-nl", "linde-de", "linde-b2b", "linde-call-back", "courant-nl"}
    assert loaded.data_dir == Path("~/.local/share/ringfence").expanduser()
    assert loaded.warnings == ()


def test_an_empty_directory_has_shipped_rules_and_no_campaigns(tmp_path):
    """So every attempt is campaign-unknown, and emergency calls pass."""
    loaded = load_from(tmp_path)
    assert not loaded.is_shipped
    assert (loaded.site.campaigns, loaded.principals) == ({}, {})
    assert set(loaded.site.rulebooks) >= {"DE", "NL"}
    assert set(loaded.texts) >= {"ringfence.toml", "rulebook/de.toml", "rulebook/nl.toml"}
    assert len(loaded.texts) == 1 + len(loaded.site.rulebooks)


def test_a_file_of_another_name_can_be_given(tmp_path):
    """--config may be a file; the campaigns are looked for beside it."""
    write(tmp_path, service="[service]\nworkers = 2")
    (tmp_path / "ringfence.toml").rename(tmp_path / "other.toml")
    loaded = load_from(tmp_path / "other.toml")
    assert loaded.service.service.workers == 2
    assert "linde-de" in loaded.site.campaigns


def test_a_rulebook_folder_of_ones_own_replaces_the_shipped_one(tmp_path):
    """An admin's own rules are not mixed with ours."""
    text = shipped("config", "rulebook", "de.toml").read_text()
    loaded = load_from(write(tmp_path, de=text))
    assert set(loaded.site.rulebooks) == {"DE"}


def test_paths_start_at_the_file_and_the_command_line_wins(tmp_path):
    """--data-dir over RINGFENCE_DATA_DIR over the file."""
    folder = write(tmp_path, service="[service]\ndata_dir = 'data'\n[ledger]\nsecret_file = 'key'\n")
    assert load_from(folder).data_dir == tmp_path / "data"
    assert load_from(folder).service.service.data_dir == tmp_path / "data"
    assert load_from(folder).service.ledger.secret_file == tmp_path / "key"
    assert load_from(folder, RINGFENCE_DATA_DIR="/env").data_dir == Path("/env")
    assert load(folder, data_dir=Path("/line"), environment={"RINGFENCE_DATA_DIR": "/env"}).data_dir == Path("/line")


def test_secrets_come_from_the_environment(tmp_path):
    """By the connection's name, in capitals; the environment wins over the file."""
    loaded = load_from(
        write(tmp_path, service=ASTERISK),
        RINGFENCE_AMI_SECRET_PBX_1="from-env",
        RINGFENCE_STORE_URL="redis://u:pw@h",
        RINGFENCE_LEDGER_URL="postgresql://u:pw@h/db",
    )
    assert loaded.service.asterisk[0].secret.get_secret_value() == "from-env"
    assert loaded.service.store.url == "redis://u:pw@h"
    assert loaded.service.ledger.url == "postgresql://u:pw@h/db"


def test_a_missing_ami_secret_is_a_warning(tmp_path):
    """Other processes of the site decide without it; the watchdog cannot log in."""
    service = ASTERISK.replace('secret = "s3cret-of-pbx"\n', "")
    (warning,) = load_from(write(tmp_path, service=service)).warnings
    assert "RINGFENCE_AMI_SECRET_PBX_1" in warning.allowed
    assert load_from(tmp_path, RINGFENCE_AMI_SECRET_PBX_1="x").warnings == ()


@pytest.mark.parametrize(("table", "told"), [("agi", "firewall"), ("http", "TLS")])
def test_a_port_that_other_machines_reach_is_a_warning(tmp_path, table, told):
    """FastAGI asks for no password, and HTTP carries tokens in clear."""
    for host in ("0.0.0.0", "192.0.2.1", "service.example"):
        (warning,) = load_from(write(tmp_path, service=f'[{table}]\nhost = "{host}"\n')).warnings
        assert (warning.key, warning.found) == (f"{table}.host", f'`"{host}"`')
        assert told in warning.allowed
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load_from(write(tmp_path, service=f'[{table}]\nhost = "{host}"\n')).warnings == ()


def test_loopback_and_the_asterisks_may_use_fastagi_unless_others_are_named(tmp_path):
    """Also in the file that the workers and the second try read."""
    loaded = load_from(write(tmp_path, service=ASTERISK.replace("[[asterisk]]", '[[asterisk]]\nhost = "192.0.2.7"')))
    assert loaded.service.agi.allow_from == ("127.0.0.0/8", "::1", "192.0.2.7")
    assert 'allow_from = ["127.0.0.0/8", "::1", "192.0.2.7"]' in loaded.active_texts["ringfence.toml"]
    named = load_from(write(tmp_path, service=f'[agi]\nallow_from = ["pbx_1", "10.0.0.0/8"]\n{ASTERISK}'))
    assert named.service.agi.allow_from == ("pbx_1", "10.0.0.0/8")


def test_a_bad_store_address_in_the_environment_is_a_problem_and_is_not_repeated(tmp_path):
    """An address that cannot be read cannot be masked either."""
    problem = problems_of(write(tmp_path), RINGFENCE_STORE_URL="tcp:hunter2@h")["RINGFENCE_STORE_URL"]
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "service",
    [
        ASTERISK,
        "[store]\nurl = 'redis://user:s3cret-of-pbx@host'",
        "[store]\nurl = 'redis://user:s3cret-of-pbx/with@slash@host'",
        "[store]\nurl = 'unix:///x.sock?password=s3cret-of-pbx'",
        "[ledger]\nurl = 'postgresql://u:s3cret-of-pbx@h/db'",
    ],
)
def test_no_secret_is_shown_or_kept(tmp_path, service):
    """Neither in a repr, nor in the evidence, nor in the hash of it."""
    loaded = load_from(write(tmp_path, service=service))
    assert "s3cret-of-pbx" not in repr(loaded)
    assert "s3cret-of-pbx" not in repr(loaded.service)
    assert "s3cret-of-pbx" not in "".join(loaded.texts.values())


@pytest.mark.parametrize("secret", [r'"s3\u0063ret-of-pbx"', "'''\ns3cret-of-pbx'''"])
def test_a_secret_in_a_strange_form_is_not_kept_either(tmp_path, secret):
    """When it cannot be blanked, the file is left out."""
    loaded = load_from(write(tmp_path, service=ASTERISK.replace('"s3cret-of-pbx"', secret)))
    assert loaded.service.asterisk[0].secret.get_secret_value() == "s3cret-of-pbx"
    assert "ret-of-pbx" not in loaded.texts["ringfence.toml"]


@pytest.mark.parametrize("line", ["secret = 12345678", "secret = 's3cret-of-pbx'\nping_s = -1"])
def test_no_secret_is_in_a_problem(tmp_path, line):
    """Also not when the mistake is in the secret itself."""
    folder = write(tmp_path, service=ASTERISK.replace('secret = "s3cret-of-pbx"', line))
    with pytest.raises(ConfigError) as caught:
        load_from(folder)
    assert "12345678" not in str(caught.value)
    assert "s3cret-of-pbx" not in str(caught.value)


def test_credentials_are_masked_in_a_problem(tmp_path):
    """A wrong address is repeated without its password."""
    problem = problems_of(write(tmp_path, service="[store]\nurl = 'http://u:hunter2@h'"))["store.url"]
    assert "hunter2" not in str(problem)
    assert "@h" in problem.found


def vars_of(campaign):
    """A campaign is compared by identity; its values are these."""
    return dataclasses.asdict(campaign)


def test_what_other_processes_read_is_the_same_configuration(tmp_path):
    """Elsewhere, and without the variables: same site, same version, same store, same ledger."""
    service = ASTERISK + "[service]\ndata_dir = 'data'\n[gate]\nlast_dial_s = 7\n[ledger]\nsecret_file = 'k\"ey'\n"
    loaded = load_from(
        write(tmp_path, service=service),
        RINGFENCE_STORE_URL="redis://u:pw@h",
        RINGFENCE_LEDGER_URL="postgresql://u:pw@h/db",
    )
    active = tmp_path / "elsewhere"
    for name, text in loaded.active_texts.items():
        (active / name).parent.mkdir(parents=True, exist_ok=True)
        (active / name).write_text(text)
    again = load_from(active)
    assert again.site.version == loaded.site.version
    assert again.data_dir == loaded.data_dir
    assert again.service.store == loaded.service.store
    assert again.service.ledger == loaded.service.ledger
    assert again.service.gate == loaded.service.gate
    assert [*map(vars_of, again.site.campaigns.values())] == [*map(vars_of, loaded.site.campaigns.values())]
    assert "s3cret-of-pbx" not in "".join(loaded.active_texts.values())


def test_the_version_changes_with_what_a_decision_depends_on(tmp_path):
    """Campaigns, rulebooks and the gate; not the log level, not a secret."""
    version = load_from(write(tmp_path)).site.version
    assert load_from(write(tmp_path, service="[service]\nlog_level = 'debug'")).site.version == version
    assert load_from(write(tmp_path, service=ASTERISK)).site.version == version
    assert load_from(write(tmp_path, service="[gate]\nlast_dial_s = 61")).site.version != version
    assert load_from(write(tmp_path, campaigns=CAMPAIGNS + "ring_s = 20")).site.version != version


def test_the_objection_line_is_read(tmp_path):
    """The number to call in E.164, the campaign's own mode, and defaults for what is not given."""
    line = (
        '\nhome_country = "DE"\nobjection_line = { other_number = "review", call_back = "030 23125 011", tries = 2 }\n'
    )
    text = CAMPAIGNS.replace('home_country = "DE"\n', line, 1) + 'objection_line = "offered"\n'
    site = load_from(write(tmp_path, campaigns=text)).site
    assert site.objection_line == LineSettings(OtherNumber.REVIEW, "+493023125011", 6.0, 2)
    assert site.campaigns["linde-de"].objection_line is LineMode.OFFERED
    plain = load_from(write(tmp_path)).site
    assert plain.objection_line == LineSettings()
    assert plain.campaigns["linde-de"].objection_line is LineMode.ALWAYS


def test_tokens_of_the_api_survive_being_written_out(tmp_path):
    """Other processes of the site read what is in force; a section's tables come behind its own keys."""
    digests = ("a" * 64, "b" * 64)
    tables = "".join(f'[[http.token]]\nname = "t{d[0]}"\nsha256 = "{d}"\nmay = ["read"]\n' for d in digests)
    (tmp_path / "ringfence.toml").write_text(f"[http]\nport = 0\n{tables}[agi]\nport = 0\n")
    first = load(tmp_path, environment={})
    (tmp_path / "ringfence.toml").write_text(first.active_texts["ringfence.toml"])
    assert [entry.sha256 for entry in first.service.http.token] == list(digests)
    assert load(tmp_path, environment={}).service == first.service


@pytest.mark.parametrize("wrong", ['sha256 = "abc"', 'name = "a b"', 'may = ["everything"]', "secret = 1"])
def test_a_token_that_cannot_be_meant_is_refused(tmp_path, wrong):
    """With its place in the file."""
    table = {"name": '"crm"', "sha256": f'"{"a" * 64}"'}
    key, _, value = wrong.partition(" = ")
    lines = "\n".join(f"{name} = {text}" for name, text in (table | {key: value}).items())
    (tmp_path / "ringfence.toml").write_text(f"[[http.token]]\n{lines}\n")
    with pytest.raises(ConfigError, match=rf"http\.token\[0\]\.{key}"):
        load(tmp_path, environment={})
