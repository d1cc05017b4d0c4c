"""`ringfence doctor` where callers wait in queues: over what a real Asterisk 22.10 answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fake_ami import fake_ami, recorded, settings_for
from test_doctor import EXPECTED, NO_COMMAND, PERMISSION_DENIED, everything_allowed, now
from test_doctor_command import by_name

from asterisk_plugin.ami import answers, findings
from asterisk_plugin.ami.findings import Check, State
from asterisk_plugin.ami.inspect import Inspected, inspect_asterisk
from asterisk_plugin.ami.queues import QUEUE_EVENTS, QUEUE_MODULES, judge_music, judge_queues
from asterisk_plugin.cli.site_checks import QUEUE_CONTEXTS, run_checks, shipped_contexts
from asterisk_plugin.core.number import parse_number
from asterisk_plugin.settings.load import Loaded, load

if TYPE_CHECKING:
    from pathlib import Path

    from fake_ami import FakeAmi

WITH_QUEUES = replace(EXPECTED, queues=("sales",))
NOT_RUNNING = b"app_queue.so                   True Call Queueing                       0          Not Running"
MODULE_SHOW = recorded("module_show").replace(NOT_RUNNING, NOT_RUNNING.replace(b"Not Running", b"Running    "))


def with_queues(peer: FakeAmi, *, status: str = "queue_status", options: str = "queues_conf_sales") -> None:
    """Answer like an Asterisk in order that has the queue `sales`."""
    everything_allowed(peer)
    usual = peer.answers["Command"]
    own = {"module show": MODULE_SHOW, "moh show classes": recorded("moh_show_classes")}
    peer.answers |= {
        "Command": lambda action: own.get(action["Command"]) or usual(action),
        "QueueStatus": recorded(status),
        "GetConfig": recorded(options),
    }


async def look(peer: FakeAmi) -> tuple[Inspected, dict[str, Check]]:
    inspected = await inspect_asterisk(settings_for(peer.port), expected=WITH_QUEUES, clock=now)
    return inspected, by_name(list(inspected.checks))


async def test_an_asterisk_with_the_queue_its_modules_and_its_music_is_in_order():
    """What stands in the way is the right to read the events of agents and our own, which the recorded user lacks."""
    async with fake_ami() as peer:
        with_queues(peer)
        inspected, checks = await look(peer)
        assert peer.named("QueueStatus")[0]["Queue"] == "sales"
        assert peer.named("GetConfig")[0]["Category"] == "sales"
    assert inspected.queues == {"sales"}
    assert checks["pbx: music of queue sales"].state is State.OK
    assert checks["pbx: modules"].state is State.OK
    assert [check.name for check in checks.values() if check.state is State.FAIL] == ["pbx: events"]
    assert checks["pbx: events"].remedy == "in manager.conf: read = call,agent,user"
    assert "agent, user" in checks["pbx: events"].sentence


async def test_without_queues_nothing_of_them_is_asked_or_demanded():
    """No more rights, modules or contexts than a site without queues needs."""
    async with fake_ami() as peer:
        with_queues(peer)
        inspected = await inspect_asterisk(settings_for(peer.port), expected=EXPECTED, clock=now)
        assert not peer.named("QueueStatus")
        assert not peer.named("GetConfig")
    assert inspected.queues is None
    assert not [check for check in inspected.checks if check.state is State.FAIL]


async def test_a_queue_that_is_not_there_is_noted_and_has_no_music_to_look_at():
    """The recorded answer for a name that nobody has."""
    async with fake_ami() as peer:
        with_queues(peer, status="queue_status_none")
        inspected, checks = await look(peer)
        assert not peer.named("GetConfig")
    assert inspected.queues == frozenset()
    assert "pbx: music of queue sales" not in checks


async def test_an_asterisk_without_app_queue_has_no_queue_and_a_missing_module():
    """As recorded: without a queues.conf the module does not run."""
    async with fake_ami() as peer:
        with_queues(peer)
        usual = peer.answers["Command"]
        peer.answers["Command"] = lambda a: recorded("module_show") if a["Command"] == "module show" else usual(a)
        unknown = b"Response: Error\r\nActionID: ACTIONID\r\nMessage: Invalid/unknown command: QueueStatus.\r\n\r\n"
        peer.answers["QueueStatus"] = unknown
        inspected, checks = await look(peer)
    assert inspected.queues == frozenset()
    assert checks["pbx: modules"].sentence == "not loaded: app_queue"
    assert "unknown command" in checks["pbx: queues"].sentence


async def test_without_the_right_to_look_the_music_is_named_as_not_checked():
    """The service's own user sees which queues there are, and not their options."""
    async with fake_ami() as peer:
        with_queues(peer)
        peer.answers["Command"] = PERMISSION_DENIED
        inspected, checks = await look(peer)
    assert inspected.queues == {"sales"}
    assert checks["pbx: not checked"].sentence.endswith("music on hold")


async def test_an_asterisk_without_music_on_hold_is_silent():
    """`moh show classes` is no command there."""
    async with fake_ami() as peer:
        with_queues(peer)
        usual = peer.answers["Command"]
        peer.answers["Command"] = lambda a: NO_COMMAND if a["Command"].startswith("moh") else usual(a)
        _, checks = await look(peer)
    assert checks["pbx: music of queue sales"].state is State.WARN
    assert "silence" in checks["pbx: music of queue sales"].sentence


