"""Every way to the objection line and every key there, each in every language, with the real service.

All calls run at the same time. What is compared is the sound that reached the person, byte for byte, with the
shipped files of that language; what stands between the prompts of a way must be silence.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab.alaw import tone
from tests.lab.conversation import QUEUES, Person, add_queues, dial_into_queue, digits, legs_of
from tests.lab.fixtures import SITE
from tests.lab.service import PATIENT, ServiceProcess, patient_dialplan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.lab.attempt import Attempt, RunningAttempt
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.paired, pytest.mark.asyncio(loop_scope="session")]

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "sv")
CAMPAIGN = """
[[caller_id]]
number = "{shown}"
assigned_to = "centre"
call_back_routed = true

[[campaign]]
id = "line-{language}"
principal = "linde"
purpose = "sales"
product = "fashion"
caller_ids = ["{shown}"]
language = "{language}"
on_machine = "off"
"""
SOMEBODY = tone("a person")
"""Who answers where key 0 leads."""

PERSON = """
[ringfence-person]
exten => s,1,Playback(lab/somebody)
 same => n,Hangup()
"""

CALLING_KINDS = ("call-back", "withheld")
"""Of the ways and the keys: those in which the person calls."""

DEFERRED_S = 8
"""Who was not called after so long has been deferred."""

LONGEST_WAIT_S = 60

CALLED = ("line-greeting", "you-were-called-by", "a-centre-unknown", "on-behalf-of", "a-company-unknown")
CALLING = ("line-greeting", "this-number-is-used-by", *CALLED[2:])
MENU = ("press-1-company", "press-2-everyone", "press-3-other-number", "press-0-person", "press-9-repeat")
AFTERWARDS = ("press-9-reference-again", "press-2-everyone")

WAYS = {
    # which way -> the record's path
    "call-end": "call-end",
    "queue": "queue",
    "feature-code": "agent",
    "command": "transfer",
    "http": "transfer",
    "call-back": "call-back",
}


def shown(language: str) -> str:
    """The number that calls in a language show."""
    return f"+4930231252{10 + LANGUAGES.index(language)}"


# --- keys: what a person does in the line


async def at_once(person: Person, other: str) -> None:
    """2 in the middle of the menu: what is being said is cut."""
    assert other
    await person.hears(CALLED[0])
    await person.presses("2")
    await person.hears("recorded-everyone", "number-ending-in", *digits(person.number[-3:]), "your-reference-is")
    assert not await person.heard_whole("press-2-everyone")


async def another_number(person: Person, other: str) -> None:
    """3, half a number, a star, the whole number, 3 to enter it again, 1 to confirm; then 2, and again by 9."""
    await person.hears(CALLED[0])
    await person.presses("3")
    await person.hears("enter-number")
    await person.presses("030")
    await person.hears("number-not-valid", "enter-number")
    await person.presses("03*")
    await person.hears("enter-number")
    await person.presses(f"0{other[3:]}#")
    await person.hears("you-entered", *digits("030"))
    await person.presses("3")
    await person.hears("enter-number")
    await person.presses(f"0{other[3:]}#")
    await person.hears("you-entered", *digits(f"0{other[3:]}"), "press-1-confirm-3-again")
    await person.presses("1")
    await person.hears("recorded-company", "number-ending-in", *digits(other[-3:]), "your-reference-is")
    await person.presses("9")
    await person.hears("recorded-company")
    await person.presses("2")
    await person.hears("recorded-everyone", "number-ending-in", *digits(other[-3:]), "your-reference-is")


async def three_wrong_keys(person: Person, other: str) -> None:
    """A wrong key, 9 to hear it again, a star and a hash: the third failure ends the call."""
    assert other
    await person.hears(CALLED[0])
    await person.presses("5")
    await person.hears("not-an-option", "press-1-company")
    await person.presses("9")
    await person.hears(*CALLED)
    await person.presses("*")
    await person.hears("not-an-option")
    await person.presses("#")
    await person.hears("not-an-option", "goodbye")


async def silence(person: Person, other: str) -> None:
    """3, and then not a word: three times nobody there."""
    assert other
    await person.hears(CALLED[0])
    await person.presses("3")
    await person.hears("enter-number", "nobody-there", "enter-number", "nobody-there", "enter-number")
    await person.hears("nobody-there", "goodbye")


async def to_a_person(person: Person, other: str) -> None:
    """The whole menu, silence, and 0: somebody answers."""
    assert other
    await person.hears(*CALLED, *MENU, "nobody-there", "press-1-company")
    await person.presses("0")
    await person.hears("connecting-person")
    async with asyncio.timeout(10):
        while not (await person.listens()).contains(SOMEBODY):  # noqa: ASYNC110 - packets are no event
            await asyncio.sleep(0.2)


async def withheld(person: Person, other: str) -> None:
    """Calls back with a withheld number, presses 1, enters it, and never confirms: it counts all the same."""
    await person.hears(CALLING[0])
    await person.presses("1")
    await person.hears("no-number-known", "enter-number")
    await person.presses(f"0{other[3:]}#")
    await person.hears("you-entered")
    for key in "567":
        await asyncio.sleep(0.5)
        await person.presses(key)
    await person.hears("recorded-company", "number-ending-in", *digits(other[-3:]), "your-reference-is")
    await person.hears("goodbye")


KEYS: dict[str, tuple[Callable[[Person, str], Awaitable[None]], set[tuple[str, str]]]] = {
    # what is done -> by what, and which (scope, certainty) must be recorded of it: nothing more, nothing less
    "at once": (at_once, {("*", "called")}),
    "another number": (another_number, {("linde", "entered"), ("*", "entered")}),
    "three wrong keys": (three_wrong_keys, set()),
    "silence": (silence, set()),
    "to a person": (to_a_person, set()),
    "withheld": (withheld, {("linde", "unconfirmed")}),
}
KINDS = (*WAYS, *KEYS)


def number_of(kind: str, language: str, *, other: bool = False) -> str:
    """Somebody's number, or the other one that they enter."""
    place = KINDS.index(kind) + (len(KINDS) if other else 0)
    return f"+493023125{600 + 10 * place + LANGUAGES.index(language)}"


