"""`ringfence objections`: the register for people, and what becomes of an entry."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from record_keeping import ANNE, BERT, Desk

from asterisk_plugin.core.person import person_tag
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.store import keys
from asterisk_plugin.store.announcements import Announcements
from asterisk_plugin.store.opening import open_client

TUESDAY = "2030-11-26T11:00"  # after every moment of these tests


def ran(desk: Desk, *arguments: str) -> str:
    said = desk.run(*arguments)
    assert said.code == 0, said.err
    return said.out


def objected(desk: Desk, number: str, *more: str) -> str:
    """Records an objection; gives its reference."""
    return ran(desk, "object", number, *(more or ("--principal", "tulip"))).split()[0]


def consented(desk: Desk, number: str, principal: str = "tulip", *more: str) -> str:
    """Records a consent; gives its id."""
    about = ("--principal", principal, "--purpose", "sales", "--product", "any")
    return ran(desk, "consent", "add", number, *about, *more).split()[0]


def listed(desk: Desk, *arguments: str) -> list[dict]:
    return json.loads(ran(desk, "objections", "list", "--json", *arguments))


def reasons(desk: Desk, number: str) -> set[str]:
    """Rules that stand against a call of the principal's campaign."""
    said = desk.run("check", number, "--campaign", "tulip-nl", "--at", TUESDAY, "--json")
    assert said.code in (0, 3, 4), said.err
    return {finding["rule"] for finding in json.loads(said.out)["findings"] if finding["decision"] != "ALLOW"}


def test_a_reference_is_seven_digits(desk: Desk):
    """It is spoken on a telephone line."""
    reference = objected(desk, ANNE)
    assert len(reference) == 7
    assert reference.isdecimal()


def test_a_later_consent_lets_the_person_be_called_again_and_keeps_the_history(desk_with_store: Desk):
    """By that consent's principal; the objection and its withdrawal both stay."""
    desk = desk_with_store
    reference = objected(desk, ANNE)
    consent = consented(desk, ANNE)
    assert "objection" in reasons(desk, ANNE)
    said = ran(desk, "objections", "withdraw", reference, "--by", "kim")
    assert f"{reference}  withdrawn for calls for tulip, by consent {consent}" in said
    assert "in force now" in said
    assert "objection" not in reasons(desk, ANNE)
    assert [one["kind"] for one in desk.history(ANNE)] == ["objection", "consent", "objection-withdrawn"]
    (entry,) = listed(desk, "--state", "withdrawn")
    assert entry["withdrawn"][0] | {"at": ""} == {
        "at": "", "by": "kim", "consent": consent, "principal": "tulip", "holds": True,
    }  # fmt: skip
    again = objected(desk, ANNE)
    assert again != reference
    assert "objection" in reasons(desk, ANNE)
    assert "in force now" in ran(
        desk, "consent", "add", ANNE, "--principal", "tulip", "--purpose", "sales", "--product", "any"
    )
    assert "objection" in reasons(desk, ANNE)  # a consent alone is no withdrawal


def test_the_objection_stands_again_when_the_consent_is_taken_back(desk_with_store: Desk):
    """In the gate and in the register."""
    desk = desk_with_store
    objected(desk, ANNE)
    consented(desk, ANNE)
    ran(desk, "objections", "withdraw", ANNE)
    ran(desk, "consent", "withdraw", ANNE, "--principal", "tulip", "--purpose", "sales")
    assert "objection" in reasons(desk, ANNE)
    assert [entry["state"] for entry in listed(desk, "--principal", "tulip")] == ["stands"]


def test_an_objection_against_everyone_is_withdrawn_in_part(desk_with_store: Desk):
    """For the principal of the consent, and for nobody else."""
    desk = desk_with_store
    reference = objected(desk, ANNE, "--everyone")
    consented(desk, ANNE)
    ran(desk, "objections", "withdraw", reference)
    assert "objection" not in reasons(desk, ANNE)
    (entry,) = [entry for entry in listed(desk) if entry["reference"] == reference]
    assert entry["state"] == "in-part"
    table = ran(desk, "objections", "list")
    assert "in-part (tulip)" in table


def test_a_rebuild_gives_the_same_bytes(desk_with_store: Desk):
    """What the commands wrote piece by piece is what the ledger says."""
    desk = desk_with_store
    objected(desk, ANNE, "--everyone")
    objected(desk, ANNE)
    consented(desk, ANNE)
    ran(desk, "objections", "withdraw", ANNE)
    before = _image(desk)
    assert len(before) >= 3
    ran(desk, "rebuild")
    assert _image(desk) == before


