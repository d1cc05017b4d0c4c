"""`ringfence doctor`: each check over what a real Asterisk 22.10 answered, and the command itself."""

from __future__ import annotations

import datetime as dt

import pytest
from fake_ami import REFUSED, FakeAmi, fake_ami, recorded, settings_for

from asterisk_plugin.ami import answers, findings
from asterisk_plugin.ami.endpoints import judge_endpoint
from asterisk_plugin.ami.findings import State
from asterisk_plugin.ami.inspect import ATTEMPT_EVENTS, MODULES, PJSIP_MODULES, Expected, Login, inspect_asterisk

PERMISSION_DENIED = recorded("denied")
COMMANDS = {
    "manager show users": "manager_show_users",
    "manager show user watch": "manager_show_user_watch",
    "manager show user full": "manager_show_user_full",
    "manager show user orig": "manager_show_user_orig",
    "manager show user doc": "manager_show_user_doc",
    "ari show users": "ari_show_users",
    "module show": "module_show",
}
OUTPUT = b"ActionID: ACTIONID\r\nMessage: Command output follows\r\nOutput: "
SOUNDS = b"Response: Success\r\n" + OUTPUT + b"Available audio files:\r\nOutput: beep\r\n\r\n"
NO_COMMAND = b"Response: Error\r\n" + OUTPUT + b"No such command 'ari show users'\r\n\r\n"
EXPECTED = Expected(("ringfence-dial",), lambda number: number == "112")


def now() -> dt.datetime:
    """The moment at which the recorded ping was answered."""
    return dt.datetime.fromtimestamp(1795285673.142661, dt.UTC)


def everything_allowed(peer: FakeAmi, endpoint: str = "endpoint_good") -> None:
    """Answer like the recorded Asterisk does an admin."""

    def command(action: dict[str, str]) -> bytes:
        if action["Command"] == "core show sounds":
            return SOUNDS
        return recorded(COMMANDS[action["Command"]])

    peer.answers |= {
        "ListCommands": recorded("list_commands_watch"),
        "CoreSettings": recorded("core_settings"),
        "ShowDialPlan": recorded("dialplan_context"),
        "PJSIPShowEndpoint": recorded(endpoint),
        "Command": command,
    }


async def look(peer: FakeAmi, admin: Login | None = None) -> dict[str, findings.Check]:
    inspected = await inspect_asterisk(settings_for(peer.port), expected=EXPECTED, clock=now, admin=admin)
    return {check.name: check for check in inspected.checks}


async def test_names_every_ami_and_ari_user_who_can_dial_past_the_gate():
    """Those with originate or command, not the watchdog's own; ARI users who may write."""
    async with fake_ami() as peer:
        everything_allowed(peer)
        checks = await look(peer)
    named = {name for name, check in checks.items() if "past the gate" in check.sentence}
    assert named == {"pbx: AMI user doc", "pbx: AMI user full", "pbx: AMI user orig", "pbx: ARI user stasis1"}
    assert "originate" in checks["pbx: AMI user orig"].sentence
    assert all(checks[name].state is State.WARN and checks[name].remedy for name in named)


async def test_a_site_in_order_has_nothing_to_mend():
    """Everything that was recorded on a good site is ok or a warning, and each check has a sentence."""
    async with fake_ami() as peer:
        everything_allowed(peer)
        checks = await look(peer)
    assert not [check for check in checks.values() if check.state is State.FAIL]
    for name in (
        "AMI",
        "rights",
        "clock",
        "version",
        "contexts",
        "endpoint carrier",
        "modules",
        "events",
        "sounds",
    ):
        assert checks[f"pbx: {name}"].state is State.OK, name


async def test_what_the_services_own_user_may_not_see_is_said_once_with_a_remedy():
    """Least rights are right: they make no failure, and nothing is passed off as checked."""
    async with fake_ami() as peer:
        everything_allowed(peer)
        peer.answers |= {"Command": PERMISSION_DENIED, "PJSIPShowEndpoint": PERMISSION_DENIED}
        checks = await look(peer)
    missing = checks["pbx: not checked"]
    assert missing.state is State.WARN
    assert "endpoints, AMI users, ARI users, modules, sounds" in missing.sentence
    assert "--ami-user" in missing.remedy
    assert "pbx: modules" not in checks


async def test_an_admins_login_is_used_for_what_the_service_may_not_see():
    """The service's own rights are judged by its own login all the same."""
    async with fake_ami() as peer:
        everything_allowed(peer)
        checks = await look(peer, Login("doc", "d"))
        assert [login["Username"] for login in peer.named("Login")] == ["watch", "doc"]
    assert "`watch`" in checks["pbx: rights"].sentence
    assert "d" not in repr(Login("x", "d")).removeprefix("Login(")