# --- ways: how a person gets there


async def objects(person: Person, way: str) -> None:
    """Hear everything out, press 1, hear the confirmation out, hang up."""
    await person.hears(*(CALLING if way == "call-back" else CALLED), *MENU)
    await person.presses("1")
    await person.hears("recorded-company", "number-ending-in", *digits(person.number[-3:]), "your-reference-is")
    await person.hears(AFTERWARDS[0])
    await person.hangs_up()


@dataclass(slots=True)
class Evening:
    """What came of all the calls.

    Args:
        people: By kind and language.
        faults: Why somebody's call did not go as it should, where it did not.
        rows: Every objection in the register.
        again: What the gate says about calling those once more who came by one of the `WAYS`, by number.
        invited: Whom the carrier was asked to call after that.
        took_s: How long the calls took.
    """

    people: dict[tuple[str, str], Person] = field(default_factory=dict)
    faults: dict[tuple[str, str], BaseException] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    again: dict[str, Attempt] = field(default_factory=dict)
    invited: Sequence[str] = ()
    took_s: float = 0

    def rows_of(self, number: str) -> list[dict[str, str]]:
        """The objections that hold for a number."""
        return [row for row in self.rows if row["number"] == number]


class Caller:
    """Everybody who calls, is called and sends on.

    Args:
        lab: The live lab.
        centre: The service.
        people: By kind and language.
    """

    def __init__(self, lab: Lab, centre: ServiceProcess, people: dict[tuple[str, str], Person]) -> None:
        self._lab, self._centre, self._people = lab, centre, people
        self._running: dict[str, RunningAttempt] = {}

    async def call(self, kind: str) -> None:
        """Bring one kind of people into the line, or to where an agent can send them there.

        Whom a busy machine made the gate defer is called again, as a dialer would.
        """
        people = {self._people[kind, language].number: language for language in LANGUAGES}
        since_s = time.time()
        for language in LANGUAGES:
            await self._begin(kind, language)
        if kind in CALLING_KINDS:
            return
        waiting = set(people)
        while waiting:
            assert time.time() - since_s < LONGEST_WAIT_S, f"`{kind}`, in no call: {sorted(waiting)}"
            calls = {call.number: call for call in await self._lab.invites(since_s=since_s)}
            waiting -= {number for number in waiting & calls.keys() if calls[number].answered_at_s}
            for number in waiting - calls.keys():
                if time.time() - self._people[kind, people[number]].since_s > DEFERRED_S:
                    await self._begin(kind, people[number])
            await asyncio.sleep(0.1)  # the capture file grows without an event

    async def _begin(self, kind: str, language: str) -> None:
        lab, person = self._lab, self._people[kind, language]
        number = person.number
        await lab.subscriber(number, "answer", ring_s=0.1, talk_s=200)
        person.since_s = time.time()
        if kind in CALLING_KINDS:
            pres = "prohib" if kind == "withheld" else "allowed"
            await lab.people.calls(number, shown(language), pres=pres, talk_s=200)
        elif kind in ("queue", "feature-code"):
            agent = agent_of(kind, language)
            keys = ((2.5, "*7"),) if kind == "feature-code" else ()
            await lab.subscriber(agent, "answer", ring_s=0.1, talk_s=60 if keys else 3, keys=keys)
            await dial_into_queue(lab, number, f"line-{language}", agent)
        else:
            self._running[number] = await lab.begin(number, f"line-{language}", caller_id="1001")

    async def send_on(self, kind: str) -> None:
        """Be the agents who send their people to the line, where no queue and no telephone does."""
        numbers = {self._people[kind, language].number for language in LANGUAGES} & self._running.keys()
        if kind not in ("command", "http"):
            await self._lab.hang_up(*(self._running[number] for number in numbers))
            return
        for leg in (await legs_of(self._lab, numbers)).values():
            if kind == "http":
                status, answer = await self._centre.post("/v1/transfer", {"channel": leg})
                assert (status, answer["channel"]) == (200, leg), answer
            else:
                said = await self._centre.run("transfer", leg)
                assert said.code == 0, said.err


