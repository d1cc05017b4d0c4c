"""A small configuration that is in order, to be broken by tests."""

from __future__ import annotations

from asterisk_plugin.errors import ConfigError, ConfigProblem
from asterisk_plugin.settings.load import Loaded, load

CAMPAIGNS = """home_country = "DE"
[call_centre]
id = "centre"
name = "Centre GmbH"
country = "DE"
[[principal]]
id = "linde"
name = "Linde GmbH"
country = "DE"
memberships = ["de.branchenkodex"]
[[caller_id]]
number = "030 23125 011"
assigned_to = "linde"
right_of_use = ["centre"]
[[campaign]]
id = "linde-de"
principal = "linde"
purpose = "sales"
caller_ids = ["+49 30 23125 011"]
"""


def write(folder, *, service: str = "", campaigns: str = CAMPAIGNS, **rulebooks: str):
    """Write a configuration directory; a rulebook `nl="..."` makes a rulebook folder of its own."""
    (folder / "ringfence.toml").write_text(service)
    (folder / "campaigns.toml").write_text(campaigns)
    for country, text in rulebooks.items():
        (folder / "rulebook").mkdir(exist_ok=True)
        (folder / "rulebook" / f"{country}.toml").write_text(text)
    return folder


def load_from(folder, **environment: str) -> Loaded:
    """Load a folder with these variables only."""
    return load(folder, environment=environment)


def problems_of(folder, **environment: str) -> dict[str, ConfigProblem]:
    """Every problem of a folder by its key, or by its file's name when the file itself is the problem."""
    try:
        load_from(folder, **environment)
    except ConfigError as exc:
        return {problem.key or problem.file.rpartition("/")[2]: problem for problem in exc.problems}
    return {}
