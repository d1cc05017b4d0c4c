"""`[[queue]]`: what becomes of it, and every mistake in one."""

from __future__ import annotations

import pytest
from settings_site import CAMPAIGNS, load_from, problems_of, write

from asterisk_plugin.core.site import AtLimit, Queue
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.settings.load import load

QUEUE = """[[principal]]
id = "tulip"
name = "Tulip B.V."
country = "NL"
[[campaign]]
id = "tulip-nl"
principal = "tulip"
purpose = "service"
[[queue]]
id = "Linde_1"
principal = "linde"
numbers = ["030 23125 012", "0800 1234567"]
call_back_campaign = "linde-de"
"""


def test_a_queue_becomes_a_value_with_the_core_s_defaults(tmp_path):
    """What is not said is what the core takes for granted."""
    site = load_from(write(tmp_path, campaigns=CAMPAIGNS + QUEUE)).site
    queue = site.queues["Linde_1"]
    assert [number.e164 for number in queue.numbers] == ["+493023125012", "+498001234567"]
    assert queue.principal is site.campaigns["linde-de"].principal
    assert queue == Queue("Linde_1", queue.principal, numbers=queue.numbers, call_back=site.campaigns["linde-de"])


def test_every_key_of_a_queue_reaches_its_value(tmp_path):
    """None is read and forgotten."""
    more = """language = "de"
unanswered = false
fixed_price = true
announce_every_s = 45
carrier_limit_s = 0
at_limit = "call-back"
objection_key = false
"""
    queue = load_from(write(tmp_path, campaigns=CAMPAIGNS + QUEUE + more)).site.queues["Linde_1"]
    assert (queue.language, queue.unanswered, queue.fixed_price, queue.objection_key) == ("de", False, True, False)
    assert (queue.announce_every_s, queue.carrier_limit_s, queue.at_limit) == (45, 0, AtLimit.CALL_BACK)


@pytest.mark.parametrize("more", ["carrier_limit_s = 30", "announce_every_s = 10", 'id = "x"\n'])
def test_bounds_belong_to_what_is_allowed(tmp_path, more):
    """The shortest limit, the shortest period, a name of one letter."""
    text = QUEUE.replace('id = "Linde_1"\n', "") if more.startswith("id") else QUEUE
    assert problems_of(write(tmp_path, campaigns=CAMPAIGNS + text + more)) == {}


@pytest.mark.parametrize(
    ("before", "after", "key", "found", "allowed"),
    [
        ('"Linde_1"', '"Linde 1"', "id", "Linde 1", "1 to 40 of A-Z, a-z, 0-9, _ and -"),
        ('"Linde_1"', f'"{"x" * 41}"', "id", "xxx", "1 to 40 of"),
        ('principal = "linde"\nnumbers', 'principal = "lind"\nnumbers', "principal", "lind", "did you mean `linde`?"),
        ('principal = "linde"\nnumbers', "numbers", "principal", "nothing", "must be given: text in quotes (for whom"),
        ('"linde-de"\n', '"linde-d"\n', "call_back_campaign", "linde-d", "must be `linde-de`; did you mean"),
        ('"linde-de"\n', '"tulip-nl"\n', "call_back_campaign", "tulip-nl", "a campaign of `linde`: `linde-de`"),
        ('"linde-de"\n', "3\n", "call_back_campaign", "`3`", "text in quotes"),
        ('"030 23125 012"', '"030"', "numbers[0]", "030", "must be a number that can be dialled: "),
        ('"030 23125 012"', '"112"', "numbers[0]", "112", "not an emergency number"),
        ('"0800 1234567"', '"+493023125012"', "numbers[1]", "+4930", "this one leads to queue[0] already"),
        ("numbers = [", 'numbers = "x" #', "numbers", '`"x"`', "must be a list of text in quotes"),
    ],
)
def test_a_mistake_in_a_queue_is_explained(tmp_path, before, after, key, found, allowed):
    """What stands there, what is allowed, and nothing else is made up."""
    assert QUEUE.count(before) == 1 or key == "call_back_campaign"
    head, queue = QUEUE.split("[[queue]]")
    problems = problems_of(write(tmp_path, campaigns=f"{CAMPAIGNS}{head}[[queue]]{queue.replace(before, after)}"))
    assert list(problems) == [f"queue[0].{key}"]
    problem = problems[f"queue[0].{key}"]
    assert found in problem.found
    assert allowed in problem.allowed
    assert problem.line > CAMPAIGNS.count("\n") + head.count("\n")


@pytest.mark.parametrize(
    ("more", "key", "found", "allowed"),
    [
        ('language = "german"', "language", "german", "two small letters"),
        ("unanswered = 1", "unanswered", "`1`", "true or false"),
        ("fixed_price = 1", "fixed_price", "`1`", "true or false"),
        ("announce_every_s = 9", "announce_every_s", "`9`", "a whole number from 10 to 600"),
        ("announce_every_s = 601", "announce_every_s", "`601`", "a whole number from 10 to 600"),
        ("carrier_limit_s = 29", "carrier_limit_s", "`29`", "from 30 to 3600, or 0 when there is no limit"),
        ("carrier_limit_s = 120000", "carrier_limit_s", "`120000`", "from 30 to 3600"),
        ("carrier_limit_s = -1", "carrier_limit_s", "`-1`", "from 30 to 3600"),
        ('at_limit = "hangup"', "at_limit", "hangup", "must be `answer` or `call-back`"),
        ('objection_key = "yes"', "objection_key", "yes", "true or false"),
        ("number = 3", "number", "unknown", "did you mean `numbers`?"),
    ],
)
def test_a_wrong_key_of_a_queue_is_explained(tmp_path, more, key, found, allowed):
    """Nobody can be hung up on: there is no such choice."""
    problems = problems_of(write(tmp_path, campaigns=CAMPAIGNS + QUEUE + more))
    assert list(problems) == [f"queue[0].{key}"]
    assert found in problems[f"queue[0].{key}"].found
    assert allowed in problems[f"queue[0].{key}"].allowed