async def test_a_refused_login_is_a_failure_with_a_remedy():
    """Wrong secret: one check, no exception."""
    async with fake_ami() as peer:
        peer.answers["Login"] = REFUSED
        checks = await look(peer)
    assert [check.state for check in checks.values()] == [State.FAIL]
    assert "manager.conf" in checks["pbx: AMI"].remedy


async def test_an_asterisk_that_is_not_there_or_frozen_is_a_failure():
    """No exception, and it ends within the time-outs."""
    async with fake_ami() as peer:
        peer.frozen = True
        frozen = await look(peer)
    absent = await look(peer)
    assert "no answer" in frozen["pbx: AMI"].sentence
    assert "cannot connect" in absent["pbx: AMI"].sentence


async def test_a_trunk_without_an_endpoint_is_a_failure():
    """A misspelt trunk means that nothing is watched."""
    async with fake_ami() as peer:
        everything_allowed(peer, endpoint="endpoint_none")
        checks = await look(peer)
    assert checks["pbx: endpoint carrier"].state is State.FAIL


async def test_asterisk_without_ari_is_in_order():
    """`ari show users` is no command there."""
    async with fake_ami() as peer:
        everything_allowed(peer)
        usual = peer.answers["Command"]
        peer.answers["Command"] = lambda a: NO_COMMAND if a["Command"].startswith("ari") else usual(a)
        checks = await look(peer)
    assert checks["pbx: ARI users"].state is State.OK


def detail(name: str) -> dict[str, str]:
    """The EndpointDetail of a recorded answer."""
    blocks = recorded(name).decode().split("\r\n\r\n")
    fields = [dict(line.split(": ", 1) for line in b.split("\r\n") if ": " in line) for b in blocks]
    return next(each for each in fields if each.get("Event") == "EndpointDetail")


def test_a_recorded_good_endpoint_is_in_order():
    """send_pai and trust_id_outbound on, nothing else set."""
    assert [check.state for check in judge_endpoint("carrier", detail("endpoint_good"))] == [State.OK]


def test_a_recorded_bad_endpoint_is_named_option_by_option():
    """from_user is what changes the number; the others are worth a thought."""
    checks = judge_endpoint("badtrunk", detail("endpoint_bad"))
    by_option = {check.sentence.split("`")[1].split(" =")[0]: check.state for check in checks}
    assert by_option == {
        "from_user": State.FAIL,
        "callerid_privacy": State.WARN,
        "callerid": State.WARN,
        "send_pai": State.WARN,
    }


@pytest.mark.parametrize(
    ("option", "value", "state"),
    [
        ("FromUser", "12345", State.FAIL),
        ("FromDomain", "anonymous.invalid", State.FAIL),
        ("RedirectMethod", "uri_pjsip", State.FAIL),
        ("SetVar", "CALLERID(num)=077", State.WARN),
        ("SendPai", "false", State.WARN),
        ("TrustIdOutbound", "false", State.WARN),
        ("CalleridPrivacy", "prohib_not_screened", State.WARN),
        ("FromDomain", "example.org", State.OK),
        ("CalleridPrivacy", "allowed_passed_screened", State.OK),
    ],
)
def test_each_option_of_an_endpoint_is_judged(option, value, state):
    """One change to the good endpoint makes one finding."""
    (check,) = judge_endpoint("carrier", {**detail("endpoint_good"), option: value})
    assert check.state is state
    assert bool(check.remedy) is (state is not State.OK)


def dialplan(*lines: tuple[str, str, str, str]) -> list[dict[str, str]]:
    return [{"Context": c, "Extension": e, "Priority": "1", "Application": a, "AppData": d} for c, e, a, d in lines]


@pytest.mark.parametrize(
    ("application", "data", "state"),
    [
        ("Dial", "PJSIP/${EXTEN}@carrier,20", State.FAIL),
        ("Dial", "PJSIP/agent&PJSIP/1@carrier,20,b(pre^s^1)", State.FAIL),
        ("Dial", "PJSIP/carrier/sip:1@host", State.FAIL),
        ("Originate", "PJSIP/1@carrier,exten,x,s,1", State.FAIL),
        ("Dial", "PJSIP/${EXTEN}@carrier,20,b(ringfence-trunk^s^1(t^n))", State.OK),
        ("Dial", "PJSIP/${EXTEN}@carrier-2,20", State.OK),
        ("Dial", "PJSIP/agent,20", State.OK),
        ("NoOp", "PJSIP/1@carrier", State.OK),
    ],
)
def test_a_trunk_dialled_without_the_routine_is_found_in_the_loaded_dialplan(application, data, state):
    """By application, and by the trunk's name as a whole."""
    check = findings.judge_dials(dialplan(("x", "_X.", application, data)), ("PJSIP/carrier",))
    assert check.state is state
    assert ("x,_X.,1" in check.sentence) is (state is State.FAIL)


