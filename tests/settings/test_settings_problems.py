"""Every mistake is found, in one go, with what stands there and what is allowed."""

from __future__ import annotations

import pytest
from settings_site import CAMPAIGNS, problems_of, write

from asterisk_plugin.errors import ConfigError
from asterisk_plugin.settings.load import load

A, B = "a" * 64, "b" * 64
LINE = 'home_country = "DE"\nobjection_line.'


def test_a_configuration_in_order_has_no_problems(tmp_path):
    """The ground the other tests stand on."""
    assert problems_of(write(tmp_path)) == {}


@pytest.mark.parametrize(
    ("text", "key", "found", "allowed"),
    [
        ("[service]\nworker = 2", "service.worker", "an unknown key", "did you mean `workers`?"),
        ("[servce]", "servce", "an unknown key", "did you mean `service`?"),
        ("[service]\nworkers = 0", "service.workers", "`0`", "must be a whole number from 1 to 64"),
        ("[service]\nworkers = 2.5", "service.workers", "`2.5`", "must be a whole number from 1 to 64"),
        ('[service]\nworkers = "2"', "service.workers", '`"2"`', "must be a whole number from 1 to 64"),
        ("[service]\nworkers = true", "service.workers", "`true`", "must be a whole number from 1 to 64"),
        ("[service]\ndrain_s = nan", "service.drain_s", "`nan`", "must be a number from 0 to 600"),
        ("[agi]\nreply_timeout_s = 0", "agi.reply_timeout_s", "`0`", "must be a number above 0 and at most 60"),
        ("[service]\nmask_numbers = 1", "service.mask_numbers", "`1`", "must be true or false"),
        ("[service]\nlog_level = 'inf'", "service.log_level", '`"inf"`', "did you mean `info`?"),
        ("[service]\ndata_dir = 3", "service.data_dir", "`3`", "must be a path in quotes"),
        ("service = 3", "service", "`3`", "must be a table"),
        ("[gate]\nnever_call = 'x'", "gate.never_call", '`"x"`', "must be a list of text in quotes"),
        ("[gate]\nnever_call = [3]", "gate.never_call[0]", "`3`", "must be text in quotes"),
        ("[gate]\nnever_call = ['premum']", "gate.never_call[0]", '`"premum"`', "did you mean `premium`?"),
        ("[gate]\naccepted_unchecked = ['x']", "gate.accepted_unchecked[0]", '`"x"`', "must be"),
        ("[gate]\ndeadline_ms = 250", "gate.deadline_ms", "`250`", "must be less"),
        ("[store]\ntimeout_ms = 300", "store.timeout_ms", "`300`", "must be less"),
        ("[store]\nurl = 'http://h'", "store.url", '`"http://h"`', "must start with `redis://`"),
        ("[agi]\nallow_from = ['10.0.0.256']", "agi.allow_from[0]", "10.0.0.256", "must be an address, a network"),
        ("[agi]\nallow_from = ['::1', 'a b']", "agi.allow_from[1]", "a b", "must be an address, a network"),
        ("[agi]\nallow_from = ['10.0.0.0/33']", "agi.allow_from[0]", "10.0.0.0/33", "must be an address"),
        ("[http]\nport = 4573", "http.port", "`4573`", "must be another port than agi.port"),
        (f"[[http.token]]\nname = 'local'\nsha256 = '{A}'", "http.token[0].name", "local", "another name"),
        (f"[[http.token]]\nname = 'Local'\nsha256 = '{A}'", "http.token[0].name", "Local", "another name"),
        (
            f"[[http.token]]\nname = 'a'\nsha256 = '{A}'\n[[http.token]]\nname = 'a'\nsha256 = '{B}'",
            *("http.token", "a list", "`a` stands there twice"),
        ),
        (
            f"[[http.token]]\nname = 'a'\nsha256 = '{A}'\n[[http.token]]\nname = 'b'\nsha256 = '{A}'",
            *("http.token", "a list", "sha256 of its own each"),
        ),
        ("[[asterisk]]\nname = 'a'\ntrunks = ['PJSIP/t']", "asterisk[0].username", "nothing", "AMI user"),
        ("[[asterisk]]\nname = 'a b'\nusername = 'u'\ntrunks = ['PJSIP/t']", "asterisk[0].name", "`", "letters"),
        ("[[asterisk]]\nname = 'a'\nusername = 'u'\ntrunks = []", "asterisk[0].trunks", "empty", "one or more"),
        ("[[asterisk]]\nname = 'a'\nusername = 'u'\ntrunks = ['T']", "asterisk[0].trunks[0]", "T", "PJSIP/carrier"),
    ],
)
def test_a_mistake_in_the_service_is_explained(tmp_path, text, key, found, allowed):
    """Found and allowed in plain words, and no other problem is made up."""
    problems = problems_of(write(tmp_path, service=text))
    assert list(problems) == [key]
    assert found in problems[key].found
    assert allowed in problems[key].allowed