def test_a_call_back_at_the_limit_needs_a_campaign(tmp_path):
    """Else nobody would call."""
    text = QUEUE.replace('call_back_campaign = "linde-de"\n', 'at_limit = "call-back"\n')
    problems = problems_of(write(tmp_path, campaigns=CAMPAIGNS + text))
    assert list(problems) == ["queue[0].at_limit"]
    assert problems["queue[0].at_limit"].allowed.startswith("must be `answer`, unless call_back_campaign says")


GUIDE = "de.leitfaden-kundenbetreuung"


@pytest.mark.parametrize(
    ("memberships", "more", "is_wrong"),
    [
        (f'"{GUIDE}"', "announce_every_s = 61", True),
        (f'"{GUIDE}"', "announce_every_s = 60", False),
        ('"de.branchenkodex"', "announce_every_s = 61", False),
        (f'"{GUIDE}"', "announce_every_s = true", False),  # wrong, but not for being too long
    ],
)
def test_announcements_rarer_than_the_law_asks_are_refused(tmp_path, memberships, more, is_wrong):
    """With the source; who is no member of the voluntary guide is not bound by it."""
    campaigns = CAMPAIGNS.replace('"de.branchenkodex"', memberships) + QUEUE + more
    problem = problems_of(write(tmp_path, campaigns=campaigns)).get("queue[0].announce_every_s")
    if is_wrong:
        assert problem is not None
        assert problem.found == "`61`"
        assert problem.line == campaigns.count("\n") + 1
    allowed = "must be 60 or less: Leitfaden verbraucherfreundliche Kundenbetreuung 2007, since 2007-12-10"
    assert (problem is not None and problem.allowed == allowed) is is_wrong


@pytest.mark.parametrize(
    ("numbers", "principal", "is_wrong"),
    [
        ('["+31 20 555 0103", "030 23125 012"]', "linde", False),
        ('["030 23125 012", "+31 20 555 0103"]', "linde", True),
        ("[]", "linde", True),
        ("[]", "tulip", False),
    ],
)
def test_the_law_of_the_first_number_counts_else_the_principals(tmp_path, numbers, principal, is_wrong):
    """The Dutch rulebook says nothing of queues."""
    campaigns = CAMPAIGNS.replace("de.branchenkodex", GUIDE) + QUEUE.replace(
        'id = "Linde_1"\nprincipal = "linde"\nnumbers = ["030 23125 012", "0800 1234567"]\n'
        'call_back_campaign = "linde-de"',
        f'id = "x"\nprincipal = "{principal}"\nnumbers = {numbers}\nannounce_every_s = 90',
    )
    assert 'id = "x"' in campaigns
    assert set(problems_of(write(tmp_path, campaigns=campaigns))) == (
        {"queue[0].announce_every_s"} if is_wrong else set()
    )


def test_a_law_still_to_come_is_kept_from_today_on(tmp_path):
    """A file that is right today must not stop the service on the day on which a value comes into force."""
    text = shipped("config", "rulebook", "de.toml").read_text()
    head, _, value = text.rpartition("[[members.leitfaden-kundenbetreuung.queue_announcement.values]]")
    later = value.replace("2007-12-10", "2999-01-01").replace("every_s = 60", "every_s = 30")
    table = "[[members.leitfaden-kundenbetreuung.queue_announcement.values]]"
    campaigns = CAMPAIGNS.replace("de.branchenkodex", GUIDE) + QUEUE
    folder = write(tmp_path, campaigns=f"{campaigns}announce_every_s = 60", de=f"{head}{table}{value}{table}{later}")
    assert "since 2999-01-01" in problems_of(folder)["queue[0].announce_every_s"].allowed
    write(tmp_path, campaigns=campaigns)  # left out, whatever the law asks is kept by itself
    assert problems_of(tmp_path) == {}


def test_two_queues_share_neither_name_nor_number(tmp_path):
    """Asterisk does not tell `LINDE_1` from `Linde_1`; every mistake of both is found in one go."""
    second = '[[queue]]\nid = "LINDE_1"\nprincipal = "nobody"\nnumbers = ["0049 30 23125012"]\nat_limit = "call-back"\n'
    problems = problems_of(write(tmp_path, campaigns=CAMPAIGNS + QUEUE + second))
    assert set(problems) == {f"queue[1].{key}" for key in ("id", "principal", "numbers[0]", "at_limit")}
    assert "queue[0] has this one" in problems["queue[1].id"].allowed
    assert "leads to queue[0]" in problems["queue[1].numbers[0]"].allowed


def test_the_shipped_queues_are_of_the_german_and_the_dutch_principal():
    """The example can be used as it stands."""
    queues = load(None, environment={}).site.queues
    assert {name: queue.principal.country for name, queue in queues.items()} == {
        "linde-service": "DE",
        "tulip-service": "NL",
    }
    linde = queues["linde-service"]
    assert linde.call_back is not None
    assert linde.call_back.principal is linde.principal