def _image(desk: Desk) -> dict[bytes, list[bytes]]:
    async def read():
        client = open_client(DataDir(desk.data_dir).read_run()["store_url"], timeout_s=5)
        try:
            tag = person_tag(DataDir(desk.data_dir).secret(), ANNE)
            names = [make(tag) for make in (keys.objections, keys.lifted, keys.consents, keys.withdrawals)]
            found = {name: await client.execute("HGETALL", name) for name in names}
            return {
                name: sorted(zip(values[::2], values[1::2], strict=True)) for name, values in found.items() if values
            }
        finally:
            await client.close()

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ((), "gave no consent"),
        (("--given-at", "2024-01-01"), "given before the objection"),
        (("--expires", "2026-01-01", "--given-at", "2025-01-01"), "given before the objection"),
    ],
)
def test_without_a_later_consent_nothing_is_withdrawn(desk: Desk, given: tuple[str, ...], complaint: str):
    """No admin can do it by hand."""
    reference = objected(desk, ANNE)
    if given:
        consented(desk, ANNE, "tulip", *given)
    rows = desk.rows()
    said = desk.run("objections", "withdraw", reference)
    assert said.code == 2
    assert complaint in said.err
    assert desk.rows() == rows


def test_another_persons_consent_or_another_principals_does_not_serve(desk: Desk):
    """Neither named nor found."""
    reference = objected(desk, ANNE)
    others = consented(desk, BERT)
    assert "gave no consent" in desk.run("objections", "withdraw", reference, "--consent", others).err
    elsewhere = consented(desk, ANNE, "linde")
    assert "against `tulip`" in desk.run("objections", "withdraw", reference, "--consent", elsewhere).err
    assert desk.run("objections", "withdraw", reference).code == 2
    assert listed(desk, "--state", "withdrawn") == []


def test_all_that_a_consent_reaches_is_withdrawn_by_number(desk: Desk):
    """And what is left standing is named."""
    first, second = objected(desk, ANNE), objected(desk, ANNE, "--everyone")
    consented(desk, ANNE)
    said = ran(desk, "objections", "withdraw", first)
    assert f"{second}  of " in said
    assert "still stands against calls for tulip" in said
    assert f"{second}  withdrawn" in ran(desk, "objections", "withdraw", ANNE)
    assert "no objection stands" in desk.run("objections", "withdraw", ANNE).err


def test_objections_are_found_by_what_people_know_of_them(desk: Desk):
    """Number, reference, id, or words."""
    reference = objected(desk, ANNE, "--everyone", "--wording", "Nie wieder, bitte", "--by", "kim")
    objected(desk, BERT)
    (entry,) = [one for one in listed(desk) if one["reference"] == reference]
    for what in (ANNE, reference, entry["id"], entry["id"].upper(), "nie WIEDER", "kim"):
        assert json.loads(ran(desk, "objections", "search", what, "--json")) == [entry], what
    assert "no objection is found" in ran(desk, "objections", "search", "nobody said this")
    assert json.loads(ran(desk, "objections", "search", "0612345001", "--country", "NL", "--json")) == [entry]


def test_a_list_is_filtered_and_bounded(desk: Desk):
    """Newest first, and it says when there are more."""
    references = [objected(desk, f"+3161234500{place}") for place in range(4)]
    everyone = objected(desk, ANNE, "--everyone", "--channel", "agent", "--by", "kim")
    assert [entry["reference"] for entry in listed(desk)] == [everyone, *reversed(references)]
    assert [entry["reference"] for entry in listed(desk, "--limit", "2")] == [everyone, references[3]]
    assert "these are the newest 2" in ran(desk, "objections", "list", "--limit", "2")
    for option in (("--everyone",), ("--channel", "agent"), ("--by", "kim")):
        assert [entry["reference"] for entry in listed(desk, *option)] == [everyone]
    assert listed(desk, "--since", "2100-01-01") == []
    assert len(listed(desk, "--until", "2100-01-01", "--principal", "tulip")) == 4
    assert desk.run("objections", "list", "--since", "2026-01-02", "--until", "2026-01-01").code == 2


def test_an_export_is_private_and_harmless(desk: Desk, tmp_path: Path):
    """No formula of a stranger runs in a spreadsheet; the file is whole or not there."""
    objected(desk, ANNE, "--everyone", "--wording", '=HYPERLINK("x")', "--by", "@kim")
    objected(desk, BERT)
    file = tmp_path / "objections.csv"
    assert "2 objections" in ran(desk, "objections", "export", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob(".objections*")] == []
    first, second = csv.DictReader(io.StringIO(file.read_text()))
    assert (first["number"], first["scope"]) == (BERT, "tulip")
    assert (second["wording"], second["by"]) == ('\'=HYPERLINK("x")', "'@kim")
    lines = ran(desk, "objections", "export", "--format", "jsonl").splitlines()
    assert [json.loads(line)["number"] for line in lines] == [BERT, ANNE]
    assert desk.run("objections", "export", str(tmp_path / "none" / "x.csv")).code == 2


NASTY = "a\x1b]0;x\x07b\x9bc\u202ed\u2066e\x7f\nf\u00a0g"