@pytest.mark.parametrize(
    ("before", "after", "key", "found", "allowed"),
    [
        ('home_country = "DE"', 'home_country = "de"', "home_country", "de", "two capital letters"),
        ('country = "DE"\n[[principal]]', 'country = "XX"\n[[principal]]', "call_centre.country", "XX", "ISO 3166-1"),
        ('principal = "linde"', 'principal = "linden"', "campaign[0].principal", "linden", "did you mean `linde`?"),
        ('principal = "linde"', 'principl = "linde"', "campaign[0].principl", "unknown", "did you mean `principal`?"),
        ('purpose = "sales"', 'purpose = "sale"', "campaign[0].purpose", "sale", "did you mean `sales`?"),
        ('purpose = "sales"\n', "", "campaign[0].purpose", "nothing", "must be given: `sales`"),
        ('id = "linde-de"', 'id = "Linde DE"', "campaign[0].id", "Linde DE", "1 to 40 of a-z, 0-9 and -"),
        ("de.branchenkodex", "de.kodex", "principal[0].memberships[0]", "de.kodex", "de.branchenkodex"),
        ('"030 23125 011"', '"030"', "caller_id[0].number", "030", "must be a number that can be dialled"),
        ('"030 23125 011"', '"112"', "caller_id[0].number", "112", "called back"),
        ('assigned_to = "linde"', 'assigned_to = "lind"', "caller_id[0].assigned_to", "lind", "did you mean `linde`?"),
        (
            'purpose = "sales"',
            'purpose = "sales"\nobjection_line = "offerd"',
            "campaign[0].objection_line",
            "offerd",
            "did",
        ),
        ('home_country = "DE"', LINE + 'call_back = "030"', "objection_line.call_back", "030", "number that can be"),
        ('home_country = "DE"', LINE + 'call_back = "112"', "objection_line.call_back", "112", "from everywhere"),
        ('home_country = "DE"', LINE + "call_back = 30", "objection_line.call_back", "30", "text in quotes"),
        ('home_country = "DE"', LINE + 'other_number = "x"', "objection_line.other_number", "x", "`review`"),
        ('home_country = "DE"', LINE + "timeout_s = 1", "objection_line.timeout_s", "1", "from 2 to 30"),
        ('home_country = "DE"', LINE + "tries = 0", "objection_line.tries", "0", "from 1 to 9"),
        ('home_country = "DE"', LINE + "try = 1", "objection_line.try", "unknown", "`timeout_s` or `tries`"),
        ('["centre"]', '["center"]', "caller_id[0].right_of_use[0]", "center", "did you mean `centre`?"),
        ('"+49 30 23125 011"]', '"+49 30 23125 012"]', "campaign[0].caller_ids[0]", "012", "did you mean"),
    ],
)
def test_a_mistake_in_the_campaigns_is_explained(tmp_path, before, after, key, found, allowed):
    """References must resolve, codes must exist, choices are listed."""
    assert before in CAMPAIGNS
    problems = problems_of(write(tmp_path, campaigns=CAMPAIGNS.replace(before, after)))
    assert key in problems
    assert found in problems[key].found
    assert allowed in problems[key].allowed


@pytest.mark.parametrize(
    ("more", "key", "allowed"),
    [
        ("starts_on = 2026-02-01\nends_on = 2026-01-31", "campaign[0].ends_on", "must not be before starts_on"),
        ('starts_on = "soon"', "campaign[0].starts_on", "a date such as 2026-07-01"),
        ("starts_on = 2026-01-01T00:00:00", "campaign[0].starts_on", "a date such as 2026-07-01"),
        ('dial_mode = "recorded"\non_machine = "off"', "campaign[0].on_machine", "left on machines"),
        ('dial_mode = "predictive"\non_machine = "warn"', "campaign[0].on_machine", "no agent who dialled"),
        ('presumed_interest = "they may like it"', "campaign[0].presumed_interest", "only of companies"),
        ('trunk_country = "Germany"', "campaign[0].trunk_country", "two capital letters"),
        ('language = "german"', "campaign[0].language", "two small letters"),
        ('[[principal]]\nid = "linde"\nname = "L"\ncountry = "DE"', "principal[1].id", "must be another name"),
        (
            '[[campaign]]\nid = "linde-de"\nprincipal = "linde"\npurpose = "sales"',
            "campaign[1].id",
            "campaign[0] has this one",
        ),
        ('[[caller_id]]\nnumber = "0049 30 23125011"\nassigned_to = "linde"', "caller_id[1].number", "another number"),
        ('[[closed_day]]\nday = 2026-05-05\ncountry = "**"\nreason = "x"', "closed_day[0].country", "`*`"),
        ('[[closed_day]]\nday = 2026-05-05\ncountry = "NL"\nreason = " "', "closed_day[0].reason", "not empty"),
    ],
)
def test_a_wrong_addition_to_the_campaigns_is_explained(tmp_path, more, key, allowed):
    """Doubles, dates out of order, countries and languages that are none."""
    problems = problems_of(write(tmp_path, campaigns=CAMPAIGNS + more))
    assert list(problems) == [key]
    assert allowed in problems[key].allowed


