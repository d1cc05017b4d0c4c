"""The law in examples: every scenario of `tests/scenarios/` is decided and compared."""

import datetime as dt
import pathlib
import tomllib

import pytest
from core_cases import DE_NUMBER, NL_NUMBER, attempt

from asterisk_plugin.core.engine import decide
from asterisk_plugin.core.verdict import Decision

FOLDER = pathlib.Path(__file__).parents[1] / "scenarios"
NUMBERS = {"nl": NL_NUMBER, "de": DE_NUMBER}
KEYS = {
    "name", "now", "number", "decision", "reason", "not_before", "ring_s", "show", "source", "also",
    "site", "campaign", "principal", "asset", "channel", "calling_pres", "held", "zones",
    "agent", "pace",
}  # fmt: skip


def scenarios():
    for path in sorted(FOLDER.glob("*.toml")):
        for scenario in tomllib.loads(path.read_text())["scenario"]:
            yield pytest.param(path.stem, scenario, id=f"{path.stem}: {scenario['name']}")


def judge(country: str, scenario: dict):
    assert not scenario.keys() - KEYS, "a key of the scenario that nothing reads"
    now = scenario["now"]
    assert isinstance(now, dt.datetime)
    assert now.tzinfo is not None
    changes = {key: value for key, value in scenario.items() if key in KEYS - {"name", "now", "number"}}
    return decide(attempt(now, scenario.get("number", NUMBERS[country]), **changes), now)


@pytest.mark.parametrize(("country", "scenario"), [*scenarios()])
def test_the_law_in_examples(country, scenario):
    """Each example is decided as it says, for the reason it says, and with the source it names."""
    verdict = judge(country, scenario)
    findings = "\n".join(f"{each.decision.name} {each.rule}: {each.sentence}" for each in verdict.findings)
    assert (verdict.decision.name, verdict.reason) == (scenario["decision"], scenario.get("reason", "")), findings
    assert verdict.not_before == scenario.get("not_before"), findings
    if "ring_s" in scenario:
        assert verdict.obligations.ring_max_s == scenario["ring_s"]
    if "show" in scenario:
        assert verdict.obligations.show_number == scenario["show"]
    if "source" in scenario:
        rule = verdict.reason or scenario.get("also", "consent")
        assert scenario["source"] in [each.source.text for each in verdict.findings if each.rule == rule], findings


@pytest.mark.parametrize("country", ["nl", "de"])
def test_each_country_has_scenarios_of_every_decision(country):
    """An allowed, a deferred and a denied example at least, so that no file is one-sided."""
    decisions = {scenario["decision"] for name, scenario in (each.values for each in scenarios()) if name == country}
    assert decisions == {decision.name for decision in Decision}


def test_scenario_names_are_unique():
    """Two scenarios of one name would hide each other in a report."""
    names = [parameters.id for parameters in scenarios()]
    assert len(names) == len(set(names))
    assert len(names) >= 60