def test_what_was_said_cannot_steer_a_terminal(desk: Desk):
    """Escapes, C1 and marks of direction are written out; nothing is lost in JSON."""
    _recorded(desk, ANNE, wording=NASTY, by="kim\x1b[2J")
    (entry,) = listed(desk)
    assert (entry["wording"], entry["by"]) == (NASTY, "kim\x1b[2J")
    shown = [ran(desk, "objections", *command) for command in (("list",), ("list", "--json"), ("search", ANNE))]
    shown += [ran(desk, "objections", "export", "--format", form) for form in ("csv", "jsonl")]
    for text in shown:
        assert "\\x1b" in text or "\\u001b" in text
        assert not {one for one in text if one != "\n" and not one.isprintable()} - {"\u00a0"}


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("=1+1", "'=1+1"),
        ("no;=1+1", "no;'=1+1"),
        ("no;  @x", "no;'  @x"),
        ('no;"=1', "no;'\"=1"),
        ("no\t+1", "no\t'+1"),
        ("no\n-1\n=2", "no\n'-1\n'=2"),
        ("no\r\n=1", "no\n'=1"),
        ("no\r=1", "no\\r=1"),
        ("＝1", "'＝1"),
        ("\tx", "'\tx"),
        ("2+2 = 4, a-b; c@d", "2+2 = 4, a-b; c@d"),
    ],
)
def test_no_part_of_a_cell_becomes_a_formula(desk: Desk, said: str, written: str):
    """A spreadsheet may cut a cell where it sees fit."""
    _recorded(desk, ANNE, wording=said)
    (row,) = csv.DictReader(io.StringIO(ran(desk, "objections", "export"), newline=""))
    assert row["wording"] == written


def test_an_objection_for_a_number_keyed_in_is_confirmed_by_an_admin(desk: Desk):
    """Until then it is listed for review; it blocks all the while, and looking twice is noted once."""
    reference = objected(desk, ANNE)
    assert listed(desk, "--review") == []  # somebody said it: there is nothing to look at
    keyed = _keyed_in(desk, BERT)
    assert [entry["reference"] for entry in listed(desk, "--review")] == [keyed]
    assert "to review" in ran(desk, "objections", "list")
    for _ in range(2):
        assert f"{keyed}  {BERT}  confirmed" in ran(desk, "objections", "confirm", keyed, "--by", "kim")
    assert listed(desk, "--review") == []
    (entry,) = json.loads(ran(desk, "objections", "search", keyed, "--json"))
    assert [one["by"] for one in entry["confirmed"]] == ["kim"]
    assert entry["state"] == "stands"
    assert desk.run("objections", "confirm", "7777777").code == 2
    assert reference != keyed


def _keyed_in(desk: Desk, number: str) -> str:
    """An objection as the objection line records one for another number than the called one."""
    return _recorded(desk, number, certainty="entered", other_number="review")


def _recorded(desk: Desk, number: str, *, wording: str = "", by: str = "", **body: str) -> str:
    """An objection that some part has recorded, whatever it lets through; gives its reference."""
    import dataclasses
    import datetime as dt

    from asterisk_plugin.callflow.records import new_id, objection_event
    from asterisk_plugin.ledger import open_ledger

    directory = DataDir(desk.data_dir)
    directory.prepare()
    person = person_tag(directory.secret(), number)
    event = objection_event(
        new_id(),
        person=person,
        number=number,
        scope="tulip",
        at=dt.datetime.now(dt.UTC),
        channel="ivr",
        wording=wording,
        by=by,
    )
    event = dataclasses.replace(event, body={**event.body, **body})

    async def write() -> None:
        ledger = open_ledger(directory.ledger_url, secret=directory.secret())
        await ledger.start()
        await ledger.append([event])
        await ledger.close()

    asyncio.run(write())
    return str(event.body["reference"])


def test_an_objection_entered_by_hand_is_announced_to_every_service(desk_with_store: Desk):
    """So that what rings this person now is ended."""
    desk = desk_with_store

    async def listen() -> str:
        client = open_client(DataDir(desk.data_dir).read_run()["store_url"], timeout_s=5)
        heard: asyncio.Queue = asyncio.Queue()
        subscribed = asyncio.Event()
        announcements = Announcements(client, on_objected=heard.put_nowait, on_subscribed=subscribed.set)
        task = asyncio.create_task(announcements.run())
        try:
            async with asyncio.timeout(20):
                await subscribed.wait()
                said = await asyncio.to_thread(desk.run, "object", ANNE, "--everyone")
                objected = await heard.get()
            assert objected.person == person_tag(DataDir(desk.data_dir).secret(), ANNE)
            assert said.out.startswith(objected.reference)
            return objected.scope
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.close()

    assert asyncio.run(listen()) == "*"


def test_nothing_was_ever_recorded_is_told(desk: Desk):
    """A wrong --data-dir must not look like an empty register."""
    for command in (("list",), ("search", ANNE), ("export",), ("withdraw", "1234567"), ("confirm", "1234567")):
        said = desk.run("objections", *command)
        assert said.code == 2
        assert "nothing was ever recorded" in said.err