def agent_of(kind: str, language: str) -> str:
    """The queue's agent."""
    return f"2{1 if kind == 'queue' else 2}{LANGUAGES.index(language):02d}"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def centre(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceProcess]:
    """A running service with a campaign in each language, and people who asked to be called."""
    folder = tmp_path_factory.mktemp("languages")
    site = folder / "site"
    shutil.copytree(SITE, site)
    more = (CAMPAIGN.format(shown=shown(language), language=language) for language in LANGUAGES)
    (site / "campaigns.toml").write_text((SITE / "campaigns.toml").read_text() + "".join(more))
    running = ServiceProcess(lab, folder / "ringfence", site=site, toml=PATIENT)
    consents = folder / "consents.csv"
    numbers = [number_of(kind, language) for kind in KINDS for language in LANGUAGES]
    rows = "".join(f"{number},linde,sales,fashion,requested-call,2026-10-01T10:00:00Z\n" for number in numbers)
    consents.write_text("number,principal,purpose,product,kind,given_at\n" + rows)
    entered = await running.run("consent", "import", str(consents))
    assert entered.code == 0, entered.err
    await add_queues(lab, [agent_of(kind, language) for kind in ("queue", "feature-code") for language in LANGUAGES])
    lab.pbx.add_sound("lab/somebody", SOMEBODY)
    await lab.pbx.add_dialplan(QUEUES + PERSON)
    async with patient_dialplan(lab):
        await running.start()
        lab.people.listen()
        yield running
        lab.people.stop_listening()
        await running.stop()
        await lab.clear()
    await lab.pbx.add_dialplan("")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def evening(lab: Lab, centre: ServiceProcess) -> Evening:
    """All calls at once, from the first to the last; then the register, and everybody is called once more."""
    found, began_s = Evening(), time.time()
    for kind in KINDS:
        for language in LANGUAGES:
            found.people[kind, language] = Person(lab, number_of(kind, language), language)
    caller = Caller(lab, centre, found.people)
    sending, talks = [], {}
    for kind in (*KEYS, *WAYS):
        await caller.call(kind)
        sending.append(asyncio.create_task(caller.send_on(kind)))
        talks |= {(kind, lang): asyncio.create_task(_talk(kind, found.people[kind, lang])) for lang in LANGUAGES}
    for one, fault in zip(talks, await asyncio.gather(*talks.values(), return_exceptions=True), strict=True):
        if fault is not None:
            found.faults[one] = fault
    await asyncio.gather(*sending)
    await lab.clear()
    found.took_s = time.time() - began_s
    said = await centre.run("objections", "export", "--format", "jsonl")
    assert said.code == 0, said.err
    found.rows = [json.loads(line) for line in said.out.splitlines()]
    again_s = time.time()
    for kind in WAYS:
        numbers = [(number_of(kind, language), f"line-{language}") for language in LANGUAGES]
        answers = await asyncio.gather(*(_again(lab, number, campaign) for number, campaign in numbers))
        found.again |= dict(zip((number for number, _ in numbers), answers, strict=True))
    found.invited = [call.number for call in await lab.invites(since_s=again_s)]
    print(f"\n{len(talks)} calls at once took {found.took_s:.0f} s, with looking back {time.time() - began_s:.0f} s")
    return found