@pytest.mark.parametrize(
    ("options", "state", "word"),
    [
        ([("strategy", "ringall")], State.OK, "`default`"),
        ([("musicclass", "jazz")], State.OK, "`jazz`"),
        ([("MusicOnHold", "rock")], State.WARN, "`rock`"),
        ([("music", "jazz"), ("musicclass", "rock")], State.WARN, "`rock`"),
        ([("musicclass", "")], State.OK, "`default`"),
        ([], State.WARN, "not in queues.conf"),
    ],
)
def test_the_music_is_that_of_the_queue_else_the_default(options, state, word):
    """By any of the three names that Asterisk knows for it."""
    check = judge_music("sales", options, ("default", "jazz"))
    assert (check.state, word in check.sentence) == (state, True)


def test_recorded_options_and_classes_are_read():
    """Key and value, in order, and names without their folders."""
    lines = recorded("queues_conf_sales").decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert answers.read_config(fields)[0] == ("strategy", "ringall")
    assert answers.read_config(fields)[-1] == ("member", "PJSIP/2001@desk,0,agent,PJSIP/desk")
    output = recorded("moh_show_classes").decode().replace("Output: ", "").split("\r\n")
    assert answers.read_music_classes(output) == ("default",)


def test_a_queue_must_be_in_one_asterisk_by_exactly_its_name():
    """Asterisk lets `Sales` into `sales`, and then speaks of `sales`."""
    found = {"a": frozenset({"sales"}), "b": frozenset[str]()}
    assert [check.state for check in judge_queues(("sales",), found)] == [State.OK]
    (other,) = judge_queues(("Sales",), found)
    assert (other.state, other.remedy) == (State.FAIL, 'in campaigns.toml: id = "sales"')
    (missing,) = judge_queues(("service",), found)
    assert missing.state is State.FAIL
    assert "no queue `service` in a, b" in missing.sentence
    assert judge_queues(("sales",), {}) == []


@pytest.mark.parametrize(
    ("read", "queues", "state"),
    [
        ({"call"}, False, State.OK),
        ({"call"}, True, State.FAIL),
        ({"call", "agent"}, True, State.FAIL),
        ({"call", "user"}, True, State.FAIL),
        ({"agent", "user"}, True, State.FAIL),
        ({"call", "agent", "user"}, True, State.OK),
        ({"all"}, True, State.OK),
    ],
)
def test_queues_need_the_events_of_agents_and_our_own(read, queues, state):
    """And not one class more."""
    needed = QUEUE_EVENTS if queues else ("call",)
    assert findings.judge_own_events("watch", frozenset(read), needed).state is state


@pytest.mark.parametrize("gone", QUEUE_MODULES)
def test_each_module_that_queues_use_is_named_when_it_is_missing(gone):
    """By its name."""
    running = answers.read_modules(MODULE_SHOW.decode().replace("Output: ", "").split("\r\n"))
    assert findings.judge_modules(running, QUEUE_MODULES).state is State.OK
    assert findings.judge_modules({**running, gone: False}, QUEUE_MODULES).sentence == f"not loaded: {gone}"


def test_the_contexts_of_queues_are_expected_only_with_queues(tmp_path, monkeypatch):
    """A site without queues need not include their file, whatever else it holds."""
    text = "".join(f"[{name}]\n" for name in ("ringfence-dial", *QUEUE_CONTEXTS, "ringfence-queue-more"))
    (tmp_path / "ringfence-all.conf").write_text(text)
    monkeypatch.setattr("asterisk_plugin.cli.site_checks.shipped", lambda _folder: tmp_path)
    assert shipped_contexts() == ("ringfence-dial",)
    assert shipped_contexts(queues=True) == ("ringfence-dial", *QUEUE_CONTEXTS)
    assert {"ringfence-queue", "ringfence-queue-wait", "ringfence-call-back"} <= set(QUEUE_CONTEXTS)


def changed(loaded: Loaded, *numbers: str, **fields: object) -> Loaded:
    """The shipped configuration with the German queue changed and the Dutch one left out."""
    queue = loaded.site.queues["linde-service"]
    principal = replace(queue.principal, memberships=frozenset())
    parsed = tuple(parse_number(number, "DE") for number in numbers)
    queue = replace(queue, principal=principal, numbers=parsed, **fields)
    return replace(loaded, site=replace(loaded.site, queues={queue.id: queue}))


@pytest.mark.parametrize(
    ("number", "unanswered", "states"),
    [
        ("+493023125012", False, [State.OK]),
        ("+499001234567", True, [State.OK, State.OK]),
        ("+499001234567", False, [State.FAIL, State.WARN]),
    ],
)
async def test_the_law_of_every_queue_is_checked(tmp_path: Path, number, unanswered, states):
    """A premium number only where waiting is free, and then callers must be told so at the start."""
    loaded = changed(load(None, data_dir=tmp_path), number, unanswered=unanswered, carrier_limit_s=0)
    checks = [check for check in await run_checks(loaded) if check.name == "law of queue linde-service"]
    assert [check.state for check in checks] == states
    assert checks[0].sentence.endswith("(TKG § 115(1))")
    if len(checks) > 1:
        assert "must be told the expected wait and that waiting is free" in checks[1].sentence
        assert checks[1].sentence.endswith("(TKG § 115(2))")


async def test_the_command_finds_a_queue_that_no_asterisk_has(tmp_path: Path):
    """From campaigns.toml to the Asterisk and back."""
    loaded = changed(load(None, data_dir=tmp_path), "+493023125012")
    async with fake_ami() as peer:
        with_queues(peer, status="queue_status_none")
        service = loaded.service.model_copy(update={"asterisk": (settings_for(peer.port),)})
        checks = by_name(await run_checks(replace(loaded, service=service), clock=lambda: dt.datetime.now(dt.UTC)))
        assert peer.named("QueueStatus")[0]["Queue"] == "linde-service"
    assert checks["queue linde-service"].state is State.FAIL
    assert "ringfence-queue-keys" in checks["pbx: contexts"].sentence
