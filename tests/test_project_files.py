"""Files of the project that no code reads: kept true by these tests."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from asterisk_plugin.core.verdict import Reason
from asterisk_plugin.settings.load import load
from tests.lab import containers

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_top_level_holds_what_was_agreed_and_nothing_else():
    """A newcomer sees the whole project in one listing."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} == {
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "asterisk_plugin",
        "config",
        "dialplan",
        "docker-compose.yml",
        "pyproject.toml",
        "tests",
    }


def test_the_containers_are_the_labs_parts():
    """Two Asterisks, the store, the service; each depends only on what is there."""
    services = COMPOSE["services"]
    assert {"pbx", "carrier", "valkey", "ringfence"} <= services.keys()
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]
    for name in ("pbx", "carrier"):
        assert f"asterisk -C /lab/{name}/etc/asterisk.conf -f" in " ".join(services[name]["command"])


def test_the_containers_configuration_is_whole(tmp_path):
    """No placeholder is left, the service's files load, the dialplan is the shipped one."""
    containers.write(tmp_path)
    for file in tmp_path.glob("*/etc/*.conf"):
        assert not re.search(r"@[A-Z_]+@", file.read_text()), file
    loaded = load(tmp_path / "ringfence", environment={})
    assert loaded.service.asterisk[0].trunks == ("PJSIP/carrier",)
    shipped = (ROOT / "dialplan" / "ringfence-dial.conf").read_text()
    assert (tmp_path / "pbx" / "etc" / "ringfence-dial.conf").read_text() == shipped


def test_the_readme_names_every_reason():
    """And no other."""
    text = (ROOT / "README.md").read_text()
    listed = text[text.index("Reasons:") : text.index("## I want to change")]
    assert set(re.findall(r"`([a-z-]+)`", listed)) == set(Reason)


def test_every_dependency_has_a_line_that_says_why():
    """In CONTRIBUTING.md, Dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text[text.index("## Dependencies") : text.index("## Decisions")]
    for requirement in project["dependencies"]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)[0]
        assert name in table, name


def test_the_wheel_has_everything_inside(tmp_path):
    """Configuration, rulebooks, dialplan files and the store's scripts."""
    pytest.importorskip("hatchling", reason="building needs hatchling, which `make setup` installs")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "asterisk_plugin/_shipped/config/ringfence.toml",
        "asterisk_plugin/_shipped/config/campaigns.toml",
        "asterisk_plugin/_shipped/config/rulebook/nl.toml",
        "asterisk_plugin/_shipped/config/rulebook/de.toml",
        "asterisk_plugin/_shipped/config/prompts/nl.toml",
        "asterisk_plugin/_shipped/config/sounds/nl/ringfence/goodbye.alaw",
        "asterisk_plugin/_shipped/dialplan/ringfence-dial.conf",
        "asterisk_plugin/_shipped/dialplan/ringfence-objection.conf",
        "asterisk_plugin/store/look_up.lua",
    } <= names