async def _again(lab: Lab, number: str, campaign: str) -> Attempt:
    """What the gate says about calling somebody; asked once more where a busy machine made it defer."""
    await lab.subscriber(number, "busy")  # whoever is called all the same keeps nobody waiting
    for _ in range(5):
        attempt = await lab.dial(number, campaign, caller_id="1001")
        if attempt.decision != "DEFER":
            break
    return attempt


async def _talk(kind: str, person: Person) -> None:
    if kind in WAYS:
        await objects(person, kind)
    else:
        script, _ = KEYS[kind]
        await script(person, number_of(kind, person.language, other=True))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("way", WAYS)
async def test_one_key_holds_whichever_way_the_person_came(evening: Evening, way: str, language: str) -> None:
    """Menu and confirmation are the shipped ones of the language and nothing else; nobody is called again."""
    if fault := evening.faults.get((way, language)):
        raise fault
    person = evening.people[way, language]
    (row,) = evening.rows_of(person.number)
    certainty = "caller-id" if way == "call-back" else "called"
    told = (row["path"], row["language"], row["scope"], row["certainty"])
    assert told == (WAYS[way], language, "linde", certainty)
    before = (*(CALLING if way == "call-back" else CALLED), *MENU)
    after = ("recorded-company", "number-ending-in", *digits(person.number[-3:]))
    reference = ("your-reference-is", *digits(row["reference"]))
    assert not await person.heard_nothing_but(*before, *after, *reference)
    assert evening.again[person.number].reason == "objection"
    assert person.number not in evening.invited


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("keys", KEYS)
async def test_every_key_does_what_is_said_in_every_language(evening: Evening, keys: str, language: str) -> None:
    """Heard in order, in the campaign's language, and recorded exactly what was pressed for."""
    if fault := evening.faults.get((keys, language)):
        raise fault
    person, (_, wanted) = evening.people[keys, language], KEYS[keys]
    other = number_of(keys, language, other=True)
    rows = evening.rows_of(person.number) + evening.rows_of(other)
    assert {(row["scope"], row["certainty"]) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert {row["number"] for row in rows} <= ({person.number} if keys == "at once" else {other})
    assert {row["language"] for row in rows} <= {language}
