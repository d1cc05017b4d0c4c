"""The shipped files say what the models say."""

from __future__ import annotations

import tomllib

import pytest

from asterisk_plugin.settings.explain import check_shape
from asterisk_plugin.settings.files import ConfigFile, read_config_file, shipped
from asterisk_plugin.settings.queues import QueueEntry
from asterisk_plugin.settings.service import AsteriskSettings, RingfenceFile, TokenSettings
from asterisk_plugin.settings.site import (
    CallerIdEntry,
    CampaignEntry,
    CampaignsFile,
    ObjectionLineEntry,
    PrincipalEntry,
)

TEXT = shipped("config", "ringfence.toml").read_text()
SECTIONS = {name: field.annotation for name, field in RingfenceFile.model_fields.items() if name != "asterisk"}


TABLES = {"token"}
"""Settings that are tables of their own, commented out in the shipped file."""


def example_of(header: str) -> str:
    """A commented-out table, made real."""
    _, _, example = TEXT.partition(f"# {header}")
    example = example.partition("\n\n")[0]
    return "\n".join(line.removeprefix("# ") for line in (f"# {header}" + example).splitlines())


def asterisk_example() -> str:
    """The table of an Asterisk."""
    return example_of("[[asterisk]]")


def test_the_shipped_settings_are_the_defaults():
    """Deleting a line changes nothing."""
    file = read_config_file(shipped("config", "ringfence.toml"), "ringfence.toml")
    assert isinstance(file, ConfigFile)
    model, problems = check_shape(file, RingfenceFile)
    assert problems == []
    assert model == RingfenceFile()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_there_in_the_models_order(section):
    """None is missing and none is left over."""
    expected = [name for name in SECTIONS[section].model_fields if name not in TABLES]
    assert list(tomllib.loads(TEXT)[section]) == expected


def test_every_setting_of_an_asterisk_is_there():
    """Also those of the commented-out table."""
    (example,) = tomllib.loads(asterisk_example())["asterisk"]
    assert list(example) == list(AsteriskSettings.model_fields)
    defaults = {name: field.default for name, field in AsteriskSettings.model_fields.items() if not field.is_required()}
    defaults["secret"] = ""
    assert {name: example[name] for name in defaults} == defaults


def test_every_setting_of_a_token_is_there():
    """Its example can be used as it stands."""
    (example,) = tomllib.loads(example_of("[[http.token]]"))["http"]["token"]
    assert list(example) == list(TokenSettings.model_fields)
    assert TokenSettings.model_validate({**example, "may": tuple(example["may"])}).may == ("enter",)


@pytest.mark.parametrize(
    ("text", "header", "model"),
    [
        *((TEXT, f"[{name}]", model) for name, model in SECTIONS.items()),
        (asterisk_example(), "[[asterisk]]", AsteriskSettings),
        (example_of("[[http.token]]"), "[[http.token]]", TokenSettings),
    ],
)
def test_the_line_above_each_setting_is_its_description(text, header, model):
    """Comment and model cannot drift apart."""
    lines = text[text.index(header) :].splitlines()
    for name, field in model.model_fields.items():
        if name in TABLES:
            continue
        place = next(place for place, line in enumerate(lines) if line.startswith(f"{name} = "))
        assert field.description, f"{name} has no description"
        assert lines[place - 1].startswith(f"# {field.description}")


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (PrincipalEntry, "principal"),
        (CallerIdEntry, "caller_id"),
        (CampaignEntry, "campaign"),
        (QueueEntry, "queue"),
    ],
)
def test_the_shipped_campaigns_show_every_choice_by_name(model, table):
    """Every key of a table is either used or spoken of in the example, so that nobody has to guess."""
    text = shipped("config", "campaigns.toml").read_text()
    shown = {key for entry in tomllib.loads(text)[table] for key in entry}
    unseen = {name for name in model.model_fields if name not in shown and f"`{name}`" not in text}
    assert unseen <= {"ends_on", "caller_id_from"}


def test_the_models_of_the_campaigns_are_described():
    """Their descriptions are what a missing key is explained with."""
    for field in (CampaignsFile, PrincipalEntry, CallerIdEntry, CampaignEntry, ObjectionLineEntry, QueueEntry):
        for name, value in field.model_fields.items():
            tables = ("call_centre", "principal", "caller_id", "campaign", "closed_day", "objection_line", "queue")
            assert value.description or name in tables


def test_the_shipped_objection_line_is_the_default():
    """Deleting its table changes nothing, and every setting of it stands there."""
    text = shipped("config", "campaigns.toml").read_text()
    table = tomllib.loads(text)["objection_line"]
    assert ObjectionLineEntry.model_validate(table) == ObjectionLineEntry()
    assert all(f"\n{name} = " in text or f"\n# {name} = " in text for name in ObjectionLineEntry.model_fields)