def test_every_mistake_of_every_file_is_found_in_one_go(tmp_path):
    """Shape and meaning, in the service, the campaigns and two rulebooks, each with its line."""
    campaigns = CAMPAIGNS.replace('purpose = "sales"', "purpose = 3").replace(
        'assigned_to = "linde"', 'assigned_to = "nobody"'
    )
    folder = write(
        tmp_path,
        service="[service]\nworkers = 0\n[store]\nurl = 'ftp://x'\n",
        campaigns=campaigns,
        nl='country = "NL"\nname = "the Netherlands"\nsurprise = 1\n',
        de="country = ",
    )
    problems = problems_of(folder)
    found = {(problem.file.removeprefix(f"{folder}/"), key, problem.line) for key, problem in problems.items()}
    assert {
        ("ringfence.toml", "service.workers", 2),
        ("ringfence.toml", "store.url", 4),
        ("campaigns.toml", "campaign[0].purpose", 18),
        ("campaigns.toml", "caller_id[0].assigned_to", 13),
        ("rulebook/nl.toml", "surprise", 3),
        ("rulebook/de.toml", "de.toml", 1),
    } <= found


def test_problems_stand_in_the_order_of_their_lines(tmp_path):
    """So that an editor can go through them from top to bottom."""
    service = "[store]\nurl = 'x'\n[agi]\nport = -1\n[service]\nworkers = 0\nworkes = 1\n"
    lines = [problem.line for problem in problems_of(write(tmp_path, service=service)).values()]
    assert lines == sorted(lines) == [2, 4, 6, 7]


def test_what_depends_on_a_broken_rulebook_is_not_reported_too(tmp_path):
    """A membership is not called unknown because the file that defines it cannot be read."""
    problems = problems_of(write(tmp_path, de="country = "))
    assert list(problems) == ["de.toml"]


def test_two_rulebooks_of_one_country_are_refused(tmp_path):
    """Which of them would hold?"""
    from asterisk_plugin.settings.files import shipped

    text = shipped("config", "rulebook", "de.toml").read_text()
    problems = problems_of(write(tmp_path, de=text, de2=text))
    assert list(problems) == ["country"]
    assert problems["country"].file.endswith("de2.toml")


@pytest.mark.parametrize(
    ("data", "found", "line"),
    [
        (b"[agi]\nhost = '\xff'\n", "the byte 0xff", 2),
        (b"[agi]\nport = \n", "invalid value", 2),
        (b"a = 1\na = 2\n", "cannot overwrite a value", 2),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested", 0),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_its_line(tmp_path, data, found, line):
    """Not UTF-8, not TOML, or made to break a reader."""
    write(tmp_path)
    (tmp_path / "ringfence.toml").write_bytes(data)
    problems = problems_of(tmp_path)
    assert list(problems) == ["ringfence.toml"]
    assert found in problems["ringfence.toml"].found
    assert problems["ringfence.toml"].line == line


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A folder in place of a file: also root cannot read that."""
    write(tmp_path)
    (tmp_path / "campaigns.toml").unlink()
    (tmp_path / "campaigns.toml").mkdir()
    problem = problems_of(tmp_path)["campaigns.toml"]
    assert problem.found == "is a directory"
    assert problem.allowed == "must be a file that this user can read"


def test_a_place_where_nothing_is_is_named(tmp_path):
    """A misspelt --config."""
    with pytest.raises(ConfigError, match="nothing there"):
        load(tmp_path / "nowhere")


def test_a_very_long_value_is_not_repeated_whole(tmp_path):
    """A certificate pasted by mistake does not fill the screen."""
    problem = problems_of(write(tmp_path, service=f"[store]\nurl = '{'x' * 5000}'"))["store.url"]
    assert len(problem.found) < 80