def test_an_emergency_number_that_only_the_dialplan_knows_is_a_failure():
    """The watchdog would hang it up."""
    lines = dialplan(("ringfence-emergency", "112", "Return", ""), ("ringfence-emergency", "144", "Return", ""))
    check = findings.judge_emergency(lines, lambda number: number == "112")
    assert check.state is State.FAIL
    assert "144" in check.sentence
    assert "112" not in check.sentence
    assert findings.judge_emergency(lines[:1], lambda number: number == "112").state is State.OK
    assert findings.judge_emergency([], lambda number: True).state is State.WARN  # noqa: ARG005


def test_a_missing_context_and_a_missing_module_are_failures():
    """Each is named."""
    assert "ringfence-trunk" in findings.judge_contexts(dialplan(("a", "s", "NoOp", "")), ("ringfence-trunk",)).sentence
    modules = answers.read_modules(recorded("module_show").decode().replace("Output: ", "").split("\r\n"))
    assert findings.judge_modules(modules, MODULES + PJSIP_MODULES).state is State.OK
    check = findings.judge_modules({**modules, "res_agi": False}, MODULES)
    assert check.state is State.FAIL
    assert "res_agi" in check.sentence


NEEDED = {"Hangup", "Getvar", "Setvar", "SendText", "Redirect", "CoreShowChannels", "UserEvent"}
"""Every action that the service sends."""


@pytest.mark.parametrize("gone", sorted(NEEDED))
def test_a_right_that_the_service_needs_and_lacks_is_a_failure(gone):
    """By action, with the whole line for manager.conf: who writes it down takes no right away."""
    (check,) = findings.judge_own_rights("watch", NEEDED - {gone})
    assert check.state is State.FAIL
    assert f"may not `{gone}`" in check.sentence
    assert check.remedy == "in manager.conf: write = call,reporting,user"


def test_our_own_user_should_not_be_able_to_dial():
    """Too many rights are a warning, none too many is in order."""
    assert findings.judge_own_rights("watch", NEEDED)[0].state is State.OK
    (check,) = findings.judge_own_rights("watch", NEEDED | {"Originate"})
    assert (check.state, check.remedy) == (State.WARN, "in manager.conf: write = call,reporting,user")
    assert findings.judge_own_events("watch", frozenset({"system"})).state is State.FAIL


def test_whoever_follows_attempts_needs_user_events_too():
    """What the dialplan found out comes as one."""
    check = findings.judge_own_events("watch", frozenset({"call"}), ATTEMPT_EVENTS)
    assert (check.state, check.remedy) == (State.FAIL, "in manager.conf: read = call,user")
    assert "who answered" in check.sentence


@pytest.mark.parametrize(
    ("gone", "amd", "state", "words"),
    [
        ("", True, State.OK, "can be brought"),
        ("app_audiosocket", True, State.WARN, "app_amd is asked"),
        ("app_audiosocket", False, State.WARN, "recorded messages are not played"),
        ("app_chanspy", True, State.WARN, "no machine is heard during a call"),
        ("res_mutestream", True, State.WARN, "a word may be left on a machine"),
    ],
)
def test_what_brings_the_sound_of_calls_is_looked_for(gone, amd, state, words):
    """Without it less is heard, and the doctor says what."""
    modules = {name: name != gone for name in (*findings.HEARING_MODULES, findings.MUTING_MODULE)} | {"app_amd": amd}
    check = findings.judge_hearing(modules)
    assert check.state is state
    assert words in check.sentence


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("22.10.1+dfsg+~cs6.17", State.OK),
        ("16.28.0~dfsg-0+deb11u4", State.OK),
        ("certified/18.9-cert4", State.OK),
        ("13.38.3", State.FAIL),
        ("GIT-master-0a1b2c", State.WARN),
    ],
)
def test_asterisk_16_or_newer_is_needed(text, state):
    """Whatever way the version is written."""
    assert findings.judge_version(text, answers.read_version(text)).state is state


@pytest.mark.parametrize(("ahead_s", "state"), [(0.1, State.OK), (-3, State.WARN), (60, State.FAIL)])
def test_a_clock_that_differs_is_found(ahead_s, state):
    """Either way."""
    assert findings.judge_clock(ahead_s).state is state


def test_several_asterisks_need_a_system_name_each():
    """Otherwise two channels may have one unique id, and one pass for the other."""
    assert findings.judge_system_names({"a": ""}) == []
    assert findings.judge_system_names({"a": "x", "b": "y"}) == []
    assert findings.judge_system_names({"a": "x", "b": "x"})[0].state is State.WARN
    assert findings.judge_system_names({"a": "x", "b": ""})[0].state is State.WARN
