"""The shipped files say what the models say."""

from __future__ import annotations

import tomllib

import pytest

from asterisk_plugin.settings.explain import check_shape
from asterisk_plugin.settings.files import ConfigFile, read_config_file, shipped
from asterisk_plugin.settings.service import AsteriskSettings, RingfenceFile
from asterisk_plugin.settings.site import CallerIdEntry, CampaignEntry, CampaignsFile, PrincipalEntry

TEXT = shipped("config", "ringfence.toml").read_text()
SECTIONS = {name: field.annotation for name, field in RingfenceFile.model_fields.items() if name != "asterisk"}


def asterisk_example() -> str:
    """The commented-out table, made real."""
    _, _, example = TEXT.partition("# [[asterisk]]")
    return "\n".join(line.removeprefix("# ") for line in ("# [[asterisk]]" + example).splitlines())


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
    assert list(tomllib.loads(TEXT)[section]) == list(SECTIONS[section].model_fields)


def test_every_setting_of_an_asterisk_is_there():
    """Also those of the commented-out table."""
    (example,) = tomllib.loads(asterisk_example())["asterisk"]
    assert list(example) == list(AsteriskSettings.model_fields)
    defaults = {name: field.default for name, field in AsteriskSettings.model_fields.items() if not field.is_required()}
    defaults["secret"] = ""
    assert {name: example[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    ("text", "header", "model"),
    [
        *((TEXT, f"[{name}]", model) for name, model in SECTIONS.items()),
        (asterisk_example(), "[[asterisk]]", AsteriskSettings),
    ],
)
def test_the_line_above_each_setting_is_its_description(text, header, model):
    """Comment and model cannot drift apart."""
    lines = text[text.index(header) :].splitlines()
    for name, field in model.model_fields.items():
        place = next(place for place, line in enumerate(lines) if line.startswith(f"{name} = "))
        assert field.description, f"{name} has no description"
        assert lines[place - 1].startswith(f"# {field.description}")


@pytest.mark.parametrize(
    ("model", "table"), [(PrincipalEntry, "principal"), (CallerIdEntry, "caller_id"), (CampaignEntry, "campaign")]
)
def test_the_shipped_campaigns_show_every_choice_by_name(model, table):
    """Every key of a table is either used or spoken of in the example, so that nobody has to guess."""
    text = shipped("config", "campaigns.toml").read_text()
    shown = {key for entry in tomllib.loads(text)[table] for key in entry}
    unseen = {name for name in model.model_fields if name not in shown and f"`{name}`" not in text}
    assert unseen <= {"ends_on", "caller_id_from"}


def test_the_models_of_the_campaigns_are_described():
    """Their descriptions are what a missing key is explained with."""
    for field in (CampaignsFile, PrincipalEntry, CallerIdEntry, CampaignEntry):
        for name, value in field.model_fields.items():
            assert value.description or name in ("call_centre", "principal", "caller_id", "campaign", "closed_day")
