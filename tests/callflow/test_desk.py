"""What the API asks for, read: nothing is guessed, every mistake is named."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest

from asterisk_plugin.callflow.desk import Desk
from asterisk_plugin.callflow.objections import Claim, Taken
from asterisk_plugin.callflow.register import Page
from asterisk_plugin.core.register import State, Wanted
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError
from tests.fakes import TUESDAY_11, make_gate

NUMBER = "+31612345001"
TOKEN = "0123456789abcdef" * 2


@dataclass
class FakeObjections:
    claims: list[Claim] = field(default_factory=list)

    async def take(self, claim):
        self.claims.append(claim)
        return Taken("a" * 32, "0123456", claim.at, "ledger")


@dataclass
class FakeRegister:
    asked: list = field(default_factory=list)

    async def of_person(self, person):
        self.asked.append(person)
        return ()

    async def named(self, name):
        self.asked.append(name)
        return ()

    async def page(self, wanted, *, before, most):
        self.asked.append((wanted, before, most))
        return Page(())


@pytest.fixture
def parts():
    gate, objections, register = make_gate(), FakeObjections(), FakeRegister()
    principals = {campaign.principal.id: campaign.principal for campaign in gate.site.campaigns.values()}
    desk = Desk(gate, objections, register, principals=lambda: principals, asterisks=lambda: ())
    return desk, objections, register, gate


async def test_everything_that_is_known_goes_to_the_evidence(parts):
    """Who, when, how, what was heard, in which attempt."""
    desk, objections, _, _ = parts
    values = {
        "number": "06 1234 5001",
        "country": "nl",
        "principal": "tulip",
        "wording": "never again,\nplease",
        "by": "agent17",
        "channel": "agent",
        "at": "2026-11-24T10:30:00+01:00",
        "attempt": TOKEN,
    }
    answer = await desk.enter(values, token="crm", key="k1")
    (claim,) = objections.claims
    assert claim == Claim(
        number=NUMBER,
        scope="tulip",
        at=dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC),
        channel="agent",
        certainty="stated",
        by="agent17 (crm)",
        wording="never again,\nplease",
        attempt_id=TOKEN,
        call="http crm k1",
    )
    assert answer | {"at": ""} == {
        "id": "a" * 32, "reference": "0123456", "number": NUMBER, "scope": "tulip", "at": "", "held": "ledger",
    }  # fmt: skip


async def test_the_least_is_a_number_and_whom_it_is_against(parts):
    """Now, over HTTP, by the token itself; and standing for itself."""
    desk, objections, _, _ = parts
    await desk.enter({"number": NUMBER, "everyone": True}, token="crm", key="")
    (claim,) = objections.claims
    assert (claim.scope, claim.at, claim.channel, claim.by, claim.call) == (EVERYONE, TUESDAY_11, "http", "crm", "")


async def test_another_machines_clock_may_be_a_little_ahead(parts):
    """What it calls the future is taken for now."""
    desk, objections, _, _ = parts
    at = (TUESDAY_11 + dt.timedelta(seconds=30)).isoformat()
    await desk.enter({"number": NUMBER, "everyone": True, "at": at}, token="crm", key="")
    assert objections.claims[0].at == TUESDAY_11


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"number": ""}, "`number` is missing"),
        ({"number": 31612345001}, "`number` must be text"),
        ({"number": "abc"}, "`number` `abc` cannot be used"),
        ({"number": "112"}, "it is nobody's own number"),
        ({"number": "+" + "1" * 60}, "at most 40"),
        ({"country": "ZZ"}, "`country` `ZZ` is none"),
        ({"everyone": False}, "say whom the objection is against"),
        ({"principal": "tulip"}, "say whom the objection is against"),
        ({"everyone": "yes"}, "`everyone` must be true or false"),
        ({"everyone": None, "principal": "tulip"}, "`everyone` must be true or false"),
        ({"everyone": False, "principal": "tulp"}, "there is no principal `tulp`"),
        ({"channel": "ivr"}, "one of http, agent"),
        ({"at": "2026-11-24"}, "with its zone"),
        ({"at": "2026-11-24T11:02:00Z"}, "lies in the future"),
        ({"attempt": "xyz"}, "32 hex digits"),
        ({"wording": "x" * 2001}, "at most 2000"),
        ({"by": "a\x00b"}, "control characters"),
        ({"prinzipal": "tulip"}, "`prinzipal` is unknown"),
    ],
)
async def test_a_value_that_cannot_be_used_is_named_and_nothing_is_recorded(parts, change, complaint):
    """With what would be right."""
    desk, objections, _, _ = parts
    with pytest.raises(InputError, match=complaint):
        await desk.enter({"number": NUMBER, "everyone": True} | change, token="crm", key="")
    assert objections.claims == []


async def test_a_plus_in_an_address_may_arrive_as_a_blank(parts):
    """`?number=+316…` must not look somebody else up, or nobody."""
    desk, _, register, gate = parts
    for text in (NUMBER, NUMBER.replace("+", " ")):
        await desk.find({"number": text})
    assert register.asked == [gate.tag(NUMBER)] * 2


async def test_filters_are_read(parts):
    """Each by its name."""
    desk, _, register, _ = parts
    asked = {"scope": "*", "channel": "ivr", "by": "kim", "state": "in-part", "since": "2026-01-01T00:00:00Z"}
    await desk.find(asked | {"text": "never", "review": "1", "limit": "7", "before": "90"})
    since = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    wanted = Wanted(scope="*", channel="ivr", by="kim", state=State.IN_PART, since=since, text="never", to_review=True)
    assert register.asked == [(wanted, 90, 7)]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"limit": "0"}, "from 1 to 200"),
        ({"limit": "201"}, "from 1 to 200"),
        ({"before": "-1"}, "whole number"),
        ({"limit": "²"}, "whole number"),
        ({"state": "gone"}, "`state` `gone` is unknown"),
        ({"nubmer": NUMBER}, "`nubmer` is unknown"),
        ({"since": "yesterday"}, "with its zone"),
    ],
)
async def test_a_filter_that_cannot_be_meant_shows_nothing(parts, asked, complaint):
    """A spelling mistake must not show everybody."""
    desk, _, register, _ = parts
    with pytest.raises(InputError, match=complaint):
        await desk.find(asked)
    assert register.asked == []


async def test_a_transfer_needs_a_channel(parts):
    """As text."""
    desk = parts[0]
    for values in ({}, {"channel": ""}, {"channel": 7}, {"channel": "x" * 201}, {"channel": "x", "context": "y"}):
        with pytest.raises(InputError):
            await desk.transfer(values)
