"""What the API asks for, read: nothing is guessed, every mistake is named."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field, replace

import pytest

from asterisk_plugin.callflow.desk import MOST_ROWS_PER_PAGE, Desk
from asterisk_plugin.callflow.objections import Claim, Taken
from asterisk_plugin.callflow.records import id_of_content
from asterisk_plugin.callflow.register import Page
from asterisk_plugin.core.register import Entry, State, Wanted, Withdrawn
from asterisk_plugin.core.site import EVERYONE
from asterisk_plugin.errors import InputError, LedgerUnavailableError
from asterisk_plugin.ports import EventKind
from tests.fakes import TUESDAY_11, make_gate

NUMBER = "+31612345001"
LONG_AGO = TUESDAY_11 - dt.timedelta(days=30)
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

    entries: tuple = ()
    error: Exception | None = None
    busy: asyncio.Event | None = None
    at_work: int = 0
    most_at_work: int = 0

    async def of_person(self, person):
        self.asked.append(person)
        if self.error:
            raise self.error
        return self.entries

    async def named(self, name):
        self.asked.append(name)
        return ()

    async def page(self, wanted, *, before, most, most_rows):
        self.asked.append((wanted, before, most, most_rows))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        if self.busy:
            await self.busy.wait()
        self.at_work -= 1
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
    for at, taken in ((TUESDAY_11 + dt.timedelta(minutes=5), TUESDAY_11), (LONG_AGO, LONG_AGO)):
        await desk.enter({"number": NUMBER, "everyone": True, "at": at.isoformat()}, token="crm", key="")
        assert objections.claims.pop().at == taken


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
        ({"at": "2026-11-24T10:05:01Z"}, "lies in the future"),
        ({"at": "2026-10-25T09:59:59Z"}, "more than 30 days back"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "is no moment"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "is no moment"),
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
    assert register.asked == [(wanted, 90, 7, MOST_ROWS_PER_PAGE)]


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
        ({"since": "0001-01-01T00:00:00+14:00"}, "is no moment"),
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


def recorded(gate, call: str, *, at=TUESDAY_11, wording="never", withdrawn=()) -> Entry:
    """The entry that a request with this name has made."""
    content = {"call": call, "number": NUMBER, "scope": "*"}
    name = id_of_content(gate.secret, EventKind.OBJECTION, content)
    return Entry(
        row=1,
        person="p",
        id=name,
        reference="1",
        scope="*",
        at=at,
        channel="http",
        wording=wording,
        withdrawn=withdrawn,
    )


async def once(desk, wording="never", **more) -> dict:
    return dict(await desk.enter({"number": NUMBER, "everyone": True, "wording": wording} | more, token="crm", key="k"))


async def test_the_same_request_again_is_the_same_objection(parts):
    """With the moment that stands in the ledger."""
    desk, objections, register, gate = parts
    earlier = TUESDAY_11 - dt.timedelta(hours=23, minutes=59)
    register.entries = (recorded(gate, "http crm k", at=earlier),)
    assert (await once(desk))["at"] == earlier.isoformat()
    assert [(claim.call, claim.at) for claim in objections.claims] == [("http crm k", earlier)]


async def test_a_moment_that_was_given_is_compared_with_the_one_recorded(parts):
    """An objection that was heard long ago can be entered twice in one day, and is one."""
    desk, objections, register, gate = parts
    register.entries = (recorded(gate, "http crm k", at=LONG_AGO),)
    await once(desk, at=LONG_AGO.isoformat())
    assert objections.claims[0].call == "http crm k"


LIFTED = (Withdrawn(TUESDAY_11, "kim", "c", "tulip", True),)


@pytest.mark.parametrize(
    "other",
    [
        {"withdrawn": LIFTED},
        {"withdrawn": (replace(LIFTED[0], holds=False),)},
        {"wording": "another time"},
        {"wording": ""},
        {"at": TUESDAY_11 - dt.timedelta(hours=24)},
    ],
)
async def test_a_key_used_again_for_something_else_is_a_new_objection(parts, other):
    """Nobody is told that an objection stands which was lifted meanwhile; and that one too is recorded once."""
    desk, objections, register, gate = parts
    register.entries = (recorded(gate, "http crm k", **other),)
    await once(desk)
    (claim,) = objections.claims
    assert claim.call not in ("", "http crm k")
    assert claim.at == TUESDAY_11
    register.entries += (recorded(gate, claim.call),)
    await once(desk)
    assert objections.claims[1].call == claim.call
    register.entries = (register.entries[0], recorded(gate, claim.call, withdrawn=LIFTED))
    await once(desk)
    assert objections.claims[2].call not in ("http crm k", claim.call)


async def test_while_the_ledger_cannot_be_read_an_objection_stands_for_itself(parts):
    """One more does no harm; one that was lifted would."""
    desk, objections, register, _ = parts
    register.error = LedgerUnavailableError("away")
    await once(desk)
    assert objections.claims[0].call == ""


async def test_one_look_up_at_a_time(parts):
    """Calls use the same readers of the ledger."""
    desk, _, register, _ = parts
    register.busy = asyncio.Event()
    asking = [asyncio.create_task(desk.find({})) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(register.asked) == 1
    register.busy.set()
    await asyncio.gather(*asking)
    assert (len(register.asked), register.most_at_work) == (3, 1)


async def test_a_name_that_no_objection_can_have_is_not_looked_for(parts):
    """It comes from an address."""
    desk, _, register, _ = parts
    for name in ("%", "a\x00b", "²", "x" * 31 + "%"):
        assert await desk.named(name) == ()
    assert register.asked == []
    await desk.named("A" * 32)
    assert register.asked == ["a" * 32]
