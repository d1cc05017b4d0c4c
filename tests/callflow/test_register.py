"""The register over a ledger in memory: pages that join, whose withdrawal counts, people who were erased."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

import pytest

from asterisk_plugin.callflow import register as module
from asterisk_plugin.callflow.register import Register
from asterisk_plugin.core.register import State, Wanted
from asterisk_plugin.errors import InputError
from asterisk_plugin.ports import Event, EventKind, StoredEvent

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
NOW = AT + dt.timedelta(days=30)
ANNE, BERT = "a" * 32, "b" * 32


@dataclass
class MemoryLedger:
    """Rows in order, asked as `RegisterLedger` is."""

    rows: list[StoredEvent] = field(default_factory=list)

    def add(self, kind: EventKind, person: str = ANNE, *, at=AT, sealed=True, **body) -> Event:
        number = len(self.rows) + 1
        event = Event(f"{number:032x}", kind, at, person, body, {"number": "+316" + person[:4]} if sealed else None)
        self.rows.append(StoredEvent(number, event, ""))
        return event

    async def objections(self, *, before, most, reference=""):
        found = [
            row
            for row in reversed(self.rows)
            if row.event.kind is EventKind.OBJECTION
            and (not before or row.seq < before)
            and reference in ("", row.event.body.get("reference"))
        ]
        return found[:most]

    async def objection_changes(self):
        kinds = (EventKind.OBJECTION_WITHDRAWN, EventKind.OBJECTION_CONFIRMED)
        return [row for row in self.rows if row.event.kind in kinds]

    async def find_by_person(self, person):
        return [row for row in self.rows if row.event.person == person]

    async def find(self, name):
        return [row for row in self.rows if row.event.id == name]


@pytest.fixture
def ledger():
    return MemoryLedger()


@pytest.fixture
def register(ledger):
    return Register(ledger, clock=lambda: NOW)


def objected(ledger, person=ANNE, *, scope="tulip", reference="1111111", **more):
    return ledger.add(EventKind.OBJECTION, person, scope=scope, reference=reference, channel="ivr", **more)


def consented(ledger, person=ANNE, *, principal="tulip", at=AT + dt.timedelta(days=1), **more):
    body = {"principal": principal, "purpose": "sales", "product": "any", "given_at": at.isoformat()}
    return ledger.add(EventKind.CONSENT, person, at=at, **{**body, **more})


def withdrawn(ledger, objection, consent, person=ANNE):
    about = {"scope": objection.body["scope"], "objection": objection.id, "consent": consent.id, "by": "kim"}
    return ledger.add(EventKind.OBJECTION_WITHDRAWN, person, **about)


@pytest.mark.parametrize("rows_per_step", [1, 2, 3, 500])
@pytest.mark.parametrize("most", [1, 2, 5, 100])
async def test_pages_join_without_gap_and_without_repeating(ledger, register, monkeypatch, rows_per_step, most):
    """However many rows are read at a time, and whatever lies between."""
    monkeypatch.setattr(module, "ROWS_PER_STEP", rows_per_step)
    for number in range(11):
        objected(ledger, reference=f"{number:07}", scope="tulip" if number % 3 else "*")
        if number % 2:
            ledger.add(EventKind.ATTEMPT)
    for wanted, expected in ((Wanted(), range(10, -1, -1)), (Wanted(scope="*"), (9, 6, 3, 0))):
        found, before = [], 0
        while True:
            page = await register.page(wanted, before=before, most=most)
            assert len(page.entries) <= most
            found += [int(entry.reference) for entry in page.entries]
            before = page.before
            if not before:
                break
        assert found == list(expected)


@pytest.mark.parametrize("most_rows", [1, 2, 3, 11, 12])
async def test_a_page_that_looks_at_few_rows_leads_to_the_next(ledger, register, most_rows):
    """However few entries fit; and it looks at no more."""
    for number in range(11):
        objected(ledger, reference=f"{number:07}", scope="tulip" if number % 3 else "*")
    found, before, pages = [], 0, 0
    while not pages or before:
        page = await register.page(Wanted(scope="*"), before=before, most=2, most_rows=most_rows)
        assert len(page.entries) <= min(2, most_rows)
        found += [int(entry.reference) for entry in page.entries]
        before, pages = page.before, pages + 1
    assert found == [9, 6, 3, 0]
    assert pages >= 11 / most_rows


async def test_a_withdrawal_counts_only_with_a_consent_that_holds(ledger, register):
    """It stays in the history in any case."""
    held, given = objected(ledger), consented(ledger)
    withdrawn(ledger, held, given)
    (entry,) = await register.of_person(ANNE)
    assert (entry.state, entry.withdrawn[0].principal) == (State.WITHDRAWN, "tulip")
    taken_back = {"principal": "tulip", "purpose": "sales", "product": "any", "at": NOW.isoformat()}
    ledger.add(EventKind.CONSENT_WITHDRAWN, **taken_back)
    (entry,) = await register.of_person(ANNE)
    assert (entry.state, entry.withdrawn[0].holds, entry.withdrawn[0].by) == (State.STANDS, False, "kim")


async def test_a_consent_recorded_before_the_objection_lifts_nothing(ledger, register):
    """Whatever moment the objection names: somebody wrote it down after that consent, and not in vain."""
    given = consented(ledger)
    held = objected(ledger)  # dated back to the day before the consent
    withdrawn(ledger, held, given)
    (entry,) = await register.of_person(ANNE)
    assert (entry.state, entry.withdrawn[0].holds) == (State.STANDS, False)
    with pytest.raises(InputError, match="the consent was recorded before the objection"):
        await register.withdrawals(ANNE, held.id, consent=given.id, by="kim")


@pytest.mark.parametrize(
    ("certainty", "rule", "to_review"),
    [
        *(("called", "", False), ("stated", "", False)),
        *(("entered", "honour", False), ("entered", "review", True)),
        *(("caller-id", "honour", False), ("caller-id", "review", True)),
        *(("unconfirmed", "honour", True), ("unconfirmed", "review", True)),
    ],
)
async def test_the_admins_rule_at_the_time_says_what_is_listed_for_review(ledger, register, certainty, rule, to_review):
    """A number that nobody confirmed always is; once an admin has looked, nothing is; all are in force."""
    held = objected(ledger, certainty=certainty, other_number=rule)
    listed = (await register.page(Wanted(to_review=True))).entries
    assert [entry.id for entry in listed] == [held.id] * to_review
    ledger.add(EventKind.OBJECTION_CONFIRMED, objection=held.id, by="kim")
    assert (await register.page(Wanted(to_review=True))).entries == ()
    (entry,) = await register.of_person(ANNE)
    assert entry.state is State.STANDS


async def test_a_withdrawal_in_another_persons_name_counts_for_nobody(ledger, register):
    """Neither hers, nor with his consent."""
    held, his, hers = objected(ledger), consented(ledger, BERT), consented(ledger)
    withdrawn(ledger, held, his)
    withdrawn(ledger, held, hers, BERT)
    ((entry,),) = [(await register.page(Wanted())).entries]
    assert entry.state is State.STANDS
    assert [one.holds for one in entry.withdrawn] == [False, False]


async def test_two_people_with_one_reference_are_both_shown(ledger, register):
    """Seven digits are as good as unique only with the number."""
    objected(ledger), objected(ledger, BERT), objected(ledger, BERT, reference="2222222")
    assert [entry.person for entry in await register.named("1111111")] == [BERT, ANNE]
    assert await register.named("3333333") == ()


async def test_an_erased_persons_objection_stays_listed_without_the_number(ledger, register):
    """The block outlives the data."""
    objected(ledger, sealed=False)
    (entry,) = (await register.page(Wanted())).entries
    assert (entry.number, entry.wording, entry.state) == ("", "", State.STANDS)


async def test_the_newest_consent_that_serves_is_taken(ledger, register):
    """One that is over, or was given before, does not."""
    held = objected(ledger)
    consented(ledger, at=AT - dt.timedelta(days=1))
    first, second = consented(ledger), consented(ledger)
    consented(ledger, expires_at=(NOW - dt.timedelta(days=1)).isoformat())
    (event,) = await register.withdrawals(ANNE, held.id, consent="", by="kim")
    assert event.body == {"scope": "tulip", "objection": held.id, "consent": second.id, "by": "kim"}
    (event,) = await register.withdrawals(ANNE, held.id, consent=first.id, by="")
    assert event.body["consent"] == first.id


async def test_consents_to_several_principals_are_not_chosen_among(ledger, register):
    """Of an objection against everyone: which part is lifted is for a person to say."""
    held = objected(ledger, scope="*")
    consented(ledger)
    linde = consented(ledger, principal="linde")
    with pytest.raises(InputError, match="several principals"):
        await register.withdrawals(ANNE, held.id, consent="", by="")
    (event,) = await register.withdrawals(ANNE, held.id, consent=linde.id, by="")
    assert event.body["consent"] == linde.id


async def test_what_is_withdrawn_already_is_not_withdrawn_again(ledger, register):
    """Unless it stands again."""
    held, given = objected(ledger), consented(ledger)
    ledger.rows.append(StoredEvent(3, replace(withdrawn(MemoryLedger(), held, given), id="c" * 32), ""))
    with pytest.raises(InputError, match="no objection stands"):
        await register.withdrawals(ANNE, "", consent="", by="")


async def test_somebody_elses_objection_is_not_found(ledger, register):
    """By id, with this person's tag."""
    held = objected(ledger, BERT)
    consented(ledger)
    objected(ledger)
    with pytest.raises(InputError, match="no such objection"):
        await register.withdrawals(ANNE, held.id, consent="", by="")
